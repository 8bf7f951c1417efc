//! What dense layers over a semiring share: the matrix with its dropout, the candidate bias, the
//! added bias and the activation.
//!
//! The one design choice: a candidate bias is an input 0 with a row of weights of its own, so every
//! product, hard or smooth, has it without knowing.

use morphograd_nn::autodiff::{Add, Graph, Mode, ParamId, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, BuildError, Builder, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::layers::semiring::Semiring;

/// What such a layer is described by.
pub(crate) struct Description<T> {
    pub(crate) name: &'static str,
    pub(crate) units: usize,
    pub(crate) kernel: Weight<T>,
    /// None, one, or one of the maxima and one of the minima.
    pub(crate) candidates: Vec<Weight<T>>,
    pub(crate) element_dropout: ElementDropout,
    pub(crate) bias: Option<Weight<T>>,
    pub(crate) activation: Activation,
}

/// The same with its parameters.
#[derive(Debug)]
pub(crate) struct DenseParts {
    kernel: ParamId,
    candidates: Vec<ParamId>,
    element_dropout: ElementDropout,
    seed: u64,
    bias: Option<ParamId>,
    pub(crate) activation: Activation,
}

impl DenseParts {
    /// Declares `kernel` `[n, units]` and, where asked for, `candidate` (two are `max_candidate`
    /// and `min_candidate`) and `bias`. With `outputs` numbers of the bias for each unit.
    pub(crate) fn build<T: Real>(
        builder: &mut Builder<'_, T>,
        input: Shape,
        outputs: usize,
        description: Description<T>,
    ) -> Result<Self, BuildError> {
        let Description { name, units, kernel, candidates, element_dropout, bias, activation } =
            description;
        let (&[n], 1..) = (input.dims(), units) else {
            let found = format!("{units} units on an input of shape {input}");
            let expected = "at least 1 unit on [n] (flatten it first)";
            return Err(ShapeError::new(name, expected, found).into());
        };
        let mut declare = |name: &str, shape: Shape, weight: Option<Weight<T>>| {
            weight.map(|weight| builder.param(name, shape, weight)).transpose()
        };
        let kernel = declare("kernel", [n, units].into(), Some(kernel))?.expect("declared");
        let names = if candidates.len() == 2 {
            ["max_candidate", "min_candidate"].as_slice()
        } else {
            &["candidate"]
        };
        let candidates = candidates.into_iter().zip(names).map(|(weight, name)| {
            Ok(declare(name, [units].into(), Some(weight))?.expect("declared"))
        });
        let candidates = candidates.collect::<Result<_, BuildError>>()?;
        let bias = declare("bias", [outputs * units].into(), bias)?;
        let seed = builder.seed();
        Ok(Self { kernel, candidates, element_dropout, seed, bias, activation })
    }

    /// The operands of the product: the input and the matrix, both with one more row for the
    /// candidate bias.
    pub(crate) fn operands<T: Real>(
        &self,
        graph: &mut Graph<'_, T>,
        x: Var,
        semiring: Semiring,
    ) -> Result<[Var; 2], ShapeError> {
        let kernel = graph.param(self.kernel);
        let kernel = self.element_dropout.apply_to_matrix(graph, kernel, self.seed, semiring)?;
        let candidate = match semiring {
            Semiring::MaxPlus => self.candidates.first(),
            Semiring::MinPlus => self.candidates.last(),
        };
        let Some(candidate) = candidate else { return Ok([x, kernel]) };
        let candidate = graph.param(*candidate);
        let units = graph.shape(candidate).len();
        let row = graph.reshape(candidate, [1, units])?;
        let batch = graph.shape(x).dims().first().copied().unwrap_or(0);
        let zeros = graph.input_with([batch, 1], |zeros| zeros.fill(T::zero()));
        Ok([graph.concat([x, zeros], 1)?, graph.concat([kernel, row], 0)?])
    }

    /// Whether maxima and minima have one matrix in this recording.
    pub(crate) fn is_one_matrix<T: Real>(&self, graph: &Graph<'_, T>) -> bool {
        let drops = self.element_dropout.rate > 0.0 && matches!(graph.mode(), Mode::Train { .. });
        !drops && self.candidates.len() < 2
    }

    /// Bias and activation.
    pub(crate) fn finish<T: Real>(
        &self,
        graph: &mut Graph<'_, T>,
        mut y: Var,
    ) -> Result<Var, ShapeError> {
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}
