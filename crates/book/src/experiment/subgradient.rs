//! The projected subgradient method on a function with kinks everywhere it matters: a sum of
//! absolute values.

use morphograd::morphology::nn::optim::Schedule;
use morphograd::morphology::nn::random::Stream;
use morphograd::morphology::nn::sets::Interval;

use super::{Objective, Rate, distance, gradient_descent, milestones, minimize};

/// $f(w) = \tfrac1{\sqrt n} \sum_i \lvert w_i - t_i \rvert$, which changes by at most
/// $\lVert v - w \rVert$ between $v$ and $w$.
#[derive(Debug, Clone)]
pub struct Absolute {
    /// The targets $t_i$.
    pub target: Vec<f64>,
}

impl Objective for Absolute {
    fn value(&self, w: &[f64]) -> f64 {
        let sum: f64 = w.iter().zip(&self.target).map(|(w, t)| (w - t).abs()).sum();
        sum / (w.len() as f64).sqrt()
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        let scale = 1.0 / (w.len() as f64).sqrt();
        for ((g, w), t) in gradient.iter_mut().zip(w).zip(&self.target) {
            *g = if w > t { scale } else { -scale };
        }
    }
}

/// $η_k = R / \sqrt{k + 1}$.
#[derive(Debug, Clone, Copy)]
pub struct InverseRoot {
    /// The first rate $R$.
    pub initial: f64,
}

impl Schedule for InverseRoot {
    fn rate(&self, step: u64) -> f64 {
        self.initial / ((step + 1) as f64).sqrt()
    }
}

/// The smallest gap $f(w_j) - f(w^*)$ of the steps $j < k$ with $η_j = R / \sqrt{j + 1}$, and the
/// bound $(R^2 + \sum_j η_j^2) / (2 \sum_j η_j)$.
pub fn convex(steps: u64) -> Rate {
    let mut noise = Stream::new(7, "targets", 0);
    // One in ten lies outside of the set.
    let target: Vec<f64> =
        (0..100).map(|i| if i % 10 == 0 { 1.5 } else { 1.8 * noise.uniform() - 0.9 }).collect();
    let problem = Absolute { target };
    let solution: Vec<f64> = problem.target.iter().map(|t| t.clamp(-1.0, 1.0)).collect();
    let start = vec![0.0; solution.len()];
    let radius = distance(&start, &solution);
    let schedule = InverseRoot { initial: radius };
    let lowest = problem.value(&solution);
    let set = Interval { min: -1.0, max: 1.0 };
    let mut rate =
        Rate { name: "projected subgradient".to_owned(), measured: Vec::new(), bound: Vec::new() };
    let marks = milestones(steps);
    let measure = problem.clone();
    let (mut best, mut sum, mut squares) = (f64::INFINITY, 0.0, 0.0);
    minimize(
        problem,
        start,
        Some(Box::new(set)),
        gradient_descent(schedule),
        steps,
        |k, w, report| {
            if marks.binary_search(&k).is_ok() {
                rate.measured.push((k as f64, best - lowest));
                rate.bound.push((k as f64, (radius * radius + squares) / (2.0 * sum)));
            }
            best = best.min(measure.value(w));
            sum += report.learning_rate;
            squares += report.learning_rate * report.learning_rate;
        },
    );
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_kinks_the_gap_falls_as_one_over_the_root_of_k() {
        let rate = convex(4000);
        let [measured, bound] = rate.exponents(30.0);
        assert!(rate.worst_ratio() <= 1.0, "{}", rate.worst_ratio());
        assert!((-0.5..-0.3).contains(&bound), "{bound}");
        assert!(measured <= bound + 0.02 && measured > -0.7, "{measured} against {bound}");
    }
}
