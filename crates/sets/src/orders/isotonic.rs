//! Monotone chains: entries that never decrease, or never increase, in row-major order.
//!
//! The one design choice: pooling of adjacent violators, in place, with means in `f64`. The order
//! is kept by comparisons of the results, so that the image lies in the set without any tolerance,
//! in every precision.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::maps::{Increments, Side};
use crate::numeric::larger;
use crate::scratch::with_scratch;

/// $\{ w : w_1 \le w_2 \le \dots \le w_n \}$, or the reverse, by isotonic regression: neighbours
/// out of order are replaced by their mean until none are. Convex; exact in every diagonal metric
/// (the means are weighted), O(n). For chains along one axis, use [`Per::axes`](crate::Per::axes).
/// Source: R. E. Barlow and others, *Statistical inference under order restrictions* (1972).
///
/// ```
/// use morphograd_sets::{Constraint, Isotonic};
/// let mut w = [1.0f32, 3.0, 2.0, 2.5, 5.0];
/// Isotonic::NonDecreasing.project([5].into(), &mut w);
/// assert_eq!(w, [1.0, 2.5, 2.5, 2.5, 5.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isotonic {
    /// Every entry is at least the one before.
    NonDecreasing,
    /// Every entry is at most the one before.
    NonIncreasing,
}

/// Replaces the values by the nearest that do not decrease, $\arg\min \sum_i m_i (v_i - w_i)^2$
/// over $v_1 \le \dots \le v_n$; all weights are 1 without a metric. NaN stays where it is, and
/// what lies on either side of it is treated as two chains. O(n).
///
/// # Panics
/// If there is a metric and its length is another.
///
/// ```
/// use morphograd_sets::pool_adjacent_violators;
/// let mut values = [3.0, 0.0];
/// pool_adjacent_violators(&mut values, Some(&[2.0, 1.0]));
/// assert_eq!(values, [2.0, 2.0]);
/// ```
pub fn pool_adjacent_violators(values: &mut [f64], metric: Option<&[f64]>) {
    let n = values.len();
    assert!(metric.is_none_or(|m| m.len() == n), "a metric of {n} entries");
    with_scratch(2 * n, |scratch: &mut [f64]| {
        // The blocks so far: their means are the first entries of `values`.
        let (weights, lengths) = scratch.split_at_mut(n);
        let mut blocks = 0;
        for i in 0..n {
            let (mut mean, mut weight, mut length) = (values[i], metric.map_or(1.0, |m| m[i]), 1.0);
            while blocks > 0 && values[blocks - 1] > mean {
                blocks -= 1;
                let both = weights[blocks] + weight;
                // Between the two whatever the rounding, and -inf if one of them is.
                let pooled = (values[blocks] * weights[blocks] + mean * weight) / both;
                mean = if pooled < mean {
                    mean
                } else if pooled > values[blocks] {
                    values[blocks]
                } else {
                    pooled
                };
                weight = both;
                length += lengths[blocks];
            }
            (values[blocks], weights[blocks], lengths[blocks]) = (mean, weight, length);
            blocks += 1;
        }
        let mut end = n;
        for block in (0..blocks).rev() {
            let (start, mean) = (end - lengths[block] as usize, values[block]);
            values[start..end].fill(mean);
            end = start;
        }
    });
}

impl Isotonic {
    /// What a value is multiplied by so that it must not decrease.
    fn sign(self) -> f64 {
        match self {
            Self::NonDecreasing => 1.0,
            Self::NonIncreasing => -1.0,
        }
    }

    fn solve<T: Real>(self, metric: Option<&[T]>, value: &mut [T]) {
        let n = value.len();
        with_scratch(2 * n, |scratch: &mut [f64]| {
            let (chain, weights) = scratch.split_at_mut(n);
            chain.iter_mut().zip(value.iter()).for_each(|(c, w)| *c = self.sign() * w.f64());
            if let Some(metric) = metric {
                weights.iter_mut().zip(metric).for_each(|(weight, m)| *weight = m.f64());
            }
            pool_adjacent_violators(chain, metric.map(|_| &*weights));
            value.iter_mut().zip(chain.iter()).for_each(|(w, c)| *w = T::of(self.sign() * c));
        });
    }
}

