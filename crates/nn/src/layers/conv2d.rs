//! Convolution over images, as networks understand it: a correlation, channels last.
//!
//! The one design choice: windows are multiplied where they lie in the image, without a matrix of
//! their copies, so memory does not grow with the batch. The computation is in `conv2d/passes.rs`;
//! `conv2d/geometry.rs` says where windows lie, `conv2d/tile.rs` what is held in registers.

mod geometry;
mod passes;
mod sparse;
mod tile;

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::simd::Level;
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Taps2d, TensorRef, Window2d};
use morphograd_autodiff::{Backward, Forward, Graph, Op, ParamId, Params, Var};

use crate::initializer::GlorotUniform;
use crate::layers::activation::Activation;
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::{Layer, largest_sum};
use crate::model::weight::Weight;

use geometry::Geometry;
use passes::{Gradients, Operands};

/// $y_{ijf} = a\bigl(b_f + \sum_{d, c} x_{s i + r d_0,\, s j + r d_1,\, c} W_{d_0 d_1 c f}\bigr)$:
/// `[batch, height, width, channels]` → `[batch, height', width', filters]`. Parameters: `kernel`
/// of shape `[kh, kw, channels, filters]` and, unless `bias` is `None`, `bias` of shape
/// `[filters]`.
///
/// Outside the image (same padding) $x$ is 0. The default has 1 filter of 3 x 3 taps, strides and
/// rates 1, valid padding, no activation, a Glorot uniform kernel and a bias that starts at 0.
/// Cost: `taps · channels · filters` products an output pixel; backward twice as many.
///
/// ```
/// use morphograd_autodiff::Params;
/// use morphograd_nn::{Activation, Conv2d, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("conv", Conv2d { filters: 32, activation: Activation::Relu, ..Conv2d::default() })
///     .build_model(&mut params, 42, [12, 12, 8])?;
/// assert_eq!((model.output().dims(), params.count()), (&[10, 10, 32][..], 3 * 3 * 8 * 32 + 32));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Conv2d<T> {
    /// Number of channels of the output.
    pub filters: usize,
    /// The sliding window; its size is the kernel's.
    pub window: Window2d,
    /// The function $a$.
    pub activation: Activation,
    /// The kernel $W$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
}

/// The op of [`Conv2d`]. Inputs: x `[batch, height, width, channels]`, W
/// `[kh, kw, channels, filters]` and, optionally, b `[filters]`.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// The sliding window; its size is the kernel's.
    pub window: Window2d,
    /// Whether the output is $\max(y, 0)$, with derivative 0 at 0, instead of $y$.
    pub rectified: bool,
}

impl<T: Real> Default for Conv2d<T> {
    fn default() -> Self {
        Self {
            filters: 1,
            window: Window2d::new([3, 3]),
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: Some(Weight::zeros()),
        }
    }
}

impl<T: Real> Build<T> for Conv2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { window, .. } = self;
        let op = Convolution { window, rectified: self.activation == Activation::Relu };
        let channels = input.dims().last().copied().unwrap_or(0);
        let kernel = Shape::from([window.size[0], window.size[1], channels, self.filters]);
        // Refused before the kernel is allocated: a mistyped size can be huge.
        Op::<T>::infer(&op, &[input.batched(1), kernel])?;
        let kernel = builder.param("kernel", kernel, self.kernel)?;
        let bias =
            self.bias.map(|bias| builder.param("bias", [self.filters].into(), bias)).transpose()?;
        let activation = if op.rectified { Activation::Linear } else { self.activation };
        Ok(Box::new(Built { op, kernel, bias, activation }))
    }
}

#[derive(Debug)]
struct Built {
    op: Convolution,
    kernel: ParamId,
    bias: Option<ParamId>,
    /// What the op does not do itself.
    activation: Activation,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = match self.bias {
            Some(bias) => {
                let bias = graph.param(bias);
                graph.apply(self.op, [x, kernel, bias])?
            }
            None => graph.apply(self.op, [x, kernel])?,
        };
        self.activation.apply(graph, y)
    }

    /// The largest sum of magnitudes of a filter, kept at $r$ by
    /// `Per::filter(L1Ball { radius: r })`.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        Some(largest_sum(params.value(self.kernel)) * self.activation.slope())
    }
}

impl Convolution {
    fn geometry(&self, shapes: [Shape; 2]) -> Geometry {
        Geometry::new(self.window, self.rectified, shapes)
    }
}

