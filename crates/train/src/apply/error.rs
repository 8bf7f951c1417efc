//! Why a pipeline could not be made or run.

use morphograd_morphology::nn::tensor::ShapeError;

use crate::registry::UnknownName;

/// Why a pipeline could not be made or run. The message names the operator or the file, what was
/// expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An operator, a parameter or a shape that no table has.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// A word that means nothing where it stands.
    #[error("{place}: expected {expected}, found {found}")]
    Word {
        /// The operator, the parameter or the file.
        place: String,
        /// What can stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// An image could not be read or written.
    #[error(transparent)]
    Image(#[from] morphograd_image::Error),
    /// A library function refused.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

impl ApplyError {
    pub(crate) fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Word { place: place.into(), expected: expected.into(), found: found.into() }
    }

    /// The same error, seen from the operator that it happened in.
    pub(crate) fn within(self, operator: &str) -> Self {
        match self {
            Self::Word { place, expected, found } => {
                Self::Word { place: format!("{operator}: {place}"), expected, found }
            }
            other => other,
        }
    }
}
