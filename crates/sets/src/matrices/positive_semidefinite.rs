//! Symmetric matrices without negative eigenvalues.
//!
//! The one design choice: the set lies in the space of all square matrices, so the projection makes
//! symmetric first; that part is orthogonal to the rest.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::matrices::eigen::{eigen, positive_part};
use crate::numeric::{forgive, larger, norm_of, rounding};

/// $\{ W : W = W^\top,\; x^\top W x \ge 0 \text{ for every } x \}$, by $W \leftarrow \sum_k
/// \max(\lambda_k, 0) q_k q_k^\top$ with the eigenvalues and eigenvectors of $(W + W^\top) / 2$.
/// Convex; exact. A matrix `[n, n]` only. Cost: O(n³) a sweep of Jacobi's method, for the
/// projection and for the violation; it takes memory.
///
/// ```
/// use morphograd_sets::{Constraint, PositiveSemidefinite};
/// let mut w = [2.0f64, 1.0, -1.0, -3.0];
/// PositiveSemidefinite.project([2, 2].into(), &mut w);
/// assert_eq!(w, [2.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositiveSemidefinite;

/// The eigenvalues of the symmetric part, the largest difference from it, and what rounding is
/// worth.
fn decompose<T: Real>(shape: Shape, value: &[T]) -> (Vec<(f64, Vec<f64>)>, f64, f64) {
    let n = shape.dims()[0];
    let at = |i: usize, j: usize| value[i * n + j].f64();
    let mut symmetric: Vec<f64> =
        (0..n * n).map(|k| 0.5 * at(k / n, k % n) + 0.5 * at(k % n, k / n)).collect();
    let asymmetry =
        (0..n * n).fold(0.0, |worst, k| larger(worst, (at(k / n, k % n) - at(k % n, k / n)).abs()));
    let slack = rounding::<T>(value.len()) * norm_of(symmetric.iter().copied());
    (eigen(n, &mut symmetric), asymmetry, slack)
}

fn violation_of(pairs: &[(f64, Vec<f64>)], asymmetry: f64, slack: f64) -> f64 {
    pairs
        .iter()
        .fold(forgive(asymmetry, slack), |worst, (value, _)| larger(worst, forgive(-value, slack)))
}

impl<T: Real> Constraint<T> for PositiveSemidefinite {
    fn project(&self, shape: Shape, value: &mut [T]) {
        if !value.iter().all(|w| w.is_finite()) {
            return value.fill(T::nan());
        }
        let (pairs, asymmetry, slack) = decompose(shape, value);
        if violation_of(&pairs, asymmetry, slack) == 0.0 {
            return;
        }
        let n = shape.dims()[0];
        for (i, j) in (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))) {
            let w = pairs.iter().map(|(value, q)| value.max(0.0) * q[i] * q[j]).sum();
            (value[i * n + j], value[j * n + i]) = (T::of(w), T::of(w));
        }
    }

    /// The largest of the differences of mirrored entries and of the eigenvalues below 0.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        if !value.iter().all(|w| w.is_finite()) {
            return f64::NAN;
        }
        let (pairs, asymmetry, slack) = decompose(shape, value);
        violation_of(&pairs, asymmetry, slack)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        match shape.dims() {
            [rows, columns] if rows == columns => Ok(()),
            _ => Err(ShapeError::new(
                "positive semidefinite",
                "a square matrix",
                format!("shape {shape}"),
            )),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "W = W^T, lambda_min(W) >= 0"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, ..Capabilities::default() }
    }

    /// With the eigenvectors $N$ of the eigenvalues 0 and the symmetric part $D$:
    /// $D \leftarrow D + N B_- N^\top$, where $-B_-$ is the part of $N^\top D N$ with eigenvalues
    /// below
    /// 0. The cone is $\{ D = D^\top : N^\top D N \text{ positive semidefinite} \}$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        if !at.iter().chain(&*direction).all(|w| w.is_finite()) {
            direction.fill(T::nan());
            return;
        }
        let n = shape.dims()[0];
        let (pairs, _, slack) = decompose(shape, at);
        let null: Vec<&[f64]> =
            pairs.iter().filter(|(value, _)| *value <= slack).map(|(_, q)| &**q).collect();
        let symmetric: Vec<f64> = (0..n * n)
            .map(|k| 0.5 * direction[k].f64() + 0.5 * direction[k % n * n + k / n].f64())
            .collect();
        let indices = |count: usize| (0..count).flat_map(move |i| (0..count).map(move |j| (i, j)));
        let product = |(a, b): (usize, usize)| -> f64 {
            -indices(n).map(|(i, j)| null[a][i] * symmetric[i * n + j] * null[b][j]).sum::<f64>()
        };
        let mut missed: Vec<f64> = indices(null.len()).map(product).collect();
        positive_part(null.len(), &mut missed);
        for (i, j) in indices(n).filter(|(i, j)| j <= i) {
            let terms = indices(null.len()).zip(&missed);
            let raised: f64 = terms.map(|((a, b), m)| m * null[a][i] * null[b][j]).sum();
            let d = T::of(symmetric[i * n + j] + raised);
            (direction[i * n + j], direction[j * n + i]) = (d, d);
        }
    }

    /// All entries when an eigenvalue is 0.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        if !value.iter().all(|w| w.is_finite()) {
            return Some(0);
        }
        let (pairs, _, slack) = decompose(shape, value);
        Some(if pairs.iter().any(|(lambda, _)| *lambda <= slack) { value.len() } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_square_matrices_are_accepted_and_nan_is_seen() {
        let error = Constraint::<f32>::accepts(&PositiveSemidefinite, [2, 3].into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "positive semidefinite: expected a square matrix, found shape [2, 3]"
        );
        let mut value = [1.0f32, 0.0, 0.0, f32::NAN];
        assert!(PositiveSemidefinite.violation([2, 2].into(), &value).is_nan());
        PositiveSemidefinite.project([2, 2].into(), &mut value);
        assert!(value.iter().all(|w| w.is_nan()));
        assert_eq!(PositiveSemidefinite.violation([2, 2].into(), &[1.0f32, 1.0, 0.0, 1.0]), 1.0);
    }
}
