//! One of two tensors, element by element, as a mask says.

use std::ops::RangeInclusive;

use morphograd_tensor::{Real, Shape, ShapeError};

use super::walk::{Walk, broadcast, broadcast_grad};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y = a$ where the mask is not 0, else $b$. Inputs: the mask, a and b, broadcast to one shape
/// (`np.where`).
///
/// A NaN in the mask is not 0. The gradient goes to the element that was taken and nowhere else,
/// whatever stands in the other one, NaN included; the mask gets none. Cost: one comparison an
/// element, each way.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let mask = TensorRef::new([2, 1], &[1.0, 0.0]);
/// let (a, b) = (TensorRef::new([2], &[1.0, 2.0]), TensorRef::new([], &[-1.0]));
/// let y = evaluate([mask, a, b], |graph, [mask, a, b]| graph.where_(mask, a, b))?;
/// assert_eq!(y.data(), [1.0, 2.0, -1.0, -1.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Where;

impl<T: Real> Op<T> for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        broadcast("where", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [mask, a, b] = [0, 1, 2].map(|k| pass.inputs[k]);
        let walk = Walk::broadcast(pass.shape, [mask.shape, a.shape, b.shape]);
        walk.map([mask.data, a.data, b.data], pass.output, |y, [mask, a, b]| {
            *y = if mask == T::zero() { b } else { a };
        });
    }

    fn backward(&self, mut pass: Backward<'_, T>) {
        for (which, where_zero) in [(1, false), (2, true)] {
            broadcast_grad(&mut pass, which, |g, [mask, _, _]| {
                if (mask == T::zero()) == where_zero { g } else { T::zero() }
            });
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// a where the mask is not 0, else b: [`Where`].
    ///
    /// # Errors
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn where_(&mut self, mask: Var, a: Var, b: Var) -> Result<Var, ShapeError> {
        self.apply(Where, [mask, a, b])
    }
}
