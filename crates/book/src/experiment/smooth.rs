//! Projected gradient on smooth convex functions, plain and accelerated: a quadratic function whose
//! curvatures fall to 0, which is as slow as the theorem allows, and one that is strongly convex.
//! Both are minimized on a set whose bound is active at the solution.

use std::ops::ControlFlow;

use morphograd::morphology::nn::autodiff::Params;
use morphograd::morphology::nn::sets::{Constraint, NonNegative};
use morphograd::morphology::nn::solve::{Method, ProjectedGradient, RecordedLoss};
use morphograd::morphology::nn::tensor::Tensor;

use super::{Objective, Rate, distance, gradient_descent, loss, milestones, minimize};

/// $f(w) = \tfrac12 \sum_i λ_i (w_i - t_i)^2$.
#[derive(Debug, Clone)]
pub struct Separable {
    /// The curvatures $λ_i$.
    pub curvature: Vec<f64>,
    /// The targets $t_i$.
    pub target: Vec<f64>,
}

impl Objective for Separable {
    fn value(&self, w: &[f64]) -> f64 {
        let terms = w.iter().zip(&self.target).zip(&self.curvature);
        terms.map(|((w, t), curvature)| 0.5 * curvature * (w - t) * (w - t)).sum()
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        for (((g, w), t), curvature) in
            gradient.iter_mut().zip(w).zip(&self.target).zip(&self.curvature)
        {
            *g = curvature * (w - t);
        }
    }
}

impl Separable {
    /// Its minimizer among the non-negative vectors.
    pub fn solution(&self) -> Vec<f64> {
        self.target.iter().map(|t| t.max(0.0)).collect()
    }

    /// $f(w) - f(w^*)$ for the solution $w^*$, a sum of terms that are not negative, without
    /// cancellation.
    fn gap(&self, w: &[f64], solution: &[f64]) -> f64 {
        let terms = w.iter().zip(solution).zip(&self.target).zip(&self.curvature);
        terms.map(|(((w, s), t), curvature)| 0.5 * curvature * (w - s) * (w + s - 2.0 * t)).sum()
    }
}

/// A function with `count` curvatures $i^{-2}$ and targets that fall as slowly as they can while
/// their squares still have a sum, and 20 coordinates more whose target is not in the set; and
/// where to start.
pub fn slow(count: i32) -> (Separable, Vec<f64>) {
    let mut curvature: Vec<f64> = (1..=count).map(|i| f64::from(i).powi(-2)).collect();
    let mut target: Vec<f64> = (1..=count).map(|i| f64::from(i).powf(-0.51)).collect();
    let mut start = vec![0.0; target.len()];
    for i in 1..=20 {
        curvature.push(1.0 / f64::from(i));
        target.push(-0.2);
        start.push(0.2);
    }
    (Separable { curvature, target }, start)
}

/// The gap $f(w_k) - f(w^*)$ of projected gradient with step $1/L$, and the bound
/// $L \lVert w_0 - w^* \rVert^2 / 2k$.
pub fn convex(steps: u64) -> Rate {
    let (problem, start) = slow(800);
    let solution = problem.solution();
    let radius = distance(&start, &solution);
    let mut rate =
        Rate { name: "projected gradient".to_owned(), measured: Vec::new(), bound: Vec::new() };
    let marks = milestones(steps);
    let measure = problem.clone();
    // The largest curvature is 1, so the step is 1/L.
    minimize(
        problem,
        start,
        Some(Box::new(NonNegative)),
        gradient_descent(1.0),
        steps,
        |k, w, _| {
            if marks.binary_search(&k).is_ok() {
                rate.measured.push((k as f64, measure.gap(w, &solution)));
                rate.bound.push((k as f64, radius * radius / (2.0 * k as f64)));
            }
        },
    );
    rate
}

