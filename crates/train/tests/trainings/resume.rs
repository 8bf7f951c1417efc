//! A training that was stopped, by whatever it was, goes on to the bytes of one that never was.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{command, morphograd, refused, told};

/// Two runs with dropout, augmentation, early stopping and a schedule; the state is saved after
/// every batch.
const TRAIN: [&str; 19] = [
    "train",
    "--data",
    "digits",
    "--constraint",
    "non-positive",
    "--constraint",
    "unit-ball",
    "--samples",
    "192",
    "--batch-size",
    "32",
    "--epochs",
    "5",
    "--augment",
    "shift:2",
    "--backup",
    "0",
    "--out",
    "out",
];
const RUNS: [&str; 2] = ["non-positive-seed0", "unit-ball-seed0"];

/// What a training leaves that does not depend on the clock.
fn left(out: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for run in RUNS {
        let weights = fs::read(out.join(run).join("weights.safetensors")).unwrap();
        all.push(format!("{weights:?}"));
        let history = fs::read_to_string(out.join(run).join("history.csv")).unwrap();
        let timeless = |line: &str| line.rsplit_once(',').map(|(rest, _)| rest.to_owned());
        all.extend(history.lines().filter_map(timeless));
    }
    let metrics = fs::read_to_string(out.join("metrics.json")).unwrap();
    all.extend(metrics.lines().filter(|line| !line.contains("second")).map(str::to_owned));
    for figure in
        ["comparison", "training-non-positive-0", "filters-unit-ball-0", "wins-unit-ball-0"]
    {
        all.push(fs::read_to_string(out.join(format!("figures/{figure}.svg"))).unwrap());
    }
    all
}

/// The training undisturbed, and how long it takes.
fn undisturbed() -> (Vec<String>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    told(folder.path(), &TRAIN);
    (left(&folder.path().join("out")), start.elapsed())
}

fn spawn(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
}

/// Stops the training at moments spread over its time, and goes on.
fn stopped_and_resumed(times: u32, name: &str) {
    let (whole, time) = undisturbed();
    for i in 0..times {
        let folder = tempfile::tempdir().unwrap();
        let mut child = spawn(folder.path(), &TRAIN);
        thread::sleep(time * (2 * i + 1) / (2 * times));
        signal(&child, name);
        child.wait().unwrap();
        // Before there are settings nothing has begun.
        let out = folder.path().join("out");
        if out.join("config.toml").is_file() {
            told(folder.path(), &["train", "--resume", "out", "--quiet", "--threads", "1"]);
        } else {
            let _ = fs::remove_dir_all(&out);
            told(folder.path(), &TRAIN);
        }
        assert!(left(&out) == whole, "stopped at {i} of {times} moments");
    }
}

#[cfg(unix)]
#[test]
fn a_training_that_is_killed_goes_on_to_the_same_bytes() {
    stopped_and_resumed(4, "-KILL");
}

#[cfg(unix)]
#[test]
#[ignore = "ten minutes: cargo test --release -p morphograd --test trainings -- --ignored moments"]
fn a_training_that_is_killed_at_two_hundred_moments_goes_on_to_the_same_bytes() {
    stopped_and_resumed(200, "-KILL");
    stopped_and_resumed(50, "-TERM");
}

#[cfg(unix)]
#[test]
fn a_training_that_is_told_to_end_saves_what_it_learned_and_goes_on() {
    use std::io::{BufRead, BufReader};

    let (whole, _) = undisturbed();
    for name in ["-TERM", "-HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path(), &TRAIN);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.trim_start().starts_with("2/5 ")), "no second epoch");
        signal(&child, name);
        let rest: Vec<String> = lines.collect();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{rest:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("interrupted; `cargo xtask train --resume out` goes on"), "{error}");
        let out = folder.path().join("out");
        for file in ["metrics.json", "report.html", "non-positive-seed0/weights.safetensors"] {
            assert!(out.join(file).is_file(), "{file} is missing");
        }
        let metrics = fs::read_to_string(out.join("metrics.json")).unwrap();
        assert!(metrics.contains("\"ended\": \"interrupted\""), "{metrics}");
        told(folder.path(), &["train", "--resume", "out"]);
        assert!(left(&out) == whole, "{name}");
    }
}

#[test]
fn runs_that_are_missing_are_trained_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &TRAIN);
    let out = folder.path().join("out");
    let whole = left(&out);
    fs::remove_dir_all(out.join(RUNS[1])).unwrap();
    fs::remove_file(out.join("metrics.json")).unwrap();
    let text = told(folder.path(), &["train", "--resume", "out"]);
    assert_eq!(text.matches("finished before").count(), 1, "{text}");
    assert_eq!(text.matches("    5/5 ").count(), 1, "{text}");
    assert!(left(&out) == whole);
}

