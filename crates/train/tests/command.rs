//! The command as a person meets it: what it prints and leaves, and what it says to bad input.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use morphograd_idx::{Idx, IdxData};

/// The command in a folder of its own, as if nothing else of the project were there.
fn morphograd(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_morphograd"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("MORPHOGRAD_DATA")
        .env_remove("MORPHOGRAD_ROOT")
        .output()
        .unwrap()
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = morphograd(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

const TINY: [&str; 7] = ["train", "--samples", "64", "--epochs", "1", "--batch-size", "32"];

fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&TINY[..], more].concat()
}

/// A small data set on disk: `images` and `labels` as given.
fn write_data(folder: &Path, images: (Vec<usize>, Vec<u8>), labels: Vec<u8>) {
    fs::create_dir_all(folder).unwrap();
    let labels = (vec![labels.len()], labels);
    for split in ["train", "t10k"] {
        for (name, (dims, data)) in [("images-idx3", &images), ("labels-idx1", &labels)] {
            let array = Idx::new(dims.clone(), IdxData::U8(data.clone())).unwrap();
            morphograd_idx::write(folder.join(format!("{split}-{name}-ubyte.gz")), &array).unwrap();
        }
    }
}

#[test]
fn a_training_without_data_uses_the_embedded_digits_says_so_and_leaves_everything() {
    let folder = tempfile::tempdir().unwrap();
    let output = morphograd(
        folder.path(),
        &tiny(&["--constraint", "non-negative", "--constraint", "none", "--seeds", "2"]),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "the embedded digits, because",
        "dilation2d (Dilation2D)      (None, 24, 24, 8)         200",
        "Total params: 10,546",
        "Run 4 of 4: none, seed 1",
        "epoch   loss   loss   acc.   acc.    rate     %     by mapping    tion      % entries \
         win %     s",
        "\n    1/1 ",
        "Confusion matrix",
        "weighted avg",
        "published",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let out = folder.path().join("runs/digits");
    for file in [
        "config.toml",
        "metrics.json",
        "report.html",
        "non-negative-seed0/history.csv",
        "none-seed1/weights.safetensors",
        "figures/comparison.svg",
        "figures/filters-none-1.svg",
    ] {
        assert!(out.join(file).is_file(), "{file} is missing");
    }
    let metrics: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["dataset"], "digits");
    assert_eq!(metrics["runs"].as_array().unwrap().len(), 4);

    // What was done can be done again from its config.toml, elsewhere.
    let config = out.join("config.toml");
    let again = morphograd(
        folder.path(),
        &["train", "--config", config.to_str().unwrap(), "--out", "again", "--quiet"],
    );
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let weights = |base: &Path| fs::read(base.join("none-seed1/weights.safetensors")).unwrap();
    assert_eq!(weights(&out), weights(&folder.path().join("again")));
    // Quiet: the table and where the results are.
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.contains("best val.") && !text.contains("epoch   loss"), "{text}");
}

