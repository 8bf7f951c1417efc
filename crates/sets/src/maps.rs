//! Smooth maps from a free parameter into a set: softplus and sums of it, sigmoid, softmax, and the
//! open ball.
//!
//! The one design choice: each is computed from the bound that it is near to, so that it can be
//! inverted there, and a value comes back from its free parameter to rounding. Only values nearer
//! to a bound than 10⁻³⁰ of the set's size are moved to that distance.

use crate::Parametrization;
use morphograd_tensor::{Real, Shape};

/// How far inside a start at the boundary is moved, relative to the size of the set: at the
/// boundary a smooth map is flat, and nothing moves.
pub const ENTRY: f64 = 0.01;

/// The nearest that an inverse distinguishes from the boundary; `f32` holds it.
const LEAST: f64 = 1e-30;

/// The side of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// $w \ge b$.
    Above,
    /// $w \le b$.
    Below,
}

/// $w = b ± \ln(1 + e^v)$: a half-line. A start within 0.01 of the bound is moved there. The
/// derivative is $± 1 / (1 + e^{-v})$.
///
/// ```
/// use morphograd_sets::maps::{Side, Softplus};
/// use morphograd_sets::Parametrization;
/// let map = Softplus { bound: 0.0, side: Side::Below };
/// let (mut v, mut w) = ([-3.0f64], [0.0]);
/// map.invert([1].into(), &mut v);
/// map.value([1].into(), &v, &mut w);
/// assert!((w[0] + 3.0).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softplus {
    /// The bound $b$.
    pub bound: f64,
    /// On which side of it the set is.
    pub side: Side,
}

/// $w = a + (b - a) / (1 + e^{-v})$: an interval. A start within 0.01 $(b - a)$ of a bound is moved
/// there. The derivative is $(w - a) (b - w) / (b - a)$, which vanishes at both bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid {
    /// The bound $a$.
    pub min: f64,
    /// The bound $b$, above it.
    pub max: f64,
}

/// $w_i = s e^{v_i} / \sum_j e^{v_j}$: the simplex. Entries of the start below 0.01 $s / n$ are
/// lifted there. The gradient becomes $\frac{1}{s} w_i (s g_i - \sum_j w_j g_j)$. The free
/// parameter has a direction in which nothing changes; it starts with $e^{v_i}$ of sum 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softmax {
    /// The sum $s$, above 0.
    pub sum: f64,
}

/// $w_i \in [a_i, b_i]$, each coordinate by the softplus or the sigmoid of its bounds; as it is
/// without bounds, and fixed where they are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinatewise {
    /// The bounds $a_i$ and $b_i$, in row-major order.
    pub bounds: Vec<[f64; 2]>,
}

/// $w_1 = v_1$, $w_{i+1} = w_i ± \ln(1 + e^{v_{i+1}})$: monotone chains. Neighbours of the start
/// that are less than 0.01 apart are moved apart, from the first on. The derivative is that of
/// sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Increments {
    /// On which side of an entry the next one is.
    pub side: Side,
}

/// $w = r v / \sqrt{r^2 + \lVert v \rVert^2}$: the ball without its boundary. A start beyond 0.99
/// $r$ is moved there. The gradient becomes $s (g - w \langle w, g \rangle / r^2)$ with
/// $s = r / \sqrt{r^2 + \lVert v \rVert^2}$.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenBall {
    /// The radius $r$, above 0.
    pub radius: f64,
}

impl Side {
    fn sign(self) -> f64 {
        match self {
            Self::Above => 1.0,
            Self::Below => -1.0,
        }
    }
}

impl<T: Real> Parametrization<T> for Softplus {
    fn value(&self, _: Shape, free: &[T], value: &mut [T]) {
        for (w, v) in value.iter_mut().zip(free) {
            let v = v.f64();
            // A NaN has to go through: `f64::max` would drop it.
            let positive = if v < 0.0 { 0.0 } else { v };
            *w = T::of(self.bound + self.side.sign() * (positive + (-v.abs()).exp().ln_1p()));
        }
    }

    fn pull_back(&self, _: Shape, free: &[T], _: &[T], gradient: &mut [T]) {
        for (g, v) in gradient.iter_mut().zip(free) {
            *g = T::of(g.f64() * self.side.sign() * sigmoid(v.f64()));
        }
    }

    fn invert(&self, _: Shape, value: &mut [T]) {
        for w in value {
            let x = at_least(LEAST, self.side.sign() * (w.f64() - self.bound));
            *w = T::of(x + (-(-x).exp_m1()).ln());
        }
    }

    fn enter(&self, _: Shape, value: &mut [T]) {
        for w in value {
            let x = at_least(ENTRY, self.side.sign() * (w.f64() - self.bound));
            *w = T::of(self.bound + self.side.sign() * x);
        }
    }
}

