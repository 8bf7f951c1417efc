//! The tutorial's experiment: its settings, its network, and the runs over constraints and seeds.

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{EarlyStopping, Monitor, ReduceLrOnPlateau};
use morphograd_morphology::nn::{
    Activation, BuildError, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Model, Sequential, Weight,
};
use morphograd_morphology::{Dilation2d, Neighbourhood2d};
use serde::{Deserialize, Serialize};

use crate::data::{DataSettings, Dataset};
use crate::initial::InitialWeights;
use crate::memory::{MAX_OUTPUTS, outputs};
use crate::record::Variant;
use crate::registry::{CONSTRAINTS, ENFORCEMENTS, Named, OPTIMIZERS, UnknownName, find};
use crate::start::Start;

/// Everything that decides the result of an experiment, apart from the data: what `config.toml`
/// holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names of the constraints, run one after the other.
    pub constraints: Vec<String>,
    /// Names of the ways to enforce each.
    #[serde(default = "projected_step")]
    pub enforcements: Vec<String>,
    /// Where the dilation's kernels start.
    #[serde(default)]
    pub start: Start,
    /// Seeds, one run each for every variant.
    pub seeds: Vec<u64>,
    /// Training images: the first ones of the data set.
    pub samples: usize,
    /// The most epochs of a run.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// Into how many parts a step is cut ([`Fit::shards`]).
    ///
    /// [`Fit::shards`]: morphograd_morphology::nn::Fit::shards
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// Name of the optimizer.
    pub optimizer: String,
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
    /// What becomes of the images before.
    #[serde(default, skip_serializing_if = "DataSettings::is_default")]
    pub data: DataSettings,
    /// What the weights are at first, where a seed does not decide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<InitialWeights>,
}

/// What was the only way when older configurations were written.
fn projected_step() -> Vec<String> {
    vec![ENFORCEMENTS[0].name.to_owned()]
}

/// The number of shards that settings do not speak of.
pub(crate) fn one() -> usize {
    1
}

pub(crate) fn is_one(shards: &usize) -> bool {
    *shards == 1
}

impl Default for Config {
    /// The tutorial's settings.
    fn default() -> Self {
        Self {
            constraints: CONSTRAINTS[..4]
                .iter()
                .map(|constraint| constraint.name.to_owned())
                .collect(),
            enforcements: projected_step(),
            start: Start::default(),
            seeds: vec![0],
            samples: 1024,
            epochs: 100,
            batch_size: 128,
            shards: 1,
            optimizer: "adam".to_owned(),
            learning_rate: 0.01,
            filters: 8,
            kernel: [5, 5],
            dropout: 0.5,
            stop_patience: 10,
            plateau_patience: 3,
            plateau_factor: 0.5,
            plateau_min_delta: 1e-4,
            data: DataSettings::default(),
            weights: None,
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
    /// Checks everything that can be checked before the training: names, ranges, and that the
    /// network fits the images.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self, dataset: &Dataset) -> Result<(), ConfigError> {
        self.validate_numbers(dataset)?;
        if dataset.class_names.is_empty() {
            let expected = "data of classes; others need --model FILE with a target under \
                [training]";
            let (expected, found) = (expected.to_owned(), dataset.kind());
            return Err(ConfigError::Value { setting: "data", expected, found });
        }
        // Each of them: some sets cannot be enforced in every way.
        for variant in self.variants()? {
            let model = self.network(dataset, variant.kernel()?, 0, &mut Params::new())?;
            let bytes = outputs(&model, self.batch_size);
            if bytes > MAX_OUTPUTS {
                let expected =
                    format!("outputs and gradients of at most {MAX_OUTPUTS} bytes a batch");
                let found = format!("{bytes} bytes for {} filters", self.filters);
                return Err(ConfigError::Value { setting: "batch size", expected, found });
            }
        }
        Ok(())
    }

    /// The network of [`network`](Self::network) as a [model file](crate::model::ModelFile).
    pub fn model_text(&self, variant: &Variant) -> String {
        let Variant { constraint, enforcement } = variant;
        let Self { filters, kernel, dropout, .. } = self;
        format!(
            r#"[[layer]]
type = "Dilation2d"
name = "{DILATION}"
filters = {filters}
size = {kernel:?}
kernel = {{ constraint = "{constraint}", enforcement = "{enforcement}" }}

[[layer]]
type = "MaxPool2d"
name = "max_pooling2d"

[[layer]]
type = "Conv2d"
name = "conv2d"
filters = 32
activation = "relu"

[[layer]]
type = "MaxPool2d"
name = "max_pooling2d_1"

[[layer]]
type = "Flatten"

[[layer]]
type = "Dropout"
rate = {dropout:?}

[[layer]]
type = "Dense"
units = "classes"
"#
        )
    }

    /// Checks names and ranges, and builds no network.
    pub(crate) fn validate_numbers(&self, dataset: &Dataset) -> Result<(), ConfigError> {
        let require = |holds: bool, setting, expected: String, found: String| {
            if holds { Ok(()) } else { Err(ConfigError::Value { setting, expected, found }) }
        };
        let list =
            |n: usize, setting| require(n > 0, setting, "at least one".into(), "none".into());
        list(self.constraints.len(), "constraints")?;
        list(self.seeds.len(), "seeds")?;
        list(self.enforcements.len(), "enforcements")?;
        // Two runs of one name would write into one folder and count as two.
        let once = |setting, names: Vec<String>| {
            let twice = (0..names.len()).find(|i| names[..*i].contains(&names[*i]));
            twice.map_or(Ok(()), |i| {
                require(false, setting, "each once".into(), format!("{} twice", names[i]))
            })
        };
        once("constraints", known("constraint", CONSTRAINTS, &self.constraints)?)?;
        once("enforcements", known("enforcement", ENFORCEMENTS, &self.enforcements)?)?;
        once("seeds", self.seeds.iter().map(u64::to_string).collect())?;
        find("optimizer", OPTIMIZERS, &self.optimizer)?;
        let available = dataset.train.len();
        let within = |value: usize, most: usize, setting, what: &str| {
            let expected = format!("a number from 1 to {most}{what}");
            require((1..=most).contains(&value), setting, expected, value.to_string())
        };
        within(self.samples, available, "samples", ", the training images there are")?;
        within(self.batch_size, self.samples, "batch size", ", the samples to train on")?;
        let shards = self.shards;
        let power = shards.is_power_of_two() && shards <= MAX_SHARDS;
        let expected = format!("a power of two from 1 to {MAX_SHARDS}");
        require(power, "shards", expected, shards.to_string())?;
        within(self.epochs, u32::MAX as usize, "epochs", "")?;
        within(self.stop_patience, u32::MAX as usize, "stop patience", "")?;
        within(self.plateau_patience, u32::MAX as usize, "plateau patience", "")?;
        let (factor, delta) = (self.plateau_factor, self.plateau_min_delta);
        let between = factor > 0.0 && factor < 1.0;
        require(between, "plateau factor", "a number between 0 and 1".into(), factor.to_string())?;
        let valid = delta >= 0.0 && delta.is_finite();
        require(valid, "plateau min delta", "a number of at least 0".into(), delta.to_string())?;
        require(
            self.weights.is_none() || self.start == Start::Zero,
            "start",
            "none beside the weights to start from".into(),
            "interior".into(),
        )?;
        let rate = self.learning_rate;
        require(
            rate > 0.0 && rate.is_finite(),
            "learning rate",
            "a positive number".into(),
            rate.to_string(),
        )
    }

    /// What is compared, in the order in which it is run: every constraint with every way to
    /// enforce it, or once where there is nothing to enforce.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn variants(&self) -> Result<Vec<Variant>, ConfigError> {
        let ways = known("enforcement", ENFORCEMENTS, &self.enforcements)?;
        let mut variants = Vec::new();
        for name in &self.constraints {
            let constraint = find("constraint", CONSTRAINTS, name)?;
            let free = (constraint.make)().is_none();
            let ways = if free { &projected_step() } else { &ways };
            variants.extend(ways.iter().map(|way| Variant {
                constraint: constraint.name.to_owned(),
                enforcement: way.clone(),
            }));
        }
        Ok(variants)
    }

