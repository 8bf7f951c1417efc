//! The loop of a training: epochs of steps in a new order each, validation, callbacks, and the
//! history of it all.
//!
//! The one design choice: everything that is given is borrowed, and nothing is remembered from one
//! run to the next. What a training needs to go on is the parameters, the optimizer's state, the
//! state of the callbacks and the number of the epoch.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;
use std::time::Instant;

use morphograd_autodiff::tensor::{Real, parallel};
use morphograd_autodiff::{Params, Tape};

use crate::fit::callback::{Callback, Progress, Training};
use crate::fit::data_set::DataSet;
use crate::fit::error::{FitError, require};
use crate::fit::evaluate::{Task, in_order};
use crate::fit::history::{End, EpochLog, History};
use crate::fit::loss::Loss;
use crate::fit::metric::Metric;
use crate::fit::network::Network;
use crate::fit::step::train_step;
use crate::optim::Optimizer;
use crate::random::Stream;

/// A training: which model on which data, and how. Names and defaults are those of Keras' `fit`.
///
/// ```
/// use morphograd_nn::fit::{Fit, Progress};
/// use morphograd_nn::{Dense, MeanSquaredError, Optimizer, Sequential, optim::Adam};
/// use morphograd_nn::{autodiff::Params, tensor::Tensor};
/// use std::ops::ControlFlow;
///
/// let x = Tensor::from_fn([64, 1], |i| i as f32 / 64.0);
/// let y = Tensor::from_fn([64, 1], |i| 2.0 * x.data()[i]);
/// let data = (&x, &y);
/// let mut params = Params::new();
/// let line = Sequential::new().add("dense", Dense { units: 1, ..Dense::default() });
/// let model = line.build_model(&mut params, 0, [1])?;
/// let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
/// let mut batches = 0;
/// let mut observer = |progress: Progress| {
///     batches += 1;
///     assert_eq!(progress.total, 4);
///     ControlFlow::Continue(())
/// };
/// let history = Fit {
///     epochs: 50,
///     batch_size: 16,
///     callbacks: vec![&mut observer],
///     ..Fit::new(&model, &MeanSquaredError, &data)
/// }
/// .run(&mut params, &mut optimizer)?;
/// assert_eq!((history.epochs.len(), batches), (50, 200));
/// assert!(history.epochs[49].get("loss") < Some(1e-3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fit<'a, T> {
    /// The model.
    pub model: &'a dyn Network<T>,
    /// What its outputs cost.
    pub loss: &'a dyn Loss<T>,
    /// What to learn from.
    pub train: &'a dyn DataSet<T>,
    /// What to measure on after every epoch.
    pub validation: Option<&'a dyn DataSet<T>>,
    /// The last epoch, from 1; by default 1.
    pub epochs: usize,
    /// How many epochs are done: with the parameters, the optimizer and the callbacks as they were
    /// then, the training goes on as if it had never ended.
    pub initial_epoch: usize,
    /// Examples of a step; the last step of an epoch may have fewer. By default 32.
    pub batch_size: usize,
    /// Whether every epoch has an order of its own, which depends on the seed and the number of the
    /// epoch only; by default it has.
    pub shuffle: bool,
    /// The seed of the orders.
    pub seed: u64,
    /// What is measured beside the loss.
    pub metrics: Vec<&'a mut dyn Metric<T>>,
    /// What watches, and may change or end it.
    pub callbacks: Vec<&'a mut dyn Callback<T>>,
}

/// The memory of the steps, and that of the validation.
struct Tapes<T> {
    train: Tape<T>,
    validation: Tape<T>,
}

impl<'a, T: Real> Fit<'a, T> {
    /// One epoch in batches of 32, without validation, metrics and callbacks.
    pub fn new(
        model: &'a dyn Network<T>,
        loss: &'a dyn Loss<T>,
        train: &'a dyn DataSet<T>,
    ) -> Self {
        Self {
            model,
            loss,
            train,
            validation: None,
            epochs: 1,
            initial_epoch: 0,
            batch_size: 32,
            shuffle: true,
            seed: 0,
            metrics: Vec::new(),
            callbacks: Vec::new(),
        }
    }

    /// Trains until the last epoch is done, a callback stops, or a loss, a gradient or a step is
    /// not finite; [`History::end`] says which. After the first epoch a step takes no memory, if
    /// those who are called take none.
    ///
    /// All of it runs on one thread of rayon's pool: that of the caller, or the global one. That is
    /// why data, models and losses are [`Sync`], and callbacks and metrics [`Send`].
    ///
    /// # Errors
    /// If a setting cannot be used, the shapes do not fit, the optimizer refuses, or a callback
    /// fails. The parameters are those of the last step.
    pub fn run(
        &mut self,
        params: &mut Params<T>,
        optimizer: &mut Optimizer<T>,
    ) -> Result<History, FitError> {
        self.check()?;
        parallel::in_pool(|| self.epochs(params, optimizer))
    }

    /// All epochs.
    fn epochs(
        &mut self,
        params: &mut Params<T>,
        optimizer: &mut Optimizer<T>,
    ) -> Result<History, FitError> {
        let start = Instant::now();
        let mut tapes = Tapes { train: Tape::new(), validation: Tape::new() };
        let mut training = Training { epoch: self.initial_epoch, params, optimizer };
        for callback in &mut self.callbacks {
            callback.on_train_begin(&mut training)?;
        }
        let (mut epochs, mut end) = (Vec::new(), End::Epochs);
        for epoch in self.initial_epoch + 1..=self.epochs {
            training.epoch = epoch;
            let mut log = match self.epoch(&mut training, &mut tapes)? {
                ControlFlow::Continue(log) => log,
                ControlFlow::Break(reason) => {
                    end = reason;
                    break;
                }
            };
            let mut is_stopped = false;
            for callback in &mut self.callbacks {
                is_stopped |= callback.on_epoch_end(&mut log, &mut training)?.is_break();
            }
            epochs.push(log);
            if is_stopped {
                end = End::Stopped;
                break;
            }
        }
        for callback in &mut self.callbacks {
            callback.on_train_end(end, &mut training)?;
        }
        Ok(History { epochs, end, seconds: start.elapsed().as_secs_f64() })
    }

