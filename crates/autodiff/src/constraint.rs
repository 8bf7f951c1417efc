//! What it takes to be a set that a parameter is kept in. The sets themselves live where their meaning is known (`nn`, `morphology`).

use std::fmt::Debug;

use morphograd_tensor::{Shape, ShapeError};

/// A set $C$ of parameter values, given by its projection.
///
/// For a closed convex set the projection is $P_C(w) = \arg\min_{v \in C} \lVert v - w \rVert_2$; the maps of Keras that are not
/// projections implement this trait too and say so.
pub trait Constraint<T>: Debug + Send + Sync {
    /// Replaces the value by its projection on the set. The result depends on the arguments only.
    fn project(&self, shape: Shape, value: &mut [T]);

    /// How far the value is from the set: the largest amount by which a defining inequality or equality is missed; 0 inside.
    /// NaN in the value gives NaN or a positive number, never 0.
    fn violation(&self, shape: Shape, value: &[T]) -> f64;

    /// Whether a parameter of this shape can be kept in the set at all.
    ///
    /// # Errors
    /// If the set is not defined for the shape (an axis that does not exist, say) or is empty.
    fn accepts(&self, shape: Shape) -> Result<(), ShapeError>;
}