#[test]
fn names_are_checked_with_a_suggestion_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path(), &["train", "--constraint", "non-postive"]);
    assert!(
        error.contains("unknown constraint `non-postive` (did you mean `non-positive`?)"),
        "{error}"
    );
    let error = refused(folder.path(), &["train", "--optimizer", "addam"]);
    assert!(error.contains("unknown optimizer `addam` (did you mean `adam`?)"), "{error}");
    let error = refused(folder.path(), &["data", "fetch", "mnistt"]);
    assert!(error.contains("unknown data set `mnistt`"), "{error}");
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn settings_that_cannot_work_are_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 14] = [
        (
            &["--batch-size", "65"],
            "batch size: expected a number from 1 to 64, the samples to train on, found 65",
        ),
        (
            &["--samples", "1000000"],
            "samples: expected a number from 1 to 4096, the training images there are, found \
             1000000",
        ),
        (&["--samples", "0"], "samples: expected a number from 1 to 4096"),
        (&["--kernel", "29"], "dilation2d: expected a window no larger than the image [28, 28]"),
        (&["--kernel", "25"], "conv2d: "),
        (&["--lr", "0"], "learning rate: expected a positive number, found 0"),
        (&["--threads", "0"], "0 is not in 1..=1024"),
        (&["--threads", "999999"], "999999 is not in 1..=1024"),
        (&["--filters", "99999999999"], "dilation2d.kernel: parameter: expected at most"),
        (&["--seed", "3", "--seed", "3"], "seeds: expected each once, found 3 twice"),
        (
            &["--constraint", "none", "--constraint", "free"],
            "constraints: expected each once, found none twice",
        ),
        (&["--kernel", "0"], "expected a size such as 5 or 3x7, found `0`"),
        (&["--kernel", "18446744073709551615"], "found `18446744073709551615`"),
        (&["--filters", "4000000"], "bytes a batch, found"),
    ];
    for (options, expected) in cases {
        let mut arguments = vec!["train", "--samples", "64", "--batch-size", "64"];
        // An option given twice would be refused for that alone.
        if let Some(at) = arguments.iter().position(|argument| *argument == options[0]) {
            arguments.drain(at..at + 2);
        }
        arguments.extend(options);
        let error = refused(folder.path(), &arguments);
        assert!(error.contains(expected), "{options:?}: {error}");
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_configuration_edited_by_hand_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        morphograd(folder.path(), &tiny(&["--constraint", "none", "--out", "first"]))
            .status
            .success()
    );
    let good = fs::read_to_string(folder.path().join("first/config.toml")).unwrap();
    let cases = [
        (
            "plateau_factor = 0.5",
            "plateau_factor = -1.0",
            "plateau factor: expected a number between 0 and 1, found -1",
        ),
        (
            "plateau_factor = 0.5",
            "plateau_factor = nan",
            "plateau factor: expected a number between 0 and 1, found NaN",
        ),
        (
            "plateau_patience = 3",
            "plateau_patience = 0",
            "plateau patience: expected a number from 1 to",
        ),
        ("stop_patience = 10", "stop_patience = 0", "stop patience: expected a number from 1 to"),
        (
            "plateau_min_delta = 0.0001",
            "plateau_min_delta = -5.0",
            "plateau min delta: expected a number of at least 0, found -5",
        ),
        ("epochs = 1", "epoch = 1", "unknown field `epoch`"),
        ("dropout = 0.5", "dropout = 1.5", "dropout: expected a rate in [0, 1), found 1.5"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        fs::write(folder.path().join("edited.toml"), good.replace(from, to)).unwrap();
        let error = refused(folder.path(), &["train", "--config", "edited.toml"]);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_does_not_end_the_training() {
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_morphograd"))
        .args(tiny(&["--constraint", "none", "--out", "out"]))
        .current_dir(folder.path())
        .env_remove("MORPHOGRAD_DATA")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("out/report.html").is_file());
}

#[test]
fn an_output_folder_that_cannot_be_used_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let error = refused(folder.path(), &tiny(&["--out", "file/inside"]));
    assert!(error.contains("file/inside"), "{error}");
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/old.txt"), "x").unwrap();
    let error = refused(folder.path(), &tiny(&["--out", "full"]));
    assert!(error.contains("expected a new or empty folder"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("full/old.txt")).unwrap(), "x");
}

#[test]
fn bad_data_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let image = vec![7u8; 64 * 28 * 28];
    let labels: Vec<u8> = (0..64).map(|i| i % 10).collect();
    let arguments = tiny(&["--constraint", "none", "--data", "data"]);

    let error = refused(folder.path(), &arguments);
    assert!(error.contains("data"), "{error}");

    write_data(&data, (vec![64, 28, 28], image.clone()), labels.clone());
    assert!(morphograd(folder.path(), &arguments).status.success());

    write_data(&data, (vec![64, 28, 28], image.clone()), labels[1..].to_vec());
    let error = refused(folder.path(), &arguments);
    assert!(error.contains("64") && error.contains("63"), "{error}");

    // There are as many classes as labels, not ten.
    let three = (0..64).map(|i| i % 3).collect();
    write_data(&data, (vec![64, 28, 28], image.clone()), three);
    let text = String::from_utf8(morphograd(folder.path(), &arguments).stdout).unwrap();
    assert!(text.contains("dense (Dense)                (None, 3)"), "{text}");

    write_data(&data, (vec![0, 28, 28], vec![]), vec![]);
    let error = refused(folder.path(), &arguments);
    assert!(error.contains("train-images-idx3-ubyte.gz"), "{error}");

    write_data(&data, (vec![64, 28, 28], image), labels);
    let path = data.join("t10k-images-idx3-ubyte.gz");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(folder.path(), &arguments);
    assert!(error.contains("t10k-images-idx3-ubyte.gz"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_fails_the_command_and_says_when() {
    let folder = tempfile::tempdir().unwrap();
    let output = morphograd(
        folder.path(),
        &tiny(&["--constraint", "none", "--lr", "1e30", "--optimizer", "sgd"]),
    );
    assert!(!output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("epoch 1") && text.contains("step 2"), "{text}");
    assert!(folder.path().join("runs/digits/none-seed0/weights.safetensors").is_file());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_cleanly_with_what_was_learned_saved() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_morphograd"))
        .args(["train", "--constraint", "none", "--epochs", "100000", "--out", "out"])
        .current_dir(folder.path())
        .env_remove("MORPHOGRAD_DATA")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.trim_start().starts_with("1/100000 ")), "no epoch");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.iter().any(|line| line.contains("interrupted")), "{rest:?}");
    for file in ["metrics.json", "report.html", "none-seed0/weights.safetensors"] {
        assert!(folder.path().join("out").join(file).is_file(), "{file} is missing");
    }
}

