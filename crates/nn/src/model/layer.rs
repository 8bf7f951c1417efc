//! What a layer is, once it has its parameters: a computation that is applied to a variable.

use std::any::Any;
use std::fmt::Debug;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Graph, Params, Var};

/// A computation with parameters, ready to be applied.
pub trait Layer<T: Real>: Any + Debug + Send + Sync {
    /// Records the computation on the graph.
    ///
    /// # Errors
    /// If the shape of `x` does not fit.
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError>;

    /// A number $L$ with $\lVert f(x) - f(y) \rVert_\infty \le L \lVert x - y \rVert_\infty$ for
    /// all inputs, when nothing is trained and the parameters are these. `None`, the default, where
    /// no such number is known. It holds for exact numbers; rounding in $f$ comes on top.
    fn lipschitz(&self, _params: &Params<T>) -> Option<f64> {
        None
    }
}

/// Makes one layer of two neighbours, if one computation is cheaper and has the same values,
/// gradients and ties. It is told the shape of the input (without the batch axis). A description
/// brings its rules along ([`Builder::fuse`](crate::Builder::fuse)), and a model asks them once,
/// when it is built.
pub type Fusion<T> = fn(&dyn Layer<T>, &dyn Layer<T>, Shape) -> Option<Box<dyn Layer<T>>>;
