//! Convolution of every channel by kernels of its own: nothing is summed over the channels.
//!
//! The one design choice: an output pixel lies in memory as a tap of the kernel does, channel by
//! channel, so that the inner loop reads both in order. Too little is computed for each number read
//! for a matrix product to help.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Taps2d, TensorRef, Window2d, parallel};
use morphograd_autodiff::{Add, Backward, Forward, Graph, Op, ParamId, Params, Var};

use crate::initializer::GlorotUniform;
use crate::layers::activation::Activation;
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::{Layer, largest_sum};
use crate::model::weight::Weight;

/// $y_{i,j,\,c M + m} = a\bigl(b_{c M + m} + \sum_d x_{s i + r d_0,\, s j + r d_1,\, c} W_{d_0 d_1
/// c m}\bigr)$ with $M$ kernels a channel: `[batch, height, width, channels]` → `[batch, height',
/// width', channels * multiplier]`, in the order of Keras' `DepthwiseConv2D`. Parameters: `kernel`
/// of shape `[kh, kw, channels, multiplier]` and, unless `bias` is `None`, `bias` of
/// shape `[channels * multiplier]`.
///
/// Outside the image (same padding) $x$ is 0. The default has 1 kernel of 3 x 3 taps a channel,
/// strides and rates 1, valid padding, no activation, a Glorot uniform kernel and a bias that
/// starts at 0. Cost: `taps · multiplier` products for each output pixel and channel; backward
/// twice as many.
///
/// ```
/// use morphograd_nn::{DepthwiseConv2d, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("blur", DepthwiseConv2d { multiplier: 2, ..DepthwiseConv2d::default() })
///     .build_model(&mut params, 42, [12, 12, 8])?;
/// assert_eq!((model.output().dims(), params.count()), (&[10, 10, 16][..], 3 * 3 * 8 * 2 + 16));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct DepthwiseConv2d<T> {
    /// Number of kernels for each channel.
    pub multiplier: usize,
    /// The sliding window; its size is the kernels'.
    pub window: Window2d,
    /// The function $a$.
    pub activation: Activation,
    /// The kernels $W$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
}

/// The op of [`DepthwiseConv2d`], without bias. Inputs: x `[batch, height, width, channels]` and W
/// `[kh, kw, channels, multiplier]`.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseConvolution {
    /// The sliding window; its size is the kernel's.
    pub window: Window2d,
}

impl<T: Real> Default for DepthwiseConv2d<T> {
    fn default() -> Self {
        Self {
            multiplier: 1,
            window: Window2d::new([3, 3]),
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: Some(Weight::zeros()),
        }
    }
}

impl<T: Real> Build<T> for DepthwiseConv2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { window, .. } = self;
        let op = DepthwiseConvolution { window };
        let channels = input.dims().last().copied().unwrap_or(0);
        let kernel = Shape::from([window.size[0], window.size[1], channels, self.multiplier]);
        // Refused before the kernel is allocated: a mistyped size can be huge.
        Op::<T>::infer(&op, &[input.batched(1), kernel])?;
        let kernel = builder.param("kernel", kernel, self.kernel)?;
        let outputs = Shape::from([channels * self.multiplier]);
        let bias = self.bias.map(|bias| builder.param("bias", outputs, bias)).transpose()?;
        Ok(Box::new(Built { op, kernel, bias, activation: self.activation }))
    }
}

#[derive(Debug)]
struct Built {
    op: DepthwiseConvolution,
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let mut y = graph.apply(self.op, [x, kernel])?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }

    /// The largest sum of magnitudes of a plane of the kernel.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        let kernel = params.value(self.kernel);
        let &[height, width, channels, multiplier] = kernel.shape.dims() else { return None };
        let planes = [height * width, channels * multiplier];
        let planes = TensorRef::new(planes, kernel.data);
        Some(largest_sum(planes) * self.activation.slope())
    }
}

