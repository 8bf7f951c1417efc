//! Checkpoints while a training lasts.

use std::ops::ControlFlow;
use std::path::PathBuf;

use morphograd_autodiff::tensor::Real;

use crate::checkpoint;
use crate::fit::callback::{Callback, CallbackError, CallbackState, Training, other_state};
use crate::fit::history::EpochLog;
use crate::fit::monitor::Monitor;

/// Saves the parameters at the end of an epoch, over those of an earlier one: of every epoch, or of
/// the best so far. A file is replaced whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCheckpoint {
    /// The [checkpoint].
    pub path: PathBuf,
    /// What makes an epoch the best; `None` saves every epoch. Its best value begins anew when a
    /// training begins at epoch 0.
    pub best: Option<Monitor>,
}

impl<T: Real> Callback<T> for ModelCheckpoint {
    fn on_train_begin(&mut self, training: &mut Training<'_, T>) -> Result<(), CallbackError> {
        if training.epoch == 0 {
            self.best.iter_mut().for_each(Monitor::reset);
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let is_saved = match &mut self.best {
            Some(monitor) => {
                let value = monitor.value("model checkpoint", log)?;
                monitor.improves(value)
            }
            None => true,
        };
        if is_saved {
            checkpoint::save(training.params, &self.path)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn state(&self) -> CallbackState<T> {
        CallbackState { numbers: self.best.iter().map(|best| best.best).collect(), weights: None }
    }

    fn set_state(&mut self, state: CallbackState<T>) -> Result<(), CallbackError> {
        match (&mut self.best, &state.numbers[..]) {
            (None, []) => {}
            (Some(monitor), &[best]) => monitor.best = best,
            _ => return Err(other_state(&state.numbers)),
        }
        Ok(())
    }
}
