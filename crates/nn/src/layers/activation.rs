//! Activation functions, by name, for layers that end in one.
//!
//! The one design choice: every derivative is written in terms of the output, which the tape keeps
//! anyway, so no activation remembers anything between its forward and its backward.

use std::fmt;
use std::str::FromStr;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_autodiff::{Backward, Forward, Graph, Op, Params, Var};
use thiserror::Error;

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// An activation function: the last step of a layer, or a layer of its own.
///
/// ```
/// use morphograd_nn::Activation;
/// assert_eq!("relu".parse::<Activation>()?, Activation::Relu);
/// assert_eq!(Activation::Softmax.to_string(), "softmax");
/// # Ok::<(), morphograd_nn::layers::activation::UnknownActivation>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// $y = x$; records nothing.
    #[default]
    Linear,
    /// See [`Relu`].
    Relu,
    /// See [`Sigmoid`].
    Sigmoid,
    /// See [`Tanh`].
    Tanh,
    /// See [`Softmax`].
    Softmax,
}

/// A name that is no activation's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("activation: expected one of linear, relu, sigmoid, tanh, softmax, found `{0}`")]
pub struct UnknownActivation(pub String);

/// $y = \max(x, 0)$. The derivative at 0 is 0. NaN stays NaN. Cost: one comparison an element.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

/// $y = 1 / (1 + e^{-x})$, $y' = y (1 - y)$. Cost: one exponential an element.
#[derive(Debug, Clone, Copy)]
pub struct Sigmoid;

/// $y = \tanh x$, $y' = 1 - y^2$. Cost: one hyperbolic tangent an element.
#[derive(Debug, Clone, Copy)]
pub struct Tanh;

/// $y_i = e^{x_i} / \sum_j e^{x_j}$ over the last axis, with the largest $x$ subtracted first so
/// that nothing overflows. The vector-Jacobian product is $y_i (g_i - \sum_j g_j y_j)$. Cost: one
/// exponential an element.
#[derive(Debug, Clone, Copy)]
pub struct Softmax;

/// Elements that one task computes.
const PIECE: usize = 1 << 13;

impl Activation {
    /// All of them, with their names.
    const ALL: [(Self, &str); 5] = [
        (Self::Linear, "linear"),
        (Self::Relu, "relu"),
        (Self::Sigmoid, "sigmoid"),
        (Self::Tanh, "tanh"),
        (Self::Softmax, "softmax"),
    ];

    /// The Lipschitz constant in the maximum norm: the largest slope, and of a softmax half, the
    /// largest $2 y_i (1 - y_i)$.
    pub fn slope(self) -> f64 {
        match self {
            Self::Linear | Self::Relu | Self::Tanh => 1.0,
            Self::Sigmoid => 0.25,
            Self::Softmax => 0.5,
        }
    }

    /// Applies the function to `x`.
    ///
    /// # Errors
    /// [`Softmax`] of a scalar.
    pub fn apply<T: Real>(self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        match self {
            Self::Linear => Ok(x),
            Self::Relu => graph.apply(Relu, [x]),
            Self::Sigmoid => graph.apply(Sigmoid, [x]),
            Self::Tanh => graph.apply(Tanh, [x]),
            Self::Softmax => graph.apply(Softmax, [x]),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) =
            Self::ALL.iter().find(|(a, _)| a == self).expect("every activation is listed");
        f.write_str(name)
    }
}

impl FromStr for Activation {
    type Err = UnknownActivation;

    fn from_str(name: &str) -> Result<Self, UnknownActivation> {
        let found = Self::ALL.iter().find(|(_, n)| *n == name);
        found.map(|(a, _)| *a).ok_or_else(|| UnknownActivation(name.to_owned()))
    }
}

impl<T: Real> Build<T> for Activation {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> Layer<T> for Activation {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        self.apply(graph, x)
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(self.slope())
    }
}

impl<T: Real> Op<T> for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        map(pass, relu);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        map_grad(pass, relu_grad);
    }
}

impl<T: Real> Op<T> for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        // For x far below 0 the exponential is infinite and the quotient 0, as it should be.
        map(pass, |x| T::one() / (T::one() + (-x).exp()));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        map_grad(pass, |y, g| g * y * (T::one() - y));
    }
}

impl<T: Real> Op<T> for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        map(pass, T::tanh);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        map_grad(pass, |y, g| g * (T::one() - y * y));
    }
}

