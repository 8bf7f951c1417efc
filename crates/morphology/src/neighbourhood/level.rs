//! The order of pixels, in fewer types than there are of pixels: an algorithm that only compares
//! is compiled for these, and for one order.

use std::fmt::Debug;

/// What a pixel is to algorithms that only compare.
pub trait Leveled: Sized {
    /// Unsigned integers, or floats.
    type Level: Copy + PartialOrd + Debug + Send + Sync;

    /// A number in the order of the pixels; larger for smaller pixels if `reversed`. NaN stays NaN.
    fn level(self, reversed: bool) -> Self::Level;

    /// The pixel of a level.
    fn of_level(level: Self::Level, reversed: bool) -> Self;

    /// A whole number in the order of the levels, of as many bits as a level has. Zeros of both
    /// signs have one, and NaN has 0, that of no other level.
    fn key(level: Self::Level) -> u64;
}

macro_rules! whole {
    ($($t:ty as $level:ty),*) => {
        $(impl Leveled for $t {
            type Level = $level;

            #[inline(always)]
            fn level(self, reversed: bool) -> $level {
                // The smallest signed number becomes 0.
                let level = self as $level ^ <$t>::MIN as $level;
                if reversed { !level } else { level }
            }

            #[inline(always)]
            fn of_level(level: $level, reversed: bool) -> Self {
                let level = if reversed { !level } else { level };
                (level ^ <$t>::MIN as $level) as Self
            }

            #[inline(always)]
            fn key(level: $level) -> u64 {
                u64::from(level)
            }
        })*
    };
}

whole!(u8 as u8, i8 as u8, u16 as u16, i16 as u16, u32 as u32, i32 as u32, u64 as u64, i64 as u64);

impl Leveled for bool {
    type Level = u8;

    #[inline(always)]
    fn level(self, reversed: bool) -> u8 {
        u8::from(self).level(reversed)
    }

    #[inline(always)]
    fn of_level(level: u8, reversed: bool) -> Self {
        u8::of_level(level, reversed) == 1
    }

    #[inline(always)]
    fn key(level: u8) -> u64 {
        u64::from(level)
    }
}

macro_rules! float {
    ($($t:ty as $bits:ty),*) => {
        $(impl Leveled for $t {
            type Level = $t;

            #[inline(always)]
            fn level(self, reversed: bool) -> $t {
                if reversed { -self } else { self }
            }

            #[inline(always)]
            fn of_level(level: $t, reversed: bool) -> Self {
                level.level(reversed)
            }

            #[inline(always)]
            fn key(level: $t) -> u64 {
                // The bits of a number that is not negative are in the order of the numbers.
                let (bits, sign) = ((level + 0.0).to_bits(), 1 << (<$bits>::BITS - 1));
                match level {
                    _ if level.is_nan() => 0,
                    _ if bits & sign == 0 => u64::from(bits | sign),
                    _ => u64::from(!bits),
                }
            }
        })*
    };
}

float!(f32 as u32, f64 as u64);
