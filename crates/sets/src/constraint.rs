//! What it takes to be a set that a parameter is kept in. Sets that know where a kernel has its
//! centre live in `morphology`.
//!
//! The one design choice: four functions make a set. What else it knows it states, in
//! [`Capabilities`], so that nobody has to try; asking for what it has not stated is a mistake.

use std::fmt::Debug;

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::Parametrization;
use crate::numeric::norm_of;

/// A set $C$ of parameter values, given by its projection.
///
/// For a closed convex set the projection is $P_C(w) = \arg\min_{v \in C} \lVert v - w \rVert_2$,
/// which exists and is unique. For a closed set that is not convex it is a nearest point, chosen by
/// a rule that the set documents. [`kind`](Self::kind) tells them apart, and both from maps that
/// merely implement this trait.
///
/// `project`, `violation`, `accepts` and `kind` make a set; everything else has a default that
/// claims nothing. Sets that couple coordinates compute in `f64` and forgive in `violation` what
/// rounding to `T` costs.
pub trait Constraint<T>: Debug + Send + Sync {
    /// Replaces the value by its projection on the set. The result depends on the arguments only.
    fn project(&self, shape: Shape, value: &mut [T]);

    /// How far the value is from the set: the largest amount by which a defining inequality or
    /// equality is missed; 0 inside. NaN in the value gives NaN or a positive number, never 0.
    fn violation(&self, shape: Shape, value: &[T]) -> f64;

    /// Whether a parameter of this shape can be kept in the set at all.
    ///
    /// # Errors
    /// If the set is not defined for the shape (an axis that does not exist, say) or is empty.
    fn accepts(&self, shape: Shape) -> Result<(), ShapeError>;

    /// What is known of the set, and of `project` as a map onto it.
    fn kind(&self) -> Kind;

