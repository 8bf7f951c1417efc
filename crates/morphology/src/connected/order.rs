//! Of two dual operators, which one: an algorithm is written for maxima and takes the order of its
//! pixels, as they are or reversed.

use morphograd_nn::tensor::Real;

use crate::neighbourhood::level::Leveled;
use crate::neighbourhood::pixel::Pixel;

/// Of two dual operators, which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extremum {
    /// Peaks, dilations.
    Maximum,
    /// Valleys, erosions.
    Minimum,
}

/// How pixels become levels, and back.
pub(crate) trait Order<P>: Sync {
    /// What is compared.
    type Level: Copy + PartialOrd + Send + Sync;

    /// What is below and what is above all levels.
    fn extremes(&self) -> [Self::Level; 2];

    /// The level of a pixel.
    fn level(&self, pixel: P) -> Self::Level;

    /// The pixel of a level.
    fn pixel(&self, level: Self::Level) -> P;

    /// The level as a whole number, see [`Leveled::key`].
    fn key(&self, level: Self::Level) -> u64;
}

/// The order of pixels of any type.
pub(crate) struct OfPixels(pub(crate) Extremum);

impl<P: Pixel> Order<P> for OfPixels {
    type Level = P::Level;

    fn extremes(&self) -> [P::Level; 2] {
        match self.0 {
            Extremum::Maximum => [P::LOWEST, P::HIGHEST],
            Extremum::Minimum => [P::HIGHEST, P::LOWEST],
        }
        .map(|pixel| self.level(pixel))
    }

    #[inline(always)]
    fn level(&self, pixel: P) -> P::Level {
        pixel.level(self.0 == Extremum::Minimum)
    }

    #[inline(always)]
    fn pixel(&self, level: P::Level) -> P {
        P::of_level(level, self.0 == Extremum::Minimum)
    }

    #[inline(always)]
    fn key(&self, level: P::Level) -> u64 {
        P::key(level)
    }
}

/// The order of the numbers of tensors.
pub(crate) struct OfNumbers(pub(crate) Extremum);

impl<T: Real> Order<T> for OfNumbers {
    type Level = T;

    fn extremes(&self) -> [T; 2] {
        [T::neg_infinity(), T::infinity()]
    }

    #[inline(always)]
    fn level(&self, number: T) -> T {
        if self.0 == Extremum::Minimum { -number } else { number }
    }

    #[inline(always)]
    fn pixel(&self, level: T) -> T {
        self.level(level)
    }

    #[inline(always)]
    fn key(&self, level: T) -> u64 {
        let number = level.f64();
        if size_of::<T>() == size_of::<f32>() { f32::key(number as f32) } else { f64::key(number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<P: Pixel>(ascending: &[P]) {
        for reversed in [false, true] {
            let levels: Vec<_> = ascending.iter().map(|x| x.level(reversed)).collect();
            for pair in levels.windows(2) {
                assert!(if reversed { pair[0] > pair[1] } else { pair[0] < pair[1] }, "{pair:?}");
                let [a, b] = [pair[0], pair[1]].map(P::key);
                assert!(if reversed { a > b } else { a < b }, "{pair:?} {a} {b}");
                assert!(a.max(b) >> (8 * size_of::<P::Level>() - 1) < 2, "{pair:?} {a} {b}");
            }
            let back: Vec<P> = levels.iter().map(|x| P::of_level(*x, reversed)).collect();
            assert_eq!(back, ascending);
        }
    }

    #[test]
    fn levels_are_in_the_order_of_the_pixels_and_lead_back() {
        check(&[0u8, 1, 127, 128, 255]);
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[i64::MIN, -(1 << 53) - 1, -(1 << 53), 0, i64::MAX - 1, i64::MAX]);
        check(&[0, u64::MAX - 1, u64::MAX]);
        check(&[false, true]);
        check(&[f32::NEG_INFINITY, -1.5, 0.0, 2.0, f32::INFINITY]);
        assert_eq!((-0.0f64).level(true).to_bits(), 0.0f64.to_bits());
        assert!(f64::NAN.level(true).is_nan());
        assert_eq!(f32::key(-0.0), f32::key(0.0));
        assert!(f64::key(-f64::NAN) < f64::key(f64::NEG_INFINITY));
        assert_eq!(OfNumbers(Extremum::Maximum).key(-2.5f32), f32::key(-2.5));
    }
}
