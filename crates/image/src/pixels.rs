//! The samples of an image: a trait for each of the four types, and a value of any of them.

use std::fmt::Debug;

use crate::depth::Depth;

/// Samples in rows, the channels of a pixel side by side.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Masks.
    Bit(Vec<bool>),
    /// 8 bits.
    U8(Vec<u8>),
    /// 16 bits.
    U16(Vec<u16>),
    /// Single precision.
    F32(Vec<f32>),
}

/// The same for each type of samples: `each!(pixels, samples => expression)`.
#[macro_export]
macro_rules! each {
    ($pixels:expr, $samples:ident => $body:expr) => {
        match $pixels {
            $crate::Pixels::Bit($samples) => $body,
            $crate::Pixels::U8($samples) => $body,
            $crate::Pixels::U16($samples) => $body,
            $crate::Pixels::F32($samples) => $body,
        }
    };
}

impl Pixels {
    /// The type of the samples.
    pub fn depth(&self) -> Depth {
        match self {
            Self::Bit(_) => Depth::Bit,
            Self::U8(_) => Depth::U8,
            Self::U16(_) => Depth::U16,
            Self::F32(_) => Depth::F32,
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        each!(self, samples => samples.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No samples of a type.
    pub(crate) fn none(depth: Depth) -> Self {
        match depth {
            Depth::Bit => Self::Bit(Vec::new()),
            Depth::U8 => Self::U8(Vec::new()),
            Depth::U16 => Self::U16(Vec::new()),
            Depth::F32 => Self::F32(Vec::new()),
        }
    }

    /// Takes the last of `channels` samples of every pixel out of it.
    pub(crate) fn split_last(self, channels: usize) -> (Self, Self) {
        fn split<T: Sample>(samples: &[T], channels: usize) -> (Pixels, Pixels) {
            let pixels = || samples.chunks_exact(channels);
            let first = pixels().flat_map(|pixel| &pixel[..channels - 1]).copied().collect();
            (T::wrap(first), T::wrap(pixels().map(|pixel| pixel[channels - 1]).collect()))
        }
        each!(self, samples => split(&samples, channels))
    }

    /// Puts one sample behind the `channels` of every pixel. Both are of one type.
    pub(crate) fn join(&self, channels: usize, last: &Self) -> Self {
        fn join<T: Sample>(samples: &[T], channels: usize, last: &Pixels) -> Pixels {
            let last = T::of(last).expect("samples of one type").iter();
            let all = samples.chunks_exact(channels).zip(last);
            T::wrap(all.flat_map(|(pixel, last)| pixel.iter().chain([last])).copied().collect())
        }
        each!(self, samples => join(samples, channels, last))
    }

    /// A copy of a part.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Self {
        fn part<T: Sample>(samples: &[T]) -> Pixels {
            T::wrap(samples.to_vec())
        }
        each!(self, samples => part(&samples[range]))
    }

    /// Adds samples of the same type at the end.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Bit(to), Self::Bit(from)) => to.extend(from),
            (Self::U8(to), Self::U8(from)) => to.extend(from),
            (Self::U16(to), Self::U16(from)) => to.extend(from),
            (Self::F32(to), Self::F32(from)) => to.extend(from),
            _ => unreachable!("samples of one type"),
        }
    }
}

/// A type of samples: `bool`, `u8`, `u16` or `f32`.
pub trait Sample:
    Copy + Default + PartialEq + Debug + Send + Sync + sealed::Sealed + 'static
{
    /// The type as a value.
    const DEPTH: Depth;

    /// The value as a number; `true` is 1.
    fn number(self) -> f64;

    /// The nearest sample to a number; halves go away from zero, and what is beyond the range
    /// becomes its end. `true` from one half on. NaN stays NaN as a float, and is 0 otherwise.
    #[must_use]
    fn nearest(x: f64) -> Self;

    /// Samples as pixels.
    fn wrap(samples: Vec<Self>) -> Pixels;

    /// The samples, if they are of this type.
    fn of(pixels: &Pixels) -> Option<&[Self]>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for bool {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for f32 {}
}

macro_rules! sample {
    ($t:ty, $depth:ident, |$a:ident| $number:expr, |$x:ident| $nearest:expr) => {
        impl Sample for $t {
            const DEPTH: Depth = Depth::$depth;

            fn number(self) -> f64 {
                let $a = self;
                $number
            }

            fn nearest($x: f64) -> Self {
                $nearest
            }

            fn wrap(samples: Vec<Self>) -> Pixels {
                Pixels::$depth(samples)
            }

            fn of(pixels: &Pixels) -> Option<&[Self]> {
                match pixels {
                    Pixels::$depth(samples) => Some(samples),
                    _ => None,
                }
            }
        }
    };
}

sample!(bool, Bit, |a| f64::from(u8::from(a)), |x| x >= 0.5);
// These casts saturate.
sample!(u8, U8, |a| f64::from(a), |x| x.round() as Self);
sample!(u16, U16, |a| f64::from(a), |x| x.round() as Self);
sample!(f32, F32, |a| f64::from(a), |x| x as Self);

macro_rules! from {
    ($($t:ty),*) => {
        $(impl From<Vec<$t>> for Pixels {
            fn from(samples: Vec<$t>) -> Self {
                <$t as Sample>::wrap(samples)
            }
        })*
    };
}

from!(bool, u8, u16, f32);

/// Eight bits a byte, the first in the highest, each row from a byte of its own.
pub(crate) fn pack(bits: &[bool], width: usize) -> Vec<u8> {
    let byte = |bits: &[bool]| {
        bits.iter().enumerate().fold(0, |byte, (i, bit)| byte | (u8::from(*bit) << (7 - i)))
    };
    bits.chunks_exact(width).flat_map(|row| row.chunks(8).map(byte)).collect()
}

/// The inverse of [`pack`].
pub(crate) fn unpack(bytes: &[u8], width: usize) -> Vec<bool> {
    let rows = bytes.chunks_exact(width.div_ceil(8));
    rows.flat_map(|row| (0..width).map(|x| row[x / 8] >> (7 - x % 8) & 1 == 1)).collect()
}

/// 16-bit samples from bytes of which the higher comes first.
pub(crate) fn from_big_endian(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// The inverse of [`from_big_endian`].
pub(crate) fn to_big_endian(samples: &[u16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_split_off_and_put_back() {
        let all = Pixels::U8(vec![1, 2, 3, 9, 4, 5, 6, 8]);
        let (colours, alpha) = all.clone().split_last(4);
        assert_eq!(colours, Pixels::U8(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(alpha, Pixels::U8(vec![9, 8]));
        assert_eq!(colours.join(3, &alpha), all);
    }

    #[test]
    fn bits_of_a_row_begin_a_byte() {
        let bits: Vec<bool> = (0..18).map(|i| i % 4 == 1).collect();
        let bytes = pack(&bits, 9);
        assert_eq!(bytes, [0b0100_0100, 0, 0b1000_1000, 0b1000_0000]);
        assert_eq!(unpack(&bytes, 9), bits);
    }

    #[test]
    fn the_nearest_sample_of_a_number_is_in_the_range() {
        assert_eq!([-3.0, 0.5, 254.5, 1e9].map(u8::nearest), [0, 1, 255, 255]);
        assert_eq!([0.4, 0.5].map(bool::nearest), [false, true]);
        assert_eq!((u16::nearest(65_534.6), u16::nearest(f64::NAN)), (65_535, 0));
        assert_eq!((f32::nearest(-2.5), f32::nearest(f64::NAN).is_nan()), (-2.5, true));
    }
}
