//! Learning rates as functions of the number of steps done, with Keras' formulas.
//!
//! The one design choice: a schedule has no state, so that going back to step $t$ needs nothing but
//! $t$. A number is a schedule too: the constant one.

use std::fmt::Debug;

use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{ParamId, Params};

/// The learning rate of each step.
///
/// ```
/// use morphograd_nn::optim::{CosineDecay, Schedule};
/// let cosine = CosineDecay { initial: 0.1, steps: 1000, floor: 0.0 };
/// assert_eq!(
///     [0, 500, 1000, 2000].map(|step| (cosine.rate(step) * 1e9).round() / 1e9),
///     [0.1, 0.05, 0.0, 0.0]
/// );
/// ```
pub trait Schedule: Debug + Send + Sync {
    /// The rate to use when `step` steps are done: 0 for the first.
    fn rate(&self, step: u64) -> f64;
}

/// $η_0 \, r^{t / N}$, with $t / N$ rounded down if `staircase`.
#[derive(Debug, Clone, Copy)]
pub struct ExponentialDecay {
    /// The first rate $η_0$.
    pub initial: f64,
    /// The number of steps $N$ after which the rate is multiplied by `rate`; 0 counts as 1.
    pub steps: u64,
    /// The factor $r$.
    pub rate: f64,
    /// Whether the rate changes every `steps` steps only.
    pub staircase: bool,
}

/// $η_0 / (1 + r \, t / N)$, with $t / N$ rounded down if `staircase`.
#[derive(Debug, Clone, Copy)]
pub struct InverseTimeDecay {
    /// The first rate $η_0$.
    pub initial: f64,
    /// The unit of time $N$; 0 counts as 1.
    pub steps: u64,
    /// The slope $r$.
    pub rate: f64,
    /// Whether the rate changes every `steps` steps only.
    pub staircase: bool,
}

/// A first rate, then others: of the changes `(b, η)` with $b < t$ the last says the rate. As in
/// Keras, the step $t = b$ itself still has the rate before.
#[derive(Debug, Clone)]
pub struct PiecewiseConstant {
    /// The first rate.
    pub initial: f64,
    /// Boundaries, increasing, each with the rate that holds after it.
    pub changes: Vec<(u64, f64)>,
}

/// $(η_0 - η_1) (1 - t / N)^p + η_1$ up to $t = N$, then $η_1$; or, if `cycle`, with $N$ replaced
/// by its smallest multiple that is not below $t$.
#[derive(Debug, Clone, Copy)]
pub struct PolynomialDecay {
    /// The first rate $η_0$.
    pub initial: f64,
    /// The number of steps $N$; 0 counts as 1.
    pub steps: u64,
    /// The last rate $η_1$.
    pub end: f64,
    /// The exponent $p$; 1 is a straight line.
    pub power: f64,
    /// Whether the rate rises again after every `steps` steps.
    pub cycle: bool,
}

/// $η_0 ((1 - α) \tfrac12 (1 + \cos(π t / N)) + α)$ up to $t = N$, then $η_0 α$ (Loshchilov and
/// Hutter, 2017).
#[derive(Debug, Clone, Copy)]
pub struct CosineDecay {
    /// The first rate $η_0$.
    pub initial: f64,
    /// The number of steps $N$; 0 counts as 1.
    pub steps: u64,
    /// The last rate as a fraction $α$ of the first.
    pub floor: f64,
}

impl Schedule for f64 {
    fn rate(&self, _: u64) -> f64 {
        *self
    }
}

impl Schedule for Box<dyn Schedule> {
    fn rate(&self, step: u64) -> f64 {
        (**self).rate(step)
    }
}

impl Schedule for ExponentialDecay {
    fn rate(&self, step: u64) -> f64 {
        self.initial * self.rate.powf(periods(step, self.steps, self.staircase))
    }
}

impl Schedule for InverseTimeDecay {
    fn rate(&self, step: u64) -> f64 {
        self.initial / (1.0 + self.rate * periods(step, self.steps, self.staircase))
    }
}

impl Schedule for PiecewiseConstant {
    fn rate(&self, step: u64) -> f64 {
        self.changes
            .iter()
            .rev()
            .find(|(boundary, _)| *boundary < step)
            .map_or(self.initial, |(_, rate)| *rate)
    }
}