impl<T: Real> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].dims().last() {
            Some(1..) => Ok(inputs[0]),
            _ => Err(ShapeError::new(
                "softmax",
                "an input with a last axis of at least 1",
                format!("shape {}", inputs[0]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let classes = *pass.shape.dims().last().expect("checked by infer");
        let x = pass.inputs[0].data;
        for (y, x) in pass.output.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
            let top = largest(x);
            let mut sum = T::zero();
            for (y, x) in y.iter_mut().zip(x) {
                *y = (*x - top).exp();
                sum += *y;
            }
            y.iter_mut().for_each(|y| *y /= sum);
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let classes = *pass.output.shape.dims().last().expect("checked by infer");
        let rows =
            pass.output.data.chunks_exact(classes).zip(pass.grad_output.chunks_exact(classes));
        for (dx, (y, g)) in dx.chunks_exact_mut(classes).zip(rows) {
            let mean: T = y.iter().zip(g).map(|(y, g)| *y * *g).sum();
            for ((dx, y), g) in dx.iter_mut().zip(y).zip(g) {
                *dx += *y * (*g - mean);
            }
        }
    }
}

/// $\max(x, 0)$, written so that NaN stays NaN.
#[inline(always)]
pub(crate) fn relu<T: Real>(x: T) -> T {
    if x <= T::zero() { T::zero() } else { x }
}

/// The gradient of `relu` from its output: none where the output is 0.
#[inline(always)]
pub(crate) fn relu_grad<T: Real>(y: T, g: T) -> T {
    if y <= T::zero() { T::zero() } else { g }
}

/// The largest element that is a number, -∞ if there is none.
pub(crate) fn largest<T: Real>(x: &[T]) -> T {
    x.iter().fold(T::neg_infinity(), |top, x| if *x > top { *x } else { top })
}

fn map<T: Real>(pass: Forward<'_, T>, f: impl Fn(T) -> T + Send + Sync) {
    let x = pass.inputs[0].data;
    parallel::for_each_piece(pass.output, PIECE, |i, y| {
        y.iter_mut().zip(&x[i * PIECE..]).for_each(|(y, x)| *y = f(*x));
    });
}

/// Adds `f(y, g)` to the gradient of the input.
fn map_grad<T: Real>(pass: Backward<'_, T>, f: impl Fn(T, T) -> T + Send + Sync) {
    let [Some(dx), ..] = pass.grad_inputs else { return };
    let (y, g) = (pass.output.data, pass.grad_output);
    parallel::for_each_piece(dx, PIECE, |i, dx| {
        let from = i * PIECE;
        for ((dx, y), g) in dx.iter_mut().zip(&y[from..]).zip(&g[from..]) {
            *dx += f(*y, *g);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(
            x in (1..4usize, 1..6usize).prop_flat_map(|(n, k)| strategy::tensor([n, k])),
        ) {
            check_op(Relu, std::slice::from_ref(&x));
            check_op(Sigmoid, std::slice::from_ref(&x));
            check_op(Tanh, std::slice::from_ref(&x));
            check_op(Softmax, std::slice::from_ref(&x));
        }
    }

    fn tensor(x: &[f64]) -> Tensor<f64> {
        Tensor::from_vec([x.len()], x.to_vec()).unwrap()
    }

    #[test]
    fn the_derivative_of_relu_at_zero_is_zero_and_nan_is_kept() {
        let (y, dx) = vjp(Relu, &[tensor(&[-1.0, 0.0, -0.0, 2.0, f64::NAN])], &[1.0; 5]);
        assert_eq!(y[..4], [0.0, 0.0, 0.0, 2.0]);
        assert!(y[4].is_nan());
        assert_eq!(dx[0][..4], [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn long_inputs_are_cut_into_pieces_at_the_right_places() {
        let x = Tensor::from_fn([2 * PIECE + 3], |i| i as f64 - 9000.0);
        let g: Vec<f64> = (0..2 * PIECE + 3).map(|i| i as f64).collect();
        let (y, dx) = vjp(Relu, std::slice::from_ref(&x), &g);
        for i in 0..x.data().len() {
            let expected = if x.data()[i] > 0.0 { (x.data()[i], g[i]) } else { (0.0, 0.0) };
            assert_eq!((y[i], dx[0][i]), expected);
        }
    }

    #[test]
    fn saturated_inputs_neither_overflow_nor_lose_the_limit() {
        assert_eq!(vjp(Sigmoid, &[tensor(&[-1000.0, 0.0, 1000.0])], &[0.0; 3]).0, [0.0, 0.5, 1.0]);
        assert_eq!(
            vjp(Softmax, &[tensor(&[1000.0, 1000.0, -1000.0])], &[0.0; 3]).0,
            [0.5, 0.5, 0.0]
        );
        assert!(vjp(Softmax, &[tensor(&[f64::NAN, 0.0])], &[0.0; 2]).0.iter().all(|y| y.is_nan()));
    }

    #[test]
    fn names_are_read_as_they_are_written_and_others_refused() {
        for (activation, _) in Activation::ALL {
            assert_eq!(activation.to_string().parse(), Ok(activation));
        }
        assert_eq!(
            "gelu".parse::<Activation>().unwrap_err().to_string(),
            "activation: expected one of linear, relu, sigmoid, tanh, softmax, found `gelu`"
        );
    }

    #[test]
    fn linear_records_nothing_and_a_scalar_has_no_softmax() {
        let params = Params::<f64>::new();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(Tensor::filled([], 1.0).view());
        assert_eq!(Activation::Linear.apply(&mut graph, x), Ok(x));
        assert_eq!(
            Activation::Softmax.apply(&mut graph, x).unwrap_err().to_string(),
            "softmax: expected an input with a last axis of at least 1, found shape []"
        );
    }
}
