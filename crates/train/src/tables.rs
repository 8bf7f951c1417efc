//! Comparison of the runs, one row a variant, beside the published figures: the numbers, and their
//! layout for the terminal and in Markdown. The report draws its table from the same rows, so the
//! three can never disagree.

use crate::published::{self, Published};
use crate::record::{EpochRecord, ExperimentRecord, RunRecord, Variant, worst};

/// Mean and range of one figure over the seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of the finite ones among `values`; `None` if there is none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(Self { mean: values.iter().sum::<f64>() / values.len() as f64, min, max })
    }
}

/// The runs of one variant. Runs interrupted within their first epoch have no figures and count in
/// none of the spreads.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRow {
    /// The constraint and how it was enforced.
    pub variant: Variant,
    /// Seeds, in the order they were run.
    pub seeds: Vec<u64>,
    /// Epochs until the run ended.
    pub epochs: Option<Spread>,
    /// Highest validation accuracy of any epoch.
    pub best_val_accuracy: Option<Spread>,
    /// Validation accuracy of the restored weights.
    pub restored_val_accuracy: Option<Spread>,
    /// Lowest validation loss of any epoch.
    pub best_val_loss: Option<Spread>,
    /// Wall-clock seconds of an epoch.
    pub seconds_per_epoch: Option<Spread>,
    /// Largest constraint violation of any run; not a number if one of them was.
    pub max_violation: f64,
    /// The same of the restored weights, before the projection that ends a run.
    pub final_violation: f64,
    /// The published run to compare with.
    pub published: Option<&'static Published>,
}

/// All rows and the footnotes they need.
///
/// ```
/// use morphograd::record::ExperimentRecord;
/// use morphograd::tables::Comparison;
///
/// fn show(experiment: &ExperimentRecord) -> String {
///     Comparison::new(experiment).text()
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One row a variant, in the order they were first run.
    pub rows: Vec<ComparisonRow>,
    /// Footnotes: mark and sentence. A row's mark is [`ComparisonRow::mark`].
    pub footnotes: Vec<(&'static str, String)>,
}

impl ComparisonRow {
    /// Mark of the footnote the published figures of this row need, empty if none.
    pub fn mark(&self) -> &'static str {
        match self.published.and_then(|run| run.as_run) {
            None => "",
            Some("lattice") => "†",
            Some(_) => "‡",
        }
    }
}

impl Comparison {
    /// Groups the runs by variant.
    pub fn new(experiment: &ExperimentRecord) -> Self {
        let mut variants: Vec<&Variant> = Vec::new();
        for run in &experiment.runs {
            if !variants.contains(&&run.variant) {
                variants.push(&run.variant);
            }
        }
        let rows: Vec<ComparisonRow> = variants
            .into_iter()
            .map(|variant| row(variant, &experiment.runs_of(variant)))
            .collect();
        let mut footnotes = footnotes(&rows, &experiment.dataset);
        if has_validation(&experiment.config) {
            let note = "Best: of the validation images, at the end of an epoch. Restored: of the \
                test images, which are seen once, after the training.";
            footnotes.insert(0, ("", note.to_owned()));
        }
        Self { rows, footnotes }
    }

