//! The figures over epochs: the comparison of all variants, the training curves of a run, and what
//! its projection did.

use super::chart::{Axis, Line, Panel, legend};
use super::palette;
use super::svg::{Anchor, Frame, Stroke, Svg};
use crate::published::{self, PUBLISHED, Published};
use crate::record::{EpochRecord, ExperimentRecord, FilterWins, RunRecord, Variant};
use crate::tables::{Comparison, ComparisonRow};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 34.0;
/// Room under a panel for the ticks and the name of its axis.
const UNDER: f64 = 62.0;
/// A grey that shows on paper and on a dark page.
const GREY: &str = "#8a8a8a";

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
        let stroke = Stroke::solid(colour(&(*reading).into()), 1.6).dashed("6 3");
        lines.push(Line { points, stroke, title: format!("{} as published", run.constraint) });
    }
    let several = rows.iter().any(|row| row.seeds.len() > 1);
    for run in experiment.runs.iter().filter(|_| several) {
        let stroke = Stroke::solid(colour(&run.variant), 0.8).faint(0.45);
        let title = format!("{}, seed {}", run.variant, run.seed);
        lines.push(Line { points: points(&run.epochs, |epoch| epoch.val_accuracy), stroke, title });
    }
    for row in &rows {
        let runs = experiment.runs_of(&row.variant);
        let stroke = Stroke::solid(colour(&row.variant), 2.4);
        lines.push(Line {
            points: mean_over(&runs, |epoch| epoch.val_accuracy),
            stroke,
            title: row.variant.to_string(),
        });
        entries.push((row.variant.to_string(), stroke));
    }
    if several {
        entries.push(("one seed (bold: mean)".to_owned(), Stroke::solid(GREY, 1.0)));
    }
    if !published.is_empty() {
        entries.push(("published".to_owned(), Stroke::solid(GREY, 1.6).dashed("6 3")));
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
    let copies = lines
        .iter()
        .map(|line| Line {
            points: line.points.clone(),
            stroke: line.stroke,
            title: line.title.clone(),
        })
        .collect();
    let height = 340.0;
    let width = (WIDTH - 2.0 * LEFT - 16.0) / 2.0;
    let whole = Panel {
        frame: Frame { x: LEFT, y: TOP, width, height },
        title: "Validation accuracy",
        x: Axis::epochs(last),
        y: Axis::between("", floor, 1.0),
        lines,
        verticals: Vec::new(),
        highlight: Some((low, high)),
    };
    let zoomed = Panel {
        frame: Frame { x: 2.0 * LEFT + width, y: TOP, width, height },
        title: "Enlarged",
        x: Axis::epochs(last),
        y: Axis::between("", low, high),
        lines: copies,
        verticals: Vec::new(),
        highlight: None,
    };
    let mut panels = vec![whole, zoomed];
    let outside = || rows.iter().filter(|row| row.max_violation > 0.0);
    if outside().next().is_some() {
        let line = |row: &ComparisonRow| Line {
            points: mean_over(&experiment.runs_of(&row.variant), |epoch| epoch.violation),
            stroke: Stroke::solid(colour(&row.variant), 2.4),
            title: row.variant.to_string(),
        };
        let lines: Vec<Line<'_>> = outside().map(line).collect();
        let values = lines.iter().flat_map(|line| &line.points).map(|(_, violation)| *violation);
        panels.push(Panel {
            frame: Frame {
                x: LEFT,
                y: TOP + height + UNDER + TOP,
                width: 2.0 * width + LEFT,
                height: 180.0,
            },
            title: "Violation at the end of the epoch (the others are never outside of their set)",
            x: Axis::epochs(last),
            y: Axis::logarithmic("", values),
            lines,
            verticals: Vec::new(),
            highlight: None,
        });
    }
    finish(&panels, &entries, "Validation accuracy of every variant over the epochs")
}

/// Loss and accuracy of one run, on the training and on the validation images.
pub(super) fn training(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let (train, validation) = (Stroke::solid(GREY, 1.4), Stroke::solid(colour, 2.2));
    let reduced = Stroke::solid(GREY, 1.0).dashed("1.5 3");
    let restored = Stroke::solid(colour, 1.2).dashed("7 4");
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
    loss_and_accuracy(&histories, &verticals, &entries, &label)
}

