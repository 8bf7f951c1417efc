#![doc = include_str!("../README.md")]

pub mod constraint;
pub mod initializer;
pub mod layer;
pub mod random;
pub mod regularizer;
pub mod sequential;

pub use initializer::Initializer;
pub use layer::{Build, BuildError, Builder, Layer, Regularizer, Weight};
pub use sequential::Sequential;

pub use morphograd_autodiff as autodiff;
pub use morphograd_autodiff::tensor;
