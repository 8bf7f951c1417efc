//! Tensors one behind the other along an axis.

use std::ops::RangeInclusive;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use super::blocks::{add, for_each_block, sizes};
use crate::op::{Backward, Forward, MAX_INPUTS, Op};
use crate::{Graph, Var};

/// The inputs (1 to [`MAX_INPUTS`]) one behind the other along an axis: `[…, m, …]` and
/// `[…, n, …]` → `[…, m + n, …]` (`np.concat`). The other axes have to agree. The gradient is cut
/// at the same places. Cost: a copy each way.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let a = TensorRef::new([2, 1], &[1.0, 2.0]);
/// let b = TensorRef::new([2, 2], &[3.0, 4.0, 5.0, 6.0]);
/// let y = evaluate([a, b], |graph, inputs| graph.concat(inputs, 1))?;
/// assert_eq!(y.data(), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl<T: Real> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=MAX_INPUTS
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (first, axis) = (inputs[0], self.axis);
        if axis >= first.rank() {
            let expected = format!("inputs with an axis {axis}");
            return Err(ShapeError::new("concat", expected, format!("shape {first}")));
        }
        let mut dims = [0; MAX_RANK];
        dims[..first.rank()].copy_from_slice(first.dims());
        dims[axis] = 0;
        for shape in inputs {
            let agrees = shape.rank() == first.rank()
                && (0..first.rank()).all(|k| k == axis || shape.dims()[k] == dims[k]);
            if !agrees {
                let expected = format!("inputs that agree with {first} but for axis {axis}");
                return Err(ShapeError::new("concat", expected, format!("shape {shape}")));
            }
            dims[axis] = dims[axis].saturating_add(shape.dims()[axis]);
        }
        Ok(Shape::new(&dims[..first.rank()]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [_, n, inner] = sizes(pass.shape, self.axis);
        for_each_block(pass.output, n * inner, |o, y| {
            let mut rest = y;
            for x in pass.inputs {
                let length = x.shape.dims()[self.axis] * inner;
                let (own, behind) = rest.split_at_mut(length);
                own.copy_from_slice(&x.data[o * length..][..length]);
                rest = behind;
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [_, n, inner] = sizes(pass.output.shape, self.axis);
        let mut start = 0;
        for (x, dx) in pass.inputs.iter().zip(pass.grad_inputs) {
            let length = x.shape.dims()[self.axis] * inner;
            if let Some(dx) = dx {
                for_each_block(dx, length, |o, dx| {
                    add(dx, &pass.grad_output[o * n * inner + start..][..length]);
                });
            }
            start += length;
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// The tensors one behind the other along an axis: [`Concat`].
    ///
    /// # Errors
    /// If there is none or there are more than [`MAX_INPUTS`], or their other axes differ.
    #[track_caller]
    pub fn concat(&mut self, inputs: impl AsRef<[Var]>, axis: usize) -> Result<Var, ShapeError> {
        self.apply(Concat { axis }, inputs)
    }
}
