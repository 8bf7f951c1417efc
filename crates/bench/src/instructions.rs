//! The guard: instructions that a kernel executes, counted by valgrind and compared with the file
//! of the repository. Times depend on the machine's mood, counts do not, so a few percent are a
//! finding. They are no times: an instruction that waits for memory counts as one.
//!
//! The one design choice: valgrind collects inside one function only, [`morphograd_counted_run`],
//! so that neither data nor set-up count. It emulates processors up to AVX2, so that version of a
//! kernel is what is counted, on one thread.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Run};
use crate::machine::rustc;
use crate::measure::pool;

/// How much dearer a kernel may become. Another compiler moves a count by about as much; a loop
/// that is no longer vectorized doubles it.
pub const TOLERANCE: f64 = 0.02;

/// The counts of the repository.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The compiler that made what was counted.
    pub rustc: String,
    /// Instructions of one run, by case.
    pub instructions: BTreeMap<String, u64>,
}

impl Counts {
    /// No counts yet, by the compiler of this machine.
    pub fn new() -> Self {
        Self { rustc: rustc(), instructions: BTreeMap::new() }
    }
}

/// How a count compares with the one of the repository.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// By this much more or less than before, within the tolerance.
    Same(f64),
    /// More instructions: the guard's reason to fail.
    Dearer(f64),
    /// Fewer: the file should be renewed, so that the gain is kept.
    Cheaper(f64),
    /// The file does not have the case.
    New,
}

impl Verdict {
    /// Compares.
    pub fn of(now: u64, before: Option<u64>) -> Self {
        let Some(before) = before else { return Self::New };
        match now as f64 / before.max(1) as f64 - 1.0 {
            change if change > TOLERANCE => Self::Dearer(change),
            change if change < -TOLERANCE => Self::Cheaper(change),
            change => Self::Same(change),
        }
    }

    /// Whether the guard lets it pass.
    pub fn passes(self) -> bool {
        matches!(self, Self::Same(_) | Self::Cheaper(_))
    }
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// There is no valgrind.
    #[error(
        "cannot start valgrind, which counts the instructions: {0}; install the package `valgrind` \
         (`apt install valgrind`, `dnf install valgrind`); it runs on Linux"
    )]
    Missing(io::Error),
    /// It did not count.
    #[error("valgrind on the case {case}: expected a line `Collected : <number>`, found\n{output}")]
    Output {
        /// The case.
        case: String,
        /// What it said.
        output: String,
    },
}

/// Instructions of one run of a case. `program` is this program, which valgrind starts with the
/// option `--count`.
///
/// # Errors
/// If valgrind is not there or does not count.
pub fn count(program: &Path, case: &str) -> Result<u64, CountError> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*morphograd_counted_run*",
        ])
        .arg(program)
        .args(["--count", case])
        .output()
        .map_err(CountError::Missing)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let counted =
        output.status.success().then(|| collected(&text)).flatten().filter(|count| *count > 0);
    counted.ok_or_else(|| CountError::Output { case: case.to_owned(), output: text })
}

/// What valgrind runs: a case on one thread, once for its memory and once to be counted.
pub fn run_counted(case: &Case) {
    pool(1).install(|| {
        let mut run = case.start();
        run();
        morphograd_counted_run(&mut run);
    });
}

/// The function whose instructions count. Its name is what valgrind looks for, so it is never
/// inlined.
#[inline(never)]
pub fn morphograd_counted_run(run: &mut Run) {
    run();
}

/// The number in valgrind's line `==123== Collected : 456`.
fn collected(output: &str) -> Option<u64> {
    output.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        let output = "==7== Events    : Ir\n==7== Collected : 19404417\n==7== \n==7== I   refs:   \
               19,404,417\n";
        assert_eq!(collected(output), Some(19_404_417));
        assert_eq!(collected("==7== Collected :\n"), None);
        assert_eq!(collected("valgrind: failed to start"), None);
    }

    #[test]
    fn a_kernel_may_become_dearer_within_the_tolerance_only() {
        assert_eq!(Verdict::of(1000, Some(1000)), Verdict::Same(0.0));
        assert!(matches!(Verdict::of(1019, Some(1000)), Verdict::Same(_)));
        assert!(matches!(Verdict::of(1021, Some(1000)), Verdict::Dearer(_)));
        assert!(matches!(Verdict::of(979, Some(1000)), Verdict::Cheaper(_)));
        assert_eq!(Verdict::of(1, None), Verdict::New);
        let passes =
            [Verdict::Same(0.0), Verdict::Cheaper(-0.5), Verdict::Dearer(0.5), Verdict::New];
        assert_eq!(passes.map(Verdict::passes), [true, true, false, false]);
    }
}