impl<T: Real> Parametrization<T> for Sigmoid {
    fn value(&self, _: Shape, free: &[T], value: &mut [T]) {
        let size = self.max - self.min;
        for (w, v) in value.iter_mut().zip(free) {
            let v = v.f64();
            *w = T::of(if v > 0.0 {
                self.max - size * sigmoid(-v)
            } else {
                self.min + size * sigmoid(v)
            });
        }
    }

    fn pull_back(&self, _: Shape, free: &[T], _: &[T], gradient: &mut [T]) {
        for (g, v) in gradient.iter_mut().zip(free) {
            let v = v.f64();
            *g = T::of(g.f64() * (self.max - self.min) * sigmoid(v) * sigmoid(-v));
        }
    }

    fn invert(&self, _: Shape, value: &mut [T]) {
        let least = LEAST * (self.max - self.min);
        for w in value {
            let (above, below) =
                (at_least(least, w.f64() - self.min), at_least(least, self.max - w.f64()));
            *w = T::of((above / below).ln());
        }
    }

    fn enter(&self, _: Shape, value: &mut [T]) {
        let (min, max) = (T::of(self.min), T::of(self.max));
        let margin = T::of(ENTRY * (self.max - self.min));
        for w in value {
            *w = if *w < min + margin {
                min + margin
            } else if *w > max - margin {
                max - margin
            } else {
                *w
            };
        }
    }
}

impl<T: Real> Parametrization<T> for Softmax {
    fn value(&self, _: Shape, free: &[T], value: &mut [T]) {
        let largest = free.iter().fold(f64::NEG_INFINITY, |m, v| m.max(v.f64()));
        let total: f64 = free.iter().map(|v| (v.f64() - largest).exp()).sum();
        for (w, v) in value.iter_mut().zip(free) {
            *w = T::of(self.sum * ((v.f64() - largest).exp() / total));
        }
    }

    fn pull_back(&self, _: Shape, _: &[T], value: &[T], gradient: &mut [T]) {
        let mean: f64 =
            value.iter().zip(&*gradient).map(|(w, g)| w.f64() * g.f64()).sum::<f64>() / self.sum;
        for (g, w) in gradient.iter_mut().zip(value) {
            *g = T::of(w.f64() * (g.f64() - mean));
        }
    }

    fn invert(&self, _: Shape, value: &mut [T]) {
        value.iter_mut().for_each(|w| *w = T::of(at_least(LEAST, w.f64() / self.sum).ln()));
    }

    /// The lifted entries no longer have the sum; their inverse has the same direction, and the
    /// softmax is of the sum again.
    fn enter(&self, _: Shape, value: &mut [T]) {
        let least = ENTRY * self.sum / value.len() as f64;
        value.iter_mut().for_each(|w| *w = T::of(at_least(least, w.f64())));
    }
}

/// The map of one coordinate.
enum Coordinate {
    Free,
    Fixed(f64),
    Softplus(Softplus),
    Sigmoid(Sigmoid),
}

impl Coordinatewise {
    /// Calls `work` with the map of each coordinate and its position.
    fn for_each_map(&self, mut work: impl FnMut(usize, Coordinate)) {
        for (i, [min, max]) in self.bounds.iter().copied().enumerate() {
            work(
                i,
                match [min.is_finite(), max.is_finite()] {
                    _ if min == max => Coordinate::Fixed(min),
                    [true, true] => Coordinate::Sigmoid(Sigmoid { min, max }),
                    [true, false] => {
                        Coordinate::Softplus(Softplus { bound: min, side: Side::Above })
                    }
                    [false, true] => {
                        Coordinate::Softplus(Softplus { bound: max, side: Side::Below })
                    }
                    [false, false] => Coordinate::Free,
                },
            );
        }
    }
}

impl<T: Real> Parametrization<T> for Coordinatewise {
    fn value(&self, shape: Shape, free: &[T], value: &mut [T]) {
        self.for_each_map(|i, map| match map {
            Coordinate::Free => value[i] = free[i],
            Coordinate::Fixed(number) => value[i] = T::of(number),
            Coordinate::Softplus(map) => map.value(shape, &free[i..=i], &mut value[i..=i]),
            Coordinate::Sigmoid(map) => map.value(shape, &free[i..=i], &mut value[i..=i]),
        });
    }

