//! Penalties on parameters: one differentiable operation, the weighted sum of absolute values and
//! squares.
//!
//! Keras' definitions: the squares carry no factor ½.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

/// $\lambda \sum_i |w_i|$: drives small weights to zero (Tibshirani, 1996). The subgradient of
/// $|w|$ at 0 is 0.
#[derive(Debug, Clone, Copy)]
pub struct L1(
    /// The factor λ.
    pub f64,
);

/// $\lambda \sum_i w_i^2$, without the factor ½.
#[derive(Debug, Clone, Copy)]
pub struct L2(
    /// The factor λ.
    pub f64,
);

/// $\lambda_1 \sum_i |w_i| + \lambda_2 \sum_i w_i^2$, the elastic net (Zou and Hastie, 2005): an
/// operation that maps a tensor of any shape to a scalar. The subgradient of
/// $|w|$ at 0 is 0.
///
/// Cost: one pass over the weights; the sum is accumulated in `f64`, in order.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Params, Tape};
/// use morphograd_nn::{regularizer::L1L2, tensor::Tensor};
/// let mut params = Params::new();
/// let w = params.add("w", Tensor::from_vec([3], vec![-2.0f64, 0.0, 1.0])?, None)?;
/// let mut tape = Tape::new();
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let w_var = graph.param(w);
/// let penalty = graph.apply(L1L2 { l1: 0.1, l2: 0.01 }, [w_var])?;
/// assert_eq!(graph.value(penalty).data, [0.1 * 3.0 + 0.01 * 5.0]);
/// graph.backward(penalty);
/// assert_eq!(tape.grad(w), Some(&[-0.1 - 0.04, 0.0, 0.1 + 0.02][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct L1L2 {
    /// The factor of the absolute values.
    pub l1: f64,
    /// The factor of the squares.
    pub l2: f64,
}

/// A penalty that is one of the elastic net's.
macro_rules! as_l1_l2 {
    ($name:ident, $penalty:ident, $factor:ident => $l1:expr, $l2:expr) => {
        impl<T: Real> Op<T> for $name {
            fn name(&self) -> &'static str {
                stringify!($penalty)
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                let Self($factor) = *self;
                Op::<T>::infer(&L1L2 { l1: $l1, l2: $l2 }, inputs)
            }

            fn forward(&self, pass: Forward<'_, T>) {
                let Self($factor) = *self;
                L1L2 { l1: $l1, l2: $l2 }.forward(pass);
            }

            fn backward(&self, pass: Backward<'_, T>) {
                let Self($factor) = *self;
                L1L2 { l1: $l1, l2: $l2 }.backward(pass);
            }
        }
    };
}

as_l1_l2!(L1, l1, factor => factor, 0.0);
as_l1_l2!(L2, l2, factor => 0.0, factor);

impl<T: Real> Op<T> for L1L2 {
    fn name(&self) -> &'static str {
        "l1_l2"
    }

    fn infer(&self, _: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::scalar())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (mut absolute, mut squares) = (0.0, 0.0);
        for w in pass.inputs[0].data {
            let w = w.f64();
            absolute += w.abs();
            squares += w * w;
        }
        pass.output[0] = T::of(self.l1 * absolute + self.l2 * squares);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dw), ..] = pass.grad_inputs else { return };
        let (slope, double) =
            (pass.grad_output[0] * T::of(self.l1), pass.grad_output[0] * T::of(2.0 * self.l2));
        for (dw, w) in dw.iter_mut().zip(pass.inputs[0].data) {
            // Not `signum`, which is ±1 at ±0.
            let sign = if *w > T::zero() {
                slope
            } else if *w < T::zero() {
                -slope
            } else {
                T::zero()
            };
            *dw += sign + double * *w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn gradients_agree_with_differences(
            // |w| has no derivative at 0: the points stay away from it by more than a
            // difference's step.
            w in strategy::tensor([3, 4]).prop_map(|w| {
                let away = |w: f64| w + 0.01f64.copysign(w);
                Tensor::from_fn([3, 4], |i| away(w.data()[i]))
            }),
            l1 in 0.0..2.0f64,
            l2 in 0.0..2.0f64,
        ) {
            check_op(L1L2 { l1, l2 }, &[w]);
        }
    }

    #[test]
    fn the_subgradient_of_the_absolute_value_at_zero_is_zero() {
        let w = Tensor::from_vec([4], vec![0.0f32, -0.0, 3.0, -3.0]).unwrap();
        let (_, grads) = vjp(L1L2 { l1: 0.5, l2: 0.0 }, &[w], &[1.0]);
        assert_eq!(grads[0], [0.0, 0.0, 0.5, -0.5]);
    }

    #[test]
    fn each_regularizer_is_its_formula() {
        let w = [Tensor::from_vec([2], vec![3.0, -4.0]).unwrap()];
        let both = L1L2 { l1: 1.0, l2: 2.0 };
        assert_eq!(vjp(L1(0.5), &w, &[1.0]), (vec![3.5], vec![vec![0.5, -0.5]]));
        assert_eq!(vjp(L2(0.5), &w, &[1.0]), (vec![12.5], vec![vec![3.0, -4.0]]));
        assert_eq!(vjp(both, &w, &[1.0]), (vec![57.0], vec![vec![13.0, -17.0]]));
    }
}
