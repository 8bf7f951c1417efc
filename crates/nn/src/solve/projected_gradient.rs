//! Projected gradient for deterministic objectives: with a step that is found by backtracking, and
//! accelerated.
//!
//! The one design choice: the accelerated method is the one whose three sequences all stay in the
//! set (Auslender and Teboulle, 2006). FISTA's extrapolated point may lie outside, where a loss
//! need not be defined; the bound on the rate is the same.

use std::ops::ControlFlow;

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Params, Var, sets::Kind};

use crate::solve::objective::{Problem, Solution, SolveError, dot, norm, slack};

/// Minimizes $f$ over the sets of the parameters.
///
/// Plain: $w \leftarrow P(w - η \nabla f(w))$, where $η$ is halved until the loss is finite and
/// $f(w^+) \le f(w) + \langle \nabla f(w), w^+ - w \rangle + \lVert w^+ - w \rVert^2 / 2η$. For a
/// convex $f$ whose gradient has the Lipschitz constant $L$, $f(w_k) - f^* \le \max(L, 1/η_0)
/// \lVert w_0 - w^* \rVert^2 / k$ (Beck and Teboulle, 2009, Theorem 3.1, with steps that are
/// halved); linear convergence if $f$ is strongly convex; otherwise the smallest gradient mapping
/// of $k$ steps is $O(1 / \sqrt k)$.
///
/// Accelerated: $y = (1 - θ) w + θ z$, $z \leftarrow P(z - \frac{η}{θ} \nabla f(y))$,
/// $w \leftarrow (1 - θ) w + θ z$, with $f(w_k) - f^* \le 4 \max(L, 1/η_0) \lVert w_0 - w^*
/// \rVert^2 / (k + 1)^2$ for convex $f$ and sets (Tseng, 2008, Corollary 1). With `restart` it
/// begins anew where the gradient mapping has fallen to a half, or the objective has increased
/// (O'Donoghue and Candès, 2015): its points are averages, which would otherwise remember where
/// they started. It is then linear where $f$ is strongly convex.
///
/// The result is the point with the norm of its gradient mapping
/// $\lVert w - P(w - η \nabla f(w)) \rVert / η$, which is 0 exactly at stationary points. Cost: a
/// gradient and a value for each step, and a value for each halving; accelerated a second gradient,
/// for the measure.
///
/// ```
/// use morphograd_nn::autodiff::{Mul, Params, Sub, Sum};
/// use morphograd_nn::{ProjectedGradient, sets::Simplex, tensor::Tensor};
/// // The point of the simplex nearest to (2, 1, 0).
/// let mut params = Params::new();
/// let w = params.add(
///     "w",
///     Tensor::filled([3], 1.0 / 3.0),
///     Some(Box::new(Simplex { sum: 1.0 })),
/// )?;
/// let target = Tensor::from_vec([3], vec![2.0f64, 1.0, 0.0])?;
/// let solution = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() }
///     .minimize(&mut params, |graph| {
///         let (w, target) = (graph.param(w), graph.input(target.view()));
///         let difference = graph.apply(Sub, [w, target])?;
///         let squares = graph.apply(Mul, [difference, difference])?;
///         graph.apply(Sum, [squares])
///     })?;
/// assert!(solution.converged && (params.value(w).data[0] - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectedGradient {
    /// The first step $η_0$, positive; too long a one is shortened.
    pub step: f64,
    /// Whether steps are accelerated. All sets have to be convex then.
    pub accelerated: bool,
    /// Whether an accelerated method begins anew now and then.
    pub restart: bool,
    /// The most steps.
    pub iterations: usize,
    /// Norm of the gradient mapping that is small enough.
    pub tolerance: f64,
}

impl Default for ProjectedGradient {
    /// A first step of 1, plain, at most 1000 steps, to a gradient mapping of 1e-6.
    fn default() -> Self {
        Self { step: 1.0, accelerated: false, restart: true, iterations: 1000, tolerance: 1e-6 }
    }
}

/// Halvings of a step, at most.
const HALVINGS: usize = 60;

