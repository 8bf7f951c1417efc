//! Classification metrics: the confusion matrix, and scikit-learn's classification report computed
//! from it. Both are kept as counts and exact ratios; rounding happens only when they are printed,
//! so that the printed report equals scikit-learn's to the byte.

use std::fmt;

/// Counts of (true class, predicted class).
///
/// ```
/// use morphograd::metrics::ConfusionMatrix;
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

    /// Precision, recall and F1 of every class.
    ///
    /// # Panics
    /// If there is not one name a class.
    pub fn report(&self, class_names: &[String]) -> ClassificationReport {
        ClassificationReport::new(self, class_names)
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

/// The figures of one class, or an average of them. A ratio without a denominator (a class never
/// predicted) counts as 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// tp / (tp + fp): of the images given this class, the share that are of it.
    pub precision: f64,
    /// tp / (tp + fn): of the images of this class, the share given it.
    pub recall: f64,
    /// 2 tp / (2 tp + fp + fn), the harmonic mean of the two.
    pub f1: f64,
    /// Number of images of this class.
    pub support: u64,
}

/// What scikit-learn's `classification_report` prints; `Display` writes its text, byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationReport {
    /// Name and scores of every class, in label order.
    pub classes: Vec<(String, Scores)>,
    /// Share of the images classified correctly.
    pub accuracy: f64,
    /// Plain mean over the classes.
    pub macro_average: Scores,
    /// Mean over the classes weighted by their support.
    pub weighted_average: Scores,
}

impl ClassificationReport {
    fn new(confusion: &ConfusionMatrix, class_names: &[String]) -> Self {
        assert_eq!(class_names.len(), confusion.classes, "one name a class");
        let classes: Vec<(String, Scores)> = class_names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let hits = confusion.get(class, class);
                let predicted =
                    (0..confusion.classes).map(|truth| confusion.get(truth, class)).sum::<u64>();
                let support =
                    (0..confusion.classes).map(|other| confusion.get(class, other)).sum::<u64>();
                let scores = Scores {
                    precision: ratio(hits, predicted),
                    recall: ratio(hits, support),
                    f1: ratio(2 * hits, predicted + support),
                    support,
                };
                (name.clone(), scores)
            })
            .collect();
        let total = confusion.total();
        let average = |weight: &dyn Fn(&Scores) -> f64, weights: f64| {
            let mean = |score: &dyn Fn(&Scores) -> f64| {
                let terms: Vec<f64> =
                    classes.iter().map(|(_, scores)| score(scores) * weight(scores)).collect();
                if weights > 0.0 { sum_as_numpy(&terms) / weights } else { 0.0 }
            };
            Scores {
                precision: mean(&|scores| scores.precision),
                recall: mean(&|scores| scores.recall),
                f1: mean(&|scores| scores.f1),
                support: total,
            }
        };
        Self {
            accuracy: confusion.accuracy(),
            macro_average: average(&|_| 1.0, classes.len() as f64),
            weighted_average: average(&|scores| scores.support as f64, total as f64),
            classes,
        }
    }
}

impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.classes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let width = longest.max("weighted avg".len());
        let row = |f: &mut fmt::Formatter<'_>, name: &str, scores: &Scores| {
            let Scores { precision, recall, f1, support } = scores;
            writeln!(f, "{name:>width$}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}")
        };
        writeln!(
            f,
            "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n",
            "", "precision", "recall", "f1-score", "support"
        )?;
        for (name, scores) in &self.classes {
            row(f, name, scores)?;
        }
        let (accuracy, support) = (self.accuracy, self.weighted_average.support);
        writeln!(f, "\n{:>width$}  {:>9} {:>9} {accuracy:>9.2} {support:>9}", "accuracy", "", "")?;
        row(f, "macro avg", &self.macro_average)?;
        row(f, "weighted avg", &self.weighted_average)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The sum in NumPy's order (of up to 128 terms): eight interleaved partial sums, combined in
