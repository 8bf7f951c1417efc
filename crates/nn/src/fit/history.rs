//! What a training leaves behind: the numbers of its epochs, and why it ended.

/// The numbers of one epoch. Those of the training are means over its batches, measured before each
/// step with dropout on, as Keras does; those of the validation (`val_…`) are measured after the
/// last step.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochLog {
    /// The epoch, from 1.
    pub epoch: usize,
    /// `loss` and the metrics, then `val_loss` and the metrics again as `val_…`. A
    /// [callback](crate::fit::Callback) may add more.
    pub values: Vec<(String, f64)>,
    /// The learning rate at the end of the epoch, before a callback changed it.
    pub learning_rate: f64,
    /// Wall-clock seconds, with the validation.
    pub seconds: f64,
}

/// The epochs of a training, as [`Fit::run`](crate::fit::Fit::run) returns them.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Those that were finished, in order.
    pub epochs: Vec<EpochLog>,
    /// Why there are no more.
    pub end: End,
    /// Wall-clock seconds of the whole.
    pub seconds: f64,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    Epochs,
    /// A callback stopped it at the end of an epoch.
    Stopped,
    /// A callback, or an observer, stopped it within an epoch, which is not in the history.
    Interrupted,
    /// A loss, a gradient or a step was not finite. The parameters are those before that step.
    NotFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
    },
}

impl EpochLog {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(of, _)| of == name).map(|(_, value)| *value)
    }
}

impl History {
    /// The values of that name, one an epoch that has it.
    pub fn values(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.get(name)).collect()
    }
}
