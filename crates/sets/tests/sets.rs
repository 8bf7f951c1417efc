//! What every set passes, from one table: its definition, its metric and its tangent cone as far as
//! it has them, single precision, and that the tables of the documents say what the code says.

use morphograd_sets::tensor::{Shape, Tensor};
use morphograd_sets::*;
use morphograd_testkit::{
    check_projection, check_projection_in_metric_within, check_projection_within, check_tangent,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A set for some shape, and what it claims.
struct Entry {
    /// As in the tables of the documents.
    name: &'static str,
    set: Box<dyn Member>,
    shape: Shape,
    /// What the projection is computed to.
    tolerance: f64,
    has_metric: bool,
    /// How far a step along a tangent direction may lead out: `curvature` times the square of its
    /// length.
    curvature: Option<f64>,
}

impl Entry {
    fn new(name: &'static str, shape: impl Into<Shape>, set: impl Member + 'static) -> Self {
        let (set, shape): (Box<dyn Member>, _) = (Box::new(set), shape.into());
        Self { name, set, shape, tolerance: 1e-12, has_metric: false, curvature: None }
    }

    fn metric(self) -> Self {
        Self { has_metric: true, ..self }
    }

    fn tangent(self, curvature: f64) -> Self {
        Self { curvature: Some(curvature), ..self }
    }

    fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    fn double(&self) -> &dyn Constraint<f64> {
        &*self.set
    }

    fn single(&self) -> &dyn Constraint<f32> {
        &*self.set
    }
}

fn matrix(rows: usize, columns: usize) -> Tensor<f64> {
    let entry = |i: usize| ((i * 7 + 3) % 5) as f64 - 1.5 + (i as f64 * 0.7).sin();
    Tensor::from_vec([rows, columns], (0..rows * columns).map(entry).collect()).unwrap()
}

/// Every set of the crate that is a projection, 12 entries each.
fn sets() -> Vec<Entry> {
    let v = [12];
    let normal: Vec<f64> = matrix(1, 12).data().to_vec();
    let affine = Affine::new(&matrix(3, 12), &[1.0, -0.5, 0.25]).unwrap();
    let bends = (1..11).map(|i| (vec![(i - 1, 1.0), (i, -2.0), (i + 1, 1.0)], 0.0));
    let mut signs = matrix(1, 12);
    signs.data_mut()[3] = 0.0;
    let orthant = Bounds::orthant(&Tensor::from_vec(v, signs.data().to_vec()).unwrap());
    let bounds = Bounds {
        min: Tensor::from_vec(v, (0..12).map(|i| -0.1 * f64::from(i)).collect()).unwrap(),
        max: Tensor::from_vec(v, (0..12).map(|i| 0.3 * f64::from(i % 3)).collect()).unwrap(),
    };
    let both = || Intersection::of(Interval { min: -1.0, max: 1.0 }).and(FixedSum { sum: 0.0 });
    vec![
        Entry::new("NonNegative", v, NonNegative).metric().tangent(0.0),
        Entry::new("NonPositive", v, NonPositive).metric().tangent(0.0),
        Entry::new("Interval", v, Interval { min: -1.0, max: 0.5 }).metric().tangent(0.0),
        Entry::new("Bounds", v, bounds).metric().tangent(0.0),
        Entry::new("Bounds", v, orthant).metric().tangent(0.0),
        Entry::new("Rounding", v, Rounding { decimals: 1 }).metric().tangent(0.0),
        Entry::new("Grid", v, Grid { origin: 0.1, step: 0.7, min: -1, max: 2 })
            .metric()
            .tangent(0.0),
        Entry::new("FixedSum", v, FixedSum { sum: 1.5 }).metric().tangent(0.0),
        Entry::new("FixedMean", v, FixedMean { mean: -0.25 }).metric().tangent(0.0),
        Entry::new("Hyperplane", v, Hyperplane { normal: normal.clone(), offset: 1.0 })
            .metric()
            .tangent(0.0),
        Entry::new("Halfspace", v, Halfspace { normal, offset: -1.0 }).metric().tangent(0.0),
        Entry::new("Affine", v, affine).metric().tangent(0.0),
        Entry::new("Polyhedron", v, Polyhedron::new(12, bends).unwrap())
            .within(1e-11)
            .metric()
            .tangent(0.0),
        Entry::new("L1Ball", v, L1Ball { radius: 3.0 }).metric().tangent(0.0),
        Entry::new("L2Ball", v, L2Ball { radius: 1.5 }).metric().tangent(1.0),
        Entry::new("LInfBall", v, LInfBall { radius: 0.75 }).metric().tangent(0.0),
        Entry::new("Sphere", v, Sphere { radius: 1.5 }).metric().tangent(1.0),
        Entry::new("Annulus", v, Annulus { min: 2.0, max: 3.0 }).metric().tangent(1.0),
        Entry::new("Simplex", v, Simplex { sum: 2.0 }).metric().tangent(0.0),
        Entry::new("CappedSimplex", v, CappedSimplex { sum: 4.0, cap: 0.75 }).metric().tangent(0.0),
        Entry::new("Isotonic", v, Isotonic::NonDecreasing).metric().tangent(0.0),
        Entry::new("Isotonic", v, Isotonic::NonIncreasing).metric().tangent(0.0),
        Entry::new("Cardinality", v, Cardinality { count: 5 }).metric().tangent(0.0),
        Entry::new("Rank", [4, 3], Rank { rank: 2 }).within(1e-11).tangent(4.0),
        Entry::new("SpectralBall", [3, 4], SpectralBall { radius: 1.5 }).within(1e-11).tangent(4.0),
        Entry::new("NuclearBall", [2, 2, 3], NuclearBall { radius: 2.5 })
            .within(1e-11)
            .tangent(4.0),
        Entry::new("PositiveSemidefinite", [3, 3], PositiveSemidefinite).within(1e-11).tangent(4.0),
        Entry::new("OrthonormalColumns", [4, 3], OrthonormalColumns).within(1e-11).tangent(4.0),
        Entry::new("Intersection", v, both()).within(1e-6).metric(),
        // Groups.
        Entry::new("Per", [2, 3, 2], Per::filter(L2Ball { radius: 1.0 })).metric().tangent(2.0),
        Entry::new("Per", [2, 3, 2], Per::channel(Simplex { sum: 1.0 })).metric().tangent(0.0),
        Entry::new("Per", [2, 3, 2], Per::axes([1], Isotonic::NonDecreasing)).metric().tangent(0.0),
        Entry::new("Per", [2, 3, 2], Per::axes([0, 2], FixedMean { mean: 0.5 }))
            .metric()
            .tangent(0.0),
        Entry::new("Per", [2, 3, 2], Per::channel(Rank { rank: 1 })).within(1e-11).tangent(4.0),
        Entry::new("Per", [2, 3, 2], Per::axes([], Interval { min: 0.0, max: 0.5 }))
            .metric()
            .tangent(0.0),
        Entry::new("Per", [3, 2, 2], Per::filter(L1Ball { radius: 1.0 })).metric().tangent(0.0),
        Entry::new("Per", [4, 3, 1], Per::channel(Sphere { radius: 1.0 })).metric().tangent(2.0),
    ]
}

/// The sets with inequalities that hold coordinates, which they count. `Per` counts if its set
/// does.
const COUNTED: [&str; 17] = [
    "NonNegative",
    "NonPositive",
    "Interval",
    "Bounds",
    "Halfspace",
    "Polyhedron",
    "L1Ball",
    "L2Ball",
    "LInfBall",
    "Annulus",
    "Simplex",
    "CappedSimplex",
    "Isotonic",
    "Cardinality",
    "SpectralBall",
    "NuclearBall",
    "PositiveSemidefinite",
];

/// Numbers of which some are equal and some 0, so that bounds and ties are met.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![3 => -3.0..3.0f64, 1 => (-4..4i8).prop_map(|i| f64::from(i) / 2.0)]
}

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
            if entry.has_metric {
                check_projection_in_metric_within(
                    entry.tolerance,
                    set,
                    shape,
                    metric,
                    point,
                    &others,
                );
            } else {
                let mut value = point.to_vec();
                prop_assert!(!set.project_in_metric(shape, metric, &mut value), "{}", entry.name);
                prop_assert_eq!(&value[..], point, "{}", entry.name);
            }
            if let Some(curvature) = entry.curvature {
                check_tangent(set, shape, curvature, point, direction, &others);
            } else {
                let mut value = direction.to_vec();
                prop_assert!(!set.project_tangent(shape, point, &mut value), "{}", entry.name);
                prop_assert_eq!(&value[..], direction, "{}", entry.name);
            }
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
                prop_assert!(
                    set.project_tangent(shape, &value, &mut forwards)
                        && set.project_tangent(shape, &value, &mut backwards)
                );
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
        check_projection(&Rounding { decimals }, [6].into(), &point, &others);
    }

    /// Where the singular values or eigenvalues are multiples of 1/2, equal or far from one
    /// another, a difference quotient is near its limit.
    #[test]
    fn directions_at_matrices_are_limits_of_projections(
        left in vec(-1.0..1.0f64, 9),
        right in vec(-1.0..1.0f64, 12),
        halves in vec(0..4u8, 3),
        more in 0..2usize,
        direction in vec(-2.0..2.0f64, 12),
    ) {
        let (mut u, mut v) = (left, right);
        OrthonormalColumns.project([3, 3].into(), &mut u);
        OrthonormalColumns.project([4, 3].into(), &mut v);
        let values: Vec<f64> = halves.into_iter().map(|h| f64::from(h) / 2.0).collect();
        let sum = |a: &[f64], b: &[f64]| -> Vec<f64> {
            let entries = a.chunks(3).flat_map(|a| b.chunks(3).map(move |b| (a, b)));
            entries.map(|(a, b)| (0..3).map(|k| values[k] * a[k] * b[k]).sum()).collect()
        };
        let rank = values.iter().filter(|value| **value > 0.0).count();
        let spectral = SpectralBall { radius: values.iter().fold(0.0, |m: f64, x| m.max(*x)) };
        let nuclear = NuclearBall { radius: values.iter().sum() };
        let rank = Rank { rank: rank + more };
        let all: [(&dyn Member, Shape, Vec<f64>); 7] = [
            (&spectral, [3, 4].into(), sum(&u, &v)),
            (&spectral, [4, 3].into(), sum(&v, &u)),
            (&nuclear, [3, 4].into(), sum(&u, &v)),
            (&nuclear, [4, 3].into(), sum(&v, &u)),
            (&rank, [3, 4].into(), sum(&u, &v)),
            (&rank, [4, 3].into(), sum(&v, &u)),
            (&PositiveSemidefinite, [3, 3].into(), sum(&u, &u)),
        ];
        for (set, shape, at) in all {
            let (set, single): (&dyn Constraint<f64>, &dyn Constraint<f32>) = (set, set);
            prop_assert_eq!(set.violation(shape, &at), 0.0, "{:?}", set);
            let (step, direction) = (1e-6, &direction[..shape.len()]);
            let mut tangent = direction.to_vec();
            prop_assert!(set.project_tangent(shape, &at, &mut tangent));
            let mut moved: Vec<f64> = at.iter().zip(direction).map(|(x, d)| x + step * d).collect();
            set.project(shape, &mut moved);
            let quotient: Vec<f64> = moved.iter().zip(&at).map(|(v, x)| (v - x) / step).collect();
            let distance = |a: &[f64], b: &[f64]| {
                a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
            };
            // Of low rank there may be two nearest matrices.
            let apart = match set.kind() {
                Kind::Convex => distance(&quotient, &tangent),
                _ => (distance(direction, &quotient) - distance(direction, &tangent)).abs(),
            };
            prop_assert!(
                apart < 2e-4,
                "{set:?} {apart}: {tangent:?} is not {quotient:?} at \
                {at:?}"
            );
            // In single precision the same values are taken for the same.
            let [at, mut rounded] =
                [&at[..], direction].map(|x| x.iter().map(|x| *x as f32).collect::<Vec<_>>());
            prop_assert!(single.project_tangent(shape, &at, &mut rounded));
            let rounded: Vec<f64> = rounded.into_iter().map(f64::from).collect();
            let apart = match set.kind() {
                Kind::Convex => distance(&rounded, &tangent),
                _ => (distance(direction, &rounded) - distance(direction, &tangent)).abs(),
            };
            prop_assert!(apart < 1e-5, "{set:?} {apart}: {rounded:?} is not {tangent:?} at {at:?}");
        }
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
        "Bounds",
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
            // An infinity is its own nearest decimal number.
            assert_eq!(
                violation == 0.0,
                entry.name == "Rounding",
                "{} at {infinity}: {violation}",
                entry.name
            );
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

/// The cells of the row on a set in a table of a document.
fn row<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let starts = [format!("| [`{name}`]("), format!("//! | [`{name}`] |")];
    let found = document.lines().find(|line| starts.iter().any(|start| line.starts_with(start)));
    let line = found.unwrap_or_else(|| panic!("expected a row on {name}"));
    // Bars within a formula are escaped.
    let cells = line.trim_start_matches("//! ").split(" | ").map(str::trim);
    cells.map(|cell| cell.trim_end_matches(" |")).collect()
}

