//! What differs between runs, and the figures of each run and of each group of them, for a
//! terminal and for other programs.

use std::collections::BTreeMap;

use super::saved::{CompareError, SavedRun};
use crate::metrics::{Ended, RunMetrics};
use crate::tables::{Spread, mean, range};

/// What stands where a run has no such setting, or no such figure.
pub(super) const NONE: &str = "–";

/// The setting that tells the runs of a group apart.
const SEED: &str = "seed";

/// Runs side by side.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The runs, in the order given.
    pub runs: Vec<SavedRun>,
    /// Runs that a sweep wanted and that have no figures.
    pub failed: Vec<Failed>,
    /// The names of the settings that differ, the seed left out.
    pub keys: Vec<String>,
    /// Runs that differ in their seed only.
    pub groups: Vec<Group>,
    /// What has to be said about the comparison.
    pub notes: Vec<String>,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Short name of its data.
    pub dataset: String,
    /// Its settings.
    pub settings: Vec<(String, String)>,
    /// Why it failed.
    pub why: String,
}

/// Runs that differ in their seed only.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they have of [`Compared::keys`], in this order.
    pub values: Vec<String>,
    /// Which runs of [`Compared::runs`] these are.
    pub runs: Vec<usize>,
    /// Which of [`Compared::failed`] belong to it.
    pub failed: Vec<usize>,
}

/// A column of figures: its name, its heading in two lines, its decimals, and what it shows.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) heading: [String; 2],
    pub(super) decimals: usize,
    pub(super) of: Box<dyn Fn(&RunMetrics) -> f64>,
}

impl Compared {
    /// Compares runs. Runs on different data can be compared, and this is said.
    ///
    /// # Errors
    /// If a run is named twice, or some learn classes and others images.
    pub fn new(runs: Vec<SavedRun>, failed: Vec<Failed>) -> Result<Self, CompareError> {
        let real = |run: &SavedRun| run.path.canonicalize().unwrap_or_else(|_| run.path.clone());
        let places: Vec<_> = runs.iter().map(real).collect();
        if let Some(i) = (0..places.len()).find(|i| places[..*i].contains(&places[*i])) {
            return Err(CompareError::Twice { path: runs[i].path.clone() });
        }
        let of_classes = runs.iter().find(|run| run.has_classes());
        let of_images = runs.iter().find(|run| !run.has_classes());
        if let (Some(classes), Some(images)) = (of_classes, of_images) {
            let (classes, images) = (classes.path.clone(), images.path.clone());
            return Err(CompareError::Kinds { classes, images });
        }
        let mut this = Self { runs, failed, keys: Vec::new(), groups: Vec::new(), notes: vec![] };
        this.tell_apart();
        this.keys = this.differing();
        this.group();
        this.remark();
        Ok(this)
    }

    /// Puts the data, and the folder where nothing else tells two runs apart, among the settings.
    fn tell_apart(&mut self) {
        for run in &mut self.runs {
            run.settings.insert(0, ("data".to_owned(), run.dataset.clone()));
        }
        for failed in &mut self.failed {
            failed.settings.insert(0, ("data".to_owned(), failed.dataset.clone()));
        }
        let same = |a: &SavedRun, b: &SavedRun| a.settings == b.settings;
        let twins = (0..self.runs.len())
            .any(|i| self.runs[..i].iter().any(|other| same(other, &self.runs[i])));
        if twins {
            for run in &mut self.runs {
                // Runs of one training stay together.
                let folder = run.path.parent().unwrap_or(&run.path).display().to_string();
                run.settings.insert(0, ("folder".to_owned(), folder));
            }
        }
    }

    /// The settings of all runs, and of those that failed.
    fn settings(&self) -> impl Iterator<Item = &Vec<(String, String)>> {
        let failed = self.failed.iter().map(|failed| &failed.settings);
        self.runs.iter().map(|run| &run.settings).chain(failed)
    }

