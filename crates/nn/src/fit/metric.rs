//! What is measured beside the loss: one number an epoch.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::network::one_of_each;

/// A number that is computed from the outputs and targets of all batches of an epoch, of the
/// training and of the validation in turn. Outputs of the training are those before each step, with
/// dropout on.
///
/// ```
/// use morphograd_nn::autodiff::{Graph, Var};
/// use morphograd_nn::{fit::Metric, tensor::ShapeError};
///
/// /// The largest error of any output.
/// #[derive(Default)]
/// struct LargestError(f64);
///
/// impl Metric<f32> for LargestError {
///     fn name(&self) -> &str {
///         "largest_error"
///     }
///
///     fn reset(&mut self) {
///         self.0 = 0.0;
///     }
///
///     fn update(
///         &mut self,
///         graph: &Graph<'_, f32>,
///         outputs: &[Var],
///         targets: &[Var],
///     ) -> Result<(), ShapeError> {
///         let (y, t) = (graph.value(outputs[0]).data, graph.value(targets[0]).data);
///         let errors = y.iter().zip(t).map(|(y, t)| f64::from((y - t).abs()));
///         self.0 = errors.fold(self.0, f64::max);
///         Ok(())
///     }
///
///     fn result(&self) -> f64 {
///         self.0
///     }
/// }
/// ```
pub trait Metric<T: Real> {
    /// Its name in the log of an epoch; of the validation it is `val_…`.
    fn name(&self) -> &str;

    /// Forgets everything: an epoch, or its validation, begins.
    fn reset(&mut self);

    /// Takes a batch in.
    ///
    /// # Errors
    /// If the outputs and targets are not of the kind that it measures.
    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError>;

    /// The number, for the batches taken in since the last reset.
    fn result(&self) -> f64;
}

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
    let classes = if batch == 0 { 0 } else { output.data.len() / batch };
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
