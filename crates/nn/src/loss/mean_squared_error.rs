//! Mean squared error.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

use crate::loss::elementwise;

/// $L = \frac1n \sum_i (a_i - b_i)^2$ over all $n$ elements: two inputs of one shape → a scalar.
/// Derivatives: $\pm 2 (a_i - b_i) / n$. Cost: one product an element.
#[derive(Debug, Clone, Copy)]
pub struct MeanSquaredError;

impl<T: Real> Op<T> for MeanSquaredError {
    fn name(&self) -> &'static str {
        "mean_squared_error"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        elementwise::infer("mean_squared_error", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        elementwise::forward(pass, |a, b| (a - b) * (a - b));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let two = T::of(2.0);
        elementwise::backward(pass, |a, b| [two * (a - b), two * (b - a)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn value_and_gradients_are_those_of_the_definition(
            [a, b] in (1..4usize, 1..6usize)
                .prop_flat_map(|(n, k)| [strategy::tensor([n, k]), strategy::tensor([n, k])]),
        ) {
            let inputs = [a, b];
            check_op(MeanSquaredError, &inputs);
            let [a, b] = &inputs;
            let squares: f64 = a.data().iter().zip(b.data()).map(|(a, b)| (a - b).powi(2)).sum();
            let (value, _) = vjp(MeanSquaredError, &inputs, &[1.0]);
            prop_assert!((value[0] - squares / a.data().len() as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let infer = |a: &[usize], b: &[usize]| {
            let shapes = [Shape::new(a), Shape::new(b)];
            Op::<f32>::infer(&MeanSquaredError, &shapes).unwrap_err().to_string()
        };
        assert_eq!(
            infer(&[0, 3], &[0, 3]),
            "mean_squared_error: expected at least one element, found shape [0, 3]"
        );
        assert_eq!(
            infer(&[3], &[1, 3]),
            "mean_squared_error: expected two inputs of one shape, found [3] and [1, 3]"
        );
    }
}
