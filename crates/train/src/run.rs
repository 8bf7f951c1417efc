//! One run, from a seed and the name of a constraint or a model file to its record and its files.

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::checkpoint::{self, CheckpointError};
use morphograd_morphology::nn::fit::{
    Accuracy, Backup, Callback, ConfusionMatrix, DataSet, End, Fit, FitError, Loss, Metric,
    backup_progress, evaluate,
};
use morphograd_morphology::nn::tensor::{ShapeError, TensorRef, Window2d};
use morphograd_morphology::nn::{Model, Optimizer, SoftmaxCrossEntropy};

use crate::artifacts::{ArtifactError, RunFolder};
use crate::data::{Augmentation, Augmented, DataError, Dataset, Images};
use crate::experiment::{Config, ConfigError, DILATION};
use crate::first_dilation::FirstDilation;
use crate::history::HistoryWriter;
use crate::initial::{InitialWeights, Loaded, WEIGHTS, WeightsError};
use crate::model::{Examples, ModelConfig, ModelError, ModelFile, NOTE, Note, Target, Watcher};
use crate::record::{Gallery, RunRecord, Stop, Variant, worst};
use crate::recorder::{Event, Recorder, violation};
use crate::registry::{OPTIMIZERS, find};
use crate::state::{Identity, STATE, StateError};
use crate::tensorboard::TensorBoard;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A model that cannot be built for the data.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A training that cannot be made, or whose history cannot be written.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Weights that a training cannot start from.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Images that do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A state that the run cannot go on from.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file that cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Weights that cannot be saved.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Trains one variant with one seed; writes `history.csv` epoch by epoch, `state.safetensors` from
/// time to time ([`RunFolder::backup_every`]) and `weights.safetensors` at the end, also when the
/// run is interrupted or its loss is no longer finite. A run whose state is in the folder goes on
/// from there, and ends in the same bytes as one that was never stopped; one that is over is not
/// trained again. A file that cannot be written before the end is told ([`Event::Trouble`]), and
/// the run goes on. The weights are
/// those of the epoch with the lowest training loss. `model.toml` beside them says what network
/// they are of, for [`SavedModel`](crate::model::SavedModel).
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
    let loaded = load(config.weights.as_ref(), &mut params)?;
    let optimizer = Optimizer::new(&params, (rule.make)(), config.learning_rate).measured();
    let images = dataset.train.first(config.samples)?;
    let augmentation = config.data.augment.unwrap_or_default();
    let train = Augmented { images: &images, augmentation, seed };
    let dilation = FirstDilation { kernel, scan: Window2d::new(config.kernel).into() };
    let (stopping, plateau) = config.callbacks();
    let plan = Plan {
        dataset,
        model: &model,
        loss: &SoftmaxCrossEntropy,
        train: &train,
        watched: dataset.watched(),
        test: &dataset.test,
        has_classes: true,
        epochs: config.epochs,
        batch_size: config.batch_size,
        shards: config.shards,
        metrics: Vec::new(),
        callbacks: vec![Watcher::Stop(stopping), Watcher::Plateau(plateau)],
        dilation: Some(dilation),
        note: Note {
            file: "tutorial.toml".to_owned(),
            input: dataset.train.shape().to_vec(),
            class_names: dataset.class_names.clone(),
            model: config.model_text(&variant),
        },
        in_checkpoint: false,
        identity: Identity::of(config, &variant, seed),
        loaded,
    };
    let record = plan.run(&mut params, optimizer, (&variant, seed), folder, observe)?;
    let kernel = params.value(kernel).data;
    // One for each filter and channel.
    let functions = config.filters * dataset.train.channels();
    let wins = dilation.wins(&params, &dataset.test, config.batch_size)?;
    let wins: Vec<f32> = wins.data().iter().map(|count| *count as f32).collect();
    Ok(RunRecord {
        filters: planes(config.kernel, functions, kernel),
        wins: planes(config.kernel, functions, &wins),
        feature_maps: feature_maps(dataset, &model, &params, DILATION)?,
        ..record
    })
}