impl<T: Real> Op<T> for DepthwiseConvolution {
    fn name(&self) -> &'static str {
        NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let taps = Taps2d::with_channels(NAME, self.window, inputs[0])?;
        let channels = taps.channels;
        let [kh, kw] = self.window.size;
        match *inputs[1].dims() {
            [h, w, c, multiplier @ (1..)] if [h, w, c] == [kh, kw, channels] => {
                Ok(taps.output(channels * multiplier))
            }
            _ => {
                let expected = format!(
                    "a kernel of shape [{kh}, {kw}, {channels}, multiplier], at least 1 a channel"
                );
                Err(ShapeError::new(NAME, expected, format!("shape {}", inputs[1])))
            }
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (x, kernel) = (pass.inputs[0].data, pass.inputs[1].data);
        let g = Geometry::new(self.window, pass.inputs[0].shape, pass.inputs[1].shape);
        parallel::for_each_piece(pass.output, g.row(), |line, y| {
            y.fill(T::zero());
            g.visit(line, |from, to, tap| {
                let y = y[to..to + g.outputs()].chunks_exact_mut(g.multiplier);
                let w = kernel[tap..tap + g.outputs()].chunks_exact(g.multiplier);
                for ((x, y), w) in x[from..from + g.taps.channels].iter().zip(y).zip(w) {
                    y.iter_mut().zip(w).for_each(|(y, w)| *y += *x * *w);
                }
            });
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (x, kernel, dy) = (pass.inputs[0].data, pass.inputs[1].data, pass.grad_output);
        let g = Geometry::new(self.window, pass.inputs[0].shape, pass.inputs[1].shape);
        let [dx, d_kernel, ..] = pass.grad_inputs;
        let rows = g.taps.extent.output[0];
        if let Some(dx) = dx {
            let image = g.taps.image_len();
            parallel::for_each_piece(dx, image, |n, dx| {
                for line in n * rows..(n + 1) * rows {
                    let dy = &dy[line * g.row()..][..g.row()];
                    g.visit(line, |from, to, tap| {
                        let dy = dy[to..to + g.outputs()].chunks_exact(g.multiplier);
                        let w = kernel[tap..tap + g.outputs()].chunks_exact(g.multiplier);
                        for ((dx, dy), w) in
                            dx[from - n * image..][..g.taps.channels].iter_mut().zip(dy).zip(w)
                        {
                            *dx += dy.iter().zip(w).map(|(dy, w)| *dy * *w).sum();
                        }
                    });
                }
            });
        }
        if let Some(d_kernel) = d_kernel {
            let lines = [dy.len() / g.row(), g.taps.extent.output[1]];
            parallel::sum_into(d_kernel, lines, pass.scratch, |lines, d_kernel| {
                for line in lines {
                    let dy = &dy[line * g.row()..][..g.row()];
                    g.visit(line, |from, to, tap| {
                        let dy = dy[to..to + g.outputs()].chunks_exact(g.multiplier);
                        let dw = d_kernel[tap..tap + g.outputs()].chunks_exact_mut(g.multiplier);
                        for ((x, dy), dw) in x[from..from + g.taps.channels].iter().zip(dy).zip(dw)
                        {
                            dw.iter_mut().zip(dy).for_each(|(dw, dy)| *dw += *x * *dy);
                        }
                    });
                }
            });
        }
    }
}

const NAME: &str = "depthwise_conv2d";

/// Sizes and positions.
#[derive(Debug)]
struct Geometry {
    taps: Taps2d,
    multiplier: usize,
}

impl Geometry {
    fn new(window: Window2d, input: Shape, kernel: Shape) -> Self {
        let taps = Taps2d::new(NAME, window, input).expect("checked by infer");
        Self { taps, multiplier: *kernel.dims().last().expect("checked by infer") }
    }

    /// Channels of the output.
    fn outputs(&self) -> usize {
        self.taps.channels * self.multiplier
    }

    /// Numbers in a row of outputs.
    fn row(&self) -> usize {
        self.taps.extent.output[1] * self.outputs()
    }

    /// Calls `f(from, to, tap)` for every output pixel of a row (counted over all images) and every
    /// tap inside the image, tap by tap: where the numbers of the pixel under the tap begin in the
    /// input, those of the output in its row, and those of the tap in the kernel.
    #[inline(always)]
    fn visit(&self, line: usize, mut f: impl FnMut(usize, usize, usize)) {
        let ([rows, columns], [kh, kw]) = (self.taps.extent.output, self.taps.window.size);
        let image = line / rows * self.taps.image_len();
        for d in 0..kh {
            let Some(y) = self.taps.along(0, line % rows, d) else { continue };
            for e in 0..kw {
                for j in 0..columns {
                    if let Some(x) = self.taps.along(1, j, e) {
                        let from = image + self.taps.offset(y, x);
                        f(from, j * self.outputs(), (d * kw + e) * self.outputs());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use crate::layers::conv2d::Convolution;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    fn case() -> impl Strategy<Value = (Window2d, Tensor<f64>, Tensor<f64>)> {
        (strategy::window(), 1..3usize, 1..4usize, 1..4usize).prop_flat_map(
            |(window, batch, channels, multiplier)| {
                let kernel = [window.size[0], window.size[1], channels, multiplier];
                (Just(window), strategy::tensor([batch, 7, 8, channels]), strategy::tensor(kernel))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn gradients_agree_with_differences((window, x, kernel) in case()) {
            check_op(DepthwiseConvolution { window }, &[x, kernel]);
        }

        #[test]
        fn it_is_the_full_convolution_by_a_kernel_that_is_zero_between_channels(
            (window, x, kernel) in case(),
        ) {
            let &[kh, kw, channels, multiplier] = kernel.shape().dims() else { unreachable!() };
            let outputs = channels * multiplier;
            // Entry (tap, c, o) of the full kernel is that of the channel's own kernel if o is one
            // of its outputs.
            let own = |i: usize| {
                (i / outputs % channels == i % outputs / multiplier)
                    .then_some(i / (channels * outputs) * outputs + i % outputs)
            };
            let full = Tensor::from_fn([kh, kw, channels, outputs], |i| {
                own(i).map_or(0.0, |k| kernel.data()[k])
            });
            let len =
                Op::<f64>::infer(&DepthwiseConvolution { window }, &[x.shape(), kernel.shape()])
                    .unwrap()
                    .len();
            let g: Vec<f64> = (0..len).map(|i| (i as f64 * 0.7).sin()).collect();
            let found = vjp(DepthwiseConvolution { window }, &[x.clone(), kernel.clone()], &g);
            let expected = vjp(Convolution { window, rectified: false }, &[x, full.clone()], &g);
            let mut d_kernel = vec![0.0; kernel.data().len()];
            (0..full.data().len()).for_each(|i| {
                if let Some(k) = own(i) {
                    d_kernel[k] = expected.1[1][i];
                }
            });
            // Shifted by 10: a sum of many terms can cancel to almost 0.
            let shift = |x: &[f64]| x.iter().map(|x| x + 10.0).collect::<Vec<_>>();
            assert_close("values", &shift(&found.0), &shift(&expected.0), 1e-12);
            assert_close("input", &shift(&found.1[0]), &shift(&expected.1[0]), 1e-12);
            assert_close("kernel", &shift(&found.1[1]), &shift(&d_kernel), 1e-12);
        }
    }

    #[test]
    fn outputs_come_channel_by_channel_and_have_a_bias_each() {
        let mut params = Params::<f64>::new();
        let layer = DepthwiseConv2d {
            multiplier: 2,
            window: Window2d::new([1, 1]),
            activation: Activation::Relu,
            ..Default::default()
        };
        let model =
            Sequential::new().add("conv", layer).build_model(&mut params, 1, [1, 1, 2]).unwrap();
        let mut set = |name: &str, to: &[f64]| {
            let id = params.find(name).unwrap();
            params.update(id, |value| value.copy_from_slice(to));
        };
        set("conv.kernel", &[1.0, 2.0, 3.0, 4.0]);
        set("conv.bias", &[0.0, 0.5, -1.0, -100.0]);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(Tensor::from_vec([1, 1, 1, 2], vec![10.0, 5.0]).unwrap().view());
        let y = model.forward(&mut graph, x).unwrap();
        assert_eq!(graph.value(y).data, [10.0, 20.5, 14.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name_and_an_empty_batch_is_accepted() {
        let error = |shape: &[usize], layer: DepthwiseConv2d<f32>| {
            let mut params = Params::new();
            let model = Sequential::new().add("conv", layer);
            model.build_model(&mut params, 0, Shape::new(shape)).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[4, 4, 2], DepthwiseConv2d { multiplier: 0, ..Default::default() }),
            "conv: depthwise_conv2d: expected a kernel of shape [3, 3, 2, multiplier], at least 1 \
             a channel, found shape [3, 3, 2, 0]"
        );
        assert_eq!(
            error(&[7], DepthwiseConv2d::default()),
            "conv: depthwise_conv2d: expected an input of shape [batch, height, width, channels], \
             at least 1 channel, found shape [1, 7]"
        );
        assert!(
            error(&[2, 2, 1], DepthwiseConv2d::default())
                .contains("a window no larger than the image [2, 2]")
        );
        let window = Window2d::new([2, 2]);
        let inputs = [Tensor::<f64>::zeros([0, 3, 3, 2]), Tensor::filled([2, 2, 2, 1], 1.0)];
        let (y, grads) = vjp(DepthwiseConvolution { window }, &inputs, &[]);
        assert!(y.is_empty() && grads[1] == [0.0; 8]);
    }
}
