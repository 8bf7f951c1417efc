//! A model without training: what it makes of data, and what that costs.

use morphograd_autodiff::tensor::{Real, ShapeError, Tensor, parallel};
use morphograd_autodiff::{Graph, Mode, Params, Tape, Var};

use crate::fit::data_set::DataSet;
use crate::fit::error::{FitError, require};
use crate::fit::loss::Loss;
use crate::fit::metric::Metric;
use crate::fit::network::Network;

/// A model and what its outputs cost: what a training step and an evaluation record alike.
pub(super) struct Task<'a, T> {
    pub(super) model: &'a dyn Network<T>,
    pub(super) loss: &'a dyn Loss<T>,
}

impl<T: Real> Task<'_, T> {
    /// Records the loss of a few examples, and shows the metrics the outputs.
    pub(super) fn record(
        &self,
        graph: &mut Graph<'_, T>,
        data: &dyn DataSet<T>,
        examples: &[usize],
        metrics: &mut [&mut dyn Metric<T>],
    ) -> Result<Var, ShapeError> {
        let batch = data.gather(graph, examples)?;
        let outputs = self.model.outputs(graph, &batch.inputs)?;
        let loss = self.loss.loss(graph, &outputs, &batch.targets)?;
        for metric in metrics {
            metric.update(graph, &outputs, &batch.targets)?;
        }
        Ok(loss)
    }

    /// The loss of a few examples, with the penalties.
    pub(super) fn measure(
        &self,
        tape: &mut Tape<T>,
        params: &Params<T>,
        data: &dyn DataSet<T>,
        examples: &[usize],
        metrics: &mut [&mut dyn Metric<T>],
    ) -> Result<f64, ShapeError> {
        let mut graph = tape.record(params, Mode::Eval);
        let loss = self.record(&mut graph, data, examples, metrics)?;
        let loss = graph.penalized(loss);
        Ok(graph.value(loss).data[0].f64())
    }
}

/// The mean loss on data, with the penalties, in evaluation mode: without dropout, with the moving
/// averages of normalizations. The metrics are reset, and hold their results afterwards.
///
/// ```
/// use morphograd_nn::fit::{Accuracy, ConfusionMatrix, evaluate};
/// use morphograd_nn::{Dense, Sequential, SoftmaxCrossEntropy, autodiff::Params, tensor::Tensor};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("dense", Dense { units: 2, ..Dense::default() })
///     .build_model(&mut params, 0, [1])?;
/// let data = (Tensor::from_fn([4, 1], |i| i as f32 - 1.5), vec![0usize, 0, 1, 1]);
/// let (mut accuracy, mut confusion) = (Accuracy::default(), ConfusionMatrix::new(2));
/// let loss = evaluate(
///     &model,
///     &SoftmaxCrossEntropy,
///     &data,
///     32,
///     &params,
///     &mut [&mut accuracy, &mut confusion],
/// )?;
/// assert!(loss > 0.0 && accuracy.total == 4 && confusion.total() == 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If there are no examples, the batch size is 0, or the shapes do not fit.
pub fn evaluate<T: Real>(
    model: &dyn Network<T>,
    loss: &dyn Loss<T>,
    data: &dyn DataSet<T>,
    batch_size: usize,
    params: &Params<T>,
    metrics: &mut [&mut dyn Metric<T>],
) -> Result<f64, FitError> {
    let (task, mut tape) = (Task { model, loss }, Tape::new());
    let order = in_order(data, batch_size)?;
    metrics.iter_mut().for_each(|metric| metric.reset());
    let mut sum = 0.0;
    parallel::in_pool(|| {
        let mut batches = order.chunks(batch_size).peekable();
        while let Some(examples) = batches.next() {
            batches.peek().iter().for_each(|next| data.ahead(next));
            let loss = task.measure(&mut tape, params, data, examples, metrics)?;
            sum += loss * examples.len() as f64;
        }
        Ok(sum / order.len() as f64)
    })
}

/// The output of a network of one output for all examples, in their order, in evaluation mode.
///
/// # Errors
/// If there are no examples, the batch size is 0, the shapes do not fit, or there is not one
/// output.
pub fn predict<T: Real>(
    model: &dyn Network<T>,
    data: &dyn DataSet<T>,
    batch_size: usize,
    params: &Params<T>,
) -> Result<Tensor<T>, FitError> {
    let (mut tape, mut all) = (Tape::new(), Vec::new());
    let order = in_order(data, batch_size)?;
    let mut shape = None;
    parallel::in_pool(|| {
        let mut batches = order.chunks(batch_size).peekable();
        while let Some(examples) = batches.next() {
            batches.peek().iter().for_each(|next| data.ahead(next));
            let mut graph = tape.record(params, Mode::Eval);
            let batch = data.gather(&mut graph, examples)?;
            let outputs = model.outputs(&mut graph, &batch.inputs)?;
            let [output] = &*outputs else {
                let found = outputs.len().to_string();
                return Err(ShapeError::new("predict", "a network of one output", found).into());
            };
            let output = graph.value(*output);
            shape = Some(output.shape.unbatched());
            all.extend_from_slice(output.data);
        }
        let shape = shape.expect("at least one batch").batched(order.len());
        Ok(Tensor::from_vec(shape, all)?)
    })
}

/// The numbers of all examples.
pub(super) fn in_order<T: Real>(
    data: &dyn DataSet<T>,
    batch_size: usize,
) -> Result<Vec<usize>, FitError> {
    require(batch_size > 0, "a batch size of at least 1", batch_size)?;
    require(!data.is_empty(), "data of at least one example", "none")?;
    Ok((0..data.len()).collect())
}