    fn differing(&self) -> Vec<String> {
        let mut keys: Vec<&str> = Vec::new();
        for (name, _) in self.settings().flatten() {
            if !keys.contains(&&name[..]) {
                keys.push(name);
            }
        }
        let values = |key: &str| self.settings().map(|all| value(all, key)).collect::<Vec<_>>();
        keys.retain(|key| {
            let all = values(key);
            *key != SEED && all.iter().any(|other| *other != all[0])
        });
        // A check sum says nothing more where the name tells the same runs apart.
        let told = |key: &str, by: &str| {
            let (sums, names) = (values(key), values(by));
            let same = |all: &[Option<&str>], i: usize, j: usize| all[i] == all[j];
            (0..sums.len()).all(|i| (0..i).all(|j| same(&sums, i, j) == same(&names, i, j)))
        };
        let names = [
            ("model.sha256", "model"),
            ("weights.sha256", "weights.file"),
            ("data.sha256", "data"),
            ("data.sha256", "data.resize"),
            ("data.sha256", "data.validation"),
        ];
        let is_told = |key: &str| names.iter().any(|(sum, name)| *sum == key && told(sum, name));
        keys.retain(|key| !is_told(key));
        keys.into_iter().map(str::to_owned).collect()
    }

    fn group(&mut self) {
        let keyed = |settings: &Vec<(String, String)>| -> Vec<String> {
            let of = |key: &String| value(settings, key).unwrap_or(NONE).to_owned();
            self.keys.iter().map(of).collect()
        };
        let mut groups: Vec<Group> = Vec::new();
        let mut at = |values: Vec<String>| {
            groups.iter().position(|group| group.values == values).unwrap_or_else(|| {
                groups.push(Group { values, runs: Vec::new(), failed: Vec::new() });
                groups.len() - 1
            })
        };
        let of_runs: Vec<usize> = self.runs.iter().map(|run| at(keyed(&run.settings))).collect();
        let of_failed: Vec<usize> =
            self.failed.iter().map(|failed| at(keyed(&failed.settings))).collect();
        of_runs.iter().enumerate().for_each(|(run, group)| groups[*group].runs.push(run));
        of_failed.iter().enumerate().for_each(|(run, group)| groups[*group].failed.push(run));
        self.groups = groups;
    }

    fn remark(&mut self) {
        let mut datasets: Vec<&str> = self.runs.iter().map(|run| &run.dataset[..]).collect();
        datasets.sort_unstable();
        datasets.dedup();
        if datasets.len() > 1 {
            let all = datasets.join(", ");
            self.notes.push(format!(
                "The runs are on different data ({all}): figures differ for that reason, too."
            ));
        }
        let cut = self.runs.iter().filter(|run| !is_finished(run)).count();
        if cut > 0 {
            self.notes.push(format!(
                "{cut} of {} runs were interrupted, or their loss was not finite: they stand in \
                 the table, and count in no mean.",
                self.runs.len()
            ));
        }
    }

    /// What a group is called: what differs, without the names of what speaks for itself.
    pub fn label(&self, group: &Group) -> String {
        let plain = ["constraint", "enforcement", "model", "data", "folder", "start", "optimizer"];
        let parts = self.keys.iter().zip(&group.values).filter(|(_, value)| *value != NONE);
        let parts = parts.map(|(key, value)| match plain.contains(&&key[..]) {
            true => value.clone(),
            false => format!("{key} {value}"),
        });
        let label = parts.collect::<Vec<_>>().join(", ");
        if label.is_empty() { "all runs".to_owned() } else { label }
    }

    /// Whether a group has more than one run, so that there are means.
    pub fn has_means(&self) -> bool {
        self.groups.iter().any(|group| group.runs.len() + group.failed.len() > 1)
    }

