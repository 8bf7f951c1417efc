//! Operators without a tape: what is written for a [`Graph`], applied to plain tensors.
//!
//! The one design choice: there is no second version of any operator for tensors. A computation is
//! recorded on a tape that nobody keeps.

use morphograd_nn::autodiff::{Graph, Mode, Params, Tape, Var};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef};

/// The value of a computation on plain tensors, for those who need no gradient. It makes every
/// operator and every operation of this crate a function of images, also those with several
/// results, which then are tensors too. (What has no gradient, such as
/// [`regional_maxima`](crate::regional_maxima) and
/// [`distance_transform`](crate::distance_transform()), takes tensors as it is.) Cost: that of the
/// computation, and one copy of inputs and output.
///
/// # Errors
/// Those of the computation.
///
/// ```
/// use morphograd_morphology::nn::tensor::{Padding, Tensor, Window2d};
/// use morphograd_morphology::{nn::Layer, *};
///
/// let image = Tensor::<f32>::from_fn([1, 5, 5, 1], |i| (i * i % 7) as f32);
/// let (kernel, number) = (Tensor::zeros([3, 3, 1]), Tensor::filled([1], 2.0));
/// let (x, w, h) = (image.view(), kernel.view(), number.view());
/// let window = Window2d { size: [3, 3], padding: Padding::Same, ..Window2d::default() };
/// let four = Connectivity::Four;
///
/// let opened = evaluate([x, w], |graph, [x, w]| opening2d(graph, x, w, window))?;
/// let probed = evaluate([x, w], |graph, [x, w]| probing2d(graph, x, [w, w], window))?;
/// let sizes = evaluate([x, w], |graph, [x, w]| granulometry2d(graph, x, &[(w, window)]))?;
/// let rebuilt = evaluate([opened.view(), x], |graph, [marker, x]| {
///     reconstruction_by_dilation(graph, marker, x, four)
/// })?;
/// let levelled =
///     evaluate([opened.view(), x], |graph, [marker, x]| leveling(graph, marker, x, four))?;
/// let peaks = evaluate([x, h], |graph, [x, h]| h_convex(graph, x, h, four))?;
/// let large = evaluate([x], |graph, [x]| area_opening(graph, x, 4, four))?;
/// let soft = evaluate([x, w, h], |graph, [x, w, beta]| {
///     smooth_dilation2d(graph, x, w, beta, window)
/// })?;
/// // A layer without parameters.
/// let pooled = evaluate([x], |graph, [x]| MinPool2d::default().forward(graph, x))?;
/// let eroded = evaluate([x, w], |graph, vars| {
///     graph.apply(Depthwise2d::<MinMinus>::new(window), vars)
/// })?; // an `Op`
/// let distances = distance_transform(x, PixelDistance::Euclidean)?;
/// assert_eq!(sizes, [opened]);
/// # Ok::<(), nn::tensor::ShapeError>(())
/// ```
pub fn evaluate<T: Real, V: Values<T>, const N: usize>(
    inputs: [TensorRef<'_, T>; N],
    computation: impl FnOnce(&mut Graph<'_, T>, [Var; N]) -> Result<V, ShapeError>,
) -> Result<V::Tensors, ShapeError> {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Eval);
    let vars = inputs.map(|x| graph.input(x));
    let y = computation(&mut graph, vars)?;
    Ok(y.tensors(&graph))
}

/// What a computation may result in: a variable, or a list of them.
pub trait Values<T> {
    /// The same with tensors.
    type Tensors;

    /// The values on the graph.
    fn tensors(self, graph: &Graph<'_, T>) -> Self::Tensors;
}

impl<T: Real> Values<T> for Var {
    type Tensors = Tensor<T>;

    fn tensors(self, graph: &Graph<'_, T>) -> Tensor<T> {
        graph.value(self).to_tensor()
    }
}

impl<T: Real> Values<T> for Vec<Var> {
    type Tensors = Vec<Tensor<T>>;

    fn tensors(self, graph: &Graph<'_, T>) -> Vec<Tensor<T>> {
        self.into_iter().map(|y| y.tensors(graph)).collect()
    }
}
