//! A term that a parameter adds to every loss.
//!
//! The one design choice: a penalty is an operation on the parameter with a scalar output, so it is
//! checked when it is declared and can be recorded by any graph that uses the parameter.

use std::ops::RangeInclusive;
use std::sync::Arc;

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::op::{Backward, Forward, Op, check_arity};
use crate::param_id::ParamId;

/// A term of one parameter in every loss: [`Params::penalize`](crate::Params::penalize) adds one,
/// and [`Graph::backward`](crate::Graph::backward) records it.
#[derive(Debug, Clone)]
pub struct Penalty<T> {
    op: Arc<dyn Op<T>>,
    multiplier: Option<Multiplier<T>>,
}

/// A second input of a penalty, which follows the training: the multiplier of an augmented
/// Lagrangian.
#[derive(Debug, Clone)]
pub struct Multiplier<T> {
    /// The parameter that holds it; it is not trained.
    pub param: ParamId,
    /// Its next value, an operation on the parameter and the multiplier.
    pub update: Arc<dyn Op<T>>,
    /// Steps between two changes, at least 1.
    pub every: u64,
}

impl<T: Real> Penalty<T> {
    /// An operation that maps the value to a scalar.
    pub fn new(op: impl Op<T>) -> Self {
        Self { op: Arc::new(op), multiplier: None }
    }

    /// An operation that maps the value and a multiplier of its shape to a scalar.
    pub fn with_multiplier(op: impl Op<T>, multiplier: Multiplier<T>) -> Self {
        Self { op: Arc::new(op), multiplier: Some(multiplier) }
    }

    /// The operation, to be recorded.
    pub(crate) fn op(&self) -> Shared<T> {
        Shared(Arc::clone(&self.op))
    }

    pub(crate) fn multiplier(&self) -> Option<&Multiplier<T>> {
        self.multiplier.as_ref()
    }

    /// # Errors
    /// If the operation does not take a value of the shape, or its output is no scalar.
    pub(crate) fn check(&self, shape: Shape) -> Result<(), ShapeError> {
        let inputs = [shape, shape];
        let n = if self.multiplier.is_some() { 2 } else { 1 };
        check_arity(&*self.op, n)?;
        let output = self.op.infer(&inputs[..n])?;
        if output.len() == 1 {
            return Ok(());
        }
        Err(ShapeError::new(self.op.name(), "a penalty, a scalar", format!("shape {output}")))
    }
}

/// An operation that several recordings share.
#[derive(Debug, Clone)]
pub(crate) struct Shared<T>(pub(crate) Arc<dyn Op<T>>);

impl<T: Real> Op<T> for Shared<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn arity(&self) -> RangeInclusive<usize> {
        self.0.arity()
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.0.infer(inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        self.0.forward(pass);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        self.0.backward(pass);
    }

    fn overwrites(&self) -> bool {
        self.0.overwrites()
    }
}
