//! What a method minimizes: a function of one vector, each part of which is kept in a set.
//!
//! The one design choice: a problem stands at a point, and moves. Whoever holds the numbers (a
//! slice, the parameters of a model) projects them as ever, so every point at which the function is
//! computed is feasible.

use std::fmt;

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::Constraint;

/// A function of one vector, at a point of its sets that can be moved. [`Objective`] is one on a
/// slice.
pub trait Problem {
    /// The type in which points are held.
    type Number: Real;

    /// The parts that the vector consists of, in order.
    fn parts(&self) -> Vec<Part<'_, Self::Number>>;

    /// The point where the problem is.
    fn point(&self) -> Vec<f64>;

    /// Goes to the projection of a point, and replaces the point by it.
    fn move_to(&mut self, point: &mut [f64]);

    /// The function at the point.
    ///
    /// # Errors
    /// If it cannot be computed. A value that is not finite is none.
    fn value(&mut self) -> Result<f64, ShapeError>;

    /// The function at the point and its gradient, which replaces what is in the vector.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    fn gradient(&mut self, gradient: &mut Vec<f64>) -> Result<f64, ShapeError>;
}

/// A part of the vector of a [`Problem`].
#[derive(Debug, Clone, Copy)]
pub struct Part<'a, T> {
    /// What errors call it, if there are several.
    pub name: Option<&'a str>,
    /// Its shape.
    pub shape: Shape,
    /// The set it is kept in, if any.
    pub set: Option<&'a dyn Constraint<T>>,
    /// Whether it is kept there by projections; always true without a set.
    pub is_projected: bool,
}

/// A function on a slice of numbers, which are kept in a set.
///
/// The function is given a point and room for its gradient, all of which it overwrites, and returns
/// the value there. It is not called twice in a row for one point. The slice is the start, and then
/// the solution.
///
/// ```
/// use morphograd_sets::solve::{Method, Objective, ProjectedGradient};
/// use morphograd_sets::Simplex;
/// // The point of the simplex nearest to (2, 1, 0).
/// let (target, mut w) = ([2.0f64, 1.0, 0.0], [0.0; 3]);
/// let simplex = Simplex { sum: 1.0 };
/// let distance = Objective::new(&simplex, [3], &mut w, |w, gradient| {
///     for i in 0..3 {
///         gradient[i] = w[i] - target[i];
///     }
///     0.5 * gradient.iter().map(|g| g * g).sum::<f64>()
/// })?;
/// let solution = ProjectedGradient::default().minimize(distance)?;
/// assert!(solution.converged);
/// assert_eq!(w, [1.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Objective<'a, T, F> {
    set: &'a dyn Constraint<T>,
    shape: Shape,
    point: &'a mut [T],
    function: F,
    /// Where the function was computed last, its value and its gradient there.
    known: Option<(Vec<T>, f64)>,
    gradient: Vec<T>,
}

impl<'a, T: Real, F: FnMut(&[T], &mut [T]) -> f64> Objective<'a, T, F> {
    /// A function on a set of arrays of a shape.
    ///
    /// # Errors
    /// If the slice does not have as many numbers as the shape says, or the set does not accept the
    /// shape.
    pub fn new(
        set: &'a dyn Constraint<T>,
        shape: impl Into<Shape>,
        point: &'a mut [T],
        function: F,
    ) -> Result<Self, ShapeError> {
        let (shape, found) = (shape.into(), point.len());
        if shape.len() != found {
            let expected = format!("{} numbers for shape {shape}", shape.len());
            return Err(ShapeError::new("objective", expected, found.to_string()));
        }
        set.accepts(shape)?;
        let gradient = vec![T::nan(); found];
        Ok(Self { set, shape, point, function, known: None, gradient })
    }
}

impl<T: Real, F: FnMut(&[T], &mut [T]) -> f64> Problem for Objective<'_, T, F> {
    type Number = T;

    fn parts(&self) -> Vec<Part<'_, T>> {
        vec![Part { name: None, shape: self.shape, set: Some(self.set), is_projected: true }]
    }

    fn point(&self) -> Vec<f64> {
        self.point.iter().map(|w| w.f64()).collect()
    }

    fn move_to(&mut self, point: &mut [f64]) {
        self.point.iter_mut().zip(&*point).for_each(|(w, x)| *w = T::of(*x));
        self.set.project(self.shape, self.point);
        point.iter_mut().zip(&*self.point).for_each(|(x, w)| *x = w.f64());
    }

    fn value(&mut self) -> Result<f64, ShapeError> {
        if let Some((at, value)) = &self.known
            && *at == *self.point
        {
            return Ok(*value);
        }
        let value = (self.function)(self.point, &mut self.gradient);
        self.known = Some((self.point.to_vec(), value));
        Ok(value)
    }

    fn gradient(&mut self, gradient: &mut Vec<f64>) -> Result<f64, ShapeError> {
        let value = self.value()?;
        gradient.clear();
        gradient.extend(self.gradient.iter().map(|g| g.f64()));
        Ok(value)
    }
}

// The function is a closure, of which there is nothing to show.
impl<T: fmt::Debug, F> fmt::Debug for Objective<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, shape, point, .. } = self;
        f.debug_struct("Objective")
            .field("set", set)
            .field("shape", shape)
            .field("point", point)
            .finish_non_exhaustive()
    }
}

impl<P: Problem> Problem for &mut P {
    type Number = P::Number;

    fn parts(&self) -> Vec<Part<'_, Self::Number>> {
        (**self).parts()
    }

    fn point(&self) -> Vec<f64> {
        (**self).point()
    }

    fn move_to(&mut self, point: &mut [f64]) {
        (**self).move_to(point);
    }

    fn value(&mut self) -> Result<f64, ShapeError> {
        (**self).value()
    }

    fn gradient(&mut self, gradient: &mut Vec<f64>) -> Result<f64, ShapeError> {
        (**self).gradient(gradient)
    }
}
