//! What is measured beside the loss: one number an epoch.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

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
pub trait Metric<T: Real>: Send {
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

    /// What it has summed up since the last reset, if that is all it remembers: the sums of two
    /// parts of the data, added, are those of the whole. By default it does not say, and a training
    /// cannot go on within an epoch ([`Backup`](crate::fit::Backup)) nor be made in
    /// [shards](crate::fit::Fit::shards).
    fn sums(&self) -> Option<Vec<f64>> {
        None
    }

    /// Goes on from [`sums`](Self::sums), of which there are as many as it gave.
    fn set_sums(&mut self, _sums: &[f64]) {}
}

/// The only output and the only target, as numbers of one shape.
pub(super) fn of_one_shape<'g, T: Real>(
    what: &'static str,
    graph: &'g Graph<'_, T>,
    outputs: &[Var],
    targets: &[Var],
) -> Result<(&'g [T], &'g [T]), ShapeError> {
    let (y, t) = match (outputs, targets) {
        (&[y], &[t]) => (graph.value(y), graph.value(t)),
        _ => {
            let found = format!("{} and {}", outputs.len(), targets.len());
            return Err(ShapeError::new(what, "one output and one target", found));
        }
    };
    if y.shape != t.shape {
        let expected = format!("targets of shape {}", y.shape);
        return Err(ShapeError::new(what, expected, format!("shape {}", t.shape)));
    }
    Ok((y.data, t.data))
}
