//! A bias for every position of an image, or whatever comes in.
//!
//! The one design choice: no op of its own. It is a sum with broadcasting over the batch.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Add, Graph, ParamId, Params, Var};

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;
use crate::model::weight::Weight;

/// $y = x + b$ with a number $b$ for every element of what comes in but its batch (`BiasLayer` of
/// morpholayers): `[batch, …]` → `[batch, …]`. Parameter: `bias` of the input's shape without the
/// batch, by default from 0. Its gradient is the sum over the batch. Cost: one addition an element.
///
/// For a bias a channel, which most layers have themselves, see theirs.
///
/// ```
/// use morphograd_nn::{Bias, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("bias", Bias::default())
///     .build_model(&mut params, 42, [28, 28, 1])?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 1][..], 784));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Bias<T> {
    /// The numbers $b$.
    pub bias: Weight<T>,
}

impl<T: Real> Default for Bias<T> {
    fn default() -> Self {
        Self { bias: Weight::zeros() }
    }
}

impl<T: Real> Build<T> for Bias<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(Built(builder.param("bias", input, self.bias)?)))
    }
}

#[derive(Debug)]
struct Built(ParamId);

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let bias = graph.param(self.0);
        graph.apply(Add, [x, bias])
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use crate::initializer::Uniform;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};

    #[test]
    fn every_position_has_its_own_bias_whose_gradient_is_the_sum_over_the_batch() {
        let mut params = Params::<f64>::new();
        let layer = Bias { bias: Weight::new(Uniform { low: -1.0, high: 1.0 }) };
        let model =
            Sequential::new().add("bias", layer).build_model(&mut params, 3, [2, 2, 1]).unwrap();
        let bias = params.find("bias.bias").unwrap();
        let x = Tensor::from_fn([3, 2, 2, 1], |i| i as f64);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let input = graph.variable(x.view());
        let y = model.forward(&mut graph, input).unwrap();
        let expected: Vec<f64> =
            (0..12).map(|i| i as f64 + params.value(bias).data[i % 4]).collect();
        assert_eq!(graph.value(y).data, expected);
        let grad: Vec<f64> = (0..12).map(f64::from).collect();
        graph.backward_with(y, &grad);
        assert_eq!(graph.grad(input).unwrap(), grad);
        assert_eq!(tape.grad(bias).unwrap(), [12.0, 15.0, 18.0, 21.0]);
    }
}
