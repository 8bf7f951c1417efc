//! Few entries that are not zero.
//!
//! The one design choice: of entries of the same magnitude the first are kept, so that the result
//! is a function of the value.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::entries::boxes::clear_where_moved;
use crate::numeric::larger;
use crate::scratch::with_scratch;

/// $\{ w : \#\{ i : w_i \ne 0 \} \le k \}$, by keeping the $k$ entries of largest magnitude, the
/// first of equal ones. Not convex; a nearest point, in every diagonal metric too (then those of
/// largest $m_i w_i^2$ are kept). Cost: O(n) on average, to select. NaN counts as largest and
/// stays.
///
/// ```
/// use morphograd_sets::{Cardinality, Constraint};
/// let mut w = [0.5f32, -2.0, 1.0, 1.0];
/// Cardinality { count: 2 }.project([4].into(), &mut w);
/// assert_eq!(w, [0.0, -2.0, 1.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cardinality {
    /// The number $k$ of entries that may differ from 0.
    pub count: usize,
}

impl Cardinality {
    /// The importance below which nothing is kept, and how many of exactly that importance are;
    /// `None` where all are kept.
    fn threshold(self, n: usize, importance: impl Fn(usize) -> f64) -> Option<(f64, usize)> {
        if self.count >= n {
            return None;
        }
        with_scratch(n, |sorted: &mut [f64]| {
            sorted.iter_mut().enumerate().for_each(|(i, s)| *s = importance(i));
            if self.count == 0 {
                // NaN is above every threshold.
                return Some((f64::INFINITY, 0));
            }
            let least = *sorted.select_nth_unstable_by(self.count - 1, |a, b| b.total_cmp(a)).1;
            let above = sorted.iter().filter(|s| s.total_cmp(&least).is_gt()).count();
            Some((least, self.count - above))
        })
    }

    fn solve<T: Real>(self, value: &mut [T], importance: impl Fn(usize, T) -> f64) {
        let Some((least, mut ties)) = self.threshold(value.len(), |i| importance(i, value[i]))
        else {
            return;
        };
        for (i, w) in value.iter_mut().enumerate() {
            let order = importance(i, *w).total_cmp(&least);
            if order.is_eq() && ties > 0 {
                ties -= 1;
            } else if !order.is_gt() {
                *w = T::zero();
            }
        }
    }
}

impl<T: Real> Constraint<T> for Cardinality {
    fn project(&self, _: Shape, value: &mut [T]) {
        self.solve(value, |_, w| w.f64().abs());
    }

    /// The largest entry that should be 0.
    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let mut nonzero = 0;
        let whole = value.iter().fold(0.0, |sum: f64, w| {
            nonzero += usize::from(*w != T::zero());
            if w.is_nan() { f64::NAN } else { sum }
        });
        if nonzero <= self.count {
            return whole;
        }
        with_scratch(value.len(), |sorted: &mut [f64]| {
            sorted.iter_mut().zip(value).for_each(|(s, w)| *s = w.f64().abs());
            larger(whole, *sorted.select_nth_unstable_by(self.count, |a, b| b.total_cmp(a)).1)
        })
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    /// What was set to 0 has no gradient.
    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        clear_where_moved(at, projected, gradient);
    }

    fn formula(&self) -> &'static str {
        "#{w != 0} <= k"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, _: Shape, metric: &[T], value: &mut [T]) {
        self.solve(value, |i, w| w.f64().abs() * metric[i].f64().sqrt());
    }

    /// The cone of directions with at most $k - s$ entries where the point's are 0, for a point
    /// with $s$ that are not: those of the point stay, and of the others the $k - s$ of largest
    /// magnitude.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        self.solve(
            direction,
            |i, d| if at[i] == T::zero() { d.f64().abs() } else { f64::INFINITY },
        );
    }

    /// The zeros, unless every entry may differ from 0.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let zeros = value.iter().filter(|w| **w == T::zero()).count();
        Some(if self.count < value.len() { zeros } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_entries_the_first_stay_and_nan_stays() {
        let mut value = [1.0f32, f32::NAN, -1.0, 1.0];
        Cardinality { count: 2 }.project([4].into(), &mut value);
        assert_eq!((value[0], value[2], value[3]), (1.0, 0.0, 0.0));
        assert!(value[1].is_nan());
        assert!(Cardinality { count: 2 }.violation([4].into(), &value).is_nan());
        assert!(Cardinality { count: 0 }.violation([4].into(), &value).is_nan());
        let mut value = [1.0f32, 2.0];
        Cardinality { count: 0 }.project([2].into(), &mut value);
        assert_eq!(value, [0.0, 0.0]);
        assert_eq!(Cardinality { count: 1 }.violation([3].into(), &[3.0f32, -2.0, 1.0]), 2.0);
    }
}
