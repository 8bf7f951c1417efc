//! Smooth dilations and erosions: the maximum of a dilation replaced by the logarithm of a sum of
//! exponentials, which is within a known distance of it and differentiable everywhere.
//!
//! The one design choice: the sharpness β is an input of the operation like the image, so one
//! operation serves a constant β, a learned one, and one that a schedule raises while training
//! ([`anneal`](morphograd_nn::optim::anneal)).

use morphograd_nn::Weight;
use morphograd_nn::autodiff::{Graph, Op, Var};
use morphograd_nn::initializer::Constant;
use morphograd_nn::sets::Interval;
use morphograd_nn::tensor::{Real, ShapeError, Window2d};

use crate::smooth::layer::{Sharpness, smooth_layer};
use crate::smooth::window_fold::{Candidate, Family, Smooth2d};

/// The smooth dilation of every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`, or, with a kernel `[kh, kw, channels, filters]`, the sums of the channels'
/// smooth dilations for every filter:
/// $$\delta^β_w(x)_{i,j} = \frac1β \log \sum_d e^{β (x_{s i + r d - p} + w_d)}.$$
///
/// - **Certificate**: $\delta_w(x) \le \delta^β_w(x) \le \delta_w(x) + \log(n)/β$ where $n$ taps
///   lie in the image, see [`log_sum_exp_gap`]. It decreases to the dilation as $β \to \infty$.
/// - **Sharpness**: `beta` is one number or one for each output channel, above 0.
/// - **Border**: taps outside the image are skipped, as are entries of $-\infty$; a window without
///   any gives $-\infty$. For another border pad first, by [`Pad2d`](crate::Pad2d).
/// - **Gradient**: a candidate's weight in the sum (they add up to 1) to its pixel and its entry,
///   so there are no ties to break; to β the weighted mean of $(x_d + w_d - y) / β$.
/// - **Numbers**: exponents are differences from the largest, so nothing overflows. NaN in a window
///   gives NaN.
/// - **Cost**: one exponential for each output, tap and channel, and one more in the backward pass.
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
///     smooth_dilation2d,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 4, 1], &[1.0, 1.0, 5.0, 0.0]));
/// let w = graph.input(TensorRef::new([1, 2, 1], &[0.0, 0.0]));
/// let beta = graph.input(TensorRef::new([], &[10.0]));
/// let y = smooth_dilation2d(
///     &mut graph,
///     x,
///     w,
///     beta,
///     Window2d::new([1, 2]),
/// )?;
/// // A tie, and two maxima that are far above the rest.
/// assert_eq!(graph.value(y).data, [1.0 + 2f32.ln() / 10.0, 5.0, 5.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn smooth_dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    beta: Var,
    window: Window2d,
) -> Result<Var, ShapeError> {
    Smooth2d::<LogSumExp<false>>::apply(graph, [x, kernel, beta], window)
}

/// The smooth erosion, the dual of [`smooth_dilation2d`] by the mirrored kernel:
/// $$\varepsilon^β_w(x)_{i,j} = -\frac1β \log \sum_d e^{-β (x_{s i + r d - p} - w_{k-1-d})}.$$
///
/// $\varepsilon_w(x) - \log(n)/β \le \varepsilon^β_w(x) \le \varepsilon_w(x)$ for the erosion
/// [`erosion2d`](crate::erosion2d), whose window is mirrored with the kernel; a window without a
/// pixel gives $+\infty$. All else as there.
///
/// # Errors
/// If the shapes do not fit.
pub fn smooth_erosion2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    beta: Var,
    window: Window2d,
) -> Result<Var, ShapeError> {
    Smooth2d::<LogSumExp<true>>::apply(graph, [x, kernel, beta], window)
}

/// The operation of [`smooth_dilation2d`], for those who drive it without a graph. Inputs: images,
/// a kernel, and the sharpness.
pub fn smooth_dilation_op<T: Real>(window: Window2d) -> impl Op<T> {
    Smooth2d::<LogSumExp<false>>::on(window)
}

/// The operation of [`smooth_erosion2d`]. Inputs: images, a kernel, and the sharpness.
pub fn smooth_erosion_op<T: Real>(window: Window2d) -> impl Op<T> {
    Smooth2d::<LogSumExp<true>>::on(window)
}

/// $\log(n)/β$: how far, at most, the smooth maximum of `n` numbers is above the maximum. For a
/// layer that sums channels, the sum of this for each of them.
pub fn log_sum_exp_gap(n: usize, beta: f64) -> f64 {
    (n as f64).ln() / beta
}

smooth_layer! {
    /// A layer of smooth dilations: filter `f` dilates every channel by its own kernel and sums the
    /// results, $y_f = a\big(\sum_c \delta^β_{w_{c,f}}(x_c) + b_f\big)$, see [`smooth_dilation2d`].
    ///
    /// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`;
    /// parameters `kernel` `[kh, kw, channels, filters]`, `beta` unless it is fixed, and, if asked
    /// for, `bias` `[filters]`.
    SmoothDilation2d, LogSumExp<false>,
    /// The structuring functions; zero by default.
    kernel: Weight::zeros(),
    /// The sharpness β, above 0; by default learned, shared by the filters, from 8 and at least
    /// 0.001.
    beta: learned(),
}

smooth_layer! {
    /// A layer of smooth erosions, $y_f = a\big(\sum_c \varepsilon^β_{w_{c,f}}(x_c) + b_f\big)$,
    /// see [`smooth_erosion2d`]; otherwise as [`SmoothDilation2d`].
    SmoothErosion2d, LogSumExp<true>,
    /// The structuring functions; zero by default.
    kernel: Weight::zeros(),
    /// The sharpness β, above 0; by default learned, shared by the filters, from 8 and at least
    /// 0.001.
    beta: learned(),
}

/// The sharpness of a layer by default.
fn learned<T: Real>() -> Sharpness<T> {
    let positive = Interval { min: 1e-3, max: f64::INFINITY };
    Sharpness::Shared(Weight::new(Constant(8.0)).constrained(positive))
}

/// The family of both; an erosion is computed as $-\delta^β$ of $-x$ with the mirrored kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSumExp<const EROSION: bool>;

impl<const EROSION: bool> Family for LogSumExp<EROSION> {
    const NAME: &'static str = if EROSION { "smooth_erosion2d" } else { "smooth_dilation2d" };
    const SHARPNESS: &'static str = "beta";
    const POSITIVE: bool = true;
    const MIRRORED: bool = EROSION;

    fn prepare<T: Real>(_: &mut Graph<'_, T>, inputs: [Var; 2]) -> Result<[Var; 2], ShapeError> {
        Ok(inputs)
    }

    #[inline(always)]
    fn candidate<T: Real>(x: T, w: T) -> Candidate<T> {
        let z = if EROSION { w - x } else { x + w };
        Candidate { z, offset: T::zero(), value: if EROSION { -z } else { z } }
    }

    fn empty<T: Real>() -> T {
        if EROSION { T::infinity() } else { T::neg_infinity() }
    }

    #[inline(always)]
    fn output<T: Real>(best: Candidate<T>, log_sum: T, _: T, beta: T) -> T {
        let y = best.z + log_sum / beta;
        if EROSION { -y } else { y }
    }

    #[inline(always)]
    fn derivatives<T: Real>(candidate: Candidate<T>, weight: T, y: T, beta: T) -> [T; 3] {
        let by_w = if EROSION { -weight } else { weight };
        [weight, by_w, weight * (candidate.value - y) / beta]
    }
}