#[test]
fn the_tables_of_the_documents_say_what_the_code_says() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/constraints.md"))
            .unwrap();
    for document in [&page, include_str!("../src/lib.rs")] {
        for entry in sets() {
            // `Per` is as its set, and `Isotonic` stands for both orders.
            if entry.name == "Per" || entry.double().formula().starts_with("w_1 >=") {
                continue;
            }
            let row = row(document, entry.name);
            let yes = |cell: &str| cell.starts_with("yes") || cell.starts_with("if");
            assert_eq!(
                row[1].replace("\\|", "|"),
                format!("`{}`", entry.double().formula()),
                "{}",
                entry.name
            );
            assert_eq!(
                yes(row[2]),
                entry.double().kind() == Kind::Convex,
                "{} is convex",
                entry.name
            );
            assert_eq!(yes(row[5]), entry.has_metric, "{} has a metric", entry.name);
            assert_eq!(yes(row[6]), entry.curvature.is_some(), "{} has tangents", entry.name);
        }
        let maps: [(&str, &dyn Constraint<f32>); 4] = [
            ("UnitNorm", &UnitNorm::default()),
            ("MaxNorm", &MaxNorm::default()),
            ("MinMaxNorm", &MinMaxNorm::default()),
            ("RadialConstraint", &RadialConstraint),
        ];
        for (name, map) in maps {
            assert_eq!(
                row(document, name)[1].replace("\\|", "|"),
                format!("`{}`", map.formula()),
                "{name}"
            );
        }
    }
}

/// What the page lists of the sets for ways to enforce.
#[test]
fn the_page_lists_the_sets_with_a_derivative_and_those_with_a_smooth_map() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/constraints.md"))
            .unwrap();
    let listed = |line: &str, name: &str| {
        let line = page.lines().find(|l| l.starts_with(line)).expect("a row of the page");
        line.contains(&format!("`{name}`"))
    };
    for entry in sets().iter().filter(|entry| entry.name != "Per") {
        let (set, n): (&dyn Constraint<f64>, _) = (entry.double(), entry.shape.len());
        let (point, mut gradient) = (vec![0.5; n], vec![1.0; n]);
        let mut image = point.clone();
        set.project(entry.shape, &mut image);
        let derivative = set.project_vjp(entry.shape, &point, &image, &mut gradient);
        assert_eq!(
            listed("| the derivative of its projection |", entry.name),
            derivative,
            "{}",
            entry.name
        );
        let smooth = set.parametrization(entry.shape).is_some();
        assert_eq!(listed("| a smooth map into it |", entry.name), smooth, "{}", entry.name);
    }
}