impl Schedule for PolynomialDecay {
    fn rate(&self, step: u64) -> f64 {
        let steps = self.steps.max(1);
        let cycles = if self.cycle { step.div_ceil(steps).max(1) } else { 1 };
        let done = (step as f64 / (steps as f64 * cycles as f64)).min(1.0);
        (self.initial - self.end) * (1.0 - done).powf(self.power) + self.end
    }
}

impl Schedule for CosineDecay {
    fn rate(&self, step: u64) -> f64 {
        let done = periods(step, self.steps, false).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.initial * ((1.0 - self.floor) * cosine + self.floor)
    }
}

fn periods(step: u64, steps: u64, staircase: bool) -> f64 {
    let periods = step as f64 / steps.max(1) as f64;
    if staircase { periods.floor() } else { periods }
}

/// Sets every element of a parameter to what a schedule says for a step, and projects it on its
/// set: a sharpness that rises while training, for instance. Freeze it with
/// [`Params::set_trainable`] if the optimizer is not to change it as well. A checkpoint keeps the
/// value, and evaluation uses that of the last step.
///
/// ```
/// use morphograd_nn::optim::{ExponentialDecay, anneal};
/// use morphograd_nn::{autodiff::Params, tensor::Tensor};
/// let mut params = Params::<f32>::new();
/// let beta = params.add("beta", Tensor::filled([1], 4.0), None)?;
/// params.set_trainable(beta, false);
/// let rising = ExponentialDecay { initial: 4.0, steps: 100, rate: 2.0, staircase: false };
/// anneal(&mut params, beta, &rising, 200);
/// assert_eq!(params.value(beta).data, [16.0]);
/// # Ok::<(), morphograd_nn::autodiff::ParamError>(())
/// ```
pub fn anneal<T: Real>(params: &mut Params<T>, id: ParamId, schedule: &dyn Schedule, step: u64) {
    let value = T::of(schedule.rate(step));
    params.update(id, |all| all.fill(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: impl Schedule, expected: &[(u64, f64)]) {
        for (step, rate) in expected {
            let found = schedule.rate(*step);
            assert!(
                (found - rate).abs() < 1e-12,
                "{schedule:?} at {step}: expected {rate}, found {found}"
            );
        }
    }

    #[test]
    fn rates_worked_out_by_hand() {
        check(0.01, &[(0, 0.01), (1 << 60, 0.01)]);
        let exponential =
            ExponentialDecay { initial: 0.8, steps: 10, rate: 0.25, staircase: false };
        check(exponential, &[(0, 0.8), (5, 0.4), (10, 0.2), (20, 0.05)]);
        check(
            ExponentialDecay { staircase: true, ..exponential },
            &[(9, 0.8), (10, 0.2), (19, 0.2)],
        );
        let inverse = InverseTimeDecay { initial: 1.0, steps: 4, rate: 0.5, staircase: false };
        check(inverse, &[(0, 1.0), (2, 0.8), (8, 0.5)]);
        check(InverseTimeDecay { staircase: true, ..inverse }, &[(3, 1.0), (4, 1.0 / 1.5)]);
        check(
            PiecewiseConstant { initial: 1.0, changes: vec![(10, 0.5), (20, 0.1)] },
            &[(0, 1.0), (10, 1.0), (11, 0.5), (20, 0.5), (21, 0.1), (99, 0.1)],
        );
        let polynomial =
            PolynomialDecay { initial: 1.1, steps: 10, end: 0.1, power: 2.0, cycle: false };
        check(polynomial, &[(0, 1.1), (5, 0.35), (10, 0.1), (15, 0.1)]);
        // At step 15 the period is 20.
        check(
            PolynomialDecay { cycle: true, ..polynomial },
            &[(0, 1.1), (10, 0.1), (15, 0.1625), (20, 0.1)],
        );
        let cosine = CosineDecay { initial: 2.0, steps: 6, floor: 0.1 };
        check(cosine, &[(0, 2.0), (2, 2.0 * (0.9 * 0.75 + 0.1)), (3, 1.1), (6, 0.2), (60, 0.2)]);
    }

    #[test]
    fn zero_steps_of_decay_give_numbers() {
        assert_eq!(CosineDecay { initial: 1.0, steps: 0, floor: 0.5 }.rate(0), 1.0);
        let polynomial =
            PolynomialDecay { initial: 1.0, steps: 0, end: 0.5, power: 1.0, cycle: true };
        assert_eq!((polynomial.rate(0), polynomial.rate(1)), (1.0, 0.5));
    }
}
