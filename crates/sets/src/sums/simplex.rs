//! Simplices: entries that are not negative and have a given sum, with or without a cap.
//!
//! The one design choice: the threshold is found by Newton's method on the sum as a function of it,
//! which is exact after a few passes, sorts nothing, takes no memory and works in every diagonal
//! metric alike. Source of the characterization: J. Duchi and others, *Efficient projections onto
//! the l1-ball for learning in high dimensions* (2008).

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::maps::Softmax;
use crate::multiplier::{ClippedLine, find_multiplier};
use crate::numeric::{inverse_weight, larger, rounding};
use crate::sums::fixed_sum::sum_violation;
use crate::until_inside::project_until_inside;

/// $\{ w : w \ge 0,\; \sum_i w_i = s \}$, by $w_i \leftarrow \max(w_i - \tau, 0)$ with the $\tau$
/// that gives the sum. Convex; exact in every diagonal metric. Cost: O(n) a pass, a few passes.
///
/// An entry of $-\infty$ is masked: it becomes 0, and the others are projected as if it were not
/// there. Where all are masked no point is nearest, and all become NaN.
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
/// pass, a few passes. Entries of $-\infty$ are masked as in [`Simplex`]; all become NaN where the
/// others cannot have the sum.
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
        fill_least_gradients(gradient, vertex, self.sum, self.sum);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w >= 0, sum w = s"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: true,
            derivative: true,
            ..Capabilities::default()
        }
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
        let is_masked = |w: T| w == T::neg_infinity();
        let masked = value.iter().filter(|w| is_masked(**w)).count();
        let room =
            if masked < value.len() { (value.len() - masked) as f64 * self.cap } else { 0.0 };
        if masked > 0 && room < self.sum {
            return value.fill(T::nan());
        }
        let max = self.cap_in::<T>().f64();
        let term = |i: usize, w: T| match is_masked(w) {
            true => ClippedLine { start: 0.0, slope: 0.0, min: 0.0, max: 0.0 },
            false => {
                ClippedLine { start: w.f64(), slope: inverse_weight(metric, i), min: 0.0, max }
            }
        };
        let tau = find_multiplier(value.len(), |i| term(i, value[i]), self.sum);
        for (i, w) in value.iter_mut().enumerate() {
            *w = T::of(term(i, *w).at(tau));
        }
    }
}

impl<T: Real> Constraint<T> for CappedSimplex {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(None, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let cap = self.cap_in::<T>().f64();
        value.iter().fold(sum_violation(self.sum, value), |worst, w| {
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
        fill_least_gradients(gradient, vertex, self.sum, self.cap);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "0 <= w <= c, sum w = s"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: true,
            derivative: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(Some(metric), w));
    }

    /// The cone of directions with sum 0 that do not leave a bound: one more equation for a
    /// multiplier.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let term = |i: usize, d: T| {
            let (at_zero, at_cap) = self.at_bounds(at[i]);
            let min = if at_zero { 0.0 } else { f64::NEG_INFINITY };
            ClippedLine {
                start: d.f64(),
                slope: 1.0,
                min,
                max: if at_cap { 0.0 } else { f64::INFINITY },
            }
        };
        let tau = find_multiplier(direction.len(), |i| term(i, direction[i]), 0.0);
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
fn fill_least_gradients<T: Real>(gradient: &[T], vertex: &mut [T], sum: f64, cap: f64) {
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

    proptest! {
        /// As in Optax and JAXopt.
        #[test]
        fn an_entry_of_minus_infinity_is_masked(
            entries in vec((-3.0..3.0f64, 0.1..4.0f64, prop::bool::ANY), 1..12),
            sum in 0.1..2.0f64,
        ) {
            let masked =
                |entry: &(f64, f64, bool)| if entry.2 { f64::NEG_INFINITY } else { entry.0 };
            let point: Vec<f64> = entries.iter().map(masked).collect();
            let metric: Vec<f64> = entries.iter().map(|entry| entry.1).collect();
            let unmasked = || entries.iter().filter(|entry| !entry.2);
            let (rest, weights): (Vec<f64>, Vec<f64>) =
                unmasked().map(|(w, m, _)| (*w, *m)).unzip();
            let (n, count) = (Shape::from([point.len()]), Shape::from([rest.len()]));
            for cap in [f64::INFINITY, 1.5 * sum / rest.len().max(1) as f64] {
                let set = CappedSimplex { sum, cap };
                for in_metric in [false, true] {
                    let (mut found, mut expected) = (point.clone(), rest.clone());
                    let mut single: Vec<f32> = point.iter().map(|w| *w as f32).collect();
                    if in_metric {
                        set.project_in_metric(n, &metric, &mut found);
                        set.project_in_metric(count, &weights, &mut expected);
                    } else {
                        set.project(n, &mut found);
                        set.project(count, &mut expected);
                        set.project(n, &mut single);
                        prop_assert!(rest.is_empty() || set.contains(n, &single), "{single:?}");
                    }
                    if rest.is_empty() {
                        prop_assert!(found.iter().all(|w| w.is_nan()));
                        continue;
                    }
                    prop_assert!(set.contains(n, &found), "{found:?}");
                    let mut expected = expected.into_iter();
                    for (entry, w) in entries.iter().zip(&found) {
                        let e = if entry.2 { 0.0 } else { expected.next().unwrap() };
                        prop_assert!((w - e).abs() < 1e-13, "{found:?} of {point:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_mask_hides_no_nan_and_leaves_room_for_the_sum() {
        let mut value = [f64::NEG_INFINITY, f64::NAN, 1.0];
        Simplex { sum: 1.0 }.project([3].into(), &mut value);
        assert!(value.iter().any(|w| w.is_nan()), "{value:?}");
        let set = CappedSimplex { sum: 1.0, cap: 0.5 };
        let mut value = [f32::NEG_INFINITY, 0.0, 7.0];
        set.project([3].into(), &mut value);
        assert_eq!(value, [0.0, 0.5, 0.5]);
        let mut value = [f32::NEG_INFINITY, f32::NEG_INFINITY, 7.0];
        set.project([3].into(), &mut value);
        assert!(value.iter().all(|w| w.is_nan()), "{value:?}");
        assert_eq!(set.violation([3].into(), &[f32::NEG_INFINITY, 0.5, 0.5]), f64::INFINITY);
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
