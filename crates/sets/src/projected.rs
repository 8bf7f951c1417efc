//! The projection in the forward pass, as a map from a free parameter into the set.

use std::sync::Arc;

use morphograd_tensor::{Real, Shape};

use crate::{Constraint, Parametrization};

/// What a projection in the forward pass does to the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProjectionVjp {
    /// Its derivative: [`Constraint::project_vjp`]. What the projection takes away never comes back
    /// by itself, as what is clipped has no gradient.
    #[default]
    Exact,
    /// The identity (Bengio, Léonard and Courville, 2013): for every set. With steps of plain
    /// gradient descent this is dual averaging, not the projected gradient.
    StraightThrough,
}

/// The projection in the forward pass, as a map from a free parameter. Where the projection is
/// smooth (on a plane it is linear) it is a parametrization too.
///
/// With [`ProjectionVjp::Exact`] the set has to state [`Capabilities::derivative`]; otherwise
/// `pull_back` panics.
///
/// [`Capabilities::derivative`]: crate::Capabilities::derivative
#[derive(Debug)]
pub struct Projected<T> {
    /// The set.
    pub constraint: Arc<dyn Constraint<T>>,
    /// What the projection does to the gradient.
    pub gradient: ProjectionVjp,
}

impl<T: Real> Projected<T> {
    /// The projection on a set, with its derivative, to be returned by
    /// [`Constraint::parametrization`].
    pub fn smooth(set: impl Constraint<T> + 'static) -> Option<Box<dyn Parametrization<T>>> {
        Some(Box::new(Self { constraint: Arc::new(set), gradient: ProjectionVjp::Exact }))
    }
}

impl<T: Real> Parametrization<T> for Projected<T> {
    fn value(&self, shape: Shape, free: &[T], value: &mut [T]) {
        value.copy_from_slice(free);
        self.constraint.project(shape, value);
    }

    fn pull_back(&self, shape: Shape, free: &[T], value: &[T], gradient: &mut [T]) {
        match self.gradient {
            ProjectionVjp::Exact => self.constraint.project_vjp(shape, free, value, gradient),
            ProjectionVjp::StraightThrough => {}
        }
    }

    fn invert(&self, _: Shape, _: &mut [T]) {}
}