impl ProjectedGradient {
    /// Moves the trainable parameters to a minimum of the loss that the closure records. It has to
    /// be the same at each call.
    ///
    /// # Errors
    /// If a setting makes no sense, the loss cannot be recorded or is not finite at the start or
    /// its gradient along the way, or the method is accelerated and a set is not convex. The
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
        let mut problem = Problem::new("projected gradient", params, loss)?;
        if !(self.step > 0.0 && self.step.is_finite()) {
            let (method, expected) = (problem.method, "a step that is positive and finite");
            return Err(SolveError::Setting { method, expected, found: self.step });
        }
        if self.accelerated
            && let Some(id) = problem.ids.iter().find(|id| {
                problem.params.constraint(**id).is_some_and(|set| set.kind() != Kind::Convex)
            })
        {
            return Err(problem.refuse(*id, "a convex set, for acceleration,"));
        }
        let mut w = problem.read();
        let result = self.run(&mut problem, &mut w, &mut observe);
        // Also after an error: the last step's point, where the loss was finite.
        problem.write(&mut w);
        result
    }

    fn run<T: Real, F>(
        &self,
        problem: &mut Problem<'_, T, F>,
        w: &mut Vec<f64>,
        observe: &mut dyn FnMut(&Params<T>, &Solution) -> ControlFlow<()>,
    ) -> Result<Solution, SolveError>
    where
        F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
    {
        let mut gradient = Vec::new();
        let (mut eta, mut theta, mut z) = (self.step, 1.0, w.clone());
        // Of the point before, and of the one where the acceleration began.
        let (mut objective, mut reference) = (problem.value()?, f64::INFINITY);
        for k in 0..=self.iterations {
            problem.write(w);
            let at_w = problem.gradient(&mut gradient)?;
            let measure = mapping(problem, w, &gradient, eta);
            let converged = measure <= self.tolerance;
            let solution = Solution { iterations: k, objective: at_w, measure, converged };
            problem.write(w);
            if observe(problem.params, &solution).is_break() || converged || k == self.iterations {
                return Ok(solution);
            }
            reference = if k == 0 { measure } else { reference };
            if self.accelerated
                && self.restart
                && (measure < 0.5 * reference || at_w > objective + slack::<T>(objective))
            {
                (theta, z, reference) = (1.0, w.clone(), measure);
            }
            objective = at_w;
            // Where the gradient is taken: for the plain method at w itself.
            let mut y = w.clone();
            let mut at_y = at_w;
            if self.accelerated && theta < 1.0 {
                y = mix(w, &z, theta);
                problem.write(&mut y);
                at_y = problem.gradient(&mut gradient)?;
            }
            let mut stepped = false;
            for _ in 0..HALVINGS {
                let start = if self.accelerated { &z } else { &*w };
                let length = if self.accelerated { eta / theta } else { eta };
                let mut next_z: Vec<f64> =
                    start.iter().zip(&gradient).map(|(z, g)| z - length * g).collect();
                problem.write(&mut next_z);
                let mut next =
                    if self.accelerated { mix(w, &next_z, theta) } else { next_z.clone() };
                if self.accelerated {
                    problem.write(&mut next);
                }
                let value = problem.trial()?;
                let change: Vec<f64> = next.iter().zip(&y).map(|(a, b)| a - b).collect();
                let bound = at_y + dot(&gradient, &change) + norm(&change).powi(2) / (2.0 * eta);
                if value <= bound + slack::<T>(at_y) {
                    (*w, z, stepped) = (next, next_z, true);
                    break;
                }
                eta *= 0.5;
            }
            if !stepped {
                problem.write(w);
                return Ok(Solution { iterations: k, objective, measure, converged: false });
            }
            // 1 / θ'^2 - 1 / θ' = 1 / θ^2
            theta = 2.0 / (1.0 + (1.0 + 4.0 / (theta * theta)).sqrt());
        }
        unreachable!("the last step returns")
    }
}

/// $\lVert w - P(w - η g) \rVert / η$.
fn mapping<T: Real, F>(
    problem: &mut Problem<'_, T, F>,
    w: &[f64],
    gradient: &[f64],
    eta: f64,
) -> f64
where
    F: FnMut(&mut Graph<'_, T>) -> Result<Var, ShapeError>,
{
    let mut moved: Vec<f64> = w.iter().zip(gradient).map(|(w, g)| w - eta * g).collect();
    problem.write(&mut moved);
    let difference: Vec<f64> = w.iter().zip(&moved).map(|(a, b)| a - b).collect();
    norm(&difference) / eta
}

/// $(1 - θ) a + θ b$.
fn mix(a: &[f64], b: &[f64], theta: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| (1.0 - theta) * a + theta * b).collect()
}
