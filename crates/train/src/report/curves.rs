//! The figures over epochs: the comparison of all variants, the training curves of a run, and what
//! its projection did.

use morphograd_plot::palette::{GREY, colour};
use morphograd_plot::{Axis, Legend, Line, LineChart, Panel, PanelGrid, Scale, Stroke};

use super::palette;
use crate::published::{self, PUBLISHED, Published};
use crate::record::{EpochRecord, ExperimentRecord, FilterWins, RunRecord, Variant};
use crate::tables::{Comparison, ComparisonRow};

/// Validation accuracy of every run: thin lines are seeds, bold lines their mean, dashed lines the
/// published runs. A run that stopped early counts with its last value from then on, so that the
/// mean does not jump when a run ends. Below, the violation of the variants that were ever outside
/// of their set.
pub(super) fn comparison(experiment: &ExperimentRecord) -> String {
    let rows = Comparison::new(experiment).rows;
    let published = drawn_published(experiment);
    let colour = |variant: &Variant| palette::of(variant, experiment);
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut entries = Vec::new();

    for (run, reading) in &published {
        let points =
            run.epochs().iter().map(|epoch| (epoch.epoch as f64, epoch.val_accuracy)).collect();
        let stroke = Stroke::dashed(colour(&(*reading).into()));
        lines.push(Line::new(format!("{} as published", run.constraint), points, stroke));
    }
    let several = rows.iter().any(|row| row.seeds.len() > 1);
    for run in experiment.runs.iter().filter(|_| several) {
        let stroke = Stroke { opacity: 0.45, ..Stroke::solid(colour(&run.variant), 0.8) };
        let title = format!("{}, seed {}", run.variant, run.seed);
        lines.push(Line::new(title, points(&run.epochs, |epoch| epoch.val_accuracy), stroke));
    }
    let mean_line = |row: &ComparisonRow, value: fn(&EpochRecord) -> f64| {
        let runs = experiment.runs_of(&row.variant);
        let points = mean_over(runs.iter().map(|run| &run.epochs[..]), value);
        Line::new(row.variant.to_string(), points, Stroke::solid(colour(&row.variant), 2.4))
    };
    for row in &rows {
        let line = mean_line(row, |epoch| epoch.val_accuracy);
        entries.push((line.title.clone(), line.stroke));
        lines.push(line);
    }
    if several {
        entries.push(("one seed (bold: mean)".to_owned(), Stroke::solid(GREY, 1.0)));
    }
    if !published.is_empty() {
        entries.push(("published".to_owned(), Stroke::dashed(GREY)));
    }

    let last = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|(epoch, _)| *epoch as usize)
        .max()
        .unwrap_or(0);
    let best = rows.iter().filter_map(|row| Some(row.best_val_accuracy?.mean));
    let (low, high) = zoom(best, !published.is_empty());
    let floor =
        tenth_below(lines.iter().flat_map(|line| &line.points).map(|(_, accuracy)| *accuracy))
            .min(low);
    let accuracy = |title, min, max, lines| {
        Panel::new(title, epochs(last), unnamed(Scale::Linear { min, max }), lines)
    };
    let whole = Panel {
        highlight: Some((low, high)),
        ..accuracy("Validation accuracy", floor, 1.0, lines.clone())
    };
    let zoomed = accuracy("Enlarged", low, high, lines);
    let mut grids = vec![PanelGrid::new(2, 340.0, vec![whole, zoomed])];
    let outside = rows.iter().filter(|row| row.max_violation > 0.0);
    let lines: Vec<_> = outside.map(|row| mean_line(row, |epoch| epoch.violation)).collect();
    if !lines.is_empty() {
        let title = "Violation at the end of the epoch (the others are never outside of their set)";
        let panel = Panel::new(title, epochs(last), unnamed(Scale::Logarithmic), lines);
        grids.push(PanelGrid::new(1, 180.0, vec![panel]));
    }
    draw(grids, entries, "Validation accuracy of every variant over the epochs")
}

