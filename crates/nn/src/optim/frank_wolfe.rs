//! Linear minimization on sets in place of projections: the stochastic method of Frank and Wolfe.
//!
//! The one design choice: what a set solves, the rule asks for through [`Vertices`], so that it
//! knows no set and works on any that states the capability `linear`.

use morphograd_autodiff::tensor::Real;

use crate::optim::optimizer::Rule;
use crate::optim::towards_vertices::{TowardsVertices, Vertices};

/// Steps towards a vertex of the set, chosen by a mean of the gradients. With a mean $m$, at first
/// 0, and $\hat m = m / (1 - μ^k)$ at step $k$:
///
/// $$m \leftarrow μ m + (1 - μ) g, \qquad s \in \arg\min_{s \in C} \langle m, s \rangle, \qquad
/// w \leftarrow w + η (s - w)$$
///
/// The learning rate $η$ is the share of the way, at most 1. A point between two points of a convex
/// set is in the set, so nothing is projected; what [`Params`](morphograd_autodiff::Params) then
/// moves is rounding. The step does not depend on the size of the gradient.
///
/// The set has to be convex and state [`Capabilities::linear`]. A parameter with another set is
/// refused by name. One without a set, or with one that is enforced in another way than by
/// projection (a free parameter, a penalty), has no vertices: it follows $w \leftarrow w - η \hat
/// m$, descent with the same mean, at the same rate; [`Optimizer::with_factor`] gives it another.
///
/// [`StepReport::frank_wolfe_gap`] is $\sum \langle \hat m, w - s \rangle$ over the parameters with
/// a set, before the step. With $μ = 0$ and the exact gradient of a convex function it is at least
/// $f(w) - \min_C f$. Otherwise that holds up to $\lVert \hat m - \nabla f(w) \rVert$ times the
/// diameter of the set.
///
/// On a [`SpectralBall`] $s = -r U V^\top$: with $r = 1/λ$ and $η = αλ$ it is the step of Muon at
/// rate $α$ with weight decay $λ$, with exact singular vectors. On an [`LInfBall`] it is descent by
/// signs, with weight decay.
///
/// Cost: 3 passes over the parameters beside the linear problem of the set.
///
/// Sources: A. Mokhtari, H. Hassani and A. Karbasi, *Stochastic conditional gradient methods*
/// (2020), for the mean; S. Pokutta, C. Spiegel and M. Zimmer, *Deep neural network training with
/// Frank-Wolfe* (2020); T. Pethick and others, *Training deep learning models with norm-constrained
/// LMOs* (2025), for the step of Muon.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Mul, Params, Sub, Sum, Tape};
/// use morphograd_nn::optim::{FrankWolfe, InverseTimeDecay};
/// use morphograd_nn::{Optimizer, sets::Simplex, tensor::Tensor};
///
/// // The nearest point of the simplex to (1, ½, -1) is (¾, ¼, 0), at a squared distance of 9/8.
/// let mut params = Params::new();
/// let start = Tensor::from_vec([3], vec![0.0f64, 0.0, 1.0])?;
/// let w = params.add("w", start, Some(Box::new(Simplex { sum: 1.0 })))?;
/// let target = Tensor::from_vec([3], vec![1.0, 0.5, -1.0])?;
/// // 2 / (k + 2)
/// let rate = InverseTimeDecay { initial: 1.0, steps: 1, rate: 0.5, staircase: false };
/// let mut optimizer = Optimizer::new(&params, FrankWolfe { momentum: 0.0 }, rate);
/// let mut tape = Tape::new();
/// for step in 0..1000 {
///     let mut graph = tape.record(&params, Mode::Train { step });
///     let (x, target) = (graph.param(w), graph.input(target.view()));
///     let difference = graph.apply(Sub, [x, target])?;
///     let squares = graph.apply(Mul, [difference, difference])?;
///     let loss = graph.apply(Sum, [squares])?;
///     let above = graph.value(loss).data[0] - 9.0 / 8.0;
///     graph.backward(loss);
///     let report = optimizer.step(&mut params, &tape)?;
///     // A bound of what is missing, for free.
///     assert!(report.frank_wolfe_gap.is_some_and(|gap| above <= gap + 1e-12));
/// }
/// assert!((params.value(w).data[0] - 0.75).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Capabilities::linear`]: morphograd_autodiff::sets::Capabilities::linear
/// [`Optimizer::with_factor`]: crate::Optimizer::with_factor
/// [`StepReport::frank_wolfe_gap`]: crate::optim::StepReport::frank_wolfe_gap
/// [`SpectralBall`]: crate::sets::SpectralBall
/// [`LInfBall`]: crate::sets::LInfBall
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrankWolfe {
    /// The fraction $μ$ of the mean gradient that is kept, at least 0 and below 1.
    pub momentum: f64,
}

impl Default for FrankWolfe {
    /// A momentum of 0.9.
    fn default() -> Self {
        Self { momentum: 0.9 }
    }
}

impl FrankWolfe {
    /// Takes a gradient into the mean, and returns the factor that makes it one of the gradients so
    /// far.
    fn average<T: Real>(self, step: u64, grad: &[T], mean: &mut [T]) -> f64 {
        let (kept, new) = (T::of(self.momentum), T::of(1.0 - self.momentum));
        mean.iter_mut().zip(grad).for_each(|(m, g)| *m = kept * *m + new * *g);
        1.0 / (1.0 - self.momentum.powf(step as f64))
    }
}

impl<T: Real> Rule<T> for FrankWolfe {
    fn name(&self) -> &'static str {
        "frank-wolfe"
    }

    fn slots(&self) -> usize {
        1
    }

    fn initial(&self, _: usize) -> f64 {
        0.0
    }

    fn towards_vertices(&self) -> Option<&dyn TowardsVertices<T>> {
        Some(self)
    }

    fn update(&self, step: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        let factor = T::of(lr * self.average(step, grad, &mut state[0]));
        value.iter_mut().zip(&state[0]).for_each(|(w, m)| *w -= factor * *m);
    }
}

impl<T: Real> TowardsVertices<T> for FrankWolfe {
    fn update_in_set(
        &self,
        step: u64,
        lr: f64,
        grad: &[T],
        state: &mut [Vec<T>],
        value: &mut [T],
        vertices: &mut Vertices<'_, T>,
    ) -> f64 {
        let factor = self.average(step, grad, &mut state[0]);
        let (share, mean) = (T::of(lr), &state[0]);
        let mut gap = 0.0;
        for ((w, m), s) in value.iter_mut().zip(mean).zip(vertices.least(mean)) {
            gap += m.f64() * (w.f64() - s.f64());
            // Between the two whatever the rounding, so that no bound of an entry is passed.
            *w = (*w + share * (*s - *w)).max(w.min(*s)).min(w.max(*s));
        }
        factor * gap
    }
}
