//! Penalties on structuring functions.
//!
//! The one design choice: they pull towards the bottom of the lattice, where an entry no longer
//! takes part in the maximum, and not towards 0, which for a dilation is no neutral value; an entry
//! that is at $-\infty$ already costs nothing.

use morphograd_nn::autodiff::{Backward, Forward, Op};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

/// $\lambda_1 \sum_i |w_i - b| + \lambda_2 \sum_i (w_i - b)^2$ with a bottom $b$: an
/// operation that maps a tensor of any shape to a scalar. Shrinks supports: entries that no loss
/// needs sink to the bottom. Entries of $-\infty$ are off the support and count nothing, with
/// gradient 0. The subgradient of $|w - b|$ at $b$ is 0.
///
/// `L1L2Lattice` of morpholayers, whose `l1lattice` and `l2lattice` are this with the
/// other factor 0.
/// Cost: one pass over the weights; the sum is accumulated in `f64`, in order.
///
/// ```
/// use morphograd_morphology::{
///     nn::{
///         autodiff::{Mode, Params, Tape},
///         tensor::Tensor,
///     },
///     regularizer::L1L2Lattice,
/// };
/// let mut params = Params::new();
/// let w =
///     params.add("w", Tensor::from_vec([3], vec![f64::NEG_INFINITY, -1.0, 1.0])?, None)?;
/// let mut tape = Tape::new();
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let weight = graph.param(w);
/// let penalty = graph.apply(L1L2Lattice { l1: 0.5, l2: 0.25, bottom: -1.0 }, [weight])?;
/// assert_eq!(graph.value(penalty).data, [0.5 * 2.0 + 0.25 * 4.0]);
/// graph.backward(penalty);
/// assert_eq!(tape.grad(w), Some(&[0.0, 0.0, 0.5 + 2.0 * 0.25 * 2.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct L1L2Lattice {
    /// The factor of the distances.
    pub l1: f64,
    /// The factor of the squares.
    pub l2: f64,
    /// The bottom of the lattice, finite.
    pub bottom: f64,
}

impl Default for L1L2Lattice {
    /// morpholayers' values: 0.01, 0.01 and -1.
    fn default() -> Self {
        Self { l1: 0.01, l2: 0.01, bottom: -1.0 }
    }
}

impl<T: Real> Op<T> for L1L2Lattice {
    fn name(&self) -> &'static str {
        "l1_l2_lattice"
    }

    fn infer(&self, _: &[Shape]) -> Result<Shape, ShapeError> {
        if self.bottom.is_finite() {
            return Ok(Shape::scalar());
        }
        Err(ShapeError::new("l1_l2_lattice", "a finite bottom", self.bottom.to_string()))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (mut distances, mut squares) = (0.0, 0.0);
        for w in pass.inputs[0].data.iter().filter(|w| **w != T::neg_infinity()) {
            let distance = w.f64() - self.bottom;
            distances += distance.abs();
            squares += distance * distance;
        }
        pass.output[0] = T::of(self.l1 * distances + self.l2 * squares);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dw), ..] = pass.grad_inputs else { return };
        let g = pass.grad_output[0].f64();
        for (dw, w) in dw.iter_mut().zip(pass.inputs[0].data) {
            let distance = w.f64() - self.bottom;
            if distance == 0.0 || *w == T::neg_infinity() {
                continue;
            }
            *dw += T::of(g * (self.l1 * distance.signum() + 2.0 * self.l2 * distance));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn gradients_agree_with_differences(
            // |w - b| has no derivative at b: the points stay away from it by more than a
            // difference's step.
            w in strategy::tensor([3, 4]).prop_map(|w| {
                let away = |w: f64| w + 0.01f64.copysign(w);
                Tensor::from_fn([3, 4], |i| away(w.data()[i]))
            }),
            bottom in -2.0..2.0f64,
            l1 in 0.0..2.0f64,
            l2 in 0.0..2.0f64,
        ) {
            let w = Tensor::from_fn([3, 4], |i| w.data()[i] + bottom);
            check_op(L1L2Lattice { l1, l2, bottom }, &[w]);
        }
    }

    #[test]
    fn the_bottom_and_what_is_off_the_support_cost_nothing_and_stay() {
        let w = Tensor::from_vec([4], vec![-1.0f32, f32::NEG_INFINITY, 0.0, -3.0]).unwrap();
        let (penalty, grads) = vjp(L1L2Lattice { l1: 0.5, l2: 0.25, bottom: -1.0 }, &[w], &[2.0]);
        assert_eq!(penalty, [0.5 * 3.0 + 0.25 * 5.0]);
        assert_eq!(grads[0], [0.0, 0.0, 2.0, -3.0]);
        let nan = Tensor::from_vec([1], vec![f64::NAN]).unwrap();
        let (penalty, grads) = vjp(L1L2Lattice::default(), &[nan], &[1.0]);
        assert!(penalty[0].is_nan() && grads[0][0].is_nan());
    }

    #[test]
    fn a_bottom_at_infinity_is_refused() {
        let params = Params::<f32>::new();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let w = graph.input(Tensor::zeros([2]).view());
        let regularizer = L1L2Lattice { bottom: f64::NEG_INFINITY, ..L1L2Lattice::default() };
        let error = graph.apply(regularizer, [w]).unwrap_err();
        assert_eq!(error.to_string(), "l1_l2_lattice: expected a finite bottom, found -inf");
    }
}