/// Loss and accuracy of one run, on the training and on the validation images.
pub(super) fn training(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let (train, validation) = (Stroke::solid(GREY, 1.4), Stroke::solid(colour, 2.2));
    let reduced = Stroke { dash: "1.5 3", ..Stroke::solid(GREY, 1.0) };
    let restored = Stroke { dash: "7 4", ..Stroke::solid(colour, 1.2) };
    let mut verticals: Vec<(f64, Stroke<'_>)> = run
        .epochs
        .windows(2)
        .filter(|pair| pair[0].learning_rate != pair[1].learning_rate)
        .map(|pair| (pair[1].epoch as f64, reduced))
        .collect();
    let mut entries = vec![("training".to_owned(), train), ("validation".to_owned(), validation)];
    if let (false, [first, .., last]) = (verticals.is_empty(), &run.epochs[..]) {
        let rates = format!("learning rate changed ({} to {})", rate(first), rate(last));
        entries.push((rates, reduced));
    }
    if run.restored_epoch > 0 {
        verticals.push((run.restored_epoch as f64, restored));
        entries.push((format!("weights kept: epoch {}", run.restored_epoch), restored));
    }
    let label = format!("Loss and accuracy of {}, seed {}", run.variant, run.seed);
    let name = run.variant.to_string();
    let histories = [(&name[..], &run.epochs[..], [train, validation])];
    loss_and_accuracy(&histories, &verticals, entries, &label)
}

/// See [`super::histories`].
pub(super) fn histories(label: &str, runs: &[(&str, &[EpochRecord])]) -> String {
    let training = |colour| Stroke { dash: "4 3", ..Stroke::solid(colour, 1.2) };
    let mut entries: Vec<(String, Stroke<'_>)> = Vec::new();
    let mut drawn = Vec::new();
    for &(name, epochs) in runs {
        let known = entries.iter().position(|(entry, _)| entry == name);
        let validation = Stroke::solid(colour(known.unwrap_or(entries.len())), 1.8);
        if known.is_none() {
            entries.push((name.to_owned(), validation));
        }
        drawn.push((name, epochs, [training(validation.colour), validation]));
    }
    entries.push(("training images (solid: validation)".to_owned(), training(GREY)));
    loss_and_accuracy(&drawn, &[], entries, label)
}

/// Two panels with two lines for each history: on the training and on the validation images.
fn loss_and_accuracy<'a>(
    histories: &[(&str, &[EpochRecord], [Stroke<'a>; 2])],
    verticals: &[(f64, Stroke<'a>)],
    entries: Vec<(String, Stroke<'a>)>,
    label: &str,
) -> String {
    let records = || histories.iter().flat_map(|(_, epochs, _)| *epochs);
    let last = records().map(|epoch| epoch.epoch).max().unwrap_or(0);
    let panel = |title: &'static str, scale, values: [fn(&EpochRecord) -> f64; 2]| {
        let line = |name: &str, images: &str, epochs: &[EpochRecord], value, stroke| {
            let title = format!("{name}, {images} {}", title.to_lowercase());
            Line::new(title, points(epochs, value), stroke)
        };
        let lines = histories.iter().flat_map(|(name, epochs, [train, validation])| {
            [
                line(name, "training", epochs, values[0], *train),
                line(name, "validation", epochs, values[1], *validation),
            ]
        });
        let panel = Panel::new(title, epochs(last), unnamed(scale), lines.collect());
        Panel { verticals: verticals.to_vec(), ..panel }
    };
    let floor = tenth_below(records().flat_map(|epoch| [epoch.accuracy, epoch.val_accuracy]));
    let panels = vec![
        panel("Loss", Scale::Above(0.0), [|epoch| epoch.loss, |epoch| epoch.val_loss]),
        panel(
            "Accuracy",
            Scale::Linear { min: floor, max: 1.0 },
            [|epoch| epoch.accuracy, |epoch| epoch.val_accuracy],
        ),
    ];
    draw(vec![PanelGrid::new(2, 260.0, panels)], entries, label)
}

/// What the projection did in one run: how many coordinates it moved, how far, and whether the run
/// approached a stationary point; below, how many coordinates are held by the boundary, and how far
/// the parameters are from their sets.
pub(super) fn projection(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let (bold, gradient) = (Stroke::solid(colour, 2.0), Stroke::solid(GREY, 1.4));
    let curve = |stroke, name: &str, value: fn(&EpochRecord) -> f64| {
        Line::new(name, points(&run.epochs, value), stroke)
    };
    let panel =
        |title, scale, lines| Panel::new(title, epochs(run.epochs.len()), unnamed(scale), lines);
    let one = |title, name, value| panel(title, Scale::Above(0.0), vec![curve(bold, name, value)]);
    let panels = vec![
        one(
            "Share of coordinates moved",
            "share of the constrained coordinates moved by the projection",
            |epoch| epoch.moved_share,
        ),
        one("Distance moved", "distance moved by the projection", |epoch| epoch.moved_distance),
        panel(
            "Norms of gradient and gradient mapping",
            Scale::Logarithmic,
            vec![
                curve(gradient, "norm of the gradient", |epoch| epoch.gradient_norm),
                curve(bold, "norm of the gradient mapping", |epoch| epoch.gradient_mapping),
            ],
        ),
        one(
            "Share of active coordinates",
            "share of the constrained coordinates on the boundary of their set",
            // A curve breaks where a value is not a number.
            |epoch| epoch.active_share.unwrap_or(f64::NAN),
        ),
        one("Largest violation", "largest distance of a parameter from its set", |epoch| {
            epoch.violation
        }),
    ];
    let entries = vec![
        (
            "above: mean over the steps of the epoch (right: gradient mapping); below: at its end"
                .to_owned(),
            bold,
        ),
        ("above right: gradient".to_owned(), gradient),
    ];
    let label = format!("Projection diagnostics of {}, seed {}", run.variant, run.seed);
    draw(vec![PanelGrid::new(3, 220.0, panels)], entries, &label)
}

/// How the wins are spread over the entries of the structuring functions: thin lines are filters,
/// bold ones their mean.
pub(super) fn wins(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let bold = Stroke::solid(colour, 2.4);
    let thin = Stroke { opacity: 0.45, ..Stroke::solid(colour, 0.8) };
    let filters = run.epochs.iter().map(|epoch| epoch.filters.len()).max().unwrap_or(0);
    let panel = |title, value: fn(&FilterWins) -> f64| {
        let mean = |epoch: &EpochRecord| {
            let sum: f64 = epoch.filters.iter().map(value).sum();
            sum / epoch.filters.len() as f64
        };
        let of = |filter: usize| {
            let of =
                |epoch: &EpochRecord| Some((epoch.epoch as f64, value(epoch.filters.get(filter)?)));
            let points = run.epochs.iter().filter_map(of).collect();
            Line::new(format!("filter {}", filter + 1), points, thin)
        };
        let mut lines: Vec<Line<'_>> = (0..filters).map(of).collect();
        let points = run.epochs.iter().map(|epoch| (epoch.epoch as f64, mean(epoch))).collect();
        lines.push(Line::new("mean of the filters", points, bold));
        Panel::new(title, epochs(run.epochs.len()), unnamed(Scale::Above(0.0)), lines)
    };
    let panels = vec![
        panel("Dead entries of a filter", |filter| filter.dead as f64),
        panel("Share of the winner-most entry", |filter| filter.largest_share),
    ];
    let entries = vec![("mean of the filters".to_owned(), bold), ("one filter".to_owned(), thin)];
    let label = format!("Wins of the filters' entries of {}, seed {}", run.variant, run.seed);
    draw(vec![PanelGrid::new(2, 220.0, panels)], entries, &label)
}

/// The published runs that belong in the comparison, each with the constraint of this experiment
/// whose colour it takes.
fn drawn_published(experiment: &ExperimentRecord) -> Vec<(&'static Published, &'static str)> {
    if !published::comparable(&experiment.dataset) {
        return Vec::new();
    }
    let ran = |name: &&str| experiment.runs.iter().any(|run| run.variant == Variant::from(*name));
    PUBLISHED
        .iter()
        .filter_map(|run| {
            Some((run, [Some(run.constraint), run.as_run].into_iter().flatten().find(ran)?))
        })
        .collect()
}

pub(crate) fn points(
    epochs: &[EpochRecord],
    value: impl Fn(&EpochRecord) -> f64,
) -> Vec<(f64, f64)> {
    epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch))).collect()
}

/// Means over histories; one that ended counts with its last value.
pub(crate) fn mean_over<'e>(
    histories: impl Iterator<Item = &'e [EpochRecord]>,
    value: impl Fn(&EpochRecord) -> f64,
) -> Vec<(f64, f64)> {
    let histories: Vec<&[EpochRecord]> = histories.filter(|epochs| !epochs.is_empty()).collect();
    let last = histories.iter().map(|epochs| epochs.len()).max().unwrap_or(0);
    (0..last)
        .map(|index| {
            let sum: f64 =
                histories.iter().map(|epochs| value(&epochs[index.min(epochs.len() - 1)])).sum();
            ((index + 1) as f64, sum / histories.len() as f64)
        })
        .collect()
}

/// Range of the enlarged panel. It is the tutorial's where its curves are drawn, else as wide below
/// the best; wider where a constraint did better or worse, but never so wide for a failed one that
/// nothing is enlarged.
fn zoom(best: impl Iterator<Item = f64>, with_published: bool) -> (f64, f64) {
    let (worst, best) =
        best.fold((1.0_f64, 0.0_f64), |(worst, best), value| (worst.min(value), best.max(value)));
    let above_best = (((best + 0.005) * 100.0).ceil() / 100.0).clamp(0.1, 1.0);
    let high = if with_published { above_best.max(0.95) } else { above_best };
    let low = if with_published { 0.88 } else { high - 0.07 };
    let below_worst = ((worst - 0.02) * 100.0).floor() / 100.0;
    (low.min(below_worst.max(high - 0.25)).max(0.0), high)
}

/// The tenth below the least of some accuracies, at most 0.9.
pub(crate) fn tenth_below(accuracies: impl Iterator<Item = f64>) -> f64 {
    let least = accuracies.filter(|value| value.is_finite()).fold(1.0, f64::min);
    ((least * 10.0).floor() / 10.0).clamp(0.0, 0.9)
}

fn rate(epoch: &EpochRecord) -> String {
    if epoch.learning_rate >= 1e-3 {
        format!("{}", epoch.learning_rate)
    } else {
        format!("{:.1e}", epoch.learning_rate)
    }
}

pub(crate) fn epochs(last: usize) -> Axis<'static> {
    Axis::new("epoch", Scale::Whole { first: 1, last })
}

/// An axis whose name is the title of its panel.
pub(crate) fn unnamed(scale: Scale) -> Axis<'static> {
    Axis::new("", scale)
}

pub(crate) fn draw<'a>(
    grids: Vec<PanelGrid<'a>>,
    entries: Vec<(String, Stroke<'a>)>,
    label: &'a str,
) -> String {
    LineChart {
        legend: Legend::Entries(entries),
        empty: "no epoch was completed",
        ..LineChart::new(label, grids)
    }
    .svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enlarged_range_follows_the_results() {
        let close = |range: (f64, f64), expected: (f64, f64)| {
            assert!(
                (range.0 - expected.0).abs() < 1e-9 && (range.1 - expected.1).abs() < 1e-9,
                "{range:?} {expected:?}"
            );
        };
        close(zoom([0.925, 0.934].into_iter(), true), (0.88, 0.95));
        close(zoom([0.925, 0.971].into_iter(), true), (0.88, 0.98));
        close(zoom([0.112, 0.934].into_iter(), true), (0.70, 0.95));
        close(zoom([0.80, 0.812].into_iter(), false), (0.75, 0.82));
        close(zoom(std::iter::empty(), false), (0.03, 0.1));
    }
}
