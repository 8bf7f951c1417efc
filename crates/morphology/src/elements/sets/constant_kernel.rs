//! Flat structuring functions of a height that is learned.
//!
//! The one design choice: the height is free. A flat kernel adds the same to every maximum, so that
//! the shape does the work and the height is the layer's bias.

use morphograd_nn::autodiff::sets::Kind;
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};
use crate::StructuringElement;
use crate::elements::structuring_element::offset;

/// $\{ w : w_d = c \text{ on the support},\; w_d = -\infty \text{ off it} \}$ for each channel and
/// filter, with any $c$: by the mean of the entries on the support. Convex; exact in every diagonal
/// metric (the mean is weighted), O(n).
///
/// ```
/// use morphograd_morphology::{
///     ConstantKernel, StructuringElement,
///     nn::autodiff::{tensor::Shape, sets::Constraint},
/// };
/// let mut kernel = [1.0f32, 2.0, 3.0, 4.0];
/// ConstantKernel::default().project(Shape::from([2, 2]), &mut kernel);
/// assert_eq!(kernel, [2.5; 4]);
/// let row = ConstantKernel::on(StructuringElement::rectangle(1, 3)?);
/// let mut kernel = [9.0f32, 9.0, 9.0, 1.0, 2.0, 6.0, 9.0, 9.0, 9.0];
/// row.project(Shape::from([3, 3]), &mut kernel);
/// let off = f32::NEG_INFINITY;
/// assert_eq!(kernel, [off, off, off, 3.0, 3.0, 3.0, off, off, off]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConstantKernel {
    /// The element whose support it is, with its origin in the kernel's centre; the whole window
    /// without one.
    pub element: Option<StructuringElement>,
}

constraint_on_planes!(ConstantKernel);

impl ConstantKernel {
    /// Flat on the support of an element.
    pub fn on(element: StructuringElement) -> Self {
        Self { element: Some(element) }
    }

    fn is_on(&self, size: [usize; 2], position: usize) -> bool {
        self.element.as_ref().is_none_or(|element| element.entry(offset(size, position)).is_some())
    }

    /// Writes the mean of the entries on the support there, and `off` elsewhere.
    fn level(&self, size: [usize; 2], metric: Option<&[f64]>, off: f64, plane: &mut [f64]) {
        let on = plane.iter().enumerate().filter(|(i, _)| self.is_on(size, *i));
        let (sum, weight) = on.fold((0.0, 0.0), |(sum, weight), (i, w)| {
            let m = metric.map_or(1.0, |m| m[i]);
            (sum + m * w, weight + m)
        });
        for (i, w) in plane.iter_mut().enumerate() {
            *w = if self.is_on(size, i) { sum / weight } else { off };
        }
    }
}

impl PlaneSet for ConstantKernel {
    const NAME: &'static str = "flat";
    const HAS_GREATEST: bool = true;
    const AFFINE: bool = true;

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "all w on the support equal, -inf off it"
    }

    fn check(&self, size: [usize; 2]) -> Result<(), ShapeError> {
        self.element.as_ref().map_or(Ok(()), |element| element.fits(size))
    }

    /// The largest difference of entries on the support; infinite where one off it is a number.
    fn missed(&self, size: [usize; 2], _: f64, plane: &[f64]) -> f64 {
        let (mut low, mut high, mut off) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for (i, w) in plane.iter().copied().enumerate() {
            if !self.is_on(size, i) {
                off =
                    worst(if w == f64::NEG_INFINITY { 0.0 } else { w.abs() + f64::INFINITY }, off);
            } else if w.is_nan() {
                return w;
            } else {
                (low, high) = (low.min(w), high.max(w));
            }
        }
        worst(if low == high { 0.0 } else { high - low }, off)
    }

    fn solve(&self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        self.level(size, metric, f64::NEG_INFINITY, plane);
    }

    /// The least entry on the support.
    fn greatest_below(&self, size: [usize; 2], upper: &mut [f64]) -> bool {
        let on = upper.iter().enumerate().filter(|(i, _)| self.is_on(size, *i));
        let least = on.fold(f64::INFINITY, |least, (_, w)| least.min(*w));
        for (i, w) in upper.iter_mut().enumerate() {
            *w = if self.is_on(size, i) { least } else { f64::NEG_INFINITY };
        }
        true
    }

    fn tangent(&self, size: [usize; 2], _: f64, _: &[f64], direction: &mut [f64]) {
        self.level(size, None, 0.0, direction);
    }
}
