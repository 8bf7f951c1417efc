//! Tensors of one shape as the entries of a new axis.

use std::ops::RangeInclusive;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use super::blocks::{add, for_each_block, sizes};
use crate::op::{Backward, Forward, MAX_INPUTS, Op};
use crate::{Graph, Var};

/// $y_{o, k, i} = x^{(k)}_{o, i}$: inputs (1 to [`MAX_INPUTS`]) of one shape, `[a, …, z]`, become
/// the entries of a new axis that stands in front of the input's axis `axis` (`np.stack`). The
/// gradient of each is its part of the output's. Cost: a copy each way. [`Select`](crate::Select)
/// takes them apart.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let a = TensorRef::new([2, 2], &[1.0, 2.0, 3.0, 4.0]);
/// let b = TensorRef::new([2, 2], &[5.0, 6.0, 7.0, 8.0]);
/// let y = evaluate([a, b], |graph, inputs| graph.stack(inputs, 1))?;
/// assert_eq!(y.shape().dims(), [2, 2, 2]);
/// assert_eq!(y.data(), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Position of the new axis.
    pub axis: usize,
}

impl<T: Real> Op<T> for Stack {
    fn name(&self) -> &'static str {
        "stack"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=MAX_INPUTS
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let first = inputs[0];
        if self.axis > first.rank() || first.rank() == MAX_RANK {
            let expected =
                format!("inputs of at least {} and less than {MAX_RANK} axes", self.axis);
            return Err(ShapeError::new("stack", expected, format!("shape {first}")));
        }
        if let Some(other) = inputs.iter().find(|shape| **shape != first) {
            let expected = format!("inputs of one shape, {first}");
            return Err(ShapeError::new("stack", expected, format!("shape {other}")));
        }
        let mut dims = [inputs.len(); MAX_RANK];
        dims[..self.axis].copy_from_slice(&first.dims()[..self.axis]);
        dims[self.axis + 1..=first.rank()].copy_from_slice(&first.dims()[self.axis..]);
        Ok(Shape::new(&dims[..=first.rank()]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [_, n, inner] = sizes(pass.shape, self.axis);
        for_each_block(pass.output, n * inner, |o, y| {
            for (y, x) in y.chunks_exact_mut(inner).zip(pass.inputs) {
                y.copy_from_slice(&x.data[o * inner..][..inner]);
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [_, n, inner] = sizes(pass.output.shape, self.axis);
        for (k, dx) in pass.grad_inputs.into_iter().enumerate() {
            if let Some(dx) = dx {
                for_each_block(dx, inner, |o, dx| {
                    add(dx, &pass.grad_output[(o * n + k) * inner..][..inner]);
                });
            }
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// Tensors of one shape as the entries of a new axis: [`Stack`].
    ///
    /// # Errors
    /// If there is none or there are more than [`MAX_INPUTS`], their shapes differ, or there is no
    /// room for another axis.
    #[track_caller]
    pub fn stack(&mut self, inputs: impl AsRef<[Var]>, axis: usize) -> Result<Var, ShapeError> {
        self.apply(Stack { axis }, inputs)
    }
}
