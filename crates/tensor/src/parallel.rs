//! Data-parallel loops whose results do not depend on the number of threads: the pieces depend on
//! the lengths only, and partial sums are added in the order of the pieces.

use std::ops::Range;

use rayon::prelude::*;

use crate::{PairwiseSum, Real};

/// Into how many pieces a reduction over a batch is cut, at most. More pieces than any machine we
/// know has cores would cost memory (each holds a partial sum); fewer would leave cores idle.
const MAX_PIECES: usize = 32;

/// Terms that are added one after the other, about; sums of more are added in pairs.
const LONG: usize = 4096;

/// Runs `f` on a thread of rayon's pool, of the pool of the caller if it is on one.
///
/// A loop of this module that starts on another thread hands its pieces over and sleeps until they
/// are done; that takes longer than a small operation. Many operations in a row belong in here.
///
/// ```
/// let sum = morphograd_tensor::parallel::in_pool(|| [1, 2, 3].iter().sum::<i32>());
/// assert_eq!(sum, 6);
/// ```
pub fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}

/// Calls `f(i, piece)` for every piece of `length` elements (the last may be shorter), in parallel.
///
/// # Panics
/// If `length` is 0.
pub fn for_each_piece<T: Send>(
    data: &mut [T],
    length: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    data.par_chunks_mut(length).enumerate().for_each(|(i, piece)| f(i, piece));
}

/// Calls `f(i, a, b)` for corresponding pieces of two slices, in parallel.
///
/// # Panics
/// If a length is 0.
pub fn for_each_pair<A: Send, B: Send>(
    (a, a_length): (&mut [A], usize),
    (b, b_length): (&mut [B], usize),
    f: impl Fn(usize, &mut [A], &mut [B]) + Send + Sync,
) {
    a.par_chunks_mut(a_length)
        .zip(b.par_chunks_mut(b_length))
        .enumerate()
        .for_each(|(i, (a, b))| f(i, a, b));
}

/// Adds to `total` the sum over `items` of a quantity of `total.len()` numbers: `f(range, partial)`
/// adds the items of `range` to `partial`, which starts at zero. `scratch` holds the partial sums
/// and keeps its memory for the next call. An item is itself a sum of `terms` numbers.
///
/// Partial sums have about 4096 terms and are added in pairs, so that rounding grows with the
/// logarithm of the number of terms: at most $(4096 + 32 + \log_2 n) \epsilon \sum |x|$ for $n$
/// terms $x$ of relative precision $\epsilon$, if items have no more than 4096 terms.
///
/// ```
/// let (mut total, mut scratch) = ([1.0f64], Vec::new());
/// morphograd_tensor::parallel::sum_into(&mut total, [100, 1], &mut scratch, |items, partial| {
///     partial[0] += items.map(|i| i as f64).sum::<f64>();
/// });
/// assert_eq!(total, [4951.0]);
/// ```
pub fn sum_into<T: Real>(
    total: &mut [T],
    items_and_terms: [usize; 2],
    scratch: &mut Vec<T>,
    f: impl Fn(Range<usize>, &mut [T]) + Send + Sync,
) {
    for partial in partial_sums(total.len(), items_and_terms, scratch, f) {
        for (sum, x) in total.iter_mut().zip(partial) {
            *sum += *x;
        }
    }
}

/// The partial sums of [`sum_into`], `length` numbers each, in the order in which they are to be
/// added. For sums that are wanted in another layout than they are best computed in.
pub fn partial_sums<T: Real>(
    length: usize,
    [items, terms]: [usize; 2],
    scratch: &mut Vec<T>,
    f: impl Fn(Range<usize>, &mut [T]) + Send + Sync,
) -> impl Iterator<Item = &[T]> {
    let items_a_piece = items.div_ceil(MAX_PIECES).max(1);
    let pieces = if length == 0 { 0 } else { items.div_ceil(items_a_piece) };
    let items_in_order = (LONG / terms.max(1)).clamp(1, items_a_piece);
    let space = PairwiseSum::<T>::space(items_a_piece.div_ceil(items_in_order), length).max(1);
    scratch.clear();
    scratch.resize(pieces * space, T::zero());
    for_each_piece(scratch, space, |i, memory| {
        let mut sum = PairwiseSum::new(memory, length);
        let end = ((i + 1) * items_a_piece).min(items);
        for start in (i * items_a_piece..end).step_by(items_in_order) {
            sum.add(|partial| {
                partial.fill(T::zero());
                f(start..(start + items_in_order).min(end), partial);
            });
        }
        sum.finish();
    });
    scratch.chunks_exact(space).map(move |memory| &memory[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_same_bit_for_bit_for_any_number_of_threads() {
        let x: Vec<f32> = (0..10_007).map(|i| ((i * 7919) % 1013) as f32 * 0.37 - 100.0).collect();
        let sum = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut total = [0.0f32; 2];
            pool.install(|| {
                sum_into(&mut total, [x.len(), 1], &mut Vec::new(), |items, partial| {
                    for i in items {
                        partial[0] += x[i];
                        partial[1] += x[i] * x[i];
                    }
                });
            });
            total.map(f32::to_bits)
        };
        assert_eq!(sum(1), sum(2));
        assert_eq!(sum(1), sum(7));
    }

    #[test]
    fn no_items_add_nothing() {
        let mut total = [3.0f32];
        sum_into(&mut total, [0, 1], &mut Vec::new(), |_, _| {
            unreachable!("there is nothing to add")
        });
        assert_eq!(total, [3.0]);
    }

    #[test]
    fn sums_of_very_many_terms_stay_accurate() {
        let n = 3_000_000;
        // Items of one term, of fewer than are added in order, and of more.
        for terms in [1, 1000, 6000] {
            let mut total = [0.0f32; 2];
            sum_into(&mut total, [n / terms, terms], &mut Vec::new(), |items, partial| {
                for _ in 0..items.len() * terms {
                    partial[0] += 0.1;
                    partial[1] -= 0.3;
                }
            });
            let bound = (6000.0 + 32.0 + 22.0) * f64::from(f32::EPSILON) / 2.0;
            for (found, term) in total.into_iter().zip([0.1f32, -0.3]) {
                let error = f64::from(found) / (f64::from(term) * n as f64) - 1.0;
                assert!(error.abs() < bound, "{terms}: {error:e}");
            }
        }
    }
}