    /// One pass over the training data, then one over the validation data; or why the training has
    /// to end.
    fn epoch(
        &mut self,
        training: &mut Training<'_, T>,
        tapes: &mut Tapes<T>,
    ) -> Result<ControlFlow<End, EpochLog>, FitError> {
        let start = Instant::now();
        let mut log = EpochLog {
            epoch: training.epoch,
            values: Vec::new(),
            learning_rate: 0.0,
            seconds: 0.0,
        };
        match self.train(training, &mut tapes.train)? {
            ControlFlow::Continue(loss) => self.add_values("", loss, &mut log),
            ControlFlow::Break(end) => return Ok(ControlFlow::Break(end)),
        }
        if let Some(data) = self.validation {
            match self.validate(data, training, &mut tapes.validation)? {
                ControlFlow::Continue(loss) => self.add_values("val_", loss, &mut log),
                ControlFlow::Break(end) => return Ok(ControlFlow::Break(end)),
            }
        }
        log.learning_rate = training.optimizer.learning_rate();
        log.seconds = start.elapsed().as_secs_f64();
        Ok(ControlFlow::Continue(log))
    }

    /// The steps of an epoch; their mean loss.
    fn train(
        &mut self,
        training: &mut Training<'_, T>,
        tape: &mut Tape<T>,
    ) -> Result<ControlFlow<End, f64>, FitError> {
        let epoch = training.epoch;
        let mut order = in_order(self.train, self.batch_size)?;
        if self.shuffle {
            Stream::new(self.seed, "shuffle", epoch as u64).shuffle(&mut order);
        }
        let total = self.batches();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut sum = 0.0;
        for (i, examples) in order.chunks(self.batch_size).enumerate() {
            let task = Task { model: self.model, loss: self.loss };
            let Training { params, optimizer, .. } = &mut *training;
            let step = train_step(tape, params, optimizer, |graph| {
                task.record(graph, self.train, examples, &mut self.metrics)
            });
            let step = match step {
                Ok(step) => step,
                Err(error) if error.is_divergence() => {
                    return Ok(ControlFlow::Break(End::NotFinite { epoch, step: i + 1 }));
                }
                Err(error) => return Err(error.into()),
            };
            sum += step.loss * examples.len() as f64;
            let progress = Progress { epoch, done: i + 1, total, step: Some(step) };
            if self.batch_done(progress, training)?.is_break() {
                return Ok(ControlFlow::Break(End::Interrupted));
            }
        }
        Ok(ControlFlow::Continue(sum / order.len() as f64))
    }

    /// The validation after an epoch; its mean loss.
    fn validate(
        &mut self,
        data: &dyn DataSet<T>,
        training: &mut Training<'_, T>,
        tape: &mut Tape<T>,
    ) -> Result<ControlFlow<End, f64>, FitError> {
        let order = in_order(data, self.batch_size)?;
        let (total, of_training) = (self.batches(), self.train.len().div_ceil(self.batch_size));
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut sum = 0.0;
        for (i, examples) in order.chunks(self.batch_size).enumerate() {
            let task = Task { model: self.model, loss: self.loss };
            let loss = task.measure(tape, training.params, data, examples, &mut self.metrics)?;
            sum += loss * examples.len() as f64;
            let (epoch, done) = (training.epoch, of_training + i + 1);
            let progress = Progress { epoch, done, total, step: None };
            if self.batch_done(progress, training)?.is_break() {
                return Ok(ControlFlow::Break(End::Interrupted));
            }
        }
        Ok(ControlFlow::Continue(sum / order.len() as f64))
    }

    /// Tells the callbacks.
    fn batch_done(
        &mut self,
        progress: Progress,
        training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, FitError> {
        let mut flow = ControlFlow::Continue(());
        for callback in &mut self.callbacks {
            if callback.on_batch_end(progress, training)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    /// The loss, and what the metrics say.
    fn add_values(&self, prefix: &str, loss: f64, log: &mut EpochLog) {
        log.values.push((format!("{prefix}loss"), loss));
        for metric in &self.metrics {
            log.values.push((format!("{prefix}{}", metric.name()), metric.result()));
        }
    }

    /// The batches of an epoch, training and validation together.
    fn batches(&self) -> usize {
        let batches = |data: &dyn DataSet<T>| data.len().div_ceil(self.batch_size);
        batches(self.train) + self.validation.map_or(0, batches)
    }

    /// What can be checked before the first step.
    fn check(&self) -> Result<(), FitError> {
        for data in [Some(self.train), self.validation].into_iter().flatten() {
            in_order(data, self.batch_size)?;
        }
        let names: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        for (i, name) in names.iter().enumerate() {
            let is_new = *name != "loss" && !names[..i].contains(name);
            require(is_new, "metrics of different names", format!("`{name}` twice"))?;
        }
        Ok(())
    }
}

impl<T: Real> Debug for Fit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("initial_epoch", &self.initial_epoch)
            .field("batch_size", &self.batch_size)
            .field("shuffle", &self.shuffle)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
