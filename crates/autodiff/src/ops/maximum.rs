//! The larger and the smaller of two tensors, element by element.

use std::ops::RangeInclusive;

use morphograd_tensor::{Real, Shape, ShapeError};

use super::walk::{binary, broadcast, broadcast_grad};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Ties, Var};

/// $y = a \vee b$, the larger of two elements, with broadcasting.
///
/// The gradient goes to the larger element; at a tie all of it to $a$ (as in TensorFlow), to $b$
/// with [`Ties::Last`], half to each with [`Ties::Split`]. NaN beats every number and is tied with
/// NaN, so it is never hidden. Cost: one comparison an element, each way.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let a = TensorRef::new([3], &[1.0, 5.0, 2.0]);
/// let b = TensorRef::new([], &[3.0]);
/// let y = evaluate([a, b], |graph, [a, b]| graph.maximum(a, b))?;
/// assert_eq!(y.data(), [3.0, 5.0, 3.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maximum {
    /// Who gets the gradient where both are equal.
    pub ties: Ties,
}

/// $y = a \wedge b$, the smaller of two elements; otherwise as [`Maximum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minimum {
    /// Who gets the gradient where both are equal.
    pub ties: Ties,
}

/// The op, from which of two numbers is better.
macro_rules! better {
    ($op:ident, $name:ident, $what:literal, |$x:ident, $y:ident| $better:expr) => {
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
                binary(pass, |a, b| if beats(a, b, |$x: T, $y: T| $better) { b } else { a });
            }

            fn backward(&self, mut pass: Backward<'_, T>) {
                for which in 0..2 {
                    broadcast_grad(&mut pass, which, |g, [a, b]| {
                        let is_tied = tied(a, b);
                        let second_wins = beats(a, b, |$x: T, $y: T| $better);
                        match self.ties {
                            Ties::Split if is_tied => g / T::of(2.0),
                            Ties::Last if is_tied && which == 1 => g,
                            Ties::Last if is_tied => T::zero(),
                            _ if second_wins == (which == 1) => g,
                            _ => T::zero(),
                        }
                    });
                }
            }
        }

        impl<T: Real> Graph<'_, T> {
            #[doc = concat!($what, " of two elements, with broadcasting: [`", stringify!($op),
                        "`](crate::", stringify!($op), "). At a tie the gradient goes to `a`.")]
            ///
            /// # Errors
            /// If the shapes cannot be broadcast.
            #[track_caller]
            pub fn $name(&mut self, a: Var, b: Var) -> Result<Var, ShapeError> {
                self.apply($op::default(), [a, b])
            }
        }
    };
}

better!(Maximum, maximum, "The larger", |x, y| x > y);
better!(Minimum, minimum, "The smaller", |x, y| x < y);

/// Whether the challenger `b` wins against `a`, which comes first: if it is strictly better, or the
/// first NaN.
#[inline(always)]
pub(super) fn beats<T: Real>(a: T, b: T, better: impl Fn(T, T) -> bool) -> bool {
    better(b, a) | (b.is_nan() & !a.is_nan())
}

/// Whether two candidates are tied.
#[inline(always)]
pub(super) fn tied<T: Real>(a: T, b: T) -> bool {
    (a == b) | (a.is_nan() & b.is_nan())
}
