//! Eigenvalues of small symmetric matrices.
//!
//! The one design choice: Jacobi's rotations, two-sided, for the reasons given beside the singular
//! values.

/// Sweeps over all pairs, of which ten are usual. Rounding cannot make the loop endless.
pub(super) const SWEEPS: usize = 60;

/// Eigenvalues and eigenvectors of a symmetric matrix `[n, n]`: for each value, in no order, a
/// vector of `n` numbers. The values of a matrix with a number that is not finite are not either,
/// or not numbers.
pub(crate) fn eigen(n: usize, matrix: &mut [f64]) -> Vec<(f64, Vec<f64>)> {
    let mut basis: Vec<Vec<f64>> =
        (0..n).map(|k| (0..n).map(|i| f64::from(u8::from(i == k))).collect()).collect();
    let norm = crate::numeric::norm_of(matrix.iter().copied());
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[p * n + q];
                if off.abs() <= f64::EPSILON * 1e-3 * norm || off.is_nan() {
                    continue;
                }
                rotated = true;
                let (cosine, sine) =
                    rotation((matrix[q * n + q] - matrix[p * n + p]) / (2.0 * off));
                for i in 0..n {
                    let (x, y) = (matrix[i * n + p], matrix[i * n + q]);
                    (matrix[i * n + p], matrix[i * n + q]) =
                        (cosine * x - sine * y, sine * x + cosine * y);
                }
                for i in 0..n {
                    let (x, y) = (matrix[p * n + i], matrix[q * n + i]);
                    (matrix[p * n + i], matrix[q * n + i]) =
                        (cosine * x - sine * y, sine * x + cosine * y);
                }
                // What rounding left of it would be rotated for ever.
                (matrix[p * n + q], matrix[q * n + p]) = (0.0, 0.0);
                let (head, tail) = basis.split_at_mut(q);
                for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    basis.into_iter().enumerate().map(|(k, vector)| (matrix[k * n + k], vector)).collect()
}

/// Replaces a symmetric matrix `[n, n]` by its part with eigenvalues above 0, the nearest positive
/// semidefinite one.
pub(crate) fn positive_part(n: usize, matrix: &mut [f64]) {
    let pairs = eigen(n, &mut matrix.to_vec());
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        matrix[i * n + j] = pairs.iter().map(|(value, q)| value.max(0.0) * q[i] * q[j]).sum();
    }
}

/// Cosine and sine of the smaller angle $\theta$ with $\cot 2\theta$ given.
pub(super) fn rotation(cotangent: f64) -> (f64, f64) {
    let tangent = cotangent.signum() / (cotangent.abs() + cotangent.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    (cosine, cosine * tangent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    proptest! {
        #[test]
        fn eigenvectors_are_what_they_are_called(n in 1..7usize, data in vec(-2.0..2.0f64, 36)) {
            let symmetric: Vec<f64> =
                (0..n * n).map(|k| data[k / n * 6 + k % n] + data[k % n * 6 + k / n]).collect();
            for (value, vector) in eigen(n, &mut symmetric.clone()) {
                prop_assert!((dot(&vector, &vector) - 1.0).abs() < 1e-13);
                for i in 0..n {
                    prop_assert!(
                        (dot(&symmetric[i * n..][..n], &vector) - value * vector[i]).abs()
                            < 1e-13 * 24.0
                    );
                }
            }
        }
    }
}
