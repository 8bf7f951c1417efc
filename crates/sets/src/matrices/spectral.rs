//! Sets of matrices given by their singular values: rank, spectral norm, nuclear norm.
//!
//! A parameter of more than one axis is the matrix of its last axis against all others: a kernel
//! `[kh, kw, in, out]` is `[kh·kw·in, out]`.
//!
//! The one design choice: all singular values are computed, in `f64` by Jacobi's method, instead of
//! the largest by power iteration. A projection that is exact only if an iteration has converged is
//! not a set one can rely on.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::matrices::singular::{Svd, positive_part};
use crate::multiplier::{Clipped, multiplier};
use crate::numeric::{forgive, rounding, stop};

/// $\{ W : \mathrm{rank}\, W \le r \}$, by keeping the $r$ largest singular values. Not convex; a
/// nearest point (Eckart and Young). Cost: a singular value decomposition, O(m n min(m, n)) a
/// sweep, for the projection and for the violation; it takes memory.
///
/// ```
/// use morphograd_sets::{Constraint, Rank};
/// let mut w = [3.0f64, 0.0, 0.0, 1.0];
/// Rank { rank: 1 }.project([2, 2].into(), &mut w);
/// assert_eq!(w, [3.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The largest rank $r$.
    pub rank: usize,
}

/// $\{ W : \sigma_1(W) \le r \}$, by $\sigma_k \leftarrow \min(\sigma_k, r)$: linear maps that
/// lengthen no vector by more than $r$. Convex; exact. Cost: as for [`Rank`]. Keras'
/// `SpectralNormalization` divides by $\sigma_1$ instead, which is no projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralBall {
    /// The largest spectral norm $r$, not negative.
    pub radius: f64,
}

/// $\{ W : \sum_k \sigma_k(W) \le r \}$, by $\sigma_k \leftarrow \max(\sigma_k - \tau, 0)$ with the
/// $\tau$ that gives the radius. Convex; exact. Cost: as for [`Rank`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NuclearBall {
    /// The largest nuclear norm $r$, not negative.
    pub radius: f64,
}

/// Rows and columns of the matrix a parameter is.
pub(crate) fn matrix(shape: Shape) -> [usize; 2] {
    let (last, others) = shape.dims().split_last().unwrap_or((&1, &[]));
    [others.iter().product(), *last]
}

/// Decomposes; writes other values if the set misses its own by `missed`; a matrix with a number
/// that is not finite becomes NaN.
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

/// Decomposes a point and changes a direction; one with a number that is not finite becomes NaN,
/// and so it does at such a point.
fn turn<T: Real>(shape: Shape, at: &[T], direction: &mut [T], change: impl FnOnce(&Svd, &mut [T])) {
    match Svd::of(matrix(shape), at) {
        Some(svd) if direction.iter().all(|d| d.is_finite()) => change(&svd, direction),
        _ => direction.fill(T::nan()),
    }
}

fn check(operation: &'static str, shape: Shape) -> Result<(), ShapeError> {
    if shape.rank() >= 2 && !shape.is_empty() {
        return Ok(());
    }
    Err(ShapeError::new(operation, "a matrix, or more axes than two", format!("shape {shape}")))
}

fn check_ball(operation: &'static str, radius: f64, shape: Shape) -> Result<(), ShapeError> {
    crate::norms::ball::check_radius(operation, radius)?;
    check(operation, shape)
}

impl Rank {
    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        forgive(svd.values.get(self.rank).copied().unwrap_or(0.0), rounding::<T>(n) * svd.norm())
    }
}

/// How many singular values are above 0, within rounding.
fn rank_of<T: Real>(svd: &Svd, n: usize) -> usize {
    let slack = rounding::<T>(n) * svd.norm();
    svd.values.iter().filter(|sigma| **sigma > slack).count()
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

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, ..Capabilities::default() }
    }

    /// Of the part outside the columns and the rows of a point of rank $s$,
    /// $E = (I - U U^\top) D (I - V V^\top)$, only the $r - s$ largest singular values stay. At
    /// rank $r$ this is the tangent space of the matrices of that rank. Source: R. Schneider and A.
    /// Uschmajew, *Convergence results for projected line-search methods on varieties of low-rank
    /// matrices via Łojasiewicz inequality* (2015).
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        turn(shape, at, direction, |svd, direction| {
            let rank = rank_of::<T>(svd, at.len()).min(self.rank);
            let mut removed = svd.outside(rank, direction);
            if let Some(parts) = Svd::of(matrix(shape), &removed) {
                parts.write(
                    |k| if k < self.rank - rank { 0.0 } else { parts.values[k] },
                    &mut removed,
                );
            }
            direction.iter_mut().zip(removed).for_each(|(d, e)| *d = T::of(d.f64() - e));
        });
    }
}

impl SpectralBall {
    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        forgive(svd.values[0] - self.radius, rounding::<T>(n) * svd.norm())
    }

    /// How many singular values are the radius, within rounding.
    fn tight<T: Real>(self, svd: &Svd, n: usize) -> usize {
        let slack = rounding::<T>(n) * svd.norm();
        svd.values.iter().filter(|sigma| **sigma >= self.radius - slack).count()
    }
}

