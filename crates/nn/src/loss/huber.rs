//! The Huber loss: squares near 0, absolute values beyond.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

use crate::loss::elementwise;

/// $L = \frac1n \sum_i h(a_i - b_i)$ over all $n$ elements, with $h(e) = \frac12 e^2$ for
/// $|e| \le δ$ and $δ (|e| - \frac12 δ)$ beyond (Huber, 1964): two inputs of one shape → a scalar.
///
/// Derivatives: $\pm \min(\max(a_i - b_i, -δ), δ) / n$, which has no jump. NaN stays NaN. The
/// default $δ = 1$, values and gradients are those of PyTorch (`HuberLoss`) and Keras (`Huber`).
/// Cost: one product and one comparison an element.
///
/// ```
/// use morphograd_nn::{Huber, autodiff::{Mode, Params, Tape}, tensor::TensorRef};
/// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let prediction = graph.variable(TensorRef::new([2], &[0.5, 4.0]));
/// let target = graph.input(TensorRef::new([2], &[0.0, 0.0]));
/// let loss = graph.apply(Huber { delta: 1.0 }, [prediction, target])?;
/// assert_eq!(graph.value(loss).data, [(0.125 + 3.5) / 2.0]);
/// graph.backward(loss);
/// assert_eq!(graph.grad(prediction), Some(&[0.25, 0.5][..]));
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Huber {
    /// Where squares end, $δ > 0$.
    pub delta: f64,
}

impl Default for Huber {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl<T: Real> Op<T> for Huber {
    fn name(&self) -> &'static str {
        "huber"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if !(self.delta > 0.0 && self.delta.is_finite()) {
            let expected = "a delta that is positive and finite";
            return Err(ShapeError::new("huber", expected, self.delta.to_string()));
        }
        elementwise::infer("huber", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (delta, half) = (T::of(self.delta), T::of(0.5));
        elementwise::forward(pass, |a, b| {
            let size = (a - b).abs();
            if size <= delta { half * size * size } else { delta * (size - half * delta) }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let delta = T::of(self.delta);
        elementwise::backward(pass, |a, b| {
            let difference = a - b;
            let clamped = if difference > delta {
                delta
            } else if difference < -delta {
                -delta
            } else {
                difference
            };
            [clamped, -clamped]
        });
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
        fn value_and_gradients_are_those_of_the_definition(
            [a, b] in (1..4usize, 1..6usize)
                .prop_flat_map(|(n, k)| [strategy::tensor([n, k]), strategy::tensor([n, k])]),
            delta in prop_oneof![Just(0.1), Just(0.5), Just(10.0)],
        ) {
            let inputs = [a, b];
            // The derivative has a kink where the error is delta, nearer to which finite
            // differences are less exact.
            let errors = inputs[0].data().iter().zip(inputs[1].data()).map(|(a, b)| (a - b).abs());
            prop_assume!(errors.clone().all(|error| (error - delta).abs() > 1e-3));
            check_op(Huber { delta }, &inputs);
            let n = errors.clone().count() as f64;
            let sum: f64 = errors
                .map(|e| if e < delta { e * e / 2.0 } else { delta * e - delta * delta / 2.0 })
                .sum();
            let (value, _) = vjp(Huber { delta }, &inputs, &[1.0]);
            prop_assert!((value[0] - sum / n).abs() < 1e-12);
        }
    }

    fn at(errors: [f32; 3]) -> (f32, Vec<f32>) {
        let inputs = [
            Tensor::from_vec([3], errors.to_vec()).unwrap(),
            Tensor::from_vec([3], vec![0.0; 3]).unwrap(),
        ];
        let (value, mut grads) = vjp(Huber { delta: 2.0 }, &inputs, &[3.0]);
        (value[0], grads.remove(0))
    }

    #[test]
    fn at_delta_both_pieces_agree_and_nan_is_never_hidden() {
        assert_eq!(at([2.0, -2.0, 0.0]), (4.0 / 3.0, vec![2.0, -2.0, 0.0]));
        assert_eq!(at([8.0, -8.0, 0.0]).1, [2.0, -2.0, 0.0]);
        let (value, grad) = at([f32::NAN, 1.0, 0.0]);
        assert!(value.is_nan() && grad[0].is_nan() && grad[1] == 1.0);
    }

    #[test]
    fn a_delta_that_is_not_positive_is_refused() {
        for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Op::<f32>::infer(&Huber { delta }, &[Shape::new(&[2]); 2]).unwrap_err();
            let expected =
                format!("huber: expected a delta that is positive and finite, found {delta}");
            assert_eq!(error.to_string(), expected);
        }
    }
}
