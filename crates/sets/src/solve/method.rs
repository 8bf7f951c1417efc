//! What a method is, and the one loop around its steps.
//!
//! The one design choice: a method is asked for its measure of optimality at a point, and for a
//! step from there. Counting, observing, ending and refusing what is not finite is done here, once.

use std::fmt;
use std::ops::ControlFlow;

use morphograd_tensor::{Real, ShapeError};

use super::problem::{Part, Problem};

/// A method for deterministic problems.
pub trait Method {
    /// What errors call it.
    const NAME: &'static str;

    /// What it keeps between steps.
    type State;

    /// The most steps.
    fn iterations(&self) -> usize;

    /// The measure that is small enough.
    fn tolerance(&self) -> f64;

    /// Looks at the settings, the sets and the start.
    ///
    /// # Errors
    /// If it cannot use them.
    fn begin<P: Problem>(&self, problem: &P, start: &[f64]) -> Result<Self::State, SolveError>;

    /// The measure of optimality at a point, which is 0 at a solution. It may move the problem, but
    /// leaves it at the point.
    fn measure<P: Problem>(
        &self,
        state: &mut Self::State,
        problem: &mut P,
        at: &mut Iterate,
    ) -> f64;

    /// Replaces the point by the next. It may move the problem, and use the gradient's memory.
    /// Breaks if rounding allows no further descent.
    ///
    /// # Errors
    /// If the function cannot be computed, or a gradient is not finite.
    fn step<P: Problem>(
        &self,
        state: &mut Self::State,
        problem: &mut P,
        at: &mut Iterate,
    ) -> Result<ControlFlow<()>, SolveError>;

    /// Moves the problem to a minimum of its function, which has to be the same at each call.
    ///
    /// # Errors
    /// If a setting makes no sense, the method cannot use a set, or the function cannot be computed
    /// or is not finite at the start, or its gradient is not along the way. The problem is then
    /// where the last step has led.
    fn minimize<P: Problem>(&self, problem: P) -> Result<Solution, SolveError> {
        self.minimize_observed(problem, |_, _| ControlFlow::Continue(()))
    }

    /// As [`minimize`](Self::minimize), and calls `observe` at the start and after each step with
    /// the problem there and what is known of it; the method ends where it breaks.
    ///
    /// # Errors
    /// As `minimize`.
    fn minimize_observed<P: Problem>(
        &self,
        mut problem: P,
        mut observe: impl FnMut(&P, &Solution) -> ControlFlow<()>,
    ) -> Result<Solution, SolveError> {
        refuse(Self::NAME, &problem, "a set that is enforced by projections", |part| {
            part.is_projected
        })?;
        let point = problem.point();
        let mut state = self.begin(&problem, &point)?;
        let mut at =
            Iterate { point, objective: f64::NAN, gradient: Vec::new(), measure: f64::NAN };
        let mut run = || {
            for iterations in 0.. {
                problem.move_to(&mut at.point);
                at.objective = gradient::<Self, P>(&mut problem, &mut at.gradient)?;
                at.measure = self.measure(&mut state, &mut problem, &mut at);
                let Iterate { objective, measure, .. } = at;
                let converged = measure <= self.tolerance();
                let solution = Solution { iterations, objective, measure, converged };
                let ends = observe(&problem, &solution).is_break()
                    || converged
                    || iterations == self.iterations();
                if ends || self.step(&mut state, &mut problem, &mut at)?.is_break() {
                    return Ok(solution);
                }
            }
            unreachable!("the last step returns")
        };
        let result = run();
        // Also after an error: the last step's point, where the function was finite.
        problem.move_to(&mut at.point);
        result
    }
}

/// Where a method is.
#[derive(Debug, Clone)]
pub struct Iterate {
    /// The point.
    pub point: Vec<f64>,
    /// The function there.
    pub objective: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
    /// The method's measure of optimality.
    pub measure: f64,
}

/// What a method found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solution {
    /// How many steps were made.
    pub iterations: usize,
    /// The function at the point.
    pub objective: f64,
    /// The method's measure of optimality there: the norm of the gradient mapping, or the duality
    /// gap.
    pub measure: f64,
    /// Whether the measure reached the tolerance. If not, the steps were used up, or rounding
    /// allows no further descent.
    pub converged: bool,
}

/// Why there is no solution. The point is that of the last good step.
#[derive(Debug, Clone, PartialEq)]
pub enum SolveError {
    /// The function could not be computed.
    Shape(ShapeError),
    /// A function or a gradient that is not a number.
    NotFinite {
        /// The method.
        method: &'static str,
        /// The value, or the norm of the gradient.
        found: f64,
    },
    /// A set for which the method has no theorem, or no step.
    Set {
        /// The method.
        method: &'static str,
        /// What the method needs.
        expected: &'static str,
        /// The part of the point, if it has a name.
        part: Option<String>,
        /// Its set.
        found: String,
    },
    /// A setting that makes no sense.
    Setting {
        /// The method.
        method: &'static str,
        /// What is expected.
        expected: &'static str,
        /// The value.
        found: f64,
    },
}

impl From<ShapeError> for SolveError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl fmt::Display for SolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::NotFinite { method, found } => {
                write!(f, "{method}: expected a finite loss and gradient, found {found}")
            }
            Self::Set { method, expected, part, found } => {
                write!(f, "{method}: expected {expected}")?;
                if let Some(part) = part {
                    write!(f, " for `{part}`")?;
                }
                write!(f, ", found {found}")
            }
            Self::Setting { method, expected, found } => {
                write!(f, "{method}: expected {expected}, found {found}")
            }
        }
    }
}

impl std::error::Error for SolveError {}

/// Refuses a problem if one of its parts does not fit.
pub(super) fn refuse<P: Problem>(
    method: &'static str,
    problem: &P,
    expected: &'static str,
    fits: impl Fn(&Part<'_, P::Number>) -> bool,
) -> Result<(), SolveError> {
    let parts = problem.parts();
    let Some(part) = parts.iter().find(|part| !fits(part)) else { return Ok(()) };
    let found = part.set.map_or("none".to_owned(), |set| format!("{set:?}"));
    Err(SolveError::Set { method, expected, part: part.name.map(str::to_owned), found })
}

/// The function at the point and its gradient.
pub(super) fn gradient<M: Method + ?Sized, P: Problem>(
    problem: &mut P,
    gradient: &mut Vec<f64>,
) -> Result<f64, SolveError> {
    let value = problem.gradient(gradient)?;
    match [value, norm(gradient)].into_iter().find(|found| !found.is_finite()) {
        Some(found) => Err(SolveError::NotFinite { method: M::NAME, found }),
        None => Ok(value),
    }
}

/// The function at a point that a step may go to: infinite where it is not finite. Too long a step
/// may leave the domain of the function; a shorter one need not.
pub(super) fn trial<P: Problem>(problem: &mut P) -> Result<f64, SolveError> {
    let value = problem.value()?;
    Ok(if value.is_finite() { value } else { f64::INFINITY })
}

pub(super) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What two values of the function may differ by through rounding in the type of the point.
pub(super) fn slack<T: Real>(value: f64) -> f64 {
    16.0 * T::epsilon().f64() * value.abs().max(f64::MIN_POSITIVE)
}
