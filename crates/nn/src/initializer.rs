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

/// Uniform in $\pm\sqrt{6 / (n_\text{in} + n_\text{out})}$, where the last two axes are input and output channels and the axes before
/// them multiply both (Glorot and Bengio, 2010); Keras' default for kernels.
#[derive(Debug, Clone, Copy)]
pub struct GlorotUniform;

impl<T: Real> Initializer<T> for GlorotUniform {
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
        let (fan_in, fan_out) = match shape.dims() {
            [] => (1, 1),
            [n] => (*n, *n),
            [receptive @ .., n_in, n_out] => {
                let taps: usize = receptive.iter().product();
                (taps * n_in, taps * n_out)
            }
        };
        let limit = (6.0 / (fan_in + fan_out).max(1) as f64).sqrt();
        value.iter_mut().for_each(|x| *x = T::of(limit * (2.0 * stream.uniform() - 1.0)));
    }
}
