//! Sets that allow the same networks, started at a corner and in the interior: the tutorial's
//! experiment over seeds, paired with no constraint, and the canonical form of each network that
//! was trained. `docs/max-plus/constraints.md` has the table.
//!
//! `cargo run --release --example gauge -- 20` takes 20 seeds (default 5), and writes a figure and
//! `results.json` into `runs/examples`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to a person")]

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use common::{Outcome, dataset, figure, results};
use morphograd::artifacts::RunFolder;
use morphograd::data::Dataset;
use morphograd::experiment::{Config, DILATION};
use morphograd::run::run;
use morphograd::start::{Start, canonical};
use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::checkpoint;
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::TensorRef;
use morphograd_morphology::nn::{Layer, Weight};
use morphograd_plot::{Interval, IntervalPlot};
use serde_json::json;

const SETS: [&str; 7] = [
    "none",
    "non-negative",
    "non-positive",
    "lattice",
    "lattice-zero-centre",
    "sup-normalised",
    "non-positive-increasing",
];

fn main() -> Outcome<()> {
    let dataset = dataset()?;
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let samples = Config::default().samples.min(dataset.train.len());
    let (mut none, mut rows) = (Vec::new(), Vec::new());
    let mut intervals: Vec<(&str, Vec<Interval<'_>>)> =
        SETS[1..].iter().map(|set| (*set, Vec::new())).collect();
    println!("{:24} {:9} {:>8}  {:20} logits", "set", "start", "accuracy", "minus none, paired");
    for start in [Start::Zero, Start::Interior] {
        let folder = RunFolder::create(Path::new("runs"), "gauge")?;
        let config = Config { samples, start, ..Config::default() };
        for set in SETS {
            // No constraint has no boundary to start off.
            if set == "none" && start == Start::Interior {
                continue;
            }
            let (mut best, mut apart) = (Vec::new(), 0.0f32);
            for seed in 0..seeds {
                let watch = &mut |_: morphograd::recorder::Event<'_>| ControlFlow::Continue(());
                let record = run(&config, &dataset, set, seed, &folder, watch)?;
                let weights = folder.path().join(format!("{set}-seed{seed}/weights.safetensors"));
                apart = apart.max(distance_to_canonical(&config, &dataset, &weights)?);
                best.push(record.best_val_accuracy());
                eprint!("\r{set}, seed {seed}: {:.4}    ", record.best_val_accuracy());
            }
            if set == "none" {
                none.clone_from(&best);
            }
            let differences: Vec<f64> = best.iter().zip(&none).map(|(a, b)| a - b).collect();
            let [low, high] = interval(&differences);
            let begin = if start == Start::Zero { "from 0" } else { "from the interior" };
            if let Some((_, row)) = intervals.iter_mut().find(|(name, _)| *name == set) {
                row.push((begin, [low, mean(&differences), high]));
            }
            rows.push(json!({
                "set": set, "start": begin, "accuracies": best, "logits": apart,
                "minus none": mean(&differences), "interval": [low, high],
            }));
            println!(
                "\r{set:24} {:9} {:8.4}  {:+.4} [{low:+.4}, {high:+.4}]  {apart:.1e}",
                format!("{start:?}").to_lowercase(),
                mean(&best),
                mean(&differences),
            );
        }
    }
    results("gauge", &json!({ "data": dataset.name, "seeds": seeds, "rows": rows }))?;
    let label = "Accuracy minus that without a constraint, from two starts";
    let axis = "best validation accuracy minus that of `none`, mean and 95 percent interval";
    let range = [-0.02, 0.02];
    figure("gauge", &IntervalPlot { label, axis, range, rows: intervals }.svg())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A bootstrap interval of 95 percent for the mean.
fn interval(values: &[f64]) -> [f64; 2] {
    const RESAMPLES: usize = 10_000;
    let mut stream = Stream::new(0, "bootstrap", 0);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = |_| values[(stream.uniform() * values.len() as f64) as usize];
            (0..values.len()).map(draw).sum::<f64>() / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    [means[RESAMPLES / 40], means[RESAMPLES - RESAMPLES / 40]]
}

/// How far the logits of the test images are from those of the network in canonical form, at most,
/// relative to the largest.
fn distance_to_canonical(config: &Config, dataset: &Dataset, weights: &Path) -> Outcome<f32> {
    let (mut params, mut tape) = (Params::new(), Tape::new());
    let model = config.network(dataset, Weight::zeros(), 0, &mut params)?;
    checkpoint::load(&mut params, weights)?;
    let images = &dataset.test;
    let shape = [images.len().min(1000), images.height(), images.width(), 1];
    let pixels: Vec<f32> = (0..shape[0])
        .flat_map(|n| images.levels(n).map(|level| level as f32 / images.white() as f32))
        .collect();
    let mut logits = |params: &Params<f32>| -> Outcome<Vec<f32>> {
        let mut graph = tape.record(params, Mode::Eval);
        let x = graph.input(TensorRef::new(shape, &pixels));
        let y = model.forward(&mut graph, x)?;
        Ok(graph.value(y).data.to_vec())
    };
    let trained = logits(&params)?;
    let kernel = params.find(&format!("{DILATION}.kernel")).ok_or("no dilation")?;
    canonical(&mut params, kernel);
    let found = logits(&params)?;
    let apart = trained.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    Ok(apart / trained.iter().map(|logit| logit.abs()).fold(0.0, f32::max))
}
