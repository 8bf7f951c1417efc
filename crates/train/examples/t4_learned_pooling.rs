//! Tutorial 4, learned pooling: a network with max-pooling is trained, then its poolings, which are
//! dilations by flat squares, are replaced by dilations whose structuring elements are learned.
//! They start flat, so at first nothing changes.
//!
//! Run with `cargo run --release -p morphograd --example t4_learned_pooling`; it takes some
//! minutes. On the embedded digits it prints that learned dilations gain 1.08 ± 0.20 points of test
//! accuracy on the network they were put in. Most of that is more training: on as many epochs with
//! max-pooling they gain 0.10 ± 0.30 points, and 0.0077 ± 0.0016 of the training loss.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, accuracy, dataset, figure, mean_and_deviation, planes, sheet, train};
use morphograd::data::{Dataset, Images};
use morphograd::record::EpochRecord;
use morphograd::report::histories;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::predict;
use morphograd_morphology::nn::tensor::Window2d;
use morphograd_morphology::nn::{
    Activation, Build, BuildError, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Model, Sequential,
    summary,
};
use morphograd_morphology::{Merge, Morphological2d, Neighbourhood2d, dilation2d};

const FILTERS: usize = 25;
const POOL: [usize; 2] = [2, 2];
const EPOCHS: usize = 10;
const MORE_EPOCHS: usize = 20;
const SEEDS: u64 = 5;
/// Of Student's distribution with four degrees of freedom, one less than there are seeds: 95
/// percent lie between it and its negative.
const QUANTILE: f64 = 2.776;

/// What one seed gave, at three moments: after the first epochs, then after more of them with
/// max-pooling or with learned dilations.
struct Run {
    accuracies: [f64; 3],
    losses: [f64; 3],
    /// Epochs after the replacement, with max-pooling and with dilations.
    epochs: [Vec<EpochRecord>; 2],
    /// The structuring functions of both layers, `[2, 2, FILTERS, 1]`.
    kernels: [Vec<f32>; 2],
}

