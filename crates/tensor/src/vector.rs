//! Vectors in registers: what a kernel that has to control its registers is written with.
//!
//! The one design choice: the kernel is generic over the vector, and
//! [`dispatch_vectors`](crate::simd::dispatch_vectors) instantiates it for every instruction set.
//! Plain loops on arrays come out as vector instructions only as long as the compiler sees through
//! them; a block of accumulators that has to stay in registers is written with these types instead,
//! and comes out as it is written.

/// A few numbers of one type in one register.
///
/// Every operation acts on each lane as the scalar operation does and rounds once, so results do
/// not depend on the number of lanes. No path leads to the types from outside this crate: a vector
/// exists only inside a kernel that was dispatched to a processor which has it.
///
/// ```compile_fail
/// use morphograd_tensor::{Real, Vector};
/// // AVX-512 without a look at the processor: there is no such name.
/// fn sixteen<T: Real>() -> impl Vector<T> {
///     <T::Avx512 as Vector<T>>::splat(T::one())
/// }
/// ```
pub trait Vector<T>: Copy {
    /// How many numbers it holds.
    const LANES: usize;
    /// How many vectors the processor can hold in registers.
    const REGISTERS: usize;
    /// The vector of half as many lanes; the smallest is its own half.
    type Half: Vector<T>;
    /// A truth value for each lane.
    type Mask: Copy;

    /// The same number in every lane.
    fn splat(x: T) -> Self;

    /// The first numbers of a slice.
    ///
    /// # Panics
    /// If there are fewer than lanes.
    fn load(from: &[T]) -> Self;

    /// Writes the lanes to the start of a slice.
    ///
    /// # Panics
    /// If it is shorter.
    fn store(self, to: &mut [T]);

    /// Writes the lanes, whole numbers from 0 to 65535, to the start of a slice.
    ///
    /// # Panics
    /// If it is shorter.
    fn store_indices(self, to: &mut [u16]);

    /// Sums.
    #[must_use]
    fn add(self, other: Self) -> Self;

    /// Differences.
    #[must_use]
    fn sub(self, other: Self) -> Self;

    /// Products.
    #[must_use]
    fn mul(self, other: Self) -> Self;

    /// `self * factor + term`, rounded once where the processor can, else twice.
    #[must_use]
    fn mul_add(self, factor: Self, term: Self) -> Self;

    /// `self` where it is larger, else `other`; so `other` where they are equal or one of them is
    /// NaN.
    #[must_use]
    fn larger(self, other: Self) -> Self;

    /// `self` where it is smaller, else `other`; so `other` where they are equal or one of them is
    /// NaN.
    #[must_use]
    fn smaller(self, other: Self) -> Self;

    /// Where `self > other`; false for NaN.
    fn gt(self, other: Self) -> Self::Mask;

    /// Where `self >= other`; false for NaN.
    fn ge(self, other: Self) -> Self::Mask;

    /// `yes` where the mask is true, else `no`.
    #[must_use]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The mask as bits, the first lane's the lowest.
    fn bits(mask: Self::Mask) -> u32;

    /// As [`Vector::load`]; of a slice that is too short, what there is, and zeros.
    #[inline(always)]
    fn load_start(from: &[T]) -> Self
    where
        T: Copy + Default,
    {
        if from.len() >= Self::LANES {
            return Self::load(from);
        }
        let mut lanes = [T::default(); MAX_LANES];
        lanes[..from.len()].copy_from_slice(from);
        Self::load(&lanes)
    }
}

/// The most lanes any vector has.
pub const MAX_LANES: usize = 16;

/// The vector of a processor of which nothing is known but its scalar type: an array, which the
/// compiler maps to the vectors of the target's baseline (SSE2, NEON).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes<T, const N: usize>([T; N]);

