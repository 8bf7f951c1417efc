//! The report: every figure of an experiment as SVG, and one page with all of them that needs
//! nothing but itself. Figures are drawn once and serve both as files and in the page. What is
//! drawn is said here; how, in `morphograd-plot`.

pub(crate) mod curves;
mod images;
mod page;
mod palette;
pub(crate) mod shell;

use crate::record::{EpochRecord, ExperimentRecord, RunRecord};

/// The page: tables, figures, diagnostics, model and configuration. It loads nothing and runs no
/// script, so it can be mailed, archived and printed.
///
/// ```
/// use morphograd::record::ExperimentRecord;
///
/// let experiment = ExperimentRecord {
///     dataset: "digits".to_owned(),
///     dataset_note: "The embedded digits.".to_owned(),
///     class_names: (0..10).map(|digit| digit.to_string()).collect(),
///     summary: String::new(),
///     config: String::new(),
///     threads: 1,
///     runs: Vec::new(),
/// };
/// assert!(morphograd::report::html(&experiment).starts_with("<!DOCTYPE html>"));
/// ```
pub fn html(experiment: &ExperimentRecord) -> String {
    page::html(experiment)
}

/// Every figure as (file name, SVG): the comparison, then those of each run, in order.
pub fn figures(experiment: &ExperimentRecord) -> Vec<(String, String)> {
    let mut figures = vec![("comparison.svg".to_owned(), curves::comparison(experiment))];
    for run in &experiment.runs {
        let stem = format!("{}-{}", file_stem(&run.variant.to_string()), run.seed);
        figures.extend(
            run_figures(run, experiment)
                .into_iter()
                .map(|(kind, svg)| (format!("{kind}-{stem}.svg"), svg)),
        );
    }
    figures
}

/// Loss and accuracy over the epochs, for trainings that are not the command's. Runs of one name
/// have one colour and one entry in the legend; `label` is what a screen reader says.
///
/// ```
/// use morphograd::record::EpochRecord;
///
/// let epoch = |epoch, loss| EpochRecord { epoch, loss, ..EpochRecord::default() };
/// let runs = [[epoch(1, 2.0), epoch(2, 1.0)], [epoch(1, 3.0), epoch(2, 0.5)]];
/// let svg =
///     morphograd::report::histories("Two seeds", &[("plain", &runs[0]), ("plain", &runs[1])]);
/// assert_eq!(svg.matches("plain, training loss").count(), 2);
/// assert_eq!(svg.matches(">plain<").count(), 1);
/// ```
pub fn histories(label: &str, runs: &[(&str, &[EpochRecord])]) -> String {
    curves::histories(label, runs)
}

/// Kind and drawing of every figure of one run. What an interrupted run did not come to has no
/// figure.
fn run_figures(run: &RunRecord, experiment: &ExperimentRecord) -> Vec<(&'static str, String)> {
    let mut figures = Vec::new();
    if !run.epochs.is_empty() {
        figures.push(("training", curves::training(run, experiment)));
    }
    if run.filters.images().len() > 0 {
        figures.push(("filters", images::filters(run)));
    }
    if run.wins.images().len() > 0 {
        figures.push(("wins", images::wins(run)));
    }
    if run.feature_maps.images().len() > 0 {
        figures.push(("outputs", images::outputs(run)));
    }
    if run.confusion.total() > 0 {
        figures.push(("confusion", images::confusion(run, &experiment.class_names)));
    }
    if !run.epochs.is_empty() {
        figures.push(("projection", curves::projection(run, experiment)));
    }
    if run.epochs.iter().any(|epoch| !epoch.filters.is_empty()) {
        figures.push(("entries", curves::wins(run, experiment)));
    }
    figures
}

/// `name` with every character that some file system refuses, or that would leave the folder,
/// replaced by `-`.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || "_.".contains(character) {
                character
            } else {
                '-'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stem_stays_in_its_folder() {
        assert_eq!(
            ["non-negative", "box[-1, 1]", "../a\\b"].map(file_stem),
            ["non-negative", "box--1--1-", "..-a-b"]
        );
    }
}
