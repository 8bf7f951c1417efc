//! Where the windows of a convolution lie.
//!
//! The one design choice: a window is a few lines of neighbouring numbers. Where they all lie in
//! the image, one after the other, they are read in place; the others, at the border or with gaps
//! between the taps, are gathered first.

use std::ops::{Deref, Range};

use morphograd_autodiff::tensor::{Real, Shape, Taps2d, Window2d};

/// Sizes and positions. An output pixel is a row of the patch matrix; the row holds the input under
/// the window, in the order of the kernel, so that it is multiplied with the kernel as it lies in
/// memory.
#[derive(Debug)]
pub(super) struct Geometry {
    taps: Taps2d,
    pub(super) filters: usize,
    pub(super) rectified: bool,
}

/// An output pixel of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel {
    image: usize,
    at: [usize; 2],
}

impl Deref for Geometry {
    type Target = Taps2d;

    fn deref(&self) -> &Taps2d {
        &self.taps
    }
}

impl Geometry {
    pub(super) fn new(window: Window2d, rectified: bool, [input, kernel]: [Shape; 2]) -> Self {
        let taps = Taps2d::new("conv2d", window, input).expect("checked by infer");
        let filters = *kernel.dims().last().expect("checked by infer");
        Self { taps, filters, rectified }
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
    pub(super) fn output_pixel(&self, index: usize) -> Pixel {
        let [height, width] = self.extent.output;
        Pixel { image: index / (height * width), at: [index / width % height, index % width] }
    }

    #[inline(always)]
    pub(super) fn advance(&self, Pixel { image, at: [row, column] }: &mut Pixel) {
        *column += 1;
        if *column == self.extent.output[1] {
            (*column, *row) = (0, *row + 1);
        }
        if *row == self.extent.output[0] {
            (*row, *image) = (0, *image + 1);
        }
    }

    /// Where in the input the window of an output pixel starts, if all of it lies inside its image.
    #[inline(always)]
    pub(super) fn start(&self, pixel: Pixel) -> Option<usize> {
        let first = self.whole(pixel.at)?;
        Some(pixel.image * self.image_len() + first * self.channels)
    }

    /// Calls `f(line, inside, at)` for every line of taps in the window of an output pixel: `line`
    /// is where the line lies within the patch (in taps), `inside` which of its taps are in the
    /// image, and `at` where the first of these is in the input. Lines outside have nothing inside.
    fn for_each_line(&self, pixel: Pixel, mut f: impl FnMut(usize, Range<usize>, usize)) {
        let Pixel { image, at: [i, j] } = pixel;
        let inside = self.inside(1, j);
        let x = self.along(1, j, inside.start);
        for d in 0..self.window.size[0] {
            let line = d * self.window.size[1];
            match (self.along(0, i, d), x) {
                (Some(y), Some(x)) => {
                    f(line, inside.clone(), image * self.image_len() + self.offset(y, x));
                }
                _ => f(line, 0..0, 0),
            }
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
