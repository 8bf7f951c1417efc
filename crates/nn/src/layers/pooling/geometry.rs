//! The loops over the windows of a pooling, and over the channels under them.

use std::ops::Range;

use morphograd_autodiff::tensor::Taps2d;

/// How many neighbouring channels the inner loops handle at once.
pub(super) const LANES: usize = 8;

/// Whether every pixel lies in exactly one window.
pub(super) fn is_partition(taps: &Taps2d) -> bool {
    let along = |axis: usize| {
        taps.window.strides[axis] == taps.window.size[axis]
            && taps.extent.output[axis] * taps.window.size[axis] == taps.image[axis]
    };
    along(0) && along(1)
}

/// Calls `f` with every output pixel and the rows and columns its window covers.
#[inline(always)]
pub(super) fn for_each_window(taps: &Taps2d, mut f: impl FnMut(usize, Range<usize>, Range<usize>)) {
    let [height, width] = taps.extent.output;
    for i in 0..height {
        let rows = taps.covered(0, i);
        for j in 0..width {
            f(i * width + j, rows.clone(), taps.covered(1, j));
        }
    }
}

/// Calls `f` with the position of channel `channel` of every pixel in the given rows and columns,
/// in raster order.
#[inline(always)]
pub(super) fn for_each_pixel(
    taps: &Taps2d,
    rows: Range<usize>,
    columns: Range<usize>,
    channel: usize,
    mut f: impl FnMut(usize),
) {
    for row in rows {
        for column in columns.clone() {
            f(taps.offset(row, column) + channel);
        }
    }
}

/// Calls `$body` with `$channel` and a constant number `$n` of channels, until all are done.
macro_rules! for_channels {
    ($channels:expr, |$channel:ident, $n:ident| $body:expr) => {
        let mut $channel = 0;
        while $channel + LANES <= $channels {
            const $n: usize = LANES;
            $body;
            $channel += $n;
        }
        while $channel < $channels {
            const $n: usize = 1;
            $body;
            $channel += $n;
        }
    };
}
pub(super) use for_channels;

#[inline(always)]
pub(super) fn lanes<T, const N: usize>(data: &[T], at: usize) -> &[T; N] {
    data[at..at + N].try_into().expect("N elements")
}

#[inline(always)]
pub(super) fn lanes_mut<T, const N: usize>(data: &mut [T], at: usize) -> &mut [T; N] {
    (&mut data[at..at + N]).try_into().expect("N elements")
}
