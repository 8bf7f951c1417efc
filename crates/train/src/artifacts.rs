//! The folder a training leaves behind: metrics, figures, report, and a folder for each run. Every
//! file is written beside its name and renamed, so that a reader finds a whole file or none.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use morphograd_morphology::nn::ranks::{Communicator, Local};

use crate::metrics::Metrics;
use crate::record::{ExperimentRecord, Variant};
use crate::report;

/// Why an artifact could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The name given to the run is not the name of one folder.
    #[error("run name {name:?}: expected the name of one folder, without separators")]
    Name {
        /// The name given.
        name: String,
    },
    /// The folder asked for is in use.
    #[error("{}: expected a new or empty folder, found files in it; name another \
        one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is at work in it.
    #[error("{}: expected a folder that no other training writes into, found one; wait for it, or \
        name another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A history that is none.
    #[error("{}:{line}: expected {expected}, found {found}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What can stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The file system refused.
    #[error("cannot {operation} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was attempted: `create folder`, `write`, ...
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A new folder of its own for the artifacts of one experiment.
///
/// ```
/// use morphograd::artifacts::RunFolder;
///
/// # let base = tempfile::tempdir()?;
/// # let base = base.path();
/// let first = RunFolder::create(base, "tutorial")?;
/// let second = RunFolder::create(base, "tutorial")?;
/// assert_eq!(first.path(), base.join("tutorial"));
/// assert_eq!(second.path(), base.join("tutorial-2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The longest time within an epoch after which the state of a run is written again; by default
    /// 5 minutes.
    pub backup_every: Duration,
    /// Whether event files for [TensorBoard](crate::tensorboard) are written into the folders of
    /// the runs; by default not.
    pub tensorboard: bool,
    /// With whom the runs are trained together; by default with nobody. Every rank has a folder of
    /// its own.
    pub communicator: &'static dyn Communicator,
    /// Locked as long as it is open: nobody else writes here.
    _lock: File,
}

/// The file that is locked.
const LOCK: &str = ".lock";

impl RunFolder {
    /// Creates `base/name`, or `name-2`, `name-3`, ... where that is taken: another run's folder is
    /// never written into.
    ///
    /// # Errors
    /// If `name` is not a plain folder name, or the folder cannot be created or written into:
    /// better now than after the training.
    pub fn create(base: &Path, name: &str) -> Result<Self, ArtifactError> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\']) {
            return Err(ArtifactError::Name { name: name.to_owned() });
        }
        fs::create_dir_all(base).map_err(io_error("create folder", base))?;
        let mut path = base.join(name);
        let mut number = 1_u64;
        while let Err(error) = fs::create_dir(&path) {
            if error.kind() != ErrorKind::AlreadyExists {
                return Err(io_error("create folder", &path)(error));
            }
            number += 1;
            path = base.join(format!("{name}-{number}"));
        }
        Self::locked(path)?.probed()
    }

    /// Creates exactly the folder `path`, or takes it if it is empty.
    ///
    /// # Errors
    /// If it holds something, or cannot be created or written into.
    pub fn exactly(path: &Path) -> Result<Self, ArtifactError> {
        fs::create_dir_all(path).map_err(io_error("create folder", path))?;
        let is_empty = || {
            let mut entries = fs::read_dir(path).map_err(io_error("read folder", path))?;
            Ok(!entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != LOCK)))
        };
        let taken = || ArtifactError::NotEmpty { path: path.to_owned() };
        // Before the lock, so that nothing is left in a folder of somebody else's.
        if !is_empty()? {
            return Err(taken());
        }
        let this = Self::locked(path.to_owned())?;
        // Another one may have been quicker.
        if is_empty()? { this.probed() } else { Err(taken()) }
    }

    /// A folder that is there and may hold something: that of a training, or of a sweep, which is
    /// gone on with.
    ///
    /// # Errors
    /// If somebody else writes into it, or it cannot be written into.
    pub fn opened(path: &Path) -> Result<Self, ArtifactError> {
        Self::locked(path.to_owned())?.probed()
    }

    fn locked(path: PathBuf) -> Result<Self, ArtifactError> {
        let file = path.join(LOCK);
        let lock = File::create(&file).map_err(io_error("create", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ArtifactError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &file)(source)),
        }
        let backup_every = Duration::from_secs(300);
        let communicator = &Local;
        Ok(Self { path, backup_every, tensorboard: false, communicator, _lock: lock })
    }

    /// The folder, if a file can be written into it: a folder can be created where no file can, for
    /// example under a quota.
    fn probed(self) -> Result<Self, ArtifactError> {
        self.write(".probe", b"probe")?;
        let probe = self.path.join(".probe");
        fs::remove_file(&probe).map_err(io_error("remove", &probe))?;
        Ok(self)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder `<variant>-seed<seed>` of one run, which holds its `history.csv` and
    /// `weights.safetensors`.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn run(&self, variant: &Variant, seed: u64) -> Result<PathBuf, ArtifactError> {
        let path = self.path.join(run_name(variant, seed));
        fs::create_dir_all(&path).map_err(io_error("create folder", &path))?;
        Ok(path)
    }

    /// Writes `metrics.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_metrics(&self, experiment: &ExperimentRecord) -> Result<(), ArtifactError> {
        self.write("metrics.json", Metrics::of(experiment).json().as_bytes())
    }

    /// Writes `metrics.json`, `figures/*.svg` and `report.html`. It takes longer with every run.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn write_results(&self, experiment: &ExperimentRecord) -> Result<(), ArtifactError> {
        self.write_metrics(experiment)?;
        for (name, svg) in report::figures(experiment) {
            self.write(&format!("figures/{name}"), svg.as_bytes())?;
        }
        self.write("report.html", report::html(experiment).as_bytes())
    }

    /// Writes one file of this folder whole: into a temporary file beside it, then renamed over
    /// whatever was there.
    ///
    /// # Errors
    /// If the file cannot be written; what was there before is then still there.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), ArtifactError> {
        self.write_beside(&self.path, name, contents)
    }

    /// The same in a folder of this one, such as that of a [run](Self::run).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn write_beside(
        &self,
        folder: &Path,
        name: &str,
        contents: &[u8],
    ) -> Result<(), ArtifactError> {
        let path = folder.join(name);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(io_error("create folder", folder))?;
        replace(&path, contents)
    }
}

