//! In which metric the step is projected.
//!
//! The one design choice: the metric is the rule's, computed from what the rule remembers, so that
//! step and projection agree; the set says whether it can be projected on in it.

/// The metric of the projection that follows a step.
///
/// A rule that scales coordinates by $1 / d_i$ descends in the metric $\sum_i d_i (v_i - w_i)^2$.
/// Followed by the Euclidean projection it may stop at points that are no solutions, except on
/// boxes, where the metric makes no difference: Adam on the plane $\sum_i w_i = 1$ moves every
/// coordinate by the same amount, which the projection takes back. The projection in its own metric
/// has the solutions as its only fixed points (Duchi, Hazan and Singer, 2011). Cost: one more pass
/// for the metric, and the set's projection in it.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Mul, Params, Sub, Sum, Tape};
/// use morphograd_nn::{StepMetric, Optimizer, sets::FixedSum, optim::Adam, tensor::Tensor};
///
/// // The nearest point with sum 1 to (2, 4) is (-0.5, 1.5).
/// let solve = |metric: StepMetric| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
///     let mut params = Params::new();
///     let w = params.add("w", Tensor::filled([2], 0.5), Some(Box::new(FixedSum { sum: 1.0 })))?;
///     let target = Tensor::from_vec([2], vec![2.0, 4.0])?;
///     let mut optimizer = Optimizer::new(&params, Adam::default(), 0.02).in_metric(metric);
///     let mut tape = Tape::new();
///     for step in 0..2000 {
///         let mut graph = tape.record(&params, Mode::Train { step });
///         let (w, target) = (graph.param(w), graph.input(target.view()));
///         let difference = graph.apply(Sub, [w, target])?;
///         let squares = graph.apply(Mul, [difference, difference])?;
///         let loss = graph.apply(Sum, [squares])?;
///         graph.backward(loss);
///         optimizer.step(&mut params, &tape)?;
///     }
///     Ok(params.value(w).data.to_vec())
/// };
/// let (euclidean, own) = (solve(StepMetric::Euclidean)?, solve(StepMetric::Preconditioner)?);
/// assert!((euclidean[0] - 0.5).abs() < 1e-6); // it has not moved
/// assert!((own[0] + 0.5).abs() < 1e-3 && (own[1] - 1.5).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StepMetric {
    /// $\sum_i (v_i - w_i)^2$.
    #[default]
    Euclidean,
    /// That of the rule, [`Rule::metric`](crate::optim::Rule::metric); Euclidean where it has
    /// none, as gradient descent.
    Preconditioner,
}
