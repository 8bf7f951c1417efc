//! What a recording is for: training, values, gradients of inputs, shapes.

/// What a recording is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A backward pass will follow; dropout is on. Everything random depends on the step, so the
    /// same step gives the same result.
    Train {
        /// The number of the training step.
        step: u64,
    },
    /// Values only.
    Eval,
    /// Values as in [`Mode::Eval`], and a backward pass may follow: for the variables of the
    /// recording, not for its parameters. What of an image decides, and how to change it.
    InputGradients,
    /// Shapes only: nothing is computed. Validates a model and fills its summary without touching
    /// data.
    Shapes,
}

impl Mode {
    /// Whether a backward pass may follow.
    pub(crate) fn has_backward(self) -> bool {
        matches!(self, Self::Train { .. } | Self::InputGradients)
    }
}
