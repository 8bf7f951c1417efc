//! The α-softmax operator of SMorph: a weighted mean of the candidates that a learned number turns
//! from an erosion through the mean into a dilation.
//!
//! The one design choice: one α for each filter, starting at 0, so that training alone decides
//! which of them becomes what.

use morphograd_nn::Weight;
use morphograd_nn::autodiff::{Graph, Op, Var};
use morphograd_nn::tensor::{Real, ShapeError, Window2d};

use crate::smooth::layer::{Sharpness, smooth_layer};
use crate::smooth::window_fold::{Candidate, Family, Smooth2d};

/// The α-softmax of every channel of `x` `[batch, height, width, channels]` with its own kernel
/// `[kh, kw, channels]`, or, with a kernel `[kh, kw, channels, filters]`, the sums of the channels'
/// for every filter:
/// $$y_{i,j} = \frac{\sum_d z_d e^{α z_d}}{\sum_d e^{α z_d}}, \qquad z_d = x_{s i + r d - p} + w_d.$$
///
/// - **Limits**: $α \to \infty$ gives the dilation $\max_d z_d$; $α \to -\infty$ gives
///   $\min_d z_d$, the erosion by the mirrored kernel of opposite sign; $α = 0$ the mean. Always
///   between the two, and increasing with α.
/// - **Border**: taps outside the image are skipped, as are entries of $-\infty$; a window without
///   any gives 0. For another border pad first, by [`Pad2d`](crate::Pad2d).
/// - **Gradient**: $q_d (1 + α (z_d - y))$ to pixel and entry, $q_d$ being the candidate's weight;
///   to α the variance of the candidates under these weights. It may be negative: for $α \ne 0$ the
///   operator is not increasing in $x$.
/// - **Numbers**: exponents are differences from the largest, so nothing overflows. NaN in a window
///   gives NaN.
/// - **Cost**: one exponential for each output, tap and channel, and one more in the backward pass.
///
/// `alpha` is one number or one for each output channel. Source: A. Kirszenberg, G. Tochon, É.
/// Puybareau and J. Angulo, *Going beyond p-convolutions to learn grayscale morphological
/// operators* (DGMM 2021).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     alpha_softmax2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 3, 1], &[0.0, 1.0, 5.0]));
/// let w = graph.input(TensorRef::new([1, 3, 1], &[0.0; 3]));
/// let values = [-200.0, 0.0, 200.0].map(|alpha| {
///     let alpha = graph.input(TensorRef::new([], &[alpha]));
///     let y = alpha_softmax2d(
///         &mut graph,
///         x,
///         w,
///         alpha,
///         Window2d::new([1, 3]),
///     )
///     .unwrap();
///     graph.value(y).data[0]
/// });
/// assert_eq!(values, [0.0, 2.0, 5.0]);
/// ```
pub fn alpha_softmax2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    alpha: Var,
    window: Window2d,
) -> Result<Var, ShapeError> {
    Smooth2d::<AlphaSoftmax>::apply(graph, [x, kernel, alpha], window)
}

/// The operation of [`alpha_softmax2d`], for those who drive it without a graph. Inputs: images, a
/// kernel, and α.
pub fn alpha_softmax_op<T: Real>(window: Window2d) -> impl Op<T> {
    Smooth2d::<AlphaSoftmax>::on(window)
}

smooth_layer! {
    /// A layer of learned α-softmaxes (SMorph): filter `f` has a kernel for every channel and sums
    /// the results, see [`alpha_softmax2d`].
    ///
    /// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`;
    /// parameters `kernel` `[kh, kw, channels, filters]`, `alpha` unless it is fixed, and, if asked
    /// for, `bias` `[filters]`.
    ///
    /// ```
    /// use morphograd_morphology::nn::tensor::Window2d;
    /// use morphograd_morphology::{
    ///     AlphaSoftmax2d,
    ///     nn::{Sequential, autodiff::Params},
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::new()
    ///     .add(
    ///         "smorph",
    ///         AlphaSoftmax2d {
    ///             filters: 8,
    ///             window: Window2d::new([5, 5]),
    ///             ..AlphaSoftmax2d::default()
    ///         },
    ///     )
    ///     .build_model(&mut params, 1, [28, 28, 1])?;
    /// assert_eq!((model.output().dims(), params.count()), (&[24, 24, 8][..], 208));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    AlphaSoftmax2d, AlphaSoftmax,
    /// The structuring functions; zero by default.
    kernel: Weight::zeros(),
    /// The sharpness α; by default learned, one for each filter, from 0.
    alpha: Sharpness::PerFilter(Weight::zeros()),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct AlphaSoftmax;

impl Family for AlphaSoftmax {
    const NAME: &'static str = "alpha_softmax2d";
    const SHARPNESS: &'static str = "alpha";
    const MIRRORED: bool = false;

    fn prepare<T: Real>(_: &mut Graph<'_, T>, inputs: [Var; 2]) -> Result<[Var; 2], ShapeError> {
        Ok(inputs)
    }

    #[inline(always)]
    fn candidate<T: Real>(x: T, w: T) -> Candidate<T> {
        Candidate { z: x + w, offset: T::zero(), value: x + w }
    }

    fn empty<T: Real>() -> T {
        T::zero()
    }

    #[inline(always)]
    fn output<T: Real>(_: Candidate<T>, _: T, mean: T, _: T) -> T {
        mean
    }

    #[inline(always)]
    fn derivatives<T: Real>(candidate: Candidate<T>, weight: T, y: T, alpha: T) -> [T; 3] {
        let deviation = candidate.value - y;
        let by_z = weight * (T::one() + alpha * deviation);
        [by_z, by_z, weight * deviation * deviation]
    }
}
