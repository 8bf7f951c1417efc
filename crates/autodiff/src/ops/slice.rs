//! A part of an axis.

use std::ops::Range;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use super::blocks::{add, for_each_block, sizes};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// The entries `start` to `end` (which is not one of them) of an axis. The gradient of the other
/// entries is 0. Cost: a copy each way.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let x = TensorRef::new([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let y = evaluate([x], |graph, [x]| graph.slice(x, 1, 1..3))?;
/// assert_eq!((y.shape().dims(), y.data()), (&[2, 2][..], &[2.0, 3.0, 5.0, 6.0][..]));
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The axis.
    pub axis: usize,
    /// The first entry.
    pub start: usize,
    /// The entry behind the last.
    pub end: usize,
}

impl<T: Real> Op<T> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let input = inputs[0];
        let fits = input.dims().get(self.axis).is_some_and(|n| self.end <= *n);
        if !fits || self.start > self.end {
            let expected = format!("an axis {} that has {}..{}", self.axis, self.start, self.end);
            return Err(ShapeError::new("slice", expected, format!("shape {input}")));
        }
        let mut dims = [1; MAX_RANK];
        dims[..input.rank()].copy_from_slice(input.dims());
        dims[self.axis] = self.end - self.start;
        Ok(Shape::new(&dims[..input.rank()]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        take(pass, self.axis, self.start..self.end);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        put(pass, self.axis, self.start..self.end);
    }
}

impl<T: Real> Graph<'_, T> {
    /// A range of the entries of an axis: [`Slice`].
    ///
    /// # Errors
    /// If there is no such axis, or the range leaves it.
    #[track_caller]
    pub fn slice(&mut self, x: Var, axis: usize, range: Range<usize>) -> Result<Var, ShapeError> {
        self.apply(Slice { axis, start: range.start, end: range.end }, [x])
    }
}

/// Copies a range of an axis.
pub(super) fn take<T: Real>(pass: Forward<'_, T>, axis: usize, range: Range<usize>) {
    let x = pass.inputs[0];
    let [_, n, inner] = sizes(x.shape, axis);
    let length = range.len() * inner;
    for_each_block(pass.output, length, |o, y| {
        y.copy_from_slice(&x.data[(o * n + range.start) * inner..][..length]);
    });
}

/// Adds the gradient of a range of an axis to that of the whole.
pub(super) fn put<T: Real>(pass: Backward<'_, T>, axis: usize, range: Range<usize>) {
    let [_, n, inner] = sizes(pass.inputs[0].shape, axis);
    let [Some(dx), ..] = pass.grad_inputs else { return };
    let length = range.len() * inner;
    for_each_block(dx, n * inner, |o, dx| {
        add(&mut dx[range.start * inner..][..length], &pass.grad_output[o * length..][..length]);
    });
}
