//! The figures published in the tutorial "Constraining on parameters for Deep Learning", to compare
//! with. The training logs printed there are embedded as CSV files and every figure is read from
//! them, so no constant can disagree with its log.

/// One line of a published training log. Figures have the four decimals that Keras prints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedEpoch {
    /// 1 for the first epoch.
    pub epoch: usize,
    /// Training loss.
    pub loss: f64,
    /// Training accuracy, in [0, 1].
    pub accuracy: f64,
    /// Loss on the 10,000 test images.
    pub val_loss: f64,
    /// Accuracy on the 10,000 test images, in [0, 1].
    pub val_accuracy: f64,
    /// Learning rate during the epoch.
    pub learning_rate: f64,
}

/// One published run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Constraint the tutorial names, as given to `--constraint`.
    pub constraint: &'static str,
    /// Constraint that the library really applied under that name at every public commit having all
    /// of them, where it differs.
    pub as_run: Option<&'static str>,
    log: &'static str,
}

/// The four published runs, in the tutorial's order: 1,024 training images (the first of MNIST),
/// 10,000 test images.
pub const PUBLISHED: [Published; 4] = [
    Published {
        constraint: "none",
        as_run: None,
        log: include_str!("../data/published/dilation.csv"),
    },
    Published {
        constraint: "non-negative",
        as_run: None,
        log: include_str!("../data/published/non_negative.csv"),
    },
    Published {
        constraint: "non-positive",
        as_run: Some("lattice"),
        log: include_str!("../data/published/non_positive.csv"),
    },
    Published {
        constraint: "non-positive-increasing",
        as_run: Some("lattice-zero-centre"),
        log: include_str!("../data/published/non_positive_increasing.csv"),
    },
];

/// The published run to hold against runs of `constraint`: the one the tutorial names so, or the
/// one that was really run so.
pub fn find(constraint: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|run| run.constraint == constraint || run.as_run == Some(constraint))
}

/// Whether figures on this data set (a name, or the path of a folder called so) can be held against
/// the published ones, of MNIST.
pub fn comparable(dataset: &str) -> bool {
    std::path::Path::new(dataset).file_name().is_some_and(|name| name.eq_ignore_ascii_case("mnist"))
}

impl Published {
    /// The log, one entry an epoch.
    pub fn epochs(&self) -> Vec<PublishedEpoch> {
        parse(self.log)
    }

    /// Highest validation accuracy of any epoch.
    pub fn best_val_accuracy(&self) -> f64 {
        self.epochs().iter().map(|epoch| epoch.val_accuracy).fold(0.0, f64::max)
    }

    /// Validation accuracy of the restored weights: those of the epoch with the lowest training
    /// loss.
    pub fn restored_val_accuracy(&self) -> f64 {
        let epochs = self.epochs();
        epochs
            .iter()
            .min_by(|a, b| a.loss.total_cmp(&b.loss))
            .map_or(0.0, |epoch| epoch.val_accuracy)
    }
}

/// Panics on a malformed line: the files are compiled in, and a test reads all of them.
fn parse(log: &str) -> Vec<PublishedEpoch> {
    let mut lines = log.lines();
    assert_eq!(
        lines.next(),
        Some("epoch,ms_per_step,loss,accuracy,val_loss,val_accuracy,lr"),
        "published log"
    );
    lines
        .map(|line| {
            let fields: Vec<f64> = line
                .split(',')
                .map(|field| field.parse().expect("a number in a published log"))
                .collect();
            let [epoch, _, loss, accuracy, val_loss, val_accuracy, learning_rate] = fields[..]
            else {
                panic!("published log: expected 7 fields, found {line:?}");
            };
            PublishedEpoch {
                epoch: epoch as usize,
                loss,
                accuracy,
                val_loss,
                val_accuracy,
                learning_rate,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_give_the_published_figures() {
        let figures: Vec<_> = PUBLISHED
            .iter()
            .map(|run| {
                (
                    run.constraint,
                    run.epochs().len(),
                    run.best_val_accuracy(),
                    run.restored_val_accuracy(),
                )
            })
            .collect();
        assert_eq!(
            figures,
            [
                ("none", 69, 0.9255, 0.9252),
                ("non-negative", 77, 0.9343, 0.9331),
                ("non-positive", 79, 0.9293, 0.9277),
                ("non-positive-increasing", 77, 0.9291, 0.9280),
            ]
        );
    }

    #[test]
    fn a_log_is_read_in_order() {
        for run in PUBLISHED {
            let epochs = run.epochs();
            assert!(
                epochs.iter().enumerate().all(|(index, epoch)| epoch.epoch == index + 1),
                "{run:?}"
            );
            assert!(
                epochs.windows(2).all(|pair| pair[1].learning_rate <= pair[0].learning_rate),
                "{run:?}"
            );
        }
        let first = PublishedEpoch {
            epoch: 1,
            loss: 2.2667,
            accuracy: 0.2607,
            val_loss: 1.6904,
            val_accuracy: 0.524,
            learning_rate: 0.01,
        };
        assert_eq!(PUBLISHED[0].epochs()[0], first);
    }

    #[test]
    #[should_panic(expected = "expected 7 fields")]
    fn a_short_line_is_refused() {
        parse("epoch,ms_per_step,loss,accuracy,val_loss,val_accuracy,lr\n1,302,2.2667");
    }

    #[test]
    fn a_run_is_found_under_both_readings() {
        assert_eq!(find("lattice"), find("non-positive"));
        assert_eq!(find("lattice-zero-centre"), find("non-positive-increasing"));
        assert_eq!(find("unit-norm"), None);
    }

    #[test]
    fn only_mnist_is_comparable() {
        assert!(comparable("mnist") && comparable("data/MNIST"));
        assert!(!comparable("fashion-mnist") && !comparable("digits") && !comparable(""));
    }
}
