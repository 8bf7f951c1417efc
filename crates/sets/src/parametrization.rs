//! What it takes to keep a value in a set by a map from a free parameter.
//!
//! The one design choice: a map works on slices, beside whatever computes with the value. Layers
//! borrow the value in place as ever, and its gradient is pulled back to the free parameter once,
//! when a step is made.

use std::fmt::Debug;

use morphograd_tensor::Shape;

/// A smooth map $w = φ(v)$ from a free parameter $v$ to the value $w$ of a parameter. Both have one
/// shape.
///
/// The map has to lead into the parameter's set, wherever $v$ is; then the value is feasible at
/// every moment, and $v$ is as free as the optimizer likes.
pub trait Parametrization<T>: Debug + Send + Sync {
    /// Computes $w = φ(v)$; every element is overwritten.
    fn value(&self, shape: Shape, free: &[T], value: &mut [T]);

    /// Replaces the gradient with respect to $w$ by that with respect to $v$,
    /// $g \leftarrow J_φ(v)^\top g$.
    fn pull_back(&self, shape: Shape, free: &[T], value: &[T], gradient: &mut [T]);

    /// Replaces a value of the set by a $v$ with $φ(v) = w$. Where only an infinite $v$ would do,
    /// it takes one whose value is near, and says how near in its documentation.
    fn invert(&self, shape: Shape, value: &mut [T]);

    /// Moves a value at the boundary inside, where only an infinite $v$ would give it. Called
    /// once, when the parameter is declared, so that it starts where it can move; by default it
    /// does nothing.
    fn enter(&self, _shape: Shape, _value: &mut [T]) {}
}
