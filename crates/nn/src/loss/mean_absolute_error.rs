//! Mean absolute error, the L1 loss.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

use crate::loss::elementwise;

/// $L = \frac1n \sum_i |a_i - b_i|$ over all $n$ elements: two inputs of one shape → a scalar.
///
/// Derivatives: $\pm \operatorname{sign}(a_i - b_i) / n$, and 0 at the kink $a_i = b_i$, as in
/// PyTorch (`L1Loss`) and Keras (`MeanAbsoluteError`). NaN stays NaN. Cost: one comparison an
/// element.
#[derive(Debug, Clone, Copy)]
pub struct MeanAbsoluteError;

impl<T: Real> Op<T> for MeanAbsoluteError {
    fn name(&self) -> &'static str {
        "mean_absolute_error"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        elementwise::infer("mean_absolute_error", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        elementwise::forward(pass, |a, b| (a - b).abs());
    }

    fn backward(&self, pass: Backward<'_, T>) {
        elementwise::backward(pass, |a, b| {
            let difference = a - b;
            let sign = if difference > T::zero() {
                T::one()
            } else if difference < T::zero() {
                -T::one()
            } else {
                difference // 0 or NaN
            };
            [sign, -sign]
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
        ) {
            // Finite differences do not see a kink nearer than their step.
            prop_assume!(a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() > 1e-3));
            let inputs = [a, b];
            check_op(MeanAbsoluteError, &inputs);
            let [a, b] = &inputs;
            let sum: f64 = a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).sum();
            let (value, _) = vjp(MeanAbsoluteError, &inputs, &[1.0]);
            prop_assert!((value[0] - sum / a.data().len() as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn the_derivative_at_the_kink_is_0_and_nan_is_never_hidden() {
        let row = |x: [f32; 4]| Tensor::from_vec([4], x.to_vec()).unwrap();
        let inputs = [row([1.0, 2.0, -3.0, 0.0]), row([1.0, 4.0, -5.0, -0.0])];
        let (value, grads) = vjp(MeanAbsoluteError, &inputs, &[1.0]);
        assert_eq!(value, [1.0]);
        assert_eq!(grads, [[0.0, -0.25, 0.25, 0.0], [0.0, 0.25, -0.25, 0.0]]);
        let inputs = [row([f32::NAN, 0.0, 0.0, 0.0]), row([1.0; 4])];
        let (value, grads) = vjp(MeanAbsoluteError, &inputs, &[1.0]);
        assert!(value[0].is_nan() && grads.iter().all(|grad| grad[0].is_nan()));
    }
}
