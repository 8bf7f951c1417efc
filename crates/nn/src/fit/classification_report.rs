//! scikit-learn's classification report, computed from a confusion matrix in exact ratios; rounding
//! happens only when it is printed, so that the text equals scikit-learn's to the byte.

use std::fmt;

use crate::fit::confusion_matrix::{ConfusionMatrix, ratio};

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

impl ConfusionMatrix {
    /// Precision, recall and F1 of every class.
    ///
    /// # Panics
    /// If there is not one name a class.
    pub fn report(&self, class_names: &[String]) -> ClassificationReport {
        ClassificationReport::new(self, class_names)
    }
}

impl ClassificationReport {
    pub(super) fn new(confusion: &ConfusionMatrix, class_names: &[String]) -> Self {
        assert_eq!(class_names.len(), confusion.classes(), "one name a class");
        let classes: Vec<(String, Scores)> = class_names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let hits = confusion.get(class, class);
                let predicted =
                    (0..confusion.classes()).map(|truth| confusion.get(truth, class)).sum::<u64>();
                let support =
                    (0..confusion.classes()).map(|other| confusion.get(class, other)).sum::<u64>();
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
        let mut confusion = ConfusionMatrix::new(N);
        for (truth, row) in rows.iter().enumerate() {
            for (predicted, count) in row.iter().enumerate() {
                (0..*count).for_each(|_| confusion.record(truth, predicted));
            }
        }
        confusion
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
}
