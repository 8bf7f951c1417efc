//! The types of pixels: what operators that only compare need of a number.
//!
//! The one design choice: a pixel is ordered, not computed with. Maxima and minima are exact for
//! every type, so no pixel is converted; what is subtracted stays in the range of the type.

use std::fmt::Debug;

use crate::neighbourhood::level::Leveled;

/// The value of a pixel: integers of 8 to 64 bits, `f32`, `f64`, and `bool`, whose `false` is 0 and
/// whose `true` is 1.
///
/// NaN never wins: [`larger`](Self::larger) and [`smaller`](Self::smaller) give `self` only if it
/// compares, else `other`. So the best of some pixels, each in turn compared with the best so far
/// and starting from [`LOWEST`](Self::LOWEST) or [`HIGHEST`](Self::HIGHEST), is never NaN. Of equal
/// values `other` is given, which is seen in the sign of a zero only.
///
/// ```
/// use morphograd_morphology::Pixel;
/// assert_eq!(200u8.plus(100), 255);
/// assert_eq!((-100i8).minus(100), -128);
/// assert_eq!((f32::NAN.larger(1.0), f32::NAN.smaller(1.0)), (1.0, 1.0));
/// assert_eq!(u16::of(-3.0), 0);
/// ```
pub trait Pixel: Leveled + Copy + PartialOrd + Default + Debug + Send + Sync + 'static {
    /// The value below all others: the largest of no pixels. $-\infty$ for floats.
    const LOWEST: Self;
    /// The value above all others: the smallest of no pixels. $+\infty$ for floats.
    const HIGHEST: Self;

    /// `self` if it is larger, else `other`.
    #[must_use]
    fn larger(self, other: Self) -> Self;

    /// `self` if it is smaller, else `other`.
    #[must_use]
    fn smaller(self, other: Self) -> Self;

    /// The sum; of integers, the nearest value in the range. Of `bool`, the union.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The difference; of integers, the nearest value in the range. Of `bool`, what is in `self`
    /// alone.
    #[must_use]
    fn minus(self, other: Self) -> Self;

    /// The number as a pixel: the nearest float, or its whole part as the nearest value in the
    /// range of an integer, where NaN is 0. Of `bool`, whether it is above 0.
    #[must_use]
    fn of(x: f64) -> Self;
}

macro_rules! pixel {
    (
        $($t:ty)*, $lowest:ident, $highest:ident,
        |$a:ident, $b:ident| $plus:expr, $minus:expr
    ) => {
        $(impl Pixel for $t {
            const LOWEST: Self = Self::$lowest;
            const HIGHEST: Self = Self::$highest;

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self > other { self } else { other }
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self < other { self } else { other }
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $plus
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $minus
            }

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as Self
            }
        })*
    };
}

pixel!(
    u8 u16 u32 u64 i8 i16 i32 i64, MIN, MAX,
    |a, b| a.saturating_add(b), a.saturating_sub(b)
);
pixel!(f32 f64, NEG_INFINITY, INFINITY, |a, b| a + b, a - b);

impl Pixel for bool {
    const LOWEST: Self = false;
    const HIGHEST: Self = true;

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        self & other
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self & !other
    }

    #[inline(always)]
    fn of(x: f64) -> Self {
        x > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<P: Pixel>(values: &[P]) {
        for a in values {
            assert!(P::LOWEST <= *a && *a <= P::HIGHEST, "{a:?}");
            assert_eq!((a.larger(P::LOWEST), a.smaller(P::HIGHEST)), (*a, *a));
            for b in values {
                let (least, most) = if a < b { (*a, *b) } else { (*b, *a) };
                assert_eq!((a.smaller(*b), a.larger(*b)), (least, most));
            }
        }
    }

    #[test]
    fn larger_and_smaller_are_those_of_the_order() {
        check(&[0u8, 1, 7, 255]);
        check(&[i16::MIN, -3, 0, 5, i16::MAX]);
        check(&[0, 1 << 53, (1 << 53) + 1, u64::MAX]);
        check(&[i64::MIN, -1, 0, i64::MAX]);
        check(&[f32::NEG_INFINITY, -1.5, 0.0, 2.0, f32::INFINITY]);
        check(&[false, true]);
    }

    #[test]
    fn nan_never_wins() {
        for x in [f64::NEG_INFINITY, -1.0, f64::INFINITY] {
            assert_eq!((f64::NAN.larger(x), f64::NAN.smaller(x)), (x, x));
        }
    }

    #[test]
    fn what_is_outside_the_range_becomes_its_nearest_value() {
        assert_eq!((250u8.plus(10), 3u8.minus(5)), (255, 0));
        assert_eq!((i64::MAX.minus(-1), i64::MIN.plus(-1)), (i64::MAX, i64::MIN));
        assert_eq!((true.minus(true), true.minus(false), false.plus(true)), (false, true, true));
        assert_eq!(
            (u8::of(300.0), i8::of(-2.7), u8::of(f64::NAN), bool::of(0.5)),
            (255, -2, 0, true)
        );
        assert_eq!(1.5f32.minus(2.0), -0.5);
    }
}