/// The gap $f(w_k) - f(w^*)$ of two accelerated methods with step $1/L$: FISTA, written out as its
/// theorem has it, with the bound $2 L \lVert w_0 - w^* \rVert^2 / (k + 1)^2$; and
/// [`ProjectedGradient`], whose bound is twice that.
pub fn accelerated(steps: u64) -> [Rate; 2] {
    let (problem, start) = slow(4000);
    let solution = problem.solution();
    let radius = distance(&start, &solution);
    let rate = |name: &str| Rate { name: name.to_owned(), measured: Vec::new(), bound: Vec::new() };
    let mut rates = [rate("FISTA"), rate("ProjectedGradient")];
    let marks = milestones(steps);
    let mut measure = |rate: usize, k: u64, w: &[f64]| {
        if marks.binary_search(&k).is_ok() {
            let k = k as f64;
            rates[rate].measured.push((k, problem.gap(w, &solution)));
            rates[rate].bound.push((k, [2.0, 4.0][rate] * radius * radius / (k + 1.0).powi(2)));
        }
    };

    let (mut w, mut ahead, mut t) = (start.clone(), start.clone(), 1.0_f64);
    let mut gradient = vec![0.0; w.len()];
    for k in 1..=steps {
        problem.gradient(k, &ahead, &mut gradient);
        // The largest curvature is 1, so the step is 1/L.
        let mut next: Vec<f64> = ahead.iter().zip(&gradient).map(|(y, g)| y - g).collect();
        NonNegative.project([next.len()].into(), &mut next);
        let next_t = f64::midpoint(1.0, (1.0 + 4.0 * t * t).sqrt());
        let momentum = (t - 1.0) / next_t;
        ahead = next.iter().zip(&w).map(|(new, old)| new + momentum * (new - old)).collect();
        (w, t) = (next, next_t);
        measure(0, k, &w);
    }

    let method = ProjectedGradient {
        step: 1.0,
        accelerated: true,
        restart: false,
        iterations: steps as usize,
        tolerance: 0.0,
    };
    let mut params = Params::new();
    let start = Tensor::from_vec([start.len()], start).expect("as many numbers as the shape says");
    let id = params.add("w", start, Some(Box::new(NonNegative))).expect("any shape");
    let loss = RecordedLoss::new(&mut params, loss(problem.clone(), id));
    method
        .minimize_observed(loss, |loss, solution| {
            measure(1, solution.iterations as u64, loss.params().value(id).data);
            ControlFlow::Continue(())
        })
        .expect("a finite objective");
    rates
}

/// $f(w) = \tfrac12 (w - w^*)^\top A (w - w^*) + g^\top (w - w^*)$ with $A$ tridiagonal, $2 + δ$ on
/// the diagonal and -1 beside it. With $g \ge 0$, and $g_i > 0$ only where $w^*_i = 0$, the
/// solution among the non-negative vectors is $w^*$.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The shift $δ$ of the diagonal.
    pub shift: f64,
    /// The solution $w^*$.
    pub solution: Vec<f64>,
    /// The gradient $g$ at the solution.
    pub multiplier: Vec<f64>,
}

impl Chain {
    /// A chain of 60 coordinates, the last 12 of them at the bound.
    pub fn new() -> Self {
        let at_bound = |i: usize| i >= 48;
        Self {
            shift: 0.2,
            solution: (0..60).map(|i| if at_bound(i) { 0.0 } else { 1.0 }).collect(),
            multiplier: (0..60).map(|i| if at_bound(i) { 0.5 } else { 0.0 }).collect(),
        }
    }

