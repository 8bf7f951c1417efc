//! One run of the experiment, from the name of a constraint and a seed to its record and its files.

use std::ops::ControlFlow;

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::checkpoint::{self, CheckpointError};
use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
use morphograd_morphology::nn::{Model, Optimizer};

use crate::artifacts::{ArtifactError, HistoryWriter, RunFolder};
use crate::data::{DataError, Dataset};
use crate::experiment::{Config, ConfigError, DILATION};
use crate::fit::{Event, FirstDilation, Fit, evaluate, violation};
use crate::named::{OPTIMIZERS, find};
use crate::record::{Gallery, RunRecord, Variant, worst};
use crate::step::StepError;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A step that cannot be made.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A file that cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Weights that cannot be saved.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Trains one variant with one seed; writes `history.csv` epoch by epoch and `weights.safetensors`
/// at the end, also when the run is interrupted or its loss is no longer finite.
///
/// # Errors
/// If the settings or the data cannot be used, or a file cannot be written.
pub fn run(
    config: &Config,
    dataset: &Dataset,
    variant: impl Into<Variant>,
    seed: u64,
    folder: &RunFolder,
    observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<RunRecord, RunError> {
    let variant = variant.into();
    let rule = find("optimizer", OPTIMIZERS, &config.optimizer).map_err(ConfigError::from)?;
    let mut params = Params::new();
    let kernel = variant.kernel().map_err(ConfigError::from)?;
    let model = config.network(dataset, kernel, seed, &mut params).map_err(ConfigError::from)?;
    let mut optimizer = Optimizer::new(&params, (rule.make)(), config.learning_rate).measured();
    let train = dataset.train.take(config.samples)?;

    let path = folder.run(&variant, seed)?;
    let mut history = HistoryWriter::create(&path.join("history.csv"))?;
    let kernel = params.find(&format!("{DILATION}.kernel")).expect("the network has a dilation");
    let window = Window2d { size: config.kernel, ..Window2d::default() };
    let dilation = FirstDilation { kernel, scan: window.into() };
    let mut fit = Fit {
        config,
        model: &model,
        optimizer: &mut optimizer,
        train: &train,
        test: &dataset.test,
        seed,
        dilation: Some(dilation),
    };
    let fitted = fit.run(&mut params, &mut |event| {
        if let Event::Epoch(record) = event {
            history.append(record)?;
        }
        Ok::<_, RunError>(observe(event))
    })?;
    let final_constraint_violation = violation(&params);
    // What a way to enforce has left outside of the set is measured and saved as it will be used:
    // inside.
    params.finalize();
    checkpoint::save(&params, path.join("weights.safetensors"))?;

    let mut tape = Tape::new();
    let mut through = |_| Ok::<_, RunError>(ControlFlow::Continue(()));
    let restored =
        evaluate(&model, &params, &dataset.test, config.batch_size, &mut tape, &mut through)?;
    let restored = restored.expect("an observer that never breaks");
    let wins = dilation.wins(&params, &dataset.test, config.batch_size).map_err(StepError::from)?;
    let wins: Vec<f32> = wins.data().iter().map(|count| *count as f32).collect();
    Ok(RunRecord {
        variant,
        seed,
        restored_epoch: fitted.restored_epoch,
        confusion: restored.confusion,
        filters: planes(config.kernel, config.filters, params.value(kernel).data),
        wins: planes(config.kernel, config.filters, &wins),
        digit: digit(dataset),
        feature_maps: feature_maps(dataset, &model, &params, &mut tape)?,
        stop: fitted.stop,
        train_seconds: fitted.seconds,
        max_constraint_violation: worst(fitted.epochs.iter().map(|epoch| epoch.violation)),
        final_constraint_violation,
        epochs: fitted.epochs,
    })
}

/// The first test image.
fn digit(dataset: &Dataset) -> Gallery {
    let mut data = vec![0.0; dataset.test.height() * dataset.test.width()];
    dataset.test.gather(&[0], &mut data);
    Gallery { height: dataset.test.height(), width: dataset.test.width(), data }
}

/// What the dilation makes of that image.
fn feature_maps(
    dataset: &Dataset,
    model: &Model<f32>,
    params: &Params<f32>,
    tape: &mut Tape<f32>,
) -> Result<Gallery, StepError> {
    let digit = digit(dataset);
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
