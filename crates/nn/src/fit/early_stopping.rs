//! Early stopping, with the semantics of Keras 3.

use std::ops::ControlFlow;

use morphograd_autodiff::Snapshot;
use morphograd_autodiff::tensor::Real;

use crate::fit::callback::{Callback, CallbackError, CallbackState, Training, other_state};
use crate::fit::history::{End, EpochLog};
use crate::fit::monitor::Monitor;

/// Stops when a number has not improved for a while.
///
/// After `patience` epochs in a row without improvement the training ends; the first epoch never
/// ends it. The first fields are settings, with the names and defaults of Keras; the others are its
/// state, which begins anew when a training begins at epoch 0.
///
/// ```
/// use morphograd_nn::fit::{EarlyStopping, Monitor, Verdict};
/// let monitor = Monitor::lowest("loss");
/// let mut stopping = EarlyStopping::<f32> { monitor, patience: 2, ..EarlyStopping::default() };
/// let verdicts = [1.0, 0.9, 0.9, 0.95].map(|loss| stopping.observe(loss));
/// assert_eq!(verdicts, [Verdict::Improved, Verdict::Improved, Verdict::Waiting, Verdict::Stop]);
/// ```
#[derive(Debug, Clone)]
pub struct EarlyStopping<T> {
    /// What has to improve, and by how much; by default `val_loss`, by anything.
    pub monitor: Monitor,
    /// How many epochs in a row may be without improvement; 0 and 1 are the same.
    pub patience: usize,
    /// A value that has to be beaten, too, for an epoch to count as an improvement.
    pub baseline: Option<f64>,
    /// The first epochs, so many, are not looked at.
    pub start_from_epoch: usize,
    /// Whether the parameters go back, at the end of every training, to those of the best epoch. If
    /// the loss stopped being finite before the first epoch was over, they go back to the start.
    pub restore_best_weights: bool,
    /// Epochs without improvement so far.
    pub wait: usize,
    /// Epochs seen.
    pub epochs: usize,
    /// The best epoch, from 1; 0 before there is one.
    pub best_epoch: usize,
    /// The parameters of the best epoch, at first those of the start; kept if they are to be
    /// restored.
    pub best_weights: Snapshot<T>,
    /// The epoch at which it stopped the training, from 1.
    pub stopped_epoch: Option<usize>,
}

/// What [`EarlyStopping`] makes of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The best value so far: the weights to keep.
    Improved,
    /// No improvement, but patience is left; or an epoch that is not looked at.
    Waiting,
    /// Patience is exhausted.
    Stop,
}

impl<T: Real> Default for EarlyStopping<T> {
    fn default() -> Self {
        Self {
            monitor: Monitor::lowest("val_loss"),
            patience: 0,
            baseline: None,
            start_from_epoch: 0,
            restore_best_weights: false,
            wait: 0,
            epochs: 0,
            best_epoch: 0,
            best_weights: Snapshot::default(),
            stopped_epoch: None,
        }
    }
}

impl<T: Real> EarlyStopping<T> {
    /// Takes the value of the next epoch.
    pub fn observe(&mut self, value: f64) -> Verdict {
        self.epochs += 1;
        if self.epochs <= self.start_from_epoch {
            return Verdict::Waiting;
        }
        self.wait += 1;
        if self.monitor.improves(value) {
            self.best_epoch = self.epochs;
            if self.baseline.is_none_or(|baseline| self.monitor.is_better(value, baseline)) {
                self.wait = 0;
            }
            return Verdict::Improved;
        }
        if self.wait >= self.patience && self.epochs > 1 { Verdict::Stop } else { Verdict::Waiting }
    }
}

impl<T: Real> Callback<T> for EarlyStopping<T> {
    fn on_train_begin(&mut self, training: &mut Training<'_, T>) -> Result<(), CallbackError> {
        if training.epoch == 0 {
            self.monitor.reset();
            (self.wait, self.epochs, self.best_epoch) = (0, 0, 0);
            if self.restore_best_weights {
                training.params.save_to(&mut self.best_weights);
            }
        }
        self.stopped_epoch = None;
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let value = self.monitor.value("early stopping", log)?;
        Ok(match self.observe(value) {
            Verdict::Improved => {
                if self.restore_best_weights {
                    training.params.save_to(&mut self.best_weights);
                }
                ControlFlow::Continue(())
            }
            Verdict::Waiting => ControlFlow::Continue(()),
            Verdict::Stop => {
                self.stopped_epoch = Some(log.epoch);
                ControlFlow::Break(())
            }
        })
    }

    fn state(&self) -> CallbackState<T> {
        let counts = [self.wait, self.epochs, self.best_epoch].map(|count| count as f64);
        let numbers = [&[self.monitor.best][..], &counts].concat();
        let weights = self.restore_best_weights.then(|| self.best_weights.clone());
        CallbackState { numbers, weights }
    }

    fn set_state(&mut self, state: CallbackState<T>) -> Result<(), CallbackError> {
        let CallbackState { numbers, weights } = state;
        let &[best, ref counts @ ..] = &numbers[..] else { return Err(other_state(&numbers)) };
        let &[wait, epochs, best_epoch] = counts else { return Err(other_state(&numbers)) };
        self.monitor.best = best;
        [self.wait, self.epochs, self.best_epoch] =
            [wait, epochs, best_epoch].map(|count| count as usize);
        match (self.restore_best_weights, weights) {
            (true, Some(weights)) => self.best_weights = weights,
            (true, None) => return Err(other_state(&numbers)),
            (false, _) => {}
        }
        Ok(())
    }

    fn on_train_end(
        &mut self,
        end: End,
        training: &mut Training<'_, T>,
    ) -> Result<(), CallbackError> {
        let diverged = matches!(end, End::NotFinite { .. });
        if self.restore_best_weights && (self.best_epoch > 0 || diverged) {
            training.params.restore(&self.best_weights);
        }
        Ok(())
    }
}
