//! The correlational update against the gradient, and each with and without the shift of columns:
//! four arms at two learning rates, on the network of Fotopoulos and Maragos (2026), beside the
//! numbers that they published for two of the eight. `docs/max-plus/dense.md` has the table.
//!
//! `cargo run --release -p morphograd --example correlational -- --samples 60000 --epochs 50
//! --seeds 5` is the published experiment and takes hours on two cores; the default is a small one.
//! It writes a figure and `correlational.json` into `runs/examples`, and goes on from that file: a
//! run that is in it is not made again.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use std::ops::ControlFlow;

use clap::Parser;
use common::study::{self, Recipe, Runs, Split, summary};
use common::{Outcome, dataset, figure};
use morphograd::data::Dataset;
use morphograd_morphology::nn::autodiff::{Neg, ParamId, Params};
use morphograd_morphology::nn::fit::{Callback, CallbackError, Progress, Training};
use morphograd_morphology::nn::initializer::Normal;
use morphograd_morphology::nn::tensor::{Real, ShapeError};
use morphograd_morphology::nn::{
    Activation, Apply, Branches, BuildError, Dense, Model, Scale, Sequential, Weight,
};
use morphograd_morphology::smooth::Sharpness;
use morphograd_morphology::{LogSumExpDense, Semiring, ShiftNormalization, WeightRule};
use morphograd_plot::{Axis, Line, LineChart, Panel, PanelGrid, Scale as Range, Stroke, palette};
use serde_json::{Value, json};

/// How much is run.
#[derive(Debug, Clone, Copy, Parser)]
struct Options {
    /// Training images, of which 15 percent are for validation.
    #[arg(long, default_value_t = 6000)]
    samples: usize,
    /// Epochs of a run.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Seeds, from 42.
    #[arg(long, default_value_t = 2)]
    seeds: u64,
    /// Only the three arms that were published, and the gradient with the shift at the larger
    /// rate, which tells the rule from the two others.
    #[arg(long)]
    essential: bool,
}

