//! An axis as blocks: what stands before it, itself, and what stands behind it.

use morphograd_tensor::{Real, Shape, parallel};

/// Elements that one task copies, at least.
const PIECE: usize = 1 << 13;

/// How many elements stand before the axis, on it, and behind it.
pub(super) fn sizes(shape: Shape, axis: usize) -> [usize; 3] {
    let dims = shape.dims();
    let product = |dims: &[usize]| dims.iter().product();
    [product(&dims[..axis]), dims[axis], product(&dims[axis + 1..])]
}

/// Calls `f(o, block)` for every block of `length` elements, in parallel if they are many.
pub(super) fn for_each_block<T: Real>(
    data: &mut [T],
    length: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    if data.is_empty() {
        return;
    }
    let together = PIECE.div_ceil(length);
    parallel::for_each_piece(data, together * length, |piece, blocks| {
        for (k, block) in blocks.chunks_exact_mut(length).enumerate() {
            f(piece * together + k, block);
        }
    });
}

/// Adds each element to its own.
pub(super) fn add<T: Real>(sum: &mut [T], x: &[T]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
}
