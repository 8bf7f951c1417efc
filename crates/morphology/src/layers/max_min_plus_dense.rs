//! A dense layer that gives the maxima and the minima of one matrix.
//!
//! The one design choice: two products on one parameter. The tape adds their gradients, and no
//! third product has to be kept right.

use morphograd_nn::autodiff::{Graph, Params, Ties, Var};
use morphograd_nn::initializer::GlorotUniform;
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::layers::correlation::WeightRule;
use crate::layers::dense::{DenseParts, Description};
use crate::layers::max_plus_dense::{MaxPlusProduct, MinPlusProduct};
use crate::layers::semiring::Semiring;

/// What becomes of the maxima and the minima.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MaxMin {
    /// Their sum, as many outputs as units.
    #[default]
    Sum,
    /// The maxima, and then the minima: twice as many outputs as units.
    Both,
}

/// $y_j = a(\max_i (x_i + w_{ij}) + \min_i (x_i + w_{ij}) + b_j)$, or both of them side by side:
/// `[batch, n]` → `[batch, units]` or `[batch, 2 units]`, with one matrix for both. Parameters:
/// `kernel` `[n, units]` and, if asked for, `max_candidate` and `min_candidate` `[units]`, which
/// compete in the maxima and in the minima, and `bias`, a number for each output.
///
/// Two inputs at least learn for each output, the largest and the smallest candidate. Of one
/// candidate the maximum is the minimum, and a constant added to a column of $w$ is added to both.
/// Element dropout leaves the same entries out of both, as $-\infty$ and as $+\infty$. Ties and
/// cost: those of two products ([`MaxPlusProduct`]).
///
/// Source: Fotopoulos and Maragos, *Training deep morphological neural networks as universal
/// approximators* (2025, arXiv 2505.09710), whose networks also have a
/// [`Scale`](morphograd_nn::Scale) between such layers.
///
/// ```
/// use morphograd_morphology::{MaxMin, MaxMinPlusDense, nn::{Sequential, autodiff::Params}};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("sum", MaxMinPlusDense { units: 32, ..MaxMinPlusDense::default() })
///     .add("both", MaxMinPlusDense { units: 5, merge: MaxMin::Both, ..Default::default() })
///     .build_model(&mut params, 42, [100])?;
/// assert_eq!((model.output().dims(), params.count()), (&[10][..], 3200 + 160));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct MaxMinPlusDense<T> {
    /// Columns of the matrix.
    pub units: usize,
    /// What becomes of the maxima and the minima.
    pub merge: MaxMin,
    /// The function $a$.
    pub activation: Activation,
    /// The matrix $w$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
    /// One more candidate of every maximum, and one of every minimum, constants; `None` for none.
    pub candidates: Option<[Weight<T>; 2]>,
    /// Entries of the matrix that are left out while training; none by default.
    pub element_dropout: ElementDropout,
    /// What the matrix learns from; the gradient by default.
    pub rule: WeightRule,
    /// Who gets the gradient where inputs are tied.
    pub ties: Ties,
}

impl<T: Real> Default for MaxMinPlusDense<T> {
    fn default() -> Self {
        Self {
            units: 1,
            merge: MaxMin::Sum,
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: None,
            candidates: None,
            element_dropout: ElementDropout::default(),
            rule: WeightRule::default(),
            ties: Ties::default(),
        }
    }
}

impl<T: Real> Build<T> for MaxMinPlusDense<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { units, merge, activation, kernel, bias, element_dropout, .. } = self;
        let (name, candidates) = ("max_min_plus_dense", self.candidates.into_iter().flatten());
        let candidates = candidates.collect();
        let description =
            Description { name, units, kernel, candidates, element_dropout, bias, activation };
        let outputs = if merge == MaxMin::Both { 2 } else { 1 };
        let parts = DenseParts::build(builder, input, outputs, description)?;
        Ok(Box::new(Built { merge, rule: self.rule, ties: self.ties, parts }))
    }
}

