//! The correlational update against the gradient, and each with and without the shift of columns:
//! four arms at two learning rates, on the network of Fotopoulos and Maragos (2026), beside the
//! numbers that they published for two of the eight. `docs/max-plus/dense.md` has the table.
//!
//! `cargo run --release -p morphograd --example correlational -- --samples 60000 --epochs 50
//! --seeds 5` is the published experiment and takes hours on two cores; the default is a small one.
//! It writes a figure and `correlational.json` into `runs/examples`, and goes on from that file: a
//! run that is in it is not made again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to a person")]

mod common;

use std::fs;
use std::ops::ControlFlow;

use clap::Parser;
use common::{Outcome, dataset, figure, mean_and_deviation, results};
use morphograd::data::{Dataset, Images};
use morphograd_morphology::nn::autodiff::{Graph, Neg, ParamId, Params};
use morphograd_morphology::nn::fit::{
    Accuracy, Batch, Callback, CallbackError, DataSet, EarlyStopping, EpochLog, Fit, Monitor,
    Progress, Training,
};
use morphograd_morphology::nn::initializer::Normal;
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{Real, ShapeError};
use morphograd_morphology::nn::{
    Activation, Apply, Branches, BuildError, Dense, Model, Optimizer, Scale, Sequential,
    SoftmaxCrossEntropy, Weight,
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

const WIDTH: usize = 256;
/// The published temperature.
const BETA: f64 = 1.0;
const SHIFT: ShiftNormalization = ShiftNormalization::LogSumExp { beta: BETA };
const FILE: &str = "runs/examples/correlational.json";

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
    let mut runs = match fs::read_to_string(FILE) {
        Ok(text) => {
            serde_json::from_str::<Value>(&text)?["runs"].as_array().cloned().ok_or(FILE)?
        }
        Err(_) => Vec::new(),
    };
    let key = |arm: &Arm, seed: u64| {
        json!({ "data": data.name, "samples": samples, "epochs": options.epochs, "arm": arm.name,
                "rate": arm.rate, "seed": seed })
    };
    // Seed by seed, so that an unfinished experiment compares all arms.
    for seed in 42..42 + options.seeds {
        for arm in arms() {
            let key = key(&arm, seed);
            if runs.iter().any(|run| run["run"] == key) {
                continue;
            }
            let measured = run(&arm, &data, samples, options.epochs, seed)?;
            println!("{:20} {:6} seed {seed}: test {:.4}", arm.name, arm.rate, measured.test);
            runs.push(json!({ "run": key, "test": measured.test, "validation":
                measured.validation, "end": measured.end, "seconds": measured.seconds }));
            results("correlational", &json!({ "runs": runs }))?;
        }
    }
    let of = |arm: &Arm| -> Vec<&Value> {
        let keys: Vec<Value> = (42..42 + options.seeds).map(|seed| key(arm, seed)).collect();
        runs.iter().filter(|run| keys.contains(&run["run"])).collect()
    };

    println!("\nTest accuracy of the best validation epoch on {}:", data.name);
    println!("{:20} {:>6} {:>5} {:>17} {:>17}", "", "rate", "runs", "ours", "published, MNIST");
    let mut curves = [Vec::new(), Vec::new()];
    for (colour, arm) in (1..).zip(arms()) {
        let found = of(&arm);
        let tests = found.iter().filter_map(|run| run["test"].as_f64()).collect::<Vec<_>>();
        let text = |[mean, deviation]: [f64; 2]| {
            if deviation.is_nan() {
                format!("{mean:.4}")
            } else {
                format!("{mean:.4} ± {deviation:.4}")
            }
        };
        let ours = text(mean_and_deviation(tests.iter().copied()));
        let published = arm.published.map_or_else(String::new, text);
        let count = tests.len();
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

struct Measured {
    test: f64,
    validation: Vec<f64>,
    end: String,
    seconds: f64,
}

/// Some images, standardized and flat.
struct Part<'a> {
    images: &'a Images,
    indices: Vec<usize>,
    /// Mean and deviation of the pixels of the training images.
    moments: [f32; 2],
}

impl DataSet<f32> for Part<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let indices: Vec<usize> = examples.iter().map(|i| self.indices[*i]).collect();
        let [mean, deviation] = self.moments;
        let pixels = self.images.height() * self.images.width();
        let x = graph.input_with([indices.len(), pixels], |x| {
            self.images.gather_pixels(&indices, x);
            x.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
        });
        let labels = graph.input_with([indices.len()], |labels| {
            for (label, i) in labels.iter_mut().zip(&indices) {
                *label = f32::from(self.images.labels()[*i]);
            }
        });
        Ok(Batch::new(x, labels))
    }
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

/// Says how far a run is.
struct Announced(String, usize);

impl Callback<f32> for Announced {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let (Self(run, epochs), accuracy) = (self, log.get("val_accuracy").unwrap_or(f64::NAN));
        eprint!("\r{run}: epoch {} of {epochs}, validation {accuracy:.4}    ", log.epoch);
        if log.epoch == *epochs {
            eprintln!();
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn run(arm: &Arm, data: &Dataset, samples: usize, epochs: usize, seed: u64) -> Outcome<Measured> {
    let images = &data.train;
    let pixels = || (0..samples).flat_map(|i| images.pixels(i)).map(|p| f64::from(*p) / 255.0);
    let count = (samples * images.height() * images.width()) as f64;
    let mean = pixels().sum::<f64>() / count;
    let deviation = (pixels().map(|p| (p - mean).powi(2)).sum::<f64>() / count).sqrt();
    let part = |images, indices| Part { images, indices, moments: [mean as f32, deviation as f32] };
    let mut order: Vec<usize> = (0..samples).collect();
    Stream::new(seed, "split", 0).shuffle(&mut order);
    let validation = order.split_off(samples - samples * 15 / 100);
    let (train, validation) = (part(images, order), part(images, validation));
    let test = part(&data.test, (0..data.test.len()).collect());

    let mut params = Params::new();
    let inputs = images.height() * images.width();
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
    let mut best = EarlyStopping {
        monitor: Monitor::highest("val_accuracy"),
        patience: epochs,
        restore_best_weights: true,
        ..EarlyStopping::default()
    };
    let mut progress = Announced(format!("{}, rate {}, seed {seed}", arm.name, arm.rate), epochs);
    let mut optimizer = Optimizer::new(&params, Adam::default(), arm.rate);
    let history = Fit {
        validation: Some(&validation),
        epochs,
        batch_size: 64,
        seed,
        metrics: vec![&mut Accuracy::default()],
        callbacks: vec![&mut shifts, &mut best, &mut progress],
        ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
    }
    .run(&mut params, &mut optimizer)?;
    Ok(Measured {
        test: common::accuracy(&model, &params, &test)?,
        validation: history.values("val_accuracy"),
        end: format!("{:?}", history.end),
        seconds: history.seconds,
    })
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
