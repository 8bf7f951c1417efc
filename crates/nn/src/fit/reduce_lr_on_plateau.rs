//! The plateau schedule, with the semantics of Keras 3.

use std::ops::ControlFlow;

use morphograd_autodiff::tensor::Real;

use crate::fit::callback::{Callback, CallbackError, CallbackState, Training, other_state};
use crate::fit::history::EpochLog;
use crate::fit::monitor::Monitor;

/// Lowers the learning rate when a number stops improving.
///
/// After `patience` epochs without improvement the rate is multiplied by `factor`, the count starts
/// again, and for `cooldown` epochs nothing is counted; the best value stays. The new rate is
/// constant: a schedule of the optimizer ends there. The first fields are settings, with the names
/// and defaults of Keras; the others are its state, which begins anew when a training begins at
/// epoch 0.
///
/// ```
/// use morphograd_nn::fit::ReduceLrOnPlateau;
/// let mut plateau =
///     ReduceLrOnPlateau { factor: 0.5, patience: 2, ..ReduceLrOnPlateau::default() };
/// let rates: Vec<_> = [1.0, 1.0, 1.0, 1.0, 1.0].map(|loss| plateau.observe(loss, 0.01)).into();
/// assert_eq!(rates, [0.01, 0.01, 0.005, 0.01, 0.005]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceLrOnPlateau {
    /// What has to improve, and by how much; by default `val_loss`, by more than 1e-4.
    pub monitor: Monitor,
    /// Factor of each reduction.
    pub factor: f64,
    /// Epochs without improvement before a reduction; 0 and 1 are the same.
    pub patience: usize,
    /// Epochs after a reduction that are not counted.
    pub cooldown: usize,
    /// The rate is never reduced below this.
    pub min_lr: f64,
    /// Epochs without improvement since the last improvement, reduction or cooldown.
    pub wait: usize,
    /// Epochs of the cooldown that are left.
    pub cooldown_counter: usize,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self {
            monitor: Monitor { min_delta: 1e-4, ..Monitor::lowest("val_loss") },
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            min_lr: 0.0,
            wait: 0,
            cooldown_counter: 0,
        }
    }
}

impl ReduceLrOnPlateau {
    /// Takes the value of the next epoch and the rate it was trained with; returns the rate of the
    /// epoch after.
    pub fn observe(&mut self, value: f64, rate: f64) -> f64 {
        if self.cooldown_counter > 0 {
            self.cooldown_counter -= 1;
            self.wait = 0;
        }
        if self.monitor.improves(value) {
            self.wait = 0;
            return rate;
        }
        if self.cooldown_counter > 0 {
            return rate;
        }
        self.wait += 1;
        if self.wait < self.patience || rate <= self.min_lr {
            return rate;
        }
        (self.wait, self.cooldown_counter) = (0, self.cooldown);
        (rate * self.factor).max(self.min_lr)
    }
}

impl<T: Real> Callback<T> for ReduceLrOnPlateau {
    fn on_train_begin(&mut self, training: &mut Training<'_, T>) -> Result<(), CallbackError> {
        if training.epoch == 0 {
            self.monitor.reset();
            (self.wait, self.cooldown_counter) = (0, 0);
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let value = self.monitor.value("reduce learning rate on plateau", log)?;
        let rate = training.optimizer.learning_rate();
        let reduced = self.observe(value, rate);
        if reduced < rate {
            training.optimizer.set_learning_rate(reduced);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn state(&self) -> CallbackState<T> {
        let counts = [self.wait, self.cooldown_counter].map(|count| count as f64);
        CallbackState { numbers: [&[self.monitor.best][..], &counts].concat(), weights: None }
    }

    /// The rate that it has set is the optimizer's to remember.
    fn set_state(&mut self, state: CallbackState<T>) -> Result<(), CallbackError> {
        let &[best, wait, cooldown] = &state.numbers[..] else {
            return Err(other_state(&state.numbers));
        };
        self.monitor.best = best;
        (self.wait, self.cooldown_counter) = (wait as usize, cooldown as usize);
        Ok(())
    }
}
