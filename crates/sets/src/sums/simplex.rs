//! Simplices: entries that are not negative and have a given sum, with or without a cap.
//!
//! The one design choice: the threshold is found by Newton's method on the sum as a function of it,
//! which is exact after a few passes, sorts nothing, takes no memory and works in every diagonal
//! metric alike. Source of the characterization: J. Duchi and others, *Efficient projections onto
//! the l1-ball for learning in high dimensions* (2008).

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::maps::Softmax;
use crate::multiplier::{Clipped, multiplier};
use crate::numeric::{gain, larger, rounding, settle};
use crate::sums::fixed_sum::missed;

/// $\{ w : w \ge 0,\; \sum_i w_i = s \}$, by $w_i \leftarrow \max(w_i - \tau, 0)$ with the $\tau$
/// that gives the sum. Convex; exact in every diagonal metric. Cost: O(n) a pass, a few passes.
///
/// ```
/// use morphograd_sets::{Constraint, Simplex};
/// let mut w = [0.5f32, 1.0, -2.0];
/// Simplex { sum: 1.0 }.project([3].into(), &mut w);
/// assert_eq!(w, [0.25, 0.75, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simplex {
    /// The sum $s$, not negative.
    pub sum: f64,
}

/// $\{ w : 0 \le w_i \le c,\; \sum_i w_i = s \}$, by $w_i \leftarrow \mathrm{clip}(w_i - \tau, 0,
/// c)$ with the $\tau$ that gives the sum. Convex; exact in every diagonal metric. Cost: O(n) a
/// pass, a few passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CappedSimplex {
    /// The sum $s$, between 0 and $n c$.
    pub sum: f64,
    /// The largest entry $c$.
    pub cap: f64,
}

impl<T: Real> Constraint<T> for Simplex {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.without_cap().project(shape, value);
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        self.without_cap().violation(shape, value)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.sum >= 0.0 && self.sum.is_finite() && !shape.is_empty() {
            return Ok(());
        }
        let found = format!("sum {} for shape {shape}", self.sum);
        Err(ShapeError::new("simplex", "a finite sum >= 0 and at least one entry", found))
    }

    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        fill_up(gradient, vertex, self.sum, self.sum);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w >= 0, sum w = s"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, linear: true, derivative: true }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        self.without_cap().project_in_metric(shape, metric, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.without_cap().project_tangent(shape, at, direction);
    }

    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        self.without_cap().project_vjp(shape, at, projected, gradient);
    }

    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        (self.sum > 0.0).then(|| Box::new(Softmax { sum: self.sum }) as Box<dyn Parametrization<T>>)
    }

    /// The zeros.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        self.without_cap().active(shape, value)
    }
}

impl Simplex {
    fn without_cap(self) -> CappedSimplex {
        CappedSimplex { sum: self.sum, cap: f64::INFINITY }
    }
}

impl CappedSimplex {
    /// The cap as the type holds it, and not above.
    fn cap_in<T: Real>(self) -> T {
        T::of(self.cap)
    }

    /// Whether an entry lies at 0 and whether at the cap, but for rounding.
    fn at_bounds<T: Real>(self, w: T) -> (bool, bool) {
        let slack = rounding::<T>(1) * self.sum.min(self.cap);
        (w.f64() <= slack, w.f64() >= self.cap_in::<T>().f64() - slack)
    }

    fn solve<T: Real>(self, metric: Option<&[T]>, value: &mut [T]) {
        let max = self.cap_in::<T>().f64();
        let term = |i: usize, w: T| Clipped { w: w.f64(), gain: gain(metric, i), min: 0.0, max };
        let tau = multiplier(value.len(), |i| term(i, value[i]), self.sum);
        for (i, w) in value.iter_mut().enumerate() {
            *w = T::of(term(i, *w).at(tau));
        }
    }
}

impl<T: Real> Constraint<T> for CappedSimplex {
    fn project(&self, shape: Shape, value: &mut [T]) {
        settle(value, |w| self.violation(shape, w), |w| self.solve(None, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let cap = self.cap_in::<T>().f64();
        value.iter().fold(missed(self.sum, value), |worst, w| {
            let above = if w.f64() > cap { w.f64() - cap } else { 0.0 };
            larger(larger(worst, -w.f64()), above)
        })
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.sum >= 0.0
            && self.sum <= self.cap * shape.len() as f64
            && self.sum.is_finite()
            && !shape.is_empty()
        {
            return Ok(());
        }
        let found = format!("sum {} and cap {} for shape {shape}", self.sum, self.cap);
        Err(ShapeError::new("capped simplex", "0 <= sum <= cap times the number of entries", found))
    }

    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        fill_up(gradient, vertex, self.sum, self.cap);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "0 <= w <= c, sum w = s"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, linear: true, derivative: true }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        settle(value, |w| self.violation(shape, w), |w| self.solve(Some(metric), w));
    }