    /// The table for a terminal: at most 110 columns with the names of this crate. A second line
    /// gives the way to enforce where it is not the projected step, the ranges where there are
    /// several seeds, and the final violation where the largest is not 0.
    pub fn text(&self) -> String {
        let mut lines = vec![
            ["", "", "", "best val.", "restored", "val.", "sec. /", "max.", "published:"]
                .map(str::to_owned),
            [
                "constraint",
                "seeds",
                "epochs",
                "accuracy",
                "accuracy",
                "loss",
                "epoch",
                "viol.",
                "ep. best restored",
            ]
            .map(str::to_owned),
        ];
        for row in &self.rows {
            lines.push([
                row.variant.constraint.clone(),
                row.seeds.len().to_string(),
                mean(row.epochs, if row.seeds.len() > 1 { 1 } else { 0 }),
                mean(row.best_val_accuracy, 4),
                mean(row.restored_val_accuracy, 4),
                mean(row.best_val_loss, 4),
                seconds(row.seconds_per_epoch),
                violation(row.max_violation),
                published_cells(row).map_or_else(
                    || "–".to_owned(),
                    |[epochs, best, restored]| {
                        format!("{epochs} {best} {restored}{:1}", row.mark())
                    },
                ),
            ]);
            let mut second = <[String; 9]>::default();
            if !row.variant.is_projected_step() {
                second[0] = format!("  {}", row.variant.enforcement);
            }
            if row.seeds.len() > 1 {
                second[2] = range(row.epochs, 0);
                second[3] = range(row.best_val_accuracy, 4);
                second[4] = range(row.restored_val_accuracy, 4);
            }
            if row.max_violation != 0.0 {
                second[7] = violation(row.final_violation);
            }
            if second.iter().any(|cell| !cell.is_empty()) {
                lines.push(second);
            }
        }
        let widths: [usize; 9] = std::array::from_fn(|column| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        });
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * 8);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            if index == 2 {
                text += &rule;
                text.push('\n');
            }
            let mut cells = String::new();
            for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
                cells += &match column {
                    0 => format!("{cell:width$}"),
                    8 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            text += cells.trim_end();
            text.push('\n');
        }
        text += &rule;
        text.push('\n');
        for (mark, note) in &self.footnotes {
            text += &wrap(format!("{mark} {note}").trim_start(), 108);
        }
        text
    }

    /// The same table in Markdown, ranges in parentheses.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| constraint | seeds | epochs | best val. accuracy | restored val. accuracy | best \
             val. loss | s / epoch \
             | max. violation | final violation | published epochs | published best | published \
             restored |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for row in &self.rows {
            let [epochs, best, restored] =
                published_cells(row).unwrap_or_else(|| std::array::from_fn(|_| "–".to_owned()));
            let mark = row.mark();
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {epochs}{mark} | {best}{mark} | \
                 {restored}{mark} |\n",
                row.variant.to_string().replace('|', "\\|"),
                row.seeds.len(),
                mean_and_range(row.epochs, 0),
                mean_and_range(row.best_val_accuracy, 4),
                mean_and_range(row.restored_val_accuracy, 4),
                mean(row.best_val_loss, 4),
                seconds(row.seconds_per_epoch),
                violation(row.max_violation),
                violation(row.final_violation),
            );
        }
        for (mark, note) in &self.footnotes {
            text += &format!("\n{}\n", format!("{mark} {note}").trim_start());
        }
        text
    }
}

/// The line printed when a run ends.
pub fn run_line(run: &RunRecord) -> String {
    let name = format!("{}, seed {}", run.variant, run.seed);
    if run.epochs.is_empty() {
        let measured = match run.confusion.total() {
            0 => String::new(),
            _ => format!(", val. accuracy {:.4}", run.restored_val_accuracy()),
        };
        return format!("{name}: {} before the end of the first epoch{measured}", run.stop);
    }
    let measured = if run.confusion.classes() == 0 {
        let best = run.best_val_loss();
        let metrics = run.restored_metrics().iter().map(|(name, v)| format!(", {name} {v:.4}"));
        let metrics: String = metrics.collect();
        format!("best val. loss {best:.6}{metrics} (epoch {})", run.restored_epoch)
    } else {
        format!(
            "best val. accuracy {:.4} (epoch {}), restored {:.4} (epoch {})",
            run.best_val_accuracy(),
            run.best_epoch(),
            run.restored_val_accuracy(),
            run.restored_epoch
        )
    };
    let loaded = run.loaded.as_ref().map_or_else(String::new, |loaded| format!(", {loaded}"));
    format!(
        "{name}: {} ({}), {measured}, {:.1} s{loaded}, violation {}",
        epochs(run.epochs.len()),
        run.stop,
        run.train_seconds,
        match run.max_constraint_violation {
            0.0 => "0".to_owned(),
            most => format!(
                "{}, {} at the end",
                violation(most),
                violation(run.final_constraint_violation)
            ),
        },
    )
}

/// The head of the lines of [`epoch_line`]. Percentages: of the constrained coordinates those that
/// the projection moved (and by what distance in all), those that lie on the boundary of their set,
/// and of the wins of a filter those of its winner-most entry.
pub const EPOCH_HEADER: &str = concat!(
    "         train   val.  train   val.  learn. moved          grad.  viola- active    dead   \
     top\n",
    "  epoch   loss   loss   acc.   acc.    rate     %     by mapping    tion      % entries win \
     %     s"
);

/// One epoch of `epochs` in a line of at most 100 characters, with its diagnostics; a dash for what
/// was not measured.
pub fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "–".to_owned(), |share| format!("{:.1}", 100.0 * share))
    };
    let dead =
        record.dead_entries().map_or_else(|| "–".to_owned(), |(dead, all)| format!("{dead}/{all}"));
    let metrics = record.metrics.iter().map(|(name, value)| format!(" {name} {value:.4}"));
    let share = |share: f64| {
        if share.is_nan() { "–".to_owned() } else { format!("{share:.4}") }
    };
    format!(
        "{:>7} {:6.4} {:6.4} {:>6} {:>6} {:7.5} {:>5} {:6.3} {:7.3} {:>7} {:>6} {:>7} {:>5} \
         {:5.2}{}",
        format!("{}/{epochs}", record.epoch),
        record.loss,
        record.val_loss,
        share(record.accuracy),
        share(record.val_accuracy),
        record.learning_rate,
        percent(Some(record.moved_share)),
        record.moved_distance,
        record.gradient_mapping,
        violation(record.violation),
        percent(record.active_share),
        dead,
        percent(record.largest_win_share()),
        record.seconds,
        metrics.collect::<String>()
    )
}

