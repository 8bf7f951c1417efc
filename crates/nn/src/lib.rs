#![doc = include_str!("../README.md")]

mod adagrad;
mod adam;
pub mod checkpoint;
pub mod constraint;
pub mod initializer;
pub mod layer;
pub mod optimizer;
pub mod random;
pub mod regularizer;
mod rmsprop;
pub mod schedule;
pub mod sequential;
mod sgd;
pub mod summary;

pub use initializer::Initializer;
pub use layer::{Build, BuildError, Builder, Layer, Regularizer, Weight};
pub use optimizer::Optimizer;
pub use sequential::Sequential;
pub use summary::summary;

pub use morphograd_autodiff as autodiff;
pub use morphograd_autodiff::tensor;