macro_rules! lanes {
    ($t:ty, $n:literal, $half:literal) => {
        impl Vector<$t> for Lanes<$t, $n> {
            const LANES: usize = $n;
            const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 32 } else { 16 };
            type Half = Lanes<$t, $half>;
            type Mask = [bool; $n];

            #[inline(always)]
            fn splat(x: $t) -> Self {
                Self([x; $n])
            }

            #[inline(always)]
            fn load(from: &[$t]) -> Self {
                Self(from[..$n].try_into().expect("as many as lanes"))
            }

            #[inline(always)]
            fn store(self, to: &mut [$t]) {
                to[..$n].copy_from_slice(&self.0);
            }

            #[inline(always)]
            fn store_indices(self, to: &mut [u16]) {
                let to = &mut to[..$n];
                for i in 0..$n {
                    to[i] = self.0[i] as u16;
                }
            }

            #[inline(always)]
            fn add(mut self, other: Self) -> Self {
                for i in 0..$n {
                    self.0[i] += other.0[i];
                }
                self
            }

            #[inline(always)]
            fn sub(mut self, other: Self) -> Self {
                for i in 0..$n {
                    self.0[i] -= other.0[i];
                }
                self
            }

            #[inline(always)]
            fn mul(mut self, other: Self) -> Self {
                for i in 0..$n {
                    self.0[i] *= other.0[i];
                }
                self
            }

            #[inline(always)]
            fn mul_add(mut self, factor: Self, term: Self) -> Self {
                for i in 0..$n {
                    // Without the instruction `mul_add` would be a call of a function that emulates
                    // it.
                    self.0[i] = if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                        self.0[i].mul_add(factor.0[i], term.0[i])
                    } else {
                        self.0[i] * factor.0[i] + term.0[i]
                    };
                }
                self
            }

            #[inline(always)]
            fn larger(mut self, other: Self) -> Self {
                for i in 0..$n {
                    self.0[i] = if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] };
                }
                self
            }

            #[inline(always)]
            fn smaller(mut self, other: Self) -> Self {
                for i in 0..$n {
                    self.0[i] = if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] };
                }
                self
            }

            #[inline(always)]
            fn gt(self, other: Self) -> [bool; $n] {
                let mut mask = [false; $n];
                for i in 0..$n {
                    mask[i] = self.0[i] > other.0[i];
                }
                mask
            }

            #[inline(always)]
            fn ge(self, other: Self) -> [bool; $n] {
                let mut mask = [false; $n];
                for i in 0..$n {
                    mask[i] = self.0[i] >= other.0[i];
                }
                mask
            }

            #[inline(always)]
            fn select(mask: [bool; $n], mut yes: Self, no: Self) -> Self {
                for i in 0..$n {
                    yes.0[i] = if mask[i] { yes.0[i] } else { no.0[i] };
                }
                yes
            }

            #[inline(always)]
            fn bits(mask: [bool; $n]) -> u32 {
                mask.iter().rev().fold(0, |bits, lane| bits << 1 | u32::from(*lane))
            }
        }
    };
}

