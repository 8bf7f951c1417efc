//! Random tensors and windows for property tests.

use morphograd_autodiff::tensor::{Padding, Shape, Tensor, Window2d};
use proptest::collection::vec;
use proptest::prelude::*;

/// A tensor of the given shape with elements uniform in [-1, 1): no two candidates of a maximum are
/// tied, but with probability zero.
pub fn tensor(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor<f64>> {
    let shape = shape.into();
    vec(-1.0..1.0f64, shape.len())
        .prop_map(move |data| Tensor::from_vec(shape, data).expect("elements"))
}

/// A tensor of the given shape with elements from {-1, -0.5, 0, 0.5, 1}: full of ties.
pub fn tied_tensor(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor<f64>> {
    let shape = shape.into();
    vec((-2i8..=2).prop_map(|i| f64::from(i) / 2.0), shape.len())
        .prop_map(move |data| Tensor::from_vec(shape, data).expect("elements"))
}

/// A window of up to 3 taps, strides up to 3 and rates up to 2 in each direction, valid or same,
/// that fits an image of 7 x 7 pixels.
pub fn window() -> impl Strategy<Value = Window2d> {
    let axis = || (1..=3usize, 1..=3usize, 1..=2usize);
    (axis(), axis(), prop_oneof![Just(Padding::Valid), Just(Padding::Same)]).prop_map(
        |((k0, s0, r0), (k1, s1, r1), padding)| {
            Window2d::new([k0, k1]).strides([s0, s1]).rates([r0, r1]).padding(padding)
        },
    )
}