    /// The tutorial's callbacks: early stopping on the training loss, which brings the best weights
    /// back, and the plateau schedule on the validation loss.
    pub fn callbacks(&self) -> (EarlyStopping<f32>, ReduceLrOnPlateau) {
        let stopping = EarlyStopping {
            monitor: Monitor::lowest("loss"),
            patience: self.stop_patience,
            restore_best_weights: true,
            ..EarlyStopping::default()
        };
        let plateau = ReduceLrOnPlateau {
            monitor: Monitor { min_delta: self.plateau_min_delta, ..Monitor::lowest("val_loss") },
            factor: self.plateau_factor,
            patience: self.plateau_patience,
            ..ReduceLrOnPlateau::default()
        };
        (stopping, plateau)
    }

    /// Builds the tutorial's network for the images and classes of a data set, with this kernel in
    /// its dilation: that of a named [`Variant`], or any other. The logits come out; the softmax is
    /// part of the loss.
    ///
    /// # Errors
    /// If a window does not fit what comes into its layer, or the kernel's set cannot be enforced
    /// as chosen.
    pub fn network(
        &self,
        dataset: &Dataset,
        kernel: Weight<f32>,
        seed: u64,
        params: &mut Params<f32>,
    ) -> Result<Model<f32>, BuildError> {
        Sequential::new()
            .add(
                DILATION,
                Dilation2d {
                    filters: self.filters,
                    neighbourhood: Neighbourhood2d::new(self.kernel),
                    kernel,
                    ..Dilation2d::default()
                },
            )
            .add("max_pooling2d", MaxPool2d::default())
            .add(
                "conv2d",
                Conv2d { filters: 32, activation: Activation::Relu, ..Conv2d::default() },
            )
            .add("max_pooling2d_1", MaxPool2d::default())
            .add("flatten", Flatten)
            .add("dropout", Dropout { rate: self.dropout })
            .add("dense", Dense { units: dataset.class_names.len(), ..Dense::default() })
            .build_model(params, seed, dataset.train.shape())
    }
}

impl Variant {
    /// The kernel of the dilation: at first 0, as in the tutorial, and kept in the set in this way.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn kernel(&self) -> Result<Weight<f32>, UnknownName> {
        let constraint = (find("constraint", CONSTRAINTS, &self.constraint)?.make)();
        let enforcement = (find("enforcement", ENFORCEMENTS, &self.enforcement)?.make)();
        Ok(Weight::zeros().constrained_by(constraint).enforced(enforcement))
    }
}

/// The names that stand in the table for these words.
fn known<V>(
    kind: &'static str,
    table: &[Named<V>],
    words: &[String],
) -> Result<Vec<String>, UnknownName> {
    words.iter().map(|word| find(kind, table, word).map(|entry| entry.name.to_owned())).collect()
}

/// The most parts of a step. Each takes a pass over all gradients.
const MAX_SHARDS: usize = 1024;

/// The layer whose kernel is constrained, and whose output is shown.
pub const DILATION: &str = "dilation2d";
