//! The loop of a training: epochs of steps in a new order each, validation, callbacks, and the
//! history of it all.
//!
//! The one design choice: everything that is given is borrowed, and nothing is remembered from one
//! run to the next. What a training needs to go on is the parameters, the optimizer's state, the
//! state of the callbacks and how far it is: what a [`Backup`] keeps in a file.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use morphograd_autodiff::tensor::{Real, parallel, simd};
use morphograd_autodiff::{Params, Tape};

use crate::fit::backup::{Backup, Position};
use crate::fit::callback::{Callback, Progress, Training};
use crate::fit::data_set::DataSet;
use crate::fit::error::{FitError, require};
use crate::fit::evaluate::{Task, in_order};
use crate::fit::history::{End, EpochLog, History};
use crate::fit::loss::Loss;
use crate::fit::metric::Metric;
use crate::fit::network::Network;
use crate::fit::shards::{Shards, hash};
use crate::fit::step::train_step;
use crate::optim::Optimizer;
use crate::random::Stream;
use crate::ranks::{Communicator, Local, agree, any};

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
    /// Into how many parts a batch is cut, by the place of its examples: a power of two, and by
    /// default one. Each part gives its gradient, and these are added in pairs. So the last bits of
    /// the result depend on the number of shards, and not on how many ranks they are spread over.
    /// With more than one, a model that uses statistics of whole batches
    /// ([`BatchNorm`](crate::BatchNorm)) is refused, and so is a metric without
    /// [sums](Metric::sums).
    pub shards: usize,
    /// What connects the ranks that train together, at most as many as shards; by default there is
    /// one, [`Local`]. All ranks train on the same data, with the same settings and seeds, and have
    /// the same results, history included. What only one of them should do, such as writing files,
    /// only one is given as a callback; the backup is written by rank 0 and read by all.
    pub communicator: &'a dyn Communicator,
    /// What is measured beside the loss.
    pub metrics: Vec<&'a mut dyn Metric<T>>,
    /// What watches, and may change or end it.
    pub callbacks: Vec<&'a mut dyn Callback<T>>,
    /// The file from which the training goes on if it is there, and which is kept for that.
    pub backup: Option<Backup<'a>>,
}

/// The memory of the steps, and that of the validation.
struct Tapes<'a, T> {
    train: Tape<T>,
    validation: Tape<T>,
    /// Where batches are cut.
    shards: Option<Shards<'a, T>>,
}

impl<T: Real> Tapes<'_, T> {
    /// Whether the training ends where a callback says this.
    fn ends(&mut self, flow: ControlFlow<()>) -> bool {
        match &mut self.shards {
            Some(shards) => shards.ends(flow.is_break()),
            None => flow.is_break(),
        }
    }
}

/// The least time between two backups at the ends of epochs.
const PAUSE: Duration = Duration::from_secs(1);

