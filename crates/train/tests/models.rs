//! The files of `models/`: each is read, built and trained for two epochs; the tutorial's is the
//! built-in network; and the table of layers has every layer there is.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use morphograd::artifacts::RunFolder;
use morphograd::data::Dataset;
use morphograd::experiment::Config;
use morphograd::model::{LAYERS, ModelConfig, ModelFile, Note, SavedModel, WEIGHTS};
use morphograd::record::{RunRecord, Stop, Variant};
use morphograd::recorder::Event;
use morphograd::registry::ENFORCEMENTS;
use morphograd::run::{run, run_model};
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{ConfusionMatrix, predict, predicted_class};
use morphograd_morphology::nn::tensor::{Shape, Tensor};
use morphograd_morphology::nn::{checkpoint, summary};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn models() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    paths
}

fn read(name: &str) -> ModelFile {
    ModelFile::read(&root().join("models").join(name)).unwrap()
}

#[test]
fn every_file_can_be_built_for_the_input_that_it_states() {
    let all = models();
    assert!(all.len() >= 11, "{all:?}");
    for path in all {
        let file = ModelFile::read(&path).unwrap();
        let input = file.input.clone().expect("an input");
        let mut params = Params::new();
        let shape = Shape::new(&input);
        let model = file.build(&mut params, 0, shape, file.classes.unwrap_or(1)).unwrap();
        assert!(file.about.is_some() && params.count() > 0, "{}", path.display());
        assert!(!model.entries().is_empty());
    }
}

#[test]
fn the_tutorials_file_is_the_built_in_network_bit_for_bit() {
    let dataset = Dataset::embedded(String::new());
    let mut built_in = Params::new();
    let kernel = Variant::from("non-positive").kernel().unwrap();
    let expected = Config::default().network(&dataset, kernel, 3, &mut built_in).unwrap();
    let mut params = Params::new();
    let model = read("tutorial.toml").build(&mut params, 3, [28, 28, 1], 10).unwrap();
    assert_eq!(summary(&model, &params), summary(&expected, &built_in));
    assert_eq!(params.ids().len(), built_in.ids().len());
    for (id, other) in params.ids().zip(built_in.ids()) {
        assert_eq!(params.name(id), built_in.name(other));
        assert_eq!(params.value(id).data, built_in.value(other).data);
        let set = |params: &Params<f32>, id| format!("{:?}", params.constraint(id));
        assert_eq!(set(&params, id), set(&built_in, other));
    }
}

/// The layers of a crate: what `Build` is implemented for, by itself or by a macro.
fn layers_of(folder: &str) -> BTreeSet<String> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("crates").join(folder).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(path).unwrap();
                // Tests have layers of their own.
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                sources.push(code);
            }
        }
    }
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let (mut found, mut macros) = (BTreeSet::new(), BTreeSet::new());
    for source in &sources {
        for (at, _) in source.match_indices("Build<T> for ") {
            let line = source[..at].rsplit('\n').next().unwrap_or_default();
            if line.trim_start().starts_with("//") || !line.contains("impl<") {
                continue;
            }
            let target = &source[at + "Build<T> for ".len()..];
            match target.strip_prefix('$') {
                None => {
                    found.insert(word(target));
                }
                Some(_) => {
                    let start = source[..at].rfind("macro_rules! ").unwrap();
                    macros.insert(word(&source[start + "macro_rules! ".len()..]));
                }
            }
        }
    }
    // Of a call of such a macro, every name that the documentation has as a struct of its own: the
    // layer is among them, and so may be the operation that it applies.
    for source in &sources {
        for name in &macros {
            for (at, _) in source.match_indices(&format!("{name}!")) {
                // At the start of a line, which is where items are.
                if !source[..at].ends_with('\n') {
                    continue;
                }
                let call = &source[at..];
                let ends = ["\n}\n", "\n);\n"].map(|end| call.find(end).unwrap_or(call.len()));
                let end = ends[0].min(ends[1]);
                let code: String = call[..end]
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .map(|line| format!("{line}\n"))
                    .collect();
                let names: Vec<String> = code
                    .split(|c: char| !c.is_alphanumeric())
                    .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
                    .map(str::to_owned)
                    .collect();
                let known = names.iter().find(|name| LAYERS.iter().any(|l| l.name == **name));
                found.insert(known.unwrap_or(&names[0]).clone());
            }
        }
    }
    found
}

