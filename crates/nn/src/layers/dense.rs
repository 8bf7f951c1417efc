//! The fully connected layer, one matrix product each way.
//!
//! The one design choice: product and bias are one op, so that the bias costs no pass over memory
//! of its own.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Matrix, PairwiseSum, Real, Shape, ShapeError, gemm};
use morphograd_autodiff::{Backward, Forward, Graph, Op, ParamId, Params, Var};

use crate::initializer::GlorotUniform;
use crate::layers::activation::Activation;
use crate::layers::conv2d;
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::{Layer, largest_sum};
use crate::model::weight::Weight;

/// Members of a batch whose gradients are added to the bias' one after the other; sums of more are
/// added in pairs.
const LONG: usize = 4096;

/// $y = a(x W + b)$: `[batch, n]` → `[batch, units]`. Parameters: `kernel` of shape `[n, units]`
/// and, unless `bias` is `None`, `bias` of shape `[units]`.
///
/// The default has 1 unit, no activation, a Glorot uniform kernel and a bias that starts at 0.
/// Cost: `batch · n · units` products.
///
/// ```
/// use morphograd_autodiff::Params;
/// use morphograd_nn::{Activation, Dense, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("hidden", Dense { units: 32, activation: Activation::Relu, ..Dense::default() })
///     .add("logits", Dense { units: 10, bias: None, ..Dense::default() })
///     .build_model(&mut params, 42, [800])?;
/// assert_eq!((model.output().dims(), params.count()), (&[10][..], 800 * 32 + 32 + 320));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Dense<T> {
    /// Number of outputs.
    pub units: usize,
    /// The function $a$.
    pub activation: Activation,
    /// The matrix $W$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
}

/// $y = x W$ or, with a third input, $y = x W + b$. Inputs: x `[batch, n]`, W `[n, units]`, b
/// `[units]`.
///
/// Derivatives: $dx = dy\,W^\top$, $dW = x^\top dy$, $db = \sum_\text{batch} dy$, added in the
/// order of the batch.
#[derive(Debug, Clone, Copy)]
pub struct Affine;

impl<T: Real> Default for Dense<T> {
    fn default() -> Self {
        Self {
            units: 1,
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: Some(Weight::zeros()),
        }
    }
}

impl<T: Real> Build<T> for Dense<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let &[n] = input.dims() else {
            return Err(wrong_rank(input.batched(1)).into());
        };
        if self.units == 0 {
            return Err(ShapeError::new("dense", "at least 1 unit", "0").into());
        }
        let kernel = builder.param("kernel", [n, self.units].into(), self.kernel)?;
        let bias =
            self.bias.map(|bias| builder.param("bias", [self.units].into(), bias)).transpose()?;
        Ok(Box::new(Built { kernel, bias, activation: self.activation }))
    }
}

#[derive(Debug)]
struct Built {
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = match self.bias {
            Some(bias) => {
                let bias = graph.param(bias);
                graph.apply(Affine, [x, kernel, bias])?
            }
            None => graph.apply(Affine, [x, kernel])?,
        };
        self.activation.apply(graph, y)
    }

    /// The largest sum of magnitudes of a unit's weights, $\max_j \sum_i \lvert w_{ij} \rvert$: at
    /// most $r$ by `Per::filter(L1Ball { radius: r })`.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        Some(largest_sum(params.value(self.kernel)) * self.activation.slope())
    }
}

/// Up to so many units the product is made of the convolution's tiles, which do not copy the input
/// first. (A wide product is better off with a library that does.)
const FEW_UNITS: usize = 32;

