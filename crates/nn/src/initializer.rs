//! How parameters start.

use std::fmt::Debug;

use morphograd_autodiff::tensor::{Real, Shape};

use crate::random::Stream;

/// A rule for the first value of a parameter. The result depends on the shape and the stream only.
pub trait Initializer<T>: Debug + Send + Sync {
    /// Writes every element of `value`.
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]);
}

/// All elements equal.
#[derive(Debug, Clone, Copy)]
pub struct Constant(
    /// The value.
    pub f64,
);

impl<T: Real> Initializer<T> for Constant {
    fn fill(&self, _: Shape, _: &mut Stream, value: &mut [T]) {
        value.fill(T::of(self.0));
    }
}
