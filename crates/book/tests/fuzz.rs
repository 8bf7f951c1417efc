//! The targets of the fuzzer on every input in the repository: the corpus, and what once broke
//! something. The book is the crate that stands on all others, so the targets, which are about all
//! of them, are tested here.

use std::path::{Path, PathBuf};
use std::{fs, panic};

#[expect(unreachable_pub, reason = "the file is a library of its own")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder, in order; none where it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Runs targets on the inputs of `fuzz/<kind>/<target>`; how many there were of each.
fn replay(kind: &str) -> Vec<(&'static str, usize)> {
    let (mut counts, mut broken) = (Vec::new(), Vec::new());
    for (name, target) in targets::TARGETS {
        let inputs = files(&root().join("fuzz").join(kind).join(name));
        counts.push((*name, inputs.len()));
        for path in inputs {
            let bytes = fs::read(&path).unwrap();
            if panic::catch_unwind(|| target(&bytes)).is_err() {
                broken.push(path);
            }
        }
    }
    assert_eq!(broken, Vec::<PathBuf>::new(), "inputs that break a promise");
    counts
}

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    for (target, inputs) in replay("corpus") {
        assert!(inputs > 0, "{target}: expected inputs in fuzz/corpus, found none");
    }
}

#[test]
fn what_was_broken_once_is_mended() {
    let inputs: usize = replay("regressions").iter().map(|(_, inputs)| inputs).sum();
    let folders = files(&root().join("fuzz/regressions")).into_iter();
    let all: usize = folders.map(|folder| files(&folder).len()).sum();
    assert_eq!(inputs, all, "folders of inputs that no target has the name of");
}

#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let programs = files(&root().join("fuzz/src/bin")).into_iter();
    let mut programs: Vec<String> = programs
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "mutate")
        .collect();
    let mut names: Vec<String> = targets::TARGETS.iter().map(|(n, _)| (*n).to_owned()).collect();
    programs.sort();
    names.sort();
    assert_eq!(programs, names);
    assert!(programs.iter().all(|name| panic::catch_unwind(|| targets::target(name)).is_ok()));
}

#[test]
fn the_inputs_are_less_than_a_mebibyte() {
    let kinds = ["corpus", "regressions"].map(|kind| files(&root().join("fuzz").join(kind)));
    let inputs = kinds.iter().flatten().flat_map(|folder| files(folder));
    let bytes: u64 = inputs.map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 1 << 20, "expected less than 1 MiB, found {bytes} bytes");
}