impl<T: Real> Op<T> for Affine {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let &[batch, n] = inputs[0].dims() else { return Err(wrong_rank(inputs[0])) };
        let &[n_kernel, units] = inputs[1].dims() else {
            return Err(ShapeError::new(
                "dense",
                "a kernel of rank 2",
                format!("shape {}", inputs[1]),
            ));
        };
        if n != n_kernel {
            return Err(ShapeError::new(
                "dense",
                format!("an input of shape [batch, {n_kernel}]"),
                format!("shape {}", inputs[0]),
            ));
        }
        if let Some(bias) = inputs.get(2).filter(|bias| bias.dims() != [units]) {
            return Err(ShapeError::new(
                "dense",
                format!("a bias of shape [{units}]"),
                format!("shape {bias}"),
            ));
        }
        Ok([batch, units].into())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (x, kernel, units) = (
            matrix(pass.inputs[0].shape, pass.inputs[0].data),
            pass.inputs[1],
            pass.shape.dims()[1],
        );
        if (1..=FEW_UNITS).contains(&units) && !pass.inputs[0].data.is_empty() {
            let bias = pass.inputs.get(2).map(|bias| bias.data);
            let x = pass.inputs[0];
            return conv2d::product(x, kernel.data, bias, pass.scratch, pass.output);
        }
        let mut beta = T::zero();
        if let (Some(bias), 1..) = (pass.inputs.get(2), units) {
            pass.output.chunks_exact_mut(units).for_each(|y| y.copy_from_slice(bias.data));
            beta = T::one();
        }
        gemm(x, matrix(kernel.shape, kernel.data), beta, pass.output);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (x, kernel) = (pass.inputs[0], pass.inputs[1]);
        let dy = matrix(pass.output.shape, pass.grad_output);
        let [dx, d_kernel, d_bias, ..] = pass.grad_inputs;
        if let Some(dx) = dx {
            gemm(dy, matrix(kernel.shape, kernel.data).transposed(), T::zero(), dx);
        }
        if let Some(d_kernel) = d_kernel {
            gemm(matrix(x.shape, x.data).transposed(), dy, T::zero(), d_kernel);
        }
        if let Some(d_bias) = d_bias.filter(|d_bias| !d_bias.is_empty()) {
            let (length, n) = (d_bias.len(), pass.grad_output.len());
            if n <= LONG * length {
                return sum_rows(pass.grad_output, d_bias);
            }
            let space = PairwiseSum::<T>::space(n.div_ceil(LONG * length), length);
            pass.scratch.resize(space, T::zero());
            let mut sum = PairwiseSum::new(pass.scratch, length);
            for rows in pass.grad_output.chunks(LONG * length) {
                sum.add(|piece| sum_rows(rows, piece));
            }
            d_bias.copy_from_slice(sum.finish());
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

/// Overwrites `sum` with the sum of rows as long.
fn sum_rows<T: Real>(rows: &[T], sum: &mut [T]) {
    sum.fill(T::zero());
    for row in rows.chunks_exact(sum.len()) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
    }
}

fn matrix<T: Real>(shape: Shape, data: &[T]) -> Matrix<'_, T> {
    Matrix::new(data, shape.dims()[0], shape.dims()[1])
}

fn wrong_rank(found: Shape) -> ShapeError {
    ShapeError::new(
        "dense",
        "an input of shape [batch, n] (flatten it first)",
        format!("shape {found}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    fn operands() -> impl Strategy<Value = [Tensor<f64>; 3]> {
        (1..5usize, 1..6usize, 1..5usize).prop_flat_map(|(batch, n, units)| {
            [
                strategy::tensor([batch, n]).boxed(),
                strategy::tensor([n, units]).boxed(),
                strategy::tensor([units]).boxed(),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(inputs in operands()) {
            check_op(Affine, &inputs);
            check_op(Affine, &inputs[..2]);
        }

        #[test]
        fn the_product_agrees_with_the_definition(inputs in operands()) {
            let [x, w, b] = &inputs;
            let &[batch, n] = x.shape().dims() else { unreachable!() };
            let units = b.data().len();
            let expected: Vec<f64> = (0..batch * units)
                .map(|i| {
                    b.data()[i % units]
                        + (0..n)
                            .map(|k| x.data()[i / units * n + k] * w.data()[k * units + i % units])
                            .sum::<f64>()
                })
                .collect();
            let (y, _) = vjp(Affine, &inputs, &vec![0.0; batch * units]);
            assert_close("y", &y, &expected, 1e-12);
        }
    }

    #[test]
    fn an_empty_batch_has_an_empty_output_and_no_gradient() {
        let inputs =
            [Tensor::<f64>::zeros([0, 3]), Tensor::filled([3, 2], 1.0), Tensor::zeros([2])];
        let (y, grads) = vjp(Affine, &inputs, &[]);
        assert!(y.is_empty() && grads[1] == [0.0; 6] && grads[2] == [0.0; 2]);
    }

    #[test]
    fn wrong_shapes_are_refused_with_what_to_do() {
        let build = |input: &[usize], units| {
            Sequential::<f64>::new()
                .add("logits", Dense { units, ..Dense::default() })
                .build_model(&mut Params::new(), 0, Shape::new(input))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            build(&[5, 5, 32], 10),
            "logits: dense: expected an input of shape [batch, n] (flatten it first), found shape \
             [1, 5, 5, 32]"
        );
        assert_eq!(build(&[5], 0), "logits: dense: expected at least 1 unit, found 0");
        let mut params = Params::<f64>::new();
        let model =
            Sequential::new().add("fc", Dense::default()).build_model(&mut params, 0, [4]).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Shapes);
        let x = graph.input_with([2, 3], |_| ());
        assert_eq!(
            model.forward(&mut graph, x).unwrap_err().to_string(),
            "fc: dense: expected an input of shape [batch, 4], found shape [2, 3]"
        );
    }
}
