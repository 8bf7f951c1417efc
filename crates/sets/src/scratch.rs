//! Workspace of projections that cannot do without.
//!
//! The one design choice: a group of ordinary size is worked on in the stack, so that projecting
//! one takes no memory, and a set stays a plain value that threads can share.

use morphograd_tensor::Real;

/// Numbers that are kept on the stack: 8 KiB of them in double precision.
const ON_STACK: usize = 1024;

/// Calls `work` with `n` zeros, on the stack if they are at most 1024, else on the heap.
///
/// ```
/// use morphograd_sets::with_scratch;
/// assert_eq!(with_scratch(3, |zeros: &mut [f64]| zeros.len()), 3);
/// ```
pub fn with_scratch<T: Real, R>(n: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    if n <= ON_STACK {
        work(&mut [T::zero(); ON_STACK][..n])
    } else {
        work(&mut vec![T::zero(); n])
    }
}
