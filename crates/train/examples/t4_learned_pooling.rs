//! Tutorial 4, learned pooling: a network with max-pooling is trained, then its poolings, which are dilations by flat squares, are
//! replaced by dilations whose structuring elements are learned. They start flat, so at first nothing changes.
//!
//! Run with `cargo run --release -p morphograd --example t4_learned_pooling`.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, accuracy, dataset, figure, logits, mean_and_deviation, planes, sheet, train};
use morphograd::data::{Dataset, Images};
use morphograd::record::EpochRecord;
use morphograd::report::histories;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::tensor::Padding;
use morphograd_morphology::nn::{
    Activation, Build, BuildError, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Sequential, summary,
};
use morphograd_morphology::{Merge, Morphological2d, dilation2d};

const FILTERS: usize = 25;
const POOL: [usize; 2] = [2, 2];
const EPOCHS: usize = 10;
const MORE_EPOCHS: usize = 20;
const SEEDS: u64 = 3;
/// Of Student's distribution with two degrees of freedom, one less than there are seeds: 95 percent lie between it and its negative.
const QUANTILE: f64 = 4.303;

/// What one seed gave, at three moments: after the first epochs, then after more of them with max-pooling or with learned dilations.
struct Run {
    accuracies: [f64; 3],
    losses: [f64; 3],
    /// Epochs with max-pooling, all of them, and with dilations, those after the replacement.
    epochs: [Vec<EpochRecord>; 2],
    /// The structuring functions of both layers, `[2, 2, FILTERS, 1]`.
    kernels: [Vec<f32>; 2],
}

fn main() -> Outcome<()> {
    let data = dataset()?;
    let train = data.train.take(data.train.len().min(5000))?;
    // Curves need not be exact. What is compared at the end is measured on all test images.
    let seen = Dataset { train, test: data.test.take(data.test.len().min(2000))?, ..data };
    let runs = (0..SEEDS).map(|seed| run(seed, &seen, &data.test)).collect::<Outcome<Vec<Run>>>()?;

    println!("\nmean of {SEEDS} seeds, ± standard deviation              training loss      test accuracy");
    let moments = [
        format!("after {EPOCHS} epochs"),
        format!("after {MORE_EPOCHS} more with max-pooling"),
        format!("after {MORE_EPOCHS} more with learned dilations"),
    ];
    for (n, moment) in moments.iter().enumerate() {
        let [loss, loss_deviation] = mean_and_deviation(runs.iter().map(|run| run.losses[n]));
        let [accuracy, deviation] = mean_and_deviation(runs.iter().map(|run| run.accuracies[n]));
        println!("{moment:48}{loss:.4} ± {loss_deviation:.4}    {accuracy:.4} ± {deviation:.4}");
    }
    // What the dilations give beyond the same training without them, seed by seed.
    let [accuracy, accuracy_within] =
        interval(runs.iter().map(|run| 100.0 * (run.accuracies[2] - run.accuracies[1])));
    let [loss, loss_within] = interval(runs.iter().map(|run| run.losses[2] - run.losses[1]));
    println!(
        "Pools replaced by learned dilations gain {accuracy:+.2} ± {accuracy_within:.2} points of test accuracy."
    );
    println!("They change the training loss by {loss:+.4} ± {loss_within:.4}.");
    println!(
        "± is here the 95 percent interval of the mean: a change within it may be nothing but the seeds."
    );

    let curves: Vec<(&str, &[EpochRecord])> = runs
        .iter()
        .flat_map(|run| [("max-pooling", &run.epochs[0][..]), ("learned dilations", &run.epochs[1])])
        .collect();
    figure("t4_learned_pooling/curves", &histories("Max-pooling and learned dilations", &curves))?;
    // Grey is 0, where all entries started. One scale for both layers.
    let kernels = &runs[0].kernels;
    let largest = f64::from(kernels.iter().flatten().fold(0.0, |most: f32, w| most.max(w.abs())));
    println!("Largest entry of the structuring functions of the first seed: {largest:.3}");
    for (name, kernel) in
        ["t4_learned_pooling/elements_1", "t4_learned_pooling/elements_2"].iter().zip(kernels)
    {
        sheet(name, 5, [-largest, largest], &planes("channel", FILTERS, POOL[1], kernel))?;
    }
    Ok(())
}

