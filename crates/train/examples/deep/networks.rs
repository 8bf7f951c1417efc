//! The networks: what they are made of, and what was published for them.

use morphograd_morphology::nn::autodiff::{
    self, Add, Graph, Maximum, Minimum, Mul, ParamId, Sub, Var,
};
use morphograd_morphology::nn::initializer::{Normal, Uniform};
use morphograd_morphology::nn::sets::Interval;
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
    /// How many times as many epochs it has as the others.
    pub(crate) longer: usize,
    /// Test accuracy on MNIST, mean and deviation of three seeds.
    pub(crate) published: Option<[f64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Network {
    /// Six dense layers with ReLU.
    Linear,
    /// Maxima only.
    MaxPlus { scale: bool, constants: Constants },
    /// Maxima and minima of two matrices.
    Both { mix: Mix, scale: bool },
    /// Maxima and minima of one matrix, with a factor for each unit.
    OneMatrix { residual: bool, dropout: f64 },
    /// The last one with two matrices.
    Twin,
    /// A dense layer and maxima and minima of one matrix, five times.
    Hybrid,
}

/// How the candidate biases of maxima start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Constants {
    /// From the standard normal distribution, as in the authors' code.
    Standard,
    /// From that of the matrix, so that few of them win.
    AsMatrix,
}

pub(crate) const WIDTH: usize = 256;
pub(crate) const HIDDEN: usize = 5;

pub(crate) fn arms() -> Vec<Arm> {
    use Constants::{AsMatrix, Standard};
    use Network::{Both, Hybrid, Linear, MaxPlus, OneMatrix};
    let arm = |name, network, mean: f64, deviation: f64| {
        let published = Some([mean / 100.0, deviation / 100.0]);
        Arm { name, network, batch_size: 64, rate: 0.001, longer: 1, published }
    };
    let ours = |name, network| Arm { published: None, ..arm(name, network, 0.0, 0.0) };
    let hybrid = |name, batch_size, mean, deviation| Arm {
        batch_size,
        ..arm(name, Hybrid, mean, deviation)
    };
    let dropout = OneMatrix { residual: true, dropout: 0.3 };
    vec![
        arm("MLP", Linear, 98.01, 0.08),
        arm("MP", MaxPlus { scale: false, constants: Standard }, 31.59, 1.28),
        ours("MP, constants as matrix", MaxPlus { scale: false, constants: AsMatrix }),
        arm("DEP, λ learned", Both { mix: Mix::Learned, scale: false }, 76.51, 3.36),
        arm("DEP, λ = 1/2", Both { mix: Mix::Fixed(0.5), scale: false }, 77.64, 1.03),
        arm("Act-MP", MaxPlus { scale: true, constants: Standard }, 65.27, 13.97),
        arm("Act-DEP, λ learned", Both { mix: Mix::Learned, scale: true }, 84.15, 1.03),
        arm("Act-DEP, λ clamped", Both { mix: Mix::Clamped, scale: true }, 84.15, 1.03),
        arm("Act-DEP, λ = 3/4", Both { mix: Mix::Fixed(0.75), scale: true }, 92.29, 0.64),
        arm("Act-DEP, λ = 1/2", Both { mix: Mix::Fixed(0.5), scale: true }, 94.43, 0.26),
        arm("MPM", OneMatrix { residual: false, dropout: 0.0 }, 94.66, 0.13),
        arm("RMPM", OneMatrix { residual: true, dropout: 0.0 }, 95.52, 0.22),
        ours("RMPM, dropout", dropout),
        Arm { longer: 4, ..arm("RMPM, dropout, longer", dropout, 97.49, 0.12) },
        hybrid("hybrid, batch 64", 64, 33.59, 3.20),
        hybrid("hybrid, batch 640", 640, 96.74, 0.23),
        hybrid("hybrid, batch 6400", 6400, 97.42, 0.15),
        Arm { rate: 0.0001, ..ours("hybrid, batch 64, rate 0.0001", Hybrid) },
    ]
}

/// What becomes of the maxima and the minima of two matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    /// $λ \max + (1 - λ) \min$.
    Fixed(f64),
    /// The same with a λ for each unit that is learned, and stays in [0, 1].
    Learned,
    /// The same, where a λ beyond 0 or 1 counts as 0 or 1 and has no gradient.
    Clamped,
    /// Their sum; both have a candidate of their own.
    Sum,
}

