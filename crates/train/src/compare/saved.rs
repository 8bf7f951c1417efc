//! A run as its folder holds it: settings, figures, history, filters.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::artifacts::{ArtifactError, run_name};
use crate::history::read_history;
use crate::initial::WEIGHTS;
use crate::metrics::{Metrics, RunMetrics};
use crate::model::SavedModel;
use crate::record::{EpochRecord, Gallery, Variant};
use crate::run::first_filters;
use crate::settings::{Settings, SettingsError};

/// A run that was read from its folder.
#[derive(Debug, Clone)]
pub struct SavedRun {
    /// Its folder.
    pub path: PathBuf,
    /// Short name of its data.
    pub dataset: String,
    /// Its settings, by name.
    pub settings: Vec<(String, String)>,
    /// Its figures.
    pub metrics: RunMetrics,
    /// Its epochs, without the wins of the filters.
    pub epochs: Vec<EpochRecord>,
    /// The filters of its first layer, or why there are none to draw.
    pub filters: Result<Gallery, String>,
}

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A path that is not the folder of a training or of a run.
    #[error(
        "{}: expected the folder of a training, with metrics.json and config.toml, or of one of \
         its runs, found {found}",
        path.display()
    )]
    NotARun {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// A file that cannot be read.
    #[error("{}: {source}; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Settings that cannot be read.
    #[error("{}: {source}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SettingsError,
    },
    /// Figures that cannot be read.
    #[error("{}: expected the metrics of a training, found {source}", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A history that cannot be read.
    #[error(transparent)]
    History(#[from] ArtifactError),
    /// A run that is named twice.
    #[error("{}: expected each run once, found it twice", path.display())]
    Twice {
        /// Its folder.
        path: PathBuf,
    },
    /// Not enough runs.
    #[error("expected two runs or more, found {found}")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// Runs whose figures do not mean the same.
    #[error(
        "expected runs that learn classes, or runs that learn images, found {} with classes and \
         {} without",
        classes.display(),
        images.display()
    )]
    Kinds {
        /// One that learns classes.
        classes: PathBuf,
        /// One that learns images.
        images: PathBuf,
    },
}

impl SavedRun {
    /// Whether it has learned classes, so that there are accuracies.
    pub fn has_classes(&self) -> bool {
        !self.metrics.restored_val_accuracy.is_nan()
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(other, _)| other == name).map(|(_, value)| &value[..])
    }
}

/// The runs that a path means: all of a training or of a sweep, or the one whose own folder it is.
///
/// # Errors
/// If it is not such a folder, or a file in it cannot be read.
pub fn runs_of(path: &Path) -> Result<Vec<SavedRun>, CompareError> {
    let is_training = |path: &Path| path.join("metrics.json").is_file();
    if is_training(path) {
        return read(path, None);
    }
    let none = |found: String| CompareError::NotARun { path: path.to_owned(), found };
    if !path.is_dir() {
        return Err(none(if path.exists() { "a file" } else { "nothing" }.to_owned()));
    }
    if path.join("sweep.toml").is_file() {
        let io = |source| CompareError::Io { path: path.join("runs"), source };
        let folders: io::Result<BTreeSet<PathBuf>> =
            fs::read_dir(path.join("runs")).map_err(io)?.map(|entry| Ok(entry?.path())).collect();
        let done = folders.map_err(io)?.into_iter().filter(|run| is_training(run));
        return Ok(done.map(|run| read(&run, None)).collect::<Result<Vec<_>, _>>()?.concat());
    }
    let real =
        path.canonicalize().map_err(|source| CompareError::Io { path: path.to_owned(), source })?;
    if let (Some(above), Some(name)) = (real.parent(), real.file_name())
        && is_training(above)
    {
        let runs = read(above, Some((&name.to_string_lossy(), path)))?;
        if !runs.is_empty() {
            return Ok(runs);
        }
        return Err(none("a folder that the metrics.json above it does not know".to_owned()));
    }
    let io = |source| CompareError::Io { path: path.to_owned(), source };
    let mut inside = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if is_training(&entry.path()) {
            inside.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Err(none(if !inside.is_empty() {
        let names: Vec<String> = inside.into_iter().collect();
        format!("the folders of trainings in it: {}; name them", names.join(", "))
    } else if path.join("config.toml").is_file() {
        "config.toml alone: no run of it has ended".to_owned()
    } else {
        "neither".to_owned()
    }))
}

/// The runs of a training, or the one of this name, which is called by the path given.
fn read(folder: &Path, only: Option<(&str, &Path)>) -> Result<Vec<SavedRun>, CompareError> {
    let text = |name: &str| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path);
        text.map_err(|source| CompareError::Io { path: path.clone(), source })
    };
    let metrics = Metrics::read(&text("metrics.json")?)
        .map_err(|source| CompareError::Metrics { path: folder.join("metrics.json"), source })?;
    let settings = Settings::read(&text("config.toml")?)
        .map_err(|source| CompareError::Settings { path: folder.join("config.toml"), source })?;
    let mut runs = Vec::new();
    for run in metrics.runs {
        let variant =
            Variant { constraint: run.constraint.clone(), enforcement: run.enforcement.clone() };
        let name = run_name(&variant, run.seed);
        if only.is_some_and(|(only, _)| only != name) {
            continue;
        }
        let path = only.map_or_else(|| folder.join(&name), |(_, path)| path.to_owned());
        let epochs = read_history(&path.join("history.csv"))?;
        let filters = filters(&path);
        runs.push(SavedRun {
            dataset: metrics.dataset.clone(),
            settings: settings.of_run(&variant, run.seed),
            path,
            metrics: run,
            epochs,
            filters,
        });
    }
    Ok(runs)
}

fn filters(path: &Path) -> Result<Gallery, String> {
    let saved = SavedModel::open(&path.join(WEIGHTS)).map_err(|error| error.to_string())?;
    let drawn = first_filters(&saved.model, &saved.params).map(|(_, filters)| filters);
    drawn.ok_or_else(|| "its first layer has no finite kernel on one channel".to_owned())
}
