//! Run-time choice of the vector instructions, once for every kernel of the workspace.
//!
//! A kernel is plain Rust on slices, written so that the compiler can vectorize it. [`dispatch`] compiles it several times, for the
//! instruction sets that matter, and runs the widest version this machine has; so the default build reaches the fast path, and no
//! kernel needs intrinsics or `unsafe`. All versions perform the same operations in the same order: results are equal bit for bit.

/// A computation to be compiled for several instruction sets.
///
/// Write `#[inline(always)]` on `run` and on every function it calls in its inner loops: what is not inlined is compiled for the
/// baseline only.
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
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_avx512() {
            #[expect(unsafe_code, reason = "calling a function compiled for checked CPU features")]
            // SAFETY: the features were detected on this machine in the line above.
            return unsafe { x86::avx512(kernel) };
        }
        if x86::has_avx2() {
            #[expect(unsafe_code, reason = "calling a function compiled for checked CPU features")]
            // SAFETY: the features were detected on this machine in the line above.
            return unsafe { x86::avx2(kernel) };
        }
    }
    // NEON is part of the aarch64 baseline.
    kernel.run()
}

/// The instruction set that [`dispatch`] chooses on this machine.
pub fn level() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_avx512() {
            return "avx512";
        }
        if x86::has_avx2() {
            return "avx2";
        }
    }
    if cfg!(target_arch = "aarch64") { "neon" } else { "baseline" }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;

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

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }
}
