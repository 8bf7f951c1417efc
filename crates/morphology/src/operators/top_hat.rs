//! Top-hats: what an opening takes away, what a closing adds.
//!
//! The one design choice: a difference of rounded numbers stays as it is. For a kernel that is not
//! flat a top-hat can therefore lie a few units in the last place below 0; for a flat one it never
//! does.

use morphograd_nn::autodiff::{Graph, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::opening::{closing2d, opening2d};
use crate::operators::operator::keeps_size;

/// The white top-hat $x - \gamma_w(x)$ of every channel of `x` `[batch, height, width, channels]`
/// by its own kernel `[kh, kw, channels]`: the bright details into which the structuring function
/// does not fit.
///
/// Not negative where the opening is anti-extensive. Border, ties and the gradient of the opening:
/// see [`opening2d`]. Cost: one opening and one difference. Source: F. Meyer, *Iterative image
/// transformations for an automatic screening of cervical smears*, J. Histochem. Cytochem. 27
/// (1979).
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{black_top_hat2d, evaluate, white_top_hat2d};
/// let window = Window2d::new([1, 3]).same();
/// // A spike on the ground and a notch in the wall.
/// let x = TensorRef::new(
///     [1, 1, 14, 1],
///     &[0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 1.0, 5.0, 5.0, 5.0],
/// );
/// let flat = TensorRef::new([1, 3, 1], &[0.0; 3]);
/// let found = evaluate([x, flat], |graph, [x, w]| {
///     Ok(vec![white_top_hat2d(graph, x, w, window)?, black_top_hat2d(graph, x, w, window)?])
/// })?;
/// assert_eq!(found[0].data()[..7], [0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
/// assert_eq!(found[1].data()[7..], [0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn white_top_hat2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("white top-hat", neighbourhood)?;
    let opened = opening2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [x, opened])
}

/// The black top-hat $\varphi_w(x) - x$: the dark details, as [`white_top_hat2d`] for the closing.
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
pub fn black_top_hat2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("black top-hat", neighbourhood)?;
    let closed = closing2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [closed, x])
}
