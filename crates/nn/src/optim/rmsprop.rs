//! RMSprop.

use morphograd_autodiff::tensor::Real;

use crate::optim::momentum::Direction;
use crate::optim::optimizer::Rule;

/// Gradients divided by a running mean of their size (Tieleman and Hinton, 2012), in Keras' form,
/// where $ε$ is inside the root. With a mean $v$, at first 0:
///
/// $$v \leftarrow ρ v + (1 - ρ) g^2, \qquad w \leftarrow w - η \frac{g}{\sqrt{v + ε}}$$
///
/// If `centered`, $v - \bar g^2$ takes the place of $v$ in the second formula, with
/// $\bar g \leftarrow ρ \bar g + (1 - ρ) g$ (Graves, 2013). With momentum $μ$ the steps are
/// accumulated: $b \leftarrow μ b + η g / \sqrt{v + ε}$, $w \leftarrow w - b$.
#[derive(Debug, Clone, Copy)]
pub struct RmsProp {
    /// Decay $ρ$ of the means.
    pub rho: f64,
    /// The fraction $μ$ of the last step that is repeated, 0 for none.
    pub momentum: f64,
    /// The constant $ε$ that keeps the denominator from 0.
    pub epsilon: f64,
    /// Whether the variance of the gradient is used instead of its second moment.
    pub centered: bool,
}

impl Default for RmsProp {
    /// Keras' values: 0.9, no momentum, 10⁻⁷, not centered.
    fn default() -> Self {
        Self { rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false }
    }
}

impl<T: Real> Rule<T> for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn slots(&self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.momentum != 0.0)
    }

    fn initial(&self, _: usize) -> f64 {
        0.0
    }

    fn metric(&self, state: &[Vec<T>], metric: &mut [T]) -> bool {
        let epsilon = T::of(self.epsilon);
        for (i, d) in metric.iter_mut().enumerate() {
            let mean = if self.centered { state[1][i] } else { T::zero() };
            *d = ((state[0][i] - mean * mean).max(T::zero()) + epsilon).sqrt();
        }
        true
    }

    fn direction(&self) -> Option<Direction> {
        (self.momentum != 0.0)
            .then_some(Direction { slot: 1 + usize::from(self.centered), sign: -1.0 })
    }

    fn update(&self, _: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        let [lr, rho, gain, momentum, epsilon] =
            [lr, self.rho, 1.0 - self.rho, self.momentum, self.epsilon].map(T::of);
        let (square, rest) = state.split_first_mut().expect("as many slots as the rule asks for");
        let (mean, step) = rest.split_at_mut(usize::from(self.centered));
        for (i, (w, g)) in value.iter_mut().zip(grad).enumerate() {
            let v = &mut square[i];
            *v = rho * *v + gain * *g * *g;
            let mut spread = *v;
            if let [mean] = mean {
                mean[i] = rho * mean[i] + gain * *g;
                // Rounding may leave the variance of a constant gradient slightly below 0.
                spread = (spread - mean[i] * mean[i]).max(T::zero());
            }
            let mut change = lr * *g / (spread + epsilon).sqrt();
            if let [step] = step {
                step[i] = momentum * step[i] + change;
                change = step[i];
            }
            *w -= change;
        }
    }
}
