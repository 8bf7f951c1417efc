//! The p-convolution, or counter-harmonic mean: a quotient of two convolutions of powers of a
//! positive image, from pseudo-erosion to pseudo-dilation.
//!
//! The one design choice: it is computed on logarithms, $f^p w = e^{p \log f + \log w}$, so that no
//! power of a pixel can overflow; one small operation takes them and holds the rule for what is not
//! positive.

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::initializer::Constant;
use morphograd_nn::sets::Interval;
use morphograd_nn::tensor::{Padding, Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::smooth::window_fold::{Bank, Candidate, Family, Sharpness, Smooth2d, SmoothLayer};

/// Smaller pixels and kernel entries count as this number; their derivative is 0.
pub(crate) const EPSILON: f64 = 1e-6;

/// The counter-harmonic mean of every channel of `x` `[batch, height, width, channels]` with its
/// own kernel `[kh, kw, channels]`, or, with a kernel `[kh, kw, channels, filters]`, the sums of
/// the channels' for every filter:
/// $$y_{i,j} = \frac{\sum_d f_d^{p+1} w_d}{\sum_d f_d^p w_d}, \qquad f_d = \max(x_{s i + r d - t}, ε).$$
///
/// - **Domain**: pixels and kernel are positive. What is below 10⁻⁶ counts as 10⁻⁶
///   and has derivative 0; at it, the derivative is the one from above, so that an entry that a
///   constraint put there can leave.
/// - **Limits**: $p \to \infty$ gives the flat dilation (the largest pixel), $p \to -\infty$ the
///   smallest pixel under the unmirrored window; $p = 0$ is a convolution divided by the sum of the
///   kernel, $p = -1$ a harmonic mean. Always between smallest and largest.
/// - **Border**: taps outside the image are skipped; a window without any gives 0. For another
///   border pad first, by [`Pad2d`](crate::Pad2d). The kernel is not mirrored.
/// - **Gradient**: with $q_d = f_d^p w_d / \sum f^p w$: to a pixel $q_d (1 + p (1 - y / f_d))$, to
///   an entry $q_d (f_d - y) / w_d$, to p $\sum_d q_d \log f_d (f_d - y)$.
/// - **Numbers**: NaN in a window gives NaN.
/// - **Cost**: two exponentials for each output, tap and channel, each way; one logarithm a pixel.
///
/// `p` is one number or one for each output channel. Source: J. Angulo, *Pseudo-morphological image
/// diffusion using the counter-harmonic paradigm* (ACIVS 2010); learned: J. Masci, J. Angulo and J.
/// Schmidhuber, *A learning framework for morphological operators using counter-harmonic mean*
/// (ISMM 2013).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
///     p_convolution2d,
/// };
/// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 2, 1], &[1.0, 3.0]));
/// let w = graph.input(TensorRef::new([1, 2, 1], &[1.0, 1.0]));
/// let p = graph.input(TensorRef::new([], &[1.0]));
/// let y =
///     p_convolution2d(&mut graph, x, w, p, Window2d { size: [1, 2], ..Window2d::default() })?;
/// assert!((graph.value(y).data[0] - (1.0 + 9.0) / (1.0 + 3.0)).abs() < 1e-12);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn p_convolution2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    p: Var,
    window: Window2d,
) -> Result<Var, ShapeError> {
    Smooth2d::<CounterHarmonic>::apply(graph, [x, kernel, p], window)
}

/// A layer of learned p-convolutions (PConv): filter `f` has a kernel for every channel and sums
/// the results, see [`p_convolution2d`].
///
/// Input `[batch, height, width, channels]`, positive; output `[batch, rows, columns, filters]`;
/// parameters `kernel` `[kh, kw, channels, filters]`, `p` unless it is fixed, and, if asked for,
/// `bias` `[filters]`.
#[derive(Debug)]
pub struct PConvolution2d<T> {
    /// Number of filters.
    pub filters: usize,
    /// Height and width of the kernel.
    pub size: [usize; 2],
    /// Step between neighbouring windows.
    pub strides: [usize; 2],
    /// Distance between neighbouring taps.
    pub rates: [usize; 2],
    /// Rule at the border.
    pub padding: Padding,
    /// The weights; by default from 1 and at least 10⁻⁶.
    pub kernel: Weight<T>,
    /// The exponent; by default learned, one for each filter, from 0.
    pub p: Sharpness<T>,
    /// Added to each filter; none by default.
    pub bias: Option<Weight<T>>,
    /// Applied last.
    pub activation: Activation,
}

