//! Boxes: bounds on every entry.
//!
//! The one design choice: entries are compared, never combined, so the projection is exact in every
//! precision and the same in every diagonal metric.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError, Tensor};

use crate::constraint::lacks_capability;
use crate::maps::{Coordinatewise, Side, Sigmoid, Softplus};
use crate::numeric::larger;

/// $w \ge 0$, by $w \leftarrow \max(w, 0)$. Convex; the projection is exact.
#[derive(Debug, Clone, Copy)]
pub struct NonNegative;

/// $w \le 0$, by $w \leftarrow \min(w, 0)$, and nothing more. Convex; the projection is exact.
#[derive(Debug, Clone, Copy)]
pub struct NonPositive;

/// $a \le w \le b$ for every element, by clipping. Convex; the projection is exact. A bound may be
/// infinite.
///
/// ```
/// use morphograd_sets::{Constraint, Interval};
/// let mut w = [-7.0f32, 0.5, 7.0];
/// Interval { min: -1.0, max: 1.0 }.project([3].into(), &mut w);
/// assert_eq!(w, [-1.0, 0.5, 1.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// The bound $a$.
    pub min: f64,
    /// The bound $b$, not below $a$.
    pub max: f64,
}

impl Interval {
    fn is_bounded(self) -> bool {
        self.min.is_finite() && self.max.is_finite()
    }

    /// The sigmoid between two bounds, softplus from one; none where there is none, or where both
    /// are the same.
    fn smooth<T: Real>(self) -> Option<Box<dyn Parametrization<T>>> {
        let Self { min, max } = self;
        match (min.is_finite(), max.is_finite()) {
            (true, true) if min < max => Some(Box::new(Sigmoid { min, max })),
            (true, false) => Some(Box::new(Softplus { bound: min, side: Side::Above })),
            (false, true) => Some(Box::new(Softplus { bound: max, side: Side::Below })),
            _ => None,
        }
    }
}

impl<T: Real> Constraint<T> for NonNegative {
    fn project(&self, _: Shape, value: &mut [T]) {
        clip(value, T::zero(), T::infinity());
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        excess_outside(value, 0.0, f64::INFINITY)
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w >= 0"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            derivative: true,
            greatest: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        remove_outward_part(at, direction, T::zero(), T::infinity());
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        clear_where_moved(at, projected, gradient);
    }

    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        lower(upper, T::zero(), T::infinity())
    }

    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Some(Box::new(Softplus { bound: 0.0, side: Side::Above }))
    }

    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        Some(count_at_bounds(value, T::zero(), T::infinity()))
    }
}

impl<T: Real> Constraint<T> for NonPositive {
    fn project(&self, _: Shape, value: &mut [T]) {
        clip(value, T::neg_infinity(), T::zero());
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        excess_outside(value, f64::NEG_INFINITY, 0.0)
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w <= 0"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            derivative: true,
            greatest: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        remove_outward_part(at, direction, T::neg_infinity(), T::zero());
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        clear_where_moved(at, projected, gradient);
    }

    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        lower(upper, T::neg_infinity(), T::zero())
    }

    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Some(Box::new(Softplus { bound: 0.0, side: Side::Below }))
    }

    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        Some(count_at_bounds(value, T::neg_infinity(), T::zero()))
    }
}

impl<T: Real> Constraint<T> for Interval {
    fn project(&self, _: Shape, value: &mut [T]) {
        clip(value, T::of(self.min), T::of(self.max));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        // The set of values of type `T`: its bounds are the bounds as `T` holds them.
        excess_outside(value, T::of(self.min).f64(), T::of(self.max).f64())
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        if self.min <= self.max {
            return Ok(());
        }
        Err(ShapeError::new(
            "interval",
            "min <= max",
            format!("min {} and max {}", self.min, self.max),
        ))
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "min <= w <= max"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: self.is_bounded(),
            derivative: true,
            greatest: true,
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        remove_outward_part(at, direction, T::of(self.min), T::of(self.max));
    }

    /// The corner that the gradient points away from.
    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        if !self.is_bounded() {
            lacks_capability(self, "linear");
        }
        for (s, g) in vertex.iter_mut().zip(gradient) {
            *s = T::of(if *g > T::zero() { self.min } else { self.max });
        }
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        clear_where_moved(at, projected, gradient);
    }

    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        lower(upper, T::of(self.min), T::of(self.max))
    }

    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        self.smooth()
    }

    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        Some(count_at_bounds(value, T::of(self.min), T::of(self.max)))
    }
}

