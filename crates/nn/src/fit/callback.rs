//! What watches a training and may change or end it.
//!
//! The one design choice: a callback is borrowed, and its state is plain fields of its own. So it
//! can be asked afterwards, and a training that goes on later goes on with it.

use std::error::Error;
use std::ops::ControlFlow;

use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{Params, Snapshot};

use crate::fit::history::{End, EpochLog};
use crate::fit::step::StepOutcome;
use crate::optim::Optimizer;

/// Why a callback failed; the training ends with it.
pub type CallbackError = Box<dyn Error + Send + Sync>;

/// What a callback sees of the training, and may change.
#[derive(Debug)]
pub struct Training<'a, T> {
    /// The epoch: the number of those finished in [`Callback::on_train_begin`], else that of the
    /// current one, from 1.
    pub epoch: usize,
    /// The parameters.
    pub params: &'a mut Params<T>,
    /// The optimizer.
    pub optimizer: &'a mut Optimizer<T>,
}

/// What a callback has to remember, if a training is to go on with it later.
#[derive(Debug, Clone, Default)]
pub struct CallbackState<T> {
    /// Numbers, whose meaning is the callback's.
    pub numbers: Vec<f64>,
    /// Values of the parameters.
    pub weights: Option<Snapshot<T>>,
}

/// How far an epoch has come: `done` of `total` batches, training and validation together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Batches done.
    pub done: usize,
    /// Batches of the epoch.
    pub total: usize,
    /// What the step did; `None` where the batch was of the validation.
    pub step: Option<StepOutcome>,
}

/// What happens at the events of a training, named as in Keras. Every method does nothing by
/// default. All callbacks are called at every event, in their order, also after one has asked to
/// stop.
///
/// A closure `|progress: Progress| ...` that returns a [`ControlFlow`] is one: an observer, told
/// after every batch, that may break.
///
/// ```
/// use std::ops::ControlFlow;
/// use morphograd_nn::fit::{Callback, CallbackError, EpochLog, Training};
///
/// /// Stops when a validation accuracy is reached.
/// struct GoodEnough(f64);
///
/// impl Callback<f32> for GoodEnough {
///     fn on_epoch_end(
///         &mut self,
///         log: &mut EpochLog,
///         _: &mut Training<'_, f32>,
///     ) -> Result<ControlFlow<()>, CallbackError> {
///         let accuracy = log.get("val_accuracy").ok_or("no validation accuracy")?;
///         Ok(if accuracy < self.0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
///     }
/// }
/// ```
pub trait Callback<T: Real>: Send {
    /// A training begins, or goes on: [`Training::epoch`] epochs are done.
    ///
    /// # Errors
    /// What went wrong; the training ends.
    fn on_train_begin(&mut self, _training: &mut Training<'_, T>) -> Result<(), CallbackError> {
        Ok(())
    }

    /// A batch is done, of the training or of the validation. Breaking ends the training at once.
    ///
    /// # Errors
    /// What went wrong; the training ends.
    fn on_batch_end(
        &mut self,
        _progress: Progress,
        _training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        Ok(ControlFlow::Continue(()))
    }

    /// An epoch is done, with its validation. Breaking ends the training.
    ///
    /// # Errors
    /// What went wrong; the training ends.
    fn on_epoch_end(
        &mut self,
        _log: &mut EpochLog,
        _training: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        Ok(ControlFlow::Continue(()))
    }

    /// What it remembers, for a training that goes on from a file
    /// ([`Backup`](crate::fit::Backup)). By default nothing.
    fn state(&self) -> CallbackState<T> {
        CallbackState { numbers: Vec::new(), weights: None }
    }

    /// Goes on from a state that it gave; called after [`on_train_begin`](Self::on_train_begin).
    ///
    /// # Errors
    /// If it is none of its states; the training ends.
    fn set_state(&mut self, state: CallbackState<T>) -> Result<(), CallbackError> {
        let CallbackState { numbers, weights } = state;
        if numbers.is_empty() && weights.is_none() { Ok(()) } else { Err(other_state(&numbers)) }
    }

    /// The training is over, unless an error ended it.
    ///
    /// # Errors
    /// What went wrong.
    fn on_train_end(
        &mut self,
        _end: End,
        _training: &mut Training<'_, T>,
    ) -> Result<(), CallbackError> {
        Ok(())
    }
}

/// The error of a state that is another callback's.
pub(super) fn other_state(numbers: &[f64]) -> CallbackError {
    let found = numbers.len();
    format!("callback: expected a state of its own, found one of {found} numbers").into()
}

impl<T: Real, F: FnMut(Progress) -> ControlFlow<()> + Send> Callback<T> for F {
    fn on_batch_end(
        &mut self,
        progress: Progress,
        _: &mut Training<'_, T>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        Ok(self(progress))
    }
}
