//! The arithmetic that any computation needs: sums, differences and products with NumPy's
//! broadcasting, scaling, and total sums.
//!
//! Broadcasting: shapes are aligned at their last axis; an axis of length 1 (or a missing one) is
//! repeated. The gradient of a repeated element is the sum over its copies.

use std::ops::RangeInclusive;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use crate::op::{Backward, Forward, Op};

/// $y = a + b$, with broadcasting. Cost: one addition an element.
#[derive(Debug, Clone, Copy)]
pub struct Add;

/// $y = a - b$, with broadcasting. Cost: one subtraction an element.
#[derive(Debug, Clone, Copy)]
pub struct Sub;

/// $y = a \cdot b$ element by element, with broadcasting. Cost: one product an element.
#[derive(Debug, Clone, Copy)]
pub struct Mul;

/// $y = c \cdot x$ for a constant $c$.
#[derive(Debug, Clone, Copy)]
pub struct Scale(
    /// The factor $c$.
    pub f64,
);

/// $y = \sum_i x_i$, a scalar; added from the first element to the last.
#[derive(Debug, Clone, Copy)]
pub struct Sum;

/// $y = \frac1n \sum_i x_i$, a scalar; added from the first element to the last.
#[derive(Debug, Clone, Copy)]
pub struct Mean;

impl<T: Real> Op<T> for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        broadcast("add", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        binary(pass, |a, b| a + b);
    }

    fn backward(&self, mut pass: Backward<'_, T>) {
        binary_grad(&mut pass, 0, |g, _, _| g);
        binary_grad(&mut pass, 1, |g, _, _| g);
    }
}

impl<T: Real> Op<T> for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        broadcast("sub", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        binary(pass, |a, b| a - b);
    }

    fn backward(&self, mut pass: Backward<'_, T>) {
        binary_grad(&mut pass, 0, |g, _, _| g);
        binary_grad(&mut pass, 1, |g, _, _| -g);
    }
}

impl<T: Real> Op<T> for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        broadcast("mul", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        binary(pass, |a, b| a * b);
    }

    fn backward(&self, mut pass: Backward<'_, T>) {
        binary_grad(&mut pass, 0, |g, _, b| g * b);
        binary_grad(&mut pass, 1, |g, a, _| g * a);
    }
}

impl<T: Real> Op<T> for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
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

impl<T: Real> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, _: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::scalar())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        pass.output[0] = pass.inputs[0].data.iter().copied().sum();
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if let [Some(dx), ..] = pass.grad_inputs {
            dx.iter_mut().for_each(|dx| *dx += pass.grad_output[0]);
        }
    }
}

impl<T: Real> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].is_empty() {
            true => {
                Err(ShapeError::new("mean", "at least one element", format!("shape {}", inputs[0])))
            }
            false => Ok(Shape::scalar()),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let x = pass.inputs[0].data;
        pass.output[0] = x.iter().copied().sum::<T>() / T::of(x.len() as f64);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if let [Some(dx), ..] = pass.grad_inputs {
            let g = pass.grad_output[0] / T::of(dx.len() as f64);
            dx.iter_mut().for_each(|dx| *dx += g);
        }
    }
}

fn broadcast(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    let (a, b) = (inputs[0], inputs[1]);
    let rank = a.rank().max(b.rank());
    let mut dims = [1; MAX_RANK];
    for axis in 0..rank {
        let length =
            |s: Shape| (axis + s.rank()).checked_sub(rank).map_or(1, |own_axis| s.dims()[own_axis]);
        dims[axis] = match (length(a), length(b)) {
            (n, m) if n == m => n,
            (1, n) | (n, 1) => n,
            _ => {
                return Err(ShapeError::new(
                    operation,
                    "shapes that can be broadcast",
                    format!("{a} and {b}"),
                ));
            }
        };
    }
    Ok(Shape::new(&dims[..rank]))
}

/// The position in an operand of the element that the output's position `index` uses.
fn position(operand: Shape, output: Shape, mut index: usize) -> usize {
    let (mut position, mut stride) = (0, 1);
    for axis in (0..output.rank()).rev() {
        let coordinate = index % output.dims()[axis];
        index /= output.dims()[axis];
        if let Some(own_axis) = (axis + operand.rank()).checked_sub(output.rank()) {
            if operand.dims()[own_axis] != 1 {
                position += coordinate * stride;
            }
            stride *= operand.dims()[own_axis];
        }
    }
    position
}

/// True when the operand is repeated as a block (a bias, a scalar, or the same shape): the position
/// is then `index % len`.
fn repeats_as_block(operand: Shape, output: Shape) -> bool {
    operand.len() == 1 || output.dims().ends_with(operand.dims())
}

fn locate(operand: Shape, output: Shape, index: usize) -> usize {
    if operand == output {
        index
    } else if repeats_as_block(operand, output) {
        index % operand.len()
    } else {
        position(operand, output, index)
    }
}

fn binary<T: Real>(pass: Forward<'_, T>, f: impl Fn(T, T) -> T) {
    let (a, b) = (pass.inputs[0], pass.inputs[1]);
    if a.shape == b.shape {
        for ((y, a), b) in pass.output.iter_mut().zip(a.data).zip(b.data) {
            *y = f(*a, *b);
        }
        return;
    }
    for (i, y) in pass.output.iter_mut().enumerate() {
        *y = f(a.data[locate(a.shape, pass.shape, i)], b.data[locate(b.shape, pass.shape, i)]);
    }
}

/// Adds `f(grad, a, b)` to the gradient of the operand `which`, summed over its copies.
fn binary_grad<T: Real>(pass: &mut Backward<'_, T>, which: usize, f: impl Fn(T, T, T) -> T) {
    let Some(grad) = &mut pass.grad_inputs[which] else { return };
    let (a, b, shape) = (pass.inputs[0], pass.inputs[1], pass.output.shape);
    let own = pass.inputs[which].shape;
    for (i, g) in pass.grad_output.iter().enumerate() {
        let (at_a, at_b) = (locate(a.shape, shape, i), locate(b.shape, shape, i));
        grad[locate(own, shape, i)] += f(*g, a.data[at_a], b.data[at_b]);
    }
}
