//! The report: every figure of an experiment as SVG, and one page with all of them that needs
//! nothing but itself. Figures are drawn once and serve both as files and in the page.

mod chart;
mod curves;
mod images;
mod page;
mod palette;
mod plots;
mod svg;

pub use plots::{LinePlot, PlotLine, PowerPlot, Scale};

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

/// Quantities that follow powers, each in a plot of its own with logarithmic axes; `label` is what
/// a screen reader says.
///
/// ```
/// use morphograd::report::PowerPlot;
///
/// let lines = vec![("dilation", vec![(1.0, 2e-3), (4.0, 8e-3)])];
/// let plot =
///     PowerPlot { title: "Batch", x: "images", y: "seconds", ticks: vec![1.0, 4.0], lines };
/// let svg = morphograd::report::powers("Time against the batch", &[plot]);
/// assert!(svg.contains(">images<") && svg.contains("<title>dilation</title>"));
/// ```
pub fn powers(label: &str, plots: &[PowerPlot<'_>]) -> String {
    plots::powers(label, plots)
}

/// Lines on axes of any scale, up to two plots a row; `label` is what a screen reader says. A
/// single plot is 622 by 320 units, two are 410 by 320 each.
///
/// ```
/// use morphograd::report::{LinePlot, PlotLine, Scale};
///
/// let line = |name, dashed| PlotLine {
///     name,
///     points: vec![(1.0, 1.0), (10.0, 0.1)],
///     colour: 1,
///     dashed,
/// };
/// let scale = |label| (label, Scale::Logarithmic);
/// let lines = vec![line("measured", false), line("bound", true)];
/// let plot = LinePlot { title: "Convex", x: scale("step"), y: scale("gap"), lines };
/// let svg = morphograd::report::line_plots("A rate", &[plot]);
/// assert!(svg.contains(">measured<") && svg.contains("stroke-dasharray"));
/// ```
pub fn line_plots(label: &str, plots: &[LinePlot<'_>]) -> String {
    plots::line_plots(label, plots)
}

/// A bar for each named percentage, with the percentage to a whole number beside it. Above 100 a
/// bar ends at the edge.
///
/// ```
/// let svg = morphograd::report::bars("Shares", "percent of the limit", &[("dilation", 42.2)]);
/// assert!(svg.contains(">dilation<") && svg.contains(">42<"));
/// ```
pub fn bars(label: &str, axis: &'static str, rows: &[(&str, f64)]) -> String {
    plots::bars(label, axis, rows)
}

/// Positive ratios on a logarithmic axis with a line at 1: a row for each name, and in it a dot for
/// each of its ratios. Dots of one name have one colour in all rows.
///
/// ```
/// let svg = morphograd::report::dots(
///     "Ratios",
///     "theirs / ours",
///     &[("dilation", vec![("A", 2.0), ("B", 0.5)])],
/// );
/// assert!(svg.contains("dilation, A: 2.00") && svg.contains(">B<"));
/// ```
pub fn dots(label: &str, axis: &'static str, rows: &[(&str, Vec<(&str, f64)>)]) -> String {
    plots::dots(label, axis, rows)
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
