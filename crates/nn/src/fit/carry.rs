//! A gradient that was computed elsewhere, on a tape.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Op};

/// Its first input, a loss, to which the second, a parameter, is given the third as its gradient:
/// $y = l$ and $dl = dy$, $dp = g\,dy$. The loss depends on the parameter through other recordings,
/// which were differentiated there. No gradient goes to the third.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carry;

impl<T: Real> Op<T> for Carry {
    fn name(&self) -> &'static str {
        "carry"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs[0].len() == 1 && inputs[1] == inputs[2] {
            return Ok(inputs[0]);
        }
        let found = format!("shapes {}, {} and {}", inputs[0], inputs[1], inputs[2]);
        Err(ShapeError::new("carry", "a scalar, a parameter and a gradient of its shape", found))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        pass.output.copy_from_slice(pass.inputs[0].data);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (dy, gradient) = (pass.grad_output[0], pass.inputs[2].data);
        let [loss, param, ..] = pass.grad_inputs;
        if let Some(loss) = loss {
            loss[0] = dy;
        }
        if let Some(param) = param {
            param.iter_mut().zip(gradient).for_each(|(to, g)| *to = *g * dy);
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::{Tensor, TensorRef};
    use morphograd_autodiff::{Mode, Params, Penalty, Sum, Tape};

    #[test]
    fn the_gradient_and_the_penalty_arrive_and_the_value_is_the_loss() {
        let mut params = Params::<f64>::new();
        let w = params.add("w", Tensor::filled([2], 3.0), None).unwrap();
        params.penalize(w, Penalty::new(Sum)).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let loss = graph.input(TensorRef::new(Shape::scalar(), &[7.0]));
        let p = graph.param(w);
        let g = graph.input(Tensor::from_vec([2], vec![0.5, -2.0]).unwrap().view());
        let loss = graph.apply(Carry, [loss, p, g]).unwrap();
        let loss = graph.penalized(loss);
        assert_eq!(graph.value(loss).data, [13.0]);
        graph.backward(loss);
        assert_eq!(tape.grad(w), Some(&[1.5, -1.0][..]));
        let error = Op::<f64>::infer(&Carry, &[[2].into(), [2].into(), [2].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "carry: expected a scalar, a parameter and a gradient of its shape, found shapes [2], \
             [2] and [2]"
        );
    }
}