/// Trains the network of a model file with one seed; leaves the files of [`run`]. The checkpoint
/// holds the model. The weights are those of the best epoch if a callback of the file restores
/// them, else of the last.
///
/// # Errors
/// If the model does not fit the data, or as [`run`].
pub fn run_model(
    config: &ModelConfig,
    file: &ModelFile,
    dataset: &Dataset,
    seed: u64,
    folder: &RunFolder,
    observe: &mut (dyn FnMut(Event<'_>) -> ControlFlow<()> + Send),
) -> Result<RunRecord, RunError> {
    let variant = Variant::from(&config.name[..]);
    let input = dataset.train.shape();
    let mut params = Params::new();
    let model = file.build(&mut params, seed, input, dataset.classes())?;
    file.fits(&model, config.batch_size)?;
    let loaded = load(config.weights.as_ref(), &mut params)?;
    let training = file.training()?;
    training.target.check(dataset, &model, config.data.augment.is_some())?;
    let rule = match &config.optimizer {
        Some(word) => (find("optimizer", OPTIMIZERS, word).map_err(ConfigError::from)?.make)(),
        None => training.rule,
    };
    let rate = config.learning_rate.map_or(training.rate, |rate| Box::new(rate));
    let optimizer = Optimizer::new(&params, rule, rate)
        .clipped(training.clip)
        .with_momentum(training.momentum)
        .in_metric(training.metric)
        .measured();
    let images = dataset.train.first(config.samples)?;
    let plain = |images| Augmented { images, augmentation: Augmentation::default(), seed };
    let augmentation = config.data.augment.unwrap_or_default();
    let train = Augmented { augmentation, ..plain(&images) };
    let mut fixed = Params::new();
    let teacher = training.teacher;
    let teacher = teacher.map(|layers| file.build_layers(layers, &mut fixed, input)).transpose()?;
    let teacher = teacher.as_ref().map(|teacher| (teacher, &fixed));
    let target = (training.target, training.noise);
    let examples = |images, purpose| Examples::new(target, teacher, images, purpose);
    let train = examples(train, "training noise");
    let watched = examples(plain(dataset.watched()), "test noise");
    let test = examples(plain(&dataset.test), "test noise");
    let note = Note {
        file: format!("{}.toml", config.name),
        input: input.to_vec(),
        class_names: dataset.class_names.clone(),
        model: file.text().to_owned(),
    };
    let plan = Plan {
        dataset,
        model: &model,
        loss: &*training.loss,
        train: &train,
        watched: &watched,
        test: &test,
        has_classes: training.target == Target::Labels,
        epochs: config.epochs,
        batch_size: config.batch_size,
        shards: config.shards,
        metrics: training.metrics,
        callbacks: training.callbacks,
        dilation: None,
        note,
        in_checkpoint: true,
        identity: Identity::of(config, &variant, seed),
        loaded,
    };
    let record = plan.run(&mut params, optimizer, (&variant, seed), folder, observe)?;
    let Some((first, filters)) = first_filters(&model, &params) else { return Ok(record) };
    let feature_maps = feature_maps(dataset, &model, &params, first)?;
    Ok(RunRecord { filters, feature_maps, ..record })
}

/// Loads the weights to start from, if there are any.
fn load(
    weights: Option<&InitialWeights>,
    params: &mut Params<f32>,
) -> Result<Option<Loaded>, WeightsError> {
    weights.map(|weights| weights.load(params)).transpose()
}

/// Checks everything that can be checked before a training of the tutorial's network:
/// [`Config::validate`], and that the weights to start from fit it.
///
/// # Errors
/// The first thing that cannot be used.
pub fn validate(config: &Config, dataset: &Dataset) -> Result<(), RunError> {
    config.validate(dataset)?;
    if config.weights.is_some() {
        for variant in config.variants()? {
            let (mut params, kernel) =
                (Params::new(), variant.kernel().map_err(ConfigError::from)?);
            config.network(dataset, kernel, 0, &mut params).map_err(ConfigError::from)?;
            load(config.weights.as_ref(), &mut params)?;
        }
    }
    Ok(())
}

/// Checks everything that can be checked before a training of a model file: names, ranges, and
/// that the network, and its teacher if it has one, fit the images and memory.
///
/// # Errors
/// The first thing that cannot be used.
pub fn validate_model(
    config: &ModelConfig,
    file: &ModelFile,
    dataset: &Dataset,
) -> Result<(), RunError> {
    config.validate(dataset)?;
    let input = dataset.train.shape();
    let mut params = Params::new();
    let model = file.build(&mut params, 0, input, dataset.classes())?;
    file.fits(&model, config.batch_size)?;
    load(config.weights.as_ref(), &mut params)?;
    let training = file.training()?;
    training.target.check(dataset, &model, config.data.augment.is_some())?;
    if let Some(teacher) = training.teacher {
        file.build_layers(teacher, &mut Params::new(), input)?;
    }
    Ok(())
}

/// The structuring functions of the first layer of a model, to be drawn, and the layer's name; none
/// if it has no finite kernel on one channel.
pub(crate) fn first_filters<'m>(
    model: &'m Model<f32>,
    params: &Params<f32>,
) -> Option<(&'m str, Gallery)> {
    let first = model.entries().first()?;
    let kernel = params.value(params.find(&format!("{}.kernel", first.name))?);
    let &[height, width, 1, filters] = kernel.shape.dims() else { return None };
    let drawn = first.output.rank() == 3 && kernel.data.iter().all(|w| w.is_finite());
    drawn.then(|| (&first.name[..], planes([height, width], filters, kernel.data)))
}

/// A training that is ready to run.
struct Plan<'a> {
    dataset: &'a Dataset,
    model: &'a Model<f32>,
    loss: &'a dyn Loss<f32>,
    train: &'a dyn DataSet<f32>,
    /// What is measured on after every epoch.
    watched: &'a dyn DataSet<f32>,
    /// What is measured on at the end.
    test: &'a dyn DataSet<f32>,
    /// Whether targets are classes, so that there are an accuracy and a confusion matrix.
    has_classes: bool,
    epochs: usize,
    batch_size: usize,
    shards: usize,
    metrics: Vec<Box<dyn Metric<f32>>>,
    callbacks: Vec<Watcher>,
    /// The dilation whose wins are counted after every epoch.
    dilation: Option<FirstDilation>,
    /// What network it is, written beside the weights.
    note: Note,
    /// Whether it stands in the checkpoint, too; that of the tutorial's network stays as it was.
    in_checkpoint: bool,
    /// Whose state it goes on from.
    identity: Identity,
    /// The weights that it starts from.
    loaded: Option<Loaded>,
}

