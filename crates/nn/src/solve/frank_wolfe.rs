//! The method of Frank and Wolfe: no projection, but a linear problem on the set at each step, and
//! a certificate for nothing.
//!
//! The one design choice: the solution of the linear problem is a function of the set
//! (`Constraint::minimize_linear`), so a set that has one works at once; the step is found by
//! backtracking on the curvature, so nothing has to be known of the objective.

use std::ops::ControlFlow;

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Params, Var};

use crate::solve::objective::{Problem, Solution, SolveError, dot, norm, slack};

/// Minimizes $f$ over bounded convex sets: with $s = \arg\min_{s \in C} \langle \nabla f(w), s
/// \rangle$,
/// $$w \leftarrow w + γ (s - w), \qquad 0 \le γ \le 1.$$
///
/// The duality gap $g(w) = \langle \nabla f(w), w - s \rangle \ge f(w) - f^*$ comes with each step,
/// for convex $f$; it is the measure of the result. For a gradient with the Lipschitz constant $L$
/// and a set of diameter $D$, $f(w_k) - f^* \le 2 L D^2 / (k + 2)$ with the open step (Jaggi, 2013,
/// Theorem 1). Points are combinations of few vertices: sparse on the simplex, of low rank on the
/// nuclear-norm ball. Cost: a gradient and a linear problem a step; by backtracking also one or
/// more values.
///
/// ```
/// use morphograd_nn::autodiff::{Mul, Params, Sub, Sum};
/// use morphograd_nn::{FrankWolfe, sets::Simplex, tensor::Tensor};
/// let mut params = Params::new();
/// let w = params.add(
///     "w",
///     Tensor::filled([3], 1.0 / 3.0),
///     Some(Box::new(Simplex { sum: 1.0 })),
/// )?;
/// let target = Tensor::from_vec([3], vec![0.5f64, 0.4, 0.1])?;
/// let solution = FrankWolfe { tolerance: 1e-3, ..FrankWolfe::default() }.minimize(
///     &mut params,
///     |graph| {
///         let (w, target) = (graph.param(w), graph.input(target.view()));
///         let difference = graph.apply(Sub, [w, target])?;
///         let squares = graph.apply(Mul, [difference, difference])?;
///         graph.apply(Sum, [squares])
///     },
/// )?;
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
    /// $γ_k = 2 / (k + 2)$, without a look at the objective, which may increase.
    Open,
    /// $γ = \min(1, g / (M \lVert s - w \rVert^2))$ with a curvature $M$ that is doubled until the
    /// objective falls as it promises, and slowly forgotten (Pedregosa et al., 2020).
    #[default]
    Backtracking,
}

impl Default for FrankWolfe {
    /// Backtracking, at most 1000 steps, to a gap of 1e-6.
    fn default() -> Self {
        Self { step: FrankWolfeStep::default(), iterations: 1000, tolerance: 1e-6 }
    }
}

impl FrankWolfe {
    /// Moves the trainable parameters towards a minimum of the loss that the closure records. It
    /// has to be the same at each call.
    ///
    /// # Errors
    /// If the loss cannot be recorded or is not finite, or a set has no linear minimum. The
    /// parameters are then those of the last step.
    pub fn minimize<T: Real>(
        &self,
        params: &mut Params<T>,
        loss: impl FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
    ) -> Result<Solution, SolveError> {
        self.minimize_observed(params, loss, |_, _| ControlFlow::Continue(()))
    }

    /// As [`minimize`](Self::minimize), and calls `observe` at the start and after each step with
    /// the parameters there and what is known of them; the method ends where it breaks.
    ///
    /// # Errors
    /// As `minimize`.
    pub fn minimize_observed<T: Real>(
        &self,
        params: &mut Params<T>,
        loss: impl FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
        mut observe: impl FnMut(&Params<T>, &Solution) -> ControlFlow<()>,
    ) -> Result<Solution, SolveError> {
        let mut problem = Problem::new("frank-wolfe", params, loss)?;
        let mut w = problem.read();
        let result = self.run(&mut problem, &mut w, &mut observe);
        problem.write(&mut w);
        result
    }

    fn run<T: Real, F>(
        &self,
        problem: &mut Problem<'_, T, F>,
        w: &mut [f64],
        observe: &mut dyn FnMut(&Params<T>, &Solution) -> ControlFlow<()>,
    ) -> Result<Solution, SolveError>
    where
        F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
    {
        let (mut gradient, mut curvature) = (Vec::new(), 1.0f64);
        for k in 0..=self.iterations {
            problem.write(w);
            let objective = problem.gradient(&mut gradient)?;
            let vertex = vertex(problem, &gradient)?;
            let direction: Vec<f64> = vertex.iter().zip(&*w).map(|(s, w)| s - w).collect();
            // Rounding may leave a gap slightly below 0.
            let gap = (-dot(&gradient, &direction)).max(0.0);
            let converged = gap <= self.tolerance;
            let solution = Solution { iterations: k, objective, measure: gap, converged };
            if observe(problem.params, &solution).is_break() || converged || k == self.iterations {
                return Ok(solution);
            }
            let along = |gamma: f64| -> Vec<f64> {
                w.iter().zip(&direction).map(|(w, d)| w + gamma * d).collect()
            };
            let mut next = match self.step {
                FrankWolfeStep::Open => along(2.0 / (k as f64 + 2.0)),
                FrankWolfeStep::Backtracking => {
                    let square = norm(&direction).powi(2);
                    curvature *= 0.9;
                    loop {
                        let gamma = (gap / (curvature * square)).min(1.0);
                        let mut next = along(gamma);
                        problem.write(&mut next);
                        let promised =
                            objective - gamma * gap + 0.5 * curvature * gamma * gamma * square;
                        if problem.trial()? <= promised + slack::<T>(objective) {
                            break next;
                        }
                        curvature *= 2.0;
                        if !curvature.is_finite() {
                            return Ok(Solution {
                                iterations: k,
                                objective,
                                measure: gap,
                                converged: false,
                            });
                        }
                    }
                }
            };
            problem.write(&mut next);
            w.copy_from_slice(&next);
        }
        unreachable!("the last step returns")
    }
}

/// The point of the sets with the least product with the gradient.
fn vertex<T: Real, F>(problem: &Problem<'_, T, F>, gradient: &[f64]) -> Result<Vec<f64>, SolveError>
where
    F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
{
    let (mut all, mut at) = (Vec::with_capacity(gradient.len()), 0);
    for id in &problem.ids {
        let value = problem.params.value(*id);
        let n = value.data.len();
        let part: Vec<T> = gradient[at..at + n].iter().map(|g| T::of(*g)).collect();
        let mut vertex = vec![T::zero(); n];
        let set = problem.params.constraint(*id);
        let Some(set) = set.filter(|set| set.capabilities(value.shape).linear) else {
            return Err(problem.refuse(*id, "a bounded set that solves linear problems"));
        };
        set.minimize_linear(value.shape, &part, &mut vertex);
        all.extend(vertex.iter().map(|s| s.f64()));
        at += n;
    }
    Ok(all)
}