impl<T: Real> Constraint<T> for SpectralBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let n = value.len();
        replace(
            shape,
            value,
            |svd| self.missed::<T>(svd, n),
            |values, k| values[k].min(self.radius),
        );
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

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, ..Capabilities::default() }
    }

    /// With the singular vectors $U$, $V$ of the values that are the radius,
    /// $D \leftarrow D - U B_+ V^\top$, where $B_+$ is the part with eigenvalues above 0 of the
    /// symmetric part of $U^\top D V$. For the normal cone is $\{ U S V^\top : S \text{ positive
    /// semidefinite} \}$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        turn(shape, at, direction, |svd, direction| {
            if self.radius == 0.0 {
                return stop(direction);
            }
            let tight = self.tight::<T>(svd, at.len());
            let pairs = (0..tight).flat_map(|k| (0..tight).map(move |l| (k, l)));
            let symmetric =
                |(k, l)| 0.5 * svd.product(k, direction, l) + 0.5 * svd.product(l, direction, k);
            let mut parts: Vec<f64> = pairs.map(symmetric).collect();
            positive_part(tight, &mut parts);
            svd.subtract(&parts, tight, direction);
        });
    }

    /// All entries when the norm is the radius.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let svd = Svd::of(matrix(shape), value);
        Some(svd.filter(|svd| self.tight::<T>(svd, value.len()) > 0).map_or(0, |_| value.len()))
    }
}

impl NuclearBall {
    /// By how much the norm exceeds the radius, and what rounding is worth.
    fn excess<T: Real>(self, svd: &Svd, n: usize) -> (f64, f64) {
        let sum: f64 = svd.values.iter().sum();
        // The sum of k singular values may grow by sqrt(k) times the norm of a change.
        let slack = rounding::<T>(n) * svd.norm() * (svd.values.len() as f64).sqrt();
        (sum - self.radius, slack)
    }

    fn missed<T: Real>(self, svd: &Svd, n: usize) -> f64 {
        let (excess, slack) = self.excess::<T>(svd, n);
        forgive(excess, slack)
    }

    fn is_tight<T: Real>(self, svd: &Svd, n: usize) -> bool {
        let (excess, slack) = self.excess::<T>(svd, n);
        excess >= -slack
    }
}

impl<T: Real> Constraint<T> for NuclearBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let n = value.len();
        let Some(svd) = Svd::of(matrix(shape), value) else { return value.fill(T::nan()) };
        if self.missed::<T>(&svd, n) != 0.0 {
            let term =
                |k: usize| Clipped { w: svd.values[k], gain: 1.0, min: 0.0, max: f64::INFINITY };
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
    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        let Some(svd) = Svd::of(matrix(shape), gradient) else { return vertex.fill(T::nan()) };
        svd.write(|k| if k == 0 { -self.radius } else { 0.0 }, vertex);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sum_k sigma_k(W) <= r"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, linear: true, ..Capabilities::default() }
    }

    /// On the sphere, at a point $U \Sigma V^\top$ of rank $s$: $\{ D : \langle U V^\top, D \rangle +
    /// \lVert E \rVert_* \le 0 \}$ with $E = (I - U U^\top) D (I - V V^\top)$. The normal cone is
    /// $\{ \lambda (U V^\top + M) : \lambda \ge 0, \lVert M \rVert_2 \le 1 \}$ with $M$ outside as
    /// $E$ is, so $\lambda$ solves $s \lambda = \langle U V^\top, D \rangle + \sum_k
    /// \max(\sigma_k(E) - \lambda, 0)$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        turn(shape, at, direction, |svd, direction| {
            if self.radius == 0.0 {
                return stop(direction);
            }
            if !self.is_tight::<T>(svd, at.len()) {
                return;
            }
            let rank = rank_of::<T>(svd, at.len());
            let mut outside = svd.outside(rank, direction);
            let Some(parts) = Svd::of(matrix(shape), &outside) else { return };
            let grows: f64 = (0..rank).map(|k| svd.product(k, direction, k)).sum();
            // The norm's growth along the point's own terms, all at once, and along each of the
            // others, which cannot shrink.
            let term = |k: usize| match k.checked_sub(1) {
                None => Clipped {
                    w: grows,
                    gain: rank as f64,
                    min: f64::NEG_INFINITY,
                    max: f64::INFINITY,
                },
                Some(k) => Clipped { w: parts.values[k], gain: 1.0, min: 0.0, max: f64::INFINITY },
            };
            if grows + parts.values.iter().sum::<f64>() <= 0.0 {
                return;
            }
            let lambda = multiplier(1 + parts.values.len(), term, 0.0);
            parts.write(|k| parts.values[k].min(lambda), &mut outside);
            direction.iter_mut().zip(outside).for_each(|(d, e)| *d = T::of(d.f64() - e));
            let diagonal = |i: usize| if i.is_multiple_of(rank + 1) { lambda } else { 0.0 };
            svd.subtract(&(0..rank * rank).map(diagonal).collect::<Vec<_>>(), rank, direction);
        });
    }

    /// All entries when the norm is the radius.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let svd = Svd::of(matrix(shape), value);
        Some(svd.filter(|svd| self.is_tight::<T>(svd, value.len())).map_or(0, |_| value.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_refused_and_nan_is_seen() {
        let error = Constraint::<f32>::accepts(&Rank { rank: 1 }, [4].into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rank: expected a matrix, or more axes than two, found shape [4]"
        );
        assert!(Constraint::<f32>::accepts(&SpectralBall { radius: -1.0 }, [2, 2].into()).is_err());
        assert!(
            Constraint::<f32>::accepts(&NuclearBall { radius: f64::NAN }, [2, 2].into()).is_err()
        );
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
