//! Sets that a parameter is kept in: boxes with their exact projections in [`boxes`], the grid of decimal numbers in [`rounding`],
//! Keras' rescalings of norms in [`norm`].
//!
//! The one design choice: a constraint is a value with public fields, checked once, when a parameter is declared with it.

pub mod boxes;
pub mod norm;
pub mod rounding;

pub use boxes::{Interval, NonNegative, NonPositive};
pub use norm::{MaxNorm, MinMaxNorm, UnitNorm};
pub use rounding::Rounding;

/// The maximum of two numbers, NaN if one of them is.
fn larger(worst: f64, x: f64) -> f64 {
    if x > worst || x.is_nan() { x } else { worst }
}
