//! The solutions of linear equations.
//!
//! The one design choice: the rows are made orthonormal once, when the set is made, so that a
//! projection is two products and dependent rows are no special case.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError, Tensor};

use crate::numeric::{forgive, larger, rounding};
use crate::projected::Projected;
use crate::scratch::with_scratch;
use crate::until_inside::project_until_inside;

/// $\{ w : A w = b \}$, kept as $Q w = c$ with orthonormal rows, by
/// $w \leftarrow w - Q^\top (Q w - c)$. Convex; exact in every diagonal metric. Cost: O(m n) for m
/// equations; in a metric O(m² n), because the rows are made orthonormal in it.
///
/// ```
/// use morphograd_sets::{Affine, Constraint, tensor::Tensor};
/// let a = Tensor::from_vec([2, 3], vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0])?;
/// let set = Affine::new(&a, &[1.0, 1.0])?;
/// let mut w = [0.0f32, 0.0, 0.0];
/// set.project([3].into(), &mut w);
/// assert!((w[0] + w[1] - 1.0).abs() < 1e-6 && (w[1] + w[2] - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// Rows of length 1 at right angles, one after the other.
    rows: Vec<f64>,
    /// The number of columns.
    n: usize,
    /// What their products with the value are.
    products: Vec<f64>,
}

impl Affine {
    /// The solutions of $A w = b$ for $A$ of shape `[m, n]`. Rows that follow from the ones before
    /// them are left out.
    ///
    /// # Errors
    /// If the shapes do not agree, a number is not finite, or there is no solution.
    pub fn new(a: &Tensor<f64>, b: &[f64]) -> Result<Self, ShapeError> {
        let &[m, n] = a.shape().dims() else {
            return Err(ShapeError::new(
                "affine",
                "a matrix [equations, entries]",
                format!("shape {}", a.shape()),
            ));
        };
        if b.len() != m {
            return Err(ShapeError::new(
                "affine",
                format!("{m} right-hand sides"),
                b.len().to_string(),
            ));
        }
        if !a.data().iter().chain(b).all(|x| x.is_finite()) {
            return Err(ShapeError::new("affine", "finite numbers", "others"));
        }
        let (mut rows, mut products) = (a.data().to_vec(), b.to_vec());
        let kept = orthonormalize(&mut rows, n, &mut products)?;
        rows.truncate(kept * n);
        products.truncate(kept);
        Ok(Self { rows, n, products })
    }

    fn solve<T: Real>(&self, metric: Option<&[T]>, value: &mut [T]) {
        let Some(metric) = metric else {
            return project_on_rows(&self.rows, &self.products, |_| 1.0, value);
        };
        // In the coordinates sqrt(m) w the metric is Euclidean and the rows are Q / sqrt(m).
        let root = |i: usize| 1.0 / metric[i].f64().sqrt();
        with_scratch(self.rows.len() + self.products.len(), |scratch: &mut [f64]| {
            let (rows, products) = scratch.split_at_mut(self.rows.len());
            rows.iter_mut()
                .zip(&self.rows)
                .enumerate()
                .for_each(|(i, (r, q))| *r = q * root(i % self.n));
            products.copy_from_slice(&self.products);
            // Independent rows stay so; what a metric of wild range makes of them is seen as a
            // violation.
            let kept = orthonormalize(rows, self.n, products).unwrap_or(self.products.len());
            project_on_rows(&rows[..kept * self.n], &products[..kept], root, value);
        });
    }
}

/// One step per row: $w \leftarrow w - q (q \cdot w - c)$ in coordinates divided by `root`.
fn project_on_rows<T: Real>(
    rows: &[f64],
    products: &[f64],
    root: impl Fn(usize) -> f64,
    value: &mut [T],
) {
    let n = value.len();
    with_scratch(n, |w: &mut [f64]| {
        w.iter_mut().zip(value.iter()).enumerate().for_each(|(i, (w, v))| *w = v.f64() / root(i));
        for (row, product) in rows.chunks_exact(n.max(1)).zip(products) {
            let missed: f64 = row.iter().zip(w.iter()).map(|(q, w)| q * w).sum::<f64>() - product;
            row.iter().zip(w.iter_mut()).for_each(|(q, w)| *w -= q * missed);
        }
        value.iter_mut().zip(w.iter()).enumerate().for_each(|(i, (v, w))| *v = T::of(w * root(i)));
    });
}

