//! Sets of matrices given by their singular values: rank, spectral norm, nuclear norm.
//!
//! A parameter of more than one axis is the matrix of its last axis against all others: a kernel `[kh, kw, in, out]` is `[kh·kw·in, out]`.
//!
//! The one design choice: all singular values are computed, in `f64` by Jacobi's method, instead of the largest by power iteration. A
//! projection that is exact only if an iteration has converged is not a set one can rely on.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Constraint, Kind};

use super::multiplier::{Clipped, multiplier};
use super::singular::Svd;
use super::{forgive, rounding};

/// $\{ W : \mathrm{rank}\, W \le r \}$, by keeping the $r$ largest singular values. Not convex; a nearest point (Eckart and Young). Cost: a singular
/// value decomposition, O(m n min(m, n)) a sweep, for the projection and for the violation; it takes memory.
///
/// ```
/// use morphograd_nn::{autodiff::Params, constraint::Rank, tensor::Tensor};
/// let mut params = Params::new();
/// let start = Tensor::from_vec([2, 2], vec![3.0f64, 0.0, 0.0, 1.0])?;
/// let w = params.add("w", start, Some(Box::new(Rank { rank: 1 })))?;
/// assert_eq!(params.value(w).data, [3.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The largest rank $r$.
    pub rank: usize,
}

/// $\{ W : \sigma_1(W) \le r \}$, by $\sigma_k \leftarrow \min(\sigma_k, r)$: linear maps that lengthen no vector by more than $r$. Convex; exact. Cost: as for
/// [`Rank`]. Keras' `SpectralNormalization` divides by $\sigma_1$ instead, which is no projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralBall {
    /// The largest spectral norm $r$, not negative.
    pub radius: f64,
}

/// $\{ W : \sum_k \sigma_k(W) \le r \}$, by $\sigma_k \leftarrow \max(\sigma_k - \tau, 0)$ with the $\tau$ that gives the radius. Convex; exact. Cost: as for [`Rank`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NuclearBall {
    /// The largest nuclear norm $r$, not negative.
    pub radius: f64,
}

/// Rows and columns of the matrix a parameter is.
pub(super) fn matrix(shape: Shape) -> [usize; 2] {
    let (last, others) = shape.dims().split_last().unwrap_or((&1, &[]));
    [others.iter().product(), *last]
}

/// Decomposes; writes other values if the set misses its own by `missed`; a matrix with a number that is not finite becomes NaN.
fn replace<T: Real>(
    shape: Shape,
    value: &mut [T],
    missed: impl Fn(&Svd) -> f64,
    solve: impl Fn(&[f64], usize) -> f64,
) {
    let Some(svd) = Svd::of(matrix(shape), value) else { return value.fill(T::nan()) };
    if missed(&svd) != 0.0 {
        svd.write(|k| solve(&svd.values, k), value);
    }
}

fn measure<T: Real>(shape: Shape, value: &[T], missed: impl Fn(&Svd) -> f64) -> f64 {
    Svd::of(matrix(shape), value).map_or(f64::NAN, |svd| missed(&svd))
}

fn check(operation: &'static str, shape: Shape) -> Result<(), ShapeError> {
    if shape.rank() >= 2 && !shape.is_empty() {
        return Ok(());
    }
    Err(ShapeError::new(operation, "a matrix, or more axes than two", format!("shape {shape}")))
}

fn check_ball(operation: &'static str, radius: f64, shape: Shape) -> Result<(), ShapeError> {
    super::ball::check_radius(operation, radius)?;
    check(operation, shape)
}

impl Rank {
    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        forgive(svd.values.get(self.rank).copied().unwrap_or(0.0), rounding::<T>(n) * svd.norm())
    }
}

impl<T: Real> Constraint<T> for Rank {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let n = value.len();
        replace(
            shape,
            value,
            |svd| self.missed::<T>(svd, n),
            |values, k| if k < self.rank { values[k] } else { 0.0 },
        );
    }

    /// The largest singular value that should be 0.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure(shape, value, |svd| self.missed::<T>(svd, value.len()))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("rank", shape)
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "rank W <= r"
    }
}

impl SpectralBall {
    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        forgive(svd.values[0] - self.radius, rounding::<T>(n) * svd.norm())
    }
}

impl<T: Real> Constraint<T> for SpectralBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let n = value.len();
        replace(shape, value, |svd| self.missed::<T>(svd, n), |values, k| values[k].min(self.radius));
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure(shape, value, |svd| self.missed::<T>(svd, value.len()))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_ball("spectral ball", self.radius, shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sigma_1(W) <= r"
    }
}

impl NuclearBall {
    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        let sum: f64 = svd.values.iter().sum();
        // The sum of k singular values may grow by sqrt(k) times the norm of a change.
        let slack = rounding::<T>(n) * svd.norm() * (svd.values.len() as f64).sqrt();
        forgive(sum - self.radius, slack)
    }
}

impl<T: Real> Constraint<T> for NuclearBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let n = value.len();
        let Some(svd) = Svd::of(matrix(shape), value) else { return value.fill(T::nan()) };
        if self.missed::<T>(&svd, n) != 0.0 {
            let term = |k: usize| Clipped { w: svd.values[k], gain: 1.0, min: 0.0, max: f64::INFINITY };
            let tau = multiplier(svd.values.len(), term, self.radius);
            svd.write(|k| term(k).at(tau), value);
        }
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure(shape, value, |svd| self.missed::<T>(svd, value.len()))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_ball("nuclear ball", self.radius, shape)
    }

    /// The term of the gradient with the largest singular value, turned around.
    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) -> bool {
        let Some(svd) = Svd::of(matrix(shape), gradient) else { return false };
        svd.write(|k| if k == 0 { -self.radius } else { 0.0 }, vertex);
        true
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sum_k sigma_k(W) <= r"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_refused_and_nan_is_seen() {
        let error = Constraint::<f32>::accepts(&Rank { rank: 1 }, [4].into()).unwrap_err();
        assert_eq!(error.to_string(), "rank: expected a matrix, or more axes than two, found shape [4]");
        assert!(Constraint::<f32>::accepts(&SpectralBall { radius: -1.0 }, [2, 2].into()).is_err());
        assert!(Constraint::<f32>::accepts(&NuclearBall { radius: f64::NAN }, [2, 2].into()).is_err());
        let all: [&dyn Constraint<f32>; 3] =
            [&Rank { rank: 1 }, &SpectralBall { radius: 1.0 }, &NuclearBall { radius: 1.0 }];
        for set in all {
            let mut value = [1.0f32, f32::NAN, 0.0, 2.0];
            assert!(set.violation([2, 2].into(), &value).is_nan());
            set.project([2, 2].into(), &mut value);
            assert!(value.iter().all(|w| w.is_nan()), "{set:?}");
        }
    }

    #[test]
    fn a_kernel_is_the_matrix_of_its_filters() {
        assert_eq!(matrix([3, 3, 2, 5].into()), [18, 5]);
        // Two filters that are multiples of one another: rank 1.
        let value: Vec<f32> = (0..18).flat_map(|i| [i as f32, -2.0 * i as f32]).collect();
        assert_eq!(Rank { rank: 1 }.violation([3, 3, 2, 2].into(), &value), 0.0);
        assert!(Rank { rank: 0 }.violation([3, 3, 2, 2].into(), &value) > 1.0);
    }
}
