//! What is trained: a computation of outputs from inputs. And what its outputs cost.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Op, Var};

use crate::fit::batch::Vars;
use crate::loss::{
    BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy,
};
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
pub trait Network<T: Real> {
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
    F: Fn(&mut Graph<'_, T>, &[Var]) -> Result<V, ShapeError>,
{
    fn outputs(&self, graph: &mut Graph<'_, T>, inputs: &[Var]) -> Result<Vars, ShapeError> {
        self(graph, inputs).map(Into::into)
    }
}

/// What outputs cost, given the targets: one of the [losses](crate::loss) of one output and one
/// target, or a function of a graph, the outputs and the targets that returns a scalar. It is the
/// mean over the batch: the loss of an epoch is the mean over the examples.
pub trait Loss<T: Real> {
    /// Records the loss on the graph.
    ///
    /// # Errors
    /// If the shapes, or the numbers of outputs or targets, do not fit.
    fn loss(
        &self,
        graph: &mut Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<Var, ShapeError>;
}

impl<T, F> Loss<T> for F
where
    T: Real,
    F: Fn(&mut Graph<'_, T>, &[Var], &[Var]) -> Result<Var, ShapeError>,
{
    fn loss(
        &self,
        graph: &mut Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<Var, ShapeError> {
        self(graph, outputs, targets)
    }
}

macro_rules! losses {
    ($($loss:ty),*) => {$(
        impl<T: Real> Loss<T> for $loss {
            fn loss(
                &self,
                graph: &mut Graph<'_, T>,
                outputs: &[Var],
                targets: &[Var],
            ) -> Result<Var, ShapeError> {
                let pair = one_of_each(Op::<T>::name(self), outputs, targets)?;
                graph.apply(*self, pair)
            }
        }
    )*};
}
losses!(BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy);

/// The only output and the only target.
pub(super) fn one_of_each(
    what: &'static str,
    outputs: &[Var],
    targets: &[Var],
) -> Result<[Var; 2], ShapeError> {
    match (outputs, targets) {
        ([output], [target]) => Ok([*output, *target]),
        _ => {
            let found = format!("{} and {}", outputs.len(), targets.len());
            Err(ShapeError::new(what, "one output and one target", found))
        }
    }
}