impl Plan<'_> {
    /// Trains, measures and saves.
    fn run(
        mut self,
        params: &mut Params<f32>,
        mut optimizer: Optimizer<f32>,
        (variant, seed): (&Variant, u64),
        folder: &RunFolder,
        observe: &mut (dyn FnMut(Event<'_>) -> ControlFlow<()> + Send),
    ) -> Result<RunRecord, RunError> {
        let path = folder.run(variant, seed)?;
        let state = path.join(STATE);
        self.identity.check(&state)?;
        let done = backup_progress(&state).map_err(StateError::from)?;
        if let Some(loaded) = self.loaded.as_ref().filter(|_| done.is_none()) {
            // Whoever breaks here breaks at the first batch, too.
            let _ = observe(Event::Loaded(loaded));
        }
        let names: Vec<String> = self.metrics.iter().map(|metric| metric.name().into()).collect();
        // In the order of the log: the training's, then the validation's.
        let names = [names.clone(), names.iter().map(|name| format!("val_{name}")).collect()];
        let mut history = HistoryWriter::with_metrics(&path.join("history.csv"), &names.concat());
        let entries = self.dilation.map_or(0, |dilation| dilation.entries(params));
        let mut before = Vec::new();
        if let Some(done) = done {
            before = history.go_on(done.epochs, entries)?;
        } else {
            history.rewrite()?;
        }
        let is_over = done.is_some_and(|done| done.end.is_some());
        let flow = observe(Event::Begun { epochs: &before, is_over });
        // Nothing is trained then; what is there is measured.
        let most_epochs = if flow.is_break() { 0 } else { self.epochs };
        // What could not be written, until somebody is told.
        let troubles = Mutex::new(Vec::new());
        let mut told_last = String::new();
        let mut write_and_tell = |event: Event<'_>| {
            let mut all = mem::take(&mut *troubles.lock().unwrap_or_else(PoisonError::into_inner));
            if let Event::Epoch(record) = event
                && let Err(error) = history.append(record)
            {
                all.push(error.to_string());
            }
            for trouble in all {
                // One that lasts is told once; whoever breaks here breaks at the next event, too.
                if trouble != told_last {
                    let _ = observe(Event::Trouble(&trouble));
                    told_last = trouble;
                }
            }
            Ok(observe(event))
        };
        let test = &self.dataset.test;
        let wins = self.dilation.map(|dilation| (dilation, test, self.batch_size));
        let mut recorder = Recorder::new(wins, &mut write_and_tell);
        recorder.epochs = before;
        let mut accuracy = Accuracy::default();
        let mut metrics: Vec<&mut dyn Metric<f32>> = Vec::new();
        if self.has_classes {
            metrics.push(&mut accuracy);
        }
        for metric in &mut self.metrics {
            metrics.push(&mut **metric);
        }
        let mut callbacks: Vec<&mut dyn Callback<f32>> =
            self.callbacks.iter_mut().map(Watcher::callback).collect();
        callbacks.push(&mut recorder);
        let mut lost_events = |error: io::Error| {
            troubles.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        };
        let mut events = TensorBoard::new(&path);
        events.failures = Some(&mut lost_events);
        // The last one: it has no state, so that a run goes on with it or without.
        if folder.tensorboard && most_epochs > 0 {
            callbacks.push(&mut events);
        }
        let mut failures = |error: CheckpointError| {
            troubles.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        };
        let backup = Backup {
            every: folder.backup_every,
            note: self.identity.note(),
            failures: Some(&mut failures),
            ..Backup::new(state)
        };
        let fitted = Fit {
            validation: Some(self.watched),
            backup: Some(backup),
            epochs: most_epochs,
            batch_size: self.batch_size,
            shards: self.shards,
            communicator: folder.communicator,
            seed,
            metrics,
            callbacks,
            ..Fit::new(self.model, self.loss, self.train)
        }
        .run(params, &mut optimizer)?;
        let Recorder { epochs, .. } = recorder;
        let stopping = self.callbacks.iter().find_map(|watcher| match watcher {
            Watcher::Stop(stopping) => Some(stopping),
            Watcher::Plateau(_) => None,
        });
        let stop = match fitted.end {
            End::Epochs if epochs.len() < self.epochs => Stop::Interrupted,
            End::Epochs => Stop::EpochLimit,
            End::Stopped => {
                Stop::EarlyStopping { patience: stopping.map_or(0, |stopping| stopping.patience) }
            }
            End::Interrupted => Stop::Interrupted,
            End::NotFinite { epoch, step } => Stop::NotFinite { epoch, step },
        };
        let final_constraint_violation = violation(params);
        // What a way to enforce has left outside of the set is measured and saved as it will be
        // used: inside.
        params.finalize();
        let (weights, note) = (path.join(WEIGHTS), self.note.to_toml());
        // It may have been removed while it was trained.
        folder.run(variant, seed)?;
        if self.in_checkpoint {
            checkpoint::save_with_note(params, weights, &note)?;
        } else {
            checkpoint::save(params, weights)?;
        }
        folder.write_beside(&path, NOTE, note.as_bytes())?;

        let classes = if self.has_classes { self.dataset.class_names.len() } else { 0 };
        let mut confusion = ConfusionMatrix::new(classes);
        if self.has_classes {
            let metrics = &mut [&mut confusion as _];
            evaluate(self.model, self.loss, self.test, self.batch_size, params, metrics)?;
        }
        let none = Gallery { height: 0, width: 0, data: Vec::new() };
        let restored = stopping.filter(|stopping| stopping.restore_best_weights);
        Ok(RunRecord {
            variant: variant.clone(),
            seed,
            loaded: self.loaded,
            restored_epoch: restored.map_or(epochs.len(), |stopping| stopping.best_epoch),
            confusion,
            filters: none.clone(),
            wins: none.clone(),
            digit: digit(self.dataset)?,
            feature_maps: none,
            stop,
            train_seconds: fitted.seconds,
            max_constraint_violation: worst(epochs.iter().map(|epoch| epoch.violation)),
            final_constraint_violation,
            epochs,
        })
    }
}

