//! The scalar types: `f32` trains, `f64` checks gradients.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use num_traits::Float;

use crate::level::Vectors;

/// A floating-point number that tensors are made of. Sealed: `f32` and `f64`.
pub trait Real:
    Float
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Default
    + Debug
    + Display
    + Send
    + Sync
    + sealed::Gemm
    + Vectors
    + 'static
{
    /// The nearest value of this type.
    fn of(x: f64) -> Self;

    /// The value in double precision (exact).
    fn f64(self) -> f64;
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }

    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn f64(self) -> f64 {
        self
    }
}

pub(crate) mod sealed {
    /// The matrix product of the type: `C ← A B + β C` on pointers with strides.
    #[expect(
        unsafe_code,
        reason = "matrixmultiply takes raw pointers; `gemm` checks the bounds before it calls"
    )]
    pub trait Gemm: Sized {
        /// # Safety
        /// The three matrices lie within their allocations, and `c` overlaps neither `a` nor `b`.
        unsafe fn raw(
            size: [usize; 3],
            a: (*const Self, [isize; 2]),
            b: (*const Self, [isize; 2]),
            beta: Self,
            c: (*mut Self, [isize; 2]),
        );
    }

    macro_rules! gemm {
        ($t:ty, $f:path) => {
            #[expect(unsafe_code, reason = "see the trait")]
            impl Gemm for $t {
                // SAFETY: the contract is the trait's, and is handed on to matrixmultiply as it
                // stands.
                unsafe fn raw(
                    [m, k, n]: [usize; 3],
                    (a, [rsa, csa]): (*const Self, [isize; 2]),
                    (b, [rsb, csb]): (*const Self, [isize; 2]),
                    beta: Self,
                    (c, [rsc, csc]): (*mut Self, [isize; 2]),
                ) {
                    // SAFETY: the caller promises what matrixmultiply asks for.
                    unsafe { $f(m, k, n, 1.0, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }
                }
            }
        };
    }
    gemm!(f32, matrixmultiply::sgemm);
    gemm!(f64, matrixmultiply::dgemm);
}
