//! Whose state it is that a run goes on from: what stands as a note in its `state.safetensors`.
//!
//! The one design choice: a run goes on only if everything that decides its result is as it was.
//! Where the data lie, and how many threads there are, is nothing of that.

use std::path::{Path, PathBuf};

use morphograd_morphology::nn::checkpoint::{self, CheckpointError};
use serde::{Deserialize, Serialize};

use crate::record::Variant;

/// The name of the file in the folder of a run.
pub const STATE: &str = "state.safetensors";

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Something that decides the result has changed.
    #[error(
        "{}: {what}: expected {expected}, as when the run began, found {found}; use what it began \
         with, or train anew into another folder",
        path.display()
    )]
    Changed {
        /// The state.
        path: PathBuf,
        /// Which setting, or `version`.
        what: String,
        /// What it was.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file that is something else.
    #[error("{}: expected the state of a run, found {found}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What decides the result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Of this package.
    version: String,
    /// Name of the constraint; of a model file its name.
    constraint: String,
    /// Name of the way to enforce it.
    enforcement: String,
    /// The seed.
    seed: u64,
    /// All other settings.
    settings: toml::Table,
}

/// What a configuration has for all of its runs, or is no part of the result.
const NOT_OF_A_RUN: [&str; 3] = ["constraints", "enforcements", "seeds"];

impl Identity {
    /// That of a run by a configuration.
    ///
    /// # Panics
    /// Never: settings can always be written.
    pub fn of(config: &impl Serialize, variant: &Variant, seed: u64) -> Self {
        let mut settings = toml::Table::try_from(config).expect("settings always serialize");
        for name in NOT_OF_A_RUN {
            settings.remove(name);
        }
        if let Some(toml::Value::Table(data)) = settings.get_mut("data") {
            data.remove("path");
        }
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            constraint: variant.constraint.clone(),
            enforcement: variant.enforcement.clone(),
            seed,
            settings,
        }
    }

    /// The text that is kept.
    ///
    /// # Panics
    /// Never: texts and numbers can always be written.
    pub fn note(&self) -> String {
        toml::to_string(self).expect("texts and numbers always serialize")
    }

    /// Checks that a state, if there is one, is of this run.
    ///
    /// # Errors
    /// The first thing that has changed.
    pub fn check(&self, path: &Path) -> Result<(), StateError> {
        if !path.exists() {
            return Ok(());
        }
        let wrong = |found: String| StateError::Note { path: path.to_owned(), found };
        let note = checkpoint::note(path)?.ok_or_else(|| wrong("no note".to_owned()))?;
        let was: toml::Table =
            toml::from_str(&note).map_err(|error| wrong(error.message().to_owned()))?;
        let is = toml::Table::try_from(self).expect("settings always serialize");
        match difference("", &was, &is) {
            None => Ok(()),
            Some([what, expected, found]) => {
                Err(StateError::Changed { path: path.to_owned(), what, expected, found })
            }
        }
    }
}

/// The first entry of two tables that differs: its name, and what it is in both.
fn difference(place: &str, was: &toml::Table, is: &toml::Table) -> Option<[String; 3]> {
    let keys = was.keys().chain(is.keys().filter(|key| !was.contains_key(*key)));
    keys.filter(|key| was.get(*key) != is.get(*key)).find_map(|key| {
        match (was.get(key), is.get(key)) {
            (Some(toml::Value::Table(was)), Some(toml::Value::Table(is))) => {
                difference(&format!("{place}{key}."), was, is)
            }
            (was, is) => {
                let text = |value: Option<&toml::Value>| match value.map(ToString::to_string) {
                    None => "nothing".to_owned(),
                    Some(text) if text.lines().count() > 1 => "another text".to_owned(),
                    Some(text) => text,
                };
                let name = format!("{place}{key}");
                let name = name.strip_prefix("settings.").unwrap_or(&name);
                Some([name.to_owned(), text(was), text(is)])
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use morphograd_morphology::nn::autodiff::Params;

    use super::*;
    use crate::data::DataSettings;
    use crate::experiment::Config;

    #[test]
    fn a_run_is_what_decides_its_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STATE);
        let data = |path: &str, sum: &str| DataSettings {
            path: Some(path.into()),
            sha256: Some(sum.into()),
            ..DataSettings::default()
        };
        let config = Config { data: data("here", "ab"), ..Config::default() };
        let variant = Variant::from("none");
        let run = Identity::of(&config, &variant, 1);
        run.check(&path).unwrap();
        checkpoint::save_with_note(&Params::<f32>::new(), &path, &run.note()).unwrap();
        run.check(&path).unwrap();
        // Other runs beside it, and data that were moved, change nothing.
        let moved = Config { seeds: vec![1, 2], data: data("there", "ab"), ..config.clone() };
        Identity::of(&moved, &variant, 1).check(&path).unwrap();
        let refused = |config: &Config, variant: &str, seed| {
            Identity::of(config, &variant.into(), seed).check(&path).unwrap_err().to_string()
        };
        for (error, expected) in [
            (refused(&config, "none", 2), "seed: expected 1, as when the run began, found 2"),
            (refused(&config, "free", 1), "constraint: expected \"none\""),
            (
                refused(&Config { epochs: 7, ..config.clone() }, "none", 1),
                "epochs: expected 100, as when the run began, found 7",
            ),
            (
                refused(&Config { data: data("here", "cd"), ..config.clone() }, "none", 1),
                "data.sha256: expected \"ab\", as when the run began, found \"cd\"",
            ),
        ] {
            assert!(error.contains(expected), "{error}");
        }
        checkpoint::save(&Params::<f32>::new(), &path).unwrap();
        assert!(refused(&config, "none", 1).ends_with("found no note"));
    }
}
