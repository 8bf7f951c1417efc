//! The two semirings of dense layers: what is best, and what never is.

use morphograd_nn::tensor::Real;

/// Which of the candidates $x_i + w_{ij}$ a dense layer takes.
///
/// The two are dual: $\min_i (x_i + w_{ij}) = -\max_i (-x_i - w_{ij})$.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Semiring {
    /// The largest.
    #[default]
    MaxPlus,
    /// The smallest.
    MinPlus,
}

impl Semiring {
    /// The zero of the semiring, the weight that never wins: $-\infty$ for maxima, $+\infty$ for
    /// minima.
    ///
    /// ```
    /// use morphograd_morphology::Semiring;
    /// assert_eq!(Semiring::MinPlus.absent::<f32>(), f32::INFINITY);
    /// ```
    pub fn absent<T: Real>(self) -> T {
        match self {
            Self::MaxPlus => T::neg_infinity(),
            Self::MinPlus => T::infinity(),
        }
    }

    /// 1 for maxima, -1 for minima: a minimum is computed as a maximum of the negatives.
    pub(crate) fn sign<T: Real>(self) -> T {
        match self {
            Self::MaxPlus => T::one(),
            Self::MinPlus => -T::one(),
        }
    }
}
