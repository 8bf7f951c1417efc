//! Adam and its variants AMSGrad and AdamW.

use morphograd_autodiff::tensor::Real;

use crate::optim::momentum::Direction;
use crate::optim::optimizer::Rule;

/// Adam (Kingma and Ba, 2015), in the form of the end of the paper's section 2 that Keras uses,
/// where $ε$ is outside the correction of the bias. With moments $m$ and $v$, at first 0, at the
/// step $t = 1, 2, …$:
///
/// $$m \leftarrow m + (1 - β_1) (g - m), \qquad v \leftarrow v + (1 - β_2) (g^2 - v), \qquad
///   w \leftarrow w - η \frac{\sqrt{1 - β_2^t}}{1 - β_1^t} \frac{m}{\sqrt v + ε}$$
///
/// With `amsgrad` the largest $v$ so far takes the place of $v$ in the last formula (Reddi et al.,
/// 2018). With `weight_decay` $λ$, $w \leftarrow w - η λ w$ comes first (Loshchilov and Hutter,
/// 2019). The moments are never projected.
///
/// The correction of the bias is computed in the precision of the parameters, as in Keras: in `f32`
/// the first step is longer than the formula says by a factor $1 + 2 \cdot 10^{-5}$. With it,
/// trainings follow TensorFlow's to the last digits.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Decay $β_1$ of the first moment.
    pub beta1: f64,
    /// Decay $β_2$ of the second moment.
    pub beta2: f64,
    /// The constant $ε$ that keeps the denominator from 0.
    pub epsilon: f64,
    /// Whether the second moment never decreases.
    pub amsgrad: bool,
    /// The decay $λ$ of the weights, 0 for none.
    pub weight_decay: f64,
}

impl Adam {
    /// Adam with Keras' default decay of the weights, 0.004.
    pub fn adamw() -> Self {
        Self { weight_decay: 0.004, ..Self::default() }
    }
}

impl Default for Adam {
    /// Keras' values: 0.9, 0.999, 10⁻⁷, neither variant.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false, weight_decay: 0.0 }
    }
}

impl<T: Real> Rule<T> for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn slots(&self) -> usize {
        if self.amsgrad { 3 } else { 2 }
    }

    fn initial(&self, _: usize) -> f64 {
        0.0
    }

    fn metric(&self, state: &[Vec<T>], metric: &mut [T]) -> bool {
        // The last slot is the second moment in use.
        let Some(moment) = state.last() else { return false };
        let epsilon = T::of(self.epsilon);
        metric.iter_mut().zip(moment).for_each(|(d, v)| *d = v.sqrt() + epsilon);
        true
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction { slot: 0, sign: -1.0 })
    }

    fn update(&self, step: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        let t = T::of(step as f64);
        let rest = |beta: f64| T::one() - T::of(beta).powf(t);
        let alpha = T::of(lr) * rest(self.beta2).sqrt() / rest(self.beta1);
        let (gain1, gain2) = (T::of(1.0 - self.beta1), T::of(1.0 - self.beta2));
        let (epsilon, decay) = (T::of(self.epsilon), T::of(lr * self.weight_decay));
        if self.weight_decay != 0.0 {
            // A product keeps entries at minus infinity, which are off a support; a difference
            // would make them NaN.
            value.iter_mut().for_each(|w| *w *= T::one() - decay);
        }
        let advance = |g: T, m: &mut T, v: &mut T| {
            *m += gain1 * (g - *m);
            *v += gain2 * (g * g - *v);
        };
        match state {
            [m, v] => {
                for (((w, g), m), v) in value.iter_mut().zip(grad).zip(m).zip(v) {
                    advance(*g, m, v);
                    *w -= alpha * *m / (v.sqrt() + epsilon);
                }
            }
            [m, v, largest] => {
                for ((((w, g), m), v), largest) in
                    value.iter_mut().zip(grad).zip(m).zip(v).zip(largest)
                {
                    advance(*g, m, v);
                    *largest = largest.max(*v);
                    *w -= alpha * *m / (largest.sqrt() + epsilon);
                }
            }
            _ => unreachable!("the driver gives as many slots as the rule asks for"),
        }
    }
}
