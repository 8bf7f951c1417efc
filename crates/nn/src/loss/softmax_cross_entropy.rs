//! Cross-entropy of a softmax, from logits.
//!
//! The one design choice: it takes logits, so that softmax and logarithm are one stable operation.
//! A logit that is not finite makes the loss not finite; a diverged training shows itself.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, sum};
use morphograd_autodiff::{Backward, Forward, Op, Saved};

use crate::layers::activation::largest;

/// $L = -\frac1n \sum_{i=1}^n \sum_k t_{ik} \log p_{ik}$ with $p_i = \operatorname{softmax}(z_i)$:
/// inputs z (logits), `[batch, classes]`, and t (targets) → a scalar. Targets are of the same
/// shape, usually one-hot or a distribution, but need not be; or labels, `[batch]`: whole numbers
/// from 0, each of which counts as the one-hot row with its 1 there, bit for bit.
///
/// Derivatives: $\partial L / \partial z_{ik} = (p_{ik} \sum_j t_{ij} - t_{ik}) / n$, $\partial L /
/// \partial t_{ik} = -\log p_{ik} / n$; labels have none. Logarithms are computed as
/// $z - m - \log \sum e^{z - m}$ with $m = \max z$, exact where softmax would round to 0. A logit
/// of NaN or ±∞ gives a loss of NaN or ∞. Sums are accurate however many rows or classes there are.
/// Cost: one exponential an element.
///
/// # Panics
/// When it is applied to a label that is not a whole number below the number of classes.
///
/// ```
/// use morphograd_nn::SoftmaxCrossEntropy;
/// use morphograd_nn::autodiff::{Mode, Params, Tape};
/// use morphograd_nn::tensor::TensorRef;
/// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let logits = graph.variable(TensorRef::new([1, 2], &[0.0, 0.0]));
/// let labels = graph.input(TensorRef::new([1], &[0.0])); // as [1.0, 0.0] of shape [1, 2]
/// let loss = graph.apply(SoftmaxCrossEntropy, [logits, labels])?;
/// assert_eq!(graph.value(loss).data, [2.0f64.ln()]);
/// graph.backward(loss);
/// assert_eq!(graph.grad(logits), Some(&[-0.5, 0.5][..]));
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxCrossEntropy;

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
        let labels = Shape::new(&logits.dims()[..1]);
        if targets != logits && targets != labels {
            return Err(ShapeError::new(
                "softmax_cross_entropy",
                format!("targets of shape {logits} or labels of shape {labels}"),
                format!("shape {targets}"),
            ));
        }
        Ok(Shape::scalar())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (logits, targets) = (pass.inputs[0], pass.inputs[1]);
        let (batch, classes) = (logits.shape.dims()[0], logits.shape.dims()[1]);
        let is_one_hot = targets.shape == logits.shape;
        let Saved { values: saved, .. } = pass.saved;
        saved.clear();
        pass.scratch.resize(batch + classes, T::zero());
        let (losses, row) = pass.scratch.split_at_mut(batch);
        let row = &mut row[..classes];
        for (i, loss) in losses.iter_mut().enumerate() {
            let z = &logits.data[i * classes..][..classes];
            let top = largest(z);
            row.iter_mut().zip(z).for_each(|(exp, z)| *exp = (*z - top).exp());
            let log_sum = sum(row).ln();
            row.iter_mut().zip(z).for_each(|(log_p, z)| *log_p = *z - top - log_sum);
            if pass.needs_grad {
                saved.extend_from_slice(row); // the logarithms of the probabilities
            }
            if is_one_hot {
                let t = &targets.data[i * classes..][..classes];
                row.iter_mut().zip(t).for_each(|(term, t)| *term = -(*t * *term));
                *loss = sum(row);
            } else {
                // 0 times what is not finite is NaN, as in the product with a one-hot row.
                let own = row[class_of(targets.data[i], classes)];
                *loss = row.iter().fold(-own, |loss, log_p| loss - T::zero() * *log_p);
            }
        }
        pass.output[0] = sum(losses) / T::of(batch as f64);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (logits, targets) = (pass.inputs[0].shape, pass.inputs[1]);
        let (batch, classes) = (logits.dims()[0], logits.dims()[1]);
        let log_p = pass.saved.values;
        let g = pass.grad_output[0] / T::of(batch as f64);
        let [d_logits, d_targets, ..] = pass.grad_inputs;
        if targets.shape != logits {
            let d_logits = d_logits.into_iter().flat_map(|dz| dz.chunks_exact_mut(classes));
            let rows = log_p.chunks_exact(classes).zip(targets.data);
            for (dz, (log_p, label)) in d_logits.zip(rows) {
                let own = class_of(*label, classes);
                for (k, (dz, log_p)) in dz.iter_mut().zip(log_p).enumerate() {
                    *dz += g * (log_p.exp() - if k == own { T::one() } else { T::zero() });
                }
            }
            return;
        }
        if let Some(dz) = d_logits {
            let rows = log_p.chunks_exact(classes).zip(targets.data.chunks_exact(classes));
            for (dz, (log_p, t)) in dz.chunks_exact_mut(classes).zip(rows) {
                let total = sum(t);
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

fn class_of<T: Real>(label: T, classes: usize) -> usize {
    let class = label.to_usize().filter(|class| *class < classes && T::of(*class as f64) == label);
    class.unwrap_or_else(|| {
        panic!(
            "softmax_cross_entropy: expected labels that are whole numbers below {classes}, found \
             {label}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Params, gradcheck};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn pair() -> impl Strategy<Value = [Tensor<f64>; 2]> {
        (1..4usize, 1..6usize)
            .prop_flat_map(|(n, k)| [strategy::tensor([n, k]), strategy::tensor([n, k])])
    }

    fn labelled() -> impl Strategy<Value = (Tensor<f64>, Vec<usize>)> {
        (1..4usize, 1..6usize).prop_flat_map(|(n, k)| (strategy::tensor([n, k]), vec(0..k, n)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences_for_targets_of_any_sum(inputs in pair()) {
            check_op(SoftmaxCrossEntropy, &inputs);
        }

        #[test]
        fn values_agree_with_the_definition(inputs in pair()) {
            let [z, t] = &inputs;
            let (n, k) = (z.shape().dims()[0], z.shape().dims()[1]);
            let mut entropy = 0.0;
            for (z, t) in z.data().chunks(k).zip(t.data().chunks(k)) {
                let sum: f64 = z.iter().map(|z| z.exp()).sum();
                entropy -=
                    z.iter().zip(t).map(|(z, t)| t * (z.exp() / sum).ln()).sum::<f64>() / n as f64;
            }
            prop_assert!((vjp(SoftmaxCrossEntropy, &inputs, &[1.0]).0[0] - entropy).abs() < 1e-12);
        }

        #[test]
        fn labels_are_one_hot_rows_bit_for_bit((z, labels) in labelled()) {
            let (n, k) = (z.shape().dims()[0], z.shape().dims()[1]);
            let one_hot =
                Tensor::from_fn([n, k], |i| f64::from(u8::from(labels[i / k] == i % k)));
            let numbers = Tensor::from_fn([n], |i| labels[i] as f64);
            let bits = |targets: Tensor<f64>| {
                let inputs = [z.clone(), targets];
                let (value, grads) = vjp(SoftmaxCrossEntropy, &inputs, &[0.7]);
                [value, grads[0].clone()].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            };
            prop_assert_eq!(bits(numbers.clone()), bits(one_hot));

            let mut params = Params::new();
            let id = params.add("logits", z, None).unwrap();
            let checked = gradcheck(&mut params, |graph| {
                let (z, labels) = (graph.param(id), graph.input(numbers.view()));
                graph.apply(SoftmaxCrossEntropy, [z, labels])
            });
            prop_assert!(checked.is_ok(), "{checked:?}");
        }
    }

    #[test]
    fn a_label_that_is_no_class_is_refused_with_its_value() {
        for bad in [3.0f32, -1.0, 0.5, f32::NAN, f32::INFINITY] {
            let apply = move || {
                let labels = Tensor::from_vec([2], vec![0.0, bad]).unwrap();
                vjp(SoftmaxCrossEntropy, &[Tensor::zeros([2, 3]), labels], &[1.0])
            };
            let message =
                *std::panic::catch_unwind(apply).unwrap_err().downcast::<String>().unwrap();
            let expected = format!(
                "softmax_cross_entropy: expected labels that are whole numbers below 3, found {bad}"
            );
            assert_eq!(message, expected);
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
    fn the_mean_over_a_million_rows_and_the_sum_over_a_million_classes_are_accurate() {
        let n = 1_000_000;
        for (shape, targets, expected) in [
            ([n, 1], Tensor::filled([n, 1], 0.1f32), 0.0),
            ([n / 2, 2], Tensor::filled([n / 2, 2], 0.1), 0.2 * 2f64.ln()),
            ([n / 2, 2], Tensor::zeros([n / 2]), 2f64.ln()),
            ([1, n], Tensor::zeros([1]), (n as f64).ln()),
        ] {
            let (loss, _) = vjp(SoftmaxCrossEntropy, &[Tensor::zeros(shape), targets], &[1.0]);
            let error = (f64::from(loss[0]) - expected).abs();
            assert!(error <= 3e-7 * expected, "{shape:?}: {} for {expected}", loss[0]);
        }
    }

    #[test]
    fn a_logit_that_is_not_finite_is_never_hidden() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for targets in [[1.0, 0.0], [0.0, 1.0]] {
                assert!(!entropy([bad, 0.5], targets).0.is_finite(), "{bad} {targets:?}");
            }
            for label in [0.0, 1.0] {
                let logits = Tensor::from_vec([1, 2], vec![bad, 0.5]).unwrap();
                let inputs = [logits, Tensor::filled([1], label)];
                let (loss, _) = vjp(SoftmaxCrossEntropy, &inputs, &[1.0]);
                assert!(!loss[0].is_finite(), "{bad}, label {label}");
            }
            assert!(!entropy([bad, bad], [0.0, 1.0]).0.is_finite());
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let infer = |a: &[usize], b: &[usize]| {
            let shapes = [Shape::new(a), Shape::new(b)];
            Op::<f32>::infer(&SoftmaxCrossEntropy, &shapes).unwrap_err().to_string()
        };
        assert_eq!(
            infer(&[4, 10], &[4, 9]),
            "softmax_cross_entropy: expected targets of shape [4, 10] or labels of shape [4], \
             found shape [4, 9]"
        );
        assert_eq!(
            infer(&[4, 2, 2], &[4, 2, 2]),
            "softmax_cross_entropy: expected logits of shape [batch, classes], not empty, found \
             shape [4, 2, 2]"
        );
    }
}
