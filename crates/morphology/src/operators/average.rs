//! The mean of the envelopes above and below an image, and what it leaves: the steps of an
//! empirical mode decomposition.
//!
//! The one design choice: the envelopes are one dilation and one erosion by the same kernel, so
//! that there is one thing to learn.

use morphograd_nn::autodiff::{Add, Graph, Scale, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::keeps_size;

/// The average $\tfrac12 (\delta_w(x) + \varepsilon_w(x))$ of every channel of `x`
/// `[batch, height, width, channels]` by its own kernel `[kh, kw, channels]`: the mean of the
/// envelopes above and below, a smoothing that is self-dual for symmetric kernels.
///
/// Any window; border and ties: see [`Depthwise2d`](crate::Depthwise2d); half of an output's
/// gradient goes to the pixel of each extremum. Cost: one dilation, one erosion, a sum. Source: S.
/// Velasco-Forero, R. Pages, J. Angulo, *Learnable empirical mode decomposition based on
/// mathematical morphology*, SIAM J. Imaging Sciences 15 (2022).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{average2d, evaluate, sift2d};
/// let window = Window2d::new([1, 3]).same();
/// let (x, flat) = (
///     TensorRef::new([1, 1, 4, 1], &[0.0, 0.0, 4.0, 4.0]),
///     TensorRef::new([1, 3, 1], &[0.0; 3]),
/// );
/// let found = evaluate([x, flat], |graph, [x, w]| {
///     Ok(vec![average2d(graph, x, w, window)?, sift2d(graph, x, w, window)?])
/// })?;
/// assert_eq!(found[0].data(), [0.0, 2.0, 2.0, 4.0]);
/// assert_eq!(found[1].data(), [0.0, -2.0, 2.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn average2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
    let eroded = erosion2d(graph, x, kernel, neighbourhood)?;
    let sum = graph.apply(Add, [dilated, eroded])?;
    graph.apply(Scale(0.5), [sum])
}

/// What the average leaves: $x - \tfrac12 (\delta_w(x) + \varepsilon_w(x))$, one sifting step of an
/// empirical mode decomposition, with the mean of the envelopes taken away. Shapes, ties, cost and
/// source as for [`average2d`].
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
pub fn sift2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("sift", neighbourhood)?;
    let mean = average2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [x, mean])
}
