//! Trainings that start from the weights of an earlier run.

use std::fs;
use std::path::Path;

use morphograd::metrics::Metrics;
use morphograd::model::SavedModel;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::checkpoint;
use morphograd_morphology::nn::tensor::Tensor;

use super::{refused, train};

fn metrics(folder: &Path) -> Metrics {
    Metrics::read(&fs::read_to_string(folder.join("metrics.json")).unwrap()).unwrap()
}

/// A rate so small that a step changes no number: in single precision it is 0.
const STILL: [&str; 4] = ["--lr", "1e-300", "--optimizer", "sgd"];

#[test]
fn a_training_starts_from_the_weights_of_a_run_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "non-positive", "--seed", "5", "--out", "first"]);
    // Another seed, from the folder of the training.
    let second =
        [&["--constraint", "non-positive", "--weights", "first", "--out", "second"], &STILL[..]];
    let text = train(at, &second.concat());
    let from = "Weights: started from first/non-positive-seed5/weights.safetensors, inside of the \
                constraints";
    assert!(text.contains(from), "{text}");
    let weights = |run: &str| fs::read(at.join(run).join("weights.safetensors")).unwrap();
    assert_eq!(weights("first/non-positive-seed5"), weights("second/non-positive-seed0"));
    let loaded = metrics(&at.join("second")).runs[0].weights.clone().unwrap();
    assert_eq!((loaded.moved, loaded.distance, loaded.sha256.len()), (0, 0.0, 64));
    assert_eq!(loaded.file, "first/non-positive-seed5/weights.safetensors");
    assert_eq!(metrics(&at.join("first")).runs[0].weights, None);

    // The configuration repeats it, as long as the weights are the same.
    train(at, &["--config", "second/config.toml", "--out", "third", "--quiet"]);
    assert_eq!(weights("first/non-positive-seed5"), weights("third/non-positive-seed0"));
    fs::copy(
        at.join("second/non-positive-seed0/weights.safetensors"),
        at.join("first/non-positive-seed5/weights.safetensors"),
    )
    .unwrap();
    train(at, &["--config", "second/config.toml", "--out", "fourth", "--quiet"]);
    fs::write(at.join("first/non-positive-seed5/weights.safetensors"), "other").unwrap();
    let error = refused(at, &["train", "--config", "second/config.toml", "--out", "fifth"]);
    assert!(error.contains("expected the weights of the configuration, with SHA-256"), "{error}");
    assert!(!at.join("fifth").exists());
}

#[test]
fn weights_outside_of_the_set_are_projected_however_it_is_enforced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "none", "--out", "free"]);
    for way in ["projected-step", "penalty", "augmented-lagrangian", "forward-projection"] {
        let more = ["--constraint", "non-negative", "--enforcement", way, "--weights", "free"];
        let text = train(at, &[&more[..], &["--out", way], &STILL[..]].concat());
        let said = "which left the constraints: projected, ";
        assert!(
            text.contains(said) && text.contains(" of 200 constrained numbers moved"),
            "{way}: {text}"
        );
        let run = &metrics(&at.join(way)).runs[0];
        let loaded = run.weights.clone().unwrap();
        assert!(loaded.moved > 20 && loaded.moved < 200 && loaded.distance > 0.0, "{loaded:?}");
        assert!(run.max_constraint_violation < 1e-6, "{way}: {}", run.max_constraint_violation);
        // What was kept is the projection: the rest is as it was.
        let kernel = |folder: &str| {
            let saved = SavedModel::open(&at.join(folder)).unwrap();
            saved.params.value(saved.params.find("dilation2d.kernel").unwrap()).data.to_vec()
        };
        let projected: Vec<f32> = kernel("free").iter().map(|w| w.max(0.0)).collect();
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(projected.iter().zip(&kernel(way)).all(close), "{way}");
    }
}

const MODEL: &str = "\
[[layer]]
type = \"Conv2d\"
name = \"conv\"
filters = 2
size = 3

[[layer]]
type = \"GlobalMaxPool\"

[[layer]]
type = \"Dense\"
name = \"out\"
units = \"classes\"
";

#[test]
fn the_network_of_a_file_starts_from_weights_whose_names_and_shapes_fit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("mine.toml"), MODEL).unwrap();
    train(at, &["--model", "mine.toml", "--out", "first"]);
    let file = "first/mine-seed0/weights.safetensors";
    let again = ["--model", "mine.toml", "--weights", file, "--seed", "9", "--out", "again"];
    train(at, &[&again[..], &STILL[..]].concat());
    let values = |run: &str| {
        let saved = SavedModel::open(&at.join(run)).unwrap();
        let params = saved.params;
        params.ids().map(|id| params.value(id).data.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(values("first"), values("again"));

    // Whatever does not fit is named, before anything is written.
    let cases = [
        (
            "filters = 2",
            "filters = 3",
            "tensor `conv.kernel`: expected shape [3, 3, 1, 3], found [3, 3, 1, 2]",
        ),
        ("name = \"conv\"", "name = \"other\"", "found `conv.bias`"),
        ("name = \"conv\"", "name = \"conv\"\nbias = false", "found `conv.bias`"),
    ];
    for (from, to, expected) in cases {
        fs::write(at.join("edited.toml"), MODEL.replace(from, to)).unwrap();
        let error =
            refused(at, &["train", "--model", "edited.toml", "--weights", file, "--out", "no"]);
        assert!(error.contains(expected), "{to}: {error}");
    }
    let mut params = Params::<f32>::new();
    params.add("conv.kernel", Tensor::zeros([3, 3, 1, 2]), None).unwrap();
    checkpoint::save(&params, at.join("part.safetensors")).unwrap();
    let error = refused(
        at,
        &["train", "--model", "mine.toml", "--weights", "part.safetensors", "--out", "no"],
    );
    assert!(error.contains("expected tensor `conv.bias`, found none"), "{error}");
    assert!(!at.join("no").exists());
}

#[test]
fn what_are_no_weights_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "none", "--seeds", "2", "--out", "two"]);
    let error = refused(at, &["train", "--weights", "two"]);
    let expected = "two: expected the folder of one run, with weights.safetensors in it, found \
                    none-seed0, none-seed1; name one of them";
    assert!(error.contains(expected), "{error}");
    let error = refused(at, &["train", "--weights", "two/metrics.json"]);
    assert!(error.contains("metrics.json: expected a complete safetensors file"), "{error}");
    let error = refused(at, &["train", "--weights", "nowhere"]);
    assert!(error.starts_with("error: nowhere: "), "{error}");
    let error = refused(at, &["train", "--weights", "two/none-seed0", "--start", "interior"]);
    assert!(error.contains("cannot be used with"), "{error}");
    let error = refused(at, &["train", "--weights", "two/none-seed0", "--filters", "4"]);
    assert!(error.contains("tensor `dilation2d.kernel`: expected shape [5, 5, 1, 4]"), "{error}");
    // Options of the other network are not left out silently.
    fs::write(at.join("mine.toml"), MODEL).unwrap();
    train(at, &["--model", "mine.toml", "--out", "mine"]);
    let error = refused(at, &["train", "--config", "mine/config.toml", "--filters", "4"]);
    assert!(error.contains("for --filters, found that of the model mine"), "{error}");
}