/// When what began, and when what was kept.
struct Clock {
    /// Seconds of the epoch and of the training that other processes had.
    before: [f64; 2],
    start: Instant,
    epoch: Instant,
    kept: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        let now = Instant::now();
        Self { before: [0.0; 2], start: now, epoch: now, kept: now }
    }
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before[1] + self.start.elapsed().as_secs_f64()
    }

    fn epoch_seconds(&self) -> f64 {
        self.before[0] + self.epoch.elapsed().as_secs_f64()
    }

    /// Whether a backup is older than it may be, or than this.
    fn is_due(&self, backup: Option<&Backup<'_>>, pause: Duration) -> bool {
        backup.is_some_and(|backup| self.kept.elapsed() >= backup.every.min(pause))
    }
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
            shards: 1,
            communicator: &Local,
            metrics: Vec::new(),
            callbacks: Vec::new(),
            backup: None,
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
    /// If a setting cannot be used, the shapes do not fit, the optimizer refuses, a callback fails,
    /// or ranks have different settings, have different parameters after an epoch, or end. The
    /// parameters are those of the last step.
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
        let shards = (self.shards > 1).then(|| Shards::new(self.shards, self.communicator));
        let mut tapes = Tapes { train: Tape::new(), validation: Tape::new(), shards };
        let mut training = Training { epoch: self.initial_epoch, params, optimizer };
        let mut clock = Clock::default();
        let mut at = self.begin(&mut training, &mut clock)?;
        self.check_ranks(training.params, at)?;
        let (mut epochs, began) = (Vec::new(), at);
        let end = loop {
            if let Some(end) = at.end {
                break end;
            }
            if at.epoch > self.epochs {
                break End::Epochs;
            }
            training.epoch = at.epoch;
            let mut log = match self.epoch(&mut training, &mut tapes, &mut at, &mut clock)? {
                ControlFlow::Continue(log) => log,
                ControlFlow::Break(reason) => break reason,
            };
            let mut is_stopped = false;
            for callback in &mut self.callbacks {
                is_stopped |= callback.on_epoch_end(&mut log, &mut training)?.is_break();
            }
            is_stopped = any(self.communicator, is_stopped)?;
            epochs.push(log);
            at = Position { epoch: at.epoch + 1, ..Position::default() };
            if is_stopped {
                break End::Stopped;
            }
            if at.epoch <= self.epochs && clock.is_due(self.backup.as_ref(), PAUSE) {
                self.keep(&training, at, &mut clock)?;
            }
            clock.epoch = Instant::now();
        };
        let is_new = at != began || matches!(end, End::NotFinite { .. });
        if is_new && at.end.is_none() && end != End::Interrupted {
            self.keep(&training, Position { end: Some(end), ..at }, &mut clock)?;
        }
        for callback in &mut self.callbacks {
            callback.on_train_end(end, &mut training)?;
        }
        Ok(History { epochs, end, seconds: clock.seconds() })
    }

    /// Where to go on: at the beginning, or where the backup says.
    fn begin(
        &mut self,
        training: &mut Training<'_, T>,
        clock: &mut Clock,
    ) -> Result<Position, FitError> {
        let mut saved = match &self.backup {
            Some(backup) => backup.read(training, self.callbacks.len(), &self.metrics)?,
            None => None,
        };
        if let Some(saved) = &mut saved {
            saved.restore(training)?;
            training.epoch = saved.position.epoch - 1;
        }
        for callback in &mut self.callbacks {
            callback.on_train_begin(training)?;
        }
        let Some(mut saved) = saved else {
            return Ok(Position { epoch: self.initial_epoch + 1, ..Position::default() });
        };
        saved.restore_callbacks(training.params, &mut self.callbacks)?;
        for (metric, sums) in self.metrics.iter_mut().zip(&saved.sums) {
            metric.reset();
            sums.iter().for_each(|sums| metric.set_sums(sums));
        }
        clock.before = saved.position.seconds;
        // There may be more epochs now.
        let end = saved.position.end.filter(|end| *end != End::Epochs);
        Ok(Position { end, ..saved.position })
    }

    /// Writes the backup, if there is to be one.
    fn keep(
        &mut self,
        training: &Training<'_, T>,
        mut at: Position,
        clock: &mut Clock,
    ) -> Result<(), FitError> {
        let Some(backup) = self.backup.as_mut().filter(|_| self.communicator.rank() == 0) else {
            return Ok(());
        };
        let mut sums = Vec::new();
        if at.steps > 0 {
            for metric in &self.metrics {
                // Without them the training could not go on from here.
                let Some(own) = metric.sums() else { return Ok(()) };
                sums.push((metric.name(), own));
            }
        }
        at.seconds = [if at.steps > 0 { clock.epoch_seconds() } else { 0.0 }, clock.seconds()];
        clock.kept = Instant::now();
        match (backup.write(training, at, &self.callbacks, &sums), &mut backup.failures) {
            (Ok(()), _) => Ok(()),
            (Err(error), Some(tell)) => {
                tell(error);
                Ok(())
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    /// One pass over the training data, then one over the validation data; or why the training has
    /// to end.
    fn epoch(
        &mut self,
        training: &mut Training<'_, T>,
        tapes: &mut Tapes<'a, T>,
        at: &mut Position,
        clock: &mut Clock,
    ) -> Result<ControlFlow<End, EpochLog>, FitError> {
        let mut log = EpochLog {
            epoch: training.epoch,
            values: Vec::new(),
            learning_rate: 0.0,
            seconds: 0.0,
        };
        match self.train(training, tapes, at, clock)? {
            ControlFlow::Continue(loss) => self.add_values("", loss, &mut log),
            ControlFlow::Break(end) => return Ok(ControlFlow::Break(end)),
        }
        if let Some(data) = self.validation {
            match self.validate(data, training, tapes, *at, clock)? {
                ControlFlow::Continue(loss) => self.add_values("val_", loss, &mut log),
                ControlFlow::Break(end) => return Ok(ControlFlow::Break(end)),
            }
        }
        log.learning_rate = training.optimizer.learning_rate();
        log.seconds = clock.epoch_seconds();
        clock.before[0] = 0.0;
        Ok(ControlFlow::Continue(log))
    }

    /// The steps of an epoch that are left; the mean loss of all.
    fn train(
        &mut self,
        training: &mut Training<'_, T>,
        tapes: &mut Tapes<'a, T>,
        at: &mut Position,
        clock: &mut Clock,
    ) -> Result<ControlFlow<End, f64>, FitError> {
        let epoch = training.epoch;
        let mut order = in_order(self.train, self.batch_size)?;
        if self.shuffle {
            Stream::new(self.seed, "shuffle", epoch as u64).shuffle(&mut order);
        }
        let total = self.batches();
        if at.steps == 0 {
            self.metrics.iter_mut().for_each(|metric| metric.reset());
        }
        let mut batches = order.chunks(self.batch_size).enumerate().skip(at.steps).peekable();
        while let Some((i, examples)) = batches.next() {
            batches.peek().iter().for_each(|(_, next)| self.train.ahead(next));
            let task = Task { model: self.model, loss: self.loss };
            let Training { params, optimizer, .. } = &mut *training;
            let (data, metrics) = ((self.train, examples), &mut self.metrics[..]);
            let step = match &mut tapes.shards {
                Some(shards) => shards.step(&task, data, metrics, params, optimizer),
                None => train_step(&mut tapes.train, params, optimizer, |graph| {
                    task.record(graph, self.train, examples, metrics)
                })
                .map(Some)
                .map_err(FitError::from),
            };
            let step = match step {
                Ok(Some(step)) => step,
                Ok(None) => {
                    self.keep(training, *at, clock)?;
                    return Ok(ControlFlow::Break(End::Interrupted));
                }
                Err(FitError::Step(error)) if error.is_divergence() => {
                    // What the metrics have seen of this step is of no use to anybody.
                    *at = Position { epoch, end: at.end, ..Position::default() };
                    return Ok(ControlFlow::Break(End::NotFinite { epoch, step: i + 1 }));
                }
                Err(error) => return Err(error),
            };
            at.loss += step.loss * examples.len() as f64;
            at.steps = i + 1;
            let progress = Progress { epoch, done: i + 1, total, step: Some(step) };
            let flow = self.batch_done(progress, training)?;
            if flow.is_break() || clock.is_due(self.backup.as_ref(), Duration::MAX) {
                self.keep(training, *at, clock)?;
            }
            if tapes.ends(flow) {
                return Ok(ControlFlow::Break(End::Interrupted));
            }
        }
        if self.compare(training, tapes)? {
            self.keep(training, *at, clock)?;
            return Ok(ControlFlow::Break(End::Interrupted));
        }
        Ok(ControlFlow::Continue(at.loss / order.len() as f64))
    }

    /// The validation after an epoch; its mean loss.
    fn validate(
        &mut self,
        data: &dyn DataSet<T>,
        training: &mut Training<'_, T>,
        tapes: &mut Tapes<'a, T>,
        at: Position,
        clock: &mut Clock,
    ) -> Result<ControlFlow<End, f64>, FitError> {
        let order = in_order(data, self.batch_size)?;
        let (total, of_training) = (self.batches(), self.train.len().div_ceil(self.batch_size));
        let of_steps: Vec<_> = match &self.backup {
            Some(_) => self.metrics.iter().map(|metric| metric.sums()).collect(),
            None => Vec::new(),
        };
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut sum = 0.0;
        let mut batches = order.chunks(self.batch_size).enumerate().peekable();
        while let Some((i, examples)) = batches.next() {
            batches.peek().iter().for_each(|(_, next)| data.ahead(next));
            let task = Task { model: self.model, loss: self.loss };
            let (params, metrics) = (&*training.params, &mut self.metrics[..]);
            let loss = match &mut tapes.shards {
                Some(shards) => shards.measure(&task, (data, examples), metrics, params)?,
                None => {
                    Some(task.measure(&mut tapes.validation, params, data, examples, metrics)?)
                }
            };
            let mut ends = loss.is_none();
            if let Some(loss) = loss {
                sum += loss * examples.len() as f64;
                let (epoch, done) = (training.epoch, of_training + i + 1);
                let progress = Progress { epoch, done, total, step: None };
                ends = tapes.ends(self.batch_done(progress, training)?);
                ends |= done == total && self.compare(training, tapes)?;
            }
            if ends {
                // The validation begins anew; what was measured in the steps must not be lost.
                for (metric, sums) in self.metrics.iter_mut().zip(of_steps) {
                    sums.iter().for_each(|sums| metric.set_sums(sums));
                }
                self.keep(training, at, clock)?;
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
        let (shards, ranks) = (self.shards, self.communicator.size());
        require(shards.is_power_of_two(), "shards in a number that is a power of two", shards)?;
        let expected = "ranks in a number that is a power of two, at most that of the shards";
        let found = format!("{ranks} ranks and {shards} shards");
        require(ranks.is_power_of_two() && ranks <= shards, expected, found)?;
        for metric in &self.metrics {
            let adds = shards == 1 || metric.sums().is_some();
            let found = format!("{shards} shards and `{}`", metric.name());
            require(adds, "1 shard for a metric that is no function of sums", found)?;
        }
        Ok(())
    }

    /// Whether all ranks are about to do the same.
    fn check_ranks(&self, params: &Params<T>, at: Position) -> Result<(), FitError> {
        if self.communicator.size() == 1 {
            return Ok(());
        }
        let Self { epochs, batch_size, shuffle, seed, shards, .. } = self;
        let sizes = [Some(self.train), self.validation].map(|data| data.map_or(0, DataSet::len));
        let settings = format!(
            "epochs = {epochs}\nbatch_size = {batch_size}\nshuffle = {shuffle}\nseed = \
             {seed}\nshards = {shards}"
        );
        let place = format!("step {} of epoch {}", at.steps, at.epoch);
        let facts = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("level of vector instructions", simd::Level::best().name()),
            ("training", &settings),
            ("numbers of examples", &format!("{sizes:?}")),
            ("place to begin at", &place),
            ("start (a hash of the parameters)", &format!("{:016x}", hash(params))),
        ];
        Ok(agree(self.communicator, &facts)?)
    }

    /// Whether one of the ranks wants to end; and that all have the same parameters.
    fn compare(&self, training: &Training<'_, T>, tapes: &Tapes<'a, T>) -> Result<bool, FitError> {
        let Some(shards) = &tapes.shards else { return Ok(false) };
        Ok(shards.compare(training.epoch, training.params)?)
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
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
