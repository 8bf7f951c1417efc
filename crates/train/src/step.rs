//! One training step, from the images to the changed parameters: the whole of projected gradient on
//! one page.

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::loss::SoftmaxCrossEntropy;
use morphograd_morphology::nn::optim::{OptimizerError, StepReport};
use morphograd_morphology::nn::tensor::ShapeError;
use morphograd_morphology::nn::{Layer, Model, Optimizer};

use crate::data::Images;

/// What a step measured, before it changed the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// Mean loss of the batch, with the penalties.
    pub loss: f64,
    /// Images of the batch classified correctly, with dropout on.
    pub correct: usize,
    /// What the optimizer and the projection did.
    pub report: StepReport,
}

/// Why a step could not be made. The parameters are as before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The loss is infinite or not a number.
    #[error("the loss is {0}")]
    NotFinite(f64),
    /// The shapes do not fit the model.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The optimizer refused the gradients.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
}

/// Trains on the images at `batch`: forward, loss, backward, update, projection.
///
/// # Errors
/// If the shapes do not fit, or a loss or gradient is not finite; the parameters are then as
/// before.
pub fn train_step(
    model: &Model<f32>,
    images: &Images,
    batch: &[usize],
    tape: &mut Tape<f32>,
    params: &mut Params<f32>,
    optimizer: &mut Optimizer<f32>,
) -> Result<StepOutcome, StepError> {
    let mut graph = tape.record(params, Mode::Train { step: optimizer.steps() });
    let x = graph.input_with(model.input().batched(batch.len()), |x| images.gather(batch, x));
    let targets =
        graph.input_with(model.output().batched(batch.len()), |t| one_hot(images, batch, t));

    let logits = model.forward(&mut graph, x)?;
    let loss = graph.apply(SoftmaxCrossEntropy, [logits, targets])?;
    let loss = graph.penalized(loss);
    let value = f64::from(graph.value(loss).data[0]);
    if !value.is_finite() {
        return Err(StepError::NotFinite(value));
    }
    let correct = count_correct(images, batch, graph.value(logits).data);

    graph.backward(loss);
    let report = optimizer.step(params, tape)?; // update, then projection
    Ok(StepOutcome { loss: value, correct, report })
}

/// Writes the targets of a batch, `[batch, classes]`: 1 at the image's class, 0 elsewhere.
pub fn one_hot(images: &Images, batch: &[usize], targets: &mut [f32]) {
    targets.fill(0.0);
    for (row, index) in
        targets.chunks_exact_mut((targets.len() / batch.len().max(1)).max(1)).zip(batch)
    {
        row[usize::from(images.labels()[*index])] = 1.0;
    }
}

/// The class of the largest logit, the first of tied ones.
pub fn predicted(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

fn count_correct(images: &Images, batch: &[usize], logits: &[f32]) -> usize {
    let classes = logits.len() / batch.len().max(1);
    let rows = logits.chunks_exact(classes.max(1));
    rows.zip(batch)
        .filter(|(row, index)| predicted(row) == usize::from(images.labels()[**index]))
        .count()
}