/// Maxima of one matrix and minima of another.
#[derive(Debug)]
struct Pair {
    units: usize,
    mix: Mix,
    /// Whether it starts from 0.
    first: bool,
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
        let Self { units, mix, first } = self;
        let normal = |std| Weight::new(Normal { mean: 0.0, std });
        let kernel = || normal(if first { 0.0 } else { 1.0 });
        let candidate = || (mix == Mix::Sum).then(|| normal(1.0));
        let max = MaxPlusDense {
            units,
            kernel: kernel(),
            candidate: candidate(),
            ..MaxPlusDense::default()
        };
        let min = MinPlusDense {
            units,
            kernel: kernel(),
            candidate: candidate(),
            ..MinPlusDense::default()
        };
        let unit = Interval { min: 0.0, max: 1.0 };
        let start = || Weight::new(Uniform { low: 0.0, high: 1.0 });
        let lambda = match mix {
            Mix::Learned => Some(start().constrained(unit)),
            Mix::Clamped => Some(start()),
            Mix::Fixed(_) | Mix::Sum => None,
        };
        let lambda = lambda.map(|weight| builder.param("lambda", [units].into(), weight));
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
            (Mix::Learned | Mix::Clamped, lambda) => {
                let difference = graph.apply(Sub, [max, min])?;
                let mut lambda = graph.param(lambda.expect("declared"));
                if self.mix == Mix::Clamped {
                    let units = graph.shape(lambda).len();
                    let zeros = graph.input_with([units], |x| x.fill(0.0));
                    let ones = graph.input_with([units], |x| x.fill(1.0));
                    lambda = graph.apply(Maximum::default(), [lambda, zeros])?;
                    lambda = graph.apply(Minimum::default(), [lambda, ones])?;
                }
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

/// The model with one more block, with the starts of the authors' code: dense layers from
/// $\pm n^{-1/2}$, factors from a normal distribution of deviation 1/3.46, candidates from the
/// standard one, the first matrix from a constant and the others from a normal distribution.
pub(crate) fn part(
    mut model: Sequential<f32>,
    network: Network,
    block: usize,
    part: Part,
) -> Sequential<f32> {
    let is_hidden = block <= HIDDEN;
    let units = if is_hidden { WIDTH } else { 10 };
    let normal = |mean: f64, std: f64| Weight::new(Normal { mean, std });
    let candidate = || normal(0.0, 1.0);
    let dense = |activation| {
        let high = 1.0 / if block == 1 { 784f64 } else { WIDTH as f64 }.sqrt();
        let uniform = || Weight::new(Uniform { low: -high, high });
        Dense { units, activation, kernel: uniform(), bias: Some(uniform()) }
    };
    let one_matrix = |kernel, rate| MaxMinPlusDense {
        units,
        kernel,
        candidates: Some([candidate(), candidate()]),
        element_dropout: ElementDropout { rate },
        ..MaxMinPlusDense::default()
    };
    // Where there is nothing but maxima, only entries far below 0 leave a choice.
    let below = if block == 1 { (-1.0, 0.0) } else { (-5.0, 3.0) };
    let standard = || normal(0.0, if block == 1 { 0.0 } else { 1.0 });
    let scale = || Scale { factor: normal(0.0, 1.0 / 3.46) };
    let (layer, scale_name) = (format!("layer{block}"), format!("scale{block}"));
    if network == Network::Hybrid && is_hidden {
        model = model.add(&format!("linear{block}"), dense(Activation::Linear));
    }
    if part == Part::Before {
        return model;
    }
    let model = match network {
        Network::Linear if is_hidden => model.add(&layer, dense(Activation::Relu)),
        Network::Linear => model.add(&layer, dense(Activation::Linear)),
        Network::Hybrid if is_hidden => model.add(&layer, one_matrix(normal(0.0, 1.0), 0.0)),
        Network::Hybrid => model.add(&layer, dense(Activation::Linear)),
        Network::MaxPlus { constants, .. } => {
            let kernel = || normal(below.0, below.1);
            let candidate = Some(match constants {
                Constants::Standard => candidate(),
                Constants::AsMatrix => kernel(),
            });
            let kernel = kernel();
            model.add(&layer, MaxPlusDense { units, kernel, candidate, ..Default::default() })
        }
        Network::Both { mix, .. } => model.add(&layer, Pair { units, mix, first: block == 1 }),
        Network::Twin => model.add(&layer, Pair { units, mix: Mix::Sum, first: block == 1 }),
        Network::OneMatrix { residual: true, dropout } if is_hidden && block > 1 => {
            let body = Sequential::new().add("layer", one_matrix(standard(), dropout));
            model.add(&layer, Residual::new(body.add("scale", scale())))
        }
        Network::OneMatrix { dropout, .. } => model.add(&layer, one_matrix(standard(), dropout)),
    };
    let has_scale = match network {
        Network::Linear | Network::Hybrid => false,
        Network::MaxPlus { scale, .. } | Network::Both { scale, .. } => scale,
        Network::OneMatrix { residual, .. } => !residual || block == 1,
        Network::Twin => true,
    };
    if has_scale && is_hidden { model.add(&scale_name, scale()) } else { model }
}