    /// The set in one line of plain text, for tables and reports; empty where none is given.
    fn formula(&self) -> &'static str {
        ""
    }

    /// Whether a value is in the set, but for what [`violation`](Self::violation) forgives.
    fn contains(&self, shape: Shape, value: &[T]) -> bool {
        self.violation(shape, value) == 0.0
    }

    /// The Euclidean distance to the set, that between the value and its projection; of a map that
    /// is no projection, how far it moves the value. It takes memory for a copy.
    fn distance(&self, shape: Shape, value: &[T]) -> f64
    where
        T: Real,
    {
        let mut image = value.to_vec();
        self.project(shape, &mut image);
        // An entry at an infinity that the set allows is no distance away.
        let apart = |(w, p): (&T, &T)| if w == p { 0.0 } else { w.f64() - p.f64() };
        norm_of(value.iter().zip(&image).map(apart))
    }

    /// Which of the five functions below the set has, for a parameter of a shape that it accepts.
    /// It does not depend on a value. By default none.
    fn capabilities(&self, _shape: Shape) -> Capabilities {
        Capabilities::default()
    }

    /// Replaces the value by the nearest point of the set in a diagonal metric, $\arg\min_{v \in C}
    /// \sum_i m_i (v_i - w_i)^2$, with every $m_i$ positive and finite. An optimizer that scales
    /// its steps by $1 / m_i$ descends in this metric. Where the set allows every coordinate its
    /// values independently of the others, it is `project` whatever the metric.
    ///
    /// # Panics
    /// If the set has no such projection: [`Capabilities::metric`].
    fn project_in_metric(&self, _shape: Shape, _metric: &[T], _value: &mut [T]) {
        lacks_capability(self, "metric")
    }

    /// Replaces a direction by its projection on the tangent cone of the set at the feasible point
    /// `at`: the part of the direction along which the point can move and stay in the set, to first
    /// order. For a convex set it is $\lim_{t \downarrow 0} (P_C(x + t d) - x) / t$.
    ///
    /// # Panics
    /// If the cone is not known: [`Capabilities::tangent`].
    fn project_tangent(&self, _shape: Shape, _at: &[T], _direction: &mut [T]) {
        lacks_capability(self, "tangent")
    }

    /// Writes a point of the set with the least product $\langle g, s \rangle$ with a finite
    /// gradient, which a bounded set has: a vertex, for the method of Frank and Wolfe.
    ///
    /// # Panics
    /// If the set is not bounded, or its linear problem is not solved here:
    /// [`Capabilities::linear`].
    fn minimize_linear(&self, _shape: Shape, _gradient: &[T], _vertex: &mut [T]) {
        lacks_capability(self, "linear")
    }

    /// Replaces the gradient with respect to a projection by that with respect to the point
    /// projected, $g \leftarrow J_P(w)^\top g$, where `at` is $w$ and `projected` is $P(w)$. Where
    /// the projection has no derivative it takes that of one side: a feasible point passes the
    /// gradient on as if it were inside.
    ///
    /// # Panics
    /// If the derivative is not known: [`Capabilities::derivative`].
    fn project_vjp(&self, _shape: Shape, _at: &[T], _projected: &[T], _gradient: &mut [T]) {
        lacks_capability(self, "derivative")
    }

    /// Lowers `upper` to the greatest point of the set that is nowhere above it; `false` if there
    /// is none, and then what is left in `upper` says nothing. A closed set with points below a
    /// bound has a greatest one if the entrywise maximum of two of its points is always in it.
    ///
    /// # Panics
    /// If the maximum of two points can be outside: [`Capabilities::greatest`].
    fn greatest_below(&self, _shape: Shape, _upper: &mut [T]) -> bool {
        lacks_capability(self, "greatest")
    }

    /// A smooth map from a free parameter into the set, for a parameter of this shape. By default
    /// there is none.
    fn parametrization(&self, _shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        None
    }

    /// How many coordinates of a feasible value an inequality holds: those at a bound of a box, the
    /// zeros in a simplex, all of a ball's when the norm is the radius. Where it is 0, what can be
    /// moved along can be moved along both ways, so that the tangent cone is a subspace.
    ///
    /// `None`, the default, where the set does not count them: equalities hold every coordinate
    /// always (a sphere, orthonormal columns, a grid), which says nothing about a value, and a
    /// boundary may be no matter of coordinates (that of the matrices of low rank).
    fn active(&self, _shape: Shape, _value: &[T]) -> Option<usize> {
        None
    }
}

/// What a set knows beside its projection: each is true if the function of [`Constraint`] works.
///
/// ```
/// use morphograd_sets::{Capabilities, Constraint, NonNegative, Simplex};
/// let sets: [&dyn Constraint<f64>; 2] = [&Simplex { sum: 1.0 }, &NonNegative];
/// // Only a bounded set has a vertex for every gradient.
/// assert_eq!(sets.map(|set| set.capabilities([3].into()).linear), [true, false]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities {
    /// [`Constraint::project_in_metric`].
    pub metric: bool,
    /// [`Constraint::project_tangent`].
    pub tangent: bool,
    /// [`Constraint::minimize_linear`].
    pub linear: bool,
    /// [`Constraint::project_vjp`].
    pub derivative: bool,
    /// [`Constraint::greatest_below`].
    pub greatest: bool,
}

/// The panic of a function of [`Constraint`] that is called without being stated. The default
/// functions end in it; a set that states a capability for some of its values only calls it for the
/// others.
///
/// # Panics
/// Always, with the name of the set and of the field of [`Capabilities`].
#[cold]
#[track_caller]
pub fn lacks_capability(set: &(impl Debug + ?Sized), capability: &str) -> ! {
    panic!("{set:?} does not state the capability `{capability}`")
}

/// What is known of a set and of its map `project`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A closed convex set. `project` gives the nearest point; it is unique, and distances do not
    /// increase.
    Convex,
    /// A closed set that is not convex. `project` gives a nearest point; near points can go to
    /// distant ones.
    NonConvex,
    /// `project` is some map into the neighbourhood of a set that need not give the nearest point,
    /// nor be idempotent. Theorems on projected gradients do not apply to it.
    NotAProjection,
}
