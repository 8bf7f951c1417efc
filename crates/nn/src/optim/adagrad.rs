//! Adagrad.

use morphograd_autodiff::tensor::Real;

use crate::optim::optimizer::Rule;

/// Gradients divided by the root of the sum of their squares so far (Duchi, Hazan and Singer,
/// 2011), in Keras' form. With a sum $v$, at first `initial_accumulator`:
///
/// $$v \leftarrow v + g^2, \qquad w \leftarrow w - η \frac{g}{\sqrt{v + ε}}$$
#[derive(Debug, Clone, Copy)]
pub struct Adagrad {
    /// The sum of squares before the first step.
    pub initial_accumulator: f64,
    /// The constant $ε$ that keeps the denominator from 0.
    pub epsilon: f64,
}

impl Default for Adagrad {
    /// Keras' values: 0.1 and 10⁻⁷.
    fn default() -> Self {
        Self { initial_accumulator: 0.1, epsilon: 1e-7 }
    }
}

impl<T: Real> Rule<T> for Adagrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn slots(&self) -> usize {
        1
    }

    fn initial(&self, _: usize) -> f64 {
        self.initial_accumulator
    }

    fn metric(&self, state: &[Vec<T>], metric: &mut [T]) -> bool {
        let epsilon = T::of(self.epsilon);
        metric.iter_mut().zip(&state[0]).for_each(|(d, v)| *d = (*v + epsilon).sqrt());
        true
    }

    fn update(&self, _: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        let (lr, epsilon) = (T::of(lr), T::of(self.epsilon));
        let [sum] = state else {
            unreachable!("the driver gives as many slots as the rule asks for")
        };
        for ((w, g), v) in value.iter_mut().zip(grad).zip(sum) {
            *v += *g * *g;
            *w -= lr * *g / (*v + epsilon).sqrt();
        }
    }
}
