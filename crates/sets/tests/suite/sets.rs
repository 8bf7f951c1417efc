//! What every set passes, from one table: its definition, its metric and its tangent cone as far as
//! it has them, and single precision.

use morphograd_sets::*;
use morphograd_testkit::{
    check_capabilities, check_greatest_below, check_minimize_linear, check_projection,
    check_projection_in_metric_within, check_projection_within, check_tangent,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::table::{COUNTED, number, sets};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_set_is_what_its_definition_says(
        point in vec(number(), 12),
        others in vec(vec(number(), 12), 4),
        metric in vec(0.05..4.0f64, 12),
        direction in vec(number(), 12),
    ) {
        for entry in sets() {
            let (set, shape, n) = (entry.double(), entry.shape, entry.shape.len());
            let others: Vec<Vec<f64>> = others.iter().map(|o| o[..n].to_vec()).collect();
            let (point, metric, direction) = (&point[..n], &metric[..n], &direction[..n]);
            set.accepts(shape).unwrap();
            check_projection_within(entry.tolerance, set, shape, point, &others);
            check_capabilities(set, shape, point);
            check_greatest_below(entry.tolerance, set, shape, point, direction);
            let states = set.capabilities(shape);
            if states.metric {
                check_projection_in_metric_within(
                    entry.tolerance,
                    set,
                    shape,
                    metric,
                    point,
                    &others,
                );
            }
            if states.linear {
                check_minimize_linear(set, shape, direction, &others);
            }
            if states.tangent {
                check_tangent(set, shape, entry.curvature, point, direction, &others);
            }
        }
    }

    #[test]
    fn the_distance_is_that_to_the_image_and_0_for_what_the_set_contains(
        point in vec(number(), 12),
    ) {
        for entry in sets() {
            let (set, shape) = (entry.double(), entry.shape);
            let point = &point[..shape.len()];
            let mut image = point.to_vec();
            set.project(shape, &mut image);
            prop_assert!(set.contains(shape, &image), "{}", entry.name);
            prop_assert_eq!(set.distance(shape, &image), 0.0, "{}", entry.name);
            let square: f64 = point.iter().zip(&image).map(|(w, p)| (w - p).powi(2)).sum();
            let slack = 1e-14 * (1.0 + square.sqrt());
            prop_assert!((set.distance(shape, point) - square.sqrt()).abs() <= slack);
            prop_assert_eq!(set.contains(shape, point), square == 0.0, "{}", entry.name);
        }
    }

    #[test]
    fn in_single_precision_the_image_is_feasible_and_stays_bit_for_bit(
        point in vec(number(), 12),
        exponent in -3..4i32,
    ) {
        for entry in sets() {
            let (set, shape) = (entry.single(), entry.shape);
            let scale = 10f64.powi(exponent);
            let mut once: Vec<f32> =
                point[..shape.len()].iter().map(|x| (x * scale) as f32).collect();
            let mut double: Vec<f64> = once.iter().map(|x| f64::from(*x)).collect();
            set.project(shape, &mut once);
            prop_assert_eq!(set.violation(shape, &once), 0.0, "{} {:?}", entry.name, once);
            let mut twice = once.clone();
            set.project(shape, &mut twice);
            prop_assert_eq!(&once, &twice, "{}", entry.name);
            // Near a tie the nearest point of a set that is not convex may be another one.
            if set.kind() == Kind::Convex {
                entry.double().project(shape, &mut double);
                let largest = double.iter().chain(&[1.0]).fold(0.0, |m: f64, x| m.max(x.abs()));
                for (single, double) in once.iter().zip(&double) {
                    let slack = entry.tolerance.max(1e-6) * largest * (1.0 + scale * 1e-3);
                    prop_assert!(
                        (f64::from(*single) - double).abs() <= slack,
                        "{} {single} {double}",
                        entry.name
                    );
                }
            }
        }
    }

    #[test]
    fn coordinates_are_counted_on_the_boundary_only(
        point in vec(number(), 12),
        direction in vec(number(), 12),
        shrink in prop_oneof![Just(1.0), Just(0.1)],
    ) {
        for entry in sets() {
            let (set, shape, n) = (entry.double(), entry.shape, entry.shape.len());
            let point: Vec<f64> = point[..n].iter().map(|w| w * shrink).collect();
            let mut value = point.clone();
            set.project(shape, &mut value);
            let Some(active) = set.active(shape, &value) else {
                prop_assert!(!COUNTED.contains(&entry.name), "{}", entry.name);
                continue;
            };
            prop_assert!(COUNTED.contains(&entry.name) || entry.name == "Per", "{}", entry.name);
            prop_assert!(active <= n, "{}", entry.name);
            // What an inequality had to move is on the boundary afterwards.
            if value != point && !set.formula().contains(" = ") {
                prop_assert!(active > 0, "{} {:?}", entry.name, value);
            }
            // Where nothing is held, the part of a direction that leads into the set leads into it
            // backwards too.
            if active == 0 {
                let [mut forwards, mut backwards] = [1.0, -1.0]
                    .map(|sign| -> Vec<f64> { direction[..n].iter().map(|d| sign * d).collect() });
                set.project_tangent(shape, &value, &mut forwards);
                set.project_tangent(shape, &value, &mut backwards);
                for (f, b) in forwards.iter().zip(&backwards) {
                    prop_assert!(
                        (f + b).abs() < 1e-12,
                        "{}: {forwards:?} and {backwards:?} at \
                        {value:?}",
                        entry.name
                    );
                }
            }
        }
    }

    #[test]
    fn boxes_are_projections(
        point in vec(-3.0..3.0f64, 6),
        others in vec(vec(-3.0..3.0f64, 6), 4),
        min in -2.0..1.0f64,
        width in 0.0..2.0f64,
    ) {
        let all: [&dyn Constraint<f64>; 5] = [
            &NonNegative,
            &NonPositive,
            &Interval { min, max: min + width },
            &Interval { min, max: f64::INFINITY },
            &Interval { min, max: min },
        ];
        for constraint in all {
            check_projection(constraint, [6].into(), &point, &others);
        }
    }

    #[test]
    fn rounding_is_a_projection_on_a_set_that_is_not_convex(
        point in vec(-3.0..3.0f64, 6),
        others in vec(vec(-3.0..3.0f64, 6), 4),
        decimals in 0..=15u32,
    ) {
        check_projection(&Grid::decimals(decimals), [6].into(), &point, &others);
    }
}