/// The first test image, as brightness.
fn digit(dataset: &Dataset) -> Result<Gallery, ShapeError> {
    let channels = dataset.test.channels();
    let data = first(&dataset.test)?
        .chunks_exact(channels)
        .map(|pixel| pixel.iter().sum::<f32>() / channels as f32)
        .collect();
    Ok(Gallery { height: dataset.test.height(), width: dataset.test.width(), data })
}

/// The numbers of the first image.
fn first(images: &Images) -> Result<Vec<f32>, ShapeError> {
    let mut pixels = vec![0.0; images.size()];
    images.gather_pixels(&[0], &mut pixels)?;
    Ok(pixels)
}

/// What a layer makes of that image.
fn feature_maps(
    dataset: &Dataset,
    model: &Model<f32>,
    params: &Params<f32>,
    layer: &str,
) -> Result<Gallery, ShapeError> {
    let (pixels, mut tape) = (first(&dataset.test)?, Tape::new());
    let [height, width, channels] = dataset.test.shape();
    let mut graph = tape.record(params, Mode::Eval);
    let x = graph.input(TensorRef::new([1, height, width, channels], &pixels));
    let y = model.forward_until(&mut graph, x, layer)?;
    let y = graph.value(y);
    let &[_, height, width, filters] = y.shape.dims() else {
        unreachable!("the output of an operator on images has rank 4")
    };
    Ok(planes([height, width], filters, y.data))
}

/// Channels-last data as one image a channel.
fn planes([height, width]: [usize; 2], channels: usize, data: &[f32]) -> Gallery {
    let plane = |c: usize| data.iter().skip(c).step_by(channels);
    Gallery { height, width, data: (0..channels).flat_map(plane).copied().collect() }
}