#[test]
fn data_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("digits")).unwrap();
    for name in morphograd::data::FILES {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/digits").join(name);
        fs::copy(from, folder.path().join("digits").join(name)).unwrap();
    }
    assert!(
        morphograd(folder.path(), &["data", "verify", "digits", "--dir", "digits"])
            .status
            .success()
    );
    fs::write(folder.path().join("digits/t10k-labels-idx1-ubyte.gz"), "x").unwrap();
    let output = morphograd(folder.path(), &["data", "verify", "digits", "--dir", "digits"]);
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("t10k-labels-idx1-ubyte.gz"));
}

const MODEL: &str = "\
[[layer]]
type = \"Morphological2d\"
name = \"gradient\"
operator = \"gradient2d\"
size = 3
kernel = { constraint = \"non-positive\" }

[[layer]]
type = \"GlobalMaxPool\"

[[layer]]
type = \"Dense\"
units = \"classes\"

[training]
epochs = 5
samples = 64
batch_size = 32
optimizer = \"sgd\"
";

#[test]
fn a_network_from_a_file_is_checked_trained_and_trained_again_from_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), MODEL).unwrap();
    let output = morphograd(folder.path(), &["model", "check", "mine.toml", "--input", "9x9x2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "gradient (Morphological2D)   (None, 9, 9, 1)           18",
        "Total params: 38",
        "gradient.kernel in Interval",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    // An option goes before the file, the file before the tutorial.
    let train = ["train", "--model", "mine.toml", "--epochs", "2", "--seed", "3", "--out", "first"];
    let output = morphograd(folder.path(), &train);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["64 of 4096 training images", "Run 1 of 1: mine, seed 3", "    2/2 ", "mine"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    for file in ["config.toml", "report.html", "mine-seed3/history.csv", "mine-seed3/model.toml"] {
        assert!(folder.path().join("first").join(file).is_file(), "{file} is missing");
    }
    let again = ["train", "--config", "first/config.toml", "--quiet", "--out", "again"];
    let output = morphograd(folder.path(), &again);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [first, again] = ["first", "again"]
        .map(|run| fs::read(folder.path().join(run).join("mine-seed3/weights.safetensors")));
    assert_eq!(first.unwrap(), again.unwrap());
}

#[test]
fn a_model_file_that_cannot_be_used_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("mine.toml"),
        MODEL.replace("\nsize = 3", "\nsize = 29\npadding = \"valid\""),
    )
    .unwrap();
    let error = refused(folder.path(), &["train", "--model", "mine.toml"]);
    assert!(error.starts_with("error: mine.toml:1: gradient: "), "{error}");
    fs::write(folder.path().join("mine.toml"), MODEL.replace("\nsize", "\nsise")).unwrap();
    let error = refused(folder.path(), &["model", "check", "mine.toml"]);
    assert!(error.contains("found `sise` (did you mean `size`?)"), "{error}");
    let error = refused(folder.path(), &["train", "--model", "none.toml"]);
    assert!(error.starts_with("error: none.toml: "), "{error}");
    let both = ["train", "--model", "mine.toml", "--constraint", "none"];
    assert!(refused(folder.path(), &both).contains("cannot be used with"));
    assert!(!folder.path().join("runs").exists());
    let error = refused(folder.path(), &["model", "list", "convolutor"]);
    assert!(error.contains("found `convolutor`"), "{error}");
}

#[test]
fn names_that_a_terminal_or_a_file_would_obey_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a\\b \x1b[31m\nepochs = 99");
    let image = (0..64 * 28 * 28).map(|i| (i % 251) as u8).collect();
    write_data(&data, (vec![64, 28, 28], image), (0..64).map(|i| i % 10).collect());
    let named = data.to_str().unwrap();
    let output = morphograd(
        folder.path(),
        &["train", "--data", named, "--constraint", "none", "--epochs", "1", "--samples", "64"],
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    let runs = folder.path().join("runs");
    let run = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let again = ["train", "--resume", run.to_str().unwrap(), "--quiet"];
    assert!(morphograd(folder.path(), &again).status.success());
}

#[test]
fn an_endless_file_of_settings_is_refused() {
    if Path::new("/dev/zero").exists() {
        let error = refused(Path::new("."), &["train", "--config", "/dev/zero"]);
        assert!(error.contains("/dev/zero: expected at most 16777216 bytes"), "{error}");
    }
}

#[test]
fn trainings_that_start_at_once_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let train = || {
            morphograd(folder.path(), &tiny(&["--constraint", "none", "--out", "one", "--quiet"]))
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(train)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let succeeded = outputs.iter().filter(|output| output.status.success()).count();
    assert_eq!(succeeded, 1);
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains("expected a new or empty folder") || error.contains("no other training"),
            "{error}"
        );
    }
}
