//! Noise without convexity, in three ways to step: what the gradient mapping of a fixed step and
//! that of the step's own length do over the training, one example of noise at a time.
//!
//! The one design choice: the loop is written out, because it is two lines and measures what no
//! optimizer sees, the gradient without noise.

use morphograd::morphology::nn::random::Stream;
use morphograd::morphology::nn::sets::{Constraint, Interval};

use super::milestones;

/// Of the six coordinates three end at the lower bound, three inside.
const PHASES: [f64; 6] = [0.0, 0.0, 0.0, -1.0, -1.0, -1.0];
/// Many runs at once, as blocks of one parameter.
const RUNS: usize = 200;
const SET: Interval = Interval { min: -1.0, max: 1.0 };
/// $1/(2L)$, the fixed step of the measure: $L = 1$.
pub const FIXED: f64 = 0.5;

/// How a run steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// $η = 0.1$.
    Constant,
    /// $η_k = 1 / (2L \sqrt{k + 1})$.
    Falling,
    /// The same steps along $m \leftarrow (1 - a_k) m + a_k g$ with $a_k = 1 / \sqrt{k + 1}$.
    Averaged,
}

impl Way {
    /// The length of step `k`.
    pub fn step(self, k: u64) -> f64 {
        match self {
            Self::Constant => 0.1,
            Self::Falling | Self::Averaged => FIXED / (k as f64 + 1.0).sqrt(),
        }
    }

    /// The share of the new gradient in the direction.
    fn share(self, k: u64) -> f64 {
        if self == Self::Averaged { 1.0 / (k as f64 + 1.0).sqrt() } else { 1.0 }
    }
}

/// Means over the runs, at the milestones.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// Step and mean of $\lVert G_{1/2L}(w_k) \rVert^2$.
    pub fixed: Vec<(f64, f64)>,
    /// Step and mean of $\lVert G_{η_k}(w_k) \rVert^2$.
    pub own: Vec<(f64, f64)>,
    /// $\sum_k η_k \lVert G_{1/2L}(w_k) \rVert^2 / \sum_k η_k$ over all steps.
    pub weighted: f64,
    /// What the theorem allows for it.
    pub bound: f64,
}

/// Projected gradient on $\sum_i \sin(w_i + c_i)$ over the box $-1 \le w \le 1$, with normal noise
/// of variance 1 in each coordinate.
pub fn run(way: Way, steps: u64) -> Floor {
    let count = PHASES.len() * RUNS;
    let gradient = |i: usize, w: f64| (w + PHASES[i % PHASES.len()]).cos();
    let (mut w, mut direction) = (vec![0.5; count], vec![0.0; count]);
    let mut next = vec![0.0; count];
    let marks = milestones(steps);
    let mut floor = Floor { fixed: Vec::new(), own: Vec::new(), weighted: 0.0, bound: 0.0 };
    let (mut sum, mut squares) = (0.0, 0.0);
    for k in 0..steps {
        let (step, share) = (way.step(k), way.share(k));
        let mut mapping = |length: f64| {
            for (i, (next, w)) in next.iter_mut().zip(&w).enumerate() {
                *next = w - length * gradient(i, *w);
            }
            SET.project([count].into(), &mut next);
            let square = |(next, w): (&f64, &f64)| ((w - next) / length).powi(2);
            next.iter().zip(&w).map(square).sum::<f64>() / RUNS as f64
        };
        let fixed = mapping(FIXED);
        if marks.binary_search(&(k + 1)).is_ok() {
            floor.fixed.push((k as f64 + 1.0, fixed));
            floor.own.push((k as f64 + 1.0, mapping(step)));
        }
        floor.weighted += step * fixed;
        sum += step;
        squares += step * step;

        let mut noise = Stream::new(5, "noise", k);
        for (i, (m, w)) in direction.iter_mut().zip(&mut w).enumerate() {
            *m += share * (gradient(i, *w) + noise.normal() - *m);
            *w -= step * *m;
        }
        SET.project([count].into(), &mut w);
    }
    floor.weighted /= sum;
    // The function is at most its start; its lower bound is -1 for each coordinate. σ^2 is 6.
    let height: f64 = PHASES.iter().map(|phase| (0.5 + phase).sin() + 1.0).sum();
    floor.bound = 9.0 * (height + PHASES.len() as f64 * squares) / sum;
    floor
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over the last milestones.
    fn last(points: &[(f64, f64)]) -> f64 {
        points[points.len() - 10..].iter().map(|(_, y)| y).sum::<f64>() / 10.0
    }

    #[test]
    fn falling_steps_make_the_gradient_mapping_of_a_fixed_step_small_without_larger_batches() {
        let (constant, falling) = (run(Way::Constant, 4000), run(Way::Falling, 4000));
        for floor in [&constant, &falling] {
            assert!(floor.weighted <= floor.bound, "{} {}", floor.weighted, floor.bound);
        }
        assert!(last(&falling.fixed) < 0.02, "{}", last(&falling.fixed));
        assert!((0.15..0.25).contains(&last(&constant.fixed)), "{}", last(&constant.fixed));
    }

    #[test]
    fn at_the_steps_own_length_only_an_averaged_gradient_makes_the_gradient_mapping_small() {
        let (falling, averaged) = (run(Way::Falling, 4000), run(Way::Averaged, 4000));
        assert!(last(&falling.own) > 0.25, "{}", last(&falling.own));
        assert!(last(&averaged.own) < 0.02, "{}", last(&averaged.own));
    }
}
