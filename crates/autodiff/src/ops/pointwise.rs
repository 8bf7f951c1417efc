//! Functions of one number, element by element.

use morphograd_tensor::{Real, Shape, ShapeError, parallel};

use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// Elements that one task computes.
const PIECE: usize = 1 << 13;

/// An op of one input, from its formula and, beneath it, the gradient: `g` times the derivative.
macro_rules! pointwise {
    (
        $(#[$doc:meta])*
        $op:ident, $name:ident, $formula:literal: |$x:ident| $y:expr,
        |$g:ident, $gx:ident, $gy:ident| $gradient:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $op;

        impl<T: Real> Op<T> for $op {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                Ok(inputs[0])
            }

            fn forward(&self, pass: Forward<'_, T>) {
                map(pass, |$x| $y);
            }

            fn backward(&self, pass: Backward<'_, T>) {
                map_grad(pass, |$g, $gx, $gy| $gradient);
            }
        }

        impl<T: Real> Graph<'_, T> {
            #[doc = concat!($formula, ", element by element: [`", stringify!($op), "`](crate::",
                stringify!($op), ").")]
            ///
            /// # Errors
            /// None: every shape fits.
            #[track_caller]
            pub fn $name(&mut self, x: Var) -> Result<Var, ShapeError> {
                self.apply($op, [x])
            }
        }
    };
}

pointwise! {
    /// $y = -x$. Derivative $-1$. Cost: one negation an element.
    Neg, neg, "$-x$": |x| -x,
    |g, _x, _y| -g
}

pointwise! {
    /// $y = e^x$, which is ∞ where it overflows. Derivative $y$. Cost: one exponential an element.
    Exp, exp, "$e^x$": |x| x.exp(),
    |g, _x, y| g * y
}

pointwise! {
    /// $y = \log x$, the natural logarithm: $-∞$ at 0, NaN below. Derivative $1 / x$: ∞ at 0. Cost:
    /// one logarithm an element.
    Log, log, "$\\log x$": |x| x.ln(),
    |g, x, _y| g / x
}

pointwise! {
    /// $y = \sqrt x$, NaN for $x < 0$. Derivative $1 / 2 y$: ∞ at 0. Cost: one root an element.
    Sqrt, sqrt, "$\\sqrt x$": |x| x.sqrt(),
    |g, _x, y| g / (y + y)
}

pointwise! {
    /// $y = |x|$. The derivative is the sign of x, and 0 at 0: the middle of its
    /// subgradients $[-1, 1]$, as in NumPy and PyTorch. NaN has derivative NaN. Cost: one
    /// comparison an element.
    Abs, abs, "$|x|$": |x| x.abs(),
    |g, x, _y| {
        if x > T::zero() {
            g
        } else if x < T::zero() {
            -g
        } else {
            x.abs() // 0 or NaN
        }
    }
}

pointwise! {
    /// $y = x^2$. Derivative $2 x$. Cost: one product an element.
    Square, square, "$x^2$": |x| x * x,
    |g, x, _y| g * (x + x)
}

/// $y = f(x)$.
#[inline]
pub(super) fn map<T: Real>(pass: Forward<'_, T>, f: impl Fn(T) -> T + Send + Sync) {
    let x = pass.inputs[0].data;
    parallel::for_each_piece(pass.output, PIECE, |i, y| {
        y.iter_mut().zip(&x[i * PIECE..]).for_each(|(y, x)| *y = f(*x));
    });
}

/// Adds `f(g, x, y)` to the gradient of the input.
#[inline]
pub(super) fn map_grad<T: Real>(pass: Backward<'_, T>, f: impl Fn(T, T, T) -> T + Send + Sync) {
    let [Some(dx), ..] = pass.grad_inputs else { return };
    let (x, y, g) = (pass.inputs[0].data, pass.output.data, pass.grad_output);
    parallel::for_each_piece(dx, PIECE, |i, dx| {
        let from = i * PIECE;
        let others = g[from..].iter().zip(x[from..].iter().zip(&y[from..]));
        dx.iter_mut().zip(others).for_each(|(dx, (g, (x, y)))| *dx += f(*g, *x, *y));
    });
}
