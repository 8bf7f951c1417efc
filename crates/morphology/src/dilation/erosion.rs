//! Erosion: the smallest of the pixels under a window, each lowered by its entry of the mirrored
//! kernel.

use morphograd_nn::autodiff::{Graph, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::depthwise::Depthwise2d;
use crate::dilation::layer::filter_layer;
use crate::neighbourhood::lattice::MinMinus;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// Erodes every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`:
/// $$\varepsilon_w(x)_{i,j} = \min_d x_{s i + r d - p} - w_{k-1-d}.$$
///
/// The kernel is mirrored (as in TensorFlow) and so is the window, which makes the erosion at
/// stride 1 the adjoint of the [`dilation2d`](crate::dilation2d) by the same kernel and window,
/// also where their size is even (where TensorFlow's is not; its erosion is [`Depthwise2d`] with
/// the window as it stands). Border, ties and cost: see [`Depthwise2d`]. Source: J. Serra, *Image
/// Analysis and Mathematical Morphology*, vol. 2 (1988).
///
/// **Strides**: with same padding the first window begins where TensorFlow begins it, which depends
/// on the stride, and with a stride the window is not mirrored. So the erosion at stride 2 by a
/// kernel of even size is not the erosion at stride 1 at every second pixel. By a kernel of odd
/// size it is, on images of odd size. With valid padding it always is. The adjoint of a dilation
/// with strides is [`adjoint_erosion2d`](crate::adjoint_erosion2d).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     erosion2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 4, 1], &[5.0, 0.0, 5.0, 5.0]));
/// let w = graph.input(TensorRef::new([1, 3, 1], &[-1.0, 0.0, -2.0]));
/// let window = Window2d::new([1, 3]).same();
/// let y = erosion2d(&mut graph, x, w, window)?;
/// assert_eq!(graph.value(y).data, [1.0, 0.0, 2.0, 5.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn erosion2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    graph.apply(Depthwise2d::<MinMinus>::new(neighbourhood.into().adjoint()), [x, kernel])
}

filter_layer! {
    /// A layer of learned erosions: filter `f` erodes every channel by its own kernel and sums the
    /// results, $y_f = a\big(\sum_c \varepsilon_{w_{c,f}}(x_c) + b_f\big)$. It is `Erosion2D` of
    /// morpholayers but for kernels of even size with same padding at stride 1: here the window is
    /// mirrored with the kernel, as in [`erosion2d`], which also says what strides do.
    ///
    /// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`;
    /// parameters `kernel` `[kh, kw, channels, filters]` and, if asked for, `bias` `[filters]`.
    /// Cost: see [`FilterBank2d`](crate::FilterBank2d).
    ///
    /// ```
    /// use morphograd_morphology::Neighbourhood2d;
    /// use morphograd_morphology::{
    ///     Erosion2d,
    ///     nn::{Sequential, autodiff::Params},
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::new()
    ///     .add(
    ///         "erosion",
    ///         Erosion2d {
    ///             filters: 8,
    ///             neighbourhood: Neighbourhood2d::new([5, 5]),
    ///             ..Erosion2d::default()
    ///         },
    ///     )
    ///     .build_model(&mut params, 1, [28, 28, 1])?;
    /// assert_eq!((model.output().dims(), params.count()), (&[24, 24, 8][..], 200));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    Erosion2d, MinMinus, |neighbourhood| neighbourhood.adjoint()
}
