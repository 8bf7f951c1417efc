//! Projected gradient with noise: a constant step ends in a ball around the solution whose size is
//! proportional to the step, a step that falls as $1/k$ goes on. Many runs are made at once, as
//! blocks of one parameter, and averaged.

use morphograd::morphology::nn::optim::{InverseTimeDecay, Schedule};
use morphograd::morphology::nn::random::Stream;
use morphograd::morphology::nn::sets::Interval;

use super::{Objective, Rate, gradient_descent, milestones, minimize};

const COORDINATES: usize = 20;
const RUNS: usize = 60;
/// Smallest curvature.
const MU: f64 = 0.5;
/// Largest curvature.
const L: f64 = 1.0;

/// $\tfrac12 \sum_i λ_i (w_i - w^*_i)^2 + g^\top (w - w^*)$ for each block, its gradient with
/// normal noise of variance 1 for a whole block.
#[derive(Debug)]
struct Noisy;

/// Curvature, solution and gradient there of a coordinate: a quarter of them are at the upper
/// bound.
fn coordinate(i: usize) -> [f64; 3] {
    let curvature = MU + (L - MU) * i as f64 / (COORDINATES - 1) as f64;
    if i % 4 == 3 { [curvature, 1.0, -0.2] } else { [curvature, 0.5, 0.0] }
}

impl Objective for Noisy {
    fn value(&self, _: &[f64]) -> f64 {
        0.0
    }

    fn gradient(&self, step: u64, w: &[f64], gradient: &mut [f64]) {
        let mut noise = Stream::new(3, "noise", step);
        let scale = 1.0 / (COORDINATES as f64).sqrt();
        for (i, (g, w)) in gradient.iter_mut().zip(w).enumerate() {
            let [curvature, solution, at_solution] = coordinate(i % COORDINATES);
            *g = curvature * (w - solution) + at_solution + scale * noise.normal();
        }
    }
}

/// Mean square distances to the solution over the milestones, with the bound `bound(k)`.
fn run(
    name: String,
    rate: impl Schedule + 'static,
    steps: u64,
    bound: impl Fn(f64) -> f64,
) -> Rate {
    let start = vec![-1.0; COORDINATES * RUNS];
    let marks = milestones(steps);
    let mut result = Rate { name, measured: Vec::new(), bound: Vec::new() };
    let set = Interval { min: -1.0, max: 1.0 };
    minimize(Noisy, start, Some(Box::new(set)), gradient_descent(rate), steps, |k, w, _| {
        if marks.binary_search(&k).is_ok() {
            let square = |(i, w): (usize, &f64)| (w - coordinate(i % COORDINATES)[1]).powi(2);
            let mean = w.iter().enumerate().map(square).sum::<f64>() / RUNS as f64;
            result.measured.push((k as f64, mean));
            result.bound.push((k as f64, bound(k as f64)));
        }
    });
    result
}

/// $R^2$, the square of the first distance.
fn radius_squared() -> f64 {
    (0..COORDINATES).map(|i| (-1.0 - coordinate(i)[1]).powi(2)).sum()
}

/// Mean of $\lVert w_k - w^* \rVert^2$ with the constant step $η \le 1/L$, and the bound
/// $(1 - ημ)^{2k} R^2 + ησ^2 / (μ (2 - ημ))$.
pub fn constant(step: f64, steps: u64) -> Rate {
    let ball = step / (MU * (2.0 - step * MU));
    run(format!("step {step}"), step, steps, move |k| {
        (1.0 - step * MU).powf(2.0 * k) * radius_squared() + ball
    })
}

/// Mean of $\lVert w_k - w^* \rVert^2$ with $η_k = 1 / (μ (k + κ))$, $κ = L/μ$, and the bound
/// $((κ - 1)^2 R^2 + k σ^2 / μ^2) / (k + κ - 1)^2$.
pub fn falling(steps: u64) -> Rate {
    let condition = L / MU;
    let schedule =
        InverseTimeDecay { initial: 1.0 / L, steps: 1, rate: 1.0 / condition, staircase: false };
    run("step 1/(μ(k + κ))".to_owned(), schedule, steps, move |k| {
        let first = (condition - 1.0).powi(2) * radius_squared();
        (first + k / (MU * MU)) / (k + condition - 1.0).powi(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_step_ends_in_a_ball_proportional_to_it() {
        let last = |rate: &Rate| {
            let tail = &rate.measured[rate.measured.len() - 10..];
            tail.iter().map(|(_, y)| y).sum::<f64>() / 10.0
        };
        let (large, small) = (constant(0.4, 1000), constant(0.1, 1000));
        for rate in [&large, &small] {
            // A mean over runs stays below a bound of the expectation, but for chance.
            assert!(rate.worst_ratio() < 1.1, "{}", rate.worst_ratio());
        }
        let ratio = last(&large) / last(&small);
        assert!((3.0..6.0).contains(&ratio), "a step four times as large: {ratio}");
    }

    #[test]
    fn a_step_of_one_over_k_gives_a_square_distance_of_one_over_k() {
        let rate = falling(2000);
        let [measured, bound] = rate.exponents(50.0);
        assert!(rate.worst_ratio() < 1.1, "{}", rate.worst_ratio());
        assert!(
            measured < -0.9 && measured > -1.2 && (bound + 1.0).abs() < 0.1,
            "{measured}, {bound}"
        );
    }
}
