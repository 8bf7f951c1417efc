//! Sums that stay accurate however long they are.
//!
//! The one design choice: numbers are added in pairs of halves. Added one after the other, 30
//! million `f32` lose a third of their sum; added in pairs, rounding grows with the logarithm of
//! their number. How they are cut depends on the number alone, so the bits depend neither on the
//! threads nor on the vector instructions.

use crate::Real;
use crate::simd::{self, Kernel};

/// Lanes that the rows of a narrow matrix are laid into: so many that they fill the widest vectors.
const NARROW: usize = 16;

/// Rows whose pairs are added without a loop.
const BLOCK: usize = 8;

/// Rows that one call of the kernel sums.
const ROWS: usize = 64 * BLOCK;

/// Numbers from which on the two halves of a sum are worth two threads.
const PARALLEL: usize = 1 << 17;

/// $\sum_i x_i$; 0 for no numbers.
///
/// Rounding is at most $(20 + \log_2 n) \epsilon \sum_i |x_i|$ for $n$ numbers of relative
/// precision $\epsilon$. Fewer than 16 numbers are added from the first to the last. Cost: one
/// addition a number, in vectors, and threads where they pay.
///
/// ```
/// use morphograd_tensor::sum;
/// let x = vec![0.1f32; 10_000_000];
/// assert_eq!(sum(&x) / 1e7, 0.1);
/// assert!(x.iter().sum::<f32>() / 1e7 > 0.108); // one after the other: 8 % off
/// ```
pub fn sum<T: Real>(x: &[T]) -> T {
    let mut total = T::zero();
    sums(x, [x.len(), 1], |_, sum| total = sum);
    total
}

/// The sums over an axis of length `n`: calls `f(i, sum)` for each of them, in order. `x` is
/// `[outer, n, inner]`, the sums are `[outer, inner]`; of no numbers there is no call. Each is as
/// accurate as [`sum`], and its bits depend on its own numbers and `inner` alone. Cost: one
/// addition a number.
///
/// ```
/// let (x, mut total) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0; 3]);
/// morphograd_tensor::sums(&x, [2, 3], |i, sum| total[i] += sum);
/// assert_eq!(total, [5.0, 7.0, 9.0]);
/// ```
///
/// # Panics
/// If `x` is not a multiple of `n * inner` long.
pub fn sums<T: Real>(x: &[T], [n, inner]: [usize; 2], mut f: impl FnMut(usize, T)) {
    if x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(n * inner), "numbers of sums over {n} rows of {inner}");
    for (o, x) in x.chunks_exact(n * inner).enumerate() {
        let mut f = |i, sum| f(o * inner + i, sum);
        match inner {
            0..=8 => narrow(x, [n, inner], &mut f),
            9..=16 => strips::<T, 16>(x, [n, inner], &mut f),
            17..=32 => strips::<T, 32>(x, [n, inner], &mut f),
            _ => strips::<T, 64>(x, [n, inner], &mut f),
        }
    }
}

/// A sum of pieces of many numbers each, added in pairs: for sums that are computed piece by piece,
/// such as products of matrices with a long inner size. Sums of 1, 2, 4, … pieces wait for their
/// other half, as the digits of a counter do.
///
/// Beyond that of the pieces, rounding is at most $\log_2 p + 1$ times $\epsilon$ of the sum of
/// magnitudes for $p$ pieces of relative precision $\epsilon$; the sum of one piece is that piece.
///
/// ```
/// use morphograd_tensor::PairwiseSum;
/// let mut memory = [0.0; PairwiseSum::<f64>::space(3, 2)];
/// let mut sum = PairwiseSum::new(&mut memory, 2);
/// (1..=3).for_each(|i| sum.add(|piece| piece.copy_from_slice(&[f64::from(i), 0.5])));
/// assert_eq!(sum.finish(), [6.0, 1.5]);
/// ```
#[derive(Debug)]
pub struct PairwiseSum<'a, T> {
    memory: &'a mut [T],
    length: usize,
    pieces: usize,
}

impl<'a, T: Real> PairwiseSum<'a, T> {
    /// The memory that so many pieces of `length` numbers need, in numbers.
    pub const fn space(pieces: usize, length: usize) -> usize {
        (usize::BITS - pieces.saturating_sub(1).leading_zeros() + 1) as usize * length
    }

    /// A sum of pieces of `length` numbers, in memory of any content.
    pub fn new(memory: &'a mut [T], length: usize) -> Self {
        Self { memory, length, pieces: 0 }
    }

    /// Adds a piece, which `write` overwrites: its content is undefined.
    ///
    /// # Panics
    /// If the memory is too small ([`PairwiseSum::space`]).
    pub fn add(&mut self, write: impl FnOnce(&mut [T])) {
        let waiting = self.pieces.count_ones() as usize;
        write(&mut self.memory[waiting * self.length..][..self.length]);
        (0..self.pieces.trailing_ones() as usize).for_each(|k| self.fold(waiting - k));
        self.pieces += 1;
    }

