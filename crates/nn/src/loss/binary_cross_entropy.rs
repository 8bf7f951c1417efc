//! Binary cross-entropy, from logits.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

use crate::loss::elementwise;

/// $L = -\frac1n \sum_i \left(t_i \log σ(z_i) + (1 - t_i) \log(1 - σ(z_i))\right)$ over all $n$
/// elements, with $σ(z) = 1 / (1 + e^{-z})$: inputs z (logits) and t (targets: 0, 1 or a
/// probability) of one shape → a scalar.
///
/// Computed as $\max(z, 0) - z t + \log(1 + e^{-|z|})$, which neither overflows nor rounds to 0
/// early. Derivatives: $\partial L / \partial z_i = (σ(z_i) - t_i) / n$,
/// $\partial L / \partial t_i = -z_i / n$. A logit that is not finite makes the loss not finite.
/// Values and gradients are those of PyTorch (`BCEWithLogitsLoss`) and Keras
/// (`BinaryCrossentropy(from_logits=True)`). Cost: one exponential and one logarithm an element.
///
/// ```
/// use morphograd_nn::{BinaryCrossEntropy, autodiff::{Mode, Params, Tape}, tensor::TensorRef};
/// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let logits = graph.variable(TensorRef::new([2], &[0.0, 0.0]));
/// let targets = graph.input(TensorRef::new([2], &[1.0, 0.0]));
/// let loss = graph.apply(BinaryCrossEntropy, [logits, targets])?;
/// assert_eq!(graph.value(loss).data, [2.0f64.ln()]);
/// graph.backward(loss);
/// assert_eq!(graph.grad(logits), Some(&[-0.25, 0.25][..]));
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BinaryCrossEntropy;

impl<T: Real> Op<T> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        elementwise::infer("binary_cross_entropy", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        elementwise::forward(pass, |z, t| {
            let positive = if z > T::zero() { z } else { T::zero() };
            positive - z * t + (-z.abs()).exp().ln_1p()
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let one = T::one();
        elementwise::backward(pass, |z, t| [one / (one + (-z).exp()) - t, -z]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn value_and_gradients_are_those_of_the_definition_for_any_targets(
            [z, t] in (1..4usize, 1..6usize)
                .prop_flat_map(|(n, k)| [strategy::tensor([n, k]), strategy::tensor([n, k])]),
        ) {
            let inputs = [z, t];
            check_op(BinaryCrossEntropy, &inputs);
            let [z, t] = &inputs;
            let of = |(z, t): (&f64, &f64)| {
                let p = 1.0 / (1.0 + (-z).exp());
                -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
            };
            let sum: f64 = z.data().iter().zip(t.data()).map(of).sum();
            let (value, _) = vjp(BinaryCrossEntropy, &inputs, &[1.0]);
            prop_assert!((value[0] - sum / z.data().len() as f64).abs() < 1e-12);
        }
    }

    fn at(z: f32, t: f32) -> (f32, f32) {
        let one = |x| Tensor::from_vec([1], vec![x]).unwrap();
        let (value, grads) = vjp(BinaryCrossEntropy, &[one(z), one(t)], &[1.0]);
        (value[0], grads[0][0])
    }

    #[test]
    fn large_logits_are_exact() {
        assert_eq!(at(1000.0, 0.0), (1000.0, 1.0));
        assert_eq!(at(-1000.0, 1.0), (1000.0, -1.0));
        assert_eq!(at(1000.0, 1.0), (0.0, 0.0));
        assert_eq!(at(-1000.0, 0.0), (0.0, 0.0));
        // 1 + e^-20 rounds to 1, its logarithm does not.
        assert!((at(20.0, 1.0).0 / (-20.0f32).exp() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_logit_that_is_not_finite_is_never_hidden() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!([0.0, 1.0].iter().all(|t| !at(bad, *t).0.is_finite()), "{bad}");
        }
    }
}
