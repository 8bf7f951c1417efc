//! The sets of structuring functions: each against its definition, and what it does to dilations.

use morphograd_morphology::Separable;
use morphograd_morphology::nn::autodiff::sets::{Constraint, Kind};
use morphograd_morphology::nn::sets::Member;
use morphograd_morphology::nn::sets::{Intersection, Interval, Per};
use morphograd_morphology::nn::tensor::{Shape, Tensor};
use morphograd_morphology::{
    Concave, ConstantKernel, PixelDistance, RadiallyNonIncreasing, StructuringElement,
    SupNormalized, Support, Symmetric, ZeroCentre, dilation2d, evaluate,
};
use morphograd_testkit::{
    check_capabilities, check_greatest_below, check_minimize_linear, check_parametrization,
    check_project_vjp, check_projection_in_metric_within, check_projection_within, check_tangent,
    strategy,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A set, a shape of 30 entries at most that it accepts, and what its projection is computed to.
struct Entry {
    name: &'static str,
    set: Box<dyn Member>,
    shape: Shape,
    tolerance: f64,
}

fn sets() -> Vec<Entry> {
    let entry =
        |name, shape: Shape, set: Box<dyn Member>| Entry { name, set, shape, tolerance: 1e-12 };
    let mut all = vec![
        entry("ZeroCentre", [3, 5, 2].into(), Box::new(ZeroCentre { min: -1.0, max: 0.5 })),
        entry("SupNormalized", [3, 3, 2].into(), Box::new(SupNormalized)),
        entry("ConstantKernel", [2, 3, 2, 2].into(), Box::new(ConstantKernel { element: None })),
        entry("Concave", [1, 7, 2].into(), Box::new(Concave)),
        entry("Concave", [5, 4].into(), Box::new(Concave)),
        entry("Separable", [3, 4, 2].into(), Box::new(Separable)),
        entry(
            "Intersection",
            [3, 3, 2].into(),
            Box::new(
                Intersection::of(Symmetric::Dihedral)
                    .and(RadiallyNonIncreasing::default())
                    .and(Interval { min: -1.0, max: 0.0 }),
            ),
        ),
        entry("Per", [3, 3, 2].into(), Box::new(Per::filter(Symmetric::Central))),
    ];
    for distance in [PixelDistance::Chessboard, PixelDistance::Taxicab, PixelDistance::Euclidean] {
        let set = RadiallyNonIncreasing { distance };
        all.push(entry("RadiallyNonIncreasing", [3, 4, 2].into(), Box::new(set)));
        all.push(entry("RadiallyNonIncreasing", [5, 5].into(), Box::new(set)));
    }
    for set in [
        Symmetric::Central,
        Symmetric::LeftRight,
        Symmetric::UpDown,
        Symmetric::Axial,
        Symmetric::Dihedral,
    ] {
        all.push(entry("Symmetric", [3, 3, 2].into(), Box::new(set)));
        all.push(entry("Symmetric", [5, 5, 1].into(), Box::new(set)));
    }
    for entry in &mut all {
        match entry.name {
            "Concave" => entry.tolerance = 1e-11,
            "Intersection" => entry.tolerance = 2e-6,
            _ => (),
        }
    }
    all
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![3 => -2.0..2.0f64, 1 => (-4..4i8).prop_map(|i| f64::from(i) / 2.0)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_set_is_what_its_definition_says(
        point in vec(number(), 30),
        others in vec(vec(number(), 30), 3),
        metric in vec(0.05..4.0f64, 30),
        direction in vec(number(), 30),
    ) {
        for entry in sets() {
            let (set, shape, n): (&dyn Constraint<f64>, _, _) =
                (&*entry.set, entry.shape, entry.shape.len());
            let others: Vec<Vec<f64>> = others.iter().map(|o| o[..n].to_vec()).collect();
            let (point, metric) = (&point[..n], &metric[..n]);
            set.accepts(shape).unwrap();
            check_projection_within(entry.tolerance, set, shape, point, &others);
            check_capabilities(set, shape, point);
            check_greatest_below(entry.tolerance, set, shape, point, &direction[..n]);
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
                check_minimize_linear(set, shape, &direction[..n], &others);
            }
            if states.tangent {
                check_tangent(set, shape, 0.0, point, &direction[..n], &others);
            }
        }
    }

    /// What `--enforcement` asks of a set.
    #[test]
    fn derivatives_and_smooth_maps_agree_with_differences(
        point in vec(-2.0..2.0f64, 30),
        gradient in vec(-1.0..1.0f64, 30),
    ) {
        for entry in sets() {
            let (set, shape): (&dyn Constraint<f64>, _) = (&*entry.set, entry.shape);
            let (point, gradient) = (&point[..shape.len()], &gradient[..shape.len()]);
            if set.capabilities(shape).derivative {
                check_project_vjp(set, shape, point, gradient);
            }
            if set.parametrization(shape).is_some() {
                check_parametrization(set, shape, point, gradient);
            }
        }
    }

    #[test]
    fn in_single_precision_the_image_is_feasible_and_stays_bit_for_bit(
        point in vec(number(), 30),
        exponent in -3..4i32,
    ) {
        for entry in sets() {
            let (set, shape): (&dyn Constraint<f32>, _) = (&*entry.set, entry.shape);
            let scale = 10f64.powi(exponent);
            let mut once: Vec<f32> =
                point[..shape.len()].iter().map(|x| (x * scale) as f32).collect();
            set.project(shape, &mut once);
            prop_assert_eq!(set.violation(shape, &once), 0.0, "{} {:?}", entry.name, once);
            let mut twice = once.clone();
            set.project(shape, &mut twice);
            prop_assert_eq!(&once, &twice, "{}", entry.name);
        }
    }

    #[test]
    fn what_is_projected_from_far_out_is_inside(
        point in vec((number(), -12..30i32), 30),
        is_whole in prop::bool::ANY,
    ) {
        for entry in sets() {
            let (shape, n) = (entry.shape, entry.shape.len());
            // Whole numbers are often projected on corners.
            let of = |(w, e): &(f64, i32)| if is_whole { w.round() } else { w * 10f64.powi(*e) };
            let (double, single): (&dyn Constraint<f64>, &dyn Constraint<f32>) =
                (&*entry.set, &*entry.set);
            let mut value: Vec<f64> = point[..n].iter().map(of).collect();
            let mut rounded: Vec<f32> = value.iter().map(|w| *w as f32).collect();
            double.project(shape, &mut value);
            prop_assert_eq!(double.violation(shape, &value), 0.0, "{} {:?}", entry.name, value);
            single.project(shape, &mut rounded);
            let violation = single.violation(shape, &rounded);
            prop_assert_eq!(violation, 0.0, "{} {:?}", entry.name, rounded);
        }
    }

    #[test]
    fn coordinates_are_counted_on_the_boundary_only(
        point in vec(number(), 30),
        direction in vec(number(), 30),
        steepness in prop_oneof![Just(0.0), Just(9.0)],
    ) {
        for entry in sets() {
            let (set, shape, n): (&dyn Constraint<f64>, _, _) =
                (&*entry.set, entry.shape, entry.shape.len());
            let mut value: Vec<f64> = point[..n].to_vec();
            // Below a steep paraboloid nothing is at a bound of the cones.
            let [height, width] = [0, 1].map(|axis| shape.dims()[axis]);
            let rest = n / (height * width);
            for (i, w) in value.iter_mut().enumerate() {
                let position = i / rest;
                let [y, x] = [(position / width, height), (position % width, width)]
                    .map(|(at, size)| at as f64 - ((size - 1) / 2) as f64);
                *w -= steepness * (y * y + x * x);
            }
            set.project(shape, &mut value);
            let equalities = ["ConstantKernel", "Symmetric", "Separable", "Intersection", "Per"];
            let counts = !equalities.contains(&entry.name);
            let active = set.active(shape, &value);
            prop_assert_eq!(active.is_some(), counts, "{}", entry.name);
            prop_assert!(active.is_none_or(|active| active <= n), "{}", entry.name);
            // Where nothing is held, every direction leads into the set, backwards too.
            if active == Some(0) {
                let mut tangent = direction[..n].to_vec();
                set.project_tangent(shape, &value, &mut tangent);
                for (t, d) in tangent.iter().zip(&direction) {
                    prop_assert!((t - d).abs() < 1e-12, "{}", entry.name);
                }
            }
        }
    }

    /// The order between rings against its definition, pair by pair.
    #[test]
    fn no_entry_exceeds_one_nearer_to_the_centre(point in vec(number(), 20)) {
        let mut w = point;
        RadiallyNonIncreasing::default().project([4, 5].into(), &mut w);
        // The centre of 4 x 5 is (1, 2).
        let square = |i: usize| (i as isize / 5 - 1).pow(2) + (i as isize % 5 - 2).pow(2);
        for (i, j) in (0..20).flat_map(|i| (0..20).map(move |j| (i, j))) {
            prop_assert!(square(i) >= square(j) || w[i] >= w[j]);
        }
    }

    /// Entries are exchanged for their means over the pairs that can be out of order: a few
    /// thousand rounds of Dykstra agree.
    #[test]
    fn sorting_within_rings_loses_nothing(point in vec(number(), 9)) {
        let square = |i: usize| (i as isize / 3 - 1).pow(2) + (i as isize % 3 - 1).pow(2);
        let pairs = (0..9)
            .flat_map(|i| (0..9).map(move |j| (i, j)))
            .filter(|(i, j)| square(*i) > square(*j));
        let rows = pairs.map(|(outer, inner)| (vec![(outer, 1.0), (inner, -1.0)], 0.0));
        let all = morphograd_morphology::nn::sets::Polyhedron::new(9, rows).unwrap();
        let (mut found, mut expected) = (point.clone(), point);
        RadiallyNonIncreasing::default().project([3, 3].into(), &mut found);
        all.project([9].into(), &mut expected);
        for (f, e) in found.iter().zip(&expected) {
            prop_assert!((f - e).abs() < 1e-10, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn a_dilation_by_a_symmetric_kernel_commutes_with_the_symmetry(
        x in strategy::tensor([1, 6, 7, 1]),
        mut w in strategy::tensor([3, 3, 1]),
    ) {
        Symmetric::LeftRight.project(w.shape(), w.data_mut());
        let window = morphograd_morphology::nn::tensor::Window2d::new([3, 3]).same();
        let dilate = |x: &Tensor<f64>| {
            evaluate([x.view(), w.view()], |g, [x, w]| dilation2d(g, x, w, window)).unwrap()
        };
        let mirrored = |x: &Tensor<f64>| {
            let rows = x.data().chunks(7).flat_map(|row| row.iter().rev().copied());
            Tensor::from_vec(x.shape(), rows.collect()).unwrap()
        };
        let (after, before) = (mirrored(&dilate(&x)), dilate(&mirrored(&x)));
        prop_assert_eq!(after.data(), before.data());
    }

    #[test]
    fn a_sup_normalized_kernel_keeps_dilations_below_the_flat_one_and_constants_where_they_are(
        x in strategy::tensor([1, 6, 7, 1]), mut w in strategy::tensor([3, 3, 1]),
    ) {
        SupNormalized.project(w.shape(), w.data_mut());
        let window =
            morphograd_morphology::nn::tensor::Window2d::new([3, 3]);
        let dilate = |x: &Tensor<f64>, w: &Tensor<f64>| {
            evaluate([x.view(), w.view()], |g, [x, w]| dilation2d(g, x, w, window)).unwrap()
        };
        let flat = dilate(&x, &Tensor::zeros([3, 3, 1]));
        prop_assert!(dilate(&x, &w).data().iter().zip(flat.data()).all(|(y, flat)| y <= flat));
        let constant = Tensor::filled([1, 6, 7, 1], 0.25);
        prop_assert!(dilate(&constant, &w).data().iter().all(|y| *y == 0.25));
    }

    #[test]
    fn a_separable_kernel_is_the_sum_of_a_row_and_a_column(mut w in vec(-1.0..1.0f64, 9)) {
        Separable.project([3, 3].into(), &mut w);
        let element = StructuringElement::new([3, 3], [1, 1], &w).unwrap();
        let row = StructuringElement::new([1, 3], [0, 1], &w[3..6]).unwrap();
        let column: Vec<f64> = (0..3).map(|i| w[3 * i + 1] - w[4]).collect();
        let column = StructuringElement::new([3, 1], [1, 0], &column).unwrap();
        let both = row.dilated_by(&column).unwrap();
        prop_assert_eq!(both.count(), 9);
        for ((d, a), (e, b)) in element.support().zip(both.support()) {
            prop_assert!(d == e && (a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn a_flat_kernel_on_a_support_has_one_height_there(point in vec(number(), 18)) {
        let set = ConstantKernel::on(StructuringElement::cross(1).unwrap());
        let shape = Shape::from([3, 3, 2]);
        let mut w = point.clone();
        set.project(shape, &mut w);
        for plane in 0..2 {
            let on = [1, 3, 4, 5, 7].map(|i| i * 2 + plane);
            let mean = on.iter().map(|i| point[*i]).sum::<f64>() / 5.0;
            prop_assert!(on.iter().all(|i| (w[*i] - mean).abs() < 1e-14));
            prop_assert!([0, 2, 6, 8].iter().all(|i| w[i * 2 + plane] == f64::NEG_INFINITY));
        }
        prop_assert_eq!(set.violation(shape, &w), 0.0);
        prop_assert_eq!(set.violation(shape, &point), f64::INFINITY);
        let mut direction = point.clone();
        set.project_tangent(shape, &w, &mut direction);
        prop_assert!(direction[0] == 0.0 && direction[2] == direction[8]);
    }

    #[test]
    fn concave_projections_of_larger_kernels_come_with_a_proof(point in vec(-2.0..2.0f64, 81)) {
        let mut plane = point;
        let proof = Concave::project_with_proof([9, 9], &mut plane);
        prop_assert!(proof.violation <= 1e-11 && proof.gap <= 1e-9, "{proof:?}");
    }
}

#[test]
fn nan_is_not_hidden_by_any_set() {
    for entry in sets() {
        let (set, shape): (&dyn Constraint<f64>, _) = (&*entry.set, entry.shape);
        let mut value: Vec<f64> = (0..shape.len()).map(|i| 0.5 - 0.3 * i as f64).collect();
        value[0] = f64::NAN;
        assert!(set.violation(shape, &value).is_nan(), "{}", entry.name);
        set.project(shape, &mut value);
        assert!(value.iter().any(|w| w.is_nan()), "{} hides NaN: {value:?}", entry.name);
    }
}

#[test]
fn kernels_that_a_set_is_not_defined_for_are_refused() {
    let accepts = |set: &dyn Constraint<f32>, shape: Shape| {
        set.accepts(shape).map_err(|error| error.to_string())
    };
    let error = accepts(&SupNormalized, [4].into()).unwrap_err();
    assert_eq!(error, "sup-normalized: expected a kernel [height, width, …], found shape [4]");
    let error = accepts(&Symmetric::Central, [2, 3].into()).unwrap_err();
    let expected = "symmetric: expected odd sizes along the axes that are mirrored, so that the \
        centre is the middle, found size [2, 3]";
    assert_eq!(error, expected);
    assert!(accepts(&Symmetric::LeftRight, [2, 3].into()).is_ok());
    let error = accepts(&Symmetric::Dihedral, [3, 5].into()).unwrap_err();
    assert_eq!(error, "symmetric: expected a square of odd size, found size [3, 5]");
    assert!(
        accepts(&ConstantKernel::on(StructuringElement::cross(2).unwrap()), [3, 3].into()).is_err()
    );
    assert!(accepts(&Concave, [0, 3].into()).is_err());
}

#[test]
fn supports_and_orders_get_along_with_minus_infinity() {
    let off = f32::NEG_INFINITY;
    let kernel = [off, -0.5, off, -0.25, 0.0, -0.5, off, -1.0, off];
    let shape = Shape::from([3, 3]);
    assert_eq!(RadiallyNonIncreasing::default().violation(shape, &kernel), 0.0);
    assert_eq!(SupNormalized.violation(shape, &kernel), 0.0);
    assert_eq!(Support::of(StructuringElement::cross(1).unwrap()).violation(shape, &kernel), 0.0);
    let mut symmetric = kernel;
    Symmetric::Dihedral.project(shape, &mut symmetric);
    assert_eq!(symmetric, [off, -0.5625, off, -0.5625, 0.0, -0.5625, off, -0.5625, off]);
}

#[test]
fn the_tables_of_the_documents_say_what_the_code_says() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/constraints.md"))
            .unwrap();
    let support: &dyn Constraint<f64> = &Support::of(StructuringElement::cross(1).unwrap());
    for document in [&page, include_str!("../../src/elements/sets.rs")] {
        let row = |name: &str| -> Vec<&str> {
            let starts = [format!("| [`{name}`]("), format!("//! | [`{name}`] |")];
            let found =
                document.lines().find(|line| starts.iter().any(|start| line.starts_with(start)));
            let line = found.unwrap_or_else(|| panic!("expected a row on {name}"));
            line.trim_start_matches("//! ")
                .trim_end_matches(" |")
                .split(" | ")
                .map(str::trim)
                .collect()
        };
        let unescaped = |cell: &str| cell.replace("\\|", "|");
        assert_eq!(row("Support")[1], format!("`{}`", support.formula()));
        for entry in sets().iter().filter(|entry| !["Per", "Intersection"].contains(&entry.name)) {
            let (row, set): (_, &dyn Constraint<f64>) = (row(entry.name), &*entry.set);
            assert_eq!(unescaped(row[1]), format!("`{}`", set.formula()));
            assert_eq!(row[2] == "yes", set.kind() == Kind::Convex, "{}", entry.name);
            let states = set.capabilities(entry.shape);
            assert_eq!(row[row.len() - 2].starts_with("yes"), states.metric, "{}", entry.name);
            assert_eq!(row[row.len() - 1] == "yes", states.tangent, "{}", entry.name);
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
    for entry in sets().iter().filter(|entry| !["Per", "Intersection"].contains(&entry.name)) {
        let set: &dyn Constraint<f64> = &*entry.set;
        let states = set.capabilities(entry.shape);
        assert_eq!(
            listed("| the derivative of its", entry.name),
            states.derivative,
            "{}",
            entry.name
        );
        let smooth = set.parametrization(entry.shape).is_some();
        assert_eq!(listed("| a smooth map into it |", entry.name), smooth, "{}", entry.name);
    }
}