impl<T: Real> Default for PConvolution2d<T> {
    fn default() -> Self {
        let Window2d { size, strides, rates, padding } = Window2d::default();
        let kernel =
            Weight::new(Constant(1.0)).constrained(Interval { min: EPSILON, max: f64::INFINITY });
        let p = Sharpness::PerFilter(Weight::zeros());
        Self {
            filters: 1,
            size,
            strides,
            rates,
            padding,
            kernel,
            p,
            bias: None,
            activation: Activation::Linear,
        }
    }
}

impl<T: Real> Build<T> for PConvolution2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { filters, size, strides, rates, padding, kernel, p, bias, activation } = self;
        let window = Window2d { size, strides, rates, padding };
        let element_dropout = ElementDropout::default();
        let bank = Bank { filters, kernel, sharpness: p, element_dropout, bias, activation };
        SmoothLayer::<CounterHarmonic>::build(builder, input, window, bank)
    }
}

/// The family on logarithms: $x = \log f$ and $w = \log$ of the entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CounterHarmonic;

impl Family for CounterHarmonic {
    const NAME: &'static str = "p_convolution2d";
    const SHARPNESS: &'static str = "p";
    const MIRRORED: bool = false;

    fn prepare<T: Real>(
        graph: &mut Graph<'_, T>,
        [x, kernel]: [Var; 2],
    ) -> Result<[Var; 2], ShapeError> {
        Ok([graph.apply(Log, [x])?, graph.apply(Log, [kernel])?])
    }

    #[inline(always)]
    fn candidate<T: Real>(x: T, w: T) -> Candidate<T> {
        Candidate { z: x, offset: w, value: x.exp() }
    }

    /// A logarithm is so small that the product cannot overflow for any `p` of use.
    #[inline(always)]
    fn rank<T: Real>(candidate: Candidate<T>, p: T) -> T {
        p * candidate.z + candidate.offset
    }

    fn empty<T: Real>() -> T {
        T::zero()
    }

    #[inline(always)]
    fn output<T: Real>(_: Candidate<T>, _: T, mean: T, _: T) -> T {
        mean
    }

    #[inline(always)]
    fn derivatives<T: Real>(candidate: Candidate<T>, weight: T, y: T, p: T) -> [T; 3] {
        let by_w = weight * (candidate.value - y);
        [weight * candidate.value + p * by_w, by_w, by_w * candidate.z]
    }
}

/// $y = \log \max(x, ε)$, derivative $1 / x$ for $x \ge ε$ and 0 below. NaN stays NaN.
#[derive(Debug, Clone, Copy)]
struct Log;

impl<T: Real> Op<T> for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let epsilon = T::of(EPSILON);
        for (y, x) in pass.output.iter_mut().zip(pass.inputs[0].data) {
            *y = if *x < epsilon { epsilon } else { *x }.ln();
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let epsilon = T::of(EPSILON);
        for ((dx, g), x) in dx.iter_mut().zip(pass.grad_output).zip(pass.inputs[0].data) {
            *dx += if *x < epsilon { T::zero() } else { *g / *x };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Params, gradcheck};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{check_op, vjp};

    #[test]
    fn gradients_agree_with_differences_through_the_logarithms() {
        let mut params = Params::new();
        let mut add = |name: &str, shape: Shape, low: f64| {
            let value = Tensor::from_fn(shape, |i| low + (i as f64 * 0.7).sin().abs());
            params.add(name, value, None).unwrap()
        };
        let ids = [
            add("x", [1, 4, 5, 2].into(), 0.2),
            add("w", [2, 3, 2, 2].into(), 0.3),
            add("p", [2].into(), -0.5),
        ];
        let window = Window2d { size: [2, 3], padding: Padding::Same, ..Window2d::default() };
        gradcheck(&mut params, |graph| {
            let [x, w, p] = ids.map(|id| graph.param(id));
            p_convolution2d(graph, x, w, p, window)
        })
        .unwrap();
    }

    #[test]
    fn what_is_below_epsilon_counts_as_epsilon_and_has_no_gradient() {
        check_op(Log, &[Tensor::from_vec([3], vec![-1.0, 0.2, 2.0]).unwrap()]);
        let x = Tensor::from_vec([4], vec![-1.0, 0.0, EPSILON, 2.0]).unwrap();
        let (y, grads) = vjp(Log, &[x], &[1.0; 4]);
        assert_eq!(y[..3], [EPSILON.ln(); 3]);
        assert_eq!((y[3], &grads[0][..]), (2f64.ln(), &[0.0, 0.0, 1.0 / EPSILON, 0.5][..]));
        let (y, _) = vjp(Log, &[Tensor::filled([1], f64::NAN)], &[0.0]);
        assert!(y[0].is_nan());
    }
}
