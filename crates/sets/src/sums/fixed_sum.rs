//! A sum or a mean that is given.
//!
//! The one design choice: these are hyperplanes whose normal is written down nowhere, so that they
//! fit every shape.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::{forgive, inverse_weight, rounding};
use crate::projected::Projected;
use crate::until_inside::project_until_inside;

/// $\{ w : \sum_i w_i = s \}$, by adding the same to every entry. Convex; exact in every diagonal
/// metric, O(n).
///
/// ```
/// use morphograd_sets::{Constraint, FixedSum};
/// let mut w = [0.0f32, 1.0, 5.0];
/// FixedSum { sum: 0.0 }.project([3].into(), &mut w);
/// assert_eq!(w, [-2.0, -1.0, 3.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedSum {
    /// The sum $s$.
    pub sum: f64,
}

/// $\{ w : \frac{1}{n} \sum_i w_i = \mu \}$, by adding the same to every entry. Convex; exact in
/// every diagonal metric, O(n).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedMean {
    /// The mean $\mu$.
    pub mean: f64,
}

impl<T: Real> Constraint<T> for FixedSum {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| shift_to_sum(self.sum, None, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        sum_violation(self.sum, value)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("fixed sum", self.sum, shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sum w = s"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| shift_to_sum(self.sum, Some(metric), w));
    }

    fn project_tangent(&self, _: Shape, _: &[T], direction: &mut [T]) {
        shift_to_sum(0.0, None, direction);
    }

    /// The projection is affine: that of directions, which is its own transpose.
    fn project_vjp(&self, shape: Shape, at: &[T], _: &[T], gradient: &mut [T]) {
        self.project_tangent(shape, at, gradient);
    }

    /// The projection itself, which is linear up to a constant.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Projected::smooth(*self)
    }
}

impl FixedMean {
    fn as_sum(self, n: usize) -> FixedSum {
        FixedSum { sum: self.mean * n as f64 }
    }
}

impl<T: Real> Constraint<T> for FixedMean {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.as_sum(value.len()).project(shape, value);
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        self.as_sum(value.len()).violation(shape, value) / value.len() as f64
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("fixed mean", self.mean, shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "mean w = m"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        self.as_sum(value.len()).project_in_metric(shape, metric, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.as_sum(at.len()).project_tangent(shape, at, direction);
    }

    fn project_vjp(&self, shape: Shape, at: &[T], _: &[T], gradient: &mut [T]) {
        self.project_tangent(shape, at, gradient);
    }

    /// The projection itself, which is linear up to a constant.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Projected::smooth(*self)
    }
}

fn shift_to_sum<T: Real>(sum: f64, metric: Option<&[T]>, value: &mut [T]) {
    let inverse_weights: f64 = (0..value.len()).map(|i| inverse_weight(metric, i)).sum();
    let step = (sum - value.iter().map(|w| w.f64()).sum::<f64>()) / inverse_weights;
    for (i, w) in value.iter_mut().enumerate() {
        *w = T::of(w.f64() + step * inverse_weight(metric, i));
    }
}

/// By how much the sum is missed, but for rounding.
pub(crate) fn sum_violation<T: Real>(sum: f64, value: &[T]) -> f64 {
    let (found, size) =
        value.iter().fold((0.0, sum.abs()), |(s, size), w| (s + w.f64(), size + w.f64().abs()));
    forgive((found - sum).abs(), rounding::<T>(value.len()) * size)
}

fn check(operation: &'static str, number: f64, shape: Shape) -> Result<(), ShapeError> {
    if number.is_finite() && !shape.is_empty() {
        return Ok(());
    }
    let found = format!("{number} for shape {shape}");
    Err(ShapeError::new(operation, "a finite number and at least one entry", found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_nothing_and_one_that_is_no_number_are_refused() {
        assert!(Constraint::<f32>::accepts(&FixedSum { sum: 0.0 }, [0].into()).is_err());
        let error =
            Constraint::<f32>::accepts(&FixedMean { mean: f64::NAN }, [2].into()).unwrap_err();
        let expected =
            "fixed mean: expected a finite number and at least one entry, found NaN for shape [2]";
        assert_eq!(error.to_string(), expected);
    }
}