/// The name of the folder of a run in that of its training: `<variant>-seed<seed>`.
pub fn run_name(variant: &Variant, seed: u64) -> String {
    format!("{}-seed{seed}", report::file_stem(&variant.to_string()))
}

/// Writes a file whole: into a temporary one beside it, which takes its place when it is on the
/// disk.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), ArtifactError> {
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(".part");
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The first error is the one to report; a leftover that cannot be removed either adds
        // nothing.
        let _ = fs::remove_file(&temporary);
        io_error("write", path)(error)
    })
}

pub(crate) fn io_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::Io { operation, path, source }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose another output folder, or one you may write into"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some space, or choose an output folder elsewhere"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            "something else has this name: move it away, or choose another output folder"
        }
        _ => "check that the output folder exists and can be written into",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_runs_folder_is_never_taken() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("run"), "a file of that name").unwrap();
        for expected in ["run-2", "run-3", "run-4"] {
            let folder = RunFolder::create(base.path(), "run").unwrap();
            assert_eq!(folder.path(), base.path().join(expected));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock alone");
        }
    }

    #[test]
    fn a_folder_asked_for_has_to_be_new_or_empty() {
        let base = tempfile::tempdir().unwrap();
        assert_eq!(RunFolder::exactly(base.path()).unwrap().path(), base.path());
        let folder = RunFolder::exactly(&base.path().join("a/b")).unwrap();
        folder.write("config.toml", b"x").unwrap();
        let error = RunFolder::exactly(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("expected a new or empty folder, found files in it; name another one"),
            "{error}"
        );
    }

    #[test]
    fn a_run_name_is_one_folder() {
        let base = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "a/b", "../a"] {
            let error = RunFolder::create(base.path(), name).unwrap_err();
            assert!(error.to_string().starts_with(&format!("run name {name:?}")), "{error}");
        }
    }

    #[test]
    fn a_base_that_is_a_file_is_refused_by_name() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, "run").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot create folder {}: ", file.display())),
            "{error}"
        );
        assert!(error.ends_with("choose another output folder"), "{error}");
    }

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(base.path(), "run").unwrap();
        folder.write("figures/a.svg", b"a longer text").unwrap();
        folder.write("figures/a.svg", b"short").unwrap();
        let figures = folder.path().join("figures");
        assert_eq!(fs::read(figures.join("a.svg")).unwrap(), b"short");
        assert_eq!(fs::read_dir(figures).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_path_and_leaves_no_part() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(base.path(), "run").unwrap();
        fs::create_dir(folder.path().join("report.html")).unwrap();
        let error = folder.write("report.html", b"text").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("report.html: "), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "that and the lock");
    }
}