/// $l_i \le w_i \le u_i$, with bounds of its own for each element, by clipping. Convex; the
/// projection is exact in every diagonal metric, O(n). Bounds may be infinite, so that every
/// orthant is one of these ([`orthant`](Self::orthant)), and equal, which fixes an element.
///
/// ```
/// use morphograd_sets::{Bounds, Constraint, tensor::Tensor};
/// let bounds = Bounds {
///     min: Tensor::from_vec([2], vec![0.0, -1.0])?,
///     max: Tensor::from_vec([2], vec![0.5, 1.0])?,
/// };
/// let mut w = [7.0f32, -7.0];
/// bounds.project([2].into(), &mut w);
/// assert_eq!(w, [0.5, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The lower bounds $l$, in the shape of the parameter.
    pub min: Tensor<f64>,
    /// The upper bounds $u$, in the same shape and not below.
    pub max: Tensor<f64>,
}

impl Bounds {
    /// The orthant of these signs: entries of positive sign are at least 0, of negative sign at
    /// most 0, of sign 0 free.
    #[must_use]
    pub fn orthant(signs: &Tensor<f64>) -> Self {
        let bound = |bounded: fn(f64) -> bool, infinity: f64| {
            let mut bounds = signs.clone();
            bounds
                .data_mut()
                .iter_mut()
                .for_each(|s| *s = if bounded(*s) { 0.0 } else { infinity });
            bounds
        };
        Self { min: bound(|s| s > 0.0, f64::NEG_INFINITY), max: bound(|s| s < 0.0, f64::INFINITY) }
    }

    fn is_bounded(&self) -> bool {
        self.min.data().iter().chain(self.max.data()).all(|bound| bound.is_finite())
    }

    /// Lower and upper bound of each element, as numbers of the type.
    fn as_numbers<T: Real>(&self) -> impl Iterator<Item = (T, T)> + '_ {
        self.min.data().iter().zip(self.max.data()).map(|(min, max)| (T::of(*min), T::of(*max)))
    }
}

impl<T: Real> Constraint<T> for Bounds {
    fn project(&self, _: Shape, value: &mut [T]) {
        for (w, (min, max)) in value.iter_mut().zip(self.as_numbers()) {
            clip(std::slice::from_mut(w), min, max);
        }
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        value.iter().zip(self.as_numbers::<T>()).fold(0.0, |worst, (w, (min, max))| {
            larger(worst, excess_outside(std::slice::from_ref(w), min.f64(), max.f64()))
        })
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.min.shape() != shape || self.max.shape() != shape {
            let found = format!("shapes {} and {}", self.min.shape(), self.max.shape());
            return Err(ShapeError::new("bounds", format!("bounds of shape {shape}"), found));
        }
        for (i, (min, max)) in self.as_numbers::<f64>().enumerate() {
            Constraint::<T>::accepts(&Interval { min, max }, shape).map_err(|_| {
                ShapeError::new(
                    "bounds",
                    "min <= max",
                    format!("min {min} and max {max} at position {i}"),
                )
            })?;
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "l_i <= w_i <= u_i"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: self.is_bounded(),
            derivative: true,
            greatest: true,
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        for ((w, d), (min, max)) in at.iter().zip(direction).zip(self.as_numbers()) {
            remove_outward_part(std::slice::from_ref(w), std::slice::from_mut(d), min, max);
        }
    }

    /// The corner that the gradient points away from.
    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        if !self.is_bounded() {
            lacks_capability(self, "linear");
        }
        for ((s, g), (min, max)) in vertex.iter_mut().zip(gradient).zip(self.as_numbers()) {
            *s = if *g > T::zero() { min } else { max };
        }
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        clear_where_moved(at, projected, gradient);
        for (g, (min, max)) in gradient.iter_mut().zip(self.as_numbers::<T>()) {
            if min == max {
                *g = T::zero();
            }
        }
    }

    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        let mut entries = upper.iter_mut().zip(self.as_numbers());
        entries.all(|(w, (min, max))| lower(std::slice::from_mut(w), min, max))
    }

    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        let bounds = self.as_numbers::<f64>().map(|(min, max)| [min, max]).collect();
        Some(Box::new(Coordinatewise { bounds }))
    }

    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        Some(
            value
                .iter()
                .zip(self.as_numbers())
                .filter(|(w, (min, max))| **w <= *min || **w >= *max)
                .count(),
        )
    }
}

/// Comparisons, not `max` and `min`: those would turn a NaN into a bound and hide it.
fn clip<T: Real>(value: &mut [T], min: T, max: T) {
    for w in value {
        let lower = if *w < min { min } else { *w };
        *w = if lower > max { max } else { lower };
    }
}

