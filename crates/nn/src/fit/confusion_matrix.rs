//! The confusion matrix, kept as counts.

use std::fmt;

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::metric::Metric;
use crate::fit::prediction::for_each_prediction;

/// Counts of (true class, predicted class). As a [`Metric`] it takes the outputs and targets that
/// [`Accuracy`](crate::fit::Accuracy) takes, and its number is the accuracy.
///
/// ```
/// use morphograd_nn::fit::ConfusionMatrix;
///
/// let mut confusion = ConfusionMatrix::new(2);
/// for (truth, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     confusion.record(truth, predicted);
/// }
/// assert_eq!(confusion.get(0, 1), 1);
/// assert_eq!(confusion.accuracy(), 0.75);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// The matrix of `classes` classes before any image was seen.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts one image of class `truth` that was classified as `predicted`.
    ///
    /// # Panics
    /// If either is not below the number of classes: labels are checked where data are read.
    pub fn record(&mut self, truth: usize, predicted: usize) {
        let cell = self.cell(truth, predicted);
        self.counts[cell] += 1;
    }

    /// Adds the counts of another matrix, for example of another batch.
    ///
    /// # Panics
    /// If the two have different numbers of classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.classes, other.classes,
            "confusion matrices of different numbers of classes"
        );
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// How many images of class `truth` were classified as `predicted`.
    ///
    /// # Panics
    /// If either is not below the number of classes.
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[self.cell(truth, predicted)]
    }

    /// The rows, one a true class, in label order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        // A chunk length of zero is not allowed; with no classes there is no chunk either.
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// Number of images counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of the images on the diagonal, in [0, 1]; 0 when nothing was counted.
    pub fn accuracy(&self) -> f64 {
        let correct = (0..self.classes).map(|class| self.get(class, class)).sum();
        ratio(correct, self.total())
    }

    /// The matrix as text: true classes as rows, predicted classes as columns, aligned. Where the
    /// names are too long to head the columns, columns are headed by the label and rows by label
    /// and name.
    ///
    /// # Panics
    /// If there is not one name a class.
    pub fn text(&self, class_names: &[String]) -> String {
        assert_eq!(class_names.len(), self.classes, "one name a class");
        let numbered = class_names.iter().any(|name| name.chars().count() > 6);
        let columns: Vec<String> = if numbered {
            (0..self.classes).map(|label| label.to_string()).collect()
        } else {
            class_names.to_vec()
        };
        let label_width = self.classes.saturating_sub(1).to_string().len();
        let rows: Vec<String> = if numbered {
            class_names
                .iter()
                .enumerate()
                .map(|(label, name)| format!("{label:>label_width$} {name}"))
                .collect()
        } else {
            class_names.to_vec()
        };
        let largest = self.counts.iter().max().map_or(1, |count| count.to_string().len());
        let column_width =
            columns.iter().map(|name| name.chars().count()).max().unwrap_or(1).max(largest);
        let row_width =
            rows.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("true".len());

        let mut text = format!("{:row_width$}", "true");
        for name in &columns {
            text += &format!("  {name:>column_width$}");
        }
        text += "  <- predicted\n";
        for (name, counts) in rows.iter().zip(self.rows()) {
            text += &format!("{name:row_width$}");
            for count in counts {
                text += &format!("  {count:>column_width$}");
            }
            text.push('\n');
        }
        text
    }

    fn cell(&self, truth: usize, predicted: usize) -> usize {
        assert!(
            truth < self.classes && predicted < self.classes,
            "({truth}, {predicted}) recorded among {} classes",
            self.classes
        );
        truth * self.classes + predicted
    }
}

impl fmt::Display for ConfusionMatrix {
    /// [`ConfusionMatrix::text`] with the labels as names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = (0..self.classes).map(|label| label.to_string()).collect();
        f.write_str(&self.text(&names))
    }
}

impl<T: Real> Metric<T> for ConfusionMatrix {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        self.counts.fill(0);
    }

    /// # Panics
    /// If a label is not below the number of classes.
    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError> {
        for_each_prediction("confusion matrix", graph, outputs, targets, |truth, predicted| {
            self.record(truth, predicted);
        })
    }

    fn result(&self) -> f64 {
        self.accuracy()
    }

    fn sums(&self) -> Option<Vec<f64>> {
        Some(self.counts.iter().map(|count| *count as f64).collect())
    }

    fn set_sums(&mut self, sums: &[f64]) {
        self.counts.iter_mut().zip(sums).for_each(|(count, sum)| *count = *sum as u64);
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const N: usize>(rows: [[u64; N]; N]) -> ConfusionMatrix {
        ConfusionMatrix { classes: N, counts: rows.concat() }
    }

    #[test]
    fn accuracy_is_the_share_on_the_diagonal() {
        assert_eq!(matrix([[946, 34], [20, 0]]).accuracy(), 0.946);
        assert_eq!(matrix([[946, 34], [20, 0]]).total(), 1000);
        assert_eq!(ConfusionMatrix::new(3).accuracy(), 0.0);
    }

    #[test]
    fn counting_in_parts_and_merging_is_counting() {
        let pairs = [(0, 1), (2, 2), (1, 0), (2, 0), (2, 2)];
        let count = |pairs: &[(usize, usize)]| {
            let mut confusion = ConfusionMatrix::new(3);
            pairs.iter().for_each(|&(truth, predicted)| confusion.record(truth, predicted));
            confusion
        };
        let mut merged = count(&pairs[..2]);
        merged.merge(&count(&pairs[2..]));
        assert_eq!(merged, count(&pairs));
        assert_eq!(merged.rows().collect::<Vec<_>>(), [[0, 1, 0], [1, 0, 0], [1, 0, 2]]);
    }

    #[test]
    #[should_panic(expected = "recorded among 2 classes")]
    fn a_class_out_of_range_is_a_bug() {
        ConfusionMatrix::new(2).record(0, 2);
    }

    #[test]
    fn the_matrix_prints_aligned() {
        let confusion = matrix([[5, 0], [12, 3]]);
        assert_eq!(
            confusion.to_string(),
            "true   0   1  <- predicted\n0      5   0\n1     12   3\n"
        );
        assert_eq!(
            confusion.text(&["T-shirt/top".to_owned(), "Bag".to_owned()]),
            "true            0   1  <- predicted\n0 T-shirt/top   5   0\n1 Bag          12   3\n"
        );
    }
}
