//! Tutorial 0, a first network: ten units that look at the whole image, with weights that may not
//! be negative, and a classifier on them; beside it the same network without the constraint.
//!
//! Run with `cargo run --release -p morphograd --example t0_first_network`. It prints that the
//! weights are at distance 0 from their set after every epoch, and what that costs: over five seeds
//! a mean test accuracy of 0.8429 with the constraint and 0.8576 without on the embedded digits,
//! 0.8953 and 0.9006 on MNIST.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{
    Outcome, Tile, accuracy, dataset, figure, images, mean_and_deviation, planes, sheet, train,
};
use morphograd::data::Dataset;
use morphograd::record::EpochRecord;
use morphograd::report::histories;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::predict;
use morphograd_morphology::nn::initializer::GlorotUniform;
use morphograd_morphology::nn::sets::NonNegative;
use morphograd_morphology::nn::{Activation, Dense, Flatten, Model, Sequential, Weight, summary};
use morphograd_plot::BarChart;

const UNITS: usize = 10;
const EPOCHS: usize = 20;
const SEEDS: u64 = 5;

/// One network after its training.
struct Run {
    model: Model<f32>,
    params: Params<f32>,
    epochs: Vec<EpochRecord>,
    accuracy: f64,
    /// The weights of the first layer, `[pixels, UNITS]`.
    kernel: Vec<f32>,
}

fn main() -> Outcome<()> {
    let data = dataset()?;
    let data = Dataset { train: data.train.take(data.train.len().min(5000))?, ..data };
    let width = data.train.width();
    let class_of = |i: usize| data.class_names[usize::from(data.train.labels()[i])].clone();
    let values = |i| images(&data.train, i..i + 1, 1.0).into_vec();
    let samples: Vec<Tile> =
        (0..25).map(|i| Tile { label: class_of(i), width, values: values(i) }).collect();
    sheet("t0_first_network/samples", 5, [0.0, 1.0], &samples)?;

    // A constraint belongs to its parameter: whatever changes the weights, the initializer and the
    // optimizer included, ends with the nearest weights that are not negative.
    let constrained = |seed| run(&data, seed, Weight::new(GlorotUniform).constrained(NonNegative));
    let constrained: Vec<Run> = (0..SEEDS).map(constrained).collect::<Outcome<_>>()?;
    let free = |seed| run(&data, seed, Weight::new(GlorotUniform));
    let free: Vec<Run> = (0..SEEDS).map(free).collect::<Outcome<_>>()?;

    let first = &constrained[0];
    println!("{}", summary(&first.model, &first.params));
    println!("epoch    loss  accuracy  test loss  test accuracy  distance from the constraint");
    for epoch in &first.epochs {
        let (loss, accuracy, violation) = (epoch.loss, epoch.accuracy, epoch.violation);
        let (test_loss, test) = (epoch.val_loss, epoch.val_accuracy);
        println!(
            "{:5}  {loss:.4}    {accuracy:.4}     {test_loss:.4}         {test:.4}  {violation}",
            epoch.epoch
        );
    }
    println!("\n{SEEDS} seeds       test accuracy     smallest weight of the units");
    for (name, runs) in [("non-negative", &constrained), ("free", &free)] {
        let [mean, deviation] = mean_and_deviation(runs.iter().map(|run| run.accuracy));
        let smallest =
            runs.iter().flat_map(|run| &run.kernel).copied().fold(f32::INFINITY, f32::min);
        println!("{name:13} {mean:.4} ± {deviation:.4}   {smallest}");
    }
    // The distance is 0 only where no weight is negative.
    let distances = constrained.iter().flat_map(|run| &run.epochs).map(|epoch| epoch.violation);
    println!(
        "Largest distance from the constraint after any epoch of any seed: {}",
        distances.fold(0.0, f64::max)
    );

    let curves = [("non-negative", &first.epochs[..]), ("free", &free[0].epochs)];
    figure("t0_first_network/curves", &histories("Loss and accuracy over the epochs", &curves))?;
    let weights: Vec<Tile> = [("non-negative", first), ("free", &free[0])]
        .iter()
        .flat_map(|(name, run)| planes(name, UNITS, width, &run.kernel))
        .collect();
    // Grey is 0, so the ten non-negative images have no dark pixel.
    let largest =
        weights.iter().flat_map(|tile| &tile.values).fold(0.0, |most: f64, v| most.max(v.abs()));
    sheet("t0_first_network/weights", UNITS, [-largest, largest], &weights)?;
    probabilities(first, &data)
}

/// Trains the network whose first layer has such weights.
fn run(data: &Dataset, seed: u64, weight: Weight<f32>) -> Outcome<Run> {
    let mut params = Params::new();
    let model = Sequential::new()
        .add("flatten", Flatten)
        .add(
            "units",
            Dense {
                units: UNITS,
                activation: Activation::Relu,
                kernel: weight,
                ..Dense::default()
            },
        )
        .add("classes", Dense { units: data.class_names.len(), ..Dense::default() })
        .build_model(&mut params, seed, [data.train.height(), data.train.width(), 1])?;
    let epochs = train(&model, &mut params, data, EPOCHS, seed)?;
    let accuracy = accuracy(&model, &params, &data.test)?;
    let kernel =
        params.value(params.find("units.kernel").ok_or("the units have a kernel")?).data.to_vec();
    Ok(Run { model, params, epochs, accuracy, kernel })
}

/// What the network thinks of the first test image, the most probable class first.
fn probabilities(run: &Run, data: &Dataset) -> Outcome<()> {
    let logits = predict(&run.model, &data.test.take(1)?, 1, &run.params)?;
    let logits = logits.data();
    let sum: f64 = logits.iter().map(|z| f64::from(*z).exp()).sum();
    let mut sorted: Vec<(f64, &str)> = logits
        .iter()
        .zip(&data.class_names)
        .map(|(z, class)| (f64::from(*z).exp() / sum, &class[..]))
        .collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!(
        "\nThe first test image, of class {}:",
        data.class_names[usize::from(data.test.labels()[0])]
    );
    for (probability, class) in &sorted {
        println!("{class:>12} {probability:.4}");
    }
    let bars = BarChart {
        label: "Probabilities of the classes of the first test image",
        axis: "probability",
        max: 1.0,
        decimals: 4,
        bars: sorted.into_iter().map(|(probability, class)| (class, probability)).collect(),
    };
    figure("t0_first_network/probabilities", &bars.svg())
}
