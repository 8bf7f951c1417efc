//! Matrices of bounded spectral norm.
//!
//! The one design choice: the singular values above the radius are cut off, which is the nearest
//! point; dividing all of them by the largest is none.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::eigen::positive_part;
use super::svd::{
    Svd, change_direction, check_matrix, matrix_size, measure_values, replace_values,
};
use crate::norms::ball::check_radius;
use crate::numeric::{clear_direction, forgive};
use crate::{Capabilities, Constraint, Kind};

/// $\{ W : \sigma_1(W) \le r \}$, by $\sigma_k \leftarrow \min(\sigma_k, r)$: linear maps that
/// lengthen no vector by more than $r$. For the kernel of a convolution this bounds the matrix of
/// one window, not the convolution, whose norm can be larger by the root of the window's size.
/// Convex; exact. Cost: as for [`Rank`](crate::Rank). Keras'
/// `SpectralNormalization` divides by $\sigma_1$ instead, which is no projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralBall {
    /// The largest spectral norm $r$, not negative.
    pub radius: f64,
}

impl SpectralBall {
    fn violation_of<T: Real>(self, svd: &Svd) -> f64 {
        forgive(svd.values[0] - self.radius, svd.slack::<T>())
    }

    /// How many singular values are the radius, within rounding.
    fn count_tight<T: Real>(self, svd: &Svd) -> usize {
        let slack = svd.slack::<T>();
        svd.values.iter().filter(|sigma| **sigma >= self.radius - slack).count()
    }
}

impl<T: Real> Constraint<T> for SpectralBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        replace_values(
            shape,
            value,
            |svd| self.violation_of::<T>(svd),
            |values, k| values[k].min(self.radius),
        );
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure_values(shape, value, |svd| self.violation_of::<T>(svd))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_radius("spectral ball", self.radius)?;
        check_matrix("spectral ball", shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sigma_1(W) <= r"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, linear: true, ..Capabilities::default() }
    }

    /// With the singular vectors $U$, $V$ of the values that are the radius,
    /// $D \leftarrow D - U B_+ V^\top$, where $B_+$ is the part with eigenvalues above 0 of the
    /// symmetric part of $U^\top D V$. For the normal cone is $\{ U S V^\top : S \text{ positive
    /// semidefinite} \}$.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        change_direction(shape, at, direction, |svd, direction| {
            if self.radius == 0.0 {
                return clear_direction(direction);
            }
            let tight = self.count_tight::<T>(svd);
            let pairs = (0..tight).flat_map(|k| (0..tight).map(move |l| (k, l)));
            let symmetric =
                |(k, l)| 0.5 * svd.product(k, direction, l) + 0.5 * svd.product(l, direction, k);
            let mut parts: Vec<f64> = pairs.map(symmetric).collect();
            positive_part(tight, &mut parts);
            svd.subtract(&parts, tight, direction);
        });
    }

    /// $-r U V^\top$, with the terms of the gradient whose singular values are above 0, but for
    /// rounding.
    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        let Some(svd) = Svd::of(matrix_size(shape), gradient) else { return vertex.fill(T::nan()) };
        let rank = svd.rank::<T>();
        svd.write(|k| if k < rank { -self.radius } else { 0.0 }, vertex);
    }

    /// All entries when the norm is the radius.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let svd = Svd::of(matrix_size(shape), value);
        Some(svd.filter(|svd| self.count_tight::<T>(svd) > 0).map_or(0, |_| value.len()))
    }
}
