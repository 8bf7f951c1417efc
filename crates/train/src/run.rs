//! One run of the experiment, from the name of a constraint and a seed to its record and its files.

use std::ops::ControlFlow;

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::checkpoint::{self, CheckpointError};
use morphograd_morphology::nn::fit::{Accuracy, ConfusionMatrix, End, Fit, FitError, evaluate};
use morphograd_morphology::nn::tensor::{ShapeError, TensorRef, Window2d};
use morphograd_morphology::nn::{Model, Optimizer, SoftmaxCrossEntropy};

use crate::artifacts::{ArtifactError, HistoryWriter, RunFolder};
use crate::data::{DataError, Dataset};
use crate::experiment::{Config, ConfigError, DILATION};
use crate::first_dilation::FirstDilation;
use crate::record::{Gallery, RunRecord, Stop, Variant, worst};
use crate::recorder::{Event, Recorder, violation};
use crate::registry::{OPTIMIZERS, find};

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A training that cannot be made, or whose history cannot be written.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Images that do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A file that cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Weights that cannot be saved.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Trains one variant with one seed; writes `history.csv` epoch by epoch and `weights.safetensors`
/// at the end, also when the run is interrupted or its loss is no longer finite. The weights are
/// those of the epoch with the lowest training loss.
///
/// # Errors
/// If the settings or the data cannot be used, or a file cannot be written.
pub fn run(
    config: &Config,
    dataset: &Dataset,
    variant: impl Into<Variant>,
    seed: u64,
    folder: &RunFolder,
    observe: &mut (dyn FnMut(Event<'_>) -> ControlFlow<()> + Send),
) -> Result<RunRecord, RunError> {
    let variant = variant.into();
    let rule = find("optimizer", OPTIMIZERS, &config.optimizer).map_err(ConfigError::from)?;
    let mut params = Params::new();
    let kernel = variant.kernel().map_err(ConfigError::from)?;
    let model = config.network(dataset, kernel, seed, &mut params).map_err(ConfigError::from)?;
    let kernel = params.find(&format!("{DILATION}.kernel")).expect("the network has a dilation");
    config.start.apply(&mut params, kernel);
    let mut optimizer = Optimizer::new(&params, (rule.make)(), config.learning_rate).measured();
    let train = dataset.train.take(config.samples)?;

    let path = folder.run(&variant, seed)?;
    let mut history = HistoryWriter::create(&path.join("history.csv"))?;
    let window = Window2d::new(config.kernel);
    let dilation = FirstDilation { kernel, scan: window.into() };

    let (mut stopping, mut plateau) = config.callbacks();
    let mut write_and_tell = |event: Event<'_>| {
        if let Event::Epoch(record) = event {
            history.append(record)?;
        }
        Ok(observe(event))
    };
    let wins = (dilation, &dataset.test, config.batch_size);
    let mut recorder = Recorder::new(wins, &mut write_and_tell);
    let fitted = Fit {
        validation: Some(&dataset.test),
        epochs: config.epochs,
        batch_size: config.batch_size,
        seed,
        metrics: vec![&mut Accuracy::default()],
        callbacks: vec![&mut stopping, &mut plateau, &mut recorder],
        ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
    }
    .run(&mut params, &mut optimizer)?;
    let Recorder { epochs, is_interrupted, .. } = recorder;
    let stop = match fitted.end {
        End::Epochs => Stop::EpochLimit,
        End::Stopped if !is_interrupted => Stop::EarlyStopping { patience: config.stop_patience },
        End::Stopped | End::Interrupted => Stop::Interrupted,
        End::NotFinite { epoch, step } => Stop::NotFinite { epoch, step },
    };
    let final_constraint_violation = violation(&params);
    // What a way to enforce has left outside of the set is measured and saved as it will be used:
    // inside.
    params.finalize();
    checkpoint::save(&params, path.join("weights.safetensors"))?;

    let mut confusion = ConfusionMatrix::new(dataset.class_names.len());
    let metrics = &mut [&mut confusion as _];
    let (test, batch_size) = (&dataset.test, config.batch_size);
    evaluate(&model, &SoftmaxCrossEntropy, test, batch_size, &params, metrics)?;
    let wins = dilation.wins(&params, test, batch_size)?;
    let wins: Vec<f32> = wins.data().iter().map(|count| *count as f32).collect();
    Ok(RunRecord {
        variant,
        seed,
        restored_epoch: stopping.best_epoch,
        confusion,
        filters: planes(config.kernel, config.filters, params.value(kernel).data),
        wins: planes(config.kernel, config.filters, &wins),
        digit: digit(dataset),
        feature_maps: feature_maps(dataset, &model, &params)?,
        stop,
        train_seconds: fitted.seconds,
        max_constraint_violation: worst(epochs.iter().map(|epoch| epoch.violation)),
        final_constraint_violation,
        epochs,
    })
}

/// The first test image.
fn digit(dataset: &Dataset) -> Gallery {
    let mut data = vec![0.0; dataset.test.height() * dataset.test.width()];
    dataset.test.gather_pixels(&[0], &mut data);
    Gallery { height: dataset.test.height(), width: dataset.test.width(), data }
}

/// What the dilation makes of that image.
fn feature_maps(
    dataset: &Dataset,
    model: &Model<f32>,
    params: &Params<f32>,
) -> Result<Gallery, ShapeError> {
    let (digit, mut tape) = (digit(dataset), Tape::new());
    let mut graph = tape.record(params, Mode::Eval);
    let x = graph.input(TensorRef::new([1, digit.height, digit.width, 1], &digit.data));
    let y = model.forward_until(&mut graph, x, DILATION)?;
    let y = graph.value(y);
    let &[_, height, width, filters] = y.shape.dims() else {
        unreachable!("the output of a dilation has rank 4")
    };
    Ok(planes([height, width], filters, y.data))
}

/// Channels-last data as one image a channel.
fn planes([height, width]: [usize; 2], channels: usize, data: &[f32]) -> Gallery {
    let plane = |c: usize| data.iter().skip(c).step_by(channels);
    Gallery { height, width, data: (0..channels).flat_map(plane).copied().collect() }
}
