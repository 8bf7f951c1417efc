//! Convolution over a stack of scales: the same kernel at every level, its taps twice as far apart
//! from each level to the next.
//!
//! The one design choice: a level is an image, and its convolution is the op of
//! [`Conv2d`](crate::Conv2d) at another rate; this layer only says which level meets which part of
//! the kernel. It costs a copy of each level on the way in and out.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_autodiff::{Add, Graph, MAX_INPUTS, Op, ParamId, Var};

use crate::initializer::GlorotUniform;
use crate::layers::activation::Activation;
use crate::layers::conv2d::Convolution;
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;
use crate::model::weight::Weight;

/// $y_{k, p, f} = a\bigl(b_f + \sum_{j, d, c} x_{k + j,\, p + 2^k (d - d_0),\, c} W_{j, d, c,
/// f}\bigr)$, $d_0$ the centre of the kernel: `[batch, level, height, width, channels]` →
/// `[batch, level, height, width, filters]`. Parameters: `kernel` of shape `[levels, size[0],
/// size[1], channels, filters]` and, unless `bias` is `None`, `bias` of shape `[filters]`.
///
/// Equivariant to scale: if level $k + 1$ of one stack at the pixels $2 p$ is level $k$ of another
/// at $p$, so are the results, but for the levels that see the end of the stack. Outside the image
/// and beyond the last level $x$ is 0. The default has 1 filter of 1 level and 3 x 3 taps, no
/// activation, a Glorot uniform kernel and a bias that starts at 0. At most [`MAX_INPUTS`] levels
/// come in. Cost: `levels · taps · channels · filters` products an output pixel. Source: D.
/// Worrall, M. Welling, *Deep scale-spaces*, NeurIPS (2019).
///
/// ```
/// use morphograd_autodiff::Params;
/// use morphograd_nn::{ScaleConv2d, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("conv", ScaleConv2d { filters: 16, ..ScaleConv2d::default() })
///     .build_model(&mut params, 42, [4, 28, 28, 1])?;
/// assert_eq!((model.output().dims(), params.count()), (&[4, 28, 28, 16][..], 3 * 3 * 16 + 16));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct ScaleConv2d<T> {
    /// Number of channels of the output.
    pub filters: usize,
    /// Extent of the kernel along the scales: the level itself and the coarser ones after it.
    pub levels: usize,
    /// Height and width of the kernel, in taps.
    pub size: [usize; 2],
    /// The function $a$.
    pub activation: Activation,
    /// The kernel $W$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
}

#[derive(Debug)]
struct Built {
    levels: usize,
    size: [usize; 2],
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<T: Real> Default for ScaleConv2d<T> {
    fn default() -> Self {
        Self {
            filters: 1,
            levels: 1,
            size: [3, 3],
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: Some(Weight::zeros()),
        }
    }
}

impl<T: Real> Build<T> for ScaleConv2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { filters, levels, size, activation, kernel, bias } = self;
        let refuse = |expected: String, found: String| {
            Err(ShapeError::new("scale_conv2d", expected, found).into())
        };
        let &[stack @ 1..=MAX_INPUTS, height, width, channels] = input.dims() else {
            let expected =
                format!("an input [level, height, width, channels], 1 to {MAX_INPUTS} levels");
            return refuse(expected, format!("shape {input}"));
        };
        if !(1..=stack).contains(&levels) {
            return refuse(format!("a kernel of 1 to {stack} levels"), levels.to_string());
        }
        // Refused before the kernel is allocated: a mistyped size can be huge.
        let plane = Shape::from([size[0], size[1], channels, filters]);
        let image = Shape::from([1, height, width, channels]);
        Op::<T>::infer(&convolution(size, stack - 1), &[image, plane])?;
        let kernel = builder.param("kernel", plane.batched(levels), kernel)?;
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        Ok(Box::new(Built { levels, size, kernel, bias, activation }))
    }
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let (kernel, bias) = (graph.param(self.kernel), self.bias.map(|bias| graph.param(bias)));
        let &[_, stack @ 1..=MAX_INPUTS, _, _, _] = graph.shape(x).dims() else {
            let expected = "an input of shape [batch, level, height, width, channels]";
            return Err(ShapeError::new(
                "scale_conv2d",
                expected,
                format!("shape {}", graph.shape(x)),
            ));
        };
        let mut level = [x; MAX_INPUTS];
        for (index, level) in level[..stack].iter_mut().enumerate() {
            *level = graph.select(x, 1, index)?;
        }
        let mut planes = [kernel; MAX_INPUTS];
        for (index, plane) in planes[..self.levels].iter_mut().enumerate() {
            *plane = graph.select(kernel, 0, index)?;
        }
        // From the finest level up: level k is read by itself and by finer ones, so its place is
        // free for its result.
        for k in 0..stack {
            let op = convolution(self.size, k);
            let mut y = match bias {
                Some(bias) => graph.apply(op, [level[k], planes[0], bias])?,
                None => graph.apply(op, [level[k], planes[0]])?,
            };
            for (x, plane) in level[k + 1..stack].iter().zip(&planes[1..self.levels]) {
                let term = graph.apply(op, [*x, *plane])?;
                y = graph.apply(Add, [y, term])?;
            }
            level[k] = y;
        }
        let y = graph.stack(&level[..stack], 1)?;
        self.activation.apply(graph, y)
    }
}

