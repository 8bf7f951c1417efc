//! One training step, from a recorded loss to the changed parameters: the whole of projected
//! gradient on one page.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Mode, Params, Tape, Var};
use thiserror::Error;

use crate::optim::{Optimizer, OptimizerError, StepReport};

/// What a step measured, before it changed the parameters, and what the change was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// The loss, with the penalties.
    pub loss: f64,
    /// What the optimizer and the projection did.
    pub report: StepReport,
}

/// Why a step could not be made. The parameters are as before.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StepError {
    /// The loss is infinite or not a number.
    #[error("step: expected a finite loss, found {0}")]
    NotFinite(f64),
    /// The shapes do not fit the model.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The optimizer refused the gradients.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
}

/// Trains on what `record` records: forward, loss, backward, update, projection. The loss is any
/// scalar, so this is the step of every loop: of [`Fit`](crate::fit::Fit) and of your own.
///
/// ```
/// use morphograd_nn::fit::train_step;
/// use morphograd_nn::{Dense, Layer, MeanSquaredError, Optimizer, Sequential, optim::Adam};
/// use morphograd_nn::{autodiff::{Params, Tape}, tensor::Tensor};
///
/// let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let line = Sequential::new().add("dense", Dense { units: 1, ..Dense::default() });
/// let model = line.build_model(&mut params, 0, [1])?;
/// let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
/// let x = Tensor::from_fn([10, 1], |i| i as f32 / 10.0);
/// let target = Tensor::from_fn([10, 1], |i| 3.0 * x.data()[i] - 1.0);
/// for _ in 0..300 {
///     train_step(&mut tape, &mut params, &mut optimizer, |graph| {
///         let (x, target) = (graph.input(x.view()), graph.input(target.view()));
///         let y = model.forward(graph, x)?;
///         graph.apply(MeanSquaredError, [y, target])
///     })?;
/// }
/// let slope = params.value(params.find("dense.kernel").unwrap()).data[0];
/// assert!((slope - 3.0).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Fit::run`](crate::fit::Fit::run) runs on a thread of rayon's pool. A loop of your own
/// belongs within [`in_pool`](crate::tensor::parallel::in_pool): outside of it every operation
/// changes threads, which takes longer than a small one.
///
/// # Errors
/// If the shapes do not fit, or a loss or gradient is not finite; the parameters are then as
/// before.
pub fn train_step<T: Real>(
    tape: &mut Tape<T>,
    params: &mut Params<T>,
    optimizer: &mut Optimizer<T>,
    record: impl FnOnce(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
) -> Result<StepOutcome, StepError> {
    let mut graph = tape.record(params, Mode::Train { step: optimizer.steps() });
    let loss = record(&mut graph)?;
    let loss = graph.penalized(loss);
    let value = graph.value(loss).data[0].f64();
    if !value.is_finite() {
        return Err(StepError::NotFinite(value));
    }

    graph.backward(loss);
    let report = optimizer.step(params, tape)?; // update, then projection
    Ok(StepOutcome { loss: value, report })
}

impl StepError {
    /// Whether the training has diverged: the loss, a gradient or the step is not finite.
    pub fn is_divergence(&self) -> bool {
        matches!(
            self,
            Self::NotFinite(_)
                | Self::Optimizer(
                    OptimizerError::NotFinite { .. } | OptimizerError::Diverged { .. }
                )
        )
    }
}