#[test]
fn a_report_is_made_of_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &TRAIN);
    let out = folder.path().join("out");
    let whole = left(&out);
    for file in ["metrics.json", "report.html", "figures", "non-positive-seed0/model.toml"] {
        let path = out.join(file);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    fs::remove_file(out.join(RUNS[1]).join("weights.safetensors")).unwrap();
    let text = told(folder.path(), &["report", "out"]);
    assert!(text.contains("unit-ball") && text.contains("report.html"), "{text}");
    assert!(left(&out) == whole);

    // What has no state is named.
    fs::remove_dir_all(out.join(RUNS[1])).unwrap();
    let error = refused(folder.path(), &["report", "out"]);
    assert!(error.contains("found none in unit-ball-seed0"), "{error}");
    let metrics = fs::read_to_string(out.join("metrics.json")).unwrap();
    assert_eq!(metrics.matches("\"constraint\"").count(), 1);
}

#[test]
fn what_cannot_go_on_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &TRAIN);
    let out = folder.path().join("out");
    let whole = left(&out);
    let error = refused(folder.path(), &["train", "--resume", "nowhere"]);
    assert!(error.contains("nowhere/config.toml"), "{error}");
    let error = refused(folder.path(), &["train", "--resume", "out", "--epochs", "7"]);
    assert!(error.contains("cannot be used with"), "{error}");
    let error = refused(folder.path(), &["train", "--backup", "never"]);
    assert!(error.contains("expected a number of minutes, found `never`"), "{error}");

    let config = out.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("path = \"digits\"") && text.contains("sha256 = "), "{text}");
    fs::write(&config, text.replace("learning_rate = 0.01", "learning_rate = 0.02")).unwrap();
    let error = refused(folder.path(), &["train", "--resume", "out"]);
    let expected = "learning_rate: expected 0.01, as when the run began, found 0.02";
    assert!(error.contains(expected), "{error}");
    let sum = text.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap();
    fs::write(&config, text.replace(sum, &"0".repeat(64))).unwrap();
    let error = refused(folder.path(), &["train", "--resume", "out"]);
    assert!(error.contains("expected the data that the training began with"), "{error}");
    fs::write(&config, text).unwrap();
    assert!(left(&out) == whole);

    // One process at a time.
    let lock = fs::File::create(out.join(".lock")).unwrap();
    lock.lock().unwrap();
    let error = refused(folder.path(), &["train", "--resume", "out"]);
    assert!(error.contains("no other training writes into"), "{error}");
    drop(lock);
    told(folder.path(), &["train", "--resume", "out"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_removed_while_it_is_used_loses_nothing() {
    use std::io::{BufRead, BufReader};

    let (whole, _) = undisturbed();
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &TRAIN);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.trim_start().starts_with("2/5 ")), "no second epoch");
    let out = folder.path().join("out");
    // Files may come back while it is removed.
    while fs::remove_dir_all(&out).is_err() {}
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    assert!(left(&out) == whole);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    let (whole, _) = undisturbed();
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond so many blocks: weights, state and history do not fit.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 4; exec {} {}",
        env!("CARGO_BIN_EXE_morphograd"),
        TRAIN.join(" ")
    );
    let output = Command::new("sh")
        .args(["-c", &limited])
        .current_dir(folder.path())
        .env_remove("MORPHOGRAD_DATA")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the run goes on"), "{error}");
    assert!(error.contains("0 of 2 runs are done; `cargo xtask train --resume out`"), "{error}");
    told(folder.path(), &["train", "--resume", "out"]);
    assert!(left(&folder.path().join("out")) == whole);
    let _ = morphograd(folder.path(), &["report", "out"]);
}

#[test]
fn trainings_made_independently_are_collected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let one = |constraint: &str, seed: &str, out: &str, epochs: &str| {
        let small = ["train", "--data", "digits", "--samples", "64", "--batch-size", "32"];
        let rest = ["--constraint", constraint, "--seed", seed, "--out", out, "--epochs", epochs];
        told(at, &[&small[..], &rest].concat());
    };
    one("none", "0", "a", "2");
    one("non-positive", "0", "b", "2");
    one("none", "3", "c", "2");
    // The missing one of the four is said.
    let arguments = ["train", "--collect", "a", "b", "c", "--out", "all"];
    let output = morphograd(at, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("found none in non-positive-seed3"), "{error}");
    // It is trained as any run that is missing, and the whole is as if made at once.
    told(at, &["train", "--resume", "all"]);
    let whole = ["train", "--data", "digits", "--samples", "64", "--batch-size", "32"];
    let rest = ["--constraint", "none", "--constraint", "non-positive", "--seed", "0"];
    let more = ["--seed", "3", "--epochs", "2", "--out", "once"];
    told(at, &[&whole[..], &rest, &more].concat());
    let metrics = |out: &str| {
        let text = fs::read_to_string(at.join(out).join("metrics.json")).unwrap();
        let timeless = text.lines().filter(|line| !line.contains("second"));
        timeless.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(metrics("all"), metrics("once"));
    assert!(at.join("all/report.html").is_file());

    let error = refused(at, &["train", "--collect", "a", "all", "--out", "twice"]);
    assert!(error.contains("none-seed0: expected it once, found it in a and in all"), "{error}");
    one("none", "5", "d", "1");
    let error = refused(at, &["train", "--collect", "a", "d", "--out", "other"]);
    assert!(error.contains("found another `epochs`"), "{error}");
}
