//! What a rule needs to step towards vertices of a set in place of a projection.
//!
//! The one design choice: a rule is handed the linear problem, not the set.

use std::sync::Arc;

use morphograd_autodiff::sets::Constraint;
use morphograd_autodiff::tensor::{Real, Shape};

/// What a rule that steps towards vertices does with a parameter that is kept in a set.
pub trait TowardsVertices<T> {
    /// Changes `value` as [`Rule::update`](crate::optim::Rule::update) does, but to a point between
    /// it and vertices. Returns the Frank-Wolfe gap before the step.
    fn update_in_set(
        &self,
        step: u64,
        lr: f64,
        grad: &[T],
        state: &mut [Vec<T>],
        value: &mut [T],
        vertices: &mut Vertices<'_, T>,
    ) -> f64;
}

/// The linear problem on the set of one parameter.
#[derive(Debug)]
pub struct Vertices<'a, T> {
    pub(crate) set: Arc<dyn Constraint<T>>,
    pub(crate) shape: Shape,
    pub(crate) vertex: &'a mut Vec<T>,
}

impl<T: Real> Vertices<'_, T> {
    /// A point $s$ of the set with the least $\langle g, s \rangle$.
    pub fn least(&mut self, gradient: &[T]) -> &[T] {
        self.vertex.clear();
        self.vertex.resize(gradient.len(), T::zero());
        self.set.minimize_linear(self.shape, gradient, self.vertex);
        self.vertex
    }
}
