//! Axes in another order.

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use super::walk::{Walk, row_major};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// The axes in another order: axis `k` of the output is axis `order[k]` of the input
/// (`np.transpose`, `torch.permute`). The gradient goes back the same way. Cost: a copy each way,
/// with jumps through memory.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let x = TensorRef::new([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let y = evaluate([x], |graph, [x]| graph.transpose(x, [1, 0]))?;
/// assert_eq!((y.shape().dims(), y.data()), (&[3, 2][..], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..]));
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transpose {
    /// The first `n` are meant.
    order: [usize; MAX_RANK],
    n: usize,
}

impl Transpose {
    /// The order of the axes: each of them once.
    pub fn new(order: impl AsRef<[usize]>) -> Self {
        let (given, mut order) = (order.as_ref(), [0; MAX_RANK]);
        order.iter_mut().zip(given).for_each(|(axis, given)| *axis = *given);
        Self { order, n: given.len() }
    }

    /// A walk over the output, with the positions in the input.
    fn walk(&self, input: Shape, output: Shape) -> Walk<1> {
        let (own, mut strides) = (row_major(input), [0; MAX_RANK]);
        (0..self.n).for_each(|k| strides[k] = own[self.order[k]]);
        Walk::new(output, [strides])
    }
}

impl<T: Real> Op<T> for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (input, order) = (inputs[0], &self.order[..self.n.min(MAX_RANK)]);
        let each_once = (0..input.rank()).all(|axis| order.contains(&axis));
        if self.n != input.rank() || !each_once {
            let expected = format!("each axis of shape {input} once");
            return Err(ShapeError::new("transpose", expected, format!("order {order:?}")));
        }
        let mut dims = [1; MAX_RANK];
        dims.iter_mut().zip(order).for_each(|(n, axis)| *n = input.dims()[*axis]);
        Ok(Shape::new(&dims[..self.n]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let x = pass.inputs[0];
        let walk = self.walk(x.shape, pass.shape);
        walk.map([x.data], pass.output, |y, [x]| *y = x);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let walk = self.walk(pass.inputs[0].shape, pass.output.shape);
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let (n, [stride]) = walk.row();
        walk.rows(|start, [at]| {
            let to = dx[at..].iter_mut().step_by(stride.max(1));
            to.zip(&pass.grad_output[start..start + n]).for_each(|(dx, g)| *dx += *g);
        });
    }
}

impl<T: Real> Graph<'_, T> {
    /// The axes in another order: [`Transpose`].
    ///
    /// # Errors
    /// If `order` does not name each axis once.
    #[track_caller]
    pub fn transpose(&mut self, x: Var, order: impl AsRef<[usize]>) -> Result<Var, ShapeError> {
        self.apply(Transpose::new(order), [x])
    }
}
