//! Why a model could not be built.

use morphograd_autodiff::ParamError;
use morphograd_autodiff::tensor::ShapeError;
use thiserror::Error;

/// Why a model could not be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Shapes that do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A parameter that cannot be declared.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// Two layers of one name.
    #[error("model: expected layer names that differ, found `{0}` twice")]
    DuplicateLayer(String),
}

impl BuildError {
    /// The same error, with the name of the layer in which it happened.
    #[must_use]
    pub fn within(self, layer: &str) -> Self {
        match self {
            Self::Shape(error) => Self::Shape(error.within(layer)),
            other => other,
        }
    }
}
