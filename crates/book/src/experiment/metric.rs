//! Adam followed by the Euclidean projection, on a set that is no box: it can stop where it
//! started, at a point that is no solution. With the projection in its own metric it does not.

use morphograd::morphology::nn::autodiff::Params;
use morphograd::morphology::nn::optim::Adam;
use morphograd::morphology::nn::sets::FixedSum;
use morphograd::morphology::nn::{Optimizer, StepMetric};

use super::smooth::Separable;
use super::{gradient_descent, minimize};

/// A quadratic function whose gradient has one sign all over the part of the plane where the
/// methods go.
fn problem() -> Separable {
    let curvature: Vec<f64> = (1..=8).map(f64::from).collect();
    let target = (1..=8).map(|i| 1.5 + f64::from(i * i % 5)).collect();
    Separable { curvature, target }
}

/// The solution on the plane with sum 1, where all components of the gradient are equal to $-ν$:
/// $w_i = t_i - ν / λ_i$.
pub fn solution() -> Vec<f64> {
    let Separable { curvature, target } = problem();
    let excess: f64 = target.iter().sum::<f64>() - 1.0;
    let multiplier = excess / curvature.iter().map(|curvature| 1.0 / curvature).sum::<f64>();
    target.iter().zip(&curvature).map(|(t, curvature)| t - multiplier / curvature).collect()
}

/// The gap $f(w_k) - f(w^*)$ over the steps. On the plane it is
/// $\tfrac12 \sum_i λ_i (w_i - w^*_i)^2$.
fn gaps(optimizer: impl FnOnce(&Params<f64>) -> Optimizer<f64>, steps: u64) -> Vec<(f64, f64)> {
    let (problem, solution) = (problem(), solution());
    let curvature = problem.curvature.clone();
    let start = vec![1.0 / curvature.len() as f64; curvature.len()];
    let mut gaps = Vec::new();
    minimize(problem, start, Some(Box::new(FixedSum { sum: 1.0 })), optimizer, steps, |k, w, _| {
        let terms = w.iter().zip(&solution).zip(&curvature);
        gaps.push((
            k as f64,
            terms.map(|((w, s), curvature)| 0.5 * curvature * (w - s) * (w - s)).sum(),
        ));
    });
    gaps
}

/// Projected gradient with step $1/L$.
pub fn gradient(steps: u64) -> Vec<(f64, f64)> {
    gaps(gradient_descent(1.0 / 8.0), steps)
}

/// Adam with the projection in the metric $d_i = \sqrt{v_i} + ε$ of its step.
pub fn adam_in_metric(steps: u64) -> Vec<(f64, f64)> {
    gaps(
        |params| {
            Optimizer::new(params, Adam::default(), 0.05).in_metric(StepMetric::Preconditioner)
        },
        steps,
    )
}

/// Adam with the Euclidean projection.
pub fn adam(steps: u64) -> Vec<(f64, f64)> {
    gaps(|params| Optimizer::new(params, Adam::default(), 0.05), steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_with_the_euclidean_projection_stays_at_a_point_that_is_no_solution() {
        let (gradient, adam) = (gradient(200), adam(200));
        let first = adam[0].1;
        assert!(gradient[200].1 < 1e-6 * first, "{:?}", gradient[200]);
        assert!((adam[200].1 - first).abs() < 1e-3 * first, "{first} and {:?}", adam[200]);
    }

    #[test]
    fn adam_with_the_projection_in_its_metric_reaches_the_solution() {
        let gaps = adam_in_metric(2000);
        assert!(gaps[2000].1 < 1e-6 * gaps[0].1, "{:?}", gaps[2000]);
    }

    #[test]
    fn the_solution_is_on_the_plane_and_its_gradient_is_normal_to_it() {
        let (problem, solution) = (problem(), solution());
        assert!((solution.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let gradient: Vec<f64> =
            (0..8).map(|i| problem.curvature[i] * (solution[i] - problem.target[i])).collect();
        assert!(gradient.iter().all(|g| (g - gradient[0]).abs() < 1e-12), "{gradient:?}");
    }
}