#[test]
fn the_table_has_every_layer_of_the_library_and_no_other() {
    let mut layers: BTreeSet<String> =
        ["nn", "morphology"].iter().flat_map(|folder| layers_of(folder)).collect();
    // What stands for others: any description, and any operation, of which the table has one.
    assert!(layers.remove("Description") && layers.remove("Apply"));
    layers.insert("AreaOpening".to_owned());
    let table: BTreeSet<String> = LAYERS.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(layers, table);
    let names: Vec<&str> = LAYERS.iter().map(|entry| entry.name).collect();
    assert!(names.is_sorted(), "{names:?}");
}

/// The embedded digits, few of them.
fn digits() -> Dataset {
    let digits = Dataset::embedded(String::new());
    let [train, test] = [digits.train.take(96).unwrap(), digits.test.take(40).unwrap()];
    Dataset { train, test, ..digits }
}

#[test]
fn every_file_is_trained_for_two_epochs_and_opened_again_with_the_same_outputs() {
    let dataset = digits();
    for path in models() {
        let file = ModelFile::read(&path).unwrap();
        let config = ModelConfig {
            seeds: vec![7],
            samples: 96,
            epochs: 2,
            batch_size: 32,
            ..ModelConfig::of(&file, &dataset).unwrap()
        };
        config.validate(&dataset).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = RunFolder::exactly(&folder.path().join("out")).unwrap();
        let go_on = &mut |_: Event<'_>| ControlFlow::Continue(());
        let record = run_model(&config, &file, &dataset, 7, &out, go_on).unwrap();
        let name = file.name();
        assert_eq!((record.epochs.len(), record.stop), (2, Stop::EpochLimit), "{name}");
        assert!(record.epochs.iter().all(|epoch| epoch.loss.is_finite()), "{name}");
        assert_eq!(record.max_constraint_violation, 0.0, "{name}");
        let of_images = record.confusion.classes() == 0;
        assert_eq!(record.epochs[1].accuracy.is_nan(), of_images, "{name}");
        assert_eq!(record.epochs[1].metrics.len(), if of_images { 2 } else { 0 }, "{name}");

        // The folder alone is enough.
        let saved = SavedModel::open(out.path()).unwrap();
        assert_eq!(saved.class_names, dataset.class_names);
        assert_eq!((saved.file.text(), saved.file.name()), (file.text(), file.name()));
        let outputs = predict(&saved.model, &dataset.test, 20, &saved.params).unwrap();
        if of_images {
            assert_eq!(outputs.shape().dims(), [40, 28, 28, 1], "{name}");
        } else {
            let mut confusion = ConfusionMatrix::new(10);
            for (logits, label) in outputs.data().chunks(10).zip(dataset.test.labels()) {
                confusion.record(usize::from(*label), predicted_class(logits));
            }
            assert_eq!(confusion, record.confusion, "{name}");
        }
    }
}

