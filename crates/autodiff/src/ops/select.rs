//! One entry of an axis.

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use super::slice::{put, take};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y_{o, i} = x_{o, k, i}$: entry `index` of the axis `axis`, which is gone from the output's
/// shape. The gradient of the other entries is 0. Cost: a copy each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Select {
    /// The axis.
    pub axis: usize,
    /// The entry $k$.
    pub index: usize,
}

impl<T: Real> Op<T> for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let dims = inputs[0].dims();
        if dims.get(self.axis).is_none_or(|length| self.index >= *length) {
            let expected = format!("an axis {} of more than {} entries", self.axis, self.index);
            return Err(ShapeError::new("select", expected, format!("shape {}", inputs[0])));
        }
        let mut rest = [1; MAX_RANK];
        rest[..self.axis].copy_from_slice(&dims[..self.axis]);
        rest[self.axis..dims.len() - 1].copy_from_slice(&dims[self.axis + 1..]);
        Ok(Shape::new(&rest[..dims.len() - 1]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        take(pass, self.axis, self.index..self.index + 1);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        put(pass, self.axis, self.index..self.index + 1);
    }
}

impl<T: Real> Graph<'_, T> {
    /// One entry of an axis, which is gone then: [`Select`].
    ///
    /// # Errors
    /// If there is no such axis, or it has no such entry.
    #[track_caller]
    pub fn select(&mut self, x: Var, axis: usize, index: usize) -> Result<Var, ShapeError> {
        self.apply(Select { axis, index }, [x])
    }
}
