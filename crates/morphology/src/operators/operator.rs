//! What the operators of this crate have in common: an operator is a plain function that records on
//! a graph.
//!
//! The one design choice: there is no list of operators. Whatever has the type [`Operator`] is one,
//! of this crate or another, and [`Morphological2d`](crate::Morphological2d) makes a layer of it.

use morphograd_nn::autodiff::{Graph, Var};
use morphograd_nn::tensor::{Padding, ShapeError};

use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// An operator on images `[batch, height, width, channels]` with a kernel `[kh, kw, channels]`, one
/// structuring function a channel: [`opening2d`](crate::opening2d), for instance, or a closure that
/// captures nothing. The functions of this crate take a window alone, too.
pub type Operator<T> = fn(&mut Graph<'_, T>, Var, Var, Neighbourhood2d) -> Result<Var, ShapeError>;

/// An operator with two structuring functions a channel: [`probing2d`](crate::probing2d), for
/// instance.
pub type PairOperator<T> =
    fn(&mut Graph<'_, T>, Var, [Var; 2], Neighbourhood2d) -> Result<Var, ShapeError>;

/// Refuses a window whose output is not of the image's size: for operators that compare an image
/// with its own transform.
pub(crate) fn keeps_size(
    operation: &'static str,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Neighbourhood2d, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let window = neighbourhood.window;
    if window.strides == [1, 1] && (window.padding != Padding::Valid || window.size == [1, 1]) {
        return Ok(neighbourhood);
    }
    let found = format!("strides {:?} and {:?} padding", window.strides, window.padding);
    Err(ShapeError::new(operation, "strides [1, 1] and same padding", found))
}
