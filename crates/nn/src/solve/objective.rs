//! A deterministic objective: what projected gradient and Frank-Wolfe minimize.
//!
//! The one design choice: the objective is a closure that records a loss, as a training step does,
//! and all trainable parameters together are one vector. Every point at which it is computed goes
//! through [`Params::update`], so it is feasible.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Mode, ParamId, Params, Tape, Var};
use thiserror::Error;

/// What a method found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solution {
    /// How many steps were made.
    pub iterations: usize,
    /// The loss at the parameters.
    pub objective: f64,
    /// The method's measure of optimality there: the norm of the gradient mapping, or the duality
    /// gap.
    pub measure: f64,
    /// Whether the measure reached the tolerance. If not, the steps were used up, or rounding
    /// allows no further descent.
    pub converged: bool,
}

/// Why there is no solution. The parameters are those of the last good step.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SolveError {
    /// The objective could not be recorded.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A loss or a gradient that is not a number.
    #[error("{method}: expected a finite loss and gradient, found {found}")]
    NotFinite {
        /// The method.
        method: &'static str,
        /// The loss, or the norm of the gradient.
        found: f64,
    },
    /// A set for which the method has no theorem, or no step.
    #[error("{method}: expected {expected} for `{parameter}`, found {found}")]
    Set {
        /// The method.
        method: &'static str,
        /// What the method needs.
        expected: &'static str,
        /// The parameter.
        parameter: String,
        /// Its set.
        found: String,
    },
    /// A setting that makes no sense.
    #[error("{method}: expected {expected}, found {found}")]
    Setting {
        /// The method.
        method: &'static str,
        /// What is expected.
        expected: &'static str,
        /// The value.
        found: f64,
    },
}

/// An objective of the trainable parameters.
pub(crate) struct Problem<'a, T, F> {
    pub(crate) method: &'static str,
    pub(crate) params: &'a mut Params<T>,
    pub(crate) ids: Vec<ParamId>,
    loss: F,
    tape: Tape<T>,
}

impl<'a, T: Real, F> Problem<'a, T, F>
where
    F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
{
    pub(crate) fn new(
        method: &'static str,
        params: &'a mut Params<T>,
        loss: F,
    ) -> Result<Self, SolveError> {
        let ids: Vec<ParamId> = params.ids().filter(|id| params.is_trainable(*id)).collect();
        let elsewhere = ids
            .iter()
            .find(|id| params.constraint(**id).is_some() && !params.is_projected(**id))
            .copied();
        let problem = Self { method, params, ids, loss, tape: Tape::new() };
        match elsewhere {
            Some(id) => Err(problem.refuse(id, "a set that is enforced by projections")),
            None => Ok(problem),
        }
    }

    /// The parameters as one vector.
    pub(crate) fn read(&self) -> Vec<f64> {
        let values = self.ids.iter().flat_map(|id| self.params.value(*id).data);
        values.map(|w| w.f64()).collect()
    }

    /// Moves the parameters to the projection of a point, and the point too.
    pub(crate) fn write(&mut self, point: &mut [f64]) {
        let mut at = 0;
        for id in &self.ids {
            let n = self.params.value(*id).data.len();
            let part = &mut point[at..at + n];
            self.params.update(*id, |w| w.iter_mut().zip(&*part).for_each(|(w, x)| *w = T::of(*x)));
            part.iter_mut().zip(self.params.value(*id).data).for_each(|(x, w)| *x = w.f64());
            at += n;
        }
    }

    /// The loss at the parameters.
    pub(crate) fn value(&mut self) -> Result<f64, SolveError> {
        let mut graph = self.tape.record(self.params, Mode::Train { step: 0 });
        let loss = (self.loss)(&mut graph)?;
        let value = graph.value(loss).data[0].f64();
        self.finite(value)
    }

    /// The loss at a point that a step may go to: infinite where it is not finite. Too long a step
    /// may leave the domain of the loss; a shorter one need not.
    pub(crate) fn trial(&mut self) -> Result<f64, SolveError> {
        match self.value() {
            Err(SolveError::NotFinite { .. }) => Ok(f64::INFINITY),
            value => value,
        }
    }

    /// The loss at the parameters and its gradient.
    pub(crate) fn gradient(&mut self, gradient: &mut Vec<f64>) -> Result<f64, SolveError> {
        let mut graph = self.tape.record(self.params, Mode::Train { step: 0 });
        let loss = (self.loss)(&mut graph)?;
        let value = graph.value(loss).data[0].f64();
        graph.backward(loss);
        gradient.clear();
        for id in &self.ids {
            match self.tape.grad(*id) {
                Some(grad) => gradient.extend(grad.iter().map(|g| g.f64())),
                None => gradient.extend(self.params.value(*id).data.iter().map(|_| 0.0)),
            }
        }
        self.finite(norm(gradient))?;
        self.finite(value)
    }

    fn finite(&self, found: f64) -> Result<f64, SolveError> {
        if found.is_finite() {
            return Ok(found);
        }
        Err(SolveError::NotFinite { method: self.method, found })
    }

    /// A set that the method cannot use.
    pub(crate) fn refuse(&self, id: ParamId, expected: &'static str) -> SolveError {
        let found = self.params.constraint(id).map_or("none".to_owned(), |set| format!("{set:?}"));
        let parameter = self.params.name(id).to_owned();
        SolveError::Set { method: self.method, expected, parameter, found }
    }
}

pub(crate) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What two values of the objective may differ by through rounding in the parameters' type.
pub(crate) fn slack<T: Real>(value: f64) -> f64 {
    16.0 * T::epsilon().f64() * value.abs().max(f64::MIN_POSITIVE)
}