/// pairs. A mean that lies within one unit in the last place of a rounding boundary is otherwise
/// printed differently from scikit-learn.
fn sum_as_numpy(terms: &[f64]) -> f64 {
    let (blocks, rest) = terms.as_chunks::<8>();
    let Some((first, others)) = blocks.split_first() else {
        return rest.iter().sum();
    };
    let mut lanes = *first;
    for block in others {
        for (lane, term) in lanes.iter_mut().zip(block) {
            *lane += term;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, term| sum + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const N: usize>(rows: [[u64; N]; N]) -> ConfusionMatrix {
        ConfusionMatrix { classes: N, counts: rows.concat() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The matrix printed in the tutorial for the layer without constraint.
    fn published() -> ConfusionMatrix {
        matrix([
            [946, 0, 6, 1, 0, 3, 13, 2, 6, 3],
            [0, 1102, 5, 1, 1, 1, 3, 4, 16, 2],
            [5, 0, 983, 7, 6, 1, 4, 14, 8, 4],
            [0, 0, 25, 918, 1, 34, 1, 8, 14, 9],
            [2, 1, 3, 1, 864, 0, 12, 6, 9, 84],
            [1, 2, 1, 11, 3, 840, 8, 1, 19, 6],
            [4, 5, 1, 0, 7, 12, 926, 0, 3, 0],
            [0, 4, 29, 7, 4, 0, 0, 914, 6, 64],
            [25, 2, 12, 11, 12, 17, 7, 14, 820, 54],
            [5, 4, 2, 9, 25, 7, 1, 14, 3, 939],
        ])
    }

    #[test]
    fn accuracy_is_the_share_on_the_diagonal() {
        assert_eq!(published().accuracy(), 0.9252);
        assert_eq!(published().total(), 10_000);
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
    fn the_report_is_scikit_learns() {
        let labels: Vec<String> = (0..10).map(|label| label.to_string()).collect();
        // Printed by scikit-learn 1.9.1 for the same matrix.
        let expected = concat!(
            "              precision    recall  f1-score   support\n",
            "\n",
            "           0       0.96      0.97      0.96       980\n",
            "           1       0.98      0.97      0.98      1135\n",
            "           2       0.92      0.95      0.94      1032\n",
            "           3       0.95      0.91      0.93      1010\n",
            "           4       0.94      0.88      0.91       982\n",
            "           5       0.92      0.94      0.93       892\n",
            "           6       0.95      0.97      0.96       958\n",
            "           7       0.94      0.89      0.91      1028\n",
            "           8       0.91      0.84      0.87       974\n",
            "           9       0.81      0.93      0.86      1009\n",
            "\n",
            "    accuracy                           0.93     10000\n",
            "   macro avg       0.93      0.92      0.92     10000\n",
            "weighted avg       0.93      0.93      0.93     10000\n",
        );
        assert_eq!(published().report(&labels).to_string(), expected);
    }

    #[test]
    fn the_report_handles_long_names_and_classes_never_seen_as_scikit_learn() {
        let confusion = matrix([[5, 0, 1, 0], [2, 0, 3, 0], [0, 0, 8, 0], [0, 0, 0, 0]]);
        let names = names(&["T-shirt/top", "Trouser", "an uncommonly long name", "never"]);
        // Printed by scikit-learn 1.9.1 with `labels`, `target_names` and `zero_division=0`.
        let expected = concat!(
            "                         precision    recall  f1-score   support\n",
            "\n",
            "            T-shirt/top       0.71      0.83      0.77         6\n",
            "                Trouser       0.00      0.00      0.00         5\n",
            "an uncommonly long name       0.67      1.00      0.80         8\n",
            "                  never       0.00      0.00      0.00         0\n",
            "\n",
            "               accuracy                           0.68        19\n",
            "              macro avg       0.35      0.46      0.39        19\n",
            "           weighted avg       0.51      0.68      0.58        19\n",
        );
        assert_eq!(confusion.report(&names).to_string(), expected);
    }

    #[test]
    fn averages_round_as_scikit_learns() {
        let labels: Vec<String> = (0..10).map(|label| label.to_string()).collect();
        // Found by comparing random matrices: summed in plain order, this macro average of the
        // precision prints as 0.23.
        let confusion = matrix([
            [1, 1, 0, 0, 0, 0, 0, 1, 0, 0],
            [0, 0, 1, 1, 1, 0, 0, 0, 0, 0],
            [0, 1, 1, 0, 1, 0, 0, 0, 1, 0],
            [1, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            [1, 0, 0, 0, 0, 0, 1, 0, 0, 0],
            [1, 0, 0, 1, 0, 1, 1, 0, 0, 0],
            [0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
            [0, 0, 0, 1, 0, 0, 0, 1, 1, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            [0, 1, 0, 0, 0, 0, 1, 1, 1, 0],
        ]);
        let report = confusion.report(&labels).to_string();
        assert!(
            report.contains("   macro avg       0.22      0.22      0.16        28\n"),
            "{report}"
        );
    }

    #[test]
    fn an_empty_report_is_all_zero() {
        let report = ConfusionMatrix::new(2).report(&names(&["a", "b"]));
        assert_eq!(
            report.weighted_average,
            Scores { precision: 0.0, recall: 0.0, f1: 0.0, support: 0 }
        );
    }

    #[test]
    fn the_matrix_prints_aligned() {
        let confusion = matrix([[5, 0], [12, 3]]);
        assert_eq!(
            confusion.to_string(),
            "true   0   1  <- predicted\n0      5   0\n1     12   3\n"
        );
        assert_eq!(
            confusion.text(&names(&["T-shirt/top", "Bag"])),
            "true            0   1  <- predicted\n0 T-shirt/top   5   0\n1 Bag          12   3\n"
        );
    }
}
