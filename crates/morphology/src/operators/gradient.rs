//! Morphological gradients and Laplacian: differences between an image, its dilation and its
//! erosion.
//!
//! The one design choice: the difference is taken as it stands and never clipped, so a kernel whose
//! centre is not 0 can make it negative.

use morphograd_nn::autodiff::{Add, Graph, Scale, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::keeps_size;

/// Beucher's gradient $\delta_w(x) - \varepsilon_w(x)$ of every channel of `x`
/// `[batch, height, width, channels]` by its own kernel `[kh, kw, channels]`: how much an image
/// varies under the window.
///
/// Any window. Not negative if it is odd and $w \ge 0$ at the centre. Border and ties: see
/// [`Depthwise2d`](crate::Depthwise2d); an output's gradient goes to the pixel of the maximum and,
/// negated, to that of the minimum, and to the kernel's entries of both. Cost: one dilation, one
/// erosion, one difference. Source: J.-F. Rivest, P. Soille, S. Beucher, *Morphological gradients*,
/// J. Electronic Imaging 2 (1993).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{
///     evaluate, external_gradient2d, gradient2d, internal_gradient2d, laplacian2d,
/// };
/// let window = Window2d::new([1, 3]).same();
/// let step = TensorRef::new([1, 1, 6, 1], &[0.0, 0.0, 0.0, 4.0, 4.0, 4.0]);
/// let flat = TensorRef::new([1, 3, 1], &[0.0; 3]);
/// let found = evaluate([step, flat], |graph, [x, w]| {
///     let inner = internal_gradient2d(graph, x, w, window)?;
///     let outer = external_gradient2d(graph, x, w, window)?;
///     Ok(vec![
///         gradient2d(graph, x, w, window)?,
///         inner,
///         outer,
///         laplacian2d(graph, x, w, window)?,
///     ])
/// })?;
/// assert_eq!(found[0].data(), [0.0, 0.0, 4.0, 4.0, 0.0, 0.0]);
/// assert_eq!(found[1].data(), [0.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
/// assert_eq!(found[2].data(), [0.0, 0.0, 4.0, 0.0, 0.0, 0.0]);
/// assert_eq!(found[3].data(), [0.0, 0.0, 4.0, -4.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn gradient2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
    let eroded = erosion2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [dilated, eroded])
}

/// The internal gradient $x - \varepsilon_w(x)$: bright at the inner side of edges. Shapes, border,
/// ties and source as for [`gradient2d`]; cost: one erosion and one difference.
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
pub fn internal_gradient2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("internal gradient", neighbourhood)?;
    let eroded = erosion2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [x, eroded])
}

/// The external gradient $\delta_w(x) - x$: bright at the outer side of edges. Shapes, border, ties
/// and source as for [`gradient2d`]; cost: one dilation and one difference.
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
pub fn external_gradient2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("external gradient", neighbourhood)?;
    let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [dilated, x])
}

/// The morphological Laplacian $\delta_w(x) + \varepsilon_w(x) - 2x$, the external gradient minus
/// the internal one: positive in valleys, negative on ridges, and of opposite sign on the two sides
/// of an edge. Shapes, border and ties as for [`gradient2d`].
///
/// Source: L. J. van Vliet, I. T. Young, G. L. Beckers, *A nonlinear Laplace operator as edge
/// detector in noisy images*, CVGIP 45 (1989).
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
pub fn laplacian2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("laplacian", neighbourhood)?;
    let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
    let eroded = erosion2d(graph, x, kernel, neighbourhood)?;
    let sum = graph.apply(Add, [dilated, eroded])?;
    let twice = graph.apply(Scale(2.0), [x])?;
    graph.apply(Sub, [sum, twice])
}