lanes!(f32, 4, 1);
lanes!(f32, 1, 1);
lanes!(f64, 2, 1);
lanes!(f64, 1, 1);

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions of processors that `simd` has detected")]
pub(crate) mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// One type of vector. Its comparisons are a macro each, because AVX2 and AVX-512 have
    /// different masks.
    macro_rules! vector {
        (
            $name:ident, $t:ty, $register:ty, $n:literal, $registers:literal, $half:ty, $mask:ty,
            $set1:ident, $loadu:ident, $storeu:ident, $add:ident, $sub:ident, $mul:ident,
            $fmadd:ident, $max:ident, $min:ident,
            $cmp:ident, $select:ident, $bits:ident, $to_int:ident, $storeu_int:ident, $doc:literal
        ) => {
            #[doc = $doc]
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $name($register);

            // SAFETY of every block below: `level::vectors!` alone names the type. It hands it to a
            // kernel that is generic over it, inside a function that is compiled for the features
            // and called after they were detected. No public item leads to the type, not even
            // through a bound on `Real`. `load` and `store` check the length of the slice first.
            impl Vector<$t> for $name {
                const LANES: usize = $n;
                const REGISTERS: usize = $registers;
                type Half = $half;
                type Mask = $mask;

                #[inline(always)]
                fn splat(x: $t) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $set1(x) })
                }

                #[inline(always)]
                fn load(from: &[$t]) -> Self {
                    let from = &from[..$n];
                    // SAFETY: see above.
                    Self(unsafe { $loadu(from.as_ptr()) })
                }

                #[inline(always)]
                fn store(self, to: &mut [$t]) {
                    let to = &mut to[..$n];
                    // SAFETY: see above.
                    unsafe { $storeu(to.as_mut_ptr(), self.0) }
                }

                #[inline(always)]
                fn store_indices(self, to: &mut [u16]) {
                    let mut lanes = [0i32; $n];
                    // SAFETY: see above; the register of integers has as many lanes as the array.
                    unsafe { $storeu_int(lanes.as_mut_ptr().cast(), $to_int(self.0)) }
                    let to = &mut to[..$n];
                    for i in 0..$n {
                        to[i] = lanes[i] as u16;
                    }
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $add(self.0, other.0) })
                }

                #[inline(always)]
                fn sub(self, other: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $sub(self.0, other.0) })
                }

                #[inline(always)]
                fn mul(self, other: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $mul(self.0, other.0) })
                }

                #[inline(always)]
                fn mul_add(self, factor: Self, term: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $fmadd(self.0, factor.0, term.0) })
                }

                // The instructions return their second operand where neither is larger.
                #[inline(always)]
                fn larger(self, other: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $max(self.0, other.0) })
                }

                #[inline(always)]
                fn smaller(self, other: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $min(self.0, other.0) })
                }

                #[inline(always)]
                fn gt(self, other: Self) -> $mask {
                    // SAFETY: see above.
                    unsafe { $cmp::<_CMP_GT_OQ>(self.0, other.0) }
                }

                #[inline(always)]
                fn ge(self, other: Self) -> $mask {
                    // SAFETY: see above.
                    unsafe { $cmp::<_CMP_GE_OQ>(self.0, other.0) }
                }

                #[inline(always)]
                fn select(mask: $mask, yes: Self, no: Self) -> Self {
                    // SAFETY: see above.
                    Self(unsafe { $select(no.0, yes.0, mask) })
                }

                #[inline(always)]
                fn bits(mask: $mask) -> u32 {
                    // SAFETY: see above.
                    unsafe { $bits(mask) }
                }
            }
        };
    }

    /// AVX-512's selection, with the arguments in AVX2's order.
    macro_rules! mask_blend {
        ($name:ident, $register:ty, $mask:ty, $blend:ident, $features:literal) => {
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(no: $register, yes: $register, mask: $mask) -> $register {
                $blend(mask, no, yes)
            }
        };
    }
    mask_blend!(select_ps512, __m512, __mmask16, _mm512_mask_blend_ps, "avx512f");
    mask_blend!(select_pd512, __m512d, __mmask8, _mm512_mask_blend_pd, "avx512f");
    mask_blend!(select_ps256, __m256, __mmask8, _mm256_mask_blend_ps, "avx512f,avx512vl");
    mask_blend!(select_pd256, __m256d, __mmask8, _mm256_mask_blend_pd, "avx512f,avx512vl");
    mask_blend!(select_ps128, __m128, __mmask8, _mm_mask_blend_ps, "avx512f,avx512vl");

    /// The lanes of a mask as bits.
    macro_rules! mask_bits {
        ($name:ident, $mask:ty, $bits:expr, $features:literal) => {
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(mask: $mask) -> u32 {
                $bits(mask)
            }
        };
    }
    mask_bits!(bits16, __mmask16, u32::from, "avx512f");
    mask_bits!(bits8, __mmask8, u32::from, "avx512f");
    mask_bits!(bits_ps256, __m256, |mask| _mm256_movemask_ps(mask).cast_unsigned(), "avx");
    mask_bits!(bits_ps128, __m128, |mask| _mm_movemask_ps(mask).cast_unsigned(), "avx");
    mask_bits!(bits_pd256, __m256d, |mask| _mm256_movemask_pd(mask).cast_unsigned(), "avx");

    vector!(
        F32x16,
        f32,
        __m512,
        16,
        32,
        F32x8Masked,
        __mmask16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        _mm512_cmp_ps_mask,
        select_ps512,
        bits16,
        _mm512_cvttps_epi32,
        _mm512_storeu_si512,
        "AVX-512."
    );
    vector!(
        F32x8Masked,
        f32,
        __m256,
        8,
        32,
        F32x4Masked,
        __mmask8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        _mm256_cmp_ps_mask,
        select_ps256,
        bits8,
        _mm256_cvttps_epi32,
        _mm256_storeu_si256,
        "Half of AVX-512, with its masks and registers."
    );
    vector!(
        F32x4Masked,
        f32,
        __m128,
        4,
        32,
        F32x4Masked,
        __mmask8,
        _mm_set1_ps,
        _mm_loadu_ps,
        _mm_storeu_ps,
        _mm_add_ps,
        _mm_sub_ps,
        _mm_mul_ps,
        _mm_fmadd_ps,
        _mm_max_ps,
        _mm_min_ps,
        _mm_cmp_ps_mask,
        select_ps128,
        bits8,
        _mm_cvttps_epi32,
        _mm_storeu_si128,
        "A quarter of AVX-512, with its masks and registers."
    );
    vector!(
        F64x8,
        f64,
        __m512d,
        8,
        32,
        F64x4Masked,
        __mmask8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_fmadd_pd,
        _mm512_max_pd,
        _mm512_min_pd,
        _mm512_cmp_pd_mask,
        select_pd512,
        bits8,
        _mm512_cvttpd_epi32,
        _mm256_storeu_si256,
        "AVX-512."
    );
    vector!(
        F64x4Masked,
        f64,
        __m256d,
        4,
        32,
        F64x4Masked,
        __mmask8,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd,
        _mm256_max_pd,
        _mm256_min_pd,
        _mm256_cmp_pd_mask,
        select_pd256,
        bits8,
        _mm256_cvttpd_epi32,
        _mm_storeu_si128,
        "Half of AVX-512, with its masks and registers."
    );
    vector!(
        F32x8,
        f32,
        __m256,
        8,
        16,
        F32x4,
        __m256,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        _mm256_cmp_ps,
        _mm256_blendv_ps,
        bits_ps256,
        _mm256_cvttps_epi32,
        _mm256_storeu_si256,
        "AVX2."
    );
    vector!(
        F32x4,
        f32,
        __m128,
        4,
        16,
        F32x4,
        __m128,
        _mm_set1_ps,
        _mm_loadu_ps,
        _mm_storeu_ps,
        _mm_add_ps,
        _mm_sub_ps,
        _mm_mul_ps,
        _mm_fmadd_ps,
        _mm_max_ps,
        _mm_min_ps,
        _mm_cmp_ps,
        _mm_blendv_ps,
        bits_ps128,
        _mm_cvttps_epi32,
        _mm_storeu_si128,
        "Half of AVX2."
    );
    vector!(
        F64x4,
        f64,
        __m256d,
        4,
        16,
        F64x4,
        __m256d,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd,
        _mm256_max_pd,
        _mm256_min_pd,
        _mm256_cmp_pd,
        _mm256_blendv_pd,
        bits_pd256,
        _mm256_cvttpd_epi32,
        _mm_storeu_si128,
        "AVX2."
    );
}
