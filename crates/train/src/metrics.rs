//! The figures of a training, as `metrics.json` holds them: written when a run ends, and read by
//! whoever compares runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::record::{ExperimentRecord, RunRecord, Stop};

/// All runs of a training. Keys stand in this order. JSON has no infinity and no NaN: such a figure
/// is `null`, and read as NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Short name of the data set.
    pub dataset: String,
    /// The runs, in the order they were made.
    pub runs: Vec<RunMetrics>,
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunMetrics {
    /// Name of the constraint; of a model file its name.
    pub constraint: String,
    /// Name of the way to enforce it.
    pub enforcement: String,
    /// Seed of the run.
    pub seed: u64,
    /// How many epochs it had.
    pub epochs: usize,
    /// Highest validation accuracy of any epoch.
    #[serde(deserialize_with = "number")]
    pub best_val_accuracy: f64,
    /// Validation accuracy of the weights kept; NaN without classes.
    #[serde(deserialize_with = "number")]
    pub restored_val_accuracy: f64,
    /// Lowest validation loss of any epoch.
    #[serde(deserialize_with = "number")]
    pub best_val_loss: f64,
    /// Seconds from the first step to the end of the last epoch.
    pub train_seconds: f64,
    /// Mean seconds of an epoch.
    pub seconds_per_epoch: f64,
    /// Largest constraint violation at the end of any epoch.
    #[serde(deserialize_with = "number")]
    pub max_constraint_violation: f64,
    /// That of the weights kept, before the projection that ends a run.
    #[serde(deserialize_with = "number")]
    pub final_constraint_violation: f64,
    /// Why it ended; not in files of older versions.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// The weights that it started from, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<LoadedMetrics>,
    /// Metrics beside the accuracy, of the epoch whose weights were kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "numbers")]
    pub metrics: BTreeMap<String, f64>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It did not get better.
    EarlyStopping,
    /// It had all epochs.
    EpochLimit,
    /// Somebody ended it: it is not finished.
    Interrupted,
    /// Its loss was not a finite number.
    NotFinite,
}

/// What became of the weights that a run started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadedMetrics {
    /// The checkpoint.
    pub file: String,
    /// Its check sum.
    pub sha256: String,
    /// Numbers that the projection onto the constraints moved.
    pub moved: usize,
    /// The Euclidean distance that it moved them.
    pub distance: f64,
}

impl Metrics {
    /// The figures of an experiment.
    pub fn of(experiment: &ExperimentRecord) -> Self {
        let runs = experiment.runs.iter().map(RunMetrics::of).collect();
        Self { dataset: experiment.dataset.clone(), runs }
    }

    /// The text of `metrics.json`.
    ///
    /// # Panics
    /// Never: texts and numbers can always be written.
    pub fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("texts and numbers always serialize");
        json + "\n"
    }

    /// Reads what [`json`](Self::json) wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl RunMetrics {
    /// The figures of a run.
    pub fn of(run: &RunRecord) -> Self {
        Self {
            constraint: run.variant.constraint.clone(),
            enforcement: run.variant.enforcement.clone(),
            seed: run.seed,
            epochs: run.epochs.len(),
            best_val_accuracy: run.best_val_accuracy(),
            restored_val_accuracy: run.restored_val_accuracy(),
            best_val_loss: run.best_val_loss(),
            train_seconds: run.train_seconds,
            seconds_per_epoch: run.seconds_per_epoch(),
            max_constraint_violation: run.max_constraint_violation,
            final_constraint_violation: run.final_constraint_violation,
            ended: Some(match run.stop {
                Stop::EarlyStopping { .. } => Ended::EarlyStopping,
                Stop::EpochLimit => Ended::EpochLimit,
                Stop::Interrupted => Ended::Interrupted,
                Stop::NotFinite { .. } => Ended::NotFinite,
            }),
            weights: run.loaded.as_ref().map(|loaded| LoadedMetrics {
                file: loaded.weights.file.display().to_string(),
                sha256: loaded.weights.sha256.clone(),
                moved: loaded.moved,
                distance: loaded.distance,
            }),
            metrics: run.restored_metrics().iter().cloned().collect(),
        }
    }
}

/// A number, or `null` for one that is not finite.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let all: BTreeMap<String, Option<f64>> = Deserialize::deserialize(deserializer)?;
    Ok(all.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}
