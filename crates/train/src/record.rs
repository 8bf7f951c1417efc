//! What an experiment leaves behind, as plain data: the loop fills these structs, the report, the
//! CSV, the JSON and the terminal tables only read them. Nothing here is computed beyond what
//! follows from the fields at once, and nothing prints.

use std::fmt;

use morphograd_morphology::nn::fit::ConfusionMatrix;

use crate::initial::Loaded;
use crate::registry::ENFORCEMENTS;

/// One epoch of one run. Training figures are running means over the epoch's batches, measured
/// before each update with dropout on (as Keras does); validation figures are measured after the
/// last update.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EpochRecord {
    /// 1 for the first epoch.
    pub epoch: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Share of training images classified correctly, in [0, 1]; NaN where there are no classes.
    pub accuracy: f64,
    /// Validation loss.
    pub val_loss: f64,
    /// Validation accuracy, in [0, 1]; NaN where there are no classes.
    pub val_accuracy: f64,
    /// Learning rate during this epoch.
    pub learning_rate: f64,
    /// Mean over the steps: share of the constrained coordinates that the projection moved, in [0,
    /// 1].
    pub moved_share: f64,
    /// Mean over the steps: Euclidean distance the projection moved the parameters.
    pub moved_distance: f64,
    /// Mean over the steps: norm of the gradient.
    pub gradient_norm: f64,
    /// Mean over the steps: norm of the gradient mapping
    /// ([`StepReport::gradient_mapping`](crate::morphology::nn::optim::StepReport)), of the
    /// minibatch.
    pub gradient_mapping: f64,
    /// Largest distance of a parameter from its set at the end of the epoch; 0 when every
    /// constraint holds.
    pub violation: f64,
    /// Share of the coordinates that lie on the boundary of their set at the end of the epoch, in
    /// [0, 1]; of the parameters whose set counts them
    /// ([`Constraint::active`](crate::morphology::nn::autodiff::sets::Constraint::active)), nothing
    /// without any.
    pub active_share: Option<f64>,
    /// What the entries of each structuring function won at the end of the epoch, one record a
    /// filter; empty where nobody asked.
    pub filters: Vec<FilterWins>,
    /// Wall-clock seconds of the epoch, validation included.
    pub seconds: f64,
    /// What else was measured, with its name: metrics beside the accuracy.
    pub metrics: Vec<(String, f64)>,
}

/// How the wins of one filter are spread over the entries of its structuring function.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FilterWins {
    /// Entries of the structuring function.
    pub entries: usize,
    /// Entries that won no output: no gradient reaches them.
    pub dead: usize,
    /// Share of the outputs that the winner-most entry won, in [0, 1].
    pub largest_share: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The training loss did not improve for this many epochs.
    EarlyStopping {
        /// Epochs without improvement.
        patience: usize,
    },
    /// The configured number of epochs was reached.
    EpochLimit,
    /// The user pressed Ctrl-C.
    Interrupted,
    /// The loss was not a finite number.
    NotFinite {
        /// Epoch of the bad step, from 1.
        epoch: usize,
        /// The bad step within the epoch, from 1.
        step: usize,
    },
}

/// A few images of one size, channels last: `data[((i * height + y) * width + x)]`, one grey image
/// after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Gallery {
    /// Height of every image in pixels.
    pub height: usize,
    /// Width of every image in pixels.
    pub width: usize,
    /// `count * height * width` values, image by image, row by row.
    pub data: Vec<f32>,
}

/// What is compared: a constraint and the way to enforce it. Its text names figures and folders:
/// `non-positive`, or `non-positive by penalty` where it is not the projected step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Name of the constraint, as given to `--constraint`.
    pub constraint: String,
    /// Name of the way to enforce it, as given to `--enforcement`.
    pub enforcement: String,
}

/// One run: one variant, one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The constraint and how it was enforced.
    pub variant: Variant,
    /// Seed of the run.
    pub seed: u64,
    /// The weights that it started from, where it is not the seed that decided them.
    pub loaded: Option<Loaded>,
    /// The epochs, in order.
    pub epochs: Vec<EpochRecord>,
    /// Epoch (from 1) whose weights were restored and saved: the one with the lowest training loss.
    pub restored_epoch: usize,
    /// Validation confusion matrix of the restored weights; its accuracy is the restored accuracy.
    pub confusion: ConfusionMatrix,
    /// Learned structuring functions, one image a filter.
    pub filters: Gallery,
    /// How many outputs each entry of them won, one image a filter: with the restored weights, on
    /// the first batch of validation images.
    pub wins: Gallery,
    /// The digit shown to the filters (one image).
    pub digit: Gallery,
    /// The filters' outputs on that digit, one image a filter.
    pub feature_maps: Gallery,
    /// Why the run ended.
    pub stop: Stop,
    /// Seconds from the first step to the end of the last epoch.
    pub train_seconds: f64,
    /// Largest constraint violation seen at the end of any epoch.
    pub max_constraint_violation: f64,
    /// Constraint violation of the restored weights before the projection that ends a run: what a
    /// way to enforce that only leads towards the set has left over.
    pub final_constraint_violation: f64,
}

