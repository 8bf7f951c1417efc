//! The largest and the smallest element over some axes.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::axes::Axes;
use super::maximum::{beats, tied};
use super::walk::{Walk, row_major};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Ties, Var};

/// $y = \max x$ over some axes.
///
/// The gradient goes to the first maximum in row-major order, to the last, or in equal parts to all
/// of them, as [`Ties`] says. NaN beats every number and is tied with NaN, so it is never hidden.
/// Cost: one comparison an element; backward nothing but a copy, and with [`Ties::Split`] one
/// comparison an element. Saves a number for each output.
///
/// ```
/// use morphograd_autodiff::{evaluate_with_gradients, tensor::TensorRef};
/// let x = TensorRef::new([2, 3], &[1.0, 5.0, 5.0, 7.0, 2.0, 3.0]);
/// let (y, [dx]) =
///     evaluate_with_gradients([x], &[1.0, 1.0], |graph, [x]| graph.max_axes(x, [1]))?;
/// assert_eq!((y.data(), dx.data()), (&[5.0, 7.0][..], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0][..]));
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAxes {
    /// The axes.
    pub axes: Axes,
    /// Who gets the gradient where elements are equal.
    pub ties: Ties,
}

/// $y = \min x$ over some axes; otherwise as [`MaxAxes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinAxes {
    /// The axes.
    pub axes: Axes,
    /// Who gets the gradient where elements are equal.
    pub ties: Ties,
}

/// The op, from which of two numbers is better.
macro_rules! extremum {
    ($op:ident, $name:ident, $of_all:ident, $what:literal, |$x:ident, $y:ident| $better:expr) => {
        impl<T: Real> Op<T> for $op {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                let input = inputs[0];
                let (output, target) = self.axes.reduce(stringify!($name), input)?;
                if input.is_empty() && !target.is_empty() {
                    let found = format!("shape {input}");
                    return Err(ShapeError::new(stringify!($name), "at least one element", found));
                }
                if u32::try_from(input.len()).is_err() {
                    let expected = format!("at most {} elements", u32::MAX);
                    let found = format!("shape {input}");
                    return Err(ShapeError::new(stringify!($name), expected, found));
                }
                Ok(output)
            }

            fn forward(&self, pass: Forward<'_, T>) {
                reduce(pass, self.axes, self.ties, |$x: T, $y: T| $better);
            }

            fn backward(&self, pass: Backward<'_, T>) {
                give(pass, self.axes, self.ties);
            }
        }

        impl<T: Real> Graph<'_, T> {
            #[doc = concat!($what, " of all elements, a scalar: [`", stringify!($op), "`](crate::",
                                stringify!($op), "). At a tie the gradient goes to the first.")]
            ///
            /// # Errors
            /// If there is no element, or more than 2³² - 1.
            #[track_caller]
            pub fn $of_all(&mut self, x: Var) -> Result<Var, ShapeError> {
                self.$name(x, Axes::ALL)
            }

            #[doc = concat!($what, " over axes: [`", stringify!($op), "`](crate::",
                                stringify!($op), "). At a tie the gradient goes to the first.")]
            ///
            /// # Errors
            /// If an axis does not exist or is named twice, or there is no element, or more than
            /// 2³² - 1.
            #[track_caller]
            pub fn $name(&mut self, x: Var, axes: impl Into<Axes>) -> Result<Var, ShapeError> {
                self.apply($op { axes: axes.into(), ties: Ties::First }, [x])
            }
        }
    };
}

extremum!(MaxAxes, max_axes, max, "The largest", |x, y| x > y);
extremum!(MinAxes, min_axes, min, "The smallest", |x, y| x < y);

/// The best element for each output. Saves where it stands, or how many are tied if the gradient
/// is to be split.
fn reduce<T: Real>(pass: Forward<'_, T>, axes: Axes, ties: Ties, better: impl Fn(T, T) -> bool) {
    let (x, best) = (pass.inputs[0], pass.output);
    let target = axes.target(x.shape);
    let winners = &mut pass.saved.indices;
    winners.clear();
    winners.resize(if pass.needs_grad { best.len() } else { 0 }, 0);
    // The first element of each output: the others have to beat it.
    let first = Walk::new(target, [row_major(x.shape)]);
    let (n, [stride]) = first.row();
    first.rows(|start, [at]| {
        for j in 0..n {
            best[start + j] = x.data[at + j * stride];
            if pass.needs_grad && ties != Ties::Split {
                winners[start + j] = (at + j * stride) as u32;
            }
        }
    });
    let walk = Walk::broadcast(x.shape, [target]);
    let (n, [stride]) = walk.row();
    walk.rows(|start, [at]| {
        for (j, x) in x.data[start..start + n].iter().enumerate() {
            let output = at + j * stride;
            let best = &mut best[output];
            let wins = beats(*best, *x, &better);
            if pass.needs_grad {
                let winner = &mut winners[output];
                match ties {
                    Ties::Split if wins => *winner = 1,
                    Ties::Split => *winner += u32::from(tied(*best, *x)),
                    Ties::First if !wins => {}
                    Ties::Last if !wins && !tied(*best, *x) => {}
                    Ties::First | Ties::Last => *winner = (start + j) as u32,
                }
            }
            if wins {
                *best = *x;
            }
        }
    });
}

/// Adds the gradient of each output to that of its best elements, as the rule says.
fn give<T: Real>(pass: Backward<'_, T>, axes: Axes, ties: Ties) {
    let (x, winners) = (pass.inputs[0], pass.saved.indices);
    let [Some(dx), ..] = pass.grad_inputs else { return };
    if ties != Ties::Split {
        winners.iter().zip(pass.grad_output).for_each(|(at, g)| dx[*at as usize] += *g);
        return;
    }
    let walk = Walk::broadcast(x.shape, [axes.target(x.shape)]);
    let (n, [stride]) = walk.row();
    walk.rows(|start, [at]| {
        for i in start..start + n {
            let output = at + (i - start) * stride;
            if tied(x.data[i], pass.output.data[output]) {
                dx[i] += pass.grad_output[output] / T::of(f64::from(winners[output]));
            }
        }
    });
}
