//! Global pooling: each channel of an image, reduced to one number.
//!
//! The one design choice: it is pooling by one window that covers the image. Every axis between
//! batch and channels is laid in a row, and [`MaxPool2d`] and [`AvgPool2d`] do the rest, ties and
//! NaN included.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, TensorRef, Window2d, sums};
use morphograd_autodiff::{Backward, Forward, Graph, Op, Params, Ties, Var};

use crate::layers::pooling::{AvgPool2d, MaxPool2d};
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// $y_c = \max_i x_{ic}$ over all positions $i$: `[batch, .., channels]` with one axis or more
/// between → `[batch, channels]`.
///
/// The gradient goes to the **first** maximum in raster order, unless another rule is chosen;
/// Keras' layer shares it in equal parts ([`Ties::Split`]). NaN counts as larger than every number,
/// as in [`MaxPool2d`]. Cost: one comparison an element.
///
/// ```
/// use morphograd_nn::{GlobalMaxPool, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("pool", GlobalMaxPool::default())
///     .build_model(&mut params, 42, [4, 28, 28, 32])?;
/// assert_eq!(model.output().dims(), [32]);
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GlobalMaxPool {
    /// Who gets the gradient where the maximum is reached more than once.
    pub ties: Ties,
}

/// The mean instead of the maximum of [`GlobalMaxPool`]; the gradient is shared equally. Cost: one
/// addition an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GlobalAveragePool;

/// The layer and the op, given the pooling by a window of the given size.
macro_rules! global {
    ($pool:ident, $name:literal, |$self:ident, $size:ident| $window:expr, $forward:expr) => {
        impl<T: Real> Build<T> for $pool {
            fn build(
                self,
                _: &mut Builder<'_, T>,
                _: Shape,
            ) -> Result<Box<dyn Layer<T>>, BuildError> {
                Ok(Box::new(self))
            }
        }

        impl<T: Real> Layer<T> for $pool {
            fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
                graph.apply(*self, [x])
            }

            fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
                Some(1.0)
            }
        }

        impl<T: Real> Op<T> for $pool {
            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&$self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                let (row, $size) = row($name, inputs[0])?;
                let output = Op::<T>::infer(&$window, &[row]);
                output.map_err(|error| ShapeError { operation: $name, ..error })?;
                Ok([row.dims()[0], row.dims()[3]].into())
            }

            fn forward(&$self, pass: Forward<'_, T>) {
                let (row, $size) = row($name, pass.inputs[0].shape).expect("checked by infer");
                let inputs = &[TensorRef { shape: row, ..pass.inputs[0] }];
                $forward(&$window, Forward { inputs, ..pass });
            }

            fn backward(&$self, pass: Backward<'_, T>) {
                let (row, $size) = row($name, pass.inputs[0].shape).expect("checked by infer");
                let inputs = &[TensorRef { shape: row, ..pass.inputs[0] }];
                Op::backward(&$window, Backward { inputs, ..pass });
            }

            fn overwrites(&$self) -> bool {
                let $size = [1, 1];
                Op::<T>::overwrites(&$window)
            }
        }
    };
}

global!(
    GlobalMaxPool,
    "global_max_pool",
    |self, size| MaxPool2d { window: Window2d::tiles(size), ties: self.ties },
    Op::forward
);
global!(
    GlobalAveragePool,
    "global_average_pool",
    |self, size| AvgPool2d { window: Window2d::tiles(size) },
    |_: &AvgPool2d, pass| mean(pass)
);

/// The mean of the row of each image, by sums that stay accurate however long it is.
fn mean<T: Real>(pass: Forward<'_, T>) {
    let [_, _, length, channels] = *pass.inputs[0].shape.dims() else { return };
    let n = T::of(length as f64);
    sums(pass.inputs[0].data, [length, channels], |i, sum| pass.output[i] = sum / n);
}

