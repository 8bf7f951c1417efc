//! A lattice of numbers at equal distances, with or without ends: weights of few levels.
//!
//! The one design choice: levels are counted from the origin, and a level is held as the nearest
//! number of the type, so that the map is idempotent in every precision.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::{larger, stop};

/// $w \in \{ o + k h : k \in \mathbb{Z},\; \text{min} \le k \le \text{max} \}$ for every element,
/// by the nearest level; half-way, the even $k$. Not convex; exact in every diagonal metric, O(n).
/// `min` 0 and `max` 1 make binary weights. Decimal numbers are [`Rounding`](crate::Rounding).
///
/// ```
/// use morphograd_sets::{Constraint, Grid};
/// let ternary = Grid { origin: 0.0, step: 0.5, min: -1, max: 1 };
/// let mut w = [0.2f32, -7.0, 0.3, 9.0];
/// ternary.project([4].into(), &mut w);
/// assert_eq!(w, [0.0, -0.5, 0.5, 0.5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The number $o$ of level 0.
    pub origin: f64,
    /// The distance $h$ of neighbours, above 0.
    pub step: f64,
    /// The lowest level.
    pub min: i32,
    /// The highest level, not below the lowest.
    pub max: i32,
}

impl Grid {
    fn nearest<T: Real>(self, w: T) -> T {
        let level = ((w.f64() - self.origin) / self.step).round_ties_even();
        // NaN passes both comparisons and stays.
        let level = if level < f64::from(self.min) { f64::from(self.min) } else { level };
        let level = if level > f64::from(self.max) { f64::from(self.max) } else { level };
        T::of(self.origin + level * self.step)
    }
}

impl<T: Real> Constraint<T> for Grid {
    fn project(&self, _: Shape, value: &mut [T]) {
        value.iter_mut().for_each(|w| *w = self.nearest(*w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        value.iter().fold(0.0, |worst, w| larger(worst, (w.f64() - self.nearest(*w).f64()).abs()))
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        if self.step > 0.0
            && self.step.is_finite()
            && self.origin.is_finite()
            && self.min <= self.max
        {
            return Ok(());
        }
        let Self { origin, step, min, max } = self;
        let found = format!("origin {origin}, step {step}, min {min} and max {max}");
        Err(ShapeError::new("grid", "finite numbers, step > 0 and min <= max", found))
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "w = o + k h, min <= k <= max"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    /// Every point is isolated, and the cone is {0}: of a momentum on it nothing is left.
    fn project_tangent(&self, _: Shape, _: &[T], direction: &mut [T]) {
        stop(direction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn twice_is_once_in_single_precision(
            w in -90.0..90.0f32,
            origin in -1.0..1.0f64,
            step in 0.01..1.0f64,
        ) {
            let set = Grid { origin, step, min: -40, max: 40 };
            let mut once = [w];
            set.project([1].into(), &mut once);
            let mut twice = once;
            set.project([1].into(), &mut twice);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(set.violation([1].into(), &once), 0.0);
        }
    }

    #[test]
    fn a_grid_without_levels_is_refused() {
        let accepts = |step, min, max| {
            Constraint::<f32>::accepts(&Grid { origin: 0.0, step, min, max }, [1].into())
        };
        assert!(accepts(0.5, 0, 0).is_ok());
        assert!(accepts(0.0, 0, 1).is_err() && accepts(f64::NAN, 0, 1).is_err());
        let expected = "grid: expected finite numbers, step > 0 and min <= max, found origin 0, \
            step 1, min 1 and max 0";
        assert_eq!(accepts(1.0, 1, 0).unwrap_err().to_string(), expected);
        assert!(
            Grid { origin: 0.0, step: 1.0, min: 0, max: 1 }
                .violation([1].into(), &[f32::NAN])
                .is_nan()
        );
    }
}