    /// The smallest and the largest curvature, $μ$ and $L$.
    pub fn curvatures(&self) -> [f64; 2] {
        let angle = std::f64::consts::PI / (self.solution.len() + 1) as f64;
        [2.0 + self.shift - 2.0 * angle.cos(), 2.0 + self.shift + 2.0 * angle.cos()]
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Objective for Chain {
    fn value(&self, w: &[f64]) -> f64 {
        let mut gradient = vec![0.0; w.len()];
        self.gradient(0, w, &mut gradient);
        let terms = w.iter().zip(&self.solution).zip(gradient.iter().zip(&self.multiplier));
        terms.map(|((w, s), (gradient, g))| 0.5 * (w - s) * (gradient + g)).sum()
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        let off = |i: usize| w[i] - self.solution[i];
        for i in 0..w.len() {
            let left = if i == 0 { 0.0 } else { off(i - 1) };
            let right = if i + 1 == w.len() { 0.0 } else { off(i + 1) };
            gradient[i] = (2.0 + self.shift) * off(i) - left - right + self.multiplier[i];
        }
    }
}

/// The distance $\lVert w_k - w^* \rVert$ of projected gradient with step $1/L$, and the bound
/// $(1 - μ/L)^k \lVert w_0 - w^* \rVert$.
pub fn strongly_convex(steps: u64) -> Rate {
    let problem = Chain::new();
    let [smallest, largest] = problem.curvatures();
    let solution = problem.solution.clone();
    let start = vec![2.0; solution.len()];
    let radius = distance(&start, &solution);
    let mut rate =
        Rate { name: "projected gradient".to_owned(), measured: Vec::new(), bound: Vec::new() };
    let step = 1.0 / largest;
    minimize(
        problem,
        start,
        Some(Box::new(NonNegative)),
        gradient_descent(step),
        steps,
        |k, w, _| {
            rate.measured.push((k as f64, distance(w, &solution)));
            rate.bound.push((k as f64, (1.0 - smallest / largest).powf(k as f64) * radius));
        },
    );
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smooth_convex_function_falls_as_one_over_k_and_no_faster_here() {
        let rate = convex(4000);
        let [measured, bound] = rate.exponents(30.0);
        assert!(rate.worst_ratio() <= 1.0, "{}", rate.worst_ratio());
        assert!((bound + 1.0).abs() < 1e-9);
        assert!(measured <= -0.97 && measured > -1.1, "{measured}");
    }

    /// $f(w) = c w$, which is $L$-smooth for every $L$.
    #[derive(Debug)]
    struct Slope(f64);

    impl Objective for Slope {
        fn value(&self, w: &[f64]) -> f64 {
            self.0 * w[0]
        }

        fn gradient(&self, _: u64, _: &[f64], gradient: &mut [f64]) {
            gradient[0] = self.0;
        }
    }

    #[test]
    fn on_a_half_line_a_slope_reaches_half_of_the_bound_so_its_constant_is_at_most_twice_too_large()
    {
        // From 1 down to 1/2 in k steps of length 1: the gap is 1/(4k), the bound 1/(2k).
        const STEPS: u64 = 64;
        let slope = Slope(0.5 / STEPS as f64);
        let mut gap = 0.0;
        minimize(
            slope,
            vec![1.0],
            Some(Box::new(NonNegative)),
            gradient_descent(1.0),
            STEPS,
            |k, w, _| {
                if k == STEPS {
                    gap = Slope(0.5 / STEPS as f64).value(w);
                }
            },
        );
        assert_eq!(gap, 0.5 * (1.0 / (2.0 * STEPS as f64)));
    }

    #[test]
    fn with_momentum_it_falls_as_one_over_k_squared() {
        for rate in accelerated(600) {
            let [measured, bound] = rate.exponents(30.0);
            assert!(rate.worst_ratio() <= 1.0, "{}: {}", rate.name, rate.worst_ratio());
            assert!(
                measured <= bound + 0.1 && measured > -2.4,
                "{}: {measured} against {bound}",
                rate.name
            );
        }
    }

    #[test]
    fn a_strongly_convex_function_falls_by_the_factor_of_the_theorem_in_each_step() {
        let rate = strongly_convex(300);
        let [measured, bound] = rate.factors(50.0);
        assert!(rate.worst_ratio() <= 1.0 + 1e-12, "{}", rate.worst_ratio());
        assert!(measured <= bound && measured > bound - 0.01, "{measured} against {bound}");
    }

    #[test]
    fn the_gradient_of_the_chain_is_that_of_its_value() {
        let chain = Chain::new();
        let w: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let mut gradient = vec![0.0; 60];
        chain.gradient(0, &w, &mut gradient);
        for i in [0, 30, 59] {
            let at = |h: f64| {
                let mut w = w.clone();
                w[i] += h;
                chain.value(&w)
            };
            let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!(
                (difference - gradient[i]).abs() < 1e-8,
                "{i}: {difference} and {}",
                gradient[i]
            );
        }
    }
}
