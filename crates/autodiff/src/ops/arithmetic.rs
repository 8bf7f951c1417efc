//! Sums, differences, products and quotients of two tensors.

use std::ops::RangeInclusive;

use morphograd_tensor::{Real, Shape, ShapeError};

use super::walk::{binary, broadcast, broadcast_grad, copy_grad};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// An op of two inputs, from its formula and, beneath it, its derivatives.
macro_rules! arithmetic {
    (
        $(#[$doc:meta])*
        $op:ident, $name:ident, $symbol:literal: |$a:ident, $b:ident| $y:expr,
        |$pass:ident| $derivatives:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $op;

        impl<T: Real> Op<T> for $op {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn arity(&self) -> RangeInclusive<usize> {
                2..=2
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                broadcast(stringify!($name), inputs)
            }

            fn forward(&self, pass: Forward<'_, T>) {
                binary(pass, |$a, $b| $y);
            }

            fn backward(&self, mut pass: Backward<'_, T>) {
                let $pass = &mut pass;
                $derivatives
            }
        }

        impl<T: Real> Graph<'_, T> {
            #[doc = concat!("$a ", $symbol, " b$ element by element, with broadcasting: [`",
                stringify!($op), "`](crate::", stringify!($op), ").")]
            ///
            /// # Errors
            /// If the shapes cannot be broadcast.
            #[track_caller]
            pub fn $name(&mut self, a: Var, b: Var) -> Result<Var, ShapeError> {
                self.apply($op, [a, b])
            }
        }
    };
}

arithmetic! {
    /// $y = a + b$, with broadcasting. $∂y/∂a = ∂y/∂b = 1$. Cost: one addition an element.
    Add, add, "+": |a, b| a + b,
    |pass| {
        copy_grad(pass, 0, |g| g);
        copy_grad(pass, 1, |g| g);
    }
}

arithmetic! {
    /// $y = a - b$, with broadcasting. $∂y/∂a = 1$, $∂y/∂b = -1$. Cost: one subtraction an element.
    Sub, sub, "-": |a, b| a - b,
    |pass| {
        copy_grad(pass, 0, |g| g);
        copy_grad(pass, 1, |g| -g);
    }
}

arithmetic! {
    /// $y = a b$ element by element, with broadcasting. $∂y/∂a = b$, $∂y/∂b = a$. Cost: one product
    /// an element.
    Mul, mul, "\\cdot": |a, b| a * b,
    |pass| {
        broadcast_grad(pass, 0, |g, [_, b]| g * b);
        broadcast_grad(pass, 1, |g, [a, _]| g * a);
    }
}

arithmetic! {
    /// $y = a / b$ element by element, with broadcasting. $∂y/∂a = 1 / b$, $∂y/∂b = -y / b$. What
    /// is divided by 0 is ±∞ or NaN, and so are its derivatives. Cost: one division an element; 3
    /// backward.
    Div, div, "/": |a, b| a / b,
    |pass| {
        broadcast_grad(pass, 0, |g, [_, b]| g / b);
        broadcast_grad(pass, 1, |g, [a, b]| -(g * (a / b)) / b);
    }
}
