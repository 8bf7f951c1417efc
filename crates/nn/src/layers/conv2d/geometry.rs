//! Where the windows of a convolution lie.
//!
//! The one design choice: a window is a few lines of neighbouring numbers. Where they all lie in
//! the image, one after the other, they are read in place; the others, at the border or with gaps
//! between the taps, are gathered first.

use std::ops::Range;

use morphograd_autodiff::tensor::{Extent, Real, Shape, Window2d};

/// Sizes and positions. An output pixel is a row of the patch matrix; the row holds the input under
/// the window, in the order of the kernel, so that it is multiplied with the kernel as it lies in
/// memory.
#[derive(Debug)]
pub(super) struct Geometry {
    pub(super) window: Window2d,
    pub(super) extent: Extent,
    pub(super) image: [usize; 2],
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) filters: usize,
    pub(super) rectified: bool,
}

/// An output pixel of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel {
    image: usize,
    row: usize,
    column: usize,
}

impl Geometry {
    pub(super) fn new(window: Window2d, rectified: bool, [input, kernel]: [Shape; 2]) -> Self {
        let (&[batch, height, width, channels], &[.., filters]) = (input.dims(), kernel.dims())
        else {
            unreachable!("checked by infer")
        };
        let image = [height, width];
        let extent = window.extent(image).expect("checked by infer");
        Self { window, extent, image, batch, channels, filters, rectified }
    }

    /// Numbers under one window.
    pub(super) fn depth(&self) -> usize {
        self.window.taps() * self.channels
    }

    /// Numbers of one line of a window.
    #[inline(always)]
    pub(super) fn line(&self) -> usize {
        self.window.size[1] * self.channels
    }

    /// Output pixels of one image.
    pub(super) fn pixels(&self) -> usize {
        self.extent.output[0] * self.extent.output[1]
    }

    /// Numbers of one input image.
    pub(super) fn in_image(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    /// Numbers from one line of a window to the next in the image.
    #[inline(always)]
    pub(super) fn line_step(&self) -> usize {
        self.window.rates[0] * self.image[1] * self.channels
    }

    /// Numbers from one tap of a line to the next in the image.
    #[inline(always)]
    pub(super) fn tap_step(&self) -> usize {
        self.window.rates[1] * self.channels
    }

    /// Whether the numbers of a line are neighbours in the image.
    #[inline(always)]
    pub(super) fn is_dense(&self) -> bool {
        self.window.rates[1] == 1 || self.window.size[1] == 1
    }

    /// The output pixel of an index into the batch.
    #[inline(always)]
    pub(super) fn pixel(&self, index: usize) -> Pixel {
        let [height, width] = self.extent.output;
        Pixel {
            image: index / (height * width),
            row: index / width % height,
            column: index % width,
        }
    }

    #[inline(always)]
    pub(super) fn advance(&self, pixel: &mut Pixel) {
        pixel.column += 1;
        if pixel.column == self.extent.output[1] {
            (pixel.column, pixel.row) = (0, pixel.row + 1);
        }
        if pixel.row == self.extent.output[0] {
            (pixel.row, pixel.image) = (0, pixel.image + 1);
        }
    }

    /// Where in the input the window of an output pixel starts, if all of it lies inside its image.
    #[inline(always)]
    pub(super) fn inside(&self, pixel: Pixel) -> Option<usize> {
        let reach = |axis: usize| (self.window.size[axis] - 1) * self.window.rates[axis];
        // Left of or above the image the subtraction wraps to a huge number, which the comparison
        // refuses too.
        let y = (pixel.row * self.window.strides[0]).wrapping_sub(self.extent.before[0]);
        let x = (pixel.column * self.window.strides[1]).wrapping_sub(self.extent.before[1]);
        let [height, width] = self.image;
        let fits = y < height && x < width && reach(0) < height - y && reach(1) < width - x;
        fits.then(|| ((pixel.image * height + y) * width + x) * self.channels)
    }

    /// The taps of window `i` that lie inside the image along an axis; the others are before or
    /// after them.
    fn taps_inside(&self, axis: usize, i: usize) -> Range<usize> {
        let (size, rate) = (self.window.size[axis], self.window.rates[axis]);
        let (start, before) = (i * self.window.strides[axis], self.extent.before[axis]);
        // Tap d is at start + d * rate - before; dense kernels are spared the division.
        let first_at = |pixel: usize| {
            let distance = pixel.saturating_sub(start);
            (if rate == 1 { distance } else { distance.div_ceil(rate) }).min(size)
        };
        first_at(before)..first_at(before + self.image[axis])
    }

    /// Calls `f(line, inside, at)` for every line of taps in the window of an output pixel: `line`
    /// is where the line lies within the patch (in taps), `inside` which of its taps are in the
    /// image, and `at` where the first of these is in the input. Lines outside have nothing inside.
    fn for_each_line(&self, pixel: Pixel, mut f: impl FnMut(usize, Range<usize>, usize)) {
        let Pixel { image, row, column } = pixel;
        let (lines, inside) = (self.taps_inside(0, row), self.taps_inside(1, column));
        for d in 0..self.window.size[0] {
            let line = d * self.window.size[1];
            if !lines.contains(&d) || inside.is_empty() {
                f(line, 0..0, 0);
                continue;
            }
            let y = row * self.window.strides[0] + d * self.window.rates[0] - self.extent.before[0];
            let x = column * self.window.strides[1] + inside.start * self.window.rates[1]
                - self.extent.before[1];
            f(
                line,
                inside.clone(),
                ((image * self.image[0] + y) * self.image[1] + x) * self.channels,
            );
        }
    }

    /// Copies the window of an output pixel into `patch`; taps outside the image become 0.
    pub(super) fn gather<T: Real>(&self, x: &[T], pixel: Pixel, patch: &mut [T]) {
        let (c, taps) = (self.channels, self.window.size[1]);
        self.for_each_line(pixel, |line, inside, at| {
            let line = &mut patch[line * c..][..taps * c];
            line[..inside.start * c].fill(T::zero());
            line[inside.end * c..].fill(T::zero());
            let line = &mut line[inside.start * c..inside.end * c];
            if self.is_dense() {
                line.copy_from_slice(&x[at..at + line.len()]);
            } else {
                for (tap, pixel) in line.chunks_exact_mut(c).enumerate() {
                    pixel.copy_from_slice(&x[at + tap * self.tap_step()..][..c]);
                }
            }
        });
    }

    /// Adds `patch` to the pixels it was gathered from: the transpose of [`Geometry::gather`].
    pub(super) fn scatter<T: Real>(&self, patch: &[T], pixel: Pixel, dx: &mut [T]) {
        let c = self.channels;
        self.for_each_line(pixel, |line, inside, at| {
            let line = &patch[(line + inside.start) * c..][..inside.len() * c];
            for (tap, pixel) in line.chunks_exact(c).enumerate() {
                let dx = &mut dx[at + tap * self.tap_step()..][..c];
                dx.iter_mut().zip(pixel).for_each(|(dx, x)| *dx += *x);
            }
        });
    }
}
