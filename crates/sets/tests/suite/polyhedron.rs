//! Polyhedra with bounds on single entries, corners at 0 and entries of mixed size: the projection
//! is in the set by the set's own measure, and next to it there is none that is nearer.

use morphograd_sets::*;
use proptest::collection::vec;
use proptest::prelude::*;

type Row = (Vec<(usize, f64)>, f64);

/// $w \ge 0$, entry by entry.
fn non_negative(n: usize) -> impl Iterator<Item = Row> {
    (0..n).map(|i| (vec![(i, -1.0)], 0.0))
}

/// $w \ge 0$, $\sum w \le 1$.
fn solid_simplex(n: usize) -> Polyhedron {
    let sum = (0..n).map(|i| (i, 1.0)).collect();
    Polyhedron::new(n, non_negative(n).chain([(sum, 1.0)])).unwrap()
}

/// Doubly stochastic matrices (Birkhoff): $w \ge 0$, the sum of each row and column 1.
fn doubly_stochastic(n: usize) -> Polyhedron {
    let lines = (0..n).flat_map(|i| {
        [(0..n).map(|j| i * n + j).collect(), (0..n).map(|j| j * n + i).collect::<Vec<_>>()]
    });
    let equations = lines
        .flat_map(|line| [1.0, -1.0].map(|sign| (line.iter().map(|i| (*i, sign)).collect(), sign)));
    Polyhedron::new(n * n, non_negative(n * n).chain(equations)).unwrap()
}

/// Second differences $\le 0$: a cone with a line of constants and slopes.
fn concave(n: usize) -> Polyhedron {
    let bend = |i: usize| (vec![(i - 1, 1.0), (i, -2.0), (i + 1, 1.0)], 0.0);
    Polyhedron::new(n, (1..n - 1).map(bend)).unwrap()
}

/// $w_1 \le 2 w_2$ and $w_2 \le 2 w_1$, $w_1 + w_2 + w_3 = 0$: a cone whose corner is 0.
fn wedge() -> Polyhedron {
    let rows = [
        (vec![(0, 1.0), (1, -2.0)], 0.0),
        (vec![(0, -2.0), (1, 1.0)], 0.0),
        (vec![(0, 1.0), (1, 1.0), (2, 1.0)], 0.0),
        (vec![(0, -1.0), (1, -1.0), (2, -1.0)], 0.0),
    ];
    Polyhedron::new(3, rows).unwrap()
}

/// Sets and how many entries their points have.
fn all() -> [(Polyhedron, usize); 4] {
    [(solid_simplex(9), 9), (doubly_stochastic(5), 25), (concave(7), 7), (wedge(), 3)]
}

/// Projects, in both precisions and in a metric, and asks the set itself.
fn check(set: &Polyhedron, point: &[f64], metric: &[f64]) {
    fn check_in<T: tensor::Real>(set: &Polyhedron, point: &[f64], metric: &[f64]) {
        let (shape, of) =
            ([point.len()].into(), |x: &[f64]| -> Vec<T> { x.iter().map(|x| T::of(*x)).collect() });
        for in_metric in [false, true] {
            let mut once = of(point);
            if in_metric {
                set.project_in_metric(shape, &of(metric), &mut once);
            } else {
                set.project(shape, &mut once);
            }
            assert_eq!(set.violation(shape, &once), 0.0, "{once:?} from {point:?}");
            let mut twice = once.clone();
            set.project(shape, &mut twice);
            assert_eq!(once, twice, "from {point:?}");
            // Directions are projected on a cone, whose corner is 0.
            let mut direction = of(point);
            set.project_tangent(shape, &once, &mut direction);
            assert!(direction.iter().all(|d| d.is_finite()), "{direction:?}");
        }
    }
    check_in::<f64>(set, point, metric);
    check_in::<f32>(set, point, metric);
}

#[test]
fn an_entry_with_a_bound_of_its_own_is_not_below_it() {
    let point = [-0.0267, 0.0065, 0.3027, -2.9351, 2.4112, 6.5455, -1.2026, 3.1015, 0.0093];
    let mut value = point;
    solid_simplex(9).project([9].into(), &mut value);
    assert!(value.iter().all(|w| *w >= 0.0), "{value:?}");
    check(&solid_simplex(9), &point, &[1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_projected_is_inside(
        point in vec(-10.0..10.0f64, 25),
        metric in vec(0.05..4.0f64, 25),
    ) {
        for (set, n) in all() {
            check(&set, &point[..n], &metric[..n]);
        }
    }

    #[test]
    fn what_is_projected_is_inside_where_entries_are_of_mixed_size(
        point in vec((-10.0..10.0f64, -12..16i32), 25),
        metric in vec(0.05..4.0f64, 25),
    ) {
        let point: Vec<f64> = point.into_iter().map(|(w, e)| w * 10f64.powi(e)).collect();
        for (set, n) in all() {
            check(&set, &point[..n], &metric[..n]);
        }
    }

    /// Whole numbers, whose projections are often at corners: equal entries, zeros and means of 0.
    #[test]
    fn what_is_projected_is_inside_at_corners(point in vec(-3..=3i8, 25), scale in -9..9i32) {
        let point: Vec<f64> =
            point.into_iter().map(|w| f64::from(w) / 3.0 * 10f64.powi(scale)).collect();
        for (set, n) in all() {
            check(&set, &point[..n], &vec![1.0; n]);
        }
    }

    #[test]
    fn the_result_is_the_projection(point in vec(-10.0..10.0f64, 9)) {
        // That of the simplex where the sum is more than 1 after clipping, else clipping.
        let (mut found, mut expected) = (point.clone(), point.clone());
        solid_simplex(9).project([9].into(), &mut found);
        NonNegative.project([9].into(), &mut expected);
        if expected.iter().sum::<f64>() > 1.0 {
            expected = point;
            Simplex { sum: 1.0 }.project([9].into(), &mut expected);
        }
        for (f, e) in found.iter().zip(&expected) {
            prop_assert!((f - e).abs() < 1e-13, "{found:?} {expected:?}");
        }
    }
}
