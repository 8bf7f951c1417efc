//! The folder a training leaves behind: histories, metrics, figures, report. Histories grow line by
//! line so that an interrupted run loses nothing; everything else is written beside its name and
//! renamed, so that a reader finds a whole file or none.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::metrics::Metrics;
use crate::record::{EpochRecord, ExperimentRecord, Variant};
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
}

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
        Self { path }.probed()
    }

    /// Creates exactly the folder `path`, or takes it if it is empty.
    ///
    /// # Errors
    /// If it holds something, or cannot be created or written into.
    pub fn exactly(path: &Path) -> Result<Self, ArtifactError> {
        fs::create_dir_all(path).map_err(io_error("create folder", path))?;
        let mut entries = fs::read_dir(path).map_err(io_error("read folder", path))?;
        if entries.next().is_some() {
            return Err(ArtifactError::NotEmpty { path: path.to_owned() });
        }
        Self { path: path.to_owned() }.probed()
    }

    /// A folder that is there and may hold something: that of a sweep, which is gone on with.
    ///
    /// # Errors
    /// If it cannot be written into.
    pub(crate) fn opened(path: &Path) -> Result<Self, ArtifactError> {
        Self { path: path.to_owned() }.probed()
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

    /// Writes `metrics.json`, `figures/*.svg` and `report.html`.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn write_results(&self, experiment: &ExperimentRecord) -> Result<(), ArtifactError> {
        self.write("metrics.json", Metrics::of(experiment).json().as_bytes())?;
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
        let mut temporary = path.clone().into_os_string();
        temporary.push(".part");
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|error| {
            // The first error is the one to report; a leftover that cannot be removed either adds
            // nothing.
            let _ = fs::remove_file(&temporary);
            io_error("write", &path)(error)
        })
    }
}

/// The name of the folder of a run in that of its training: `<variant>-seed<seed>`.
pub fn run_name(variant: &Variant, seed: u64) -> String {
    format!("{}-seed{seed}", report::file_stem(&variant.to_string()))
}

/// Appends one line an epoch to a CSV file, each with a single write straight to the file.
#[derive(Debug)]
pub struct HistoryWriter {
    file: File,
    path: PathBuf,
}

impl HistoryWriter {
    /// Columns: the fields of [`EpochRecord`], in order. Its filters are four columns: dead entries
    /// of all filters, mean share of the winner-most entry, and both for each filter, separated by
    /// spaces. What was not measured is empty.
    pub const HEADER: &'static str = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,\
                                       moved_share,moved_distance,\
                                      gradient_norm,gradient_mapping,violation,active_share,\
                                       dead_entries,\
                                       largest_win_share,\
                                      dead_by_filter,largest_win_share_by_filter,seconds";

    /// Starts the file with its header.
    ///
    /// # Errors
    /// If it cannot be created or written.
    pub fn create(path: &Path) -> Result<Self, ArtifactError> {
        Self::with_metrics(path, &[])
    }

    /// The same with a column more for each [other metric](EpochRecord::metrics), of these names.
    ///
    /// # Errors
    /// If it cannot be created or written.
    pub fn with_metrics(path: &Path, names: &[String]) -> Result<Self, ArtifactError> {
        let file = File::create(path).map_err(io_error("create", path))?;
        let mut writer = Self { file, path: path.to_owned() };
        let names: String = names.iter().map(|name| format!(",{name}")).collect();
        writer.write_line(&format!("{}{names}", Self::HEADER))?;
        Ok(writer)
    }

    /// Appends one epoch. Numbers are written so that reading them back gives the same bits.
    ///
    /// # Errors
    /// If the line cannot be written.
    pub fn append(&mut self, record: &EpochRecord) -> Result<(), ArtifactError> {
        let EpochRecord {
            epoch,
            loss,
            accuracy,
            val_loss,
            val_accuracy,
            learning_rate,
            moved_share,
            moved_distance,
            gradient_norm,
            gradient_mapping,
            violation,
            active_share,
            filters,
            seconds,
            metrics,
        } = record;
        let metrics: String = metrics.iter().map(|(_, value)| format!(",{value}")).collect();
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let [accuracy, val_accuracy] = [accuracy, val_accuracy]
            .map(|share| cell(Some(*share).filter(|share| !share.is_nan())));
        let (active, largest) = (cell(*active_share), cell(record.largest_win_share()));
        let dead = record.dead_entries().map_or_else(String::new, |(dead, _)| dead.to_string());
        let dead_by_filter: Vec<String> =
            filters.iter().map(|filter| filter.dead.to_string()).collect();
        let largest_by_filter: Vec<String> =
            filters.iter().map(|filter| filter.largest_share.to_string()).collect();
        let [dead_by_filter, largest_by_filter] =
            [dead_by_filter, largest_by_filter].map(|all| all.join(" "));
        self.write_line(&format!(
            "{epoch},{loss},{accuracy},{val_loss},{val_accuracy},{learning_rate},{moved_share},\
             {moved_distance},\
             {gradient_norm},{gradient_mapping},{violation},{active},{dead},{largest},\
             {dead_by_filter},\
             {largest_by_filter},{seconds}{metrics}"
        ))
    }

