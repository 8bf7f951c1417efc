//! A recorded loss as what the methods of [`sets::solve`](crate::sets::solve) minimize.
//!
//! The one design choice: the objective is a closure that records a loss, as a training step does,
//! and all trainable parameters together are one vector. Every point at which it is computed goes
//! through [`Params::update`], so it is feasible.

use std::fmt;

use morphograd_autodiff::sets::solve::{Part, Problem};
use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Mode, ParamId, Params, Tape, Var};

/// A loss as a function of the trainable parameters, which the method moves. The closure has to
/// record the same at each call.
///
/// ```
/// use morphograd_nn::autodiff::{Mul, Params, Sub, Sum};
/// use morphograd_nn::solve::{Method, ProjectedGradient, RecordedLoss};
/// use morphograd_nn::{sets::Simplex, tensor::Tensor};
/// // The point of the simplex nearest to (2, 1, 0).
/// let mut params = Params::new();
/// let w = params.add(
///     "w",
///     Tensor::filled([3], 1.0 / 3.0),
///     Some(Box::new(Simplex { sum: 1.0 })),
/// )?;
/// let target = Tensor::from_vec([3], vec![2.0f64, 1.0, 0.0])?;
/// let loss = RecordedLoss::new(&mut params, |graph| {
///     let (w, target) = (graph.param(w), graph.input(target.view()));
///     let difference = graph.apply(Sub, [w, target])?;
///     let squares = graph.apply(Mul, [difference, difference])?;
///     graph.apply(Sum, [squares])
/// });
/// let method = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() };
/// let solution = method.minimize(loss)?;
/// assert!(solution.converged && (params.value(w).data[0] - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RecordedLoss<'a, T, F> {
    params: &'a mut Params<T>,
    ids: Vec<ParamId>,
    loss: F,
    tape: Tape<T>,
}

impl<'a, T: Real, F> RecordedLoss<'a, T, F>
where
    F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
{
    /// The loss that the closure records, of the parameters that are trainable now.
    pub fn new(params: &'a mut Params<T>, loss: F) -> Self {
        let ids = params.ids().filter(|id| params.is_trainable(*id)).collect();
        Self { params, ids, loss, tape: Tape::new() }
    }

    /// The parameters, at the point where the method is.
    pub fn params(&self) -> &Params<T> {
        self.params
    }
}

// The loss is a closure, of which there is nothing to show.
impl<T: fmt::Debug, F> fmt::Debug for RecordedLoss<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedLoss").field("params", &self.params).finish_non_exhaustive()
    }
}

impl<T: Real, F> Problem for RecordedLoss<'_, T, F>
where
    F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
{
    type Number = T;

    fn parts(&self) -> Vec<Part<'_, T>> {
        let part = |id: &ParamId| Part {
            name: Some(self.params.name(*id)),
            shape: self.params.value(*id).shape,
            set: self.params.constraint(*id),
            is_projected: self.params.constraint(*id).is_none() || self.params.is_projected(*id),
        };
        self.ids.iter().map(part).collect()
    }

    fn point(&self) -> Vec<f64> {
        let values = self.ids.iter().flat_map(|id| self.params.value(*id).data);
        values.map(|w| w.f64()).collect()
    }

    fn move_to(&mut self, point: &mut [f64]) {
        let mut at = 0;
        for id in &self.ids {
            let n = self.params.value(*id).data.len();
            let part = &mut point[at..at + n];
            self.params.update(*id, |w| w.iter_mut().zip(&*part).for_each(|(w, x)| *w = T::of(*x)));
            part.iter_mut().zip(self.params.value(*id).data).for_each(|(x, w)| *x = w.f64());
            at += n;
        }
    }

    fn value(&mut self) -> Result<f64, ShapeError> {
        let mut graph = self.tape.record(self.params, Mode::Train { step: 0 });
        let loss = (self.loss)(&mut graph)?;
        let loss = graph.penalized(loss);
        Ok(graph.value(loss).data[0].f64())
    }

    fn gradient(&mut self, gradient: &mut Vec<f64>) -> Result<f64, ShapeError> {
        let mut graph = self.tape.record(self.params, Mode::Train { step: 0 });
        let loss = (self.loss)(&mut graph)?;
        let loss = graph.penalized(loss);
        let value = graph.value(loss).data[0].f64();
        graph.backward(loss);
        gradient.clear();
        for id in &self.ids {
            match self.tape.grad(*id) {
                Some(grad) => gradient.extend(grad.iter().map(|g| g.f64())),
                None => gradient.extend(self.params.value(*id).data.iter().map(|_| 0.0)),
            }
        }
        Ok(value)
    }
}
