//! What a layer is, once it has its parameters: a computation that is applied to a variable.

use std::any::Any;
use std::fmt::Debug;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, TensorRef};
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

/// The largest sum of magnitudes over all axes but the last: the norm of a linear map that goes
/// with the maximum norm.
pub(crate) fn largest_sum<T: Real>(kernel: TensorRef<'_, T>) -> f64 {
    let columns = kernel.shape.dims().last().copied().unwrap_or(1);
    let mut sums = vec![0.0; columns];
    for row in kernel.data.chunks_exact(columns.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += w.f64().abs());
    }
    sums.into_iter().fold(0.0, |most, sum| if sum.is_nan() { sum } else { f64::max(most, sum) })
}

/// Makes one layer of two neighbours, if one computation is cheaper and has the same values,
/// gradients and ties. It is told the shape of the input (without the batch axis). A description
/// brings its rules along ([`Builder::fuse`](crate::Builder::fuse)), and a model asks them once,
/// when it is built.
pub type Fusion<T> = fn(&dyn Layer<T>, &dyn Layer<T>, Shape) -> Option<Box<dyn Layer<T>>>;
