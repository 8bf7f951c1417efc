//! The networks: what they are made of, and what was published for them.

use morphograd_morphology::nn::autodiff::{self, Add, Graph, Mul, ParamId, Sub, Var};
use morphograd_morphology::nn::initializer::{Constant, Normal};
use morphograd_morphology::nn::tensor::{Shape, ShapeError};
use morphograd_morphology::nn::{
    Activation, Build, BuildError, Builder, Dense, Layer, Residual, Scale, Sequential, Weight,
};
use morphograd_morphology::{ElementDropout, MaxMinPlusDense, MaxPlusDense, MinPlusDense};

/// A network, how it is trained, and what was published for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) network: Network,
    pub(crate) batch_size: usize,
    pub(crate) rate: f64,
    /// Test accuracy on MNIST, mean and deviation of three seeds.
    pub(crate) published: Option<[f64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Network {
    /// Six dense layers with ReLU.
    Linear,
    /// Maxima only.
    MaxPlus { scale: bool },
    /// Maxima and minima of two matrices.
    Both { mix: Mix, scale: bool },
    /// Maxima and minima of one matrix, with a factor for each unit.
    OneMatrix { residual: bool, dropout: f64 },
    /// The last one with two matrices.
    Twin,
    /// A dense layer and maxima and minima of one matrix, five times.
    Hybrid,
}

pub(crate) const WIDTH: usize = 256;
pub(crate) const HIDDEN: usize = 5;

pub(crate) fn arms() -> Vec<Arm> {
    use Network::{Both, Hybrid, Linear, MaxPlus, OneMatrix};
    let arm = |name, network, mean: f64, deviation: f64| {
        let published = Some([mean / 100.0, deviation / 100.0]);
        Arm { name, network, batch_size: 64, rate: 0.001, published }
    };
    let hybrid = |name, batch_size, mean, deviation| Arm {
        batch_size,
        ..arm(name, Hybrid, mean, deviation)
    };
    let slow = arm("hybrid, batch 64, rate 0.0001", Hybrid, 0.0, 0.0);
    vec![
        arm("MLP", Linear, 98.01, 0.08),
        arm("MP", MaxPlus { scale: false }, 31.59, 1.28),
        arm("DEP, λ learned", Both { mix: Mix::Learned, scale: false }, 76.51, 3.36),
        arm("DEP, λ = 1/2", Both { mix: Mix::Fixed(0.5), scale: false }, 77.64, 1.03),
        arm("Act-MP", MaxPlus { scale: true }, 65.27, 13.97),
        arm("Act-DEP, λ learned", Both { mix: Mix::Learned, scale: true }, 84.15, 1.03),
        arm("Act-DEP, λ = 3/4", Both { mix: Mix::Fixed(0.75), scale: true }, 92.29, 0.64),
        arm("Act-DEP, λ = 1/2", Both { mix: Mix::Fixed(0.5), scale: true }, 94.43, 0.26),
        arm("MPM", OneMatrix { residual: false, dropout: 0.0 }, 94.66, 0.13),
        arm("RMPM", OneMatrix { residual: true, dropout: 0.0 }, 95.52, 0.22),
        arm("RMPM, dropout", OneMatrix { residual: true, dropout: 0.3 }, 97.49, 0.12),
        hybrid("hybrid, batch 64", 64, 33.59, 3.20),
        hybrid("hybrid, batch 640", 640, 96.74, 0.23),
        hybrid("hybrid, batch 6400", 6400, 97.42, 0.15),
        Arm { rate: 0.0001, published: None, ..slow },
    ]
}

/// What becomes of the maxima and the minima of two matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    /// $λ \max + (1 - λ) \min$.
    Fixed(f64),
    /// The same with a λ for each unit that is learned, from 1/2.
    Learned,
    /// Their sum; both have a candidate of their own.
    Sum,
}

/// Maxima of one matrix and minima of another.
#[derive(Debug)]
struct Pair {
    units: usize,
    mix: Mix,
    start: Normal,
}

#[derive(Debug)]
struct BuiltPair {
    max: Box<dyn Layer<f32>>,
    min: Box<dyn Layer<f32>>,
    mix: Mix,
    lambda: Option<ParamId>,
}

