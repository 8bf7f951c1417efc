//! Weights of an earlier run that a training starts from: which file, and that it is still the
//! same.
//!
//! The one design choice: a configuration records the file with its check sum. Whoever repeats a
//! training from its `config.toml` gets the same weights, or is told that they have changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::checkpoint::{self, CheckpointError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of a run's weights in its folder.
pub const WEIGHTS: &str = "weights.safetensors";

/// Why weights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file or a folder that cannot be read.
    #[error("{}: {source}; check the path", path.display())]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder in which no run, or more than one, can be meant.
    #[error(
        "{}: expected the folder of one run, with weights.safetensors in it, found {found}; name \
         one of them",
        path.display()
    )]
    Runs {
        /// The folder.
        path: PathBuf,
        /// The runs in it.
        found: String,
    },
    /// Weights that are not those that a configuration names.
    #[error(
        "{}: expected the weights of the configuration, with SHA-256 {expected}, found {found}; \
         name others with --weights",
        path.display()
    )]
    Changed {
        /// The checkpoint.
        path: PathBuf,
        /// The check sum in the configuration.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// Weights that cannot be read, or are those of another network.
    #[error("weights to start from: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// Weights to start from, as `config.toml` holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialWeights {
    /// The checkpoint.
    pub file: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// What became of initial weights when they were loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Which they were.
    pub weights: InitialWeights,
    /// How many of them the projection onto the sets moved.
    pub moved: usize,
    /// How many have a set.
    pub all: usize,
    /// The Euclidean distance that the projection moved them.
    pub distance: f64,
}

impl InitialWeights {
    /// The weights of a run: of its folder, of the folder of a training with one run, or a
    /// checkpoint itself.
    ///
    /// # Errors
    /// If there are none, or more than one, or they cannot be read.
    pub fn of(run: &Path) -> Result<Self, WeightsError> {
        let file = weights_of(run)?;
        let sha256 = digest(&file)?;
        Ok(Self { file, sha256 })
    }

    /// Loads them into the parameters of a network, and projects each on its set. A way to enforce
    /// that leaves parameters outside for a while starts inside, too.
    ///
    /// # Errors
    /// If the file has changed, or a parameter is missing in it, has another shape, or is not one
    /// of the network. Nothing has changed then.
    pub fn load(&self, params: &mut Params<f32>) -> Result<Loaded, WeightsError> {
        let found = digest(&self.file)?;
        if found != self.sha256 {
            let (path, expected) = (self.file.clone(), self.sha256.clone());
            return Err(WeightsError::Changed { path, expected, found });
        }
        let projection = checkpoint::load(params, &self.file)?;
        let (mut moved, mut squares) = (projection.moved, projection.distance_squared);
        for id in params.ids() {
            let Some(set) = params.shared_constraint(id) else { continue };
            if params.violation(id) == 0.0 {
                continue;
            }
            let outside = params.value(id).data.to_vec();
            let shape = params.value(id).shape;
            params.update(id, |value| set.project(shape, value));
            for (before, after) in outside.iter().zip(params.value(id).data) {
                moved += usize::from(before != after);
                squares += f64::from(after - before).powi(2);
            }
        }
        let constrained = params.ids().filter(|id| params.constraint(*id).is_some());
        let all = constrained.map(|id| params.value(id).data.len()).sum();
        Ok(Loaded { weights: self.clone(), moved, all, distance: squares.sqrt() })
    }
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { weights, moved, all, distance } = self;
        write!(f, "started from {}", weights.file.display())?;
        match moved {
            0 => f.write_str(", inside of the constraints"),
            _ => write!(
                f,
                ", which left the constraints: projected, {moved} of {all} constrained \
                 numbers moved, by {distance:.3} in all"
            ),
        }
    }
}

/// The checkpoint that a path means.
///
/// # Errors
/// If a folder holds none, or more than one, or cannot be read.
pub fn weights_of(path: &Path) -> Result<PathBuf, WeightsError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let own = path.join(WEIGHTS);
    if own.is_file() {
        return Ok(own);
    }
    let io = |source| WeightsError::Io { path: path.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path().join(WEIGHTS);
        if file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    match &found[..] {
        [only] => Ok(only.clone()),
        _ => {
            let names = found.iter().filter_map(|file| file.parent()?.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(WeightsError::Runs { path: path.to_owned(), found })
        }
    }
}

fn digest(path: &Path) -> Result<String, WeightsError> {
    let bytes =
        fs::read(path).map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
