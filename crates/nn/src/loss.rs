//! Losses: what a prediction costs, as one number.
//!
//! The one design choice: cross-entropy takes logits, so that softmax and logarithm are one stable
//! operation. A logit that is not finite makes the loss not finite; a diverged training shows
//! itself.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_autodiff::{Backward, Forward, Op};

use crate::layers::activation::largest;

/// $L = -\frac1n \sum_{i=1}^n \sum_k t_{ik} \log p_{ik}$ with $p_i = \operatorname{softmax}(z_i)$:
/// inputs z (logits) and t (targets), both `[batch, classes]` → a scalar.
///
/// Derivatives: $\partial L / \partial z_{ik} = (p_{ik} \sum_j t_{ij} - t_{ik}) / n$, $\partial L /
/// \partial t_{ik} = -\log p_{ik} / n$. Targets are usually one-hot or a distribution, but need not
/// be. Logarithms are computed as $z - m - \log \sum e^{z - m}$ with $m = \max z$, exact where
/// softmax would round to 0. A logit of NaN or ±∞ gives a loss of NaN or ∞. Cost: one exponential
/// an element.
///
/// ```
/// use morphograd_nn::SoftmaxCrossEntropy;
/// use morphograd_nn::autodiff::{Mode, Params, Tape};
/// use morphograd_nn::tensor::TensorRef;
/// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let logits = graph.variable(TensorRef::new([1, 2], &[0.0, 0.0]));
/// let targets = graph.input(TensorRef::new([1, 2], &[1.0, 0.0]));
/// let loss = graph.apply(SoftmaxCrossEntropy, [logits, targets])?;
/// assert_eq!(graph.value(loss).data, [2.0f64.ln()]);
/// graph.backward(loss);
/// assert_eq!(graph.grad(logits), Some(&[-0.5, 0.5][..]));
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxCrossEntropy;

/// $L = \frac1n \sum_i (a_i - b_i)^2$ over all $n$ elements: two inputs of one shape → a scalar.
/// Derivatives: $\pm 2 (a_i - b_i) / n$. Cost: one product an element.
#[derive(Debug, Clone, Copy)]
pub struct MeanSquaredError;

impl<T: Real> Op<T> for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (logits, targets) = (inputs[0], inputs[1]);
        if logits.rank() != 2 || logits.is_empty() {
            return Err(ShapeError::new(
                "softmax_cross_entropy",
                "logits of shape [batch, classes], not empty",
                format!("shape {logits}"),
            ));
        }
        same_shape("softmax_cross_entropy", logits, targets)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (logits, targets) = (pass.inputs[0], pass.inputs[1].data);
        let (batch, classes) = (logits.shape.dims()[0], logits.shape.dims()[1]);
        // The backward pass needs the logarithms of the probabilities.
        let log_p = if pass.needs_grad { &mut pass.saved.values } else { pass.scratch };
        log_p.clear();
        log_p.extend_from_slice(logits.data);
        let mut loss = T::zero();
        for (row, t) in log_p.chunks_exact_mut(classes).zip(targets.chunks_exact(classes)) {
            let top = largest(row);
            let sum: T = row.iter().map(|z| (*z - top).exp()).sum();
            let log_sum = sum.ln();
            for (z, t) in row.iter_mut().zip(t) {
                *z = *z - top - log_sum;
                loss -= *t * *z;
            }
        }
        pass.output[0] = loss / T::of(batch as f64);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (shape, targets) = (pass.inputs[0].shape, pass.inputs[1].data);
        let (batch, classes) = (shape.dims()[0], shape.dims()[1]);
        let log_p = &pass.saved.values;
        let g = pass.grad_output[0] / T::of(batch as f64);
        let [d_logits, d_targets, ..] = pass.grad_inputs;
        if let Some(dz) = d_logits {
            let rows = log_p.chunks_exact(classes).zip(targets.chunks_exact(classes));
            for (dz, (log_p, t)) in dz.chunks_exact_mut(classes).zip(rows) {
                let total: T = t.iter().copied().sum();
                for ((dz, log_p), t) in dz.iter_mut().zip(log_p).zip(t) {
                    *dz += g * (log_p.exp() * total - *t);
                }
            }
        }
        if let Some(dt) = d_targets {
            dt.iter_mut().zip(log_p).for_each(|(dt, log_p)| *dt -= g * *log_p);
        }
    }
}