    /// The columns of figures that some run has.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |name: &str, heading: [&str; 2], decimals, of: fn(&RunMetrics) -> f64| {
            let heading = heading.map(str::to_owned);
            Figure { name: name.to_owned(), heading, decimals, of: Box::new(of) }
        };
        let mut all = vec![figure("epochs", ["", "epochs"], 0, |run| run.epochs as f64)];
        if self.runs.iter().any(SavedRun::has_classes) {
            let best = |run: &RunMetrics| run.best_val_accuracy;
            all.push(figure("best_val_accuracy", ["best val.", "accuracy"], 4, best));
            let restored = |run: &RunMetrics| run.restored_val_accuracy;
            all.push(figure("restored_val_accuracy", ["restored", "accuracy"], 4, restored));
        }
        all.push(figure("best_val_loss", ["best val.", "loss"], 4, |run| run.best_val_loss));
        let mut names: Vec<&String> =
            self.runs.iter().flat_map(|run| run.metrics.metrics.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let key = name.clone();
            let of = move |run: &RunMetrics| run.metrics.get(&key).copied().unwrap_or(f64::NAN);
            let heading = ["".to_owned(), name.clone()];
            all.push(Figure { name: name.clone(), heading, decimals: 4, of: Box::new(of) });
        }
        let violation = |run: &RunMetrics| run.max_constraint_violation;
        if self.runs.iter().any(|run| violation(&run.metrics) != 0.0) {
            all.push(figure("max_constraint_violation", ["max.", "violation"], 6, violation));
        }
        all.push(figure("train_seconds", ["", "seconds"], 1, |run| run.train_seconds));
        all
    }

    /// The spread of a figure over the finished runs of a group.
    pub(super) fn spread(&self, group: &Group, figure: &Figure) -> Option<Spread> {
        let finished = group.runs.iter().map(|i| &self.runs[*i]).filter(|run| is_finished(run));
        Spread::of(finished.map(|run| (figure.of)(&run.metrics)))
    }

    /// Mean and range of a figure of a group; the range is empty where its ends look the same.
    pub(super) fn shown(&self, group: &Group, figure: &Figure) -> [String; 2] {
        let spread = self.spread(group, figure);
        let differs = |s: Spread| number(s.min, figure.decimals) != number(s.max, figure.decimals);
        if spread.is_some_and(differs) {
            // The mean of counts needs a decimal that their range does not.
            [mean(spread, figure.decimals.max(1)), range(spread, figure.decimals)]
        } else {
            [mean(spread, figure.decimals), String::new()]
        }
    }

    /// How many runs of a group count.
    pub(super) fn count(&self, group: &Group) -> usize {
        group.runs.iter().filter(|i| is_finished(&self.runs[**i])).count()
    }

    /// The table of the runs for a terminal: a line each.
    pub fn text(&self) -> String {
        let figures = self.figures();
        let mut head = [vec![String::new()], vec!["run".to_owned()]];
        self.head(&mut head, SEED, &figures);
        head[0].push(String::new());
        head[1].push("ended".to_owned());
        let mut lines = Vec::from(head);
        for (run, group) in self.in_groups() {
            let mut line = vec![run.path.display().to_string()];
            line.extend(group.values.clone());
            line.push(run.metrics.seed.to_string());
            let value = |figure: &Figure| number((figure.of)(&run.metrics), figure.decimals);
            line.extend(figures.iter().map(value));
            line.push(ended(run).to_owned());
            lines.push(line);
        }
        grid(&lines, 1 + self.keys.len()) + &self.remarks()
    }

    /// The table of the groups: means, and below them the ranges over the seeds.
    pub fn means_text(&self) -> String {
        let figures = self.figures();
        let mut head = [Vec::new(), Vec::new()];
        self.head(&mut head, "seeds", &figures);
        let with_failed = !self.failed.is_empty();
        if with_failed {
            head[0].push(String::new());
            head[1].push("failed".to_owned());
        }
        let mut lines = Vec::from(head);
        for group in &self.groups {
            let mut line = group.values.clone();
            line.push(self.count(group).to_string());
            let mut below = vec![String::new(); line.len()];
            for figure in &figures {
                let [mean, range] = self.shown(group, figure);
                line.push(mean);
                below.push(range);
            }
            if with_failed {
                line.push(group.failed.len().to_string());
                below.push(String::new());
            }
            lines.push(line);
            if below.iter().any(|cell| !cell.is_empty()) {
                lines.push(below);
            }
        }
        grid(&lines, self.keys.len()) + &self.remarks()
    }

    fn head(&self, head: &mut [Vec<String>; 2], seed: &str, figures: &[Figure]) {
        for key in &self.keys {
            head[0].push(String::new());
            head[1].push(key.clone());
        }
        head[0].push(String::new());
        head[1].push(seed.to_owned());
        for figure in figures {
            head[0].push(figure.heading[0].clone());
            head[1].push(figure.heading[1].clone());
        }
    }

    fn remarks(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("{note}\n"));
        let failed = self.failed.iter().map(|failed| format!("failed: {}\n", self.failure(failed)));
        notes.chain(failed).collect()
    }

    /// A failed run in a line.
    pub(super) fn failure(&self, failed: &Failed) -> String {
        let mut parts: Vec<String> = Vec::new();
        for key in self.keys.iter().map(|key| &key[..]).chain([SEED]) {
            parts.extend(value(&failed.settings, key).map(|value| format!("{key} {value}")));
        }
        format!("{}: {}", parts.join(", "), failed.why)
    }

    /// The runs, group by group.
    pub(super) fn in_groups(&self) -> impl Iterator<Item = (&SavedRun, &Group)> {
        let runs = &self.runs;
        self.groups.iter().flat_map(move |group| group.runs.iter().map(move |i| (&runs[*i], group)))
    }

    /// The runs, and those that failed, as CSV: the folder, the settings that differ, the seed, the
    /// figures, why it ended or failed. A figure that is not finite is empty.
    pub fn csv(&self) -> String {
        let figures = self.figures();
        let mut rows = vec![vec!["run".to_owned()]];
        rows[0].extend(self.keys.iter().cloned());
        rows[0].push(SEED.to_owned());
        rows[0].extend(figures.iter().map(|figure| figure.name.clone()));
        rows[0].push("ended".to_owned());
        for (run, group) in self.in_groups() {
            let mut row = vec![run.path.display().to_string()];
            row.extend(group.values.iter().map(|value| blank(value).to_owned()));
            row.push(run.metrics.seed.to_string());
            row.extend(figures.iter().map(|figure| exact((figure.of)(&run.metrics))));
            row.push(ended(run).to_owned());
            rows.push(row);
        }
        for failed in &self.failed {
            let mut row = vec![String::new()];
            let keys = self.keys.iter().map(|key| &key[..]).chain([SEED]);
            row.extend(keys.map(|key| value(&failed.settings, key).unwrap_or("").to_owned()));
            row.extend(figures.iter().map(|_| String::new()));
            row.push(format!("failed: {}", failed.why));
            rows.push(row);
        }
        csv(&rows)
    }

    /// The groups as CSV: the settings that differ, how many runs count and how many failed, and of
    /// each figure the mean, the least and the largest value.
    pub fn means_csv(&self) -> String {
        let figures = self.figures();
        let mut rows = vec![self.keys.clone()];
        rows[0].extend(["seeds", "failed"].map(str::to_owned));
        for figure in &figures {
            rows[0].extend(["", "_min", "_max"].map(|end| format!("{}{end}", figure.name)));
        }
        for group in &self.groups {
            let mut row: Vec<String> =
                group.values.iter().map(|value| blank(value).to_owned()).collect();
            row.extend([self.count(group), group.failed.len()].map(|n| n.to_string()));
            for figure in &figures {
                let spread = self.spread(group, figure);
                let cells = spread.map(|Spread { mean, min, max }| [mean, min, max].map(exact));
                row.extend(cells.unwrap_or_default());
            }
            rows.push(row);
        }
        csv(&rows)
    }

    /// Both tables as JSON: `{"differs", "notes", "runs": [{"run", "settings", figures…,
    /// "ended"}], "failed": [{"settings", "why"}], "groups": [{"settings", "seeds", "failed",
    /// figures…: {"mean", "min", "max"}}]}`. A figure that is not finite is `null`.
    ///
    /// # Panics
    /// Never: texts and numbers can always be written.
    pub fn json(&self) -> String {
        use serde_json::{Map, Value, json};
        let figures = self.figures();
        let named = |all: &[(String, String)]| -> Value {
            let map: BTreeMap<&String, &String> = all.iter().map(|(k, v)| (k, v)).collect();
            json!(map)
        };
        let runs = self.in_groups().map(|(run, _)| {
            let mut row = Map::new();
            row.insert("run".to_owned(), json!(run.path.display().to_string()));
            row.insert("settings".to_owned(), named(&run.settings));
            for figure in &figures {
                row.insert(figure.name.clone(), json!((figure.of)(&run.metrics)));
            }
            row.insert("ended".to_owned(), json!(run.metrics.ended));
            Value::Object(row)
        });
        let groups = self.groups.iter().map(|group| {
            let values = self.keys.iter().cloned().zip(group.values.iter().cloned());
            let values: Vec<_> = values.filter(|(_, value)| value != NONE).collect();
            let mut row = Map::new();
            row.insert("settings".to_owned(), named(&values));
            row.insert("seeds".to_owned(), json!(self.count(group)));
            row.insert("failed".to_owned(), json!(group.failed.len()));
            for figure in &figures {
                let spread = self.spread(group, figure);
                let spread = spread.map(|s| json!({"mean": s.mean, "min": s.min, "max": s.max}));
                row.insert(figure.name.clone(), json!(spread));
            }
            Value::Object(row)
        });
        let failed = self
            .failed
            .iter()
            .map(|failed| json!({"settings": named(&failed.settings), "why": failed.why}));
        let all = json!({
            "differs": self.keys,
            "notes": self.notes,
            "runs": runs.collect::<Vec<_>>(),
            "failed": failed.collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
        });
        serde_json::to_string_pretty(&all).expect("texts and numbers always serialize") + "\n"
    }
}

