//! What is trained: a computation of outputs from inputs.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::batch::Vars;
use crate::model::{Layer, Model};

/// A computation of outputs from inputs: a [`Model`], or a function of a graph and the inputs that
/// returns a variable or an array of them.
///
/// ```
/// use morphograd_nn::autodiff::{Add, Graph, Var};
/// use morphograd_nn::fit::{Network, predict};
/// use morphograd_nn::{Builder, Dense, Layer, Sequential, autodiff::Params, tensor::Tensor};
///
/// let mut params = Params::<f32>::new();
/// let mut builder = Builder::new(&mut params, 0);
/// let dense = || Sequential::new().add("dense", Dense { units: 3, ..Dense::default() });
/// let left = dense().build_model_in(&mut builder.scope("left"), [2])?;
/// let right = dense().build_model_in(&mut builder.scope("right"), [5])?;
/// // A model of two inputs.
/// let both = |graph: &mut Graph<'_, f32>, inputs: &[Var]| {
///     let (left, right) = (left.forward(graph, inputs[0])?, right.forward(graph, inputs[1])?);
///     graph.apply(Add, [left, right])
/// };
/// let data = [Tensor::zeros([10, 2]), Tensor::zeros([10, 5])];
/// assert_eq!(predict(&both, &data, 4, &params)?.shape().dims(), [10, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Network<T: Real>: Sync {
    /// Records the computation on the graph.
    ///
    /// # Errors
    /// If the shapes or the number of inputs do not fit.
    fn outputs(&self, graph: &mut Graph<'_, T>, inputs: &[Var]) -> Result<Vars, ShapeError>;
}

impl<T: Real> Network<T> for Model<T> {
    fn outputs(&self, graph: &mut Graph<'_, T>, inputs: &[Var]) -> Result<Vars, ShapeError> {
        let [x] = inputs else {
            return Err(ShapeError::new("model", "one input", inputs.len().to_string()));
        };
        Ok(self.forward(graph, *x)?.into())
    }
}

impl<T, V, F> Network<T> for F
where
    T: Real,
    V: Into<Vars>,
    F: Fn(&mut Graph<'_, T>, &[Var]) -> Result<V, ShapeError> + Sync,
{
    fn outputs(&self, graph: &mut Graph<'_, T>, inputs: &[Var]) -> Result<Vars, ShapeError> {
        self(graph, inputs).map(Into::into)
    }
}
