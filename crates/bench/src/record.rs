//! What a measurement results in, as plain data: the file of `--save`, and all that tables, figures
//! and documents are made of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::case::Work;
use crate::limits::Limits;
use crate::machine::Machine;
use crate::sample::Quartiles;

/// One measurement of many cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Where.
    pub machine: Machine,
    /// With which command.
    pub command: String,
    /// How many programs wanted to run in the minute before, where the system tells.
    pub load: Option<f64>,
    /// Threads of ours and of the peers.
    pub threads: usize,
    /// The limits of one thread and of all that were used.
    pub limits: Vec<Limits>,
    /// Versions of the peers, by name.
    pub versions: BTreeMap<String, String>,
    /// The cases, in the order of the table.
    pub cases: Vec<Measured>,
}

/// One case, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The case.
    pub name: String,
    /// The heading it stands under.
    pub group: String,
    /// What it computes.
    pub what: String,
    /// How much work it is.
    pub work: Option<Work>,
    /// Samples, each of ours followed by one of each peer.
    pub samples: usize,
    /// Seconds a run.
    pub seconds: Quartiles,
    /// The same by others.
    pub peers: Vec<PeerMeasured>,
    /// Peers that should know the case and failed, with the reason.
    pub lacks: Vec<(String, String)>,
}

/// A peer's time for a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerMeasured {
    /// Whose.
    pub peer: String,
    /// Seconds a run.
    pub seconds: Quartiles,
    /// The peer's time divided by ours of the same turn: above 1 we are faster.
    pub ratio: Quartiles,
}

impl Measured {
    /// Work a second, by the median.
    pub fn rate(&self) -> Option<f64> {
        self.work.map(|work| work.amount / self.seconds.median)
    }
}

impl Record {
    /// Which share of its limit a case reaches.
    pub fn share(&self, case: &Measured) -> Option<f64> {
        let limits = self.limits.iter().find(|limits| limits.threads == self.threads)?;
        Some(case.rate()? / limits.of(case.work?.unit)?)
    }

    /// This record with the cases of a later one in place of its own, or between them, in the
    /// order of `names`. The limits stay; what was measured with is that of both.
    ///
    /// # Errors
    /// If the machines or the numbers of threads are not the same.
    pub fn with_later(self, later: Self, names: &[&str]) -> Result<Self, RecordError> {
        let place = |record: &Self| {
            let Machine { processor, cores, instructions, system, .. } = &record.machine;
            let threads = record.threads;
            format!("{processor}, {cores} cores, {instructions}, {system}, {threads} threads")
        };
        let (expected, found) = (place(&self), place(&later));
        if expected != found {
            return Err(RecordError::Elsewhere { expected, found });
        }
        let both = |a: String, b: String| if a == b { a } else { format!("{a}, then {b}") };
        let mut cases = later.cases;
        for case in self.cases {
            if !cases.iter().any(|other| other.name == case.name) {
                cases.push(case);
            }
        }
        cases.sort_by_key(|case| names.iter().position(|name| *name == case.name));
        let mut versions = self.versions;
        versions.extend(later.versions);
        Ok(Self {
            machine: Machine {
                morphograd: both(self.machine.morphograd, later.machine.morphograd),
                rustc: both(self.machine.rustc, later.machine.rustc),
                ..self.machine
            },
            command: both(self.command, later.command),
            load: [self.load, later.load].into_iter().flatten().reduce(f64::max),
            versions,
            cases,
            ..self
        })
    }

    /// Reads a saved record.
    ///
    /// # Errors
    /// If the file cannot be read or is no record.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let text = fs::read_to_string(path).map_err(|source| RecordError::Io {
            what: "read",
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text)
            .map_err(|source| RecordError::Json { path: path.to_owned(), source })
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        write_json(path, self)
    }
}

/// Reads a file of ours.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub fn read_json<V: DeserializeOwned>(path: &Path) -> Result<V, RecordError> {
    let text = fs::read_to_string(path).map_err(|source| RecordError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text)
        .map_err(|source| RecordError::Json { path: path.to_owned(), source })
}

/// Writes a file of ours.
///
/// # Errors
/// If it cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let text = serde_json::to_string_pretty(value).expect("numbers and texts");
    write(path, &(text + "\n"))
}

/// Writes a file, with the folder it stands in.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), RecordError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|source| RecordError::Io { what: "write", path: path.to_owned(), source })
}

/// Why a record, or another file of ours, could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system's reason.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: expected a file that `cargo xtask bench` wrote: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// Two records do not belong together.
    #[error("a later measurement: expected one of {expected}, found one of {found}")]
    Elsewhere {
        /// The machine of the record.
        expected: String,
        /// That of the later one.
        found: String,
    },
}

/// A case now and in an earlier record.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The case, or the limit.
    pub name: String,
    /// The time of now divided by the one of then: above 1 it is slower now.
    pub ratio: f64,
    /// Whether the middle halves of the samples are apart, by more than two programs of the same
    /// source differ.
    pub clear: bool,
}

/// Two builds of one source differ by as much, because code lies elsewhere in memory.
const NOTHING: f64 = 0.02;

