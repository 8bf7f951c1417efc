//! The tutorial's own callback: from what the loop logs and what the steps did to the constrained
//! parameters it makes the record of an epoch, and tells an observer.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{
    Callback, CallbackError, CallbackState, EpochLog, Progress, Training,
};
use morphograd_morphology::nn::optim::StepReport;

use crate::data::Images;
use crate::first_dilation::FirstDilation;
use crate::initial::Loaded;
use crate::record::{EpochRecord, worst};

/// What happened to a run while it lasts.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// `done` of `total` batches of an epoch, training and validation together.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// Batches done.
        done: usize,
        /// Batches of the epoch.
        total: usize,
    },
    /// The run starts from weights of an earlier one.
    Loaded(&'a Loaded),
    /// The run begins or goes on. Whoever breaks here gets what is there of it, and no step more.
    Begun {
        /// The epochs that are done.
        epochs: &'a [EpochRecord],
        /// Whether it is over.
        is_over: bool,
    },
    /// A file could not be written; the run goes on, and tries again after the next epoch.
    Trouble(&'a str),
    /// An epoch is over.
    Epoch(&'a EpochRecord),
}

/// Told what happens; may break, or fail.
pub type Observer<'a> = dyn FnMut(Event<'_>) -> Result<ControlFlow<()>, CallbackError> + Send + 'a;

/// Records every epoch of a training that validates; without classes there is no accuracy.
#[derive(Default)]
pub struct Recorder<'a> {
    /// The epochs so far.
    pub epochs: Vec<EpochRecord>,
    /// The dilation whose wins are counted after every epoch, on so many of these images.
    pub wins: Option<(FirstDilation, &'a Images, usize)>,
    /// Who is told.
    pub observer: Option<&'a mut Observer<'a>>,
    /// Whether the observer has broken at the end of an epoch.
    is_broken: bool,
    sums: Sums,
}

/// Sums over the steps of an epoch.
#[derive(Default)]
struct Sums {
    steps: usize,
    moved_share: f64,
    distance: f64,
    gradient_norm: f64,
    gradient_mapping: f64,
}

impl Sums {
    fn add(&mut self, report: &StepReport) {
        self.steps += 1;
        self.moved_share += report.moved as f64 / report.constrained.max(1) as f64;
        self.distance += report.distance;
        self.gradient_norm += report.gradient_norm;
        self.gradient_mapping += report.gradient_mapping.unwrap_or(f64::NAN);
    }
}

impl<'a> Recorder<'a> {
    /// A recorder that tells an observer, and counts wins if it is told of what.
    pub fn new(
        wins: Option<(FirstDilation, &'a Images, usize)>,
        observer: &'a mut Observer<'a>,
    ) -> Self {
        Self { wins, observer: Some(observer), ..Self::default() }
    }

    fn record(
        &self,
        log: &EpochLog,
        training: &Training<'_, f32>,
    ) -> Result<EpochRecord, CallbackError> {
        let value =
            |name| log.get(name).ok_or_else(|| format!("recorder: the log has no `{name}`"));
        let per_step = |sum: f64| sum / self.sums.steps as f64;
        let filters = match self.wins {
            Some((dilation, images, count)) => {
                dilation.filter_wins(training.params, images, count)?
            }
            None => Vec::new(),
        };
        // A training without classes has no accuracy; whoever asks for one has it in the log.
        let accuracy = |name| log.get(name).unwrap_or(f64::NAN);
        let known = ["loss", "accuracy", "val_loss", "val_accuracy"];
        let others = log.values.iter().filter(|(name, _)| !known.contains(&&name[..]));
        Ok(EpochRecord {
            epoch: log.epoch,
            loss: value("loss")?,
            accuracy: accuracy("accuracy"),
            val_loss: value("val_loss")?,
            val_accuracy: accuracy("val_accuracy"),
            learning_rate: log.learning_rate,
            moved_share: per_step(self.sums.moved_share),
            moved_distance: per_step(self.sums.distance),
            gradient_norm: per_step(self.sums.gradient_norm),
            gradient_mapping: per_step(self.sums.gradient_mapping),
            violation: violation(training.params),
            active_share: active_share(training.params),
            filters,
            seconds: log.seconds,
            metrics: others.cloned().collect(),
        })
    }

    fn tell(&mut self, event: Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        let Some(observer) = &mut self.observer else { return Ok(ControlFlow::Continue(())) };
        observer(event)
    }
}

impl Callback<f32> for Recorder<'_> {
    fn on_batch_end(
        &mut self,
        progress: Progress,
        _: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let Progress { epoch, done, total, step } = progress;
        if done == 1 {
            self.sums = Sums::default();
        }
        step.iter().for_each(|step| self.sums.add(&step.report));
        let flow = self.tell(Event::Batch { epoch, done, total })?;
        Ok(if self.is_broken { ControlFlow::Break(()) } else { flow })
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let record = self.record(log, training)?;
        // Whoever breaks here ends the next epoch: this one is done, and may have been the last.
        self.is_broken |= self.tell(Event::Epoch(&record))?.is_break();
        self.epochs.push(record);
        Ok(ControlFlow::Continue(()))
    }

    fn state(&self) -> CallbackState<f32> {
        let Sums { steps, moved_share, distance, gradient_norm, gradient_mapping } = self.sums;
        let numbers = vec![steps as f64, moved_share, distance, gradient_norm, gradient_mapping];
        CallbackState { numbers, weights: None }
    }

    fn set_state(&mut self, state: CallbackState<f32>) -> Result<(), CallbackError> {
        let &[steps, moved_share, distance, gradient_norm, gradient_mapping] = &state.numbers[..]
        else {
            return Err("recorder: expected five sums".into());
        };
        let steps = steps as usize;
        self.sums = Sums { steps, moved_share, distance, gradient_norm, gradient_mapping };
        Ok(())
    }
}

/// The largest distance of any parameter from its set.
pub(crate) fn violation(params: &Params<f32>) -> f64 {
    worst(params.ids().map(|id| params.violation(id)))
}

/// The share of coordinates on the boundary of their set, of the parameters whose set counts them.
fn active_share(params: &Params<f32>) -> Option<f64> {
    let (mut active, mut counted) = (0, 0);
    for id in params.ids() {
        let value = params.value(id);
        if let Some(count) =
            params.constraint(id).and_then(|set| set.active(value.shape, value.data))
        {
            active += count;
            counted += value.data.len();
        }
    }
    (counted > 0).then(|| active as f64 / counted as f64)
}

impl Debug for Recorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("epochs", &self.epochs).finish_non_exhaustive()
    }
}