impl Build<f32> for Pair {
    fn build(
        self,
        builder: &mut Builder<'_, f32>,
        input: Shape,
    ) -> Result<Box<dyn Layer<f32>>, BuildError> {
        let Self { units, mix, start } = self;
        let candidate = || (mix == Mix::Sum).then(|| Weight::new(start));
        let max = MaxPlusDense {
            units,
            kernel: Weight::new(start),
            candidate: candidate(),
            ..Default::default()
        };
        let min = MinPlusDense {
            units,
            kernel: Weight::new(start),
            candidate: candidate(),
            ..Default::default()
        };
        let half = || Weight::new(Constant(0.5));
        let lambda = (mix == Mix::Learned).then(|| builder.param("lambda", [units].into(), half()));
        let lambda = lambda.transpose()?;
        let max = max.build(&mut builder.scope("max"), input)?;
        let min = min.build(&mut builder.scope("min"), input)?;
        Ok(Box::new(BuiltPair { max, min, mix, lambda }))
    }
}

impl Layer<f32> for BuiltPair {
    fn forward(&self, graph: &mut Graph<'_, f32>, x: Var) -> Result<Var, ShapeError> {
        let (max, min) = (self.max.forward(graph, x)?, self.min.forward(graph, x)?);
        let part = match (self.mix, self.lambda) {
            (Mix::Sum, _) => max,
            (Mix::Fixed(lambda), _) => {
                let difference = graph.apply(Sub, [max, min])?;
                graph.apply(autodiff::Scale(lambda), [difference])?
            }
            (Mix::Learned, lambda) => {
                let difference = graph.apply(Sub, [max, min])?;
                let lambda = graph.param(lambda.expect("declared"));
                graph.apply(Mul, [difference, lambda])?
            }
        };
        graph.apply(Add, [min, part])
    }
}

/// How much of a block is added to a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Part {
    Whole,
    /// What is before its morphological layer.
    Before,
}

pub(crate) fn describe(network: Network) -> Sequential<f32> {
    (1..=HIDDEN + 1)
        .fold(Sequential::new(), |model, block| part(model, network, block, Part::Whole))
}

/// The model with one more block. The first matrix of a morphological network starts from 0, the
/// others from a standard normal distribution.
pub(crate) fn part(
    mut model: Sequential<f32>,
    network: Network,
    block: usize,
    part: Part,
) -> Sequential<f32> {
    let is_hidden = block <= HIDDEN;
    let units = if is_hidden { WIDTH } else { 10 };
    let std = if block == 1 { 0.0 } else { 1.0 };
    let start = Normal { mean: 0.0, std };
    let dense = |activation| Dense { units, activation, ..Dense::default() };
    let one_matrix = |start: Normal, rate| MaxMinPlusDense {
        units,
        kernel: Weight::new(start),
        candidates: Some([0, 1].map(|_| Weight::new(start))),
        element_dropout: ElementDropout { rate },
        ..MaxMinPlusDense::default()
    };
    let (layer, scale) = (format!("layer{block}"), format!("scale{block}"));
    if network == Network::Hybrid && is_hidden {
        model = model.add(&format!("linear{block}"), dense(Activation::Linear));
    }
    if part == Part::Before {
        return model;
    }
    match network {
        Network::Linear if is_hidden => model.add(&layer, dense(Activation::Relu)),
        Network::Hybrid if is_hidden => {
            model.add(&layer, one_matrix(Normal { mean: 0.0, std: 1.0 }, 0.0))
        }
        Network::Linear | Network::Hybrid => model.add(&layer, dense(Activation::Linear)),
        Network::OneMatrix { residual: true, dropout } if is_hidden && block > 1 => {
            let body = Sequential::new().add("layer", one_matrix(start, dropout));
            model.add(&layer, Residual::new(body.add("scale", Scale::default())))
        }
        Network::MaxPlus { scale: false } => {
            // So deep below 0 that a candidate of a few inputs is felt.
            let start = || Weight::new(Normal { mean: -5.0, std: 3.0 });
            let (kernel, candidate) = (start(), Some(start()));
            model.add(&layer, MaxPlusDense { units, kernel, candidate, ..Default::default() })
        }
        _ => {
            model = match network {
                Network::MaxPlus { .. } => {
                    let (kernel, candidate) = (Weight::new(start), Some(Weight::new(start)));
                    let max = MaxPlusDense { units, kernel, candidate, ..Default::default() };
                    model.add(&layer, max)
                }
                Network::Both { mix, .. } => model.add(&layer, Pair { units, mix, start }),
                Network::Twin => model.add(&layer, Pair { units, mix: Mix::Sum, start }),
                Network::OneMatrix { dropout, .. } => model.add(&layer, one_matrix(start, dropout)),
                Network::Linear | Network::Hybrid => unreachable!("handled above"),
            };
            let has_scale = is_hidden && !matches!(network, Network::Both { scale: false, .. });
            if has_scale { model.add(&scale, Scale::default()) } else { model }
        }
    }
}
