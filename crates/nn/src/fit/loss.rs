//! What outputs cost: any loss, as a value or a function.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Op, Var};

use crate::Activation;
use crate::loss::{
    BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy,
};

/// What outputs cost, given the targets: one of the [losses](crate::loss) of one output and one
/// target, or a function of a graph, the outputs and the targets that returns a scalar. It is the
/// mean over the batch: the loss of an epoch is the mean over the examples.
pub trait Loss<T: Real>: Sync {
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

    /// What makes predictions of outputs: the sigmoid or the softmax of logits, by default nothing.
    fn prediction(&self) -> Activation {
        Activation::Linear
    }
}

impl<T, F> Loss<T> for F
where
    T: Real,
    F: Fn(&mut Graph<'_, T>, &[Var], &[Var]) -> Result<Var, ShapeError> + Sync,
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
    ($($loss:ty => $prediction:ident),* $(,)?) => {$(
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

            fn prediction(&self) -> Activation {
                Activation::$prediction
            }
        }
    )*};
}
losses! {
    BinaryCrossEntropy => Sigmoid,
    Huber => Linear,
    MeanAbsoluteError => Linear,
    MeanSquaredError => Linear,
    SoftmaxCrossEntropy => Softmax,
}

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
