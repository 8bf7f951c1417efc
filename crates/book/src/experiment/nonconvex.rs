//! Projected gradient without convexity: what the theorem bounds is the gradient mapping, and the
//! function is chosen so flat that the rate of the bound is nearly met.

use morphograd::morphology::nn::sets::Interval;

use super::{Objective, Rate, gradient_descent, milestones, minimize};

/// The exponent $p$; the smaller, the flatter.
const P: f64 = 0.1;

/// $f(w) = \sum_i (1 + w_i^2)^{-p/2}$: a hill that falls so slowly on both sides that there is no
/// minimum. Its curvature is at most $p$.
#[derive(Debug, Clone, Copy)]
pub struct Hill;

impl Objective for Hill {
    fn value(&self, w: &[f64]) -> f64 {
        w.iter().map(|w| (1.0 + w * w).powf(-P / 2.0)).sum()
    }

    fn gradient(&self, _: u64, w: &[f64], gradient: &mut [f64]) {
        for (g, w) in gradient.iter_mut().zip(w) {
            *g = -P * w * (1.0 + w * w).powf(-P / 2.0 - 1.0);
        }
    }
}

/// The smallest norm of the gradient mapping $G$ of the steps $j < k$, on the set $w \ge -1$ with
/// step $1/L$, and the bound $\sqrt{2 L (f(w_0) - \inf f) / k}$.
pub fn gradient_mapping(steps: u64) -> Rate {
    // Two coordinates fall off to the left, where the set ends, the others to the right, where it
    // does not.
    let start = vec![-0.4, -0.1, 0.1, 0.3, 0.5, 0.8];
    let lowest = 2.0 * 2.0_f64.powf(-P / 2.0);
    let height = Hill.value(&start) - lowest;
    let set = Interval { min: -1.0, max: f64::INFINITY };
    let mut rate = Rate {
        name: "smallest gradient mapping".to_owned(),
        measured: Vec::new(),
        bound: Vec::new(),
    };
    let marks = milestones(steps);
    let mut best = f64::INFINITY;
    minimize(Hill, start, Some(Box::new(set)), gradient_descent(1.0 / P), steps, |k, _, report| {
        if marks.binary_search(&k).is_ok() {
            rate.measured.push((k as f64, best));
            rate.bound.push((k as f64, (2.0 * P * height / k as f64).sqrt()));
        }
        best = best.min(report.gradient_mapping.expect("it is measured"));
    });
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_mapping_falls_as_one_over_the_root_of_k_without_convexity() {
        let rate = gradient_mapping(4000);
        let [measured, bound] = rate.exponents(30.0);
        assert!(rate.worst_ratio() <= 1.0, "{}", rate.worst_ratio());
        assert!((bound + 0.5).abs() < 1e-9);
        assert!(measured <= -0.48 && measured > -0.65, "{measured}");
    }
}
