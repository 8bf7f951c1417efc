//! Run-time choice of the vector instructions, once for every kernel of the workspace.
//!
//! A kernel is plain Rust, compiled several times, for the instruction sets that matter; the widest
//! version this machine has is run. So the default build reaches the fast path, and no kernel needs
//! intrinsics or `unsafe`. There are two kinds. [`Kernel`] is loops on slices, which the compiler
//! vectorizes; [`VectorKernel`] is generic over the [`Vector`](crate::Vector), for what has to
//! control its registers. All versions perform the same operations in the same order: results are
//! equal bit for bit, but for [`Vector::mul_add`](crate::Vector::mul_add) on processors that cannot
//! fuse.

use crate::real::Real;

pub use crate::level::{Level, VectorKernel};

/// A computation to be compiled for several instruction sets.
///
/// Write `#[inline(always)]` on `run` and on every function it calls in its inner loops: what is
/// not inlined is compiled for the baseline only.
///
/// ```
/// use morphograd_tensor::simd::{dispatch, Kernel};
/// struct Scale<'a>(&'a mut [f32], f32);
/// impl Kernel for Scale<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run(self) {
///         self.0.iter_mut().for_each(|x| *x *= self.1);
///     }
/// }
/// let mut x = [1.0, 2.0];
/// dispatch(Scale(&mut x, 3.0));
/// assert_eq!(x, [3.0, 6.0]);
/// ```
pub trait Kernel {
    /// What the computation returns.
    type Output;

    /// The computation.
    fn run(self) -> Self::Output;
}

/// Runs the kernel with the widest vector instructions of this machine.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    match Level::best() {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calling a function compiled for checked CPU features")]
        // SAFETY: `best` detected the features on this machine.
        Level::Avx512 => unsafe { x86::avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calling a function compiled for checked CPU features")]
        // SAFETY: `best` detected the features on this machine.
        Level::Avx2 => unsafe { x86::avx2(kernel) },
        // NEON is part of the aarch64 baseline.
        _ => kernel.run(),
    }
}

/// Runs the kernel on the widest vectors of this machine.
#[inline]
pub fn dispatch_vectors<T: Real, K: VectorKernel<T>>(kernel: K) -> K::Output {
    dispatch_vectors_at(Level::best(), kernel)
}

/// Runs the kernel on the vectors of a level, for comparison with another.
///
/// # Panics
/// If this machine does not have them.
#[inline]
pub fn dispatch_vectors_at<T: Real, K: VectorKernel<T>>(level: Level, kernel: K) -> K::Output {
    T::dispatch_at(level, kernel)
}

/// The name of the instruction set that [`dispatch`] chooses on this machine.
pub fn level() -> &'static str {
    Level::best().name()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vector;

    /// Every operation of a vector, lane by lane.
    struct Everything<'a>(&'a [f32], &'a [f32]);

    impl VectorKernel<f32> for Everything<'_> {
        type Output = (Vec<u32>, Vec<u16>);

        #[inline(always)]
        fn run<V: Vector<f32>>(self) -> Self::Output {
            all::<V>(self.0, self.1)
        }
    }

    struct HalfOfEverything<'a>(&'a [f32], &'a [f32]);

    impl VectorKernel<f32> for HalfOfEverything<'_> {
        type Output = (Vec<u32>, Vec<u16>);

        #[inline(always)]
        fn run<V: Vector<f32>>(self) -> Self::Output {
            all::<V::Half>(self.0, self.1)
        }
    }

    #[inline(always)]
    fn all<V: Vector<f32>>(x: &[f32], y: &[f32]) -> (Vec<u32>, Vec<u16>) {
        let (mut bits, mut indices) = (vec![[0; 10]; x.len()], vec![0; x.len()]);
        for start in (0..x.len()).step_by(V::LANES) {
            let (a, b, one) = (V::load(&x[start..]), V::load(&y[start..]), V::splat(1.0));
            let (gt, ge) = (V::select(a.gt(b), a, one), V::select(a.ge(b), one, b));
            let fused = a.mul_add(b, one);
            let results = [a.add(b), a.sub(b), a.mul(b), fused, a.larger(b), a.smaller(b), gt, ge];
            for (k, result) in results.into_iter().enumerate() {
                let mut lanes = [0.0; crate::vector::MAX_LANES];
                result.store(&mut lanes);
                for (bits, lane) in bits[start..].iter_mut().zip(&lanes[..V::LANES]) {
                    bits[k] = if lane.is_nan() { u32::MAX } else { lane.to_bits() };
                }
            }
            let mask = V::bits(a.gt(b));
            bits[start..]
                .iter_mut()
                .take(V::LANES)
                .enumerate()
                .for_each(|(lane, bits)| bits[9] = mask >> lane & 1);
            let index = V::splat(start as f32 * 100.0 + 7.0);
            index.store_indices(&mut indices[start..]);
            V::load_start(&x[start..start + 1])
                .add(one)
                .store(&mut [0.0; crate::vector::MAX_LANES]);
        }
        (bits.into_iter().flatten().collect(), indices)
    }

    #[test]
    fn every_level_gives_the_bits_of_the_scalar_one() {
        let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.5, -3.25, 1e-40];
        let x: Vec<f32> = (0..64).map(|i| special[i % 8]).collect();
        let y: Vec<f32> = (0..64).map(|i| special[i / 8]).collect();
        let (expected, _) = dispatch_vectors_at(Level::Scalar, Everything(&x, &y));
        for level in Level::available() {
            for (found, indices) in [
                dispatch_vectors_at(level, Everything(&x, &y)),
                dispatch_vectors_at(level, HalfOfEverything(&x, &y)),
            ] {
                for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    // 1e-40 squared plus 1 and the like: fused or not, the same, because every
                    // product here is exact or negligible.
                    assert_eq!(found, expected, "{level:?}, pair {}, operation {}", i / 10, i % 10);
                }
                assert!(indices.iter().all(|index| index % 100 == 7), "{level:?}");
            }
        }
    }
}
