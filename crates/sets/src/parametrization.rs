//! What it takes to keep a weight in a set by a map from a free parameter.
//!
//! The one design choice: a map works beside the tape, in [`Params`](crate::Params) and in the
//! step. Layers borrow the weight in place as ever, and its gradient is pulled back to the free
//! parameter once, when the step is made.

use std::fmt::Debug;

use morphograd_tensor::Shape;

/// A map $w = φ(v)$ from a free parameter $v$ to the weight $w$ that layers see. Both have one
/// shape.
///
/// The map has to lead into the parameter's set, wherever $v$ is; then the weight is feasible at
/// every moment, and $v$ is as free as the optimizer likes.
pub trait Parametrization<T>: Debug + Send + Sync {
    /// Computes $w = φ(v)$; every element is overwritten.
    fn weight(&self, shape: Shape, free: &[T], weight: &mut [T]);

    /// Replaces the gradient with respect to $w$ by that with respect to $v$,
    /// $g \leftarrow J_φ(v)^\top g$.
    ///
    /// Returns whether it did. A map whose derivative is not known says no, and leaves the gradient
    /// as it is; then no parameter can be declared with it
    /// ([`ParamError::Derivative`](crate::ParamError)).
    fn pull_back(&self, shape: Shape, free: &[T], weight: &[T], gradient: &mut [T]) -> bool;

    /// Replaces a weight of the set by a $v$ with $φ(v) = w$. Where only an infinite $v$ would do,
    /// it takes one whose weight is near, and says how near in its documentation.
    fn invert(&self, shape: Shape, weight: &mut [T]);

    /// Moves a weight at the boundary inside, where only an infinite $v$ would give it. Called
    /// once, when the parameter is declared, so that it starts where it can move; by default it
    /// does nothing.
    fn enter(&self, _shape: Shape, _weight: &mut [T]) {}
}
