//! A power with a constant exponent.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::pointwise::{map, map_grad};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y = x^p$ for a constant exponent $p$. Derivative $p x^{p-1}$, which is 0 everywhere for
/// $p = 0$. Of a negative x a power that is no whole number is NaN; at 0 the derivative for $p < 1$
/// is ∞. Cost: one power an element. [`Square`](crate::Square) and [`Sqrt`](crate::Sqrt) are
/// cheaper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pow(
    /// The exponent $p$.
    pub f64,
);

impl<T: Real> Op<T> for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let p = T::of(self.0);
        map(pass, |x| x.powf(p));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if self.0 != 0.0 {
            let (p, less) = (T::of(self.0), T::of(self.0 - 1.0));
            map_grad(pass, |g, x, _| g * p * x.powf(less));
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// $x^p$ for a constant exponent, element by element: [`Pow`].
    ///
    /// # Errors
    /// None: every shape fits.
    #[track_caller]
    pub fn pow(&mut self, x: Var, p: f64) -> Result<Var, ShapeError> {
        self.apply(Pow(p), [x])
    }
}
