//! Structuring functions that are the sum of a column and a row.
//!
//! The one design choice: nearest in the Euclidean sense, which has a closed form; the nearest in
//! the largest deviation is another function.

use morphograd_nn::autodiff::sets::Kind;
use morphograd_nn::sets::with_scratch;
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};

/// $\{ w : w_{ij} = u_i + v_j \}$ for each channel and filter, the max-plus matrices of rank 1: a
/// dilation by $w$ is one by the column $u$ after one by the row $v$. By $w_{ij} \leftarrow \bar
/// w_{i \cdot} + \bar w_{\cdot j} - \bar w$, the means of its row and column less that of all.
/// Convex, a subspace; this is the exact Euclidean projection (the residual sums to 0 along every
/// row and column, so it is at right angles to the subspace). In a metric it has no closed form,
/// and there is none here. O(n). Entries have to be finite: a plane with $-\infty$ becomes NaN.
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{tensor::Shape, sets::Constraint}, sets::Separable};
/// let mut kernel = [0.0f32, 0.0, 0.0, 4.0];
/// Separable.project(Shape::from([2, 2]), &mut kernel);
/// assert_eq!(kernel, [-1.0, 1.0, 1.0, 3.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separable;

constraint_on_planes!(Separable);

/// Replaces a plane by the sum of its row and column means, less its mean: what is left when the
/// residual is taken away.
fn project([height, width]: [usize; 2], plane: &mut [f64]) {
    with_scratch(plane.len(), |residual: &mut [f64]| {
        residual.copy_from_slice(plane);
        for row in residual.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f64>() / width as f64;
            row.iter_mut().for_each(|w| *w -= mean);
        }
        for column in 0..width {
            let mean = residual.iter().skip(column).step_by(width).sum::<f64>() / height as f64;
            residual.iter_mut().skip(column).step_by(width).for_each(|w| *w -= mean);
        }
        plane.iter_mut().zip(residual).for_each(|(w, r)| *w -= *r);
    });
}

impl PlaneSet for Separable {
    const NAME: &'static str = "separable";
    const AFFINE: bool = true;
    const HAS_METRIC: bool = false;

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w_ij = u_i + v_j"
    }

    fn check(&self, _: [usize; 2]) -> Result<(), ShapeError> {
        Ok(())
    }

    /// The largest $|w_{ij} - w_{i1} - w_{1j} + w_{11}|$.
    fn missed(&self, [_, width]: [usize; 2], rounding: f64, plane: &[f64]) -> f64 {
        (0..plane.len()).fold(0.0, |all, k| {
            let terms = [plane[k], -plane[k / width * width], -plane[k % width], plane[0]];
            let missed = terms.iter().sum::<f64>().abs();
            let slack = rounding * terms.iter().map(|t| t.abs()).sum::<f64>();
            // The rounding of an infinity is infinite too.
            worst(if missed <= slack && slack.is_finite() { 0.0 } else { missed }, all)
        })
    }

    fn solve(&self, size: [usize; 2], _: Option<&[f64]>, plane: &mut [f64]) {
        project(size, plane);
    }

    fn tangent(&self, size: [usize; 2], _: f64, _: &[f64], direction: &mut [f64]) {
        project(size, direction);
    }
}
