//! A lattice of numbers at equal distances, with or without ends: weights of few levels or of few
//! decimals.
//!
//! The one design choice: levels are counted from the origin, computed in `f64`, and held as the
//! nearest number of the type, so that the map is idempotent in every precision.

use morphograd_tensor::simd::{Kernel, dispatch};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::{clear_direction, larger};
use crate::{Capabilities, Constraint, Kind};

/// $w \in \{ o + k h : k \in \mathbb{Z},\; \text{min} \le k \le \text{max} \}$ for every element,
/// by the nearest level; half-way, the even $k$. Not convex: a step shorter than $h / 2$ is undone,
/// so learning rates have to be chosen for it. Exact in every diagonal metric, O(n).
///
/// `min` 0 and `max` 1 make binary weights, and [`Grid::decimals`] numbers of a few decimals. A
/// step that is one part of a whole number, such as 0.01, is meant as such: the levels are then
/// $k / 100$, which is the number that is written so, and not $k \cdot 0.01$, which rounds
/// otherwise. A number between the ends that is so large that its type does not hold the parts of a
/// level is kept, and so is an infinity.
///
/// ```
/// use morphograd_sets::{Constraint, Grid};
/// let ternary = Grid { origin: 0.0, step: 0.5, min: -1.0, max: 1.0 };
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
    /// The lowest level, a whole number; $-\infty$ for none.
    pub min: f64,
    /// The highest level, a whole number not below the lowest; $+\infty$ for none.
    pub max: f64,
}

impl Grid {
    /// The numbers of $c$ decimals, $10^{-c} \mathbb{Z}$ (`Rounding` of morpholayers).
    ///
    /// ```
    /// use morphograd_sets::{Constraint, Grid};
    /// let mut w = [0.126f32, -0.121, 0.5, 2.0];
    /// Grid::decimals(2).project([4].into(), &mut w);
    /// assert_eq!(w, [0.13, -0.12, 0.5, 2.0]);
    /// ```
    #[must_use]
    pub fn decimals(decimals: u32) -> Self {
        Self {
            origin: 0.0,
            step: 1.0 / 10f64.powi(decimals.min(999) as i32),
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
        }
    }

    /// The levels of a unit, if the step is one part of a whole number.
    fn parts(self) -> Option<f64> {
        let parts = (1.0 / self.step).round();
        (1.0 / parts == self.step).then_some(parts)
    }

    #[inline(always)]
    fn nearest<T: Real>(self, parts: Option<f64>, w: T) -> T {
        let from_origin = w.f64() - self.origin;
        let exact = parts.map_or(from_origin / self.step, |parts| from_origin * parts);
        let level = exact.round_ties_even();
        // NaN passes both comparisons and stays.
        let within = if level < self.min { self.min } else { level };
        let within = if within > self.max { self.max } else { within };
        // Beyond, every number of type f64 is a whole one.
        if exact.abs() >= (1u64 << 51) as f64 && within == level {
            return w;
        }
        T::of(self.origin + parts.map_or(within * self.step, |parts| within / parts))
    }
}

impl<T: Real> Constraint<T> for Grid {
    fn project(&self, _: Shape, value: &mut [T]) {
        dispatch(Round { grid: *self, value });
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let parts = self.parts();
        value.iter().fold(0.0, |worst, w| {
            let nearest = self.nearest(parts, *w);
            // Infinity minus itself would be NaN.
            larger(worst, if *w == nearest { 0.0 } else { (w.f64() - nearest.f64()).abs() })
        })
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        let Self { origin, step, min, max } = *self;
        let is_whole = |level: f64| level.round() == level;
        let has_a_level = is_whole(min) && is_whole(max) && min <= max;
        if step > 0.0
            && step.is_finite()
            && origin.is_finite()
            && has_a_level
            && min < f64::INFINITY
            && max > f64::NEG_INFINITY
        {
            return Ok(());
        }
        let found = format!("origin {origin}, step {step}, min {min} and max {max}");
        let expected = "a finite origin, a finite step > 0 and whole levels min <= max";
        Err(ShapeError::new("grid", expected, found))
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "w = o + k h, min <= k <= max"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, greatest: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    /// The level of each entry, or the next one below where that is above it.
    fn greatest_below(&self, _: Shape, upper: &mut [T]) -> bool {
        let parts = self.parts();
        upper.iter_mut().all(|w| {
            let bound = *w;
            *w = self.nearest(parts, bound);
            if *w > bound {
                *w = self.nearest(parts, T::of(w.f64() - self.step));
            }
            *w <= bound
        })
    }

    /// Every point is isolated, and the cone is {0}: of a momentum on it nothing is left.
    fn project_tangent(&self, _: Shape, _: &[T], direction: &mut [T]) {
        clear_direction(direction);
    }
}

/// The projection of all entries: on most processors rounding is one instruction, which the
/// baseline does not have.
struct Round<'a, T> {
    grid: Grid,
    value: &'a mut [T],
}