#[test]
fn the_tutorials_file_is_trained_as_the_built_in_network_byte_for_byte() {
    let dataset = digits();
    let file = read("tutorial.toml");
    let settings = Config { samples: 96, epochs: 3, batch_size: 32, ..Config::default() };
    let config = ModelConfig {
        samples: 96,
        epochs: 3,
        batch_size: 32,
        ..ModelConfig::of(&file, &dataset).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let [one, other] =
        ["built-in", "file"].map(|name| RunFolder::exactly(&folder.path().join(name)).unwrap());
    let go_on = &mut |_: Event<'_>| ControlFlow::Continue(());
    let expected = run(&settings, &dataset, "non-positive", 1, &one, go_on).unwrap();
    let found = run_model(&config, &file, &dataset, 1, &other, go_on).unwrap();
    let losses = |record: &RunRecord| -> Vec<[u64; 2]> {
        let bits = record.epochs.iter().map(|e| [e.loss.to_bits(), e.val_loss.to_bits()]);
        bits.collect()
    };
    assert_eq!(losses(&found), losses(&expected));
    assert_eq!(found.restored_epoch, expected.restored_epoch);
    assert_eq!((&found.filters, &found.feature_maps), (&expected.filters, &expected.feature_maps));
    // The file's checkpoint holds the model beside the same numbers.
    let file = other.path().join("tutorial-seed1/weights.safetensors");
    let note = checkpoint::note(&file).unwrap().expect("a note");
    assert!(note.contains("type = \"Dilation2d\""), "{note}");
    let built_in = one.path().join("non-positive-seed1/weights.safetensors");
    assert_eq!(checkpoint::note(&built_in).unwrap(), None);
    let [found, expected] = [file, built_in].map(|path| {
        let mut params = Params::new();
        let kernel = Variant::from("non-positive").kernel().unwrap();
        settings.network(&dataset, kernel, 0, &mut params).unwrap();
        checkpoint::load(&mut params, path).unwrap();
        params.ids().map(|id| params.value(id).data.to_vec()).collect::<Vec<_>>()
    });
    assert_eq!(found, expected);
}

#[test]
fn a_checkpoint_without_its_model_and_a_folder_of_several_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| SavedModel::open(path).unwrap_err().to_string();
    assert!(error(folder.path()).ends_with("found none; name one of them"));
    let mut params = Params::<f32>::new();
    params.add("w", Tensor::zeros([2]), None).unwrap();
    for run in ["a", "b"] {
        fs::create_dir(folder.path().join(run)).unwrap();
        checkpoint::save(&params, folder.path().join(run).join(WEIGHTS)).unwrap();
    }
    assert!(error(folder.path()).ends_with("found a, b; name one of them"));
    let bare = error(&folder.path().join("a"));
    assert!(bare.contains("expected a checkpoint that holds its model, found none"), "{bare}");
    let file = folder.path().join("other.safetensors");
    checkpoint::save_with_note(&params, &file, "anything").unwrap();
    assert!(error(&file).contains("expected the note of a training"), "{}", error(&file));
    fs::write(&file, "no checkpoint").unwrap();
    assert!(error(&file).contains("expected a complete safetensors file"));
    // Weights of another network.
    let note = Note {
        file: "m.toml".into(),
        input: vec![2],
        class_names: Vec::new(),
        model: "[[layer]]\ntype = \"Bias\"\n".into(),
    };
    checkpoint::save_with_note(&params, &file, &note.to_toml()).unwrap();
    assert!(error(&file).contains("found `w`"), "{}", error(&file));
}

#[test]
fn a_run_of_the_built_in_network_is_opened_for_every_constraint_and_way_to_enforce() {
    let dataset = digits();
    let settings = Config {
        constraints: vec!["none".into(), "non-positive".into()],
        enforcements: ENFORCEMENTS.iter().map(|way| way.name.to_owned()).collect(),
        samples: 64,
        epochs: 1,
        batch_size: 32,
        filters: 3,
        kernel: [3, 5],
        ..Config::default()
    };
    let folder = tempfile::tempdir().unwrap();
    for (n, variant) in settings.variants().unwrap().into_iter().enumerate() {
        let out = RunFolder::exactly(&folder.path().join(n.to_string())).unwrap();
        let go_on = &mut |_: Event<'_>| ControlFlow::Continue(());
        let record = run(&settings, &dataset, variant.clone(), 0, &out, go_on).unwrap();
        let saved = SavedModel::open(out.path()).unwrap();
        let outputs = predict(&saved.model, &dataset.test, 20, &saved.params).unwrap();
        let mut confusion = ConfusionMatrix::new(10);
        for (logits, label) in outputs.data().chunks(10).zip(dataset.test.labels()) {
            confusion.record(usize::from(*label), predicted_class(logits));
        }
        assert_eq!(confusion, record.confusion, "{variant}");
    }
}
