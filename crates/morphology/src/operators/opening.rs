//! Opening and closing: erosion and dilation by one kernel, one after the other.
//!
//! The one design choice: both steps have the same kernel, the same window and the same border,
//! which makes them adjoint on the borders that allow it, so that their product really is an
//! opening, a closing.

use morphograd_nn::autodiff::{Graph, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// The opening $\gamma_w(x) = \delta_w(\varepsilon_w(x))$ of every channel of `x`
/// `[batch, height, width, channels]` by its own kernel `[kh, kw, channels]`: what is left of an
/// image when everything is removed that the structuring function does not fit under.
///
/// - **Laws** (same padding, stride 1, and a border that keeps them, see
///   [`Border`](crate::Border)): anti-extensive, $\gamma_w(x) \le x$; increasing; idempotent. For a
///   flat kernel they hold exactly, otherwise up to the rounding of $(x - w) + w$.
/// - **Window**: rates are those of both steps, strides those of the second (the openings of a
///   dilation with strides are made with its true adjoint, [`adjoint`](crate::adjoint)). With valid
///   padding the output has `2 (reach - 1)` rows fewer: the pixels of the opening that the border
///   cannot influence.
/// - **Border and ties** in each step as in [`Depthwise2d`](crate::Depthwise2d); the gradient of an
///   output goes through one pixel of the erosion to one pixel of the image, and cancels in the
///   kernel where both steps chose the same entry.
/// - **Cost**: that of one erosion and one dilation.
///
/// Source: G. Matheron, *Random Sets and Integral Geometry* (1975).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
///     opening2d,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x =
///     graph.input(TensorRef::new([1, 1, 8, 1], &[0.0, 9.0, 0.0, 5.0, 6.0, 7.0, 0.0, 0.0]));
/// let flat = graph.input(TensorRef::new([1, 3, 1], &[0.0; 3]));
/// let window = Window2d::new([1, 3]).same();
/// let y = opening2d(&mut graph, x, flat, window)?;
/// assert_eq!(graph.value(y).data, [0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn opening2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let eroded = erosion2d(graph, x, kernel, neighbourhood.dense())?;
    dilation2d(graph, eroded, kernel, neighbourhood)
}

/// The closing $\varphi_w(x) = \varepsilon_w(\delta_w(x))$ of every channel by its own kernel, the
/// dual of [`opening2d`]: extensive, $x \le \varphi_w(x)$, increasing, idempotent. Laws, shapes,
/// window, border, ties and cost are those of the opening, except that with strides it is extensive
/// at the sampled pixels for odd windows only.
///
/// # Errors
/// If the shapes do not fit.
pub fn closing2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let dilated = dilation2d(graph, x, kernel, neighbourhood.dense())?;
    erosion2d(graph, dilated, kernel, neighbourhood)
}
