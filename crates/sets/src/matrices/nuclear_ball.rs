//! Matrices of bounded nuclear norm, the sum of the singular values.
//!
//! The one design choice: the singular values are projected on the simplex that they form, with the
//! same multiplier as there.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::svd::{Svd, change_direction, check_matrix, matrix_size, measure_values};
use crate::multiplier::{ClippedLine, find_multiplier};
use crate::norms::ball::check_radius;
use crate::numeric::{clear_direction, forgive};
use crate::{Capabilities, Constraint, Kind};

/// $\{ W : \sum_k \sigma_k(W) \le r \}$, by $\sigma_k \leftarrow \max(\sigma_k - \tau, 0)$ with the
/// $\tau$ that gives the radius. Convex; exact. Cost: as for [`Rank`](crate::Rank).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NuclearBall {
    /// The largest nuclear norm $r$, not negative.
    pub radius: f64,
}

impl NuclearBall {
    /// By how much the norm exceeds the radius, and what rounding is worth.
    fn excess<T: Real>(self, svd: &Svd) -> (f64, f64) {
        let sum: f64 = svd.values.iter().sum();
        // The sum of k singular values may grow by sqrt(k) times the norm of a change.
        let slack = svd.slack::<T>() * (svd.values.len() as f64).sqrt();
        (sum - self.radius, slack)
    }

    fn violation_of<T: Real>(self, svd: &Svd) -> f64 {
        let (excess, slack) = self.excess::<T>(svd);
        forgive(excess, slack)
    }

    fn is_tight<T: Real>(self, svd: &Svd) -> bool {
        let (excess, slack) = self.excess::<T>(svd);
        excess >= -slack
    }
}

impl<T: Real> Constraint<T> for NuclearBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        loop {
            let Some(svd) = Svd::of(matrix_size(shape), value) else { return value.fill(T::nan()) };
            if self.violation_of::<T>(&svd) == 0.0 {
                return;
            }
            let term = |k: usize| ClippedLine {
                start: svd.values[k],
                slope: 1.0,
                min: 0.0,
                max: f64::INFINITY,
            };
            let tau = find_multiplier(svd.values.len(), term, self.radius);
            svd.write(|k| term(k).at(tau), value);
            // From farther out the values are differences of large numbers, and projected again.
            if svd.norm() <= 1e3 * self.radius {
                return;
            }
        }
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure_values(shape, value, |svd| self.violation_of::<T>(svd))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_radius("nuclear ball", self.radius)?;
        check_matrix("nuclear ball", shape)
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

    /// On the sphere, at a point $U \Sigma V^\top$ of rank $s$:
    /// $\{ D : \langle U V^\top, D \rangle + \lVert E \rVert_* \le 0 \}$ with
    /// $E = (I - U U^\top) D (I - V V^\top)$. The normal cone is
    /// $\{ \lambda (U V^\top + M) : \lambda \ge 0, \lVert M \rVert_2 \le 1 \}$ with $M$ outside as
    /// $E$ is, so $\lambda$ solves $s \lambda = \langle U V^\top, D \rangle + \sum_k
    /// \max(\sigma_k(E) - \lambda, 0)$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        change_direction(shape, at, direction, |svd, direction| {
            if self.radius == 0.0 {
                return clear_direction(direction);
            }
            if !self.is_tight::<T>(svd) {
                return;
            }
            let rank = svd.rank::<T>();
            let mut outside = svd.outside(rank, direction);
            let Some(parts) = Svd::of(matrix_size(shape), &outside) else { return };
            let grows: f64 = (0..rank).map(|k| svd.product(k, direction, k)).sum();
            // The norm's growth along the point's own terms, all at once, and along each of the
            // others, which cannot shrink.
            let term = |k: usize| match k.checked_sub(1) {
                None => ClippedLine {
                    start: grows,
                    slope: rank as f64,
                    min: f64::NEG_INFINITY,
                    max: f64::INFINITY,
                },
                Some(k) => {
                    ClippedLine { start: parts.values[k], slope: 1.0, min: 0.0, max: f64::INFINITY }
                }
            };
            if grows + parts.values.iter().sum::<f64>() <= 0.0 {
                return;
            }
            let lambda = find_multiplier(1 + parts.values.len(), term, 0.0);
            parts.write(|k| parts.values[k].min(lambda), &mut outside);
            direction.iter_mut().zip(outside).for_each(|(d, e)| *d = T::of(d.f64() - e));
            let diagonal = |i: usize| if i.is_multiple_of(rank + 1) { lambda } else { 0.0 };
            svd.subtract(&(0..rank * rank).map(diagonal).collect::<Vec<_>>(), rank, direction);
        });
    }

    /// The term of the gradient with the largest singular value, turned around.
    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        let Some(svd) = Svd::of(matrix_size(shape), gradient) else { return vertex.fill(T::nan()) };
        svd.write(|k| if k == 0 { -self.radius } else { 0.0 }, vertex);
    }

    /// All entries when the norm is the radius.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let svd = Svd::of(matrix_size(shape), value);
        Some(svd.filter(|svd| self.is_tight::<T>(svd)).map_or(0, |_| value.len()))
    }
}
