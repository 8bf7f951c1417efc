//! Which data a training has, and what becomes of them before: what `[data]` of a `config.toml`
//! holds.

use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Colour, Preparation};
use super::source::DataSource;

/// Data, sizes, colours, what is held back and how images are changed; by default nothing of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// What was loaded: a path, or the name of a data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The [check sum](Dataset::sha256) of what was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Height and width of all images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<[usize; 2]>,
    /// Grey or colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// The share of the training images of each class that is watched while training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// The [most bytes](Preparation::in_memory) of images in memory, which changes no result and is
    /// not kept.
    #[serde(skip)]
    pub in_memory: Option<u64>,
    /// How images are changed whenever a step learns from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
}

impl DataSettings {
    /// Whether there is nothing to write.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Loads data with these settings; `progress` is told how many files are read, and of how many.
    ///
    /// # Errors
    /// As [`DataSource::load_prepared`] and [`Dataset::with_validation`].
    pub fn load(
        &self,
        source: &DataSource,
        progress: Option<&(dyn Fn(usize, usize) + Sync)>,
    ) -> Result<Dataset, DataError> {
        let usual = Preparation::default().in_memory;
        let in_memory = self.in_memory.unwrap_or(usual);
        let (resize, colour) = (self.resize, self.colour);
        let preparation = Preparation { resize, colour, progress, in_memory };
        let dataset = source.load_prepared(&preparation)?;
        match self.validation {
            Some(share) => dataset.with_validation(share, 0),
            None => Ok(dataset),
        }
    }

    /// The same with what was loaded. A path that is no text is left out.
    ///
    /// # Errors
    /// As [`Dataset::sha256`].
    pub fn of(self, source: &DataSource, dataset: &Dataset) -> Result<Self, DataError> {
        Ok(Self { path: source.place(), sha256: Some(dataset.sha256()?), ..self })
    }
}
