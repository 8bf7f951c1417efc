//! Projected gradient for deterministic problems: with a step that is found by backtracking, and
//! accelerated.
//!
//! The one design choice: the accelerated method is the one whose three sequences all stay in the
//! set (Auslender and Teboulle, 2006). FISTA's extrapolated point may lie outside, where a function
//! need not be defined; the bound on the rate is the same.

use std::ops::ControlFlow;

use super::method::{Iterate, Method, SolveError, dot, gradient, norm, refuse, slack, trial};
use super::problem::Problem;
use crate::Kind;

/// Minimizes $f$ over the sets of a point.
///
/// Plain: $w \leftarrow P(w - η \nabla f(w))$, where $η$ is halved until the function is finite and
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
/// they started. It is then linear where $f$ is strongly convex. Where the values of $f$ differ by
/// less than $10^{-8}$ of themselves, it is the gradients that say whether a step is short enough.
///
/// The measure is the norm of the gradient mapping $\lVert w - P(w - η \nabla f(w)) \rVert / η$,
/// which for convex sets and a differentiable $f$ is 0 exactly at stationary points. Cost: a
/// gradient and a value for each step, and a value for each halving; accelerated a second gradient,
/// for the measure.
///
/// ```
/// use morphograd_sets::solve::{Method, Objective, ProjectedGradient};
/// use morphograd_sets::NonNegative;
/// // x + y^2 - y over x, y >= 0: the minimum is at (0, 1/2).
/// let mut w = [3.0f64, 3.0];
/// let objective = Objective::new(&NonNegative, [2], &mut w, |w, gradient| {
///     gradient.copy_from_slice(&[1.0, 2.0 * w[1] - 1.0]);
///     w[0] + w[1] * w[1] - w[1]
/// })?;
/// let method = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() };
/// let solution = method.minimize(objective)?;
/// assert!(solution.converged && w[0] == 0.0 && (w[1] - 0.5).abs() < 1e-6);
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

/// The part of a value below which differences of values may be rounding: of what a sum of squares
/// is made of, much may cancel.
const ROUNDED: f64 = 1e-8;

/// What [`ProjectedGradient`] keeps between steps.
#[derive(Debug, Clone)]
pub struct Descent {
    /// The step $η$.
    step: f64,
    theta: f64,
    z: Vec<f64>,
    /// The function at the point before.
    last: f64,
    /// The measure where the acceleration began.
    reference: Option<f64>,
}

impl Method for ProjectedGradient {
    const NAME: &'static str = "projected gradient";

    type State = Descent;

    fn iterations(&self) -> usize {
        self.iterations
    }

    fn tolerance(&self) -> f64 {
        self.tolerance
    }

    fn begin<P: Problem>(&self, problem: &P, start: &[f64]) -> Result<Descent, SolveError> {
        if !(self.step > 0.0 && self.step.is_finite()) {
            let expected = "a step that is positive and finite";
            return Err(SolveError::Setting { method: Self::NAME, expected, found: self.step });
        }
        if self.accelerated {
            refuse(Self::NAME, problem, "a convex set (for acceleration)", |part| {
                part.set.is_none_or(|set| set.kind() == Kind::Convex)
            })?;
        }
        let (last, reference) = (f64::INFINITY, None);
        Ok(Descent { step: self.step, theta: 1.0, z: start.to_vec(), last, reference })
    }

    /// $\lVert w - P(w - η g) \rVert / η$.
    fn measure<P: Problem>(&self, state: &mut Descent, problem: &mut P, at: &mut Iterate) -> f64 {
        let eta = state.step;
        let mut moved: Vec<f64> =
            at.point.iter().zip(&at.gradient).map(|(w, g)| w - eta * g).collect();
        problem.move_to(&mut moved);
        let difference: Vec<f64> = at.point.iter().zip(&moved).map(|(a, b)| a - b).collect();
        problem.move_to(&mut at.point);
        norm(&difference) / eta
    }

    fn step<P: Problem>(
        &self,
        state: &mut Descent,
        problem: &mut P,
        at: &mut Iterate,
    ) -> Result<ControlFlow<()>, SolveError> {
        let reference = *state.reference.get_or_insert(at.measure);
        let has_increased = at.objective > state.last + slack::<P::Number>(state.last);
        if self.accelerated && self.restart && (at.measure < 0.5 * reference || has_increased) {
            (state.theta, state.reference) = (1.0, Some(at.measure));
        }
        if state.theta == 1.0 {
            // Not where the start was given, which may lie outside of the set.
            state.z.clone_from(&at.point);
        }
        state.last = at.objective;
        // Where the gradient is taken: for the plain method at w itself.
        let mut y = at.point.clone();
        let mut at_y = at.objective;
        let theta = state.theta;
        if self.accelerated && theta < 1.0 {
            y = mix(&at.point, &state.z, theta);
            problem.move_to(&mut y);
            at_y = gradient::<Self, P>(problem, &mut at.gradient)?;
        }
        for _ in 0..HALVINGS {
            let eta = state.step;
            let (start, length) =
                if self.accelerated { (&state.z, eta / theta) } else { (&at.point, eta) };
            let mut next_z: Vec<f64> =
                start.iter().zip(&at.gradient).map(|(z, g)| z - length * g).collect();
            problem.move_to(&mut next_z);
            let mut next = next_z.clone();
            if self.accelerated {
                next = mix(&at.point, &next_z, theta);
                problem.move_to(&mut next);
            }
            let value = trial(problem)?;
            let change: Vec<f64> = next.iter().zip(&y).map(|(a, b)| a - b).collect();
            let bound = at_y + dot(&at.gradient, &change) + norm(&change).powi(2) / (2.0 * eta);
            let mut is_short = value <= bound + slack::<P::Number>(at_y);
            if self.accelerated && !is_short && (bound - at_y).abs() <= ROUNDED * at_y.abs() {
                // The values may differ by rounding only. Of a convex function the gradients tell,
                // too: f(w') <= f(y) + <f'(w'), w' - y>.
                let mut slopes = at.gradient.clone();
                gradient::<Self, P>(problem, &mut slopes)?;
                let turned: Vec<f64> =
                    slopes.iter().zip(&at.gradient).map(|(a, b)| a - b).collect();
                is_short = dot(&turned, &change) <= norm(&change).powi(2) / (2.0 * eta);
            }
            if is_short {
                (at.point, state.z) = (next, next_z);
                // 1 / θ'^2 - 1 / θ' = 1 / θ^2
                state.theta = 2.0 / (1.0 + (1.0 + 4.0 / (theta * theta)).sqrt());
                return Ok(ControlFlow::Continue(()));
            }
            state.step *= 0.5;
        }
        Ok(ControlFlow::Break(()))
    }
}

/// $(1 - θ) a + θ b$.
fn mix(a: &[f64], b: &[f64], theta: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| (1.0 - theta) * a + theta * b).collect()
}
