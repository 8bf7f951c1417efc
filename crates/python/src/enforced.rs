//! What a projection did to a parameter: counted in the pass that projects, where the set is a box.
//!
//! The one design choice: pieces of a fixed length, summed in lanes and then in order, so that the
//! result does not depend on the number of threads.

use morphograd_morphology::nn::sets::Precision;
use morphograd_morphology::nn::tensor::parallel;
use morphograd_morphology::nn::tensor::simd::{Kernel, dispatch};

/// What a projection did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Enforced {
    /// How far from the set what came out is.
    pub(crate) violation: f64,
    /// How many numbers are others than before.
    pub(crate) moved: usize,
    /// The square of the distance.
    pub(crate) square: f64,
}

/// How many numbers are others than before, and the sum of the squares of their differences.
struct Compare<'a, T>(&'a [T], &'a [T]);

/// Moves the numbers outside of bounds to the bounds. None is outside then; NaN stays.
struct Clip<'a, T>(&'a mut [T], [T; 2]);

/// Sums that are added up side by side.
const LANES: usize = 16;

/// Counts and sums in lanes.
#[derive(Default)]
struct Tally {
    moved: [u32; LANES],
    squares: [f64; LANES],
}

impl Tally {
    // A loop for each kind of number: the compiler makes vectors of them.
    #[inline(always)]
    fn add<T: Precision>(&mut self, before: &[T; LANES], after: &[T; LANES]) {
        let is_other: [bool; LANES] = std::array::from_fn(|lane| before[lane] != after[lane]);
        let apart: [T; LANES] = std::array::from_fn(|lane| after[lane] - before[lane]);
        for lane in 0..LANES {
            self.moved[lane] += u32::from(is_other[lane]);
        }
        for lane in 0..LANES {
            // Two infinities are not apart.
            let apart = if is_other[lane] { apart[lane].f64() } else { 0.0 };
            self.squares[lane] += apart * apart;
        }
    }

    fn total(&self, violation: f64) -> Enforced {
        let moved = self.moved.iter().map(|n| *n as usize).sum();
        Enforced { violation, moved, square: self.squares.iter().sum() }
    }
}

/// The last numbers as a whole chunk, filled up with zeros.
#[inline(always)]
fn filled<T: Precision>(rest: &[T]) -> [T; LANES] {
    std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or(T::zero()))
}

impl<T: Precision> Kernel for Compare<'_, T> {
    type Output = Enforced;

    #[inline(always)]
    fn run(self) -> Enforced {
        let mut tally = Tally::default();
        let ((before, last_before), (after, last_after)) =
            (self.0.as_chunks::<LANES>(), self.1.as_chunks::<LANES>());
        for (before, after) in before.iter().zip(after) {
            tally.add(before, after);
        }
        tally.add(&filled(last_before), &filled(last_after));
        tally.total(0.0)
    }
}

impl<T: Precision> Kernel for Clip<'_, T> {
    type Output = Enforced;

    #[inline(always)]
    fn run(self) -> Enforced {
        let Self(value, bounds) = self;
        let (mut tally, mut are_numbers) = (Tally::default(), [true; LANES]);
        let (whole, rest) = value.as_chunks_mut::<LANES>();
        for chunk in whole {
            let after = clipped(chunk, bounds, &mut are_numbers);
            // What is inside already is read only.
            if (0..LANES).fold(false, |moved, lane| moved | (after[lane] != chunk[lane])) {
                tally.add(chunk, &after);
                *chunk = after;
            }
        }
        if !rest.is_empty() {
            // What fills up is inside, so that it does not count.
            let mut last = [if bounds[0].is_finite() { bounds[0] } else { bounds[1] }; LANES];
            last[..rest.len()].copy_from_slice(rest);
            let after = clipped(&last, bounds, &mut are_numbers);
            tally.add(&last, &after);
            rest.copy_from_slice(&after[..rest.len()]);
        }
        tally.total(if are_numbers == [true; LANES] { 0.0 } else { f64::NAN })
    }
}

#[inline(always)]
fn clipped<T: Precision>(
    before: &[T; LANES],
    [min, max]: [T; 2],
    are_numbers: &mut [bool; LANES],
) -> [T; LANES] {
    let mut after = *before;
    for lane in 0..LANES {
        let raised = if before[lane] < min { min } else { before[lane] };
        after[lane] = if raised > max { max } else { raised };
    }
    for lane in 0..LANES {
        are_numbers[lane] &= !after[lane].is_nan();
    }
    after
}

impl Enforced {
    /// Moves the numbers outside of bounds to the bounds.
    pub(crate) fn clip<T: Precision>(value: &mut [T], bounds: [T; 2]) -> Self {
        let mut parts = vec![Self::default(); value.len().div_ceil(PIECE)];
        parallel::for_each_pair((value, PIECE), (&mut parts, 1), |_, value, part| {
            part[0] = dispatch(Clip(value, bounds));
        });
        Self::sum(&parts)
    }

    /// What is different between the numbers before and after.
    pub(crate) fn compare<T: Precision>(before: &[T], after: &[T]) -> Self {
        let mut parts = vec![Self::default(); after.len().div_ceil(PIECE)];
        parallel::for_each_piece(&mut parts, 1, |piece, part| {
            let range = piece * PIECE..after.len().min((piece + 1) * PIECE);
            part[0] = dispatch(Compare(&before[range.clone()], &after[range]));
        });
        Self::sum(&parts)
    }

    fn sum(parts: &[Self]) -> Self {
        parts.iter().fold(Self::default(), |all, part| Self {
            // NaN counts as larger than every number.
            violation: if part.violation <= all.violation || all.violation.is_nan() {
                all.violation
            } else {
                part.violation
            },
            moved: all.moved + part.moved,
            square: all.square + part.square,
        })
    }
}

/// Numbers of one piece of the work.
const PIECE: usize = 1 << 15;
