//! Matrices with orthonormal columns: the Stiefel manifold.
//!
//! The one design choice: the projection is the polar factor by singular values, which is defined
//! for matrices of any rank, instead of an iteration that needs a start near the manifold.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::matrices::svd::{Svd, matrix_size};
use crate::numeric::{forgive, larger, rounding};

/// $\{ W : W^\top W = I \}$, by $W \leftarrow U V^\top$ with the singular vectors of $W$. Not
/// convex; a nearest point. Where $W$ has not full rank the nearest points are many; the missing
/// columns of $U$ are then made from the first coordinate axes.
///
/// A parameter of more axes than two is the matrix of its last axis against all others; it must not
/// have more columns than rows. Cost: a singular value decomposition, O(m n²) a sweep; the
/// violation costs O(m n²) once.
///
/// ```
/// use morphograd_sets::{Constraint, OrthonormalColumns};
/// let mut w = [0.0f64, 3.0, 2.0, 0.0];
/// OrthonormalColumns.project([2, 2].into(), &mut w);
/// assert_eq!(w, [0.0, 1.0, 1.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrthonormalColumns;

/// The product of two columns, of one matrix or of two.
fn product<T: Real>([rows, columns]: [usize; 2], a: &[T], i: usize, b: &[T], j: usize) -> f64 {
    (0..rows).map(|row| a[row * columns + i].f64() * b[row * columns + j].f64()).sum()
}

impl<T: Real> Constraint<T> for OrthonormalColumns {
    fn project(&self, shape: Shape, value: &mut [T]) {
        if self.violation(shape, value) == 0.0 {
            return;
        }
        let Some(mut svd) = Svd::of(matrix_size(shape), value) else { return value.fill(T::nan()) };
        svd.complete_left();
        svd.write(|_| 1.0, value);
    }

    /// The largest entry of $W^\top W - I$.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let size = matrix_size(shape);
        let pairs = (0..size[1]).flat_map(|i| (0..=i).map(move |j| (i, j)));
        pairs.fold(0.0, |worst, (i, j)| {
            let missed = product(size, value, i, value, j) - f64::from(u8::from(i == j));
            larger(worst, forgive(missed.abs(), 2.0 * rounding::<T>(value.len())))
        })
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        let [rows, columns] = matrix_size(shape);
        if shape.rank() >= 2 && columns <= rows {
            return Ok(());
        }
        let found = format!("shape {shape}");
        Err(ShapeError::new("orthonormal columns", "a matrix of not more columns than rows", found))
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "W^T W = I"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, ..Capabilities::default() }
    }

    /// $D \leftarrow D - W \frac{W^\top D + D^\top W}{2}$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        let size = matrix_size(shape);
        let [rows, columns] = size;
        let mut parts = vec![0.0; columns * columns];
        for (i, j) in (0..columns).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            parts[i * columns + j] =
                0.5 * (product(size, at, i, direction, j) + product(size, at, j, direction, i));
        }
        for row in 0..rows {
            for j in 0..columns {
                let normal: f64 = (0..columns)
                    .map(|i| at[row * columns + i].f64() * parts[i * columns + j])
                    .sum();
                let d = &mut direction[row * columns + j];
                *d = T::of(d.f64() - normal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_without_full_rank_are_completed() {
        let zero = [0.0f64; 6];
        for start in [zero, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 0.0, 0.0, 0.0]] {
            let mut value = start;
            OrthonormalColumns.project([3, 2].into(), &mut value);
            assert_eq!(
                OrthonormalColumns.violation([3, 2].into(), &value),
                0.0,
                "{start:?} {value:?}"
            );
        }
        let mut value = [f64::NAN, 0.0, 0.0, 1.0];
        OrthonormalColumns.project([2, 2].into(), &mut value);
        assert!(value.iter().all(|w| w.is_nan()));
        assert!(OrthonormalColumns.violation([2, 2].into(), &value).is_nan());
        let error =
            Constraint::<f32>::accepts(&OrthonormalColumns, [2, 3].into()).unwrap_err().to_string();
        assert_eq!(
            error,
            "orthonormal columns: expected a matrix of not more columns than rows, found shape \
             [2, 3]"
        );
    }
}