fn main() -> Outcome<()> {
    let data = dataset()?;
    let train = data.train.take(data.train.len().min(5000))?;
    // Curves need not be exact. What is compared at the end is measured on all test images.
    let seen = Dataset { train, test: data.test.take(data.test.len().min(2000))?, ..data };
    let runs =
        (0..SEEDS).map(|seed| run(seed, &seen, &data.test)).collect::<Outcome<Vec<Run>>>()?;

    println!(
        "\nmean of {SEEDS} seeds, ± standard deviation              training loss      test \
         accuracy"
    );
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
    // Seed by seed: against the network as it was, and against the same training without dilations.
    for (other, name) in [(0, "the network before"), (1, "as many epochs with max-pooling")] {
        let [accuracy, accuracy_within] =
            interval(runs.iter().map(|run| 100.0 * (run.accuracies[2] - run.accuracies[other])));
        let [loss, loss_within] =
            interval(runs.iter().map(|run| run.losses[2] - run.losses[other]));
        println!(
            "Learned dilations against {name}: {accuracy:+.2} ± {accuracy_within:.2} points of \
             test accuracy, \
             {loss:+.4} ± {loss_within:.4} of training loss"
        );
    }
    println!(
        "± is here the 95 percent interval of the mean: a change within it may be nothing but the \
         seeds."
    );

    // The same epochs of all seeds as one: lines for each would hide one another.
    let [pooled, dilated] = [0, 1].map(|which| {
        let runs: Vec<&[EpochRecord]> = runs.iter().map(|run| &run.epochs[which][..]).collect();
        (0..MORE_EPOCHS).map(|n| mean_epoch(&runs, n)).collect::<Vec<_>>()
    });
    let curves = [("max-pooling", &pooled[..]), ("learned dilations", &dilated[..])];
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

/// What the curves show of the epoch with index `n`, averaged over the runs.
fn mean_epoch(runs: &[&[EpochRecord]], n: usize) -> EpochRecord {
    let mean = |of: fn(&EpochRecord) -> f64| {
        runs.iter().map(|run| of(&run[n])).sum::<f64>() / runs.len() as f64
    };
    EpochRecord {
        epoch: n + 1,
        loss: mean(|epoch| epoch.loss),
        accuracy: mean(|epoch| epoch.accuracy),
        val_loss: mean(|epoch| epoch.val_loss),
        val_accuracy: mean(|epoch| epoch.val_accuracy),
        ..EpochRecord::default()
    }
}

/// Mean and half the width of its confidence interval.
fn interval(values: impl ExactSizeIterator<Item = f64> + Clone) -> [f64; 2] {
    let [mean, deviation] = mean_and_deviation(values);
    [mean, QUANTILE * deviation / (SEEDS as f64).sqrt()]
}

/// Trains with max-pooling, then goes on with it and, from the same weights, with dilations in its
/// place.
fn run(seed: u64, data: &Dataset, test: &Images) -> Outcome<Run> {
    let mut pooled = Params::new();
    let max_pool = || MaxPool2d { window: Window2d::tiles(POOL).same(), ..MaxPool2d::default() };
    let pooling = network(&mut pooled, seed, data, max_pool)?;
    let first = train(&pooling, &mut pooled, data, EPOCHS, seed)?;

    // Each channel is dilated by its own 2 x 2 structuring function, which is zero at the start.
    // Windows lie as those of the pooling, and what is outside the image wins in neither.
    let learned_pool = || Morphological2d {
        operator: dilation2d,
        neighbourhood: Neighbourhood2d::new(POOL).strides(POOL).same(),
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
    let before = predict(&pooling, test, 100, &pooled)?.into_vec();
    let after = predict(&dilating, test, 100, &dilated)?.into_vec();
    let differing = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    println!(
        "seed {seed}: logits that change when the pools are replaced: {differing} of {}",
        after.len()
    );

    // The same images in the same order, the same dropout, and a new optimizer for both.
    let at_first = accuracy(&pooling, &pooled, test)?;
    let with_pooling = train(&pooling, &mut pooled, data, MORE_EPOCHS, seed)?;
    let with_dilations = train(&dilating, &mut dilated, data, MORE_EPOCHS, seed)?;
    let accuracies =
        [at_first, accuracy(&pooling, &pooled, test)?, accuracy(&dilating, &dilated, test)?];
    // That of the epoch whose weights were kept.
    let lowest = |epochs: &[EpochRecord]| {
        epochs.iter().map(|epoch| epoch.loss).fold(f64::INFINITY, f64::min)
    };
    let losses = [lowest(&first), lowest(&with_pooling), lowest(&with_dilations)];
    let [_, pooling, dilating] = accuracies;
    println!(
        "seed {seed}: test accuracy {at_first:.4}, then {pooling:.4} with max-pooling, \
         {dilating:.4} with dilations"
    );

    let epochs = [with_pooling, with_dilations];
    let kernel =
        |name| dilated.find(name).map(|id| dilated.value(id).data.to_vec()).ok_or("no kernel");
    let kernels = [kernel("pool_1.kernel")?, kernel("pool_2.kernel")?];
    Ok(Run { accuracies, losses, epochs, kernels })
}

/// The network with a pooling of one's choice.
fn network<P: Build<f32>>(
    params: &mut Params<f32>,
    seed: u64,
    data: &Dataset,
    pool: impl Fn() -> P,
) -> Result<Model<f32>, BuildError> {
    let convolution =
        || Conv2d { filters: FILTERS, activation: Activation::Relu, ..Conv2d::default() };
    Sequential::new()
        .add("convolution_1", convolution())
        .add("pool_1", pool())
        .add("convolution_2", convolution())
        .add("pool_2", pool())
        .add("flatten", Flatten)
        .add("dropout", Dropout { rate: 0.5 })
        .add("dense", Dense { units: data.class_names.len(), ..Dense::default() })
        .build_model(params, seed, [data.train.height(), data.train.width(), 1])
}