/// Whether a run counts in means. Older metrics do not say why a run ended.
pub(super) fn is_finished(run: &SavedRun) -> bool {
    !matches!(run.metrics.ended, Some(Ended::Interrupted | Ended::NotFinite))
        && !run.epochs.is_empty()
}

/// Why a run ended, in a word or two.
pub(super) fn ended(run: &SavedRun) -> &'static str {
    match run.metrics.ended {
        Some(Ended::EarlyStopping) => "early stopping",
        Some(Ended::EpochLimit) => "all epochs",
        Some(Ended::Interrupted) => "interrupted",
        Some(Ended::NotFinite) => "loss not finite",
        None => NONE,
    }
}

pub(super) fn value<'a>(settings: &'a [(String, String)], key: &str) -> Option<&'a str> {
    settings.iter().find(|(name, _)| name == key).map(|(_, value)| &value[..])
}

/// A figure with its decimals.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { NONE.to_owned() }
}

fn exact(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

fn blank(value: &str) -> &str {
    if value == NONE { "" } else { value }
}

fn csv(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("rows of one length, in memory");
    }
    let bytes = writer.into_inner().expect("in memory");
    String::from_utf8(bytes).expect("texts")
}

/// Lines in columns, the first `left` of them words and so is the last; two lines of heading.
fn grid(lines: &[Vec<String>], left: usize) -> String {
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let words = |column: usize| column < left || lines[1][column] == "ended";
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1)) + "\n";
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        if number == 2 {
            text += &rule;
        }
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if words(column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text + &rule
}