impl<T: Real> Op<T> for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let refuse =
            |expected: String, found: String| Err(ShapeError::new("conv2d", expected, found));
        let taps = Taps2d::with_channels("conv2d", self.window, inputs[0])?;
        let (channels, kernel) = (taps.channels, inputs[1]);
        let [rows, columns] = self.window.size;
        let filters = match *kernel.dims() {
            [kh, kw, c, filters @ (1..)] if [kh, kw, c] == [rows, columns, channels] => filters,
            _ => {
                return refuse(
                    format!(
                        "a kernel of shape [{rows}, {columns}, {channels}, filters], at least 1 \
                         filter"
                    ),
                    format!("shape {kernel}"),
                );
            }
        };
        if let Some(bias) = inputs.get(2).filter(|bias| bias.dims() != [filters]) {
            return refuse(format!("a bias of shape [{filters}]"), format!("shape {bias}"));
        }
        Ok(taps.output(filters))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let geometry = self.geometry([pass.inputs[0].shape, pass.inputs[1].shape]);
        let bias = pass.inputs.get(2).map(|bias| bias.data);
        let (x, kernel) = (pass.inputs[0].data, pass.inputs[1].data);
        passes::forward(Level::best(), &geometry, x, kernel, bias, pass.scratch, pass.output);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let geometry = self.geometry([pass.inputs[0].shape, pass.inputs[1].shape]);
        let operands = Operands {
            x: pass.inputs[0].data,
            kernel: pass.inputs[1].data,
            y: pass.output.data,
            dy: pass.grad_output,
        };
        let [x, kernel, bias, ..] = pass.grad_inputs;
        let gradients = Gradients { x, kernel, bias };
        passes::backward(Level::best(), &geometry, operands, gradients, pass.scratch);
    }

    fn overwrites(&self) -> bool {
        true
    }
}

