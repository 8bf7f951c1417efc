//! Computations without a tape: what is written for a [`Graph`], applied to plain tensors.
//!
//! The one design choice: there is no second version of any operation for tensors. A computation is
//! recorded on a tape that nobody keeps.

use morphograd_tensor::{Real, ShapeError, Tensor, TensorRef};

use crate::{Graph, Mode, Params, Tape, Var};

/// The value of a computation on plain tensors, for those who need no gradient. It makes every
/// operation a function of tensors, also those with several results, which then are tensors too.
/// Cost: that of the computation. Inputs are lent to it and its output is handed out, so nothing is
/// copied.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let x = TensorRef::new([2], &[3.0, 4.0]);
/// let energy = evaluate([x], |graph, [x]| {
///     let squares = graph.mul(x, x)?;
///     graph.sum(squares)
/// })?;
/// assert_eq!(energy.data(), [25.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
///
/// # Errors
/// Those of the computation.
pub fn evaluate<T: Real, V: Values<T>, const N: usize>(
    inputs: [TensorRef<'_, T>; N],
    computation: impl FnOnce(&mut Graph<'_, T>, [Var; N]) -> Result<V, ShapeError>,
) -> Result<V::Tensors, ShapeError> {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Eval);
    let vars = inputs.map(|x| graph.lend(x));
    let y = computation(&mut graph, vars)?;
    Ok(y.tensors(&mut graph))
}

/// The value y of a computation on plain tensors, and the gradient of $\sum_i g_i y_i$ with respect
/// to each of them, where `grad_output` is g: the vector-Jacobian product. An input that y does not
/// depend on has gradient 0. Cost: that of the computation and its backward pass, and one copy of
/// the gradients.
///
/// ```
/// use morphograd_autodiff::{evaluate_with_gradients, tensor::TensorRef};
/// let (a, b) = (TensorRef::new([2], &[3.0, 4.0]), TensorRef::new([2], &[1.0, 10.0]));
/// let (y, [da, db]) =
///     evaluate_with_gradients([a, b], &[1.0, 2.0], |graph, [a, b]| graph.mul(a, b))?;
/// assert_eq!(y.data(), [3.0, 40.0]);
/// assert_eq!((da.data(), db.data()), (&[1.0, 20.0][..], &[3.0, 8.0][..]));
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
///
/// # Errors
/// Those of the computation, and if `grad_output` has not as many elements as y.
pub fn evaluate_with_gradients<T: Real, const N: usize>(
    inputs: [TensorRef<'_, T>; N],
    grad_output: &[T],
    computation: impl FnOnce(&mut Graph<'_, T>, [Var; N]) -> Result<Var, ShapeError>,
) -> Result<(Tensor<T>, [Tensor<T>; N]), ShapeError> {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let vars = inputs.map(|x| graph.lend_variable(x, true));
    let y = computation(&mut graph, vars)?;
    if graph.shape(y).len() != grad_output.len() {
        return Err(ShapeError::new(
            "evaluate_with_gradients",
            format!("a gradient of {} elements, as the output has", graph.shape(y).len()),
            grad_output.len().to_string(),
        ));
    }
    graph.backward_with(y, grad_output);
    let gradient = |var| match graph.grad(var) {
        Some(gradient) => TensorRef::new(graph.shape(var), gradient).to_tensor(),
        None => Tensor::zeros(graph.shape(var)),
    };
    let gradients = vars.map(gradient);
    Ok((graph.take_value(y), gradients))
}

/// What a computation may result in: a variable, or a list of them.
pub trait Values<T> {
    /// The same with tensors.
    type Tensors;

    /// The values of the graph, moved out of it: it is of no use afterwards.
    fn tensors(self, graph: &mut Graph<'_, T>) -> Self::Tensors;
}

impl<T: Real> Values<T> for Var {
    type Tensors = Tensor<T>;

    fn tensors(self, graph: &mut Graph<'_, T>) -> Tensor<T> {
        graph.take_value(self)
    }
}

impl<T: Real> Values<T> for Vec<Var> {
    type Tensors = Vec<Tensor<T>>;

    fn tensors(self, graph: &mut Graph<'_, T>) -> Vec<Tensor<T>> {
        let mut tensors: Vec<Tensor<T>> = Vec::with_capacity(self.len());
        for (k, y) in self.iter().enumerate() {
            // What is named twice was moved out already.
            let earlier = self[..k].iter().position(|other| other == y);
            tensors.push(match earlier {
                Some(k) => tensors[k].clone(),
                None => graph.take_value(*y),
            });
        }
        tensors
    }
}

impl<T: Real, const N: usize> Values<T> for [Var; N] {
    type Tensors = [Tensor<T>; N];

    fn tensors(self, graph: &mut Graph<'_, T>) -> [Tensor<T>; N] {
        let tensors = self.to_vec().tensors(graph);
        tensors.try_into().expect("as many tensors as variables")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_may_be_an_input_or_be_named_twice() {
        let x = TensorRef::new([2], &[3.0, 4.0]);
        let [a, b, c] = evaluate([x], |graph, [x]| {
            let y = graph.mul(x, x)?;
            Ok([y, x, y])
        })
        .unwrap();
        assert_eq!((a.data(), b.data(), c.data()), (&[9.0, 16.0][..], x.data, &[9.0, 16.0][..]));
    }
}
