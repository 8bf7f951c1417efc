//! What is trained: the settings of the tutorial's network or of a model file, as `config.toml`
//! holds them. Whoever writes, reads, checks or repeats a training does it here.

use std::ops::ControlFlow;

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::{Weight, summary};
use sha2::{Digest, Sha256};

use crate::artifacts::RunFolder;
use crate::data::{DataSettings, Dataset};
use crate::experiment::{Config, ConfigError};
use crate::initial::InitialWeights;
use crate::model::{ModelConfig, ModelError, ModelFile};
use crate::record::{ExperimentRecord, RunRecord, Variant};
use crate::recorder::Event;
use crate::run::{RunError, run, run_model, validate, validate_model};

/// The settings of a training: one run for each variant and seed.
///
/// ```
/// use morphograd::experiment::Config;
/// use morphograd::settings::Settings;
///
/// let settings = Settings::Tutorial(Config { epochs: 3, ..Config::default() });
/// assert_eq!(Settings::read(&settings.text())?, settings);
/// # Ok::<(), morphograd::settings::SettingsError>(())
/// ```
#[derive(Debug, Clone)]
pub enum Settings {
    /// Of the tutorial's network.
    Tutorial(Config),
    /// Of a model file, with the file.
    Model(ModelConfig, ModelFile),
}

/// A text that is no `config.toml`.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No TOML, or a field that is missing, not known, or of another type.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A model that cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl PartialEq for Settings {
    /// What they say is the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tutorial(a), Self::Tutorial(b)) => a == b,
            (Self::Model(a, _), Self::Model(b, _)) => a == b,
            _ => false,
        }
    }
}