/// What a run does.
#[derive(Debug, Clone, Copy)]
struct Arm {
    name: &'static str,
    network: Network,
    rate: f64,
    /// Test accuracy on MNIST that was published, mean and deviation.
    published: Option<[f64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Network {
    Linear,
    MaxPlus { rule: WeightRule, shift: bool },
}

impl Arm {
    fn is_essential(&self) -> bool {
        self.published.is_some() || (self.name == "BP, shift" && self.rate > 0.005)
    }
}

const WIDTH: usize = 256;
/// The published temperature.
const BETA: f64 = 1.0;
const SHIFT: ShiftNormalization = ShiftNormalization::LogSumExp { beta: BETA };

fn arms() -> Vec<Arm> {
    let (linear, published) = (Network::Linear, Some([0.9819, 0.0020]));
    let mut arms = vec![Arm { name: "MLP", network: linear, rate: 0.001, published }];
    for rate in [0.001, 0.01] {
        for (name, rule, shift) in [
            ("BP", WeightRule::Gradient, false),
            ("BP, shift", WeightRule::Gradient, true),
            ("correlation", WeightRule::Correlation, false),
            ("correlation, shift", WeightRule::Correlation, true),
        ] {
            let published = match (rule, shift) {
                (WeightRule::Gradient, false) if rate < 0.005 => Some([0.6246, 0.0890]),
                (WeightRule::Correlation, true) if rate > 0.005 => Some([0.9530, 0.0038]),
                _ => None,
            };
            arms.push(Arm { name, network: Network::MaxPlus { rule, shift }, rate, published });
        }
    }
    arms
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    let data = dataset()?;
    let samples = options.samples.min(data.train.len());
    println!("{samples} training images, {} epochs, {} seeds", options.epochs, options.seeds);
    let mut runs = Runs::open("correlational")?;
    let key = |arm: &Arm, seed: u64| {
        json!({ "data": data.name, "samples": samples, "epochs": options.epochs, "arm": arm.name,
                "rate": arm.rate, "seed": seed })
    };
    // Seed by seed, so that an unfinished experiment compares all arms.
    for seed in 42..42 + options.seeds {
        for arm in arms() {
            let key = key(&arm, seed);
            if options.essential && !arm.is_essential() {
                continue;
            }
            if runs.find(&key).is_none() {
                let measured = run(&arm, &data, samples, options.epochs, seed)?;
                println!("{:20} {:6} seed {seed}: test {}", arm.name, arm.rate, measured["test"]);
                runs.add(key, measured)?;
            }
        }
    }
    let of = |arm: &Arm| -> Vec<&Value> {
        (42..42 + options.seeds).filter_map(|seed| runs.find(&key(arm, seed))).collect()
    };

    println!("\nTest accuracy of the best validation epoch on {}:", data.name);
    println!("{:20} {:>6} {:>5} {:>17} {:>17}", "", "rate", "runs", "ours", "published, MNIST");
    let mut curves = [Vec::new(), Vec::new()];
    for (colour, arm) in (1..).zip(arms()) {
        let found = of(&arm);
        let tests = found.iter().filter_map(|run| run["test"].as_f64()).collect::<Vec<_>>();
        let (ours, count) = summary(&tests);
        let published = arm.published.map_or_else(String::new, study::text);
        println!("{:20} {:>6} {count:>5} {ours:>17} {published:>17}", arm.name, arm.rate);
        let epoch = |epoch: usize| {
            let values = found.iter().filter_map(|run| run["validation"][epoch].as_f64());
            let values: Vec<f64> = values.collect();
            (!values.is_empty())
                .then(|| (epoch as f64 + 1.0, values.iter().sum::<f64>() / values.len() as f64))
        };
        let points: Vec<_> = (0..options.epochs).map_while(epoch).collect();
        let stroke = Stroke::solid(palette::colour((colour + 3) % 4 + 1), 2.0);
        if arm.network != Network::Linear {
            curves[usize::from(arm.rate > 0.005)].push(Line::new(arm.name, points, stroke));
        }
    }
    let panel = |title, lines| {
        let whole = Range::Linear { min: 0.0, max: 1.0 };
        let range = Range::Linear { min: 1.0, max: options.epochs as f64 };
        Panel::new(title, Axis::new("epoch", range), Axis::new("", whole), lines)
    };
    let [slow, fast] = curves;
    let panels = vec![panel("Adam, rate 0.001", slow), panel("Adam, rate 0.01", fast)];
    let label = "Validation accuracy by rule, shift and learning rate";
    let grids = vec![PanelGrid::new(2, 300.0, panels)];
    figure("correlational", &LineChart { width: 900.0, ..LineChart::new(label, grids) }.svg())
}

/// Shifts the columns of the layers after every step, and before the first.
struct Shifts(Vec<(Semiring, ParamId)>);

impl Shifts {
    fn apply<T: Real>(&self, params: &mut Params<T>) -> Result<(), ShapeError> {
        self.0.iter().try_for_each(|(semiring, kernel)| {
            SHIFT.apply(*semiring, params, &[*kernel]).map(|_| ())
        })
    }
}

impl Callback<f32> for Shifts {
    fn on_train_begin(&mut self, training: &mut Training<'_, f32>) -> Result<(), CallbackError> {
        Ok(self.apply(training.params)?)
    }

    fn on_batch_end(
        &mut self,
        progress: Progress,
        training: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        if progress.step.is_some() {
            self.apply(training.params)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn run(arm: &Arm, data: &Dataset, samples: usize, epochs: usize, seed: u64) -> Outcome<Value> {
    let split = Split::new(data, samples, samples * 15 / 100, None, seed);
    let mut params = Params::new();
    let inputs = data.train.height() * data.train.width();
    let model = network(arm.network, seed, inputs, &mut params)?;
    let mut shifts = Shifts(Vec::new());
    if let Network::MaxPlus { shift: true, .. } = arm.network {
        for (name, semiring) in [("or", Semiring::MaxPlus), ("and", Semiring::MinPlus)] {
            for block in 1..=2 {
                let kernel = params.find(&format!("{name}{block}.kernel")).ok_or("no kernel")?;
                shifts.0.push((semiring, kernel));
            }
        }
    }
    let name = format!("{}, rate {}", arm.name, arm.rate);
    let recipe = Recipe { name, epochs, batch_size: 64, rate: arm.rate, seed };
    study::run(&model, &mut params, &split, &recipe, &mut shifts)
}

/// The published network: twice $[x, -x]$, factors, smooth maxima, factors, smooth minima; all
/// numbers start from a standard normal distribution. Or the published perceptron.
fn network(
    network: Network,
    seed: u64,
    inputs: usize,
    params: &mut Params<f32>,
) -> Result<Model<f32>, BuildError> {
    let mut model = Sequential::new();
    match network {
        Network::Linear => {
            for name in ["hidden1", "hidden2", "hidden3"] {
                let activation = Activation::Relu;
                model = model.add(name, Dense { units: WIDTH, activation, ..Dense::default() });
            }
            model = model.add("logits", Dense { units: 10, ..Dense::default() });
        }
        Network::MaxPlus { rule, .. } => {
            let normal = || Weight::new(Normal { mean: 0.0, std: 1.0 });
            let layer = |semiring, units| LogSumExpDense {
                units,
                semiring,
                kernel: normal(),
                beta: Sharpness::Fixed(BETA),
                bias: Some(normal()),
                rule,
                ..LogSumExpDense::default()
            };
            for (block, units) in [(1, WIDTH), (2, 10)] {
                let both =
                    Branches::default().add("plus", Activation::Linear).add("minus", Apply(Neg));
                model = model
                    .add(&format!("both{block}"), both)
                    .add(&format!("scale{block}"), Scale { factor: normal() })
                    .add(&format!("or{block}"), layer(Semiring::MaxPlus, WIDTH))
                    .add(&format!("factor{block}"), Scale { factor: normal() })
                    .add(&format!("and{block}"), layer(Semiring::MinPlus, units));
            }
        }
    }
    model.build_model(params, seed, [inputs])
}
