//! Dilation and erosion against TensorFlow: values and gradients, strides, rates, borders,
//! channels, and the choice at ties.

use morphograd_morphology::nn::autodiff::{Op, sets::Constraint};
use morphograd_morphology::nn::tensor::{Padding, Window2d};
use morphograd_morphology::{Depthwise2d, FilterBank2d, MaxPlus, MinMinus, ZeroCentre};
use morphograd_testkit::{Golden, assert_close, vjp};

/// Within 1e-5 of the tensor's largest magnitude.
const TOLERANCE: f64 = 1e-5;

/// Strides and rates of the depthwise cases, by number.
const CASES: [([usize; 2], [usize; 2]); 5] =
    [([1, 1], [1, 1]), ([2, 2], [1, 1]), ([1, 2], [2, 2]), ([3, 1], [1, 2]), ([1, 1], [1, 1])];

fn check<O: Op<f32> + Clone>(case: &str, op: impl Fn([usize; 2]) -> O) {
    let golden = Golden::read(case);
    let (x, kernel) = (golden.tensor::<f32>("x"), golden.tensor::<f32>("kernel"));
    let size = [kernel.shape().dims()[0], kernel.shape().dims()[1]];
    let (y, grads) = vjp(op(size), &[x, kernel], golden.tensor("dy").data());
    assert_close(&format!("{case} y"), &y, golden.tensor("y").data(), TOLERANCE);
    assert_close(&format!("{case} dx"), &grads[0], golden.tensor("dx").data(), TOLERANCE);
    assert_close(&format!("{case} dkernel"), &grads[1], golden.tensor("dkernel").data(), TOLERANCE);
}

#[test]
fn depthwise_dilation_and_erosion() {
    for (number, (strides, rates)) in CASES.into_iter().enumerate() {
        for (padding, word) in [(Padding::Valid, "valid"), (Padding::Same, "same")] {
            for ties in ["", "_ties"] {
                let window =
                    |size| Window2d::new(size).strides(strides).rates(rates).padding(padding);
                check(&format!("dilation2d_{number}_{word}{ties}"), |size| {
                    Depthwise2d::<MaxPlus>::new(window(size))
                });
                check(&format!("erosion2d_{number}_{word}{ties}"), |size| {
                    Depthwise2d::<MinMinus>::new(window(size))
                });
            }
        }
    }
}

#[test]
fn layers_that_sum_their_channels() {
    for (number, padding) in [(0, Padding::Valid), (1, Padding::Same)] {
        let window = |size| Window2d::new(size).padding(padding);
        check(&format!("layer_dilation2d_{number}"), |size| {
            FilterBank2d::<MaxPlus>::new(window(size))
        });
        check(&format!("layer_erosion2d_{number}"), |size| {
            FilterBank2d::<MinMinus>::new(window(size))
        });
    }
}

#[test]
fn the_box_with_a_zero_centre() {
    let golden = Golden::read("constraints");
    for (name, min, max) in
        [("non_positive_extensive", -1.0, 0.0), ("as_run_non_positive_increasing", -1.0, 1.0)]
    {
        let mut w = golden.tensor::<f32>("w");
        let shape = w.shape();
        ZeroCentre { min, max }.project(shape, w.data_mut());
        assert_close(name, w.data(), golden.tensor(name).data(), TOLERANCE);
    }
}