/// The whole experiment: what was run, on what, and every run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRecord {
    /// Short name of the data set (`mnist`, `fashion-mnist`, `digits`, or the folder given).
    pub dataset: String,
    /// One sentence saying which data were used and why.
    pub dataset_note: String,
    /// Names of the classes, in label order.
    pub class_names: Vec<String>,
    /// Keras-style model summary.
    pub summary: String,
    /// The configuration, as written to `config.toml`.
    pub config: String,
    /// Threads used.
    pub threads: usize,
    /// The runs, in the order they were made.
    pub runs: Vec<RunRecord>,
}

impl Variant {
    /// Whether it is enforced by the projected step, the tutorial's way and the first of
    /// [`ENFORCEMENTS`].
    pub fn is_projected_step(&self) -> bool {
        self.enforcement == ENFORCEMENTS[0].name
    }
}

impl From<&str> for Variant {
    /// A constraint enforced by the projected step.
    fn from(constraint: &str) -> Self {
        Self { constraint: constraint.to_owned(), enforcement: ENFORCEMENTS[0].name.to_owned() }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.constraint)?;
        if self.is_projected_step() { Ok(()) } else { write!(f, " by {}", self.enforcement) }
    }
}

/// The largest violation, 0 without any; one that is not a number is the worst there is.
pub(crate) fn worst(violations: impl Iterator<Item = f64>) -> f64 {
    // `f64::max` would drop it.
    violations.fold(0.0, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

impl ExperimentRecord {
    /// The runs of one variant, in order.
    pub fn runs_of(&self, variant: &Variant) -> Vec<&RunRecord> {
        self.runs.iter().filter(|run| run.variant == *variant).collect()
    }
}

impl Gallery {
    /// The images, each `height * width` values. None if the size is zero.
    pub fn images(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact((self.height * self.width).max(1))
    }
}

impl FilterWins {
    /// From the number of outputs that each entry of a filter won; without any output the largest
    /// share is 0.
    pub fn of(wins: impl Iterator<Item = f64>) -> Self {
        let (mut this, mut all, mut largest) = (Self::default(), 0.0, 0.0_f64);
        for wins in wins {
            this.entries += 1;
            this.dead += usize::from(wins == 0.0);
            all += wins;
            largest = largest.max(wins);
        }
        this.largest_share = if all > 0.0 { largest / all } else { 0.0 };
        this
    }
}

impl EpochRecord {
    /// Dead entries of all filters and the number of all entries; nothing where wins were not
    /// counted.
    pub fn dead_entries(&self) -> Option<(usize, usize)> {
        let sum = |of: fn(&FilterWins) -> usize| self.filters.iter().map(of).sum();
        (!self.filters.is_empty())
            .then(|| (sum(|filter| filter.dead), sum(|filter| filter.entries)))
    }

    /// Mean over the filters of the share of the winner-most entry; nothing where wins were not
    /// counted.
    pub fn largest_win_share(&self) -> Option<f64> {
        let sum: f64 = self.filters.iter().map(|filter| filter.largest_share).sum();
        (!self.filters.is_empty()).then(|| sum / self.filters.len() as f64)
    }
}

impl RunRecord {
    /// Highest validation accuracy of any epoch, NaN without epochs.
    pub fn best_val_accuracy(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.val_accuracy).fold(f64::NAN, f64::max)
    }

    /// First epoch (from 1) of the highest validation accuracy, 0 without epochs.
    pub fn best_epoch(&self) -> usize {
        let best = self.best_val_accuracy();
        self.epochs.iter().find(|epoch| epoch.val_accuracy == best).map_or(0, |epoch| epoch.epoch)
    }

    /// Validation accuracy of the restored weights, NaN without classes.
    pub fn restored_val_accuracy(&self) -> f64 {
        if self.confusion.classes() == 0 { f64::NAN } else { self.confusion.accuracy() }
    }

    /// The [other metrics](EpochRecord::metrics) of the epoch whose weights were restored.
    pub fn restored_metrics(&self) -> &[(String, f64)] {
        let epoch = self.epochs.iter().find(|epoch| epoch.epoch == self.restored_epoch);
        epoch.map_or(&[], |epoch| &epoch.metrics)
    }

    /// Lowest validation loss of any epoch, NaN without epochs.
    pub fn best_val_loss(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.val_loss).fold(f64::NAN, f64::min)
    }

    /// Mean wall-clock seconds of an epoch, 0 without epochs.
    pub fn seconds_per_epoch(&self) -> f64 {
        self.train_seconds / self.epochs.len().max(1) as f64
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EarlyStopping { patience } => {
                write!(f, "no better training loss for {patience} epochs")
            }
            Self::EpochLimit => f.write_str("epoch limit reached"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::NotFinite { epoch, step } => {
                write!(f, "loss not finite at epoch {epoch}, step {step}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wins_of_a_filter_are_summed_up_also_without_any() {
        let wins = FilterWins::of([2.0, 0.0, 5.0, 0.0, 1.0].into_iter());
        assert_eq!(wins, FilterWins { entries: 5, dead: 2, largest_share: 0.625 });
        let none = FilterWins::of([0.0; 4].into_iter());
        assert_eq!(none, FilterWins { entries: 4, dead: 4, largest_share: 0.0 });
        let filters = vec![wins, none];
        let epoch = EpochRecord { filters, ..EpochRecord::default() };
        assert_eq!((epoch.dead_entries(), epoch.largest_win_share()), (Some((6, 9)), Some(0.3125)));
        assert_eq!(EpochRecord::default().dead_entries(), None);
    }
}