    fn pull_back(&self, shape: Shape, free: &[T], value: &[T], gradient: &mut [T]) {
        self.for_each_map(|i, map| {
            let (free, value, gradient) = (&free[i..=i], &value[i..=i], &mut gradient[i..=i]);
            match map {
                Coordinate::Free => {}
                Coordinate::Fixed(_) => gradient.fill(T::zero()),
                Coordinate::Softplus(map) => map.pull_back(shape, free, value, gradient),
                Coordinate::Sigmoid(map) => map.pull_back(shape, free, value, gradient),
            }
        });
    }

    fn invert(&self, shape: Shape, value: &mut [T]) {
        self.for_each_map(|i, map| match map {
            Coordinate::Free | Coordinate::Fixed(_) => {}
            Coordinate::Softplus(map) => map.invert(shape, &mut value[i..=i]),
            Coordinate::Sigmoid(map) => map.invert(shape, &mut value[i..=i]),
        });
    }

    fn enter(&self, shape: Shape, value: &mut [T]) {
        self.for_each_map(|i, map| match map {
            Coordinate::Free | Coordinate::Fixed(_) => {}
            Coordinate::Softplus(map) => map.enter(shape, &mut value[i..=i]),
            Coordinate::Sigmoid(map) => map.enter(shape, &mut value[i..=i]),
        });
    }
}

impl Increments {
    fn softplus(self) -> Softplus {
        Softplus { bound: 0.0, side: self.side }
    }
}

impl<T: Real> Parametrization<T> for Increments {
    fn value(&self, shape: Shape, free: &[T], value: &mut [T]) {
        let Some((first, rest)) = free.split_first() else { return };
        value[0] = *first;
        self.softplus().value(shape, rest, &mut value[1..]);
        let mut sum = first.f64();
        for w in &mut value[1..] {
            sum += w.f64();
            *w = T::of(sum);
        }
    }

    fn pull_back(&self, shape: Shape, free: &[T], value: &[T], gradient: &mut [T]) {
        let mut sum = 0.0;
        for g in gradient.iter_mut().rev() {
            sum += g.f64();
            *g = T::of(sum);
        }
        let Some(rest) = free.get(1..) else { return };
        self.softplus().pull_back(shape, rest, &value[1..], &mut gradient[1..]);
    }

    fn invert(&self, shape: Shape, value: &mut [T]) {
        for i in (1..value.len()).rev() {
            value[i] = T::of(value[i].f64() - value[i - 1].f64());
        }
        if let Some(rest) = value.get_mut(1..) {
            self.softplus().invert(shape, rest);
        }
    }

    fn enter(&self, _: Shape, value: &mut [T]) {
        let sign = self.side.sign();
        for i in 1..value.len() {
            let step = at_least(ENTRY, sign * (value[i].f64() - value[i - 1].f64()));
            value[i] = T::of(value[i - 1].f64() + sign * step);
        }
    }
}

impl OpenBall {
    /// $r / \sqrt{r^2 + \lVert v \rVert^2}$.
    fn factor<T: Real>(self, free: &[T]) -> f64 {
        self.radius / self.radius.hypot(square(free).sqrt())
    }
}

impl<T: Real> Parametrization<T> for OpenBall {
    fn value(&self, _: Shape, free: &[T], value: &mut [T]) {
        let factor = self.factor(free);
        value.iter_mut().zip(free).for_each(|(w, v)| *w = T::of(factor * v.f64()));
    }

    fn pull_back(&self, _: Shape, free: &[T], value: &[T], gradient: &mut [T]) {
        let factor = self.factor(free);
        let along: f64 = value.iter().zip(&*gradient).map(|(w, g)| w.f64() * g.f64()).sum();
        let along = along / (self.radius * self.radius);
        gradient
            .iter_mut()
            .zip(value)
            .for_each(|(g, w)| *g = T::of(factor * (g.f64() - along * w.f64())));
    }

    fn invert(&self, _: Shape, value: &mut [T]) {
        let r = self.radius;
        let left = at_least(LEAST * r * r, r * r - square(value));
        let factor = r / left.sqrt();
        value.iter_mut().for_each(|w| *w = T::of(factor * w.f64()));
    }

    fn enter(&self, _: Shape, value: &mut [T]) {
        let (norm, most) = (square(value).sqrt(), (1.0 - ENTRY) * self.radius);
        if norm > most {
            value.iter_mut().for_each(|w| *w = T::of(w.f64() * most / norm));
        }
    }
}

fn square<T: Real>(x: &[T]) -> f64 {
    x.iter().map(|x| x.f64() * x.f64()).sum()
}

/// $1 / (1 + e^{-v})$, without overflow.
fn sigmoid(v: f64) -> f64 {
    if v < 0.0 {
        let e = v.exp();
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + (-v).exp())
    }
}

/// The larger of both; NaN stays.
fn at_least(least: f64, x: f64) -> f64 {
    if x < least { least } else { x }
}
