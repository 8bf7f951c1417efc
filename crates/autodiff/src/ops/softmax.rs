//! Softmax and its logarithm over an axis.

use morphograd_tensor::{Real, Shape, ShapeError, sum};

use super::blocks::sizes;
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y_i = e^{x_i} / \sum_j e^{x_j}$ over an axis: positive numbers with sum 1.
///
/// Derivative: $∂y_i/∂x_j = y_i (δ_{ij} - y_j)$. Computed as $e^{x_i - m}$ with $m = \max x$, so it
/// does not overflow. A NaN, +∞ or nothing but -∞ makes the whole row NaN. Cost: one exponential an
/// element.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let x = TensorRef::new([2, 2], &[0.0, 0.0, 1000.0, -1000.0]);
/// let y = evaluate([x], |graph, [x]| graph.softmax(x, 1))?;
/// assert_eq!(y.data(), [0.5, 0.5, 1.0, 0.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
}

/// $y_i = x_i - \log \sum_j e^{x_j}$ over an axis: the logarithm of [`Softmax`], exact where that
/// would round to 0.
///
/// Derivative: $∂y_i/∂x_j = δ_{ij} - e^{y_j}$. Otherwise as [`Softmax`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSoftmax {
    /// The axis.
    pub axis: usize,
}

impl<T: Real> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        has_axis("softmax", inputs[0], self.axis)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        for_each_row(pass, self.axis, |row, _| {
            let top = largest(row);
            row.iter_mut().for_each(|x| *x = (*x - top).exp());
            let total = sum(row);
            row.iter_mut().for_each(|y| *y /= total);
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        for_each_row_grad(pass, self.axis, |y, g, dx| {
            dx.iter_mut().zip(y.iter().zip(g)).for_each(|(dx, (y, g))| *dx = *y * *g);
            let mean = sum(dx);
            dx.iter_mut().zip(y.iter().zip(g)).for_each(|(dx, (y, g))| *dx = *y * (*g - mean));
        });
    }
}

impl<T: Real> Op<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        has_axis("log_softmax", inputs[0], self.axis)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        for_each_row(pass, self.axis, |row, exponentials| {
            let top = largest(row);
            for (x, e) in row.iter_mut().zip(&mut *exponentials) {
                *x -= top;
                *e = x.exp();
            }
            let log_total = sum(exponentials).ln();
            row.iter_mut().for_each(|x| *x -= log_total);
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        for_each_row_grad(pass, self.axis, |y, g, dx| {
            let total = sum(g);
            dx.iter_mut().zip(y.iter().zip(g)).for_each(|(dx, (y, g))| *dx = *g - y.exp() * total);
        });
    }
}

impl<T: Real> Graph<'_, T> {
    /// Softmax over an axis: [`Softmax`].
    ///
    /// # Errors
    /// If there is no such axis, or it has length 0.
    #[track_caller]
    pub fn softmax(&mut self, x: Var, axis: usize) -> Result<Var, ShapeError> {
        self.apply(Softmax { axis }, [x])
    }

    /// The logarithm of softmax over an axis: [`LogSoftmax`].
    ///
    /// # Errors
    /// If there is no such axis, or it has length 0.
    #[track_caller]
    pub fn log_softmax(&mut self, x: Var, axis: usize) -> Result<Var, ShapeError> {
        self.apply(LogSoftmax { axis }, [x])
    }
}

fn has_axis(operation: &'static str, input: Shape, axis: usize) -> Result<Shape, ShapeError> {
    match input.dims().get(axis) {
        Some(1..) => Ok(input),
        _ => {
            let expected = format!("an axis {axis} of at least 1 element");
            Err(ShapeError::new(operation, expected, format!("shape {input}")))
        }
    }
}

/// The largest element that is a number, -∞ if there is none.
fn largest<T: Real>(x: &[T]) -> T {
    x.iter().fold(T::neg_infinity(), |top, x| if *x > top { *x } else { top })
}

/// Calls `f` with a copy of every row along the axis, which it replaces, and a workspace as long.
fn for_each_row<T: Real>(pass: Forward<'_, T>, axis: usize, f: impl Fn(&mut [T], &mut [T])) {
    let [outer, n, inner] = sizes(pass.shape, axis);
    pass.scratch.resize(2 * n, T::zero());
    let (row, work) = pass.scratch.split_at_mut(n);
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let first = o * n * inner + i;
        gather(&pass.inputs[0].data[first..], inner, row);
        f(row, work);
        let y = pass.output[first..].iter_mut().step_by(inner);
        y.zip(&*row).for_each(|(y, x)| *y = *x);
    }
}

/// Calls `f` with every row of the output and of its gradient, and adds what it writes into the
/// third row to the gradient of the input.
fn for_each_row_grad<T: Real>(
    pass: Backward<'_, T>,
    axis: usize,
    f: impl Fn(&[T], &[T], &mut [T]),
) {
    let [outer, n, inner] = sizes(pass.output.shape, axis);
    let [Some(dx), ..] = pass.grad_inputs else { return };
    pass.scratch.resize(3 * n, T::zero());
    let (y, rest) = pass.scratch.split_at_mut(n);
    let (g, row) = rest.split_at_mut(n);
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let first = o * n * inner + i;
        gather(&pass.output.data[first..], inner, y);
        gather(&pass.grad_output[first..], inner, g);
        f(y, g, row);
        dx[first..].iter_mut().step_by(inner).zip(&*row).for_each(|(dx, x)| *dx += *x);
    }
}

fn gather<T: Real>(from: &[T], step: usize, row: &mut [T]) {
    row.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, x)| *to = *x);
}