/// What has changed between two records, and the names of cases that only one of them has.
pub fn compare(now: &Record, then: &Record) -> (Vec<Change>, Vec<String>) {
    let limits = now
        .limits
        .iter()
        .filter_map(|a| Some((a, then.limits.iter().find(|b| a.threads == b.threads)?)));
    let mut changes: Vec<Change> = limits
        .flat_map(|(a, b)| {
            // Of a limit only the best sample is known, so nothing says how clear a difference is.
            [
                ("max-plus", b.max_plus / a.max_plus),
                ("flop", b.flop / a.flop),
                ("memory", b.byte / a.byte),
            ]
            .map(|(what, ratio)| Change {
                name: format!("the machine's limit, {what}, threads: {}", a.threads),
                ratio,
                clear: false,
            })
        })
        .collect();
    let find =
        |record: &'_ Record, name: &str| record.cases.iter().position(|case| case.name == name);
    for case in &now.cases {
        if let Some(position) = find(then, &case.name) {
            let before = &then.cases[position];
            let ratio = case.seconds.median / before.seconds.median;
            let clear = !case.seconds.overlaps(before.seconds) && (ratio - 1.0).abs() > NOTHING;
            changes.push(Change { name: case.name.clone(), ratio, clear });
        }
    }
    let only = |a: &Record, b: &Record| -> Vec<String> {
        a.cases
            .iter()
            .filter(|case| find(b, &case.name).is_none())
            .map(|case| case.name.clone())
            .collect()
    };
    (changes, [only(now, then), only(then, now)].concat())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::case::Unit;

    pub(crate) fn record(cases: &[(&str, f64)]) -> Record {
        let around = |median: f64| Quartiles { low: 0.75 * median, median, high: 1.25 * median };
        Record {
            machine: Machine {
                processor: "a processor".into(),
                cores: 2,
                instructions: "avx2".into(),
                system: "linux, x86_64".into(),
                rustc: "rustc 1.89.0".into(),
                morphograd: "0.1.0".into(),
            },
            command: "cargo xtask bench".into(),
            load: Some(0.5),
            threads: 2,
            limits: vec![
                Limits { threads: 1, max_plus: 1e11, flop: 2e11, byte: 1e10 },
                Limits { threads: 2, max_plus: 2e11, flop: 4e11, byte: 2e10 },
            ],
            versions: [("PyTorch".to_owned(), "2".to_owned())].into(),
            cases: cases
                .iter()
                .map(|(name, median)| Measured {
                    name: (*name).to_owned(),
                    group: "Layers".into(),
                    what: "something".into(),
                    work: Some(Work { amount: 1e9, unit: Unit::MaxPlus }),
                    samples: 9,
                    seconds: around(*median),
                    lacks: Vec::new(),
                    peers: vec![PeerMeasured {
                        peer: "PyTorch".into(),
                        seconds: around(3.0 * median),
                        ratio: around(3.0),
                    }],
                })
                .collect(),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/record.json");
        let record = record(&[("a", 0.5)]);
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        fs::write(&path, "{}").unwrap();
        let error = Record::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("record.json: expected a file that `cargo xtask bench` wrote"),
            "{error}"
        );
    }

    #[test]
    fn a_record_is_compared_case_by_case() {
        let (then, now) = (
            record(&[("a", 0.1), ("b", 0.1), ("gone", 1.0)]),
            record(&[("new", 1.0), ("b", 0.3), ("a", 0.102)]),
        );
        let (changes, only) = compare(&now, &then);
        let cases: Vec<_> =
            changes[6..].iter().map(|c| (&*c.name, (c.ratio * 100.0).round(), c.clear)).collect();
        assert_eq!(cases, [("b", 300.0, true), ("a", 102.0, false)]);
        assert!(changes[..6].iter().all(|change| change.ratio == 1.0));
        assert_eq!(only, ["new", "gone"]);
    }

    #[test]
    fn later_cases_take_the_place_of_earlier_ones() {
        let (first, mut later) =
            (record(&[("a", 0.1), ("b", 0.1), ("d", 0.1)]), record(&[("c", 1.0), ("b", 0.3)]));
        later.command = "cargo xtask bench b c".into();
        later.load = Some(1.5);
        later.versions.insert("OpenCV".into(), "5".into());
        let both = first.clone().with_later(later.clone(), &["a", "b", "c", "d"]).unwrap();
        let cases: Vec<_> = both.cases.iter().map(|c| (&*c.name, c.seconds.median)).collect();
        assert_eq!(cases, [("a", 0.1), ("b", 0.3), ("c", 1.0), ("d", 0.1)]);
        assert_eq!(both.command, "cargo xtask bench, then cargo xtask bench b c");
        assert_eq!(both.machine, first.machine);
        assert_eq!((both.load, both.versions.len()), (Some(1.5), 2));
        later.threads = 1;
        let error = first.with_later(later, &[]).unwrap_err().to_string();
        assert!(
            error.contains("2 threads, found one of") && error.ends_with("1 threads"),
            "{error}"
        );
    }

    #[test]
    fn the_share_is_that_of_the_limit_for_the_threads_that_were_used() {
        let record = record(&[("a", 0.1)]);
        assert_eq!(record.cases[0].rate(), Some(1e10));
        assert_eq!(record.share(&record.cases[0]), Some(0.05));
    }
}
