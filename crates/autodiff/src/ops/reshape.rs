//! The same elements in another shape.

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// The same elements, in row-major order, in another shape of as many. Cost: a copy each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reshape(
    /// The new shape.
    pub Shape,
);

impl<T: Real> Op<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let shape = self.0.countable("reshape")?;
        match inputs[0].len() == shape.len() {
            true => Ok(shape),
            false => {
                let expected = format!("as many elements as shape {shape} has");
                Err(ShapeError::new("reshape", expected, format!("shape {}", inputs[0])))
            }
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        pass.output.copy_from_slice(pass.inputs[0].data);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if let [Some(dx), ..] = pass.grad_inputs {
            dx.copy_from_slice(pass.grad_output);
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

impl<T: Real> Graph<'_, T> {
    /// The same elements in another shape: [`Reshape`].
    ///
    /// # Errors
    /// If that has another number of elements.
    #[track_caller]
    pub fn reshape(&mut self, x: Var, shape: impl Into<Shape>) -> Result<Var, ShapeError> {
        self.apply(Reshape(shape.into()), [x])
    }
}
