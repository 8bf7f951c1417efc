//! Tangent cones of the sets of matrices where singular values or eigenvalues are equal, as limits
//! of projections.

use morphograd_sets::tensor::Shape;
use morphograd_sets::*;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

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
            set.project_tangent(shape, &at, &mut tangent);
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
            single.project_tangent(shape, &at, &mut rounded);
            let rounded: Vec<f64> = rounded.into_iter().map(f64::from).collect();
            let apart = match set.kind() {
                Kind::Convex => distance(&rounded, &tangent),
                _ => (distance(direction, &rounded) - distance(direction, &tangent)).abs(),
            };
            prop_assert!(apart < 1e-5, "{set:?} {apart}: {rounded:?} is not {tangent:?} at {at:?}");
        }
    }
}
