//! The bits of some results, by hash, which the Python package has to give too: the same numbers
//! and hashes stand in `crates/python/tests/test_ops.py`.

use morphograd_morphology::nn::autodiff::evaluate_with_gradients;
use morphograd_morphology::nn::sets::{L1Ball, Per, Simplex};
use morphograd_morphology::nn::tensor::{Padding, Shape, ShapeError, Tensor, Window2d};
use morphograd_morphology::prelude::*;

/// Numbers between -1/2 and 1/2 from a linear congruential generator.
fn numbers(seed: u64, shape: impl Into<Shape>) -> Tensor<f32> {
    let mut state = seed;
    Tensor::from_fn(shape, |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    })
}

/// FNV-1a over the bits.
fn hashed<'a>(arrays: impl IntoIterator<Item = &'a [f32]>) -> u64 {
    arrays.into_iter().flatten().fold(0xCBF2_9CE4_8422_2325, |state, number| {
        (state ^ u64::from(number.to_bits())).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn the_bits_are_those_that_python_expects() -> Result<(), ShapeError> {
    let (x, w) = (numbers(1, [3, 13, 11, 2]), numbers(2, [3, 4, 2, 5]));
    let window = Window2d::new([3, 4]).same();
    let g = numbers(3, [3, 13, 11, 5]);
    let dilation = FilterBank2d::<MaxPlus>::new(window);
    let (y, [dx, dw]) =
        evaluate_with_gradients([x.view(), w.view()], g.data(), |graph, inputs| {
            graph.apply(dilation, inputs)
        })?;
    assert_eq!(hashed([y.data(), dx.data(), dw.data()]), 0xBC4A_08EF_89F8_949F);

    let depthwise = Tensor::from_fn([3, 4, 2], |i| w.data()[i * 5]);
    let strided = window.strides([2, 1]).padding(Padding::Valid);
    let g = numbers(4, [3, 6, 8, 2]);
    let (z, [dx, dw]) =
        evaluate_with_gradients([x.view(), depthwise.view()], g.data(), |graph, [x, w]| {
            erosion2d(graph, x, w, strided)
        })?;
    assert_eq!(hashed([z.data(), dx.data(), dw.data()]), 0x82B9_6B79_CEF5_F14B);

    let [mut simplex, mut ball] = [x.clone(), x.clone()];
    Simplex { sum: 1.0 }.project(x.shape(), simplex.data_mut());
    Per::axes([1, 2], L1Ball { radius: 3.0 }).project(x.shape(), ball.data_mut());
    assert_eq!(hashed([simplex.data(), ball.data()]), 0x1326_2E51_A34B_035F);
    Ok(())
}
