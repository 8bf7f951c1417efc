//! The history of a run, `history.csv`: a line an epoch, written when the epoch is over, so that
//! whoever looks sees how far the run is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::artifacts::{ArtifactError, io_error, replace};
use crate::record::{EpochRecord, FilterWins};

/// Appends one line an epoch to a CSV file, each with a single write straight to the file. A file
/// that has vanished, or was not written whole, is written anew with the next line.
#[derive(Debug)]
pub struct HistoryWriter {
    path: PathBuf,
    /// All that is to be in it.
    text: String,
    /// Nothing if it has to be written anew.
    file: Option<File>,
    /// When it was brought to the disk.
    synced: Instant,
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
        let mut writer = Self::with_metrics(path, &[]);
        writer.rewrite()?;
        Ok(writer)
    }

    /// A file that is not begun yet, with a column more for each [other
    /// metric](EpochRecord::metrics), of these names.
    pub fn with_metrics(path: &Path, names: &[String]) -> Self {
        let names: String = names.iter().map(|name| format!(",{name}")).collect();
        let text = format!("{}{names}\n", Self::HEADER);
        Self { path: path.to_owned(), text, file: None, synced: Instant::now() }
    }

    /// Writes the file anew.
    ///
    /// # Errors
    /// If it cannot be created or written.
    pub fn rewrite(&mut self) -> Result<(), ArtifactError> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(io_error("create folder", folder))?;
        }
        let mut file = File::create(&self.path).map_err(io_error("create", &self.path))?;
        file.write_all(self.text.as_bytes()).map_err(io_error("write", &self.path))?;
        self.file = Some(file);
        Ok(())
    }

    /// Goes on with the first epochs of the file there is, each filter of which has so many
    /// entries; what is behind them is cut off. There are fewer than `epochs` where the machine
    /// went down before they were on the disk.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is another one's.
    pub fn go_on(
        &mut self,
        epochs: usize,
        entries: usize,
    ) -> Result<Vec<EpochRecord>, ArtifactError> {
        let text = fs::read_to_string(&self.path).map_err(io_error("read", &self.path))?;
        // The last line may be a part of one.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let text: String = whole.take(1 + epochs).collect();
        if !text.starts_with(&self.text) {
            let found = text.lines().next().unwrap_or_default();
            return Err(wrong(&self.path, 1, self.text.trim_end(), found));
        }
        let mut records = parse_history(&self.path, &text)?;
        let filters = records.iter_mut().flat_map(|record| &mut record.filters);
        filters.for_each(|filter| filter.entries = entries);
        let path = self.path.clone();
        self.text = text;
        replace(&path, self.text.as_bytes())?;
        let file = File::options().append(true).open(&path);
        self.file = Some(file.map_err(io_error("open", &path))?);
        Ok(records)
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
        let start = self.text.len();
        self.text.push_str(line);
        self.text.push('\n');
        let Some(file) = self.file.as_mut().filter(|_| self.path.exists()) else {
            return self.rewrite();
        };
        let mut written = file.write_all(&self.text.as_bytes()[start..]);
        if self.synced.elapsed() >= Duration::from_secs(1) {
            written = written.and_then(|()| file.sync_data());
            self.synced = Instant::now();
        }
        written.map_err(|error| {
            self.file = None;
            io_error("write", &self.path)(error)
        })
    }
}

/// Reads a `history.csv`. How many entries the filters have does not stand in it, and is 0.
///
/// # Errors
/// If it cannot be read, or a line is not one of [`HistoryWriter`].
pub fn read_history(path: &Path) -> Result<Vec<EpochRecord>, ArtifactError> {
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    parse_history(path, &text)
}

fn wrong(path: &Path, line: usize, expected: &str, found: &str) -> ArtifactError {
    let (expected, found) = (expected.to_owned(), found.to_owned());
    ArtifactError::History { path: path.to_owned(), line, expected, found }
}

fn parse_history(path: &Path, text: &str) -> Result<Vec<EpochRecord>, ArtifactError> {
    let wrong = |line: usize, expected: &str, found: &str| wrong(path, line, expected, found);
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
            filters: filters(&cells).ok_or_else(|| {
                wrong(number, "a number for each filter", &cells[14..16].join(","))
            })?,
            seconds: value("seconds")?,
            metrics: head[known..]
                .iter()
                .map(|name| Ok(((*name).to_owned(), value(name)?)))
                .collect::<Result<_, ArtifactError>>()?,
        })
    };
    lines.map(read).collect()
}

/// The columns of the filters.
fn filters(cells: &[&str]) -> Option<Vec<FilterWins>> {
    let (dead, shares) = (cells[14].split_whitespace(), cells[15].split_whitespace());
    if dead.clone().count() != shares.clone().count() {
        return None;
    }
    let of = |(dead, share): (&str, &str)| {
        let (dead, largest_share) = (dead.parse().ok()?, share.parse().ok()?);
        Some(FilterWins { entries: 0, dead, largest_share })
    };
    dead.zip(shares).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::RunFolder;

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
        assert_eq!(read[1].active_share, Some(0.5));
        let filters = epoch(2).filters.into_iter().map(|wins| FilterWins { entries: 0, ..wins });
        assert_eq!(read[1].filters, filters.collect::<Vec<_>>());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(row.split(',').count(), HistoryWriter::HEADER.split(',').count());
        // What was not measured is an empty cell, never a zero.
        history
            .append(&EpochRecord { active_share: None, filters: Vec::new(), ..epoch(3) })
            .unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with(",inf,0,,,,,,1.5\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let error = HistoryWriter::create(Path::new("/dev/full")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
        assert!(error.contains("; free some space"), "{error}");
    }
}
