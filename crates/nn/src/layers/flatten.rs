//! From images to vectors: the same numbers in the same order, under another shape.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Graph, Op, Params, Var};

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// `[batch, height, width, channels]` (or any rank from 1) → `[batch, height · width · channels]`,
/// in row-major order. Cost: one copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flatten;

impl<T: Real> Build<T> for Flatten {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> Layer<T> for Flatten {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        graph.apply(*self, [x])
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

impl<T: Real> Op<T> for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].dims() {
            [batch, rest @ ..] => Ok([*batch, rest.iter().product()].into()),
            [] => Err(ShapeError::new("flatten", "an input with a batch axis", "a scalar")),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        pass.output.copy_from_slice(pass.inputs[0].data);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if let [Some(dx), ..] = pass.grad_inputs {
            dx.copy_from_slice(pass.grad_output);
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::Params;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_is_kept_and_gradients_agree_with_differences(
            x in (1..3usize, 1..4usize, 1..4usize)
                .prop_flat_map(|(n, h, c)| strategy::tensor([n, h, 2, c])),
        ) {
            check_op(Flatten, std::slice::from_ref(&x));
            let (y, _) = vjp(Flatten, std::slice::from_ref(&x), &vec![0.0; x.data().len()]);
            prop_assert_eq!(&y[..], x.data());
        }
    }

    #[test]
    fn every_axis_but_the_batch_is_joined() {
        let output = |input: &[usize]| {
            let mut params = Params::<f32>::new();
            let model = Sequential::new().add("flat", Flatten);
            model.build_model(&mut params, 0, Shape::new(input)).unwrap().output()
        };
        assert_eq!(output(&[5, 5, 32]).dims(), [800]);
        assert_eq!(output(&[7]).dims(), [7]);
        assert_eq!(output(&[]).dims(), [1]);
        let error = Op::<f32>::infer(&Flatten, &[Shape::scalar()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "flatten: expected an input with a batch axis, found a scalar"
        );
    }
}
