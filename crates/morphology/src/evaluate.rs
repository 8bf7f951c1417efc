//! Operators without a tape: what is written for a [`Graph`], applied to plain tensors.

use morphograd_nn::autodiff::{Graph, Mode, Params, Tape, Var};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef};

/// The value of a computation on plain tensors, for those who need no gradient. It makes every operator of this crate a function of images.
/// Cost: that of the computation, and one copy of inputs and output.
///
/// # Errors
/// Those of the computation.
///
/// ```
/// use morphograd_morphology::{Connectivity, area_opening, evaluate, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 1, 5, 1], &[0.0, 9.0, 1.0, 5.0, 5.0]);
/// let y = evaluate([x], |graph, [x]| area_opening(graph, x, 2, Connectivity::Eight))?;
/// assert_eq!(y.data(), [0.0, 1.0, 1.0, 5.0, 5.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn evaluate<T: Real, const N: usize>(
    inputs: [TensorRef<'_, T>; N],
    computation: impl FnOnce(&mut Graph<'_, T>, [Var; N]) -> Result<Var, ShapeError>,
) -> Result<Tensor<T>, ShapeError> {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Eval);
    let vars = inputs.map(|x| graph.input(x));
    let y = computation(&mut graph, vars)?;
    Ok(graph.value(y).to_tensor())
}
