//! A trained network with its model: what a checkpoint of a run holds, opened again.
//!
//! The one design choice: the model travels in the header of the checkpoint, so that one file is
//! enough. A run of the built-in network has it in a file beside its weights, which stay as they
//! were.

use std::fs;
use std::path::{Path, PathBuf};

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::tensor::Shape;
use morphograd_morphology::nn::{Model, checkpoint};
use serde::{Deserialize, Serialize};

use super::error::ModelError;
use super::file::ModelFile;
use super::targets::Target;
use crate::data::{DataError, Dataset};
use crate::initial::weights_of;

/// The name of the file beside them that holds the same note, for people.
pub const NOTE: &str = "model.toml";

/// What stands in the header of a checkpoint: all that is needed to build the network again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The name of the model file.
    pub file: String,
    /// The shape of one input.
    pub input: Vec<usize>,
    /// The names of the classes of the data, in the order of the labels.
    pub class_names: Vec<String>,
    /// The text of the model file.
    pub model: String,
}

impl Note {
    /// As TOML.
    ///
    /// # Panics
    /// Never: a list of texts and numbers can always be written.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("texts and numbers always serialize")
    }
}

/// A trained network.
#[derive(Debug)]
pub struct SavedModel {
    /// Its model file.
    pub file: ModelFile,
    /// What it has learned.
    pub target: Target,
    /// The network.
    pub model: Model<f32>,
    /// Its parameters, each in its set.
    pub params: Params<f32>,
    /// The names of the classes, in the order of the labels.
    pub class_names: Vec<String>,
    /// Where the weights were.
    pub path: PathBuf,
}

impl SavedModel {
    /// Opens a checkpoint with its model: the file itself, the folder of a run that holds it, or
    /// the folder of an experiment with one run.
    ///
    /// # Errors
    /// If there is no checkpoint or more than one, it cannot be read, it holds no model, or its
    /// weights are not those of the model.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let path = weights_of(path)?;
        let text = match checkpoint::note(&path)? {
            Some(text) => text,
            None => {
                let beside = path.with_file_name(NOTE);
                fs::read_to_string(&beside)
                    .map_err(|_| ModelError::NoModel { path: path.clone() })?
            }
        };
        let note: Note = toml::from_str(&text).map_err(|error| ModelError::Note {
            path: path.clone(),
            found: error.message().to_owned(),
        })?;
        let sizes = note.input.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
        let fits = (1..=4).contains(&note.input.len())
            && sizes.is_some_and(|all| (1..=100_000_000).contains(&all));
        if !fits {
            let found = format!("an input of shape {:?}", note.input);
            return Err(ModelError::Note { path, found });
        }
        let file = ModelFile::parse(&note.file, &note.model)?;
        let mut params = Params::new();
        let classes = note.class_names.len().max(1);
        let model = file.build(&mut params, 0, Shape::new(&note.input), classes)?;
        checkpoint::load(&mut params, &path)?;
        // What a way to enforce remembers is of no use outside a training.
        params.finalize();
        let target = file.training()?.target;
        Ok(Self { file, target, model, params, class_names: note.class_names, path })
    }

    /// Checks that data have what the network has learned.
    ///
    /// # Errors
    /// [`DataError::Counts`] if they have other targets, or classes.
    pub fn fits(&self, dataset: &Dataset) -> Result<(), DataError> {
        self.target.check(dataset, &self.model, false)
    }
}
