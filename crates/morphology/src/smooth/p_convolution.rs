//! The p-convolution, or counter-harmonic mean: a quotient of two convolutions of powers of a
//! positive image, from pseudo-erosion to pseudo-dilation.
//!
//! The one design choice: it is computed on logarithms, $f^p w = e^{p \log f + \log w}$, so that no
//! power of a pixel can overflow.

use morphograd_nn::Weight;
use morphograd_nn::autodiff::{Graph, Op, Var};
use morphograd_nn::initializer::Constant;
use morphograd_nn::sets::Interval;
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};

use crate::smooth::layer::{Sharpness, smooth_layer};
use crate::smooth::window_fold::{Candidate, Family, Smooth2d};

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
///     p_convolution2d(&mut graph, x, w, p, Window2d::new([1, 2]))?;
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

/// The operation of [`p_convolution2d`] on logarithms, for those who drive it without a graph.
/// Inputs: $\log f$ of the images, $\log w$ of the kernel, and p.
pub fn counter_harmonic_op<T: Real>(window: Window2d) -> impl Op<T> {
    Smooth2d::<CounterHarmonic>::on(window)
}

smooth_layer! {
    /// A layer of learned p-convolutions (PConv): filter `f` has a kernel for every channel and
    /// sums the results, see [`p_convolution2d`].
    ///
    /// Input `[batch, height, width, channels]`, positive; output `[batch, rows, columns,
    /// filters]`; parameters `kernel` `[kh, kw, channels, filters]`, `p` unless it is fixed, and,
    /// if asked for, `bias` `[filters]`.
    PConvolution2d, CounterHarmonic,
    /// The weights; by default from 1 and at least 10⁻⁶.
    kernel: Weight::new(Constant(1.0))
        .constrained(Interval { min: EPSILON, max: f64::INFINITY }),
    /// The exponent; by default learned, one for each filter, from 0.
    p: Sharpness::PerFilter(Weight::zeros()),
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
        Ok([log(graph, x)?, log(graph, kernel)?])
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

/// $\log \max(x, ε)$; at ε the derivative is that of the logarithm.
fn log<T: Real>(graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
    let epsilon = graph.input_with(Shape::scalar(), |value| value[0] = T::of(EPSILON));
    let positive = graph.maximum(x, epsilon)?;
    graph.log(positive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape, gradcheck};
    use morphograd_nn::tensor::{Tensor, TensorRef};

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
        let window = Window2d::new([2, 3]).same();
        gradcheck(&mut params, |graph| {
            let [x, w, p] = ids.map(|id| graph.param(id));
            p_convolution2d(graph, x, w, p, window)
        })
        .unwrap();
    }

    #[test]
    fn what_is_below_epsilon_counts_as_epsilon_and_has_no_gradient() {
        let (params, mut tape) = (Params::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let values = [-1.0, 0.0, EPSILON, 2.0, f64::NAN];
        let x = graph.variable(TensorRef::new([5], &values));
        let y = log(&mut graph, x).unwrap();
        let values = graph.value(y).data;
        assert_eq!(values[..3], [EPSILON.ln(); 3]);
        assert!(values[3] == 2f64.ln() && values[4].is_nan());
        graph.backward_with(y, &[1.0; 5]);
        assert_eq!(graph.grad(x).unwrap()[..4], [0.0, 0.0, 1.0 / EPSILON, 0.5]);
    }
}
