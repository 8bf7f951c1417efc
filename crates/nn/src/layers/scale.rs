//! A factor for every position of an image, or whatever comes in.
//!
//! The one design choice: no op of its own, as in `bias.rs`. It is a product with broadcasting over
//! the batch.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Graph, Mul, ParamId, Params, Var};

use crate::initializer::Constant;
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;
use crate::model::weight::Weight;

/// $y = a x$ with a factor $a$ for every element of what comes in but its batch: `[batch, …]` →
/// `[batch, …]`. Parameter: `factor` of the input's shape without the batch, by default from 1. Its
/// gradient is the sum of $g x$ over the batch. Cost: one product an element.
///
/// Between layers of sums and maxima it is what multiplies at all: $n$ numbers for a layer of
/// $n \cdot m$. Source: the linear activations of Fotopoulos and Maragos, *Training deep
/// morphological neural networks as universal approximators* (2025, arXiv 2505.09710).
///
/// ```
/// use morphograd_nn::{Scale, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("scale", Scale::default())
///     .build_model(&mut params, 42, [100])?;
/// assert_eq!((model.output().dims(), params.count()), (&[100][..], 100));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Scale<T> {
    /// The factors $a$.
    pub factor: Weight<T>,
}

impl<T: Real> Default for Scale<T> {
    fn default() -> Self {
        Self { factor: Weight::new(Constant(1.0)) }
    }
}

impl<T: Real> Build<T> for Scale<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(Built(builder.param("factor", input, self.factor)?)))
    }
}

#[derive(Debug)]
struct Built(ParamId);

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let factor = graph.param(self.0);
        graph.apply(Mul, [x, factor])
    }

    /// The largest magnitude of a factor.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        let magnitudes = params.value(self.0).data.iter().map(|a| a.f64().abs());
        Some(magnitudes.fold(0.0, |most, a| if a.is_nan() { a } else { f64::max(most, a) }))
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
    fn every_position_has_its_own_factor_whose_gradient_is_a_sum_over_the_batch() {
        let mut params = Params::<f64>::new();
        let layer = Scale { factor: Weight::new(Uniform { low: -2.0, high: 1.0 }) };
        let model = Sequential::new().add("scale", layer).build_model(&mut params, 3, [2]).unwrap();
        let factor = params.find("scale.factor").unwrap();
        let a = params.value(factor).data.to_vec();
        let x = Tensor::from_fn([3, 2], |i| i as f64);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let input = graph.variable(x.view());
        let y = model.forward(&mut graph, input).unwrap();
        let expected: Vec<f64> = (0..6).map(|i| i as f64 * a[i % 2]).collect();
        assert_eq!(graph.value(y).data, expected);
        graph.backward_with(y, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let expected: Vec<f64> = (0..6).map(|i| (i + 1) as f64 * a[i % 2]).collect();
        assert_eq!(graph.grad(input).unwrap(), expected);
        assert_eq!(tape.grad(factor).unwrap(), [6.0 + 20.0, 2.0 + 12.0 + 30.0]);
        let largest = a[0].abs().max(a[1].abs());
        assert_eq!(model.lipschitz(&params), Some(largest));
    }
}