#[test]
fn nan_is_not_hidden_by_any_set() {
    for entry in sets() {
        let (set, shape) = (entry.double(), entry.shape);
        for position in [0, shape.len() - 1] {
            let mut value: Vec<f64> = (0..shape.len()).map(|i| 2.0 - 0.3 * i as f64).collect();
            value[position] = f64::NAN;
            let violation = set.violation(shape, &value);
            assert!(violation.is_nan() || violation > 0.0, "{}", entry.name);
            set.project(shape, &mut value);
            assert!(value.iter().any(|w| w.is_nan()), "{} hides NaN: {value:?}", entry.name);
        }
    }
}

#[test]
fn infinity_is_not_taken_for_feasible_where_entries_are_added_up() {
    let orders = [
        "NonNegative",
        "NonPositive",
        "orthant",
        "decimals",
        "Halfspace",
        "Polyhedron",
        "Isotonic",
        "Cardinality",
    ];
    for entry in sets().iter().filter(|entry| {
        !orders.contains(&entry.name) && !entry.double().formula().contains("<= w_2")
    }) {
        for infinity in [f64::INFINITY, f64::NEG_INFINITY] {
            let mut value = vec![0.3; entry.shape.len()];
            value[1] = infinity;
            let violation = entry.double().violation(entry.shape, &value);
            assert_ne!(violation, 0.0, "{} at {infinity}", entry.name);
        }
    }
    // A halfspace is unbounded to one side.
    let half = Halfspace { normal: vec![1.0, 1.0], offset: 0.0 };
    assert_eq!(half.violation([2].into(), &[f64::INFINITY, 0.0]), f64::INFINITY);
    assert_eq!(half.violation([2].into(), &[f64::NEG_INFINITY, 0.0]), 0.0);
}

#[test]
fn every_set_has_a_formula() {
    for entry in sets() {
        assert!(!entry.double().formula().is_empty(), "{}", entry.name);
    }
}
