//! The mean of a dilation and an erosion, and Lasry and Lions' regularizations: smooth ones among the operators.
//!
//! The one design choice: a regularization takes its two kernels from outside, so that they can be parabolas of any learned curvature
//! ([`QuadraticKernel`](crate::QuadraticKernel)) or anything else.

use morphograd_nn::autodiff::{Add, Graph, Scale, Var};
use morphograd_nn::tensor::{Real, ShapeError, Window2d};

use crate::{dilation2d, erosion2d};

/// The average $\tfrac12 (\delta_w(x) + \varepsilon_w(x))$ of every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`: the mean of the envelopes above and below, a smoothing that is self-dual for symmetric kernels.
///
/// Any window; border and ties: see [`Depthwise2d`](crate::Depthwise2d); half of an output's gradient goes to the pixel of each extremum. Cost: one
/// dilation, one erosion, a sum. Source: S. Velasco-Forero, R. Pages, J. Angulo, *Learnable empirical mode decomposition based on
/// mathematical morphology*, SIAM J. Imaging Sciences 15 (2022).
///
/// # Errors
/// If the shapes do not fit.
pub fn average2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    window: Window2d,
) -> Result<Var, ShapeError> {
    let dilated = dilation2d(graph, x, kernel, window)?;
    let eroded = erosion2d(graph, x, kernel, window)?;
    let sum = graph.apply(Add, [dilated, eroded])?;
    graph.apply(Scale(0.5), [sum])
}

/// Lasry and Lions' upper regularization $(x^s)_t = \varepsilon_{w_t}(\delta_{w_s}(x))$ of every channel: a dilation by the kernel `flat` ($w_s$),
/// then an erosion by the steeper kernel `steep` ($w_t$), both `[kh, kw, channels]`.
///
/// For parabolas $w_s(d) = -d^2 / 2s$ and $w_t(d) = -d^2 / 2t$ with $0 < t < s$ on an unbounded window the result lies above the image and is
/// differentiable with a Lipschitz derivative; with one kernel twice it is the closing. Both steps have the window's rates, the second its strides. Border and
/// ties of each step: see [`Depthwise2d`](crate::Depthwise2d). Cost: one dilation and one erosion. Source: J.-M. Lasry, P.-L. Lions, *A remark on
/// regularization in Hilbert spaces*, Israel J. Math. 55 (1986).
///
/// # Errors
/// If the shapes do not fit.
pub fn lasry_lions_upper2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [flat, steep]: [Var; 2],
    window: Window2d,
) -> Result<Var, ShapeError> {
    let dilated = dilation2d(graph, x, flat, Window2d { strides: [1, 1], ..window })?;
    erosion2d(graph, dilated, steep, window)
}

/// Lasry and Lions' lower regularization $(x_s)^t = \delta_{w_t}(\varepsilon_{w_s}(x))$: an erosion by the kernel `flat`, then a dilation by
/// the kernel `steep`; below the image. The dual of [`lasry_lions_upper2d`], which has the details.
///
/// # Errors
/// If the shapes do not fit.
pub fn lasry_lions_lower2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [flat, steep]: [Var; 2],
    window: Window2d,
) -> Result<Var, ShapeError> {
    let eroded = erosion2d(graph, x, flat, Window2d { strides: [1, 1], ..window })?;
    dilation2d(graph, eroded, steep, window)
}
