//! The operations that any computation needs, each with its derivative beneath it and a method of
//! [`Graph`](crate::Graph) beside it.
//!
//! The one design choice: operations of two tensors broadcast as NumPy does. Shapes are aligned at
//! their last axis; an axis of length 1 (or a missing one) is repeated. The gradient of a repeated
//! element is the sum over its copies, as accurate as [`sum`](morphograd_tensor::sum).

mod arithmetic;
mod axes;
mod blocks;
mod concat;
mod condition;
mod extremum;
mod matmul;
mod maximum;
mod pointwise;
mod pow;
mod reshape;
mod scale;
mod select;
mod slice;
mod softmax;
mod stack;
mod sum;
mod transpose;
mod walk;

pub use arithmetic::{Add, Div, Mul, Sub};
pub use axes::Axes;
pub use concat::Concat;
pub use condition::Where;
pub use extremum::{MaxAxes, MinAxes};
pub use matmul::MatMul;
pub use maximum::{Maximum, Minimum};
pub use pointwise::{Abs, Exp, Log, Neg, Sqrt, Square};
pub use pow::Pow;
pub use reshape::Reshape;
pub use scale::Scale;
pub use select::Select;
pub use slice::Slice;
pub use softmax::{LogSoftmax, Softmax};
pub use stack::Stack;
pub use sum::{Mean, MeanAxes, Sum, SumAxes};
pub use transpose::Transpose;
