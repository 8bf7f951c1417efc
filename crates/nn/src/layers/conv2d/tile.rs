//! Tiles: the part of a matrix product that is held in registers while it is summed up.
//!
//! The one design choice: every element is summed in the order of the inner index, whatever the
//! size of the tile and the number of lanes, so tiles can be chosen for the processor without
//! changing a result.

use morphograd_autodiff::tensor::simd::VectorKernel;
use morphograd_autodiff::tensor::{MAX_LANES, Real, Vector};

/// Length of the rows of a matrix that is read as vectors: the first that is filled with whole
/// vectors of every processor.
pub(super) fn pitch(columns: usize) -> usize {
    columns.next_multiple_of(MAX_LANES)
}

/// Copies a matrix into rows of [`pitch`] numbers, with zeros at their ends.
pub(super) fn pad_rows<T: Real>(rows: &[T], columns: usize, padded: &mut [T]) {
    for (row, padded) in rows.chunks_exact(columns).zip(padded.chunks_exact_mut(pitch(columns))) {
        padded[..columns].copy_from_slice(row);
        padded[columns..].fill(T::zero());
    }
}

/// Copies the transpose of a matrix into rows of [`pitch`] numbers, with zeros at their ends.
pub(super) fn pad_columns<T: Real>(rows: &[T], columns: usize, padded: &mut [T]) {
    let height = rows.len() / columns;
    for (column, padded) in padded.chunks_exact_mut(pitch(height)).enumerate() {
        padded[height..].fill(T::zero());
        for (to, row) in padded.iter_mut().zip(rows.chunks_exact(columns)) {
            *to = row[column];
        }
    }
}

/// Runs a kernel on vectors no wider than it takes to hold a row of `columns` numbers.
pub(super) struct Narrow<K> {
    pub(super) columns: usize,
    pub(super) kernel: K,
}

impl<T: Real, K: VectorKernel<T>> VectorKernel<T> for Narrow<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run<V: Vector<T>>(self) -> K::Output {
        if self.columns > V::Half::LANES {
            self.kernel.run::<V>()
        } else if self.columns > <V::Half as Vector<T>>::Half::LANES {
            self.kernel.run::<V::Half>()
        } else {
            self.kernel.run::<<V::Half as Vector<T>>::Half>()
        }
    }
}

/// The columns of `M` rows of a matrix from `column` on, `N` vectors of them; `pitch` numbers from
/// row to row.
#[inline(always)]
pub(super) fn load<T: Real, V: Vector<T>, const M: usize, const N: usize>(
    from: &[T],
    pitch: usize,
    column: usize,
) -> [[V; N]; M] {
    let mut tile = [[V::splat(T::zero()); N]; M];
    for m in 0..M {
        let row = &from[m * pitch + column..][..N * V::LANES];
        for v in 0..N {
            tile[m][v] = V::load(&row[v * V::LANES..]);
        }
    }
    tile
}

/// The inverse of [`load`], for the first `rows` rows.
#[inline(always)]
pub(super) fn store<T: Real, V: Vector<T>, const M: usize, const N: usize>(
    tile: &[[V; N]; M],
    to: &mut [T],
    pitch: usize,
    column: usize,
    rows: usize,
) {
    for m in 0..M {
        if m < rows {
            let row = &mut to[m * pitch + column..][..N * V::LANES];
            for v in 0..N {
                tile[m][v].store(&mut row[v * V::LANES..]);
            }
        }
    }
}

/// Adds $\sum_k a_{mk} b_{kn}$: `a` holds the rows, all of one length, and `b` has `pitch` numbers
/// from row to row, of which those from `column` on are meant.
#[inline(always)]
pub(super) fn add_rows<T: Real, V: Vector<T>, const M: usize, const N: usize>(
    tile: &mut [[V; N]; M],
    a: &[&[T]; M],
    b: &[T],
    pitch: usize,
    column: usize,
) {
    let length = a[0].len();
    let mut rows = *a;
    for m in 0..M {
        // One check a row instead of one an element.
        rows[m] = &rows[m][..length];
    }
    let mut at = column;
    for k in 0..length {
        let b = &b[at..at + N * V::LANES];
        let mut columns = [V::splat(T::zero()); N];
        for v in 0..N {
            columns[v] = V::load(&b[v * V::LANES..]);
        }
        for m in 0..M {
            let a = V::splat(rows[m][k]);
            for v in 0..N {
                tile[m][v] = a.mul_add(columns[v], tile[m][v]);
            }
        }
        at += pitch;
    }
}

/// Adds $\sum_k a_{km} b_{kn}$: `M` numbers of `a` from each of the positions `at`, and `b` as in
/// [`add_rows`].
#[inline(always)]
pub(super) fn add_columns<T: Real, V: Vector<T>, const M: usize, const N: usize>(
    tile: &mut [[V; N]; M],
    a: &[T],
    at: &[usize],
    b: &[T],
    pitch: usize,
    column: usize,
) {
    let mut from = column;
    for at in at {
        let a: &[T; M] = a[*at..*at + M].try_into().expect("M elements");
        let b = &b[from..from + N * V::LANES];
        let mut columns = [V::splat(T::zero()); N];
        for v in 0..N {
            columns[v] = V::load(&b[v * V::LANES..]);
        }
        for m in 0..M {
            let a = V::splat(a[m]);
            for v in 0..N {
                tile[m][v] = a.mul_add(columns[v], tile[m][v]);
            }
        }
        from += pitch;
    }
}