impl<T: Real> Constraint<T> for Isotonic {
    fn project(&self, _: Shape, value: &mut [T]) {
        self.solve(None, value);
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let whole = value.iter().fold(0.0, |sum: f64, w| if w.is_nan() { f64::NAN } else { sum });
        value.windows(2).fold(whole, |worst, pair| {
            let (a, b) = (self.sign() * pair[0].f64(), self.sign() * pair[1].f64());
            // Only what is out of order is subtracted: an infinity minus itself would be NaN.
            larger(worst, if a > b { a - b } else { 0.0 })
        })
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        match self {
            Self::NonDecreasing => "w_1 <= w_2 <= ... <= w_n",
            Self::NonIncreasing => "w_1 >= w_2 >= ... >= w_n",
        }
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            derivative: true,
            greatest: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, _: Shape, metric: &[T], value: &mut [T]) {
        self.solve(Some(metric), value);
    }

    /// Directions that are monotone along every run of equal entries.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let mut start = 0;
        while start < at.len() {
            let run = at[start..].iter().take_while(|w| **w == at[start]).count().max(1);
            self.solve(None, &mut direction[start..start + run]);
            start += run;
        }
    }

    /// A block that was pooled is its mean: each of its entries gets the mean of the gradient.
    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        let mut start = 0;
        while start < at.len() {
            let run =
                projected[start..].iter().take_while(|w| **w == projected[start]).count().max(1);
            let block = start..start + run;
            if at[block.clone()] != projected[block.clone()] {
                let mean =
                    gradient[block.clone()].iter().map(|g| g.f64()).sum::<f64>() / run as f64;
                gradient[block].fill(T::of(mean));
            }
            start += run;
        }
    }

    /// Each entry the least of those that it must not exceed.
    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        let mut least = T::infinity();
        let mut lower = |w: &mut T| {
            least = if *w < least { *w } else { least };
            *w = least;
        };
        match self {
            Self::NonDecreasing => upper.iter_mut().rev().for_each(&mut lower),
            Self::NonIncreasing => upper.iter_mut().for_each(&mut lower),
        }
        true
    }

    /// Sums of softplus. Neighbours of the start within 0.01 of one another are moved apart.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Some(Box::new(Increments {
            side: match self {
                Self::NonDecreasing => Side::Above,
                Self::NonIncreasing => Side::Below,
            },
        }))
    }

    /// The entries that equal a neighbour.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let equals = |i: usize, j: usize| value.get(j).is_some_and(|w| *w == value[i]);
        Some(
            (0..value.len()).filter(|i| equals(*i, i + 1) || (*i > 0 && equals(*i, i - 1))).count(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        /// The max-min formula: $v_i = \max_{a \le i} \min_{b \ge i}$ of the weighted mean from a
        /// to b.
        #[test]
        fn pooling_agrees_with_the_max_min_formula(
            entries in vec((-3.0..3.0f64, 0.1..5.0f64), 1..16),
        ) {
            let (w, m): (Vec<f64>, Vec<f64>) = entries.into_iter().unzip();
            let mean = |a: usize, b: usize| {
                (a..=b).map(|i| w[i] * m[i]).sum::<f64>() / (a..=b).map(|i| m[i]).sum::<f64>()
            };
            let mut found = w.clone();
            pool_adjacent_violators(&mut found, Some(&m));
            for (i, found) in found.iter().enumerate() {
                let least =
                    |a: usize| (i..w.len()).map(|b| mean(a, b)).fold(f64::INFINITY, f64::min);
                let expected = (0..=i).map(least).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn nan_divides_a_chain_and_infinities_stay() {
        let mut value = [2.0f32, 1.0, f32::NAN, 3.0, 1.0];
        Isotonic::NonDecreasing.project([5].into(), &mut value);
        assert_eq!((value[0], value[1], value[3], value[4]), (1.5, 1.5, 2.0, 2.0));
        assert!(
            value[2].is_nan() && Isotonic::NonDecreasing.violation([5].into(), &value).is_nan()
        );
        let mut value = [0.0f32, f32::NEG_INFINITY, f32::NEG_INFINITY];
        Isotonic::NonIncreasing.project([3].into(), &mut value);
        assert_eq!(value, [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
        assert_eq!(Isotonic::NonIncreasing.violation([3].into(), &value), 0.0);
    }
}
