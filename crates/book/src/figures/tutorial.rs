//! Figures of the tutorial: its published logs as curves, and a training of its network on the
//! embedded digits.

use std::ops::ControlFlow;
use std::path::Path;

use morphograd::artifacts::RunFolder;
use morphograd::data::Dataset;
use morphograd::experiment::Config;
use morphograd::published::PUBLISHED;
use morphograd::record::{EpochRecord, ExperimentRecord};
use morphograd::recorder::Event;
use morphograd::registry::ENFORCEMENTS;
use morphograd::report::{figures, histories};
use morphograd::run::{RunError, run};

use super::Figure;

/// Loss and validation accuracy of the four published runs, as their logs print them.
pub(super) fn published() -> String {
    let logs: Vec<Vec<EpochRecord>> = PUBLISHED
        .iter()
        .map(|run| {
            let record = |epoch: morphograd::published::PublishedEpoch| EpochRecord {
                epoch: epoch.epoch,
                loss: epoch.loss,
                accuracy: epoch.accuracy,
                val_loss: epoch.val_loss,
                val_accuracy: epoch.val_accuracy,
                learning_rate: epoch.learning_rate,
                ..EpochRecord::default()
            };
            run.epochs().into_iter().map(record).collect()
        })
        .collect();
    let runs: Vec<(&str, &[EpochRecord])> =
        PUBLISHED.iter().zip(&logs).map(|(run, log)| (run.constraint, &log[..])).collect();
    histories("Loss and accuracy of the published runs", &runs)
}

/// What is shown of the training, under its name in the report and in the book.
const SHOWN: [(&str, &str); 7] = [
    ("comparison.svg", "tutorial-comparison.svg"),
    ("training-non-positive-increasing-0.svg", "tutorial-training.svg"),
    ("filters-non-positive-increasing-0.svg", "tutorial-filters.svg"),
    ("wins-non-positive-increasing-0.svg", "tutorial-wins.svg"),
    ("outputs-non-positive-increasing-0.svg", "tutorial-outputs.svg"),
    ("confusion-non-positive-increasing-0.svg", "tutorial-confusion.svg"),
    ("projection-non-positive-increasing-0.svg", "tutorial-projection.svg"),
];

pub(super) fn trained(base: &Path) -> Result<Vec<Figure>, RunError> {
    let dataset = Dataset::embedded("The embedded digits.".to_owned());
    let mut drawn = figures(&train(&Config::default(), dataset, base)?);
    let shown = SHOWN.iter().filter_map(|(from, to)| {
        let position = drawn.iter().position(|(name, _)| name == from)?;
        Some((*to, drawn.swap_remove(position).1))
    });
    Ok(shown.collect())
}

/// Validation accuracy and violation of the box of the tutorial, enforced in every way with five
/// seeds.
pub(super) fn enforced(dataset: Dataset, base: &Path) -> Result<Figure, RunError> {
    let config = Config {
        constraints: vec!["non-positive".to_owned()],
        enforcements: ENFORCEMENTS.iter().map(|way| way.name.to_owned()).collect(),
        seeds: (0..5).collect(),
        ..Config::default()
    };
    let mut drawn = figures(&train(&config, dataset, base)?);
    Ok(("enforcement.svg", drawn.swap_remove(0).1))
}

/// Every variant with every seed.
fn train(config: &Config, dataset: Dataset, base: &Path) -> Result<ExperimentRecord, RunError> {
    let folder = RunFolder::create(base, "book-figures")?;
    let mut runs = Vec::new();
    for variant in config.variants()? {
        for seed in &config.seeds {
            let on = &mut |_: Event<'_>| ControlFlow::Continue(());
            runs.push(run(config, &dataset, variant.clone(), *seed, &folder, on)?);
        }
    }
    Ok(ExperimentRecord {
        dataset: dataset.name,
        dataset_note: dataset.note,
        class_names: dataset.class_names,
        summary: String::new(),
        config: String::new(),
        threads: 1,
        runs,
    })
}