impl<T: Real> Op<T> for MeanSquaredError {
    fn name(&self) -> &'static str {
        "mean_squared_error"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs[0].is_empty() {
            return Err(ShapeError::new(
                "mean_squared_error",
                "at least one element",
                format!("shape {}", inputs[0]),
            ));
        }
        same_shape("mean_squared_error", inputs[0], inputs[1])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (a, b) = (pass.inputs[0].data, pass.inputs[1].data);
        let mut total = [T::zero()];
        parallel::sum_into(&mut total, a.len(), pass.scratch, |items, partial| {
            for (a, b) in a[items.clone()].iter().zip(&b[items]) {
                partial[0] += (*a - *b) * (*a - *b);
            }
        });
        pass.output[0] = total[0] / T::of(a.len() as f64);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (a, b) = (pass.inputs[0].data, pass.inputs[1].data);
        let g = pass.grad_output[0] * T::of(2.0 / a.len() as f64);
        let [da, db, ..] = pass.grad_inputs;
        if let Some(da) = da {
            da.iter_mut().zip(a.iter().zip(b)).for_each(|(da, (a, b))| *da += g * (*a - *b));
        }
        if let Some(db) = db {
            db.iter_mut().zip(a.iter().zip(b)).for_each(|(db, (a, b))| *db += g * (*b - *a));
        }
    }
}

fn same_shape(operation: &'static str, a: Shape, b: Shape) -> Result<Shape, ShapeError> {
    match a == b {
        true => Ok(Shape::scalar()),
        false => Err(ShapeError::new(operation, "two inputs of one shape", format!("{a} and {b}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    fn pair() -> impl Strategy<Value = [Tensor<f64>; 2]> {
        (1..4usize, 1..6usize)
            .prop_flat_map(|(n, k)| [strategy::tensor([n, k]), strategy::tensor([n, k])])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences_for_targets_of_any_sum(inputs in pair()) {
            check_op(SoftmaxCrossEntropy, &inputs);
            check_op(MeanSquaredError, &inputs);
        }

        #[test]
        fn values_agree_with_the_definitions(inputs in pair()) {
            let [z, t] = &inputs;
            let (n, k) = (z.shape().dims()[0], z.shape().dims()[1]);
            let mut entropy = 0.0;
            for (z, t) in z.data().chunks(k).zip(t.data().chunks(k)) {
                let sum: f64 = z.iter().map(|z| z.exp()).sum();
                entropy -=
                    z.iter().zip(t).map(|(z, t)| t * (z.exp() / sum).ln()).sum::<f64>() / n as f64;
            }
            let squares: f64 = z.data().iter().zip(t.data()).map(|(z, t)| (z - t).powi(2)).sum();
            prop_assert!((vjp(SoftmaxCrossEntropy, &inputs, &[1.0]).0[0] - entropy).abs() < 1e-12);
            prop_assert!(
                (vjp(MeanSquaredError, &inputs, &[1.0]).0[0] - squares / (n * k) as f64).abs()
                    < 1e-12
            );
        }
    }

    fn entropy(logits: [f32; 2], targets: [f32; 2]) -> (f32, Vec<f32>) {
        let row = |x: [f32; 2]| Tensor::from_vec([1, 2], x.to_vec()).unwrap();
        let (loss, mut grads) = vjp(SoftmaxCrossEntropy, &[row(logits), row(targets)], &[1.0]);
        (loss[0], grads.remove(0))
    }

    #[test]
    fn large_logits_are_exact() {
        assert_eq!(entropy([1000.0, -1000.0], [0.0, 1.0]), (2000.0, vec![1.0, -1.0]));
        assert_eq!(entropy([1000.0, -1000.0], [1.0, 0.0]), (0.0, vec![0.0, 0.0]));
    }

    #[test]
    fn a_logit_that_is_not_finite_is_never_hidden() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for targets in [[1.0, 0.0], [0.0, 1.0]] {
                assert!(!entropy([bad, 0.5], targets).0.is_finite(), "{bad} {targets:?}");
            }
            assert!(!entropy([bad, bad], [0.0, 1.0]).0.is_finite());
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let infer = |op: &dyn Op<f32>, a: &[usize], b: &[usize]| {
            op.infer(&[Shape::new(a), Shape::new(b)]).unwrap_err().to_string()
        };
        assert_eq!(
            infer(&SoftmaxCrossEntropy, &[4, 10], &[4, 9]),
            "softmax_cross_entropy: expected two inputs of one shape, found [4, 10] and [4, 9]"
        );
        assert_eq!(
            infer(&SoftmaxCrossEntropy, &[4, 2, 2], &[4, 2, 2]),
            "softmax_cross_entropy: expected logits of shape [batch, classes], not empty, found \
             shape [4, 2, 2]"
        );
        assert_eq!(
            infer(&MeanSquaredError, &[0, 3], &[0, 3]),
            "mean_squared_error: expected at least one element, found shape [0, 3]"
        );
        assert_eq!(
            infer(&MeanSquaredError, &[3], &[1, 3]),
            "mean_squared_error: expected two inputs of one shape, found [3] and [1, 3]"
        );
    }
}