    /// The sum; 0 for no pieces.
    pub fn finish(self) -> &'a mut [T] {
        let mut sum = self;
        match sum.pieces.count_ones() as usize {
            0 => sum.memory[..sum.length].fill(T::zero()),
            waiting => (1..waiting).rev().for_each(|k| sum.fold(k)),
        }
        &mut sum.memory[..sum.length]
    }

    /// Adds the waiting sum `k` to the one before it.
    fn fold(&mut self, k: usize) {
        let (before, last) = self.memory.split_at_mut(k * self.length);
        add(&mut before[(k - 1) * self.length..], &last[..self.length]);
    }
}

/// The sums of the columns of a matrix, some columns at a time.
fn strips<T: Real, const W: usize>(x: &[T], [n, inner]: [usize; 2], f: &mut impl FnMut(usize, T)) {
    for start in (0..inner).step_by(W) {
        let width = W.min(inner - start);
        let sums = tree::<T, W>(Rows { x: &x[start..], stride: inner, width, n });
        sums[..width].iter().enumerate().for_each(|(i, sum)| f(start + i, *sum));
    }
}

/// The sums of few columns: several rows are taken for one that is wide enough for a vector.
fn narrow<T: Real>(x: &[T], [n, inner]: [usize; 2], f: &mut impl FnMut(usize, T)) {
    let together = 1 << (NARROW / inner).ilog2();
    let width = together * inner;
    let whole = x.len() / width;
    let (wide, rest) = x.split_at(whole * width);
    let mut last = [T::zero(); NARROW];
    for (k, row) in rest.chunks_exact(inner).enumerate() {
        match k {
            0 => last[..inner].copy_from_slice(row),
            _ => last.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x),
        }
    }
    if whole > 0 {
        let mut sums = tree::<T, NARROW>(Rows { x: wide, stride: width, width, n: whole });
        let mut half = width;
        while half > inner {
            half /= 2;
            let (first, second) = sums.split_at_mut(half);
            first.iter_mut().zip(&*second).for_each(|(sum, x)| *sum += *x);
        }
        match rest.is_empty() {
            true => last = sums,
            false => last.iter_mut().zip(&sums).for_each(|(rest, sum)| *rest += *sum),
        }
    }
    debug_assert_eq!(n, whole * together + rest.len() / inner);
    last[..inner].iter().enumerate().for_each(|(i, sum)| f(i, *sum));
}

/// `n` rows of `width` numbers, `stride` apart; at least one.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    x: &'a [T],
    stride: usize,
    width: usize,
    n: usize,
}

/// The sum of many rows: of their halves, down to what one call of the kernel sums.
fn tree<T: Real, const W: usize>(rows: Rows<'_, T>) -> [T; W] {
    if rows.n <= ROWS {
        return simd::dispatch(Pairs::<T, W>(rows));
    }
    let half = (rows.n / 2).next_multiple_of(ROWS);
    let first = Rows { n: half, ..rows };
    let second = Rows { x: &rows.x[half * rows.stride..], n: rows.n - half, ..rows };
    let (mut first, second) = if rows.n * rows.width >= PARALLEL {
        rayon::join(|| tree::<T, W>(first), || tree::<T, W>(second))
    } else {
        (tree::<T, W>(first), tree::<T, W>(second))
    };
    add(&mut first, &second);
    first
}

/// The sum of at most [`ROWS`] rows.
struct Pairs<'a, T, const W: usize>(Rows<'a, T>);

impl<T: Real, const W: usize> Kernel for Pairs<'_, T, W> {
    type Output = [T; W];

    #[inline(always)]
    fn run(self) -> [T; W] {
        let rows = self.0;
        // Sums of 1, 2, 4, … blocks that wait for their other half, as the digits of a counter do.
        let (mut waiting, mut n) = ([[T::zero(); W]; 7], 0);
        for (block, first) in (0..rows.n).step_by(BLOCK).enumerate() {
            let count = BLOCK.min(rows.n - first);
            let row = |k: usize| &rows.x[(first + k) * rows.stride..][..rows.width];
            let mut sum = [T::zero(); W];
            if count == BLOCK && (first + BLOCK - 1) * rows.stride + W <= rows.x.len() {
                // As many numbers as the compiler knows of; those beyond the width are not used.
                let wide = |k: usize| &rows.x[(first + k) * rows.stride..][..W];
                let pair = |k: usize| {
                    let (a, b) = (wide(k), wide(k + 1));
                    let mut sum = [T::zero(); W];
                    (0..W).for_each(|i| sum[i] = a[i] + b[i]);
                    sum
                };
                let pairs = [pair(0), pair(2), pair(4), pair(6)];
                for i in 0..W {
                    sum[i] = (pairs[0][i] + pairs[1][i]) + (pairs[2][i] + pairs[3][i]);
                }
            } else {
                sum[..rows.width].copy_from_slice(row(0));
                (1..count).for_each(|k| add(&mut sum[..rows.width], row(k)));
            }
            for _ in 0..block.trailing_ones() {
                n -= 1;
                add(&mut sum, &waiting[n]);
            }
            waiting[n] = sum;
            n += 1;
        }
        let mut sum = waiting[n - 1];
        for waiting in waiting[..n - 1].iter().rev() {
            add(&mut sum, waiting);
        }
        sum
    }
}

