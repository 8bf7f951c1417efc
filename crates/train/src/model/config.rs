//! The settings of trainings of a model file: what its `config.toml` holds.
//!
//! The one design choice: what a command says goes before what the model file says, and that before
//! the settings of the tutorial. Everything is resolved once, here, and the model travels along.

use serde::{Deserialize, Serialize};

use super::error::ModelError;
use super::file::ModelFile;
use crate::data::{DataSettings, Dataset};
use crate::experiment::{Config, ConfigError, is_one, one};
use crate::initial::InitialWeights;
use crate::registry::{OPTIMIZERS, find};

/// Everything that decides the result of trainings of a model file, apart from the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// What the runs are called: the name of the file.
    pub name: String,
    /// Seeds, one run each.
    pub seeds: Vec<u64>,
    /// Training images: the first ones of the data set.
    pub samples: usize,
    /// The most epochs of a run.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// Into how many parts a step is cut.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// Name of the optimizer, where it is not that of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<String>,
    /// The learning rate, where it is not that of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The text of the model file.
    pub model: String,
    /// What becomes of the images before.
    #[serde(default, skip_serializing_if = "DataSettings::is_default")]
    pub data: DataSettings,
    /// What the weights are at first, where a seed does not decide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<InitialWeights>,
}

impl ModelConfig {
    /// The settings of a model file for data: those that it leaves open are the tutorial's, and
    /// there are no more images than the data have, nor in a step.
    ///
    /// # Errors
    /// None that [`ModelFile::parse`] has not found.
    ///
    /// ```
    /// use morphograd::{data::Dataset, model::{ModelConfig, ModelFile}};
    /// let text = "[[layer]]\ntype = \"Flatten\"\n\n[training]\nepochs = 7\nsamples = 9000\n";
    /// let file = ModelFile::parse("mine.toml", text)?;
    /// let config = ModelConfig::of(&file, &Dataset::embedded(String::new()))?;
    /// assert_eq!((&config.name[..], config.epochs, config.batch_size), ("mine", 7, 128));
    /// assert_eq!(config.samples, 4096);
    /// # Ok::<(), morphograd::model::ModelError>(())
    /// ```
    pub fn of(file: &ModelFile, dataset: &Dataset) -> Result<Self, ModelError> {
        let (training, tutorial) = (file.training()?, Config::default());
        let samples = training.samples.unwrap_or(tutorial.samples).min(dataset.train.len());
        let batch_size = training.batch_size.unwrap_or(tutorial.batch_size).min(samples);
        Ok(Self {
            name: file.name(),
            seeds: tutorial.seeds,
            samples,
            epochs: training.epochs.unwrap_or(tutorial.epochs),
            batch_size,
            shards: tutorial.shards,
            optimizer: None,
            learning_rate: None,
            model: file.text().to_owned(),
            data: DataSettings::default(),
            weights: None,
        })
    }

    /// The model file that travels in the settings.
    ///
    /// # Errors
    /// As [`ModelFile::parse`].
    pub fn file(&self) -> Result<ModelFile, ModelError> {
        ModelFile::parse(&format!("{}.toml", self.name), &self.model)
    }

    /// Checks names and ranges.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self, dataset: &Dataset) -> Result<(), ConfigError> {
        let defaults = Config::default();
        // The checks of the tutorial's settings, with those that both have.
        let (first, rest) = (self.optimizer.clone(), self.learning_rate);
        if let Some(word) = &first {
            find("optimizer", OPTIMIZERS, word)?;
        }
        Config {
            seeds: self.seeds.clone(),
            samples: self.samples,
            epochs: self.epochs,
            batch_size: self.batch_size,
            shards: self.shards,
            learning_rate: rest.unwrap_or(defaults.learning_rate),
            ..defaults
        }
        .validate_numbers(dataset)
    }
}
