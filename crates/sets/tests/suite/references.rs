//! Values of other software: projections of Optax, JAXopt and SciPy, and the maps of Keras.

use morphograd_sets::tensor::Shape;
use morphograd_sets::*;
use morphograd_testkit::{Golden, assert_close};

/// Projects every point of the reference, in both precisions, with the weights if there are any,
/// and compares.
fn agrees(
    golden: &Golden,
    name: &str,
    points: &str,
    set: &dyn Member,
    weights: Option<&str>,
    tolerance: f64,
) {
    fn check<T: Precision>(
        golden: &Golden,
        name: &str,
        points: &str,
        set: &dyn Member,
        weights: Option<&str>,
        tolerance: f64,
    ) {
        let (mut x, expected) = (golden.tensor::<T>(points), golden.tensor::<f64>(name));
        let expected: Vec<T> = expected.data().iter().map(|e| T::of(*e)).collect();
        let shape = x.shape().unbatched();
        let weights = weights.map(|weights| golden.tensor::<T>(weights));
        for (i, point) in x.data_mut().chunks_exact_mut(shape.len()).enumerate() {
            let set = T::view(set);
            set.accepts(shape).unwrap();
            match &weights {
                None => set.project(shape, point),
                Some(weights) => {
                    let weights = &weights.data()[i * shape.len()..][..shape.len()];
                    set.project_in_metric(shape, weights, point);
                }
            }
            assert_close(
                &format!("{name} of point {i}"),
                point,
                &expected[i * shape.len()..][..shape.len()],
                tolerance,
            );
        }
    }
    check::<f64>(golden, name, points, set, weights, tolerance);
    check::<f32>(golden, name, points, set, weights, tolerance.max(1e-5));
}

#[test]
fn projections_agree_with_optax_jaxopt_and_scipy() {
    let golden = Golden::read("projections");
    let numbers = |name: &str| golden.tensor::<f64>(name).data().to_vec();
    let bounds = Bounds { min: golden.tensor("lower"), max: golden.tensor("upper") };
    let affine = Affine::new(&golden.tensor("A"), &numbers("b")).unwrap();
    let normal = numbers("a");
    let vectors: [(&str, &dyn Member); 15] = [
        ("optax_non_negative", &NonNegative),
        ("optax_box", &bounds),
        ("optax_hypercube", &Interval { min: 0.0, max: 0.5 }),
        ("optax_simplex", &Simplex { sum: 2.0 }),
        ("optax_l1_ball", &L1Ball { radius: 2.0 }),
        ("optax_l2_ball", &L2Ball { radius: 1.5 }),
        ("optax_linf_ball", &LInfBall { radius: 0.75 }),
        ("optax_l2_sphere", &Sphere { radius: 1.5 }),
        ("optax_hyperplane", &Hyperplane { normal: normal.clone(), offset: 0.5 }),
        ("optax_halfspace", &Halfspace { normal, offset: -0.5 }),
        ("jaxopt_affine", &affine),
        ("jaxopt_isotonic_decreasing", &Isotonic::NonIncreasing),
        ("scipy_isotonic", &Isotonic::NonDecreasing),
        // By bisection, to a tolerance of its own.
        ("jaxopt_capped_simplex", &CappedSimplex { sum: 2.0, cap: 0.5 }),
        ("slsqp_concave", &concave()),
    ];
    for (name, set) in vectors {
        let tolerance = match name {
            "slsqp_concave" | "jaxopt_capped_simplex" => 1e-5,
            _ => 1e-12,
        };
        agrees(&golden, name, "x", set, None, tolerance);
    }
    let weighted: [(&str, &dyn Member, f64); 5] = [
        ("scipy_isotonic_weighted", &Isotonic::NonDecreasing, 1e-12),
        ("kkt_affine", &affine, 1e-11),
        ("slsqp_simplex", &Simplex { sum: 2.0 }, 1e-5),
        ("slsqp_l2_ball", &L2Ball { radius: 1.5 }, 1e-5),
        ("slsqp_concave_weighted", &concave(), 1e-5),
    ];
    for (name, set, tolerance) in weighted {
        agrees(&golden, name, "x", set, Some("m"), tolerance);
    }
    let matrices: [(&str, &str, &dyn Member); 5] = [
        ("svd_rank", "matrices", &Rank { rank: 2 }),
        ("svd_spectral", "matrices", &SpectralBall { radius: 1.2 }),
        ("svd_nuclear", "matrices", &NuclearBall { radius: 2.5 }),
        ("polar", "matrices", &OrthonormalColumns),
        ("eigh", "square", &PositiveSemidefinite),
    ];
    for (name, points, set) in matrices {
        agrees(&golden, name, points, set, None, 1e-12);
    }
}

/// Sequences of 9 numbers without an upward bend.
fn concave() -> Polyhedron {
    Polyhedron::new(9, (1..8).map(|i| (vec![(i - 1, 1.0), (i, -2.0), (i + 1, 1.0)], 0.0))).unwrap()
}

/// The map of Keras at a value.
fn keras(map: &dyn Constraint<f32>, shape: impl Into<Shape>, value: &[f32]) -> Vec<f32> {
    let mut value = value.to_vec();
    map.project(shape.into(), &mut value);
    value
}