impl<T: Real> Kernel for Round<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { grid, value } = self;
        // Two loops: which formula it is, is no question for every entry.
        match grid.parts() {
            Some(parts) => value.iter_mut().for_each(|w| *w = grid.nearest(Some(parts), *w)),
            None => value.iter_mut().for_each(|w| *w = grid.nearest(None, *w)),
        }
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
            let set = Grid { origin, step, min: -40.0, max: 40.0 };
            let mut once = [w];
            set.project([1].into(), &mut once);
            let mut twice = once;
            set.project([1].into(), &mut twice);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(set.violation([1].into(), &once), 0.0);
        }

        #[test]
        fn of_decimals_twice_is_once_in_every_precision_and_no_neighbour_on_the_grid_is_nearer(
            mantissa in -1.0..1.0f64,
            exponent in -20..60i32,
            decimals in 0..=22u32,
        ) {
            fn check<T: Real>(w: T, decimals: u32) {
                let set = Grid::decimals(decimals);
                let mut once = [w];
                set.project([1].into(), &mut once);
                let mut twice = once;
                set.project([1].into(), &mut twice);
                assert_eq!(once, twice, "{w:?}");
                assert_eq!(set.violation([1].into(), &once), 0.0, "{w:?}");
                let step = 10f64.powi(-(decimals as i32));
                let slack = (w.abs() * T::epsilon()).f64();
                let missed = (once[0].f64() - w.f64()).abs();
                assert!(missed <= step / 2.0 + slack, "{w:?} moves by {missed}");
            }
            let w = mantissa * 2f64.powi(exponent);
            check(w, decimals);
            check(w as f32, decimals);
        }

        /// Also where the decimals are those of the step: 3 steps of 0.1 are 0.3.
        #[test]
        fn a_level_of_decimals_is_the_number_that_is_written_so(
            k in -100_000..100_000i32,
            decimals in 0..=5u32,
        ) {
            let mut value = [f64::from(k) * 10f64.powi(-(decimals as i32)) + 1e-9];
            Grid::decimals(decimals).project([1].into(), &mut value);
            let digits = format!("{k}e-{decimals}");
            prop_assert_eq!(value[0], digits.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn half_way_the_even_multiple_is_taken_and_what_is_too_large_is_kept() {
        let mut value = [0.25, 0.75, -0.25, 2.5, f64::INFINITY, f64::NEG_INFINITY, 1e300];
        Grid::decimals(1).project([7].into(), &mut value);
        assert_eq!(value, [0.2, 0.8, -0.2, 2.5, f64::INFINITY, f64::NEG_INFINITY, 1e300]);
        assert_eq!(Grid::decimals(1).violation([7].into(), &value), 0.0);
        let mut whole = [0.5f32, 1.5, -2.5];
        Grid::decimals(0).project([3].into(), &mut whole);
        assert_eq!(whole, [0.0, 2.0, -2.0]);
        let mut nan = [f64::NAN, 0.3];
        Grid::decimals(1).project([2].into(), &mut nan);
        assert!(nan[0].is_nan());
        assert!(Grid::decimals(1).violation([2].into(), &nan).is_nan());
        let mut value = [1e300, f64::NEG_INFINITY];
        Grid { min: -5.0, max: 5.0, ..Grid::decimals(1) }.project([2].into(), &mut value);
        assert_eq!(value, [0.5, -0.5]);
    }

    #[test]
    fn a_grid_without_levels_is_refused() {
        let accepts = |step, min, max| {
            Constraint::<f32>::accepts(&Grid { origin: 0.0, step, min, max }, [1].into())
        };
        assert!(accepts(0.5, 0.0, 0.0).is_ok() && accepts(1.0, f64::NEG_INFINITY, 3.0).is_ok());
        assert!(accepts(0.0, 0.0, 1.0).is_err() && accepts(f64::NAN, 0.0, 1.0).is_err());
        assert!(accepts(1.0, 0.5, 1.0).is_err() && accepts(1.0, 0.0, f64::NAN).is_err());
        assert!(accepts(1.0, f64::INFINITY, f64::INFINITY).is_err());
        let expected = "grid: expected a finite origin, a finite step > 0 and whole levels \
            min <= max, found origin 0, step 1, min 1 and max 0";
        assert_eq!(accepts(1.0, 1.0, 0.0).unwrap_err().to_string(), expected);
        assert!(
            Grid { origin: 0.0, step: 1.0, min: 0.0, max: 1.0 }
                .violation([1].into(), &[f32::NAN])
                .is_nan()
        );
    }
}