/// Mean and half the width of its confidence interval.
fn interval(values: impl ExactSizeIterator<Item = f64> + Clone) -> [f64; 2] {
    let [mean, deviation] = mean_and_deviation(values);
    [mean, QUANTILE * deviation / (SEEDS as f64).sqrt()]
}

/// Trains with max-pooling, then goes on with it and, from the same weights, with dilations in its place.
fn run(seed: u64, data: &Dataset, test: &Images) -> Outcome<Run> {
    let mut pooled = Params::new();
    let max_pool = || MaxPool2d { size: POOL, padding: Padding::Same, ..MaxPool2d::default() };
    let pooling = network(&mut pooled, seed, data, max_pool)?;
    let mut first = train(&pooling, &mut pooled, data, EPOCHS, seed)?;

    // Each channel is dilated by its own 2 x 2 structuring function, which is zero at the start. Windows lie as those of the pooling, and
    // what is outside the image wins in neither.
    let learned_pool = || Morphological2d {
        operator: dilation2d,
        size: POOL,
        strides: POOL,
        padding: Padding::Same,
        merge: Merge::None,
        ..Morphological2d::default()
    };
    let mut dilated = Params::new();
    let dilating = network(&mut dilated, seed, data, learned_pool)?;
    for id in pooled.ids() {
        let same = dilated.find(pooled.name(id)).ok_or("both networks have the other layers")?;
        dilated.update(same, |value| value.copy_from_slice(pooled.value(id).data));
    }
    if seed == 0 {
        println!("{}\n{}", summary(&pooling, &pooled), summary(&dilating, &dilated));
    }
    let before = logits(&pooling, &pooled, test, test.len())?;
    let after = logits(&dilating, &dilated, test, test.len())?;
    let differing = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    println!("seed {seed}: logits that change when the pools are replaced: {differing} of {}", after.len());

    // The same images in the same order, the same dropout, and a new optimizer for both.
    let at_first = accuracy(&pooling, &pooled, test)?;
    let with_pooling = train(&pooling, &mut pooled, data, MORE_EPOCHS, seed)?;
    let with_dilations = train(&dilating, &mut dilated, data, MORE_EPOCHS, seed)?;
    let accuracies = [at_first, accuracy(&pooling, &pooled, test)?, accuracy(&dilating, &dilated, test)?];
    // That of the epoch whose weights were kept.
    let lowest = |epochs: &[EpochRecord]| epochs.iter().map(|epoch| epoch.loss).fold(f64::INFINITY, f64::min);
    let losses = [lowest(&first), lowest(&with_pooling), lowest(&with_dilations)];
    let [_, pooling, dilating] = accuracies;
    println!(
        "seed {seed}: test accuracy {at_first:.4}, then {pooling:.4} with max-pooling, {dilating:.4} with dilations"
    );

    let later = |epoch: EpochRecord| EpochRecord { epoch: EPOCHS + epoch.epoch, ..epoch };
    first.extend(with_pooling.into_iter().map(later));
    let epochs = [first, with_dilations.into_iter().map(later).collect()];
    let kernel = |name| dilated.find(name).map(|id| dilated.value(id).data.to_vec()).ok_or("no kernel");
    let kernels = [kernel("pool_1.kernel")?, kernel("pool_2.kernel")?];
    Ok(Run { accuracies, losses, epochs, kernels })
}

/// The network with a pooling of one's choice.
fn network<P: Build<f32>>(
    params: &mut Params<f32>,
    seed: u64,
    data: &Dataset,
    pool: impl Fn() -> P,
) -> Result<Sequential<f32>, BuildError> {
    let convolution = || Conv2d { filters: FILTERS, activation: Activation::Relu, ..Conv2d::default() };
    Sequential::builder(params, seed, [data.train.height(), data.train.width(), 1])
        .add("convolution_1", convolution())
        .add("pool_1", pool())
        .add("convolution_2", convolution())
        .add("pool_2", pool())
        .add("flatten", Flatten)
        .add("dropout", Dropout { rate: 0.5 })
        .add("dense", Dense { units: data.class_names.len(), ..Dense::default() })
        .finish()
}
