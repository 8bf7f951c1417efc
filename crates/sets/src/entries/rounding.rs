//! The grid of decimal numbers: weights of few digits.
//!
//! The one design choice: a number is rounded in `f64` and then held as the nearest number of its
//! type, which makes the map idempotent in every precision.

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::simd::{Kernel, dispatch};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::{larger, stop};

/// $w \in 10^{-c}\,\mathbb{Z}$ for every element: numbers of $c$ decimals (`Rounding` of
/// morpholayers).
///
/// The projection is the nearest point of the grid; half-way, the even multiple. Not convex: a step
/// shorter than half of $10^{-c}$ is undone, so learning rates have to be chosen for it. Infinities
/// are kept, and so is what is too large for its type to hold $c$ decimals of it. Cost: one
/// rounding an element.
///
/// ```
/// use morphograd_sets::{Constraint, Rounding};
/// let mut w = [0.126f32, -0.121, 0.5, 2.0];
/// Rounding { decimals: 2 }.project([4].into(), &mut w);
/// assert_eq!(w, [0.13, -0.12, 0.5, 2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// The number of decimals $c$, at most 15.
    pub decimals: u32,
}

impl<T: Real> Constraint<T> for Rounding {
    fn project(&self, _: Shape, value: &mut [T]) {
        dispatch(Round { scale: self.scale(), value });
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        value.iter().fold(0.0, |worst, w| {
            let nearest = nearest(*w, self.scale());
            // Infinity minus itself would be NaN.
            larger(worst, if *w == nearest { 0.0 } else { (w.f64() - nearest.f64()).abs() })
        })
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        match self.decimals {
            0..=15 => Ok(()),
            more => Err(ShapeError::new("rounding", "at most 15 decimals", more.to_string())),
        }
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "w in 10^-decimals Z"
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

/// The projection of all entries: on most processors rounding is one instruction, which the
/// baseline does not have.
struct Round<'a, T> {
    scale: f64,
    value: &'a mut [T],
}

impl<T: Real> Kernel for Round<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for w in self.value {
            *w = nearest(*w, self.scale);
        }
    }
}

impl Rounding {
    /// The inverse of the distance between neighbours on the grid.
    fn scale(self) -> f64 {
        10f64.powi(self.decimals as i32)
    }
}

#[inline(always)]
fn nearest<T: Real>(w: T, scale: f64) -> T {
    let scaled = w.f64() * scale;
    // Beyond, every number of type f64 is a whole one. NaN is kept too.
    if scaled.abs() < (1u64 << 51) as f64 { T::of(scaled.round_ties_even() / scale) } else { w }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn twice_is_once_in_every_precision_and_no_neighbour_on_the_grid_is_nearer(
            mantissa in -1.0..1.0f64,
            exponent in -20..60i32,
            decimals in 0..=15u32,
        ) {
            fn check<T: Real>(w: T, decimals: u32) {
                let set = Rounding { decimals };
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
    }

    #[test]
    fn half_way_the_even_multiple_is_taken_and_what_is_not_a_number_of_decimals_is_kept() {
        let mut value = [0.25, 0.75, -0.25, 2.5, f64::INFINITY, f64::NEG_INFINITY, 1e300];
        Rounding { decimals: 1 }.project([7].into(), &mut value);
        assert_eq!(value, [0.2, 0.8, -0.2, 2.5, f64::INFINITY, f64::NEG_INFINITY, 1e300]);
        assert_eq!(Rounding { decimals: 1 }.violation([7].into(), &value), 0.0);
        let mut whole = [0.5f32, 1.5, -2.5];
        Rounding { decimals: 0 }.project([3].into(), &mut whole);
        assert_eq!(whole, [0.0, 2.0, -2.0]);
        let mut nan = [f64::NAN, 0.3];
        Rounding { decimals: 1 }.project([2].into(), &mut nan);
        assert!(nan[0].is_nan());
        assert!(Rounding { decimals: 1 }.violation([2].into(), &nan).is_nan());
    }

    #[test]
    fn more_decimals_than_a_double_has_are_refused() {
        let error = Constraint::<f64>::accepts(&Rounding { decimals: 16 }, [2].into()).unwrap_err();
        assert_eq!(error.to_string(), "rounding: expected at most 15 decimals, found 16");
        assert!(Constraint::<f32>::accepts(&Rounding { decimals: 15 }, [2].into()).is_ok());
    }
}