#[derive(Debug)]
struct Built {
    merge: MaxMin,
    rule: WeightRule,
    ties: Ties,
    parts: DenseParts,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let ties = self.ties;
        let operands = self.parts.operands(graph, x, Semiring::MaxPlus)?;
        let most = self.rule.apply(graph, MaxPlusProduct { ties }, operands)?;
        let operands = if self.parts.is_one_matrix(graph) {
            operands
        } else {
            self.parts.operands(graph, x, Semiring::MinPlus)?
        };
        let least = self.rule.apply(graph, MinPlusProduct { ties }, operands)?;
        let y = match self.merge {
            MaxMin::Sum => graph.add(most, least)?,
            MaxMin::Both => graph.concat([most, least], 1)?,
        };
        self.parts.finish(graph, y)
    }

    /// 1 for each of them, and twice as much for the sum.
    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        let sum = if self.merge == MaxMin::Sum { 2.0 } else { 1.0 };
        Some(sum * self.parts.activation.slope())
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::Sequential;
    use morphograd_nn::autodiff::{Mode, Tape};
    use morphograd_nn::initializer::{Constant, Normal};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{check_computation, strategy};
    use proptest::prelude::*;

    use super::*;

    fn layer(merge: MaxMin) -> MaxMinPlusDense<f64> {
        MaxMinPlusDense {
            units: 4,
            merge,
            kernel: Weight::new(Normal { mean: 0.0, std: 1.0 }),
            candidates: Some([0.4, 0.1].map(|c| Weight::new(Constant(c)))),
            bias: Some(Weight::new(Constant(0.25))),
            ..MaxMinPlusDense::default()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn gradients_agree_with_differences(
            x in strategy::tensor([3, 5]),
            w in strategy::tensor([5, 4]),
        ) {
            check_computation("max and min", &[x, w], |graph, vars| {
                let most = graph.apply(MaxPlusProduct::default(), [vars[0], vars[1]])?;
                let least = graph.apply(MinPlusProduct::default(), [vars[0], vars[1]])?;
                graph.add(most, least)
            });
        }
    }

    #[test]
    fn maxima_and_minima_are_those_of_one_matrix_and_its_candidates() {
        for merge in [MaxMin::Sum, MaxMin::Both] {
            let mut params = Params::<f64>::new();
            let model = Sequential::new()
                .add("layer", layer(merge))
                .build_model(&mut params, 1, [5])
                .unwrap();
            let w = params.value(params.find("layer.kernel").unwrap()).data.to_vec();
            let x = Tensor::from_fn([2, 5], |i| (i as f64 * 1.9).sin());
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Eval);
            let input = graph.input(x.view());
            let y = model.forward(&mut graph, input).unwrap();
            let y = graph.value(y);
            let mut expected = Vec::new();
            for x in x.data().chunks_exact(5) {
                let of = |constant: f64, better: fn(f64, f64) -> f64| -> Vec<f64> {
                    let candidate = |i: usize, j: usize| x[i] + w[i * 4 + j];
                    (0..4).map(|j| (0..5).map(|i| candidate(i, j)).fold(constant, better)).collect()
                };
                let (most, least) = (of(0.4, f64::max), of(0.1, f64::min));
                match merge {
                    MaxMin::Sum => {
                        expected.extend(most.iter().zip(least).map(|(a, b)| a + b + 0.25));
                    }
                    MaxMin::Both => expected.extend(most.iter().chain(&least).map(|a| a + 0.25)),
                }
            }
            assert_eq!(y.data, expected);
        }
    }

    #[test]
    fn what_is_dropped_wins_neither_the_maximum_nor_the_minimum() {
        let mut params = Params::<f64>::new();
        let dropped = MaxMinPlusDense {
            units: 50,
            merge: MaxMin::Both,
            kernel: Weight::zeros(),
            element_dropout: ElementDropout { rate: 0.7 },
            ..MaxMinPlusDense::default()
        };
        let model = Sequential::new().add("d", dropped).build_model(&mut params, 1, [6]).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 2 });
        let x = graph.input(Tensor::from_fn([1, 6], |i| i as f64).view());
        let y = model.forward(&mut graph, x).unwrap();
        let y = graph.value(y).data;
        let (most, least) = y.split_at(50);
        assert!(y.iter().all(|y| y.is_finite()));
        assert!(most.iter().zip(least).all(|(most, least)| least <= most));
        assert!(most.iter().any(|most| *most < 5.0) && least.iter().any(|least| *least > 0.0));
    }

    #[test]
    fn the_sum_has_twice_the_constant() {
        for (merge, expected) in [(MaxMin::Sum, 2.0), (MaxMin::Both, 1.0)] {
            let mut params = Params::<f64>::new();
            let model = Sequential::new()
                .add("layer", layer(merge))
                .build_model(&mut params, 1, [5])
                .unwrap();
            assert_eq!(model.lipschitz(&params), Some(expected));
        }
    }
}