/// See [`super::histories`].
pub(super) fn histories(label: &str, runs: &[(&str, &[EpochRecord])]) -> String {
    let mut entries: Vec<(String, Stroke<'_>)> = Vec::new();
    let mut drawn = Vec::new();
    for &(name, epochs) in runs {
        let known = entries.iter().position(|(entry, _)| entry == name);
        let validation = Stroke::solid(palette::nth(known.unwrap_or(entries.len())), 1.8);
        if known.is_none() {
            entries.push((name.to_owned(), validation));
        }
        drawn.push((name, epochs, [Stroke { width: 1.2, ..validation }.dashed("4 3"), validation]));
    }
    entries.push((
        "training images (solid: validation)".to_owned(),
        Stroke::solid(GREY, 1.2).dashed("4 3"),
    ));
    loss_and_accuracy(&drawn, &[], &entries, label)
}

/// Two panels with two lines for each history: on the training and on the validation images.
fn loss_and_accuracy<'a>(
    histories: &[(&str, &[EpochRecord], [Stroke<'a>; 2])],
    verticals: &[(f64, Stroke<'a>)],
    entries: &[(String, Stroke<'a>)],
    label: &str,
) -> String {
    let (width, height) = ((WIDTH - 2.0 * LEFT - 16.0) / 2.0, 260.0);
    let records = || histories.iter().flat_map(|(_, epochs, _)| *epochs);
    let panel = |index: f64, title: &'static str, y, values: [fn(&EpochRecord) -> f64; 2]| {
        let line = |name: &str, images: &str, epochs: &[EpochRecord], value, stroke| Line {
            points: points(epochs, value),
            stroke,
            title: format!("{name}, {images} {}", title.to_lowercase()),
        };
        let lines = histories.iter().flat_map(|(name, epochs, [train, validation])| {
            [
                line(name, "training", epochs, values[0], *train),
                line(name, "validation", epochs, values[1], *validation),
            ]
        });
        Panel {
            frame: Frame { x: LEFT + index * (LEFT + width), y: TOP, width, height },
            title,
            x: Axis::epochs(records().map(|epoch| epoch.epoch).max().unwrap_or(0)),
            y,
            lines: lines.collect(),
            verticals: verticals.to_vec(),
            highlight: None,
        }
    };
    let losses = records().flat_map(|epoch| [epoch.loss, epoch.val_loss]);
    let floor = tenth_below(records().flat_map(|epoch| [epoch.accuracy, epoch.val_accuracy]));
    let panels = [
        panel(
            0.0,
            "Loss",
            Axis::above("", 0.0, losses),
            [|epoch| epoch.loss, |epoch| epoch.val_loss],
        ),
        panel(
            1.0,
            "Accuracy",
            Axis::between("", floor, 1.0),
            [|epoch| epoch.accuracy, |epoch| epoch.val_accuracy],
        ),
    ];
    finish(&panels, entries, label)
}

/// What the projection did in one run: how many coordinates it moved, how far, and whether the run
/// approached a stationary point; below, how many coordinates are held by the boundary, and how far
/// the parameters are from their sets.
pub(super) fn projection(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let (bold, gradient) = (Stroke::solid(colour, 2.0), Stroke::solid(GREY, 1.4));
    let (width, height) = ((WIDTH - 3.0 * LEFT - 16.0) / 3.0, 220.0);
    let values = |value: fn(&EpochRecord) -> f64| run.epochs.iter().map(value);
    // A curve breaks where a value is not a number.
    let active = |epoch: &EpochRecord| epoch.active_share.unwrap_or(f64::NAN);
    let curve = |stroke, name: &str, value: fn(&EpochRecord) -> f64| Line {
        points: points(&run.epochs, value),
        stroke,
        title: name.to_owned(),
    };
    let panel = |index: usize, title, y, lines| Panel {
        frame: Frame {
            x: LEFT + (index % 3) as f64 * (LEFT + width),
            y: TOP + (index / 3) as f64 * (height + UNDER + TOP),
            width,
            height,
        },
        title,
        x: Axis::epochs(run.epochs.len()),
        y,
        lines,
        verticals: Vec::new(),
        highlight: None,
    };
    let panels = [
        panel(
            0,
            "Share of coordinates moved",
            Axis::above("", 0.0, values(|epoch| epoch.moved_share)),
            vec![curve(
                bold,
                "share of the constrained coordinates moved by the projection",
                |epoch| epoch.moved_share,
            )],
        ),
        panel(
            1,
            "Distance moved",
            Axis::above("", 0.0, values(|epoch| epoch.moved_distance)),
            vec![curve(bold, "distance moved by the projection", |epoch| epoch.moved_distance)],
        ),
        panel(
            2,
            "Norms of gradient and gradient mapping",
            Axis::logarithmic(
                "",
                run.epochs.iter().flat_map(|epoch| [epoch.gradient_norm, epoch.gradient_mapping]),
            ),
            vec![
                curve(gradient, "norm of the gradient", |epoch| epoch.gradient_norm),
                curve(bold, "norm of the gradient mapping", |epoch| epoch.gradient_mapping),
            ],
        ),
        panel(
            3,
            "Share of active coordinates",
            Axis::above("", 0.0, values(active)),
            vec![curve(
                bold,
                "share of the constrained coordinates on the boundary of their set",
                active,
            )],
        ),
        panel(
            4,
            "Largest violation",
            Axis::above("", 0.0, values(|epoch| epoch.violation)),
            vec![curve(bold, "largest distance of a parameter from its set", |epoch| {
                epoch.violation
            })],
        ),
    ];
    let entries = [
        (
            "above: mean over the steps of the epoch (right: gradient mapping); below: at its end"
                .to_owned(),
            bold,
        ),
        ("above right: gradient".to_owned(), gradient),
    ];
    finish(
        &panels,
        &entries,
        &format!("Projection diagnostics of {}, seed {}", run.variant, run.seed),
    )
}

/// How the wins are spread over the entries of the structuring functions: thin lines are filters,
/// bold ones their mean.
pub(super) fn wins(run: &RunRecord, experiment: &ExperimentRecord) -> String {
    let colour = palette::of(&run.variant, experiment);
    let (bold, thin) = (Stroke::solid(colour, 2.4), Stroke::solid(colour, 0.8).faint(0.45));
    let (width, height) = ((WIDTH - 2.0 * LEFT - 16.0) / 2.0, 220.0);
    let filters = run.epochs.iter().map(|epoch| epoch.filters.len()).max().unwrap_or(0);
    let panel = |index: f64, title: &'static str, value: fn(&FilterWins) -> f64| {
        let mean = |epoch: &EpochRecord| {
            let sum: f64 = epoch.filters.iter().map(value).sum();
            sum / epoch.filters.len() as f64
        };
        let of = |filter: usize| Line {
            points: run
                .epochs
                .iter()
                .filter_map(|epoch| Some((epoch.epoch as f64, value(epoch.filters.get(filter)?))))
                .collect(),
            stroke: thin,
            title: format!("filter {}", filter + 1),
        };
        let mut lines: Vec<Line<'_>> = (0..filters).map(of).collect();
        let points = run.epochs.iter().map(|epoch| (epoch.epoch as f64, mean(epoch))).collect();
        lines.push(Line { points, stroke: bold, title: "mean of the filters".to_owned() });
        Panel {
            frame: Frame { x: LEFT + index * (LEFT + width), y: TOP, width, height },
            title,
            x: Axis::epochs(run.epochs.len()),
            y: Axis::above("", 0.0, run.epochs.iter().flat_map(|epoch| &epoch.filters).map(value)),
            lines,
            verticals: Vec::new(),
            highlight: None,
        }
    };
    let panels = [
        panel(0.0, "Dead entries of a filter", |filter| filter.dead as f64),
        panel(1.0, "Share of the winner-most entry", |filter| filter.largest_share),
    ];
    let entries = [("mean of the filters".to_owned(), bold), ("one filter".to_owned(), thin)];
    finish(
        &panels,
        &entries,
        &format!("Wins of the filters' entries of {}, seed {}", run.variant, run.seed),
    )
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

fn points(epochs: &[EpochRecord], value: fn(&EpochRecord) -> f64) -> Vec<(f64, f64)> {
    epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch))).collect()
}

/// Means over the runs; one that ended counts with its last value.
fn mean_over(runs: &[&RunRecord], value: fn(&EpochRecord) -> f64) -> Vec<(f64, f64)> {
    let histories: Vec<&[EpochRecord]> =
        runs.iter().map(|run| &run.epochs[..]).filter(|epochs| !epochs.is_empty()).collect();
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
fn tenth_below(accuracies: impl Iterator<Item = f64>) -> f64 {
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

fn finish(panels: &[Panel<'_>], entries: &[(String, Stroke<'_>)], label: &str) -> String {
    let mut svg = Svg::new();
    for panel in panels {
        panel.draw(&mut svg);
    }
    let bottom = panels.iter().map(|panel| panel.frame.y + panel.frame.height).fold(0.0, f64::max);
    if panels.iter().all(|panel| panel.lines.iter().all(|line| line.points.is_empty())) {
        svg.text(WIDTH / 2.0, bottom / 2.0, Anchor::Middle, "no epoch was completed");
    }
    let height = bottom + UNDER + legend(&mut svg, LEFT, bottom + UNDER, WIDTH - LEFT, entries);
    svg.finish(WIDTH, height, label)
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
