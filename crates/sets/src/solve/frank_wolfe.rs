//! The method of Frank and Wolfe: no projection, but a linear problem on the set at each step, and
//! a certificate for nothing.
//!
//! The one design choice: the solution of the linear problem is a function of the set
//! ([`Constraint::minimize_linear`](crate::Constraint::minimize_linear)), so a set that has one
//! works at once; the step is found by backtracking on the curvature, so nothing has to be known of
//! the function.

use std::ops::ControlFlow;

use morphograd_tensor::Real;

use super::method::{Iterate, Method, SolveError, dot, norm, refuse, slack, trial};
use super::problem::Problem;

/// Minimizes $f$ over bounded convex sets: with $s = \arg\min_{s \in C} \langle \nabla f(w), s
/// \rangle$,
/// $$w \leftarrow w + γ (s - w), \qquad 0 \le γ \le 1.$$
///
/// The measure is the duality gap $g(w) = \langle \nabla f(w), w - s \rangle \ge f(w) - f^*$, for
/// convex $f$, which comes with each step. For a gradient with the Lipschitz constant $L$ and a set
/// of diameter $D$, $f(w_k) - f^* \le 2 L D^2 / (k + 2)$ with the open step (Jaggi, 2013, Theorem
/// 1). Points are combinations of few vertices: sparse on the simplex, of low rank on the
/// nuclear-norm ball. Cost: a gradient and a linear problem a step; by backtracking also one or
/// more values.
///
/// ```
/// use morphograd_sets::solve::{FrankWolfe, Method, Objective};
/// use morphograd_sets::Simplex;
/// let (target, mut w) = ([0.5f64, 0.4, 0.1], [1.0, 0.0, 0.0]);
/// let simplex = Simplex { sum: 1.0 };
/// let distance = Objective::new(&simplex, [3], &mut w, |w, gradient| {
///     for i in 0..3 {
///         gradient[i] = 2.0 * (w[i] - target[i]);
///     }
///     w.iter().zip(target).map(|(w, t)| (w - t) * (w - t)).sum()
/// })?;
/// let solution =
///     FrankWolfe { tolerance: 1e-3, ..FrankWolfe::default() }.minimize(distance)?;
/// // The smallest value is 0.
/// assert!(solution.converged && solution.objective <= solution.measure);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrankWolfe {
    /// How long a step is.
    pub step: FrankWolfeStep,
    /// The most steps.
    pub iterations: usize,
    /// The duality gap that is small enough.
    pub tolerance: f64,
}

/// How long a step of [`FrankWolfe`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FrankWolfeStep {
    /// $γ_k = 2 / (k + 2)$, without a look at the function, which may increase.
    Open,
    /// $γ = \min(1, g / (M \lVert s - w \rVert^2))$ with a curvature $M$ that is doubled until the
    /// function falls as it promises, and slowly forgotten (Pedregosa et al., 2020).
    #[default]
    Backtracking,
}

impl Default for FrankWolfe {
    /// Backtracking, at most 1000 steps, to a gap of 1e-6.
    fn default() -> Self {
        Self { step: FrankWolfeStep::default(), iterations: 1000, tolerance: 1e-6 }
    }
}

/// What [`FrankWolfe`] keeps between steps.
#[derive(Debug, Clone)]
pub struct TowardsVertices {
    steps: usize,
    curvature: f64,
    /// From the point to the vertex.
    direction: Vec<f64>,
}

impl Method for FrankWolfe {
    const NAME: &'static str = "frank-wolfe";

    type State = TowardsVertices;

    fn iterations(&self) -> usize {
        self.iterations
    }

    fn tolerance(&self) -> f64 {
        self.tolerance
    }

    fn begin<P: Problem>(&self, problem: &P, _: &[f64]) -> Result<TowardsVertices, SolveError> {
        refuse(Self::NAME, problem, "a bounded set that solves linear problems", |part| {
            part.set.is_some_and(|set| set.capabilities(part.shape).linear)
        })?;
        Ok(TowardsVertices { steps: 0, curvature: 1.0, direction: Vec::new() })
    }

    /// The duality gap. Rounding may leave it slightly below 0.
    fn measure<P: Problem>(
        &self,
        state: &mut TowardsVertices,
        problem: &mut P,
        at: &mut Iterate,
    ) -> f64 {
        let vertex = vertex(problem, &at.gradient);
        state.direction = vertex.iter().zip(&at.point).map(|(s, w)| s - w).collect();
        (-dot(&at.gradient, &state.direction)).max(0.0)
    }

    fn step<P: Problem>(
        &self,
        state: &mut TowardsVertices,
        problem: &mut P,
        at: &mut Iterate,
    ) -> Result<ControlFlow<()>, SolveError> {
        let TowardsVertices { steps, curvature, direction } = state;
        let along = |gamma: f64| -> Vec<f64> {
            at.point.iter().zip(&*direction).map(|(w, d)| w + gamma * d).collect()
        };
        *steps += 1;
        let next = match self.step {
            FrankWolfeStep::Open => along(2.0 / (*steps as f64 + 1.0)),
            FrankWolfeStep::Backtracking => {
                let (gap, square) = (at.measure, norm(direction).powi(2));
                *curvature *= 0.9;
                loop {
                    let gamma = (gap / (*curvature * square)).min(1.0);
                    let mut next = along(gamma);
                    problem.move_to(&mut next);
                    let promised =
                        at.objective - gamma * gap + 0.5 * *curvature * gamma * gamma * square;
                    if trial(problem)? <= promised + slack::<P::Number>(at.objective) {
                        break next;
                    }
                    *curvature *= 2.0;
                    if !curvature.is_finite() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        };
        at.point = next;
        Ok(ControlFlow::Continue(()))
    }
}

/// The point of the sets with the least product with the gradient.
fn vertex<P: Problem>(problem: &P, gradient: &[f64]) -> Vec<f64> {
    let (mut all, mut rest) = (Vec::with_capacity(gradient.len()), gradient);
    for part in problem.parts() {
        let (gradient, tail) = rest.split_at(part.shape.len());
        let gradient: Vec<P::Number> = gradient.iter().map(|g| P::Number::of(*g)).collect();
        let mut vertex = gradient.clone();
        let set = part.set.expect("begun with sets that have vertices");
        set.minimize_linear(part.shape, &gradient, &mut vertex);
        all.extend(vertex.iter().map(|s| s.f64()));
        rest = tail;
    }
    all
}
