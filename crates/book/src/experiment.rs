//! Experiments that show the theorems of the book at work: small problems with a known solution,
//! solved by the crate's own optimizers, and the bound that the theorem gives for each of them.
//!
//! The one design choice: a problem knows its solution exactly, so that the distance to it can be
//! measured far below the rounding of the objective's value.

pub mod alternatives;
pub mod dykstra;
pub mod identification;
pub mod metric;
pub mod noise_floor;
pub mod nonconvex;
pub mod smooth;
pub mod stochastic;
pub mod subgradient;

use std::fmt::Debug;
use std::sync::Arc;

use morphograd::morphology::nn::Optimizer;
use morphograd::morphology::nn::autodiff::{
    Backward, Forward, Graph, Mode, Op, ParamId, Params, Tape, Var, sets::Constraint,
};
use morphograd::morphology::nn::optim::Schedule;
use morphograd::morphology::nn::optim::{Sgd, StepReport};
use morphograd::morphology::nn::tensor::{Shape, ShapeError, Tensor};

/// A function to minimize, with its gradient or one of its subgradients.
pub trait Objective: Debug + Send + Sync + 'static {
    /// The value at `w`. What the experiment measures is mostly something else, so that 0 will do
    /// where nothing asks.
    fn value(&self, w: &[f64]) -> f64;

    /// Writes the gradient of training step `step` at `w`; what depends on chance depends on the
    /// step.
    fn gradient(&self, step: u64, w: &[f64], gradient: &mut [f64]);
}

/// What an experiment measured, and what the theorem promised, over the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// What was measured.
    pub name: String,
    /// Step and measured quantity.
    pub measured: Vec<(f64, f64)>,
    /// Step and bound.
    pub bound: Vec<(f64, f64)>,
}

impl Rate {
    /// The slopes of the measurement and of the bound in logarithmic axes, from the step `from` on:
    /// the exponents of $k$.
    pub fn exponents(&self, from: f64) -> [f64; 2] {
        [&self.measured, &self.bound].map(|points| {
            let tail = points.iter().filter(|(k, _)| *k >= from);
            slope(tail.map(|(k, y)| (k.ln(), y.ln())))
        })
    }

    /// The factors by which measurement and bound fall in each step, from the step `from` on.
    pub fn factors(&self, from: f64) -> [f64; 2] {
        [&self.measured, &self.bound].map(|points| {
            let tail = points.iter().filter(|(k, _)| *k >= from);
            slope(tail.map(|(k, y)| (*k, y.ln()))).exp()
        })
    }

    /// The largest ratio of measurement and bound: at most 1 where the theorem holds.
    pub fn worst_ratio(&self) -> f64 {
        self.measured
            .iter()
            .zip(&self.bound)
            .map(|((_, y), (_, bound))| y / bound)
            .fold(0.0, f64::max)
    }
}

/// The slope of the line of least squares through points.
pub fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<(f64, f64)> = points.collect();
    let n = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (mut products, mut squares) = (0.0, 0.0);
    for (x, y) in points {
        products += (x - mean_x) * (y - mean_y);
        squares += (x - mean_x) * (x - mean_x);
    }
    products / squares
}

/// Steps that are evenly spaced on a logarithmic axis, from 1 to `last`, each once.
pub fn milestones(last: u64) -> Vec<u64> {
    let count = 120_u32;
    let mut steps: Vec<u64> = (0..=count)
        .map(|i| ((last as f64).powf(f64::from(i) / f64::from(count))).round() as u64)
        .collect();
    steps.dedup();
    steps
}

/// Plain projected gradient: what the theorems with a step that is known beforehand are about.
pub fn gradient_descent(
    rate: impl Schedule + 'static,
) -> impl FnOnce(&Params<f64>) -> Optimizer<f64> {
    move |params| Optimizer::new(params, Sgd::default(), rate).measured()
}

/// Minimizes by `steps` steps of an optimizer. `observe` is told the number of steps made so far,
/// the point, and what the next step, from there, reports.
///
/// # Panics
/// If the constraint does not accept the point, or a gradient is not finite: experiments are ours.
pub fn minimize<F: Objective>(
    objective: F,
    start: Vec<f64>,
    constraint: Option<Box<dyn Constraint<f64>>>,
    optimizer: impl FnOnce(&Params<f64>) -> Optimizer<f64>,
    steps: u64,
    mut observe: impl FnMut(u64, &[f64], &StepReport),
) {
    let objective = Arc::new(objective);
    let mut params = Params::new();
    let start = Tensor::from_vec([start.len()], start).expect("as many numbers as the shape says");
    let id = params.add("w", start, constraint).expect("a set for this shape");
    let mut optimizer = optimizer(&params);
    let mut tape = Tape::new();
    let mut point = Vec::new();
    for step in 0..=steps {
        let mut graph = tape.record(&params, Mode::Train { step });
        let w = graph.param(id);
        let loss = graph
            .apply(Evaluate { objective: Arc::clone(&objective), step }, [w])
            .expect("one vector");
        graph.backward(loss);
        point.clear();
        point.extend_from_slice(params.value(id).data);
        let report = optimizer.step(&mut params, &tape).expect("a finite gradient");
        observe(step, &point, &report);
    }
}

/// The objective as a loss to record, for the methods for deterministic objectives.
pub fn loss<F: Objective>(
    objective: F,
    w: ParamId,
) -> impl FnMut(&mut Graph<'_, f64>) -> Result<Var, ShapeError> {
    let objective = Arc::new(objective);
    move |graph| {
        let w = graph.param(w);
        graph.apply(Evaluate { objective: Arc::clone(&objective), step: 0 }, [w])
    }
}

/// The objective as an operation on the tape.
#[derive(Debug)]
struct Evaluate<F> {
    objective: Arc<F>,
    step: u64,
}

impl<F: Objective> Op<f64> for Evaluate<F> {
    fn name(&self) -> &'static str {
        "objective"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs.len() == 1 {
            return Ok(Shape::scalar());
        }
        Err(ShapeError::new("objective", "one vector", format!("{} inputs", inputs.len())))
    }

    fn forward(&self, pass: Forward<'_, f64>) {
        pass.output[0] = self.objective.value(pass.inputs[0].data);
    }

    fn backward(&self, pass: Backward<'_, f64>) {
        let [Some(gradient), ..] = pass.grad_inputs else { return };
        pass.scratch.clear();
        pass.scratch.resize(gradient.len(), 0.0);
        self.objective.gradient(self.step, pass.inputs[0].data, pass.scratch);
        gradient.iter_mut().zip(pass.scratch).for_each(|(sum, g)| *sum += pass.grad_output[0] * *g);
    }
}

/// Euclidean distance.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_power_is_its_exponent() {
        let points = |factor: f64| {
            (1..50).map(|k| (f64::from(k), factor * f64::from(k).powf(-1.5))).collect()
        };
        let rate = Rate { name: String::new(), measured: points(1.0), bound: points(2.0) };
        assert!(rate.exponents(5.0).iter().all(|slope| (slope + 1.5).abs() < 1e-12));
        assert!((rate.worst_ratio() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn milestones_begin_with_the_first_step_and_end_with_the_last() {
        let steps = milestones(1000);
        assert_eq!((steps[0], steps[1], *steps.last().unwrap()), (1, 2, 1000));
        assert!(steps.is_sorted_by(|a, b| a < b));
    }
}
