//! Deep morphological networks of Fotopoulos and Maragos (2025): what their linear activations and
//! the minima beside the maxima give, networks that mix linear and morphological layers, by the
//! size of the batch, and pruning, beside the published numbers. `docs/max-plus/dense.md` has the
//! tables.
//!
//! `cargo run --release -p morphograd --example deep -- --samples 60000 --epochs 50 --seeds 3` is
//! the published experiment; the default is a small one. It writes figures and `deep.json` into
//! `runs/examples`, and goes on from that file.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

#[path = "../common/mod.rs"]
mod common;
mod diagnosis;
mod networks;
mod pruning;
mod tables;

use clap::Parser;
use common::study::{self, Recipe, Runs, Split};
use common::{Outcome, dataset};
use diagnosis::Diagnosis;
use morphograd_morphology::nn::autodiff::Params;
use networks::{Arm, Network, arms, describe};
use serde_json::{Value, json};

/// How much is run.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Training images, of which 20 percent are for validation.
    #[arg(long, default_value_t = 6000)]
    samples: usize,
    /// Epochs of a run.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Seeds, from 0.
    #[arg(long, default_value_t = 2)]
    seeds: u64,
    /// Only networks whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    let data = dataset()?;
    let samples = options.samples.min(data.train.len());
    println!("{samples} training images, {} epochs, {} seeds", options.epochs, options.seeds);
    let mut runs = Runs::open("deep")?;
    let key = |arm: &Arm, seed: u64| {
        json!({ "data": data.name, "samples": samples, "epochs": options.epochs * arm.longer,
                "arm": arm.name, "seed": seed })
    };
    let arms: Vec<Arm> =
        arms().into_iter().filter(|arm| arm.name.contains(&options.only)).collect();
    // Seed by seed, so that an unfinished experiment compares all arms.
    for seed in 0..options.seeds {
        for arm in &arms {
            let key = key(arm, seed);
            if runs.find(&key).is_none() {
                let split = Split::new(&data, samples, samples / 5, Some([0.5, 0.5]), seed);
                let measured = run(arm, &split, options.epochs * arm.longer, seed)?;
                println!("{:20} seed {seed}: test {}", arm.name, measured["test"]);
                runs.add(key, measured)?;
            }
        }
    }
    let of = |arm: &Arm| -> Vec<&Value> {
        (0..options.seeds).filter_map(|seed| runs.find(&key(arm, seed))).collect()
    };
    tables::networks(&arms, &of, &data.name);
    tables::diagnosis(&arms, &of);
    tables::pruning(&arms, &of);
    tables::figures(&arms, &of, options.epochs)
}

fn run(arm: &Arm, split: &Split<'_>, epochs: usize, seed: u64) -> Outcome<Value> {
    let inputs = split.train.pixels();
    let mut params = Params::new();
    let model = describe(arm.network).build_model(&mut params, seed, [inputs])?;
    let Arm { name, network, batch_size, rate, .. } = *arm;
    let recipe = Recipe { name: name.to_owned(), epochs, batch_size, rate, seed };
    let images = split.validation.first(1000);
    let mut diagnosis = Diagnosis { network, images, inputs, epochs: Vec::new() };
    let mut measured = study::run(&model, &mut params, split, &recipe, &mut diagnosis)?;
    measured["parameters"] = params.count().into();
    if network == Network::Hybrid {
        measured["diagnosis"] = diagnosis.epochs.into();
    }
    if seed < 3 && matches!(name, "MLP" | "MPM") {
        let mut pruned = json!({ "zero": pruning::to_zero(&model, &mut params, split)? });
        if name == "MPM" {
            pruned["infinity"] = pruning::to_infinity(network, &params, split, inputs)?;
        }
        measured["pruned"] = pruned;
    }
    Ok(measured)
}
