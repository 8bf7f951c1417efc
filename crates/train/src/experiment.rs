//! The tutorial's experiment: its settings, its network, and the runs over constraints and seeds.

use morphograd_morphology::Dilation2d;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::{
    Activation, BuildError, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Sequential, Weight,
};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::named::{CONSTRAINTS, ENFORCEMENTS, KernelConstraint, OPTIMIZERS, UnknownName, find};

/// Everything that decides the result of an experiment, apart from the data: what `config.toml` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names of the constraints, run one after the other.
    pub constraints: Vec<String>,
    /// Seeds, one run each for every constraint.
    pub seeds: Vec<u64>,
    /// Training images: the first ones of the data set.
    pub samples: usize,
    /// The most epochs of a run.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// Name of the optimizer.
    pub optimizer: String,
    /// Name of the way to enforce the constraint.
    #[serde(default = "first_enforcement")]
    pub enforcement: String,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// Filters of the dilation.
    pub filters: usize,
    /// Height and width of the dilation's kernel.
    pub kernel: [usize; 2],
    /// Share of the features that dropout removes.
    pub dropout: f64,
    /// Early stopping: epochs without a lower training loss.
    pub stop_patience: usize,
    /// Plateau schedule: epochs without a lower validation loss.
    pub plateau_patience: usize,
    /// Plateau schedule: factor of the learning rate.
    pub plateau_factor: f64,
    /// Plateau schedule: the least fall that counts.
    pub plateau_min_delta: f64,
}

/// What was the only way when older configurations were written.
fn first_enforcement() -> String {
    ENFORCEMENTS[0].name.to_owned()
}

impl Default for Config {
    /// The tutorial's settings.
    fn default() -> Self {
        Self {
            constraints: CONSTRAINTS[..4].iter().map(|constraint| constraint.name.to_owned()).collect(),
            seeds: vec![0],
            samples: 1024,
            epochs: 100,
            batch_size: 128,
            optimizer: "adam".to_owned(),
            enforcement: first_enforcement(),
            learning_rate: 0.01,
            filters: 8,
            kernel: [5, 5],
            dropout: 0.5,
            stop_patience: 10,
            plateau_patience: 3,
            plateau_factor: 0.5,
            plateau_min_delta: 1e-4,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A word that names nothing.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// A number out of range.
    #[error("{setting}: expected {expected}, found {found}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A network that cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Config {
    /// Checks everything that can be checked before the training: names, ranges, and that the network fits the images.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self, dataset: &Dataset) -> Result<(), ConfigError> {
        let require = |holds: bool, setting, expected: String, found: String| {
            if holds { Ok(()) } else { Err(ConfigError::Value { setting, expected, found }) }
        };
        let list = |n: usize, setting| require(n > 0, setting, "at least one".into(), "none".into());
        list(self.constraints.len(), "constraints")?;
        list(self.seeds.len(), "seeds")?;
        let names = self.constraints.iter().map(|name| find("constraint", CONSTRAINTS, name).map(|c| c.name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        // Two runs of one name would write into one folder and count as two.
        let twice = |setting, found: Option<String>| match found {
            None => Ok(()),
            Some(found) => require(false, setting, "each once".into(), format!("{found} twice")),
        };
        let repeated = |i: &usize| names[..*i].contains(&names[*i]);
        twice("constraints", (0..names.len()).find(repeated).map(|i| names[i].to_owned()))?;
        let repeated = |i: &usize| self.seeds[..*i].contains(&self.seeds[*i]);
        twice("seeds", (0..self.seeds.len()).find(repeated).map(|i| self.seeds[i].to_string()))?;
        find("optimizer", OPTIMIZERS, &self.optimizer)?;
        find("enforcement", ENFORCEMENTS, &self.enforcement)?;
        let available = dataset.train.len();
        let within = |value: usize, most: usize, setting, what: &str| {
            let expected = format!("a number from 1 to {most}{what}");
            require((1..=most).contains(&value), setting, expected, value.to_string())
        };
        within(self.samples, available, "samples", ", the training images there are")?;
        within(self.batch_size, self.samples, "batch size", ", the samples to train on")?;
        within(self.epochs, u32::MAX as usize, "epochs", "")?;
        within(self.stop_patience, u32::MAX as usize, "stop patience", "")?;
        within(self.plateau_patience, u32::MAX as usize, "plateau patience", "")?;
        let (factor, delta) = (self.plateau_factor, self.plateau_min_delta);
        let between = factor > 0.0 && factor < 1.0;
        require(between, "plateau factor", "a number between 0 and 1".into(), factor.to_string())?;
        let valid = delta >= 0.0 && delta.is_finite();
        require(valid, "plateau min delta", "a number of at least 0".into(), delta.to_string())?;
        let rate = self.learning_rate;
        require(
            rate > 0.0 && rate.is_finite(),
            "learning rate",
            "a positive number".into(),
            rate.to_string(),
        )?;
        // With every set: some cannot be enforced in every way.
        for name in names {
            let set = (find("constraint", CONSTRAINTS, name)?.make)();
            self.network(dataset, set, 0, &mut Params::new())?;
        }
        Ok(())
    }

    /// Builds the tutorial's network for the images and classes of a data set. The logits come out; the softmax is part of the loss.
    ///
    /// # Errors
    /// If a window does not fit what comes into its layer, or the set cannot be enforced as chosen.
    ///
    /// # Panics
    /// If the way to enforce it has no such name, which [`validate`](Self::validate) finds.
    pub fn network(
        &self,
        dataset: &Dataset,
        constraint: KernelConstraint,
        seed: u64,
        params: &mut Params<f32>,
    ) -> Result<Sequential<f32>, BuildError> {
        let enforcement = find("enforcement", ENFORCEMENTS, &self.enforcement).expect("validated");
        Sequential::builder(params, seed, [dataset.train.height(), dataset.train.width(), 1])
            .add(
                DILATION,
                Dilation2d {
                    filters: self.filters,
                    size: self.kernel,
                    kernel: Weight::zeros().constrained_by(constraint).enforced((enforcement.make)()),
                    ..Dilation2d::default()
                },
            )
            .add("max_pooling2d", MaxPool2d { size: [2, 2], ..MaxPool2d::default() })
            .add(
                "conv2d",
                Conv2d { filters: 32, size: [3, 3], activation: Activation::Relu, ..Conv2d::default() },
            )
            .add("max_pooling2d_1", MaxPool2d { size: [2, 2], ..MaxPool2d::default() })
            .add("flatten", Flatten)
            .add("dropout", Dropout { rate: self.dropout })
            .add("dense", Dense { units: dataset.class_names.len(), ..Dense::default() })
            .finish()
    }
}

/// The layer whose kernel is constrained, and whose output is shown.
pub const DILATION: &str = "dilation2d";
