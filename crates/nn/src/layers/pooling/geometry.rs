//! Where the windows of a pooling lie, and the loops over the channels under them.

use std::ops::Range;

use morphograd_autodiff::tensor::{Extent, Shape, ShapeError, Window2d};

/// How many neighbouring channels the inner loops handle at once.
pub(super) const LANES: usize = 8;

/// Where the windows lie on one image.
#[derive(Debug)]
pub(super) struct Geometry {
    window: Window2d,
    pub(super) extent: Extent,
    image: [usize; 2],
    pub(super) channels: usize,
}

impl Geometry {
    pub(super) fn output(
        operation: &'static str,
        window: Window2d,
        input: Shape,
    ) -> Result<Shape, ShapeError> {
        let &[batch, height, width, channels] = input.dims() else {
            return Err(ShapeError::new(
                operation,
                "an input of shape [batch, height, width, channels]",
                format!("shape {input}"),
            ));
        };
        let extent =
            window.extent([height, width]).map_err(|error| ShapeError { operation, ..error })?;
        Ok([batch, extent.output[0], extent.output[1], channels].into())
    }

    pub(super) fn new(window: Window2d, input: Shape) -> Self {
        let &[_, height, width, channels] = input.dims() else { unreachable!("checked by infer") };
        let image = [height, width];
        Self { window, extent: window.extent(image).expect("checked by infer"), image, channels }
    }

    pub(super) fn in_image(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    pub(super) fn out_image(&self) -> usize {
        self.extent.output[0] * self.extent.output[1] * self.channels
    }

    /// Whether every pixel lies in exactly one window.
    pub(super) fn is_partition(&self) -> bool {
        let along = |axis: usize| {
            self.window.strides[axis] == self.window.size[axis]
                && self.extent.output[axis] * self.window.size[axis] == self.image[axis]
        };
        along(0) && along(1)
    }

    /// Where a pixel of an image is, its first channel.
    #[inline(always)]
    pub(super) fn position(&self, row: usize, column: usize) -> usize {
        (row * self.image[1] + column) * self.channels
    }

    /// The rows (or columns) of the image that window `i` covers; never none, as taps are adjacent.
    #[inline(always)]
    pub(super) fn covered(&self, axis: usize, i: usize) -> Range<usize> {
        let (start, before) = (i * self.window.strides[axis], self.extent.before[axis]);
        start.saturating_sub(before)
            ..(start + self.window.size[axis] - before).min(self.image[axis])
    }

    /// Calls `f` with every output pixel and the rows and columns its window covers.
    #[inline(always)]
    pub(super) fn for_each_window(&self, mut f: impl FnMut(usize, Range<usize>, Range<usize>)) {
        let [height, width] = self.extent.output;
        for i in 0..height {
            let rows = self.covered(0, i);
            for j in 0..width {
                f(i * width + j, rows.clone(), self.covered(1, j));
            }
        }
    }

    /// Calls `f` with the position of channel `channel` of every pixel in the given rows and
    /// columns, in raster order.
    #[inline(always)]
    pub(super) fn for_each_pixel(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        channel: usize,
        mut f: impl FnMut(usize),
    ) {
        for row in rows {
            for column in columns.clone() {
                f(self.position(row, column) + channel);
            }
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