/// `[batch, .., channels]` as images of one row, with the size of that row.
fn row(operation: &'static str, input: Shape) -> Result<(Shape, [usize; 2]), ShapeError> {
    match input.dims() {
        [batch, between @ .., channels] if !between.is_empty() => {
            let length = between.iter().product();
            Ok(([*batch, 1, length, *channels].into(), [1, length]))
        }
        _ => Err(ShapeError::new(
            operation,
            "an input of shape [batch, .., channels] with an axis between",
            format!("shape {input}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::Params;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    /// Up to three axes between batch and channels.
    fn shape() -> impl Strategy<Value = Shape> {
        let channels = prop_oneof![Just(1usize), Just(3), Just(8), Just(9)];
        (1..3usize, proptest::collection::vec(1..4usize, 1..4), channels).prop_map(
            |(batch, between, channels)| {
                Shape::new(&[&[batch], &between[..], &[channels]].concat())
            },
        )
    }

    const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(x in shape().prop_flat_map(strategy::tensor)) {
            for ties in RULES {
                check_op(GlobalMaxPool { ties }, std::slice::from_ref(&x));
            }
            check_op(GlobalAveragePool, std::slice::from_ref(&x));
        }

        #[test]
        fn values_and_gradients_agree_with_the_definition_with_and_without_ties(
            x in shape().prop_flat_map(|shape| {
                prop_oneof![strategy::tensor(shape), strategy::tied_tensor(shape)]
            }),
        ) {
            let (batch, channels) = (x.shape().dims()[0], *x.shape().dims().last().unwrap());
            let n = x.data().len() / batch / channels;
            let g: Vec<f64> = (0..batch * channels).map(|i| (i as f64).sin()).collect();
            let (mut y, mut mean) = (Vec::new(), Vec::new());
            let mut dx = RULES.map(|_| vec![0.0; x.data().len()]);
            let mut d_mean = dx[0].clone();
            for (out, g) in g.iter().enumerate() {
                let taps: Vec<usize> =
                    (0..n).map(|i| (out / channels * n + i) * channels + out % channels).collect();
                let top = taps.iter().map(|t| x.data()[*t]).fold(f64::NEG_INFINITY, f64::max);
                let tied: Vec<usize> =
                    taps.iter().copied().filter(|t| x.data()[*t] == top).collect();
                dx[0][tied[0]] += g;
                dx[1][tied[tied.len() - 1]] += g;
                tied.iter().for_each(|t| dx[2][*t] += g / tied.len() as f64);
                y.push(top);
                mean.push(taps.iter().map(|t| x.data()[*t]).sum::<f64>() / n as f64);
                taps.iter().for_each(|t| d_mean[*t] += g / n as f64);
            }
            for (ties, dx) in RULES.into_iter().zip(&dx) {
                let found = vjp(GlobalMaxPool { ties }, std::slice::from_ref(&x), &g);
                prop_assert_eq!((&found.0, &found.1[0]), (&y, dx));
            }
            let found = vjp(GlobalAveragePool, std::slice::from_ref(&x), &g);
            assert_close("mean", &found.0, &mean, 1e-12);
            assert_close("gradient of the mean", &found.1[0], &d_mean, 1e-12);
        }
    }

    #[test]
    fn the_mean_of_a_million_numbers_is_accurate() {
        let x = Tensor::filled([1, 1000, 1000, 1], 0.1f32);
        let (y, _) = vjp(GlobalAveragePool, &[x], &[1.0]);
        assert!((y[0] - 0.1).abs() < 1e-8, "{}", y[0]);
    }

    #[test]
    fn nan_is_the_maximum() {
        let x = Tensor::from_vec([1, 3, 1], vec![1.0, f64::NAN, f64::INFINITY]).unwrap();
        let (y, dx) = vjp(GlobalMaxPool::default(), &[x], &[2.0]);
        assert!(y[0].is_nan());
        assert_eq!(dx[0], [0.0, 2.0, 0.0]);
    }

    #[test]
    fn without_an_axis_between_or_anything_on_it_there_is_nothing_to_pool() {
        let error = |input: &[usize]| {
            let mut params = Params::<f32>::new();
            let model = Sequential::new();
            model
                .add("pool", GlobalMaxPool::default())
                .build_model(&mut params, 0, Shape::new(input))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&[30]),
            "pool: global_max_pool: expected an input of shape [batch, .., channels] with an axis \
             between, found shape [1, 30]"
        );
        let nothing = error(&[0, 4, 2]);
        assert!(nothing.starts_with("pool: global_max_pool: expected"), "{nothing}");
        let error = Op::<f32>::infer(&GlobalAveragePool, &[[3, 2].into()]).unwrap_err();
        assert_eq!(error.operation, "global_average_pool");
    }
}