impl Settings {
    /// Reads the text of a `config.toml`; that of a model file holds the model.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(text: &str) -> Result<Self, SettingsError> {
        if toml::from_str::<toml::Table>(text)?.contains_key("model") {
            let config: ModelConfig = toml::from_str(text)?;
            let file = config.file()?;
            Ok(Self::Model(config, file))
        } else {
            Ok(Self::Tutorial(toml::from_str(text)?))
        }
    }

    /// The text that [`read`](Self::read) reads.
    ///
    /// # Panics
    /// Never: texts, numbers and lists of them can always be written.
    pub fn text(&self) -> String {
        let text = match self {
            Self::Tutorial(config) => toml::to_string(config),
            Self::Model(config, _) => toml::to_string_pretty(config),
        };
        text.expect("settings always serialize")
    }

    /// That text without the place of the data: what decides the results.
    pub fn identity(&self) -> String {
        let mut settings = self.clone();
        match &mut settings {
            Self::Tutorial(config) => config.data.path = None,
            Self::Model(config, _) => config.data.path = None,
        }
        settings.text()
    }

    /// The settings of all runs of two trainings that differ in constraints, ways to enforce them
    /// and seeds only.
    ///
    /// # Errors
    /// The name of another setting that differs.
    ///
    /// ```
    /// use morphograd::experiment::Config;
    /// use morphograd::settings::Settings;
    /// let of = |seeds| Settings::Tutorial(Config { seeds, ..Config::default() });
    /// assert_eq!(of(vec![0, 1]).merged(&of(vec![1, 7])), Ok(of(vec![0, 1, 7])));
    /// ```
    pub fn merged(mut self, other: &Self) -> Result<Self, String> {
        let table = |settings: &Self| -> toml::Table {
            let table = toml::from_str(&settings.identity());
            let mut table: toml::Table = table.expect("what was written is read");
            LISTS.iter().for_each(|list| drop(table.remove(*list)));
            table
        };
        let (own, others) = (table(&self), table(other));
        let mut keys = own.keys().chain(others.keys());
        if let Some(key) = keys.find(|key| own.get(*key) != others.get(*key)) {
            return Err(key.clone());
        }
        fn add<T: Clone + PartialEq>(list: &mut Vec<T>, others: &[T]) {
            others.iter().for_each(|other| {
                if !list.contains(other) {
                    list.push(other.clone());
                }
            });
        }
        match (&mut self, other) {
            (Self::Tutorial(own), Self::Tutorial(other)) => {
                add(&mut own.constraints, &other.constraints);
                add(&mut own.enforcements, &other.enforcements);
                add(&mut own.seeds, &other.seeds);
            }
            (Self::Model(own, _), Self::Model(other, _)) => add(&mut own.seeds, &other.seeds),
            _ => return Err("model".to_owned()),
        }
        Ok(self)
    }

    /// The settings of one run, each with its name: constraint, enforcement and seed in place of
    /// the lists of them, and the check sum of a model in place of its text.
    pub fn of_run(&self, variant: &Variant, seed: u64) -> Vec<(String, String)> {
        let mut all = Vec::new();
        if let Self::Tutorial(_) = self {
            all.push(("constraint".to_owned(), variant.constraint.clone()));
            all.push(("enforcement".to_owned(), variant.enforcement.clone()));
        }
        let table: toml::Table = toml::from_str(&self.text()).expect("what was written is read");
        flatten("", &table, &mut all);
        // Which network it is stands first.
        all.sort_by_key(|(name, _)| !name.starts_with("model"));
        all.push(("seed".to_owned(), seed.to_string()));
        all
    }

    /// Checks everything that can be checked before a training.
    ///
    /// # Errors
    /// The first thing that cannot be used.
    pub fn validate(&self, dataset: &Dataset) -> Result<(), RunError> {
        match self {
            Self::Tutorial(config) => validate(config, dataset),
            Self::Model(config, file) => validate_model(config, file, dataset),
        }
    }

    /// The most epochs of a run.
    pub fn epochs(&self) -> usize {
        match self {
            Self::Tutorial(config) => config.epochs,
            Self::Model(config, _) => config.epochs,
        }
    }

    /// Training images.
    pub fn samples(&self) -> usize {
        match self {
            Self::Tutorial(config) => config.samples,
            Self::Model(config, _) => config.samples,
        }
    }

    /// The seeds.
    pub fn seeds(&self) -> &[u64] {
        match self {
            Self::Tutorial(config) => &config.seeds,
            Self::Model(config, _) => &config.seeds,
        }
    }

    /// What becomes of the images before.
    pub fn data(&self) -> &DataSettings {
        match self {
            Self::Tutorial(config) => &config.data,
            Self::Model(config, _) => &config.data,
        }
    }

    /// The same with other weights to start from.
    #[must_use]
    pub fn from_weights(mut self, weights: InitialWeights) -> Self {
        match &mut self {
            Self::Tutorial(config) => config.weights = Some(weights),
            Self::Model(config, _) => config.weights = Some(weights),
        }
        self
    }

    /// What is run with every seed, in this order; of a model file its name.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn variants(&self) -> Result<Vec<Variant>, ConfigError> {
        match self {
            Self::Tutorial(config) => Ok(config.variants()?),
            Self::Model(config, _) => Ok(vec![Variant::from(&config.name[..])]),
        }
    }

    /// The layers of the network, their shapes and parameters.
    ///
    /// # Errors
    /// If the network cannot be built for the data.
    pub fn summary(&self, dataset: &Dataset) -> Result<String, RunError> {
        let mut params = Params::new();
        let model = match self {
            Self::Tutorial(config) => config
                .network(dataset, Weight::zeros(), 0, &mut params)
                .map_err(ConfigError::from)?,
            Self::Model(_, file) => {
                file.build(&mut params, 0, dataset.train.shape(), dataset.classes())?
            }
        };
        Ok(summary(&model, &params))
    }

    /// What a training leaves behind, before its first run.
    ///
    /// # Errors
    /// As [`summary`](Self::summary).
    pub fn experiment(
        &self,
        dataset: &Dataset,
        threads: usize,
    ) -> Result<ExperimentRecord, RunError> {
        Ok(ExperimentRecord {
            dataset: dataset.name.clone(),
            dataset_note: dataset.note.clone(),
            class_names: dataset.class_names.clone(),
            summary: self.summary(dataset)?,
            config: format!("# {}\n{}", dataset.note, self.text()),
            threads,
            runs: Vec::new(),
        })
    }

    /// Trains one variant with one seed: [`run`], or [`run_model`].
    ///
    /// # Errors
    /// As these.
    pub fn run(
        &self,
        dataset: &Dataset,
        variant: &Variant,
        seed: u64,
        out: &RunFolder,
        observe: &mut (dyn FnMut(Event<'_>) -> ControlFlow<()> + Send),
    ) -> Result<RunRecord, RunError> {
        match self {
            Self::Tutorial(config) => run(config, dataset, variant.clone(), seed, out, observe),
            Self::Model(config, file) => run_model(config, file, dataset, seed, out, observe),
        }
    }
}

/// What stands in a list of its own, or is not about one run.
const LISTS: [&str; 3] = ["constraints", "enforcements", "seeds"];

fn flatten(place: &str, table: &toml::Table, all: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let name = format!("{place}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{name}."), inner, all),
            toml::Value::String(text) if name == "model" => {
                let digest = Sha256::digest(text);
                let digest: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
                all.push(("model.sha256".to_owned(), digest));
            }
            _ if LISTS.contains(&&name[..]) => {}
            // Where they lie does not matter.
            _ if name == "data.path" => {}
            toml::Value::String(text) if name == "data.sha256" => {
                all.push((name, text.chars().take(8).collect()));
            }
            toml::Value::String(text) if name == "name" => {
                all.push(("model".to_owned(), text.clone()));
            }
            toml::Value::String(text) => all.push((name, text.clone())),
            other => all.push((name, other.to_string())),
        }
    }
}
