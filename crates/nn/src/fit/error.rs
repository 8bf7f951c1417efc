//! Why a training or an evaluation could not be made.

use morphograd_autodiff::tensor::ShapeError;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::fit::callback::CallbackError;
use crate::fit::step::StepError;
use crate::ranks::RankError;

/// Why a training or an evaluation could not be made. The parameters are those of the last step.
#[derive(Debug, Error)]
pub enum FitError {
    /// A step that cannot be made. A loss that is not finite is no error but an
    /// [end](crate::fit::End::NotFinite).
    #[error(transparent)]
    Step(#[from] StepError),
    /// A setting that cannot be used.
    #[error("fit: expected {expected}, found {found}")]
    Setting {
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A [backup](crate::fit::Backup) that cannot be read or written.
    #[error(transparent)]
    Backup(#[from] CheckpointError),
    /// Ranks that cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// A callback failed.
    #[error(transparent)]
    Callback(#[from] CallbackError),
}

impl From<ShapeError> for FitError {
    fn from(error: ShapeError) -> Self {
        Self::Step(error.into())
    }
}

/// An error unless the setting holds.
pub(super) fn require(
    holds: bool,
    expected: &'static str,
    found: impl ToString,
) -> Result<(), FitError> {
    if holds { Ok(()) } else { Err(FitError::Setting { expected, found: found.to_string() }) }
}