    /// The cone of directions with sum 0 that do not leave a bound: one more equation for a
    /// multiplier.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let term = |i: usize, d: T| {
            let (at_zero, at_cap) = self.at_bounds(at[i]);
            let min = if at_zero { 0.0 } else { f64::NEG_INFINITY };
            Clipped { w: d.f64(), gain: 1.0, min, max: if at_cap { 0.0 } else { f64::INFINITY } }
        };
        let tau = multiplier(direction.len(), |i| term(i, direction[i]), 0.0);
        for (i, d) in direction.iter_mut().enumerate() {
            *d = T::of(term(i, *d).at(tau));
        }
    }

    /// Within the face: entries strictly between the bounds share the threshold, the others do not
    /// move.
    fn project_vjp(&self, _: Shape, _: &[T], projected: &[T], gradient: &mut [T]) {
        let cap = self.cap_in::<T>();
        let inside = |p: &T| !(*p <= T::zero() || *p >= cap);
        let (mut sum, mut count) = (0.0, 0);
        for (g, _) in gradient.iter().zip(projected).filter(|(_, p)| inside(p)) {
            sum += g.f64();
            count += 1;
        }
        let mean = sum / f64::from(count.max(1));
        for (g, p) in gradient.iter_mut().zip(projected) {
            *g = if inside(p) { T::of(g.f64() - mean) } else { T::zero() };
        }
    }

    /// The zeros and the entries at the cap.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        Some(value.iter().map(|w| self.at_bounds(*w)).filter(|(zero, cap)| *zero || *cap).count())
    }
}

/// Distributes a sum over the entries with the least gradients, at most `cap` each; the first of
/// equal ones first.
fn fill_up<T: Real>(gradient: &[T], vertex: &mut [T], sum: f64, cap: f64) {
    let mut order: Vec<usize> = (0..gradient.len()).collect();
    order.sort_by(|a, b| gradient[*a].f64().total_cmp(&gradient[*b].f64()));
    let mut left = sum;
    for i in order {
        let share = left.min(cap);
        vertex[i] = T::of(share);
        left -= share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The projection by the formula of the literature: sort, and find how many entries
    /// stay above 0.
    fn by_sorting(w: &[f64], sum: f64) -> Vec<f64> {
        let mut sorted = w.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let threshold = |k: usize| (sorted[..k].iter().sum::<f64>() - sum) / k as f64;
        let kept = (1..=w.len()).rev().find(|k| sorted[k - 1] > threshold(*k)).unwrap_or(1);
        w.iter().map(|w| (w - threshold(kept)).max(0.0)).collect()
    }

    proptest! {
        #[test]
        fn the_threshold_is_that_of_sorting(w in vec(-3.0..3.0f64, 1..30), sum in 0.01..5.0f64) {
            let mut found = w.clone();
            Simplex { sum }.project([w.len()].into(), &mut found);
            for (f, e) in found.iter().zip(by_sorting(&w, sum)) {
                prop_assert!((f - e).abs() < 1e-13, "{f} {e}");
            }
        }
    }

    #[test]
    fn simplices_that_are_empty_are_refused() {
        let accepts =
            |sum, cap| Constraint::<f32>::accepts(&CappedSimplex { sum, cap }, [4].into());
        assert!(accepts(1.0, 0.25).is_ok());
        let expected = "capped simplex: expected 0 <= sum <= cap times the number of entries, \
            found sum 1 and cap 0.2 for shape [4]";
        assert_eq!(accepts(1.0, 0.2).unwrap_err().to_string(), expected);
        assert!(
            accepts(-1.0, 1.0).is_err()
                && accepts(1.0, f64::NAN).is_err()
                && accepts(f64::NAN, 1.0).is_err()
        );
        assert!(Constraint::<f32>::accepts(&Simplex { sum: -0.5 }, [4].into()).is_err());
    }
}