/// `1 epoch`, `2 epochs`.
pub(crate) fn epochs(count: usize) -> String {
    format!("{count} {}", if count == 1 { "epoch" } else { "epochs" })
}

/// `mean` with `decimals`, an en dash where there is nothing.
pub(crate) fn mean(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "–".to_owned(), |spread| format!("{:.decimals$}", spread.mean))
}

/// Mean seconds with about three digits.
pub(crate) fn seconds(spread: Option<Spread>) -> String {
    let decimals = spread.map_or(0, |spread| if spread.mean < 10.0 { 3 } else { 1 });
    mean(spread, decimals)
}

/// `min–max`, empty where there is nothing.
pub(crate) fn range(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(String::new, |spread| {
        format!("{:.decimals$}–{:.decimals$}", spread.min, spread.max)
    })
}

/// A constraint violation: exactly 0 where the constraint holds, else its magnitude.
pub(crate) fn violation(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.0e}") }
}

/// Epochs, best and restored validation accuracy of the published run.
pub(crate) fn published_cells(row: &ComparisonRow) -> Option<[String; 3]> {
    let run = row.published?;
    Some([
        run.epochs().len().to_string(),
        format!("{:.4}", run.best_val_accuracy()),
        format!("{:.4}", run.restored_val_accuracy()),
    ])
}

fn mean_and_range(spread: Option<Spread>, decimals: usize) -> String {
    match spread {
        Some(Spread { min, max, .. }) if min != max => {
            // The mean of a count needs a decimal that its range does not.
            format!("{} ({})", mean(spread, decimals.max(1)), range(spread, decimals))
        }
        _ => mean(spread, decimals),
    }
}

fn row(variant: &Variant, runs: &[&RunRecord]) -> ComparisonRow {
    let spread = |figure: &dyn Fn(&RunRecord) -> f64| {
        Spread::of(runs.iter().filter(|run| !run.epochs.is_empty()).map(|run| figure(run)))
    };
    // The weights of a run without epochs are measured too.
    let measured = runs.iter().filter(|run| run.confusion.total() > 0);
    let restored = Spread::of(measured.map(|run| run.restored_val_accuracy()));
    ComparisonRow {
        variant: variant.clone(),
        seeds: runs.iter().map(|run| run.seed).collect(),
        epochs: spread(&|run| run.epochs.len() as f64),
        best_val_accuracy: spread(&RunRecord::best_val_accuracy),
        restored_val_accuracy: restored,
        best_val_loss: spread(&RunRecord::best_val_loss),
        seconds_per_epoch: spread(&RunRecord::seconds_per_epoch),
        max_violation: worst(runs.iter().map(|run| run.max_constraint_violation)),
        final_violation: worst(runs.iter().map(|run| run.final_constraint_violation)),
        published: published::find(&variant.constraint).filter(|_| variant.is_projected_step()),
    }
}

fn footnotes(rows: &[ComparisonRow], dataset: &str) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.max_violation != 0.0) {
        let note = "Violation: the largest at the end of an epoch, and that of the weights kept \
            before they were projected at the end.";
        notes.push(("", note.to_owned()));
    }
    if rows.iter().any(|row| row.published.is_some()) {
        let mut note =
            "Published: the tutorial's single runs on 1,024 images of MNIST; seeds alone move \
             them by about a point."
                .to_owned();
        if !published::comparable(dataset) {
            note += &format!(
                " These runs are on {dataset}: compare the order of the rows, not the figures."
            );
        }
        notes.push(("", note));
    }
    for (mark, name, really) in [
        ("†", "non-positive", "clipped to [-1, 1] (here: lattice)"),
        (
            "‡",
            "non-positive-increasing",
            "clipped to [-1, 1] and then set the centre to 0 (here: lattice-zero-centre)",
        ),
    ] {
        if rows.iter().any(|row| row.mark() == mark) {
            notes.push((
                mark,
                format!(
                    "Published as {name}; at every public commit of that library that had \
                    both, the constraint {really}."
                ),
            ));
        }
    }
    notes
}

/// Whether the settings of an experiment hold validation images back, so that what is measured at
/// the end are other images than those that are watched.
fn has_validation(config: &str) -> bool {
    let config: Result<toml::Table, _> = config.parse();
    config.is_ok_and(|c| c.get("data").is_some_and(|data| data.get("validation").is_some()))
}

/// Breaks `text` at spaces into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            wrapped += "\n  ";
            length = 2;
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped += word;
        length += word_length;
    }
    wrapped.push('\n');
    wrapped
}
