//! An operation without parameters as a layer.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Graph, Op, Var};

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// The layer of any operation with one input: $y = f(x)$. Shapes and cost are the operation's.
///
/// ```
/// use morphograd_nn::autodiff::{Exp, Params};
/// use morphograd_nn::{Apply, Dense, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("dense", Dense { units: 2, ..Dense::default() })
///     .add("exp", Apply(Exp))
///     .build_model(&mut params, 0, [3])?;
/// assert_eq!(model.output().dims(), [2]);
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Apply<O>(
    /// The operation.
    pub O,
);

impl<T: Real, O: Op<T> + Clone> Build<T> for Apply<O> {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real, O: Op<T> + Clone> Layer<T> for Apply<O> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        graph.apply(self.0.clone(), [x])
    }
}
