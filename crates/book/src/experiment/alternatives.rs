//! What to use where projecting hurts: the method of Frank and Wolfe, which only minimizes linear
//! functions on the set; a penalty, whose minimizers are outside; a reparametrization, which never
//! reaches the bound.

use std::ops::ControlFlow;

use morphograd::morphology::nn::sets::Simplex;
use morphograd::morphology::nn::solve::{self, FrankWolfe, FrankWolfeStep, Method};

use super::{Objective, Rate, gradient_descent, milestones, minimize};

/// The gap of $f(w) = \tfrac12 \lVert w \rVert^2$ on the simplex, from a corner, and the bound
/// $2 L D^2 / (k + 2)$ with $L = 1$ and $D^2 = 2$. Each step makes one more coordinate positive, so
/// after $k$ steps the gap is at least $\tfrac12 (1/(k+1) - 1/n)$: nothing that steps to corners is
/// faster.
pub fn frank_wolfe(steps: u64) -> Rate {
    const COUNT: usize = 20_000;
    let mut w = vec![0.0; COUNT];
    w[0] = 1.0;
    let simplex = Simplex { sum: 1.0 };
    let problem = solve::Objective::new(&simplex, [COUNT], &mut w, |w, gradient| {
        HalfSquare.gradient(0, w, gradient);
        HalfSquare.value(w)
    });
    let mut rate =
        Rate { name: "Frank and Wolfe".to_owned(), measured: Vec::new(), bound: Vec::new() };
    let marks = milestones(steps);
    let method =
        FrankWolfe { step: FrankWolfeStep::Open, iterations: steps as usize, tolerance: 0.0 };
    method
        .minimize_observed(problem.expect("any shape"), |_, solution| {
            let k = solution.iterations as u64;
            if marks.binary_search(&k).is_ok() {
                // f(w*) is that of w* with all coordinates 1/n.
                let gap = solution.objective - 0.5 / COUNT as f64;
                rate.measured.push((k as f64, gap));
                rate.bound.push((k as f64, 4.0 / (k as f64 + 2.0)));
            }
            ControlFlow::Continue(())
        })
        .expect("a bounded set");
    rate
}

/// $\tfrac12 \lVert w \rVert^2$.
#[derive(Debug, Clone, Copy)]
struct HalfSquare;

impl Objective for HalfSquare {
    fn value(&self, w: &[f64]) -> f64 {
        0.5 * w.iter().map(|w| w * w).sum::<f64>()
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        gradient.copy_from_slice(w);
    }
}

/// $\sqrt{1 + (w - 3)^2}$ with a penalty $\tfrac{ρ}{2} w^2$ for $w > 0$: the set is $w \le 0$, and
/// the first term changes by at most the distance.
#[derive(Debug, Clone, Copy)]
struct Penalized {
    weight: f64,
}

impl Objective for Penalized {
    fn value(&self, w: &[f64]) -> f64 {
        let outside = w[0].max(0.0);
        (1.0 + (w[0] - 3.0).powi(2)).sqrt() + 0.5 * self.weight * outside * outside
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        let away = w[0] - 3.0;
        gradient[0] = away / (1.0 + away * away).sqrt() + self.weight * w[0].max(0.0);
    }
}

/// The distance to the set of the minimizer with the weight $ρ$, over $ρ$, and the bound $M / ρ$
/// with $M = 1$.
pub fn penalty() -> Rate {
    let mut rate = Rate { name: "penalty".to_owned(), measured: Vec::new(), bound: Vec::new() };
    for exponent in 0..=16 {
        let weight = 10.0_f64.powf(f64::from(exponent) / 4.0);
        let mut last = 0.0;
        // The curvature is at most 1 + ρ.
        minimize(
            Penalized { weight },
            vec![0.0],
            None,
            gradient_descent(1.0 / (1.0 + weight)),
            2000,
            |_, w, _| {
                last = w[0];
            },
        );
        rate.measured.push((weight, last.max(0.0)));
        rate.bound.push((weight, 1.0 / weight));
    }
    rate
}

/// $e^θ$, to be minimized over $θ$: what $f(w) = w$ on $w > 0$ becomes.
#[derive(Debug, Clone, Copy)]
struct Exponential;

impl Objective for Exponential {
    fn value(&self, theta: &[f64]) -> f64 {
        theta[0].exp()
    }

    fn gradient(&self, _: u64, theta: &[f64], gradient: &mut [f64]) {
        gradient[0] = theta[0].exp();
    }
}

/// $w_k = e^{θ_k}$ from 1 on with step $η = 0.1$, and $1 / (η k + 1)$, which it follows from below:
/// as $1 / w_{k+1} = e^{η w_k} / w_k \ge 1 / w_k + η$.
pub fn reparametrized(steps: u64) -> Rate {
    const STEP: f64 = 0.1;
    let mut rate =
        Rate { name: "reparametrized".to_owned(), measured: Vec::new(), bound: Vec::new() };
    let marks = milestones(steps);
    minimize(Exponential, vec![0.0], None, gradient_descent(STEP), steps, |k, theta, _| {
        if marks.binary_search(&k).is_ok() {
            rate.measured.push((k as f64, theta[0].exp()));
            rate.bound.push((k as f64, 1.0 / (STEP * k as f64 + 1.0)));
        }
    });
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frank_and_wolfe_fall_as_one_over_k_and_no_faster_here() {
        let rate = frank_wolfe(400);
        let [measured, bound] = rate.exponents(30.0);
        assert!(rate.worst_ratio() <= 1.0, "{}", rate.worst_ratio());
        assert!(
            measured <= -0.97 && measured > -1.1 && (bound + 1.0).abs() < 0.05,
            "{measured}, {bound}"
        );
        for (k, gap) in rate.measured {
            assert!(gap >= 0.5 * (1.0 / (k + 1.0) - 1.0 / 20_000.0) - 1e-12, "step {k}: {gap}");
        }
    }

    #[test]
    fn a_penalty_of_weight_rho_ends_at_a_distance_of_one_over_rho() {
        let rate = penalty();
        let [measured, bound] = rate.exponents(10.0);
        assert!(rate.worst_ratio() <= 1.0, "{}", rate.worst_ratio());
        assert!((measured + 1.0).abs() < 0.05 && (bound + 1.0).abs() < 1e-9, "{measured}");
    }

    #[test]
    fn a_reparametrized_weight_reaches_zero_as_slowly_as_one_over_k() {
        let rate = reparametrized(1000);
        let [measured, _] = rate.exponents(100.0);
        assert!(rate.worst_ratio() <= 1.0 + 1e-12, "{}", rate.worst_ratio());
        assert!((measured + 1.0).abs() < 0.1, "{measured}");
    }
}
