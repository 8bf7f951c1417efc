//! stub
use crate::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::Constraint;
/// stub
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// s
    pub min: f64,
    /// s
    pub max: f64,
}
impl<T: Real> Constraint<T> for Interval {
    fn project(&self, _: Shape, value: &mut [T]) {
        value.iter_mut().for_each(|v| *v = v.max(T::of(self.min)).min(T::of(self.max)))
    }
    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        value.iter().fold(0.0, |w, v| w.max(self.min - v.f64()).max(v.f64() - self.max))
    }
    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }
}