/// $y_{if} = b_f + \sum_k x_{ik} W_{kf}$ for a matrix `x` with columns, by the tiles of the
/// convolution: every row is an image of one pixel.
pub(crate) fn product<T: Real>(
    x: TensorRef<'_, T>,
    kernel: &[T],
    bias: Option<&[T]>,
    scratch: &mut Vec<T>,
    y: &mut [T],
) {
    let &[rows, length] = x.shape.dims() else { unreachable!("a matrix") };
    let filters = kernel.len() / length;
    let shapes = [[rows, 1, 1, length].into(), [1, 1, length, filters].into()];
    let g = Geometry::new(Window2d::default(), false, shapes);
    passes::forward(Level::best(), &g, x.data, kernel, bias, scratch, y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::Params;
    use morphograd_autodiff::tensor::{Padding, Tensor};
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    fn case() -> impl Strategy<Value = (Convolution, [Tensor<f64>; 3])> {
        (strategy::window(), any::<bool>(), 1..3usize, 1..4usize, 1..4usize).prop_flat_map(
            |(window, rectified, batch, channels, filters)| {
                let inputs = [
                    strategy::tensor([batch, 6, 5, channels]).boxed(),
                    strategy::tensor([window.size[0], window.size[1], channels, filters]).boxed(),
                    strategy::tensor([filters]).boxed(),
                ];
                (Just(Convolution { window, rectified }), inputs)
            },
        )
    }

    /// The definition, and its derivative, one product at a time.
    fn reference(op: Convolution, inputs: &[Tensor<f64>; 3], dy: &[f64]) -> [Vec<f64>; 4] {
        let [x, kernel, bias] = inputs;
        let &[batch, height, width, channels] = x.shape().dims() else { unreachable!() };
        let filters = bias.data().len();
        let Window2d { size, strides, rates, .. } = op.window;
        let extent = op.window.extent([height, width]).unwrap();
        let mut y = Vec::new();
        let mut grads = inputs.clone().map(|t| vec![0.0; t.data().len()]);
        for output in 0..batch * extent.output[0] * extent.output[1] * filters {
            let (pixel, f) = (output / filters, output % filters);
            let (j, i) = (pixel % extent.output[1], pixel / extent.output[1] % extent.output[0]);
            let n = pixel / (extent.output[0] * extent.output[1]);
            let mut products = Vec::new();
            for (d, e, c) in (0..size[0])
                .flat_map(|d| (0..size[1]).flat_map(move |e| (0..channels).map(move |c| (d, e, c))))
            {
                let row = (i * strides[0] + d * rates[0]).wrapping_sub(extent.before[0]);
                let column = (j * strides[1] + e * rates[1]).wrapping_sub(extent.before[1]);
                if row < height && column < width {
                    let at = ((n * height + row) * width + column) * channels + c;
                    products.push((at, ((d * size[1] + e) * channels + c) * filters + f));
                }
            }
            let sum = bias.data()[f]
                + products.iter().map(|(a, k)| x.data()[*a] * kernel.data()[*k]).sum::<f64>();
            let passes = !op.rectified || sum > 0.0;
            y.push(if passes { sum } else { 0.0 });
            let dy = if passes { dy[output] } else { 0.0 };
            for (a, k) in products {
                grads[0][a] += dy * kernel.data()[k];
                grads[1][k] += dy * x.data()[a];
            }
            grads[2][f] += dy;
        }
        let [dx, d_kernel, d_bias] = grads;
        [y, dx, d_kernel, d_bias]
    }

    fn output_len(op: Convolution, inputs: &[Tensor<f64>; 3]) -> usize {
        Op::<f64>::infer(&op, &[inputs[0].shape(), inputs[1].shape()]).unwrap().len()
    }

    /// With the gradient of every output, and with that of every seventh, as behind a pooling.
    #[track_caller]
    fn agrees(op: Convolution, inputs: &[Tensor<f64>; 3]) {
        let dense: Vec<f64> = (0..output_len(op, inputs)).map(|i| (i as f64 * 0.7).sin()).collect();
        let sparse =
            dense.iter().enumerate().map(|(i, dy)| if i % 7 == 3 { *dy } else { 0.0 }).collect();
        agrees_with(op, inputs, dense);
        agrees_with(op, inputs, sparse);
    }

    #[track_caller]
    fn agrees_with(op: Convolution, inputs: &[Tensor<f64>; 3], dy: Vec<f64>) {
        let [y, dx, d_kernel, d_bias] = reference(op, inputs, &dy);
        let (found, grads) = vjp(op, inputs, &dy);
        for (what, found, expected) in [
            ("y", &found, &y),
            ("dx", &grads[0], &dx),
            ("d_kernel", &grads[1], &d_kernel),
            ("d_bias", &grads[2], &d_bias),
        ] {
            // A little absolute tolerance: a sum of many terms can cancel to almost 0.
            let shift = |x: &[f64]| x.iter().map(|x| x + 1.0).collect::<Vec<_>>();
            assert_close(what, &shift(found), &shift(expected), 1e-11);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gradients_agree_with_differences((op, inputs) in case()) {
            check_op(op, &inputs);
            check_op(op, &inputs[..2]);
        }

        #[test]
        fn values_and_gradients_agree_with_the_definition((op, inputs) in case()) {
            agrees(op, &inputs);
        }
    }

    #[test]
    fn several_blocks_and_tasks_agree_with_the_definition() {
        // 35 images of 99 or 63 output pixels: several images a task, the last task smaller, chunks
        // and tiles that cross images; numbers of filters below, at and above those of one vector
        // and of two.
        for (channels, filters) in [(2, 3), (5, 8), (4, 17), (1, 33)] {
            let wave = |shape: [usize; 4], f: f64| Tensor::from_fn(shape, |i| (i as f64 * f).sin());
            let bias = Tensor::from_fn([filters], |i| i as f64 * 0.1);
            let inputs =
                [wave([35, 11, 9, channels], 0.37), wave([3, 3, channels, filters], 1.3), bias];
            for (padding, rectified) in
                [(Padding::Same, true), (Padding::Same, false), (Padding::Valid, true)]
            {
                let window = Window2d::new([3, 3]).padding(padding);
                agrees(Convolution { window, rectified }, &inputs);
            }
        }
    }

    #[test]
    fn an_empty_batch_has_an_empty_output_and_no_gradient() {
        let inputs = [
            Tensor::<f64>::zeros([0, 4, 4, 1]),
            Tensor::filled([1, 1, 1, 2], 1.0),
            Tensor::zeros([2]),
        ];
        let (y, grads) =
            vjp(Convolution { window: Window2d::default(), rectified: false }, &inputs, &[]);
        assert!(y.is_empty() && grads[1] == [0.0; 2] && grads[2] == [0.0; 2]);
    }

    #[test]
    fn the_derivative_of_a_rectified_zero_is_zero() {
        let one = |x: f64| Tensor::filled([1, 1, 1, 1], x);
        let op = Convolution { window: Window2d::default(), rectified: true };
        let (y, grads) = vjp(op, &[one(0.0), one(1.0)], &[1.0]);
        assert_eq!((y, grads), (vec![0.0], vec![vec![0.0], vec![0.0]]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_layer_and_reason() {
        let build = |input: &[usize], conv: Conv2d<f32>| {
            let mut params = Params::new();
            let model = Sequential::new().add("stem", conv);
            model.build_model(&mut params, 0, Shape::new(input)).unwrap_err().to_string()
        };
        assert_eq!(
            build(&[5, 7, 1], Conv2d { window: Window2d::new([6, 6]), ..Conv2d::default() }),
            "stem: conv2d: expected a window no larger than the image [5, 7], or same padding, \
             found size [6, 6] at rates [1, 1]"
        );
        assert_eq!(
            build(&[28, 28], Conv2d::default()),
            "stem: conv2d: expected an input of shape [batch, height, width, channels], at least \
             1 channel, found shape [1, 28, 28]"
        );
        assert_eq!(
            build(&[8, 8, 3], Conv2d { filters: 0, ..Conv2d::default() }),
            "stem: conv2d: expected a kernel of shape [3, 3, 3, filters], at least 1 filter, \
             found shape [3, 3, 3, 0]"
        );
        assert!(
            build(
                &[8, 8, 3],
                Conv2d { window: Window2d::new([3, 3]).strides([1, 0]), ..Conv2d::default() }
            )
            .contains("strides [1, 0]")
        );
        assert!(
            build(
                &[8, 8, 3],
                Conv2d { window: Window2d::new([usize::MAX; 2]).same(), ..Conv2d::default() }
            )
            .contains("fits in memory")
        );
        let op = Convolution { window: Window2d::default(), rectified: false };
        let error = Op::<f32>::infer(&op, &[[1, 4, 4, 2].into(), [1, 1, 2, 3].into(), [4].into()])
            .unwrap_err();
        assert_eq!(error.to_string(), "conv2d: expected a bias of shape [3], found shape [4]");
    }
}
