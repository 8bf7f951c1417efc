//! The operations that any computation needs, each with its derivative beneath it and a method of
//! [`Graph`](crate::Graph) beside it.
//!
//! The one design choice: operations of two tensors broadcast as NumPy does. Shapes are aligned at
//! their last axis; an axis of length 1 (or a missing one) is repeated. The gradient of a repeated
//! element is the sum over its copies, as accurate as [`sum`](morphograd_tensor::sum).

mod arithmetic;
mod axes;
mod extremum;
mod maximum;
mod scale;
mod sum;
mod walk;

pub use arithmetic::{Add, Div, Mul, Sub};
pub use axes::Axes;
pub use extremum::{MaxAxes, MinAxes};
pub use maximum::{Maximum, Minimum};
pub use scale::Scale;
pub use sum::{Mean, MeanAxes, Sum, SumAxes};