/// The counterexamples of `docs/constraints.md`.
#[test]
fn keras_maps_are_no_projections() {
    let max_norm = MaxNorm { max: 2.0, axes: vec![0] };
    let unit_norm = UnitNorm { axes: vec![0] };
    let min_max_norm = MinMaxNorm { min: 0.5, max: 1.0, rate: 1.0, axes: vec![0] };
    let all: [&dyn Constraint<f32>; 4] = [&max_norm, &unit_norm, &min_max_norm, &RadialConstraint];
    for map in all {
        assert_eq!(map.kind(), Kind::NotAProjection);
        assert_eq!(map.capabilities([1].into()), Capabilities::default());
    }
    // What is inside moves, and moves again. The set that is meant leaves it.
    let once = keras(&max_norm, [1], &[0.5]);
    assert_eq!(once, [0.4999999]);
    assert!(keras(&max_norm, [1], &once)[0] < once[0]);
    assert_eq!(keras(&L2Ball { radius: 2.0 }, [1], &[0.5]), [0.5]);
    // 0 is outside and stays.
    assert_eq!(keras(&unit_norm, [2], &[0.0, 0.0]), [0.0, 0.0]);
    assert_eq!(keras(&min_max_norm, [2], &[0.0, 0.0]), [0.0, 0.0]);
    assert_eq!(
        Constraint::<f32>::violation(
            &Sphere { radius: 1.0 },
            [2].into(),
            &keras(&Sphere { radius: 1.0 }, [2], &[0.0; 2])
        ),
        0.0
    );
    // Samples are farther away than means, and change places.
    let kernel: Vec<f32> = (1..10).map(|i| i as f32).collect();
    let image = keras(&RadialConstraint, [3, 3, 1, 1], &kernel);
    let distance =
        |image: &[f32]| image.iter().zip(&kernel).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    assert_eq!((image[4], image[0], distance(&image), distance(&[5.0; 9])), (1.0, 5.0, 76.0, 60.0));
    let again = keras(&RadialConstraint, [3, 3, 1, 1], &image);
    assert_eq!((again[4], again[0]), (5.0, 1.0));
}

/// The entries of [[3, 0.25, -0.5], [4, -0.125, 0]], and where `RadialConstraint` takes what each
/// ring gets from: computed with Keras 3.15.1, and with tf_keras 2.21.0 (the same numbers), which
/// alone has `RadialConstraint`: Keras 3 is without it.
#[test]
fn keras_maps_are_what_keras_computes() {
    let w = [3.0, 0.25, -0.5, 4.0, -0.125, 0.0];
    let unit = |axes: &[usize]| -> Box<dyn Member> { Box::new(UnitNorm { axes: axes.to_vec() }) };
    let max =
        |axes: &[usize]| -> Box<dyn Member> { Box::new(MaxNorm { max: 1.5, axes: axes.to_vec() }) };
    let both = |axes: &[usize]| -> Box<dyn Member> {
        Box::new(MinMaxNorm { min: 0.4, max: 2.0, rate: 0.75, axes: axes.to_vec() })
    };
    let norms: [(Box<dyn Member>, [f32; 6]); 9] = [
        (unit(&[0]), [0.6, 0.8944269, -0.99999976, 0.8, -0.44721344, 0.0]),
        (unit(&[1]), [0.9830783, 0.081923194, -0.16384639, 0.9995121, -0.031234752, 0.0]),
        (unit(&[0, 1]), [0.59610087, 0.049675073, -0.09935015, 0.7948012, -0.024837537, 0.0]),
        (max(&[0]), [0.90000004, 0.24999993, -0.49999988, 1.2, -0.12499996, 0.0]),
        (max(&[1]), [1.4746175, 0.12288479, -0.24576958, 1.499268, -0.046852127, 0.0]),
        (max(&[0, 1]), [0.89415133, 0.07451261, -0.14902522, 1.1922017, -0.037256304, 0.0]),
        (both(&[0]), [1.6500001, 0.33082804, -0.49999988, 2.2, -0.16541402, 0.0]),
        (both(&[1]), [2.2246175, 0.18538478, -0.37076956, 2.4992683, -0.078102134, 0.0]),
        (both(&[0, 1]), [1.6441514, 0.13701262, -0.27402523, 2.1922019, -0.06850631, 0.0]),
    ];
    for (map, expected) in &norms {
        // Keras' norms are sums in single precision.
        for (found, expected) in keras(f32::view(&**map), [2, 3], &w).iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 2e-7 * expected.abs(),
                "{map:?}: {found} for {expected}"
            );
        }
    }
    // Kernels [k, k, 1, 2] of 0, 1, 2, ...: the first filter's rings, from the centre outwards. The
    // second filter's are 1 more.
    let rings: [&[f32]; 6] = [
        &[0.0],
        &[0.0, 8.0],
        &[10.0, 30.0],
        &[12.0, 24.0, 36.0],
        &[28.0, 56.0, 70.0],
        &[32.0, 48.0, 64.0, 80.0],
    ];
    for (k, rings) in (2..).zip(rings) {
        let kernel: Vec<f32> = (0..2 * k * k).map(|i| i as f32).collect();
        for (i, found) in keras(&RadialConstraint, [k, k, 1, 2], &kernel).into_iter().enumerate() {
            let (y, x) = (i / 2 / k, i / 2 % k);
            let from_border = y.min(x).min(k - 1 - y).min(k - 1 - x);
            assert_eq!(
                found,
                rings[(k - 1) / 2 - from_border] + (i % 2) as f32,
                "{k} x {k}, entry {i}"
            );
        }
    }
}
