//! The tutorial on real MNIST. Skipped, visibly, where MNIST is not there.

use std::env;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use morphograd::artifacts::RunFolder;
use morphograd::data::{DataSource, Search};
use morphograd::experiment::Config;
use morphograd::record::Stop;
use morphograd::run::run;

#[test]
fn the_free_network_reaches_the_accuracy_of_tensorflow_on_mnist() {
    let environment = env::var_os("MORPHOGRAD_DATA").map(PathBuf::from);
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let search = Search { option: None, environment: environment.as_deref(), datasets: &datasets };
    let dataset = DataSource::find(&search).and_then(|source| source.load()).unwrap();
    if dataset.name != "mnist" {
        // Not `eprintln!`, which the test harness would swallow.
        let _ =
            writeln!(std::io::stderr(), "skipped: the tutorial on MNIST, because {}", dataset.note);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = RunFolder::exactly(folder.path()).unwrap();
    let record =
        run(&Config::default(), &dataset, "none", 0, &out, &mut |_| ControlFlow::Continue(()))
            .unwrap();
    // TensorFlow, three seeds: 0.936, 0.934, 0.938; single runs differ by about a point.
    let best = record.best_val_accuracy();
    assert!((0.920..=0.950).contains(&best), "{best}");
    assert!(matches!(record.stop, Stop::EarlyStopping { patience: 10 }), "{:?}", record.stop);
    assert!((30..=100).contains(&record.epochs.len()), "{} epochs", record.epochs.len());
}
