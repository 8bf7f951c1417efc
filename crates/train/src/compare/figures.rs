//! The figures of a comparison: the curves of all runs on one scale, and their filters on another.

use morphograd_plot::palette::{self, COLOURS, GREY};
use morphograd_plot::{Cell, ColourBar, ImageGrid, Line, Panel, PanelGrid, Scale, Stroke, Tile};

use super::saved::SavedRun;
use super::table::{Compared, Group, is_finished};
use crate::record::{EpochRecord, Gallery};
use crate::report::curves::{draw, epochs, mean_over, points, tenth_below, unnamed};

/// The line of a group: a colour, and from the tenth group on dashes too.
pub(super) fn stroke(group: usize) -> Stroke<'static> {
    const DASHES: [&str; 4] = ["", "7 3", "2 2.5", "9 3 2 3"];
    let dash = DASHES[group / COLOURS.len() % DASHES.len()];
    Stroke { dash, ..Stroke::solid(palette::colour(group), 2.2) }
}

/// A figure over the epochs: its title, its scale, and its value.
type Curve = (&'static str, Scale, fn(&EpochRecord) -> f64);

/// Losses and accuracies of all runs. Thin lines are seeds, bold lines the mean of a group; where
/// no group has more than one run there are bold lines only.
pub(super) fn curves(compared: &Compared) -> String {
    let last = compared.runs.iter().filter_map(|run| Some(run.epochs.last()?.epoch)).max();
    let accuracies = compared.runs.iter().flat_map(|run| &run.epochs);
    let floor = tenth_below(accuracies.flat_map(|epoch| [epoch.accuracy, epoch.val_accuracy]));
    let share = || Scale::Linear { min: floor, max: 1.0 };
    let mut drawn: Vec<Curve> = Vec::new();
    if compared.runs.iter().any(SavedRun::has_classes) {
        drawn.push(("Validation accuracy", share(), |epoch| epoch.val_accuracy));
        drawn.push(("Training accuracy", share(), |epoch| epoch.accuracy));
    }
    drawn.push(("Validation loss", Scale::Above(0.0), |epoch| epoch.val_loss));
    drawn.push(("Training loss", Scale::Above(0.0), |epoch| epoch.loss));
    let panels = drawn.into_iter().map(|(title, scale, value)| {
        let lines = lines(compared, value);
        Panel::new(title, epochs(last.unwrap_or(0)), unnamed(scale), lines)
    });
    let mut entries: Vec<(String, Stroke<'_>)> = Vec::new();
    for (number, group) in compared.groups.iter().enumerate() {
        if !group.runs.is_empty() {
            entries.push((compared.label(group), stroke(number)));
        }
    }
    if compared.has_means() {
        entries.push(("one seed (bold: mean)".to_owned(), Stroke::solid(GREY, 1.0)));
    }
    draw(vec![PanelGrid::new(2, 260.0, panels.collect())], entries, "Curves of all runs")
}

fn lines(compared: &Compared, value: fn(&EpochRecord) -> f64) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (number, group) in compared.groups.iter().enumerate() {
        let bold = stroke(number);
        let label = compared.label(group);
        let runs: Vec<&SavedRun> = group.runs.iter().map(|i| &compared.runs[*i]).collect();
        if let [run] = runs[..] {
            lines.push(Line::new(label, points(&run.epochs, value), bold));
            continue;
        }
        for run in &runs {
            let thin = Stroke { opacity: 0.45, width: 0.8, ..bold };
            let title = format!("{label}, seed {}", run.metrics.seed);
            lines.push(Line::new(title, points(&run.epochs, value), thin));
        }
        let finished = runs.iter().filter(|run| is_finished(run)).map(|run| &run.epochs[..]);
        lines.push(Line::new(label, mean_over(finished, value), bold));
    }
    lines
}

/// The filters of the first run of each group, each with its group, on one scale; or why they
/// cannot be drawn so.
pub(super) fn filters(compared: &Compared) -> Result<Vec<(&Group, &SavedRun, String)>, String> {
    let mut shown: Vec<(&Group, &SavedRun, &Gallery)> = Vec::new();
    for group in &compared.groups {
        let Some(run) = group.runs.first().map(|i| &compared.runs[*i]) else { continue };
        match &run.filters {
            Ok(filters) => shown.push((group, run, filters)),
            Err(why) => return Err(format!("{}: {why}", run.path.display())),
        }
    }
    let shape = |gallery: &Gallery| [gallery.images().len(), gallery.height, gallery.width];
    let Some((_, _, first)) = shown.first() else { return Err("there are no runs".to_owned()) };
    if let Some((_, run, other)) = shown.iter().find(|(_, _, other)| shape(other) != shape(first)) {
        let text = |[n, height, width]: [usize; 3]| format!("{n} of {height} x {width}");
        return Err(format!(
            "expected filters of one shape, found {} and, in {}, {}",
            text(shape(first)),
            run.path.display(),
            text(shape(other))
        ));
    }
    let values = shown.iter().flat_map(|(_, _, gallery)| &gallery.data);
    let limit = values.fold(0.0_f64, |limit, value| limit.max(f64::from(*value).abs()));
    let scale = if limit > 0.0 { limit } else { 1.0 };
    let draw = |(group, run, gallery)| (group, run, draw_filters(compared, group, gallery, scale));
    Ok(shown.into_iter().map(draw).collect())
}

fn draw_filters(compared: &Compared, group: &Group, gallery: &Gallery, scale: f64) -> String {
    let tiles = gallery.images().zip(1..).map(|(image, filter)| {
        let image: Vec<f64> = image.iter().copied().map(f64::from).collect();
        Tile::heat_map(filter.to_string(), gallery.width, &image, |row, column, value| {
            let title = format!("filter {filter}, row {row}, column {column}: {value:.4}");
            Cell::new(palette::diverging(value / scale), title)
        })
    });
    ImageGrid {
        label: &format!("Filters learned by {}", compared.label(group)),
        columns: 8,
        lead: None,
        tiles: tiles.collect(),
        colours: Some(ColourBar::Diverging { limit: scale }),
    }
    .svg()
}