/// The convolution at a level; the kernel's plane and the image have the same rate at every level
/// that it reads.
fn convolution(size: [usize; 2], level: usize) -> Convolution {
    let window = Window2d::new(size).rates([1 << level; 2]).same();
    Convolution { window, rectified: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Sequential};
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape, gradcheck};
    use morphograd_testkit::{assert_close, strategy};
    use proptest::prelude::*;

    const CHANNELS: usize = 2;

    /// A model of one layer, a bias that is not 0, and its parameters.
    fn model(seed: u64, conv: ScaleConv2d<f64>, input: [usize; 4]) -> (Model<f64>, Params<f64>) {
        let mut params = Params::new();
        let bias = Some(Weight::new(crate::initializer::Constant(0.3)));
        let conv = ScaleConv2d { bias, ..conv };
        let model =
            Sequential::new().add("conv", conv).build_model(&mut params, seed, input).unwrap();
        (model, params)
    }

    fn apply(model: &Model<f64>, params: &Params<f64>, x: &Tensor<f64>) -> Vec<f64> {
        let mut tape = Tape::new();
        let mut graph = tape.record(params, Mode::Eval);
        let x = graph.input(x.view());
        let y = model.forward(&mut graph, x).unwrap();
        graph.value(y).data.to_vec()
    }

    /// The definition, one product at a time.
    fn reference(x: &Tensor<f64>, kernel: &[f64], [levels, kh, kw, f]: [usize; 4]) -> Vec<f64> {
        let &[batch, stack, h, w, c] = x.shape().dims() else { unreachable!() };
        let mut y = Vec::new();
        for at in 0..batch * stack * h * w * f {
            let (filter, column, row) = (at % f, at / f % w, at / f / w % h);
            let (k, n) = (at / f / w / h % stack, at / f / w / h / stack);
            let mut sum = 0.3;
            for entry in 0..levels * kh * kw * c {
                let (channel, e, d, j) =
                    (entry % c, entry / c % kw, entry / c / kw % kh, entry / c / kw / kh);
                let before = |size: usize| ((size - 1) << k) / 2;
                let row = (row + (d << k)).wrapping_sub(before(kh));
                let column = (column + (e << k)).wrapping_sub(before(kw));
                if k + j < stack && row < h && column < w {
                    let x = x.data()[(((n * stack + k + j) * h + row) * w + column) * c + channel];
                    sum += x * kernel[entry * f + filter];
                }
            }
            y.push(sum);
        }
        y
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn values_agree_with_the_definition_and_gradients_with_differences(
            (x, levels) in (1..4usize)
                .prop_flat_map(|stack| (strategy::tensor([2, stack, 5, 4, CHANNELS]), 1..=stack)),
            size in [1..4usize, 1..4usize],
            filters in 1..3usize,
            seed in any::<u64>(),
        ) {
            let conv = ScaleConv2d { filters, levels, size, ..ScaleConv2d::default() };
            let (model, mut params) = model(seed, conv, [x.shape().dims()[1], 5, 4, CHANNELS]);
            let kernel = params.value(params.find("conv.kernel").unwrap()).data.to_vec();
            let expected = reference(&x, &kernel, [levels, size[0], size[1], filters]);
            assert_close("y", &apply(&model, &params, &x), &expected, 1e-12);

            let x = params.add("x", x, None).unwrap();
            gradcheck(&mut params, |graph| {
                let x = graph.param(x);
                model.forward(graph, x)
            })
            .unwrap();
        }

        #[test]
        fn a_stack_of_the_double_scale_has_the_same_features_one_level_up(
            x in strategy::tensor([1, 3, 4, 5, CHANNELS]),
            noise in strategy::tensor([1, 4, 7, 9, CHANNELS]),
            levels in 1..3usize,
            seed in any::<u64>(),
        ) {
            // Noise on the finest level and between the pixels that correspond: neither is looked
            // at.
            let mut double = noise;
            let at =
                |k: usize, i: usize, j: usize, [h, w]: [usize; 2]| ((k * h + i) * w + j) * CHANNELS;
            let pixels = (0..3 * 4 * 5).map(|p| (p / 20, p / 5 % 4, p % 5));
            for (k, i, j) in pixels.clone() {
                let (from, to) = (at(k, i, j, [4, 5]), at(k + 1, 2 * i, 2 * j, [7, 9]));
                double.data_mut()[to..to + CHANNELS]
                    .copy_from_slice(&x.data()[from..from + CHANNELS]);
            }
            let conv = ScaleConv2d { filters: CHANNELS, levels, ..ScaleConv2d::default() };
            let (model, params) = model(seed, conv, [3, 4, 5, CHANNELS]);
            let (y, y_double) = (apply(&model, &params, &x), apply(&model, &params, &double));
            for (k, i, j) in pixels {
                let (from, to) = (at(k, i, j, [4, 5]), at(k + 1, 2 * i, 2 * j, [7, 9]));
                assert_close(
                    "level",
                    &y_double[to..to + CHANNELS],
                    &y[from..from + CHANNELS],
                    1e-12,
                );
            }
        }
    }

    #[test]
    fn the_activation_comes_after_the_sum_over_the_levels() {
        let kernel = || Weight::new(crate::initializer::Constant(1.0));
        let conv = |activation| ScaleConv2d {
            levels: 2,
            size: [1, 1],
            activation,
            kernel: kernel(),
            ..ScaleConv2d::default()
        };
        let x = Tensor::from_vec([1, 2, 1, 1, 1], vec![1.0, -2.0]).unwrap();
        let y = |activation| {
            let (model, params) = model(0, conv(activation), [2, 1, 1, 1]);
            apply(&model, &params, &x)
        };
        assert_close("linear", &y(Activation::Linear), &[1.0 - 2.0 + 0.3, -2.0 + 0.3], 1e-12);
        assert_eq!(y(Activation::Relu), [0.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_layer_and_reason() {
        let build = |input: &[usize], conv: ScaleConv2d<f32>| {
            let mut params = Params::new();
            let model = Sequential::new().add("stem", conv);
            model.build_model(&mut params, 0, Shape::new(input)).unwrap_err().to_string()
        };
        assert_eq!(
            build(&[28, 28, 1], ScaleConv2d::default()),
            "stem: scale_conv2d: expected an input [level, height, width, channels], 1 to 8 \
             levels, found shape [28, 28, 1]"
        );
        assert!(build(&[9, 28, 28, 1], ScaleConv2d::default()).contains("1 to 8 levels"));
        assert_eq!(
            build(&[2, 28, 28, 1], ScaleConv2d { levels: 3, ..ScaleConv2d::default() }),
            "stem: scale_conv2d: expected a kernel of 1 to 2 levels, found 3"
        );
        assert!(
            build(&[2, 8, 8, 1], ScaleConv2d { levels: 0, ..ScaleConv2d::default() })
                .contains("found 0")
        );
        assert!(
            build(&[2, 8, 8, 1], ScaleConv2d { filters: 0, ..ScaleConv2d::default() })
                .contains("1 filter")
        );
    }
}
