//! Boxes with the centre at 0.
//!
//! The one design choice: the centre is where a window has the pixel itself, for even sizes too, so
//! that the law holds for every window.

use morphograd_nn::sets::maps::Coordinatewise;
use morphograd_nn::sets::{Capabilities, Constraint, Interval, Kind, Parametrization};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use super::plane::{rest, worst};
use crate::structuring_element;

/// $\{ w : \min \le w \le \max,\; w_\text{centre} = 0 \}$: a box whose centre entries are zero.
///
/// With `max` 0 a dilation by such a kernel is extensive ($x \le \delta_w(x)$, because the centre
/// contributes $x + 0$) and never exceeds the flat dilation; this is `NonPositiveExtensive` of
/// morpholayers, called `NonPositiveIncreasing` in the tutorial. Convex; the projection clips every
/// entry and then sets the centre to 0, in O(n).
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{tensor::Shape, sets::Constraint}, ZeroCentre};
/// let mut kernel = [0.5f32, -0.3, 0.2, -2.0, 0.4, -0.1, 0.0, 0.0, 1.0];
/// ZeroCentre { min: -1.0, max: 0.0 }.project(Shape::from([3, 3]), &mut kernel);
/// assert_eq!(kernel, [0.0, -0.3, 0.0, -1.0, 0.0, -0.1, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZeroCentre {
    /// Lower bound of every entry, at most 0.
    pub min: f64,
    /// Upper bound of every entry, at least 0.
    pub max: f64,
}

impl ZeroCentre {
    fn interval(self) -> Interval {
        Interval { min: self.min, max: self.max }
    }
}

impl<T: Real> Constraint<T> for ZeroCentre {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.interval().project(shape, value);
        value[centre(shape)].fill(T::zero());
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let centre = value[centre(shape)].iter().map(|w| w.f64().abs()).fold(0.0, worst);
        worst(centre, self.interval().violation(shape, value))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if shape.rank() < 2 || shape.is_empty() {
            return Err(ShapeError::new(
                "zero centre",
                "a kernel [height, width, …]",
                format!("shape {shape}"),
            ));
        }
        if !(self.min..=self.max).contains(&0.0) {
            let found = format!("[{}, {}]", self.min, self.max);
            return Err(ShapeError::new("zero centre", "bounds with min <= 0 <= max", found));
        }
        Constraint::<T>::accepts(&self.interval(), shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "min <= w <= max, w_centre = 0"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: self.min.is_finite() && self.max.is_finite(),
            derivative: true,
            greatest: true,
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.interval().project_tangent(shape, at, direction);
        direction[centre(shape)].fill(T::zero());
    }

    /// The corner of the bounds that the gradient points away from, but for the centre.
    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        self.interval().minimize_linear(shape, gradient, vertex);
        vertex[centre(shape)].fill(T::zero());
    }

    /// What was clipped has no derivative, and neither has the centre.
    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        self.interval().project_vjp(shape, at, projected, gradient);
        gradient[centre(shape)].fill(T::zero());
    }

    /// There is one where the centre may be 0.
    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        let exists = upper[centre(shape)].iter().all(|w| *w >= T::zero());
        upper[centre(shape)].fill(T::zero());
        exists && self.interval().greatest_below(shape, upper)
    }

    /// That of the bounds, but for the centre.
    fn parametrization(&self, shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        let mut bounds = vec![[self.min, self.max]; shape.len()];
        bounds[centre(shape)].fill([0.0; 2]);
        Some(Box::new(Coordinatewise { bounds }))
    }

    /// The centre entries, and those at a bound.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let centre = centre(shape);
        let others = [&value[..centre.start], &value[centre.end..]];
        let at_bounds = others.map(|w| self.interval().active([w.len()].into(), w).unwrap_or(0));
        Some(centre.len() + at_bounds.iter().sum::<usize>())
    }
}

/// The elements of a kernel that belong to its centre: one for every channel and filter,
/// contiguous.
fn centre(shape: Shape) -> std::ops::Range<usize> {
    let [height, width] = [0, 1].map(|axis| structuring_element::centre(shape.dims()[axis]));
    let position = height * shape.dims()[1] + width;
    position * rest(shape)..(position + 1) * rest(shape)
}
