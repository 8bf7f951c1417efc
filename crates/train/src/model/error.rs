//! What is wrong with a model file: where, in which field, what was expected there and what was
//! found.

use std::fmt;
use std::io;
use std::path::PathBuf;

use morphograd_morphology::nn::BuildError;
use morphograd_morphology::nn::checkpoint::CheckpointError;

use crate::initial::WeightsError;

/// Why a model cannot be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A field that cannot be used, or text that is not TOML.
    #[error(transparent)]
    Field(#[from] Box<FieldError>),
    /// Layers that do not fit each other, or are too large.
    #[error("{file}:{line}: {source}")]
    Build {
        /// The file.
        file: String,
        /// The line where the layer begins, from 1.
        line: usize,
        /// What does not fit, with the name of the layer.
        source: Box<BuildError>,
    },
    /// A file that cannot be read.
    #[error("{}: {source}; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Weights that cannot be read, or are those of another model.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// A note in a checkpoint that is none of ours.
    #[error("{}: expected the note of a training with its model, found {found}", path.display())]
    Note {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// A folder in which no weights, or more than one file of them, can be meant.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Weights without the model that they are the weights of.
    #[error(
        "{}: expected a checkpoint that holds its model, found none in it; train with --model, or \
         build the model in Rust and load the weights into it",
        path.display()
    )]
    NoModel {
        /// The checkpoint.
        path: PathBuf,
    },
}

impl From<CheckpointError> for ModelError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

/// A field of a model file that cannot be used.
///
/// ```
/// use morphograd::model::ModelFile;
/// let text = "[[layer]]\ntype = \"Conv2d\"\nname = \"conv\"\nfilters = \"many\"\n";
/// let error = ModelFile::parse("m.toml", text).unwrap_err().to_string();
/// let expected = "m.toml:4: layer `conv`: field `filters`: expected a whole number from 1 to \
///                 1000000, found \"many\"";
/// assert_eq!(error, expected);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The part of the model: the layer, and the part of it. Empty at the top of the file.
    pub place: String,
    /// The field; empty where it is about the whole part.
    pub field: String,
    /// What can stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// The most similar name, where a name is not known and another is similar.
    pub suggestion: Option<String>,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        if !self.field.is_empty() {
            write!(f, "field `{}`: ", self.field)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        self.suggestion.as_ref().map_or(Ok(()), |name| write!(f, " (did you mean `{name}`?)"))
    }
}

impl std::error::Error for FieldError {}
