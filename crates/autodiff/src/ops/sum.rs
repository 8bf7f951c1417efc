//! Sums and means, of all elements or over some axes.
//!
//! The one design choice: every sum is that of [`morphograd_tensor::sums`], which is accurate for
//! any number of elements and does not depend on the number of threads.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::axes::Axes;
use super::walk::{Walk, copies_space, sum_copies};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// $y = \sum_i x_i$ over all elements, a scalar; 0 where there are none. Every $∂y/∂x_i$ is 1.
/// Added in pairs, see [`morphograd_tensor::sum`]. Cost: one addition an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum;

/// $y = \frac1n \sum_i x_i$ over all elements, a scalar. Every $∂y/∂x_i$ is $1/n$. Otherwise as
/// [`Sum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mean;

/// $y = \sum x$ over some axes; 0 where there is nothing to add. The gradient of the output goes to
/// every element that was added. Added in pairs, see [`morphograd_tensor::sums`]. Cost: one
/// addition an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SumAxes {
    /// The axes.
    pub axes: Axes,
}

/// The mean over some axes of $n$ elements together, $y = \frac1n \sum x$; otherwise as
/// [`SumAxes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeanAxes {
    /// The axes.
    pub axes: Axes,
}

impl<T: Real> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn infer(&self, _: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::scalar())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, Axes::ALL, T::one());
    }

    fn backward(&self, pass: Backward<'_, T>) {
        spread(pass, Axes::ALL, T::one());
    }
}

impl<T: Real> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        mean("mean", Axes::ALL, inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let n = count(Axes::ALL, pass.inputs[0].shape);
        reduce(pass, Axes::ALL, n);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let n = count(Axes::ALL, pass.inputs[0].shape);
        spread(pass, Axes::ALL, n);
    }
}

impl<T: Real> Op<T> for SumAxes {
    fn name(&self) -> &'static str {
        "sum_axes"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(self.axes.reduce("sum_axes", inputs[0])?.0)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, self.axes, T::one());
    }

    fn backward(&self, pass: Backward<'_, T>) {
        spread(pass, self.axes, T::one());
    }
}

impl<T: Real> Op<T> for MeanAxes {
    fn name(&self) -> &'static str {
        "mean_axes"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        mean("mean_axes", self.axes, inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let n = count(self.axes, pass.inputs[0].shape);
        reduce(pass, self.axes, n);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let n = count(self.axes, pass.inputs[0].shape);
        spread(pass, self.axes, n);
    }
}

impl<T: Real> Graph<'_, T> {
    /// The sum of all elements, a scalar: [`Sum`].
    ///
    /// # Errors
    /// None: every shape fits.
    #[track_caller]
    pub fn sum(&mut self, x: Var) -> Result<Var, ShapeError> {
        self.apply(Sum, [x])
    }

    /// The mean of all elements, a scalar: [`Mean`].
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn mean(&mut self, x: Var) -> Result<Var, ShapeError> {
        self.apply(Mean, [x])
    }

    /// Sums over axes: [`SumAxes`].
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn sum_axes(&mut self, x: Var, axes: impl Into<Axes>) -> Result<Var, ShapeError> {
        self.apply(SumAxes { axes: axes.into() }, [x])
    }

    /// Means over axes: [`MeanAxes`].
    ///
    /// # Errors
    /// If an axis does not exist or is named twice, or there is nothing to take the mean of.
    #[track_caller]
    pub fn mean_axes(&mut self, x: Var, axes: impl Into<Axes>) -> Result<Var, ShapeError> {
        self.apply(MeanAxes { axes: axes.into() }, [x])
    }
}

/// The output's shape, if each mean is one of something.
fn mean(operation: &'static str, axes: Axes, input: Shape) -> Result<Shape, ShapeError> {
    let (output, target) = axes.reduce(operation, input)?;
    match input.is_empty() && !target.is_empty() {
        true => Err(ShapeError::new(operation, "at least one element", format!("shape {input}"))),
        false => Ok(output),
    }
}

/// How many elements each output is made of.
fn count<T: Real>(axes: Axes, input: Shape) -> T {
    T::of(input.len() as f64 / axes.target(input).len().max(1) as f64)
}

/// $y = \frac1n \sum x$.
fn reduce<T: Real>(pass: Forward<'_, T>, axes: Axes, n: T) {
    let (x, y) = (pass.inputs[0], pass.output);
    let target = axes.target(x.shape);
    y.fill(T::zero());
    pass.scratch.resize(copies_space(x.shape, target), T::zero());
    sum_copies(x.data, x.shape, target, pass.scratch, |i, sum| y[i] = sum / n);
}

/// Adds $\frac1n$ of each output's gradient to those of the elements it is made of.
fn spread<T: Real>(pass: Backward<'_, T>, axes: Axes, n: T) {
    let shape = pass.inputs[0].shape;
    let [Some(dx), ..] = pass.grad_inputs else { return };
    pass.scratch.clear();
    pass.scratch.extend(pass.grad_output.iter().map(|g| *g / n));
    let walk = Walk::broadcast(shape, [axes.target(shape)]);
    walk.map([pass.scratch], dx, |dx, [g]| *dx += g);
}
