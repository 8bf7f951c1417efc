//! A residual block: what comes in is added to what a body makes of it.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Add, Graph, Mode, Params, Tape, Var};

use crate::model::build::{Build, Description};
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// $y = f(x) + s(x)$ with a body $f$ and a shortcut $s$, the identity unless another is chosen
/// (He and others, 2016). Both outputs have one shape. Parameters: those of `body` and `shortcut`,
/// under these names. Cost: theirs, and an addition an element.
///
/// ```
/// use morphograd_nn::{Activation, Dense, Residual, Sequential, autodiff::Params};
/// let dense = |units| Dense { units, ..Dense::default() };
/// let body = Sequential::new().add("a", dense(8)).add("relu", Activation::Relu);
/// let body = body.add("b", dense(4));
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("block", Residual::new(body))
///     .add("wider", Residual::new(dense(6)).shortcut(dense(6)))
///     .build_model(&mut params, 0, [4])?;
/// assert_eq!(model.output().dims(), [6]);
/// assert!(params.find("block.body.a.kernel").is_some());
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Residual<T> {
    body: Description<T>,
    shortcut: Option<Description<T>>,
}

impl<T: Real> Residual<T> {
    /// A block with the identity as its shortcut.
    pub fn new(body: impl Build<T>) -> Self {
        Self { body: Description::new(body), shortcut: None }
    }

    /// The same block with another shortcut, for a body that changes the shape.
    #[must_use]
    pub fn shortcut(self, shortcut: impl Build<T>) -> Self {
        Self { shortcut: Some(Description::new(shortcut)), ..self }
    }
}

impl<T: Real> Build<T> for Residual<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let within = |name: &'static str| move |error: BuildError| error.within(name);
        let body = self.body.build(&mut builder.scope("body"), input).map_err(within("body"))?;
        let shortcut = self
            .shortcut
            .map(|shortcut| shortcut.build(&mut builder.scope("shortcut"), input))
            .transpose()
            .map_err(within("shortcut"))?;
        let block = Block { body, shortcut };
        let mut tape = Tape::new();
        let mut graph = tape.record(builder.params(), Mode::Shapes);
        let x = graph.input_with(input.batched(1), |_| ());
        let [y, s] = block.parts(&mut graph, x)?;
        if graph.shape(y) == graph.shape(s) {
            return Ok(Box::new(block));
        }
        let [y, s] = [y, s].map(|var| graph.shape(var).unbatched());
        let expected = format!("a body and a shortcut of one output shape, here {s}");
        Err(ShapeError::new("residual", expected, format!("shape {y}")).into())
    }
}

#[derive(Debug)]
struct Block<T> {
    body: Box<dyn Layer<T>>,
    shortcut: Option<Box<dyn Layer<T>>>,
}

impl<T: Real> Block<T> {
    fn parts(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<[Var; 2], ShapeError> {
        let y = self.body.forward(graph, x).map_err(|error| error.within("body"))?;
        let Some(shortcut) = &self.shortcut else { return Ok([y, x]) };
        Ok([y, shortcut.forward(graph, x).map_err(|error| error.within("shortcut"))?])
    }
}

impl<T: Real> Layer<T> for Block<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let parts = self.parts(graph, x)?;
        graph.apply(Add, parts)
    }

    /// The sum of both.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.lipschitz(params)?,
            None => 1.0,
        };
        Some(self.body.lipschitz(params)? + shortcut)
    }
}

#[cfg(test)]
mod tests {
    use morphograd_autodiff::Params;
    use morphograd_autodiff::tensor::Tensor;

    use super::*;
    use crate::{Bias, Dense, Sequential, Weight, initializer::Constant};

    #[test]
    fn the_input_or_the_shortcut_is_added_to_the_body() {
        let bias = |b| Bias { bias: Weight::new(Constant(b)) };
        for (shortcut, expected) in [(None, 2.0 * 3.0 + 1.0), (Some(10.0), 2.0 * 3.0 + 11.0)] {
            let mut params = Params::<f64>::new();
            let block = Residual::new(bias(1.0));
            let block = match shortcut {
                Some(b) => block.shortcut(bias(b)),
                None => block,
            };
            let model =
                Sequential::new().add("block", block).build_model(&mut params, 0, [2]).unwrap();
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let x = graph.variable(Tensor::filled([1, 2], 3.0).view());
            let y = model.forward(&mut graph, x).unwrap();
            assert_eq!(graph.value(y).data, [expected; 2]);
            graph.backward_with(y, &[1.0, 1.0]);
            assert_eq!(graph.grad(x), Some(&[2.0, 2.0][..]));
        }
    }

    #[test]
    fn a_body_that_changes_the_shape_is_refused_with_its_path() {
        let block = Residual::new(Dense { units: 3, ..Dense::default() });
        let mut params = Params::<f32>::new();
        let error = Sequential::new()
            .add("block", block)
            .build_model(&mut params, 0, [2])
            .unwrap_err()
            .to_string();
        let expected = "block: residual: expected a body and a shortcut of one output shape, here \
                        [2], found shape [3]";
        assert_eq!(error, expected);
    }
}
