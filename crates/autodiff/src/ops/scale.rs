//! A tensor times a constant, and constants themselves.

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y = c \cdot x$ for a constant $c$. Derivative $c$. Cost: one product an element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(
    /// The factor $c$.
    pub f64,
);

impl<T: Real> Op<T> for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let c = T::of(self.0);
        pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = c * *x);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let c = T::of(self.0);
        if let [Some(dx), ..] = pass.grad_inputs {
            dx.iter_mut().zip(pass.grad_output).for_each(|(dx, g)| *dx += c * *g);
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// $c \cdot x$ for a constant $c$: [`Scale`].
    ///
    /// # Errors
    /// None: every shape fits.
    #[track_caller]
    pub fn scale(&mut self, x: Var, c: f64) -> Result<Var, ShapeError> {
        self.apply(Scale(c), [x])
    }

    /// A constant, which broadcasts with everything: `graph.add(x, one)` with
    /// `one = graph.scalar(1.0)` is $x + 1$.
    pub fn scalar(&mut self, c: f64) -> Var {
        self.input_with([], |x| x[0] = T::of(c))
    }
}