/// Lowers what is above the upper bound, and says whether nothing was below the lower one.
fn lower<T: Real>(upper: &mut [T], min: T, max: T) -> bool {
    for w in &mut *upper {
        *w = if *w > max { max } else { *w };
    }
    upper.iter().all(|w| *w >= min)
}

/// Numbers that are looked at together: inside, as after a projection, they cost two comparisons
/// each, on vectors.
const CHUNK: usize = 64;

/// How far the number farthest outside is from the bounds, which are numbers of type `T`.
fn excess_outside<T: Real>(value: &[T], min: f64, max: f64) -> f64 {
    let (low, high) = (T::of(min), T::of(max));
    value.chunks(CHUNK).fold(0.0, |worst, chunk| {
        // NaN is not inside.
        if chunk.iter().fold(true, |inside, w| inside & (*w >= low) & (*w <= high)) {
            return worst;
        }
        chunk.iter().fold(worst, |worst, w| {
            let w = w.f64();
            // Only what is outside is subtracted: an infinite bound minus itself would be NaN.
            let missed = if w < min {
                min - w
            } else if w > max {
                w - max
            } else if w.is_nan() {
                w
            } else {
                0.0
            };
            larger(worst, missed)
        })
    })
}

/// The tangent cone of a box: directions that do not lead out at a bound.
fn remove_outward_part<T: Real>(at: &[T], direction: &mut [T], min: T, max: T) {
    for (d, w) in direction.iter_mut().zip(at) {
        if (*w <= min && *d < T::zero()) || (*w >= max && *d > T::zero()) {
            *d = T::zero();
        }
    }
}

/// The derivative of clipping: what was moved has none. A NaN was not moved, though it differs from
/// itself.
pub(crate) fn clear_where_moved<T: Real>(at: &[T], projected: &[T], gradient: &mut [T]) {
    for ((g, w), p) in gradient.iter_mut().zip(at).zip(projected) {
        if w != p && !w.is_nan() {
            *g = T::zero();
        }
    }
}

/// How many entries lie at a bound.
fn count_at_bounds<T: Real>(value: &[T], min: T, max: T) -> usize {
    value.iter().filter(|w| **w <= min || **w >= max).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_testkit::{Golden, assert_close};

    #[test]
    fn boxes_agree_with_the_reference() {
        let golden = Golden::read("constraints");
        let w = golden.tensor::<f32>("w");
        let all: [(&str, &dyn Constraint<f32>); 5] = [
            ("non_neg", &NonNegative),
            ("lattice", &Interval { min: -1.0, max: 1.0 }),
            ("zero_to_one", &Interval { min: 0.0, max: 1.0 }),
            ("as_run_non_positive", &Interval { min: -1.0, max: 1.0 }),
            ("non_positive", &Interval { min: -1.0, max: 0.0 }),
        ];
        for (name, constraint) in all {
            let mut value = w.clone();
            constraint.project(w.shape(), value.data_mut());
            assert_close(name, value.data(), golden.tensor::<f32>(name).data(), 1e-5);
            assert_eq!(constraint.violation(w.shape(), value.data()), 0.0, "{name}");
            assert!(constraint.violation(w.shape(), w.data()) > 0.5, "{name}");
        }
    }

    #[test]
    fn nan_and_infinity_are_never_taken_for_feasible_by_mistake() {
        let all: [&dyn Constraint<f64>; 3] =
            [&NonNegative, &NonPositive, &Interval { min: f64::NEG_INFINITY, max: f64::INFINITY }];
        for constraint in all {
            let mut value = [f64::NAN, 0.0];
            constraint.project([2].into(), &mut value);
            assert!(value[0].is_nan(), "{constraint:?} hides NaN");
            assert!(constraint.violation([2].into(), &value).is_nan());
        }
        assert_eq!(Constraint::<f64>::violation(&NonNegative, [1].into(), &[f64::INFINITY]), 0.0);
        assert_eq!(
            Constraint::<f64>::violation(&NonPositive, [1].into(), &[f64::INFINITY]),
            f64::INFINITY
        );
    }

    #[test]
    fn an_empty_interval_is_refused() {
        for (min, max) in [(1.0, 0.0), (f64::NAN, 0.0), (0.0, f64::NAN)] {
            assert!(Constraint::<f32>::accepts(&Interval { min, max }, [2].into()).is_err());
        }
        let error =
            Constraint::<f32>::accepts(&Interval { min: 1.0, max: 0.5 }, [2].into()).unwrap_err();
        assert_eq!(error.to_string(), "interval: expected min <= max, found min 1 and max 0.5");
    }
}
