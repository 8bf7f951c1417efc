//! The computation of dense max-plus and min-plus products: some rows of outputs, and which input
//! each of them took its value from.
//!
//! The one design choice: a tile of outputs (members of the batch by vectors of units) stays in
//! registers while some rows of the matrix go by, so that a vector of the matrix is used for every
//! member of the tile, and the rows for every tile while they are in the first-level cache.

use morphograd_nn::tensor::simd::{VectorKernel, dispatch_vectors};
use morphograd_nn::tensor::{MAX_LANES, Real, Vector};

/// Rows of the matrix that go by at a time. With the columns of a tile they are at most 16 KiB in
/// `f32`.
const DEPTH: usize = 128;

/// Members of the batch that are computed by one task.
pub(crate) const MEMBERS: usize = 16;

/// Some members of a batch, at most [`MEMBERS`] of them if the matrix is to stay in the cache.
pub(crate) struct Rows<'a, T, const MAX: bool> {
    /// Their inputs, `[members, n]`.
    pub(crate) x: &'a [T],
    /// The matrix `[n, units]`.
    pub(crate) kernel: &'a [T],
    pub(crate) n: usize,
    pub(crate) units: usize,
    /// Whether the last of tied inputs wins.
    pub(crate) last: bool,
    /// The outputs `[members, units]`.
    pub(crate) y: &'a mut [T],
    /// The winning inputs `[members, units]`; empty when nobody needs them.
    pub(crate) winners: &'a mut [u32],
}

/// Every combination of constants is a kernel of its own.
struct Pass<'a, T, const MAX: bool, const WINNERS: bool, const LAST: bool>(Rows<'a, T, MAX>);

impl<T: Real, const MAX: bool> Rows<'_, T, MAX> {
    /// Overwrites the outputs and, if there is room for them, the winners.
    pub(crate) fn compute(self) {
        self.y.fill(if MAX { T::neg_infinity() } else { T::infinity() });
        self.winners.fill(0);
        match (self.winners.is_empty(), self.last) {
            (true, _) => dispatch_vectors(Pass::<T, MAX, false, false>(self)),
            (false, false) => dispatch_vectors(Pass::<T, MAX, true, false>(self)),
            (false, true) => dispatch_vectors(Pass::<T, MAX, true, true>(self)),
        }
    }
}

impl<T: Real, const MAX: bool, const WINNERS: bool, const LAST: bool> VectorKernel<T>
    for Pass<'_, T, MAX, WINNERS, LAST>
{
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let Self(Rows { x, kernel, n, units, y, winners, .. }) = self;
        let mut tail = [T::zero(); DEPTH * MAX_LANES];
        for first in (0..n).step_by(DEPTH) {
            let depth = DEPTH.min(n - first);
            let mut to = Outputs { x, n, units, first, depth, y: &mut *y, winners: &mut *winners };
            let rows = &kernel[first * units..(first + depth) * units];
            let mut column = 0;
            while column + 2 * V::LANES <= units {
                to.columns::<V, 2, MAX, WINNERS, LAST>(&rows[column..], units, column);
                column += 2 * V::LANES;
            }
            while column < units {
                let width = V::LANES.min(units - column);
                if width == V::LANES {
                    to.columns::<V, 1, MAX, WINNERS, LAST>(&rows[column..], units, column);
                } else {
                    // What is behind the last column competes for nothing that is stored.
                    let padded = tail.chunks_exact_mut(V::LANES);
                    for (padded, row) in padded.zip(rows.chunks_exact(units)) {
                        padded[..width].copy_from_slice(&row[column..]);
                    }
                    to.columns::<V, 1, MAX, WINNERS, LAST>(&tail, V::LANES, column);
                }
                column += width;
            }
        }
    }
}

/// Where some rows of the matrix go to.
struct Outputs<'a, T> {
    x: &'a [T],
    n: usize,
    units: usize,
    /// The first row of the matrix, and how many there are.
    first: usize,
    depth: usize,
    y: &'a mut [T],
    winners: &'a mut [u32],
}

impl<T: Real> Outputs<'_, T> {
    /// `N` vectors of columns for all members; `pitch` numbers from row to row of the matrix.
    #[inline(always)]
    fn columns<
        V: Vector<T>,
        const N: usize,
        const MAX: bool,
        const WINNERS: bool,
        const LAST: bool,
    >(
        &mut self,
        rows: &[T],
        pitch: usize,
        column: usize,
    ) {
        let members = self.y.len() / self.units;
        let mut member = 0;
        // As many members as there are registers for: a best candidate and its input each.
        if V::REGISTERS >= 32 {
            while member + 4 <= members {
                self.tile::<V, 4, N, MAX, WINNERS, LAST>(rows, pitch, column, member);
                member += 4;
            }
        }
        while member + 2 <= members {
            self.tile::<V, 2, N, MAX, WINNERS, LAST>(rows, pitch, column, member);
            member += 2;
        }
        if member < members {
            self.tile::<V, 1, N, MAX, WINNERS, LAST>(rows, pitch, column, member);
        }
    }

    /// `M` members from `member` on.
    #[inline(always)]
    fn tile<
        V: Vector<T>,
        const M: usize,
        const N: usize,
        const MAX: bool,
        const WINNERS: bool,
        const LAST: bool,
    >(
        &mut self,
        rows: &[T],
        pitch: usize,
        column: usize,
        member: usize,
    ) {
        let Self { x, n, units, first, depth, .. } = *self;
        let width = (N * V::LANES).min(units - column);
        let one = V::splat(T::one());
        let none = V::splat(-T::one());
        let x: [&[T]; M] = std::array::from_fn(|m| &x[(member + m) * n + first..][..depth]);
        let mut best = [[one; N]; M];
        // The winner among these rows, as a number; -1 where the best is from rows before.
        let mut at = [[none; N]; M];
        for m in 0..M {
            let y = &self.y[(member + m) * units + column..][..width];
            for v in 0..N {
                best[m][v] = V::load_start(&y[v * V::LANES..]);
            }
        }
        let mut index = V::splat(T::zero());
        for i in 0..depth {
            let row = &rows[i * pitch..][..N * V::LANES];
            let mut w = [one; N];
            for v in 0..N {
                w[v] = V::load(&row[v * V::LANES..]);
            }
            for m in 0..M {
                let x = V::splat(x[m][i]);
                for v in 0..N {
                    let (candidate, old) = (x.add(w[v]), best[m][v]);
                    if WINNERS {
                        let (a, b) = if MAX { (candidate, old) } else { (old, candidate) };
                        let wins = if LAST { a.ge(b) } else { a.gt(b) };
                        best[m][v] = V::select(wins, candidate, old);
                        at[m][v] = V::select(wins, index, at[m][v]);
                    } else if MAX {
                        best[m][v] = candidate.larger(old);
                    } else {
                        best[m][v] = candidate.smaller(old);
                    }
                }
            }
            if WINNERS {
                index = index.add(one);
            }
        }
        let mut lanes = [T::zero(); MAX_LANES];
        for m in 0..M {
            let start = (member + m) * units + column;
            for v in 0..N {
                let from = v * V::LANES;
                let count = V::LANES.min(width - from);
                best[m][v].store(&mut lanes);
                self.y[start + from..][..count].copy_from_slice(&lanes[..count]);
                if WINNERS {
                    at[m][v].store(&mut lanes);
                    let winners = &mut self.winners[start + from..][..count];
                    for (winner, at) in winners.iter_mut().zip(&lanes) {
                        if *at >= T::zero() {
                            *winner = first as u32 + at.f64() as u32;
                        }
                    }
                }
            }
        }
    }
}