#[inline(always)]
fn add<T: Real>(sum: &mut [T], x: &[T]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What rounding to `f32` may cost a sum of these.
    fn slack<'a>(x: impl Iterator<Item = &'a f32> + Clone) -> f64 {
        let size: f64 = x.clone().map(|x| f64::from(x.abs())).sum();
        (20.0 + (x.count().max(1) as f64).log2()) * size * f64::from(f32::EPSILON) / 2.0
    }

    #[test]
    fn a_mean_of_many_equal_numbers_is_that_number() {
        for n in [1_000_000, 10_000_000, 30_000_000] {
            let mean = sum(&vec![0.1f32; n]) / n as f32;
            assert!((mean - 0.1).abs() <= 0.1 * f32::EPSILON, "{n}: {mean}");
        }
        assert_eq!(sum(&vec![1.0f32; 20_000_000]), 20_000_000.0);
    }

    #[test]
    fn the_bits_depend_neither_on_the_threads_nor_on_the_place_in_memory() {
        let x: Vec<f32> = (0..3_000_017usize).map(|i| (i * 7919 % 1013) as f32 * 0.37).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let moved = x[1..].to_vec();
            pool.install(|| [sum(&x[1..]), sum(&moved)].map(f32::to_bits))
        };
        assert_eq!(on(1), on(3));
        assert_eq!(on(1)[0], on(1)[1]);
    }

    #[test]
    fn fewer_than_sixteen_are_added_from_the_first_to_the_last() {
        let x: Vec<f32> = (0..15).map(|i| (i as f32 * 0.7).sin()).collect();
        for n in 0..16 {
            let expected = x[..n.min(15)].iter().fold(0.0f32, |sum, x| sum + x);
            assert_eq!(sum(&x[..n.min(15)]).to_bits(), expected.to_bits(), "{n}");
        }
    }

    #[test]
    fn what_is_not_finite_is_not_hidden() {
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 17, 999] {
                let mut x = vec![1.0; 1000];
                x[at] = bad;
                assert!(!sum(&x).is_finite());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sums_agree_with_those_of_double_precision(
            (outer, n, inner) in prop_oneof![
                (1..4usize, 0..40usize, 0..40usize),
                (1..2usize, 0..3000usize, 1..5usize),
                (1..3usize, 0..70usize, 60..200usize),
            ],
            seed in any::<u32>(),
        ) {
            let x: Vec<f32> = (0..outer * n * inner)
                .map(|i| (f64::from(seed) + i as f64 * 1.7).sin() as f32 + 0.5)
                .collect();
            let mut found = vec![None; outer * inner];
            sums(&x, [n, inner], |i, sum| {
                assert!(found[i].is_none(), "each once");
                found[i] = Some(sum);
            });
            for (i, found) in found.iter().enumerate() {
                let (o, j) = (i / inner, i % inner);
                let own = (0..n).map(|k| &x[(o * n + k) * inner + j]);
                let expected: f64 = own.clone().map(|x| f64::from(*x)).sum();
                let found = f64::from(found.unwrap_or(0.0));
                prop_assert!((found - expected).abs() <= slack(own), "{} of {}", found, expected);
            }
        }
    }

    #[test]
    fn pieces_are_added_in_pairs_in_memory_of_any_content() {
        for pieces in 0..40 {
            let mut memory = vec![f64::NAN; PairwiseSum::<f64>::space(pieces, 3)];
            let mut sum = PairwiseSum::new(&mut memory, 3);
            (0..pieces).for_each(|i| sum.add(|piece| piece.fill(i as f64)));
            let expected = (pieces * pieces.saturating_sub(1) / 2) as f64;
            assert_eq!(sum.finish(), [expected; 3], "{pieces}");
        }
        let mut memory = vec![f32::NAN; PairwiseSum::<f32>::space(1 << 20, 1)];
        let mut sum = PairwiseSum::new(&mut memory, 1);
        (0..1 << 20).for_each(|_| sum.add(|piece| piece[0] = 0.1));
        assert_eq!(sum.finish(), [0.1 * (1 << 20) as f32]);
    }
}
