//! Structuring functions whose largest entry is 0.
//!
//! The one design choice: which entry is 0 is left to the training. The dilation by such a kernel
//! reaches the flat dilation by one pixel and never exceeds it, without a centre that is fixed
//! beforehand.

use morphograd_nn::autodiff::sets::Kind;
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};

/// $\{ w : w \le 0,\; \max_d w_d = 0 \}$ for each channel and filter: by clipping to $w \le 0$,
/// and, if no entry was at least 0, raising the largest to 0, the first of equal ones. Not convex;
/// a nearest point, exact in every precision. In a diagonal metric the entry with the smallest
/// $m_d w_d^2$ is raised. O(n).
///
/// With it $\delta_w(x) \le \delta_0(x)$, the flat dilation, and a constant image stays as it is
/// away from the border.
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{tensor::Shape, sets::Constraint}, SupNormalized};
/// let mut kernel = [-0.5f32, -0.25, -3.0, -1.0];
/// SupNormalized.project(Shape::from([2, 2]), &mut kernel);
/// assert_eq!(kernel, [-0.5, 0.0, -3.0, -1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupNormalized;

constraint_on_planes!(SupNormalized);

/// Clips the chosen entries, and raises the cheapest of them if none is 0.
fn normalize(plane: &mut [f64], chosen: impl Fn(usize) -> bool, metric: Option<&[f64]>) {
    let mut top = f64::NEG_INFINITY;
    let mut cheapest: Option<(f64, usize)> = None;
    for (i, w) in plane.iter_mut().enumerate().filter(|(i, _)| chosen(*i)) {
        if *w > 0.0 {
            *w = 0.0;
        }
        // NaN wins, so that no number is raised beside it.
        top = worst(*w, top);
        let cost = metric.map_or(-*w, |m| -*w * m[i].sqrt());
        if cheapest.is_none_or(|(least, _)| cost < least) {
            cheapest = Some((cost, i));
        }
    }
    if let Some((_, i)) = cheapest.filter(|_| top < 0.0) {
        plane[i] = 0.0;
    }
}

impl PlaneSet for SupNormalized {
    const NAME: &'static str = "sup-normalized";
    const HAS_GREATEST: bool = true;

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "w <= 0, max w = 0"
    }

    fn check(&self, _: [usize; 2]) -> Result<(), ShapeError> {
        Ok(())
    }

    /// The magnitude of the largest entry.
    fn missed(&self, _: [usize; 2], _: f64, plane: &[f64]) -> f64 {
        plane.iter().copied().fold(f64::NEG_INFINITY, |top, w| worst(w, top)).abs()
    }

    fn solve(&self, _: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        normalize(plane, |_| true, metric);
    }

    /// Directions that raise no zero and keep one of them.
    fn tangent(&self, _: [usize; 2], _: f64, at: &[f64], direction: &mut [f64]) {
        normalize(direction, |i| at[i] == 0.0, None);
    }

    /// There is one where some entry may be 0.
    fn greatest_below(&self, _: [usize; 2], upper: &mut [f64]) -> bool {
        upper.iter_mut().for_each(|w| *w = w.min(0.0));
        upper.contains(&0.0)
    }

    /// What was clipped or raised is 0 whatever it was.
    fn pull_back(&self, _: [usize; 2], at: &[f64], projected: &[f64], gradient: &mut [f64]) {
        for ((g, w), p) in gradient.iter_mut().zip(at).zip(projected) {
            if w != p && !w.is_nan() {
                *g = 0.0;
            }
        }
    }

    /// The zeros.
    fn active(&self, _: [usize; 2], _: f64, plane: &[f64]) -> Option<usize> {
        Some(plane.iter().filter(|w| **w == 0.0).count())
    }
}
