//! Dilation: the largest of the pixels under a window, each raised by its entry of the kernel.

use morphograd_nn::autodiff::{Graph, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::depthwise::Depthwise2d;
use crate::dilation::layer::filter_layer;
use crate::neighbourhood::lattice::MaxPlus;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// Dilates every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`:
/// $$\delta_w(x)_{i,j} = \max_d x_{s i + r d - p} + w_d.$$
///
/// The kernel is not mirrored (as in TensorFlow). Border, ties and cost: see [`Depthwise2d`]. With
/// the erosion of the same kernel it forms an adjunction (at stride 1): $\delta_w(x) \le y \iff x
/// \le \varepsilon_w(y)$. Source: J. Serra, *Image Analysis and Mathematical Morphology*, vol. 2
/// (1988).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     dilation2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 4, 1], &[0.0, 5.0, 0.0, 0.0]));
/// let w = graph.input(TensorRef::new([1, 3, 1], &[-1.0, 0.0, -2.0]));
/// let window = Window2d::new([1, 3]).same();
/// let y = dilation2d(&mut graph, x, w, window)?;
/// assert_eq!(graph.value(y).data, [3.0, 5.0, 4.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    graph.apply(Depthwise2d::<MaxPlus>::new(neighbourhood), [x, kernel])
}

filter_layer! {
    /// A layer of learned dilations: filter `f` dilates every channel by its own kernel and sums
    /// the results, $y_f = a\big(\sum_c \delta_{w_{c,f}}(x_c) + b_f\big)$ (`Dilation2D` of
    /// morpholayers).
    ///
    /// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`;
    /// parameters `kernel` `[kh, kw, channels, filters]` and, if asked for, `bias` `[filters]`.
    /// Cost: see [`FilterBank2d`](crate::FilterBank2d); in a model, a max-pooling behind a dilation
    /// of one channel by at least 4 filters makes it cheaper: they are one dilation by a kernel
    /// that is one entry larger, with strides.
    ///
    /// ```
    /// use morphograd_morphology::Neighbourhood2d;
    /// use morphograd_morphology::{
    ///     Dilation2d,
    ///     nn::{Sequential, autodiff::Params},
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::new()
    ///     .add(
    ///         "dilation",
    ///         Dilation2d {
    ///             filters: 8,
    ///             neighbourhood: Neighbourhood2d::new([5, 5]),
    ///             ..Dilation2d::default()
    ///         },
    ///     )
    ///     .build_model(&mut params, 1, [28, 28, 1])?;
    /// assert_eq!((model.output().dims(), params.count()), (&[24, 24, 8][..], 200));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    Dilation2d, MaxPlus, |neighbourhood| neighbourhood
}
