//! The two orders in which morphology computes. A kernel is written once for both; dilation and
//! erosion differ in what is written here.

use std::fmt::Debug;

use morphograd_nn::tensor::{Real, Vector};

/// The order of a complete lattice of numbers and how a structuring function acts in it.
pub trait Lattice: Copy + Default + Debug + Send + Sync + 'static {
    /// The operator, by its standard name.
    const NAME: &'static str;
    /// Whether position `d` of the window meets the entry $k - 1 - d$ of the kernel.
    const MIRRORED: bool;
    /// The derivative of a candidate with respect to its kernel entry.
    const SIGN: f64;
    /// Whether the operator takes maxima, so that a max-pooling behind it continues it.
    const IS_MAXIMUM: bool;

    /// The value that every candidate beats: that of an empty window.
    fn bottom<T: Real>() -> T;

    /// The candidate of an image value and a kernel entry.
    fn candidate<T: Real>(x: T, w: T) -> T;

    /// Whether `a` beats `b`. Strict, so that the first of tied candidates wins; false where either
    /// is NaN.
    fn beats<T: Real>(a: T, b: T) -> bool;

    /// The candidate of each lane.
    fn candidates<T: Real, V: Vector<T>>(x: V, w: V) -> V;

    /// The candidate of each lane where it beats the best so far, else that.
    fn best<T: Real, V: Vector<T>>(candidate: V, best: V) -> V;

    /// Whether the best does not beat the candidate of each lane; false for NaN.
    fn reaches<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask;

    /// Whether the candidate of each lane beats the best so far.
    fn wins<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask;
}

/// Dilation: the largest of $x + w$.
#[derive(Debug, Clone, Copy, Default)]
pub struct MaxPlus;

/// Erosion: the smallest of $x - w$, with the kernel mirrored, which makes it the adjoint of the
/// dilation by the same kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct MinMinus;

impl Lattice for MaxPlus {
    const NAME: &'static str = "dilation2d";
    const MIRRORED: bool = false;
    const SIGN: f64 = 1.0;
    const IS_MAXIMUM: bool = true;

    #[inline(always)]
    fn bottom<T: Real>() -> T {
        T::neg_infinity()
    }

    #[inline(always)]
    fn candidate<T: Real>(x: T, w: T) -> T {
        x + w
    }

    #[inline(always)]
    fn beats<T: Real>(a: T, b: T) -> bool {
        a > b
    }

    #[inline(always)]
    fn candidates<T: Real, V: Vector<T>>(x: V, w: V) -> V {
        x.add(w)
    }

    #[inline(always)]
    fn best<T: Real, V: Vector<T>>(candidate: V, best: V) -> V {
        candidate.larger(best)
    }

    #[inline(always)]
    fn wins<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask {
        candidate.gt(best)
    }

    #[inline(always)]
    fn reaches<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask {
        candidate.ge(best)
    }
}

impl Lattice for MinMinus {
    const NAME: &'static str = "erosion2d";
    const MIRRORED: bool = true;
    const SIGN: f64 = -1.0;
    const IS_MAXIMUM: bool = false;

    #[inline(always)]
    fn bottom<T: Real>() -> T {
        T::infinity()
    }

    #[inline(always)]
    fn candidate<T: Real>(x: T, w: T) -> T {
        x - w
    }

    #[inline(always)]
    fn beats<T: Real>(a: T, b: T) -> bool {
        a < b
    }

    #[inline(always)]
    fn candidates<T: Real, V: Vector<T>>(x: V, w: V) -> V {
        x.sub(w)
    }

    #[inline(always)]
    fn best<T: Real, V: Vector<T>>(candidate: V, best: V) -> V {
        candidate.smaller(best)
    }

    #[inline(always)]
    fn wins<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask {
        best.gt(candidate)
    }

    #[inline(always)]
    fn reaches<T: Real, V: Vector<T>>(candidate: V, best: V) -> V::Mask {
        best.ge(candidate)
    }
}
