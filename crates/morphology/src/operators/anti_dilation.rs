//! Anti-dilation and anti-erosion: the operators that turn the order around.
//!
//! The one design choice: the image is negated first and the result is not negated back, so that
//! $\delta_w(-x) = -\varepsilon_{\check w}(x)$ turns maxima into minima.

use morphograd_nn::autodiff::{Graph, Scale, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// The anti-dilation $\delta_w(-x)$ of every channel of `x` `[batch, height, width, channels]` by
/// its own kernel `[kh, kw, channels]`: decreasing, and a supremum becomes an infimum.
///
/// Any window; border, ties and cost: see [`dilation2d`]. Source: J. Serra, *Image Analysis and
/// Mathematical Morphology*, vol. 2 (1988), on anti-dilations; they and their sums represent
/// operators that are not increasing.
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{anti_dilation2d, anti_erosion2d, evaluate};
/// let window = Window2d::new([1, 3]).same();
/// let (x, flat) =
///     (TensorRef::new([1, 1, 3, 1], &[1.0, 2.0, 3.0]), TensorRef::new([1, 3, 1], &[0.0; 3]));
/// let found = evaluate([x, flat], |graph, [x, w]| {
///     Ok(vec![anti_dilation2d(graph, x, w, window)?, anti_erosion2d(graph, x, w, window)?])
/// })?;
/// assert_eq!(found[0].data(), [-1.0, -1.0, -2.0]);
/// assert_eq!(found[1].data(), [-2.0, -3.0, -3.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn anti_dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let negated = graph.apply(Scale(-1.0), [x])?;
    dilation2d(graph, negated, kernel, neighbourhood)
}

/// The anti-erosion $\varepsilon_w(-x)$: decreasing, and an infimum becomes a supremum. As
/// [`anti_dilation2d`], with [`erosion2d`].
///
/// # Errors
/// If the shapes do not fit.
pub fn anti_erosion2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let negated = graph.apply(Scale(-1.0), [x])?;
    erosion2d(graph, negated, kernel, neighbourhood)
}
