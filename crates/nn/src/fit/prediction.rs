//! Classes as a classifier predicts them, beside those that its targets say.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::loss::one_of_each;

/// The class of the largest logit, the first of tied ones; of a single logit, whether it is
/// positive.
///
/// ```
/// use morphograd_nn::fit::predicted_class;
/// assert_eq!(predicted_class(&[0.5, 2.0, 2.0]), 1);
/// assert_eq!(predicted_class(&[-0.5]), 0);
/// ```
pub fn predicted_class<T: Real>(logits: &[T]) -> usize {
    if let [logit] = logits {
        return usize::from(*logit > T::zero());
    }
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

/// Calls `record` with the true and the predicted class of every example of a batch.
pub(super) fn for_each_prediction<T: Real>(
    metric: &'static str,
    graph: &Graph<'_, T>,
    outputs: &[Var],
    targets: &[Var],
    mut record: impl FnMut(usize, usize),
) -> Result<(), ShapeError> {
    let [output, target] = one_of_each(metric, outputs, targets)?.map(|var| graph.value(var));
    let batch = output.shape.dims().first().copied().unwrap_or(0);
    let classes = output.data.len().checked_div(batch).unwrap_or(0);
    if classes == 0 || ![batch, batch * classes].contains(&target.data.len()) {
        return Err(ShapeError::new(
            metric,
            "logits of shape [batch, classes], and labels of shape [batch] or one-hot targets",
            format!("shapes {} and {}", output.shape, target.shape),
        ));
    }
    let rows = output.data.chunks_exact(classes);
    let is_one_hot = classes > 1 && target.data.len() == output.data.len();
    let width = if is_one_hot { classes } else { 1 };
    for (logits, target) in rows.zip(target.data.chunks_exact(width)) {
        let truth = if is_one_hot { predicted_class(target) } else { label(metric, target[0])? };
        record(truth, predicted_class(logits));
    }
    Ok(())
}

fn label<T: Real>(metric: &'static str, label: T) -> Result<usize, ShapeError> {
    label.to_usize().filter(|class| T::of(*class as f64) == label).ok_or_else(|| {
        ShapeError::new(metric, "labels that are whole numbers from 0", label.to_string())
    })
}
