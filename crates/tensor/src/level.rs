//! The levels of vector instructions, and the only way from a level to its vectors.
//!
//! The one design choice: nothing that other crates can name leads to a type of vector, not even
//! through a bound on [`Real`](crate::Real). A kernel is handed one after the processor was looked
//! at.

use crate::vector::{Lanes, Vector};

/// A computation on vectors of `T`, to be instantiated for several instruction sets. As for
/// [`Kernel`](crate::simd::Kernel), what its inner loops call has to be `#[inline(always)]`.
///
/// ```
/// use morphograd_tensor::{Real, Vector, simd::{VectorKernel, dispatch_vectors}};
/// struct Double<'a, T>(&'a mut [T]);
/// impl<T: Real> VectorKernel<T> for Double<'_, T> {
///     type Output = ();
///     #[inline(always)]
///     fn run<V: Vector<T>>(self) {
///         let mut pieces = self.0.chunks_exact_mut(V::LANES);
///         for piece in &mut pieces {
///             let x = V::load(piece);
///             x.add(x).store(piece);
///         }
///         pieces.into_remainder().iter_mut().for_each(|x| *x += *x);
///     }
/// }
/// let mut x = [1.0f32; 19];
/// dispatch_vectors(Double(&mut x));
/// assert_eq!(x, [2.0; 19]);
/// ```
pub trait VectorKernel<T> {
    /// What the computation returns.
    type Output;

    /// The computation.
    fn run<V: Vector<T>>(self) -> Self::Output;
}

/// Instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One number at a time. Never chosen: it is what the others are compared with.
    Scalar,
    /// What every processor of the target has: SSE2, NEON.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Level {
    /// The widest one of this machine: what the `dispatch` functions choose. A program that is
    /// built with `RUSTFLAGS='--cfg morphograd_level="avx2"'`, or `"baseline"`, has nothing wider:
    /// so the narrower kernels are tested on a machine that would not choose them.
    #[inline]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            const AT_MOST_BASELINE: bool = cfg!(morphograd_level = "baseline");
            const AT_MOST_AVX2: bool = AT_MOST_BASELINE || cfg!(morphograd_level = "avx2");
            if !AT_MOST_AVX2 && x86::has_avx512() {
                return Level::Avx512;
            }
            if !AT_MOST_BASELINE && x86::has_avx2() {
                return Level::Avx2;
            }
        }
        Level::Baseline
    }

    /// All that this machine has, the narrowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let all = [Level::Scalar, Level::Baseline, Level::Avx2, Level::Avx512];
        all.into_iter().filter(|level| *level <= Self::best())
    }

    /// Its common name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Baseline if cfg!(target_arch = "aarch64") => "neon",
            Level::Baseline => "baseline",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}

/// The kernels of a scalar type. It names no vector: whoever can name a type of vector could use
/// one that this processor does not have.
pub trait Vectors: Sized {
    /// Runs the kernel on the vectors of a level.
    ///
    /// # Panics
    /// If this processor does not have them.
    fn dispatch_at<K: VectorKernel<Self>>(level: Level, kernel: K) -> K::Output;
}

/// The vectors of a type, one for each level. This is the only place that names them.
macro_rules! vectors {
    ($t:ty, $baseline:literal, $avx2:ident, $avx512:ident) => {
        impl Vectors for $t {
            #[inline]
            fn dispatch_at<K: VectorKernel<Self>>(level: Level, kernel: K) -> K::Output {
                assert!(level <= Level::best(), "this processor has no {}", level.name());
                match level {
                    Level::Scalar => kernel.run::<Lanes<$t, 1>>(),
                    #[cfg(target_arch = "x86_64")]
                    #[expect(unsafe_code, reason = "a function compiled for checked features")]
                    // SAFETY: the level is one that `best` detected on this machine, or narrower.
                    Level::Avx512 => unsafe {
                        x86::vectors_avx512::<$t, K, crate::vector::x86::$avx512>(kernel)
                    },
                    #[cfg(target_arch = "x86_64")]
                    #[expect(unsafe_code, reason = "a function compiled for checked features")]
                    // SAFETY: the level is one that `best` detected on this machine, or narrower.
                    Level::Avx2 => unsafe {
                        x86::vectors_avx2::<$t, K, crate::vector::x86::$avx2>(kernel)
                    },
                    _ => kernel.run::<Lanes<$t, $baseline>>(),
                }
            }
        }
    };
}
vectors!(f32, 4, F32x8, F32x16);
vectors!(f64, 2, F64x4, F64x8);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::VectorKernel;
    use crate::vector::Vector;

    #[inline]
    pub(super) fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && has_avx2()
    }

    #[inline]
    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// Runs a kernel on vectors of AVX-512.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn vectors_avx512<T, K: VectorKernel<T>, V: Vector<T>>(kernel: K) -> K::Output {
        kernel.run::<V>()
    }

    /// Runs a kernel on vectors of AVX2.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn vectors_avx2<T, K: VectorKernel<T>, V: Vector<T>>(kernel: K) -> K::Output {
        kernel.run::<V>()
    }
}
