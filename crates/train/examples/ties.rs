//! What the rule at ties does to learning: the tutorial's network with each [`Ties`] in its
//! dilation, from a kernel of zeros. Prints where the first gradient of the kernel goes, and the
//! validation accuracy after every few epochs. `docs/ties.md` has the numbers and what they mean.
//! The data are chosen as by the command: `MORPHOGRAD_DATA`, else MNIST in `datasets`, else the
//! embedded digits.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::error::Error;
use std::path::Path;

use morphograd::data::{DataSource, Dataset, Images, Search};
use morphograd::experiment::Config;
use morphograd_morphology::nn::autodiff::{Params, Snapshot, Tape, Ties};
use morphograd_morphology::nn::fit::{Accuracy, DataSet, Fit, train_step};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::Window2d;
use morphograd_morphology::nn::{
    Activation, BuildError, Conv2d, Dense, Dropout, Flatten, Layer, MaxPool2d, Model, Optimizer,
    Sequential, SoftmaxCrossEntropy,
};
use morphograd_morphology::{Dilation2d, Neighbourhood2d};

const SEEDS: u64 = 3;
const EPOCHS: usize = 10;
/// Test images, at most: enough for differences of a percent.
const TEST: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let named = std::env::var_os("MORPHOGRAD_DATA");
    let (environment, datasets) = (named.as_deref().map(Path::new), Path::new("datasets"));
    let dataset = DataSource::find(&Search { option: None, environment, datasets })?.load()?;
    let config = Config::default();
    let train = dataset.train.take(config.samples.min(dataset.train.len()))?;
    let test = dataset.test.take(TEST.min(dataset.test.len()))?;
    let [background, tied] = tied_windows(&train).map(|share| 100.0 * share);
    println!(
        "{}: {} training, {} test images, {SEEDS} seeds",
        dataset.name,
        train.len(),
        test.len()
    );
    println!(
        "windows: {background:.1} percent all background, {tied:.1} percent tied with a kernel of \
         zeros"
    );

    for ties in [Ties::First, Ties::Last, Ties::Split] {
        let (mut shares, mut accuracies) = (vec![0.0; 25], vec![Vec::new(); EPOCHS]);
        for seed in 0..SEEDS {
            let (mut params, mut tape) = (Params::new(), Tape::new());
            let model = network(&config, &dataset, ties, seed, &mut params)?;
            let kernel = params.find("dilation2d.kernel").ok_or("no kernel")?;
            let mut start = Snapshot::default();
            params.save_to(&mut start);
            let mut optimizer = Optimizer::new(&params, Adam::default(), config.learning_rate);
            let batch: Vec<usize> = (0..config.batch_size).collect();
            train_step(&mut tape, &mut params, &mut optimizer, |graph| {
                let batch = train.gather(graph, &batch)?;
                let logits = model.forward(graph, batch.inputs[0])?;
                graph.apply(SoftmaxCrossEntropy, [logits, batch.targets[0]])
            })?;
            params.restore(&start);
            let gradient = tape.grad(kernel).ok_or("no gradient")?;
            let total: f32 = gradient.iter().map(|g| g.abs()).sum();
            for (entry, filters) in shares.iter_mut().zip(gradient.chunks_exact(config.filters)) {
                *entry +=
                    f64::from(filters.iter().map(|g| g.abs()).sum::<f32>() / total) / SEEDS as f64;
            }
            let mut optimizer = Optimizer::new(&params, Adam::default(), config.learning_rate);
            let history = Fit {
                validation: Some(&test),
                epochs: EPOCHS,
                batch_size: config.batch_size,
                seed,
                metrics: vec![&mut Accuracy::default()],
                ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
            }
            .run(&mut params, &mut optimizer)?;
            for (all, accuracy) in accuracies.iter_mut().zip(history.values("val_accuracy")) {
                all.push(100.0 * accuracy);
            }
        }
        println!(
            "\n{ties:?}: share of |gradient| of each entry of the 5 x 5 kernel at the first step, \
             percent"
        );
        for row in shares.chunks_exact(5) {
            println!(
                "{}",
                row.iter().map(|share| format!("{:7.1}", 100.0 * share)).collect::<String>()
            );
        }
        for epoch in [1, 5, EPOCHS] {
            let all = &accuracies[epoch - 1];
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let variance =
                all.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
            println!(
                "epoch {epoch:2}: validation accuracy {mean:.2} ± {:.2} percent",
                variance.sqrt()
            );
        }
    }
    Ok(())
}

/// The share of the 5 x 5 windows that hold background only, and of those whose largest pixel is
/// there more than once.
fn tied_windows(images: &Images) -> [f64; 2] {
    let (mut all, mut background, mut tied) = (0.0, 0.0, 0.0);
    for (n, i) in (0..images.len()).flat_map(|n| (0..images.height() - 4).map(move |i| (n, i))) {
        let levels: Vec<f64> = images.levels(n).collect();
        let rows = levels.chunks_exact(images.width()).skip(i).take(5);
        for j in 0..images.width() - 4 {
            let window = rows.clone().flat_map(|row| &row[j..j + 5]).copied();
            let largest = window.clone().fold(0.0, f64::max);
            all += 1.0;
            background += f64::from(u8::from(largest == 0.0));
            tied += f64::from(u8::from(window.filter(|pixel| *pixel == largest).count() > 1));
        }
    }
    [background / all, tied / all]
}

/// The tutorial's network, with a rule for the ties of its dilation.
fn network(
    config: &Config,
    dataset: &Dataset,
    ties: Ties,
    seed: u64,
    params: &mut Params<f32>,
) -> Result<Model<f32>, BuildError> {
    let conv = Conv2d {
        filters: 32,
        window: Window2d::new([3, 3]),
        activation: Activation::Relu,
        ..Conv2d::default()
    };
    Sequential::new()
        .add(
            "dilation2d",
            Dilation2d {
                filters: config.filters,
                neighbourhood: Neighbourhood2d::new([5, 5]).ties(ties),
                ..Dilation2d::default()
            },
        )
        .add("max_pooling2d", MaxPool2d::default())
        .add("conv2d", conv)
        .add("max_pooling2d_1", MaxPool2d::default())
        .add("flatten", Flatten)
        .add("dropout", Dropout { rate: config.dropout })
        .add("dense", Dense { units: dataset.class_names.len(), ..Dense::default() })
        .build_model(params, seed, [dataset.train.height(), dataset.train.width(), 1])
}