/// Makes the rows orthonormal from the first to the last, with their right-hand sides, and moves
/// those that are left to the front; returns how many. Each row is treated twice, after which it is
/// at right angles to the others within rounding.
fn orthonormalize(rows: &mut [f64], n: usize, products: &mut [f64]) -> Result<usize, ShapeError> {
    let mut kept = 0;
    for i in 0..products.len() {
        rows.copy_within(i * n..(i + 1) * n, kept * n);
        products[kept] = products[i];
        let (done, rest) = rows.split_at_mut(kept * n);
        let row = &mut rest[..n];
        let size = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale = products[kept].abs().max(size);
        for _ in 0..2 {
            for (q, c) in done.chunks_exact(n.max(1)).zip(&products[..kept].to_vec()) {
                let part: f64 = q.iter().zip(row.iter()).map(|(q, x)| q * x).sum();
                row.iter_mut().zip(q).for_each(|(x, q)| *x -= part * q);
                products[kept] -= part * c;
            }
        }
        let left = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        if left > 1e-10 * size {
            row.iter_mut().for_each(|x| *x /= left);
            products[kept] /= left;
            kept += 1;
        } else if products[kept].abs() > 1e-9 * scale {
            let found = format!("equation {i}, which contradicts those before it");
            return Err(ShapeError::new("affine", "equations with a solution", found));
        }
    }
    Ok(kept)
}

impl<T: Real> Constraint<T> for Affine {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(None, w));
    }

    /// The largest amount by which one of the orthonormal equations is missed.
    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let whole = value.iter().fold(0.0, |sum: f64, w| if w.is_nan() { f64::NAN } else { sum });
        self.rows.chunks_exact(self.n.max(1)).zip(&self.products).fold(
            whole,
            |worst, (row, product)| {
                let (found, size) =
                    row.iter().zip(value).fold((0.0, product.abs()), |(sum, size), (q, w)| {
                        (sum + q * w.f64(), size + (q * w.f64()).abs())
                    });
                larger(worst, forgive((found - product).abs(), rounding::<T>(self.n) * size))
            },
        )
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if shape.len() == self.n {
            return Ok(());
        }
        Err(ShapeError::new("affine", format!("{} entries", self.n), format!("shape {shape}")))
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "A w = b"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(Some(metric), w));
    }

    fn project_tangent(&self, _: Shape, _: &[T], direction: &mut [T]) {
        with_scratch(self.products.len(), |zeros: &mut [f64]| {
            project_on_rows(&self.rows, zeros, |_| 1.0, direction);
        });
    }

    /// The projection is affine: that of directions, which is its own transpose.
    fn project_vjp(&self, shape: Shape, at: &[T], _: &[T], gradient: &mut [T]) {
        self.project_tangent(shape, at, gradient);
    }

    /// The projection itself, which is linear up to a constant.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Projected::smooth(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_equations_are_left_out_and_contradictions_refused() {
        let a = Tensor::from_vec([2, 2], vec![1.0, 2.0, 2.0, 4.0]).unwrap();
        let set = Affine::new(&a, &[5.0, 10.0]).unwrap();
        let mut w = [0.0f64, 0.0];
        set.project([2].into(), &mut w);
        assert!((w[0] - 1.0).abs() < 1e-14 && (w[1] - 2.0).abs() < 1e-14, "{w:?}");
        let error = Affine::new(&a, &[5.0, 11.0]).unwrap_err().to_string();
        assert_eq!(
            error,
            "affine: expected equations with a solution, found equation 1, which contradicts \
             those before it"
        );
        assert!(Affine::new(&a, &[5.0]).is_err());
        assert!(Affine::new(&a, &[5.0, f64::NAN]).is_err());
        assert!(Constraint::<f32>::accepts(&set, [3].into()).is_err());
        let nothing = Affine::new(&Tensor::zeros([0, 2]), &[]).unwrap();
        assert_eq!(nothing.violation([2].into(), &[7.0f32, 8.0]), 0.0);
        assert!(nothing.violation([2].into(), &[f32::NAN, 8.0]).is_nan());
    }
}