    fn write_line(&mut self, line: &str) -> Result<(), ArtifactError> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(io_error("write", &self.path))
    }
}

/// Reads a `history.csv`. The wins of the filters are left out: the file has only sums of them.
///
/// # Errors
/// If it cannot be read, or a line is not one of [`HistoryWriter`].
pub fn read_history(path: &Path) -> Result<Vec<EpochRecord>, ArtifactError> {
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    let wrong = |line: usize, expected: &str, found: &str| ArtifactError::History {
        path: path.to_owned(),
        line,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let mut lines = text.lines().zip(1..);
    let head: Vec<&str> = lines.next().map_or("", |(head, _)| head).split(',').collect();
    let known = HistoryWriter::HEADER.split(',').count();
    if head.len() < known || head[..known].join(",") != HistoryWriter::HEADER {
        return Err(wrong(1, HistoryWriter::HEADER, &head.join(",")));
    }
    let read = |(line, number): (&str, usize)| {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != head.len() {
            let expected = format!("{} columns", head.len());
            return Err(wrong(number, &expected, &cells.len().to_string()));
        }
        let cell = |name: &str| {
            let cell = head.iter().position(|other| *other == name).map_or("", |i| cells[i]);
            match cell {
                "" => Ok(None),
                _ => cell.parse().map(Some).map_err(|_| wrong(number, "a number", cell)),
            }
        };
        let value = |name: &str| Ok(cell(name)?.unwrap_or(f64::NAN));
        let epoch = cells[0].parse().map_err(|_| wrong(number, "an epoch", cells[0]))?;
        Ok(EpochRecord {
            epoch,
            loss: value("loss")?,
            accuracy: value("accuracy")?,
            val_loss: value("val_loss")?,
            val_accuracy: value("val_accuracy")?,
            learning_rate: value("learning_rate")?,
            moved_share: value("moved_share")?,
            moved_distance: value("moved_distance")?,
            gradient_norm: value("gradient_norm")?,
            gradient_mapping: value("gradient_mapping")?,
            violation: value("violation")?,
            active_share: cell("active_share")?,
            filters: Vec::new(),
            seconds: value("seconds")?,
            metrics: head[known..]
                .iter()
                .map(|name| Ok(((*name).to_owned(), value(name)?)))
                .collect::<Result<_, ArtifactError>>()?,
        })
    };
    lines.map(read).collect()
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::Io { operation, path, source }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose another output folder, or one you may write into"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
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
    use crate::record::FilterWins;

    fn epoch(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            loss: 0.1,
            accuracy: 0.5,
            val_loss: f64::NAN,
            val_accuracy: 1.0,
            learning_rate: 0.01,
            moved_share: 0.25,
            moved_distance: 1e-7,
            gradient_norm: 2.0,
            gradient_mapping: f64::INFINITY,
            violation: 0.0,
            active_share: Some(0.5),
            filters: vec![
                FilterWins { entries: 9, dead: 3, largest_share: 0.25 },
                FilterWins { entries: 9, dead: 0, largest_share: 0.75 },
            ],
            seconds: 1.5,
            metrics: Vec::new(),
        }
    }

    #[test]
    fn a_history_can_be_read_after_every_epoch() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(base.path(), "run").unwrap();
        let path = folder.run(&"non-negative".into(), 7).unwrap().join("history.csv");
        assert_eq!(path, folder.path().join("non-negative-seed7/history.csv"));
        let mut history = HistoryWriter::create(&path).unwrap();
        history.append(&epoch(1)).unwrap();
        let row = "1,0.1,0.5,NaN,1,0.01,0.25,0.0000001,2,inf,0,0.5,3,0.5,3 0,0.25 0.75,1.5";
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{}\n{row}\n", HistoryWriter::HEADER)
        );
        history.append(&epoch(2)).unwrap();
        let read = read_history(&path).unwrap();
        let bits = |epoch: &EpochRecord| (epoch.epoch, epoch.loss.to_bits(), epoch.seconds);
        assert_eq!(read.iter().map(bits).collect::<Vec<_>>(), [bits(&epoch(1)), bits(&epoch(2))]);
        assert!(read[0].val_loss.is_nan() && read[0].gradient_mapping == f64::INFINITY);
        assert_eq!((read[1].active_share, read[1].filters.len()), (Some(0.5), 0));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(row.split(',').count(), HistoryWriter::HEADER.split(',').count());
        // What was not measured is an empty cell, never a zero.
        history
            .append(&EpochRecord { active_share: None, filters: Vec::new(), ..epoch(3) })
            .unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with(",inf,0,,,,,,1.5\n"));
    }

    #[test]
    fn another_runs_folder_is_never_taken() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("run"), "a file of that name").unwrap();
        for expected in ["run-2", "run-3", "run-4"] {
            let folder = RunFolder::create(base.path(), "run").unwrap();
            assert_eq!(folder.path(), base.path().join(expected));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the probe is gone");
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let error = HistoryWriter::create(Path::new("/dev/full")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
        assert!(error.contains("; free some space"), "{error}");
    }
}
