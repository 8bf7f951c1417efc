//! Stochastic gradient descent.

use morphograd_autodiff::tensor::Real;

use crate::optim::momentum::Direction;
use crate::optim::optimizer::Rule;

/// Gradient descent, by default without momentum. With momentum $μ$ there is a velocity, at first
/// 0:
///
/// $$v \leftarrow μ v - η g, \qquad w \leftarrow w + v$$
///
/// (Polyak, 1964), or with Nesterov's correction $w \leftarrow w + μ v - η g$ for the new $v$
/// (Sutskever et al., 2013).
///
/// With a constraint and no momentum this is the projected gradient method,
/// $w \leftarrow P(w - η g)$.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sgd {
    /// The fraction $μ$ of the velocity that is kept, 0 for none.
    pub momentum: f64,
    /// Whether the gradient counts as if taken after the velocity's move; without momentum it makes
    /// no difference.
    pub nesterov: bool,
}

impl<T: Real> Rule<T> for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn slots(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn initial(&self, _: usize) -> f64 {
        0.0
    }

    fn direction(&self) -> Option<Direction> {
        (self.momentum != 0.0).then_some(Direction { slot: 0, sign: 1.0 })
    }

    fn update(&self, _: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        let (lr, momentum) = (T::of(lr), T::of(self.momentum));
        let Some(velocity) = state.first_mut() else {
            value.iter_mut().zip(grad).for_each(|(w, g)| *w -= lr * *g);
            return;
        };
        for ((w, g), v) in value.iter_mut().zip(grad).zip(velocity) {
            *v = momentum * *v - lr * *g;
            *w += if self.nesterov { momentum * *v - lr * *g } else { *v };
        }
    }
}
