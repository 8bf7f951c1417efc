//! Where the taps of a window lie on an image: the index arithmetic that forward and backward
//! passes share.
//!
//! The forward pass reads what lies outside the image from a padded copy, so that its inner loops
//! run without a test; the true infinity of the default border loses every comparison there.

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::{Extent, Real, Shape, ShapeError, TensorRef, Window2d, parallel};

use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;

/// A window on images of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowLayout {
    pub(crate) window: Window2d,
    pub(crate) border: Border,
    pub(crate) extent: Extent,
    pub(crate) image: [usize; 2],
    pub(crate) channels: usize,
}

impl WindowLayout {
    /// # Errors
    /// If `x` is not `[batch, height, width, channels]` or the window does not fit.
    pub(crate) fn new(
        operation: &'static str,
        window: Window2d,
        border: Border,
        x: Shape,
    ) -> Result<Self, ShapeError> {
        let (height, width, channels) = match *x.dims() {
            [_, height, width, channels] if channels > 0 => (height, width, channels),
            _ => {
                let expected =
                    "an input [batch, height, width, channels] with at least one channel";
                return Err(ShapeError::new(operation, expected, format!("shape {x}")));
            }
        };
        let extent =
            window.extent([height, width]).map_err(|error| ShapeError { operation, ..error })?;
        Ok(Self { window, border, extent, image: [height, width], channels })
    }

    pub(crate) fn is_padded(&self) -> bool {
        self.extent.padded != self.image
    }

    /// Elements of one image, padding included.
    pub(crate) fn padded_len(&self) -> usize {
        self.extent.padded[0] * self.extent.padded[1] * self.channels
    }

    /// The images with their border around them: `x` itself when there is none, else a copy in
    /// `scratch`.
    pub(crate) fn pad<'a, T: Real, L: Lattice>(
        &self,
        x: TensorRef<'a, T>,
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        if !self.is_padded() {
            return x.data;
        }
        let ([height, width], [top, left]) = (self.image, self.extent.before);
        let (pixel, row, padded_row) =
            (self.channels, width * self.channels, self.extent.padded[1] * self.channels);
        let outside = match self.border {
            Border::Constant(value) => T::of(value),
            _ => L::bottom(),
        };
        scratch.clear();
        scratch.resize(x.shape.dims()[0] * self.padded_len(), outside);
        if row == 0 {
            return scratch;
        }
        parallel::for_each_piece(scratch, self.padded_len(), |image, padded| {
            let image = &x.data[image * height * row..][..height * row];
            for (y, target) in padded.chunks_exact_mut(padded_row).enumerate() {
                let Some(y) = self.border.source(y as isize - top as isize, height) else {
                    continue;
                };
                let source = &image[y * row..][..row];
                target[left * pixel..][..row].copy_from_slice(source);
                for x in (0..left).chain(left + width..self.extent.padded[1]) {
                    if let Some(from) = self.border.source(x as isize - left as isize, width) {
                        target[x * pixel..][..pixel]
                            .copy_from_slice(&source[from * pixel..][..pixel]);
                    }
                }
            }
        });
        scratch
    }

    /// The tap that is looked at in the `n`-th place: backwards if the last of tied ones is to win,
    /// so that always the first met does. It is its own inverse.
    #[inline(always)]
    pub(crate) fn in_order(&self, ties: Ties, n: usize) -> usize {
        if ties == Ties::Last { self.window.taps() - 1 - n } else { n }
    }

    /// The tap of the output position `[i, j]` that wins where no candidate beats the bottom: the
    /// first met that counts. With large rates there may be none; it is then a tap outside.
    #[inline(always)]
    pub(crate) fn default_tap(&self, ties: Ties, [i, j]: [usize; 2]) -> usize {
        if self.border != Border::Infinity {
            return self.in_order(ties, 0);
        }
        let along = |axis: usize, position: usize| {
            let Extent { before, .. } = self.extent;
            let (start, rate, last) = (
                position * self.window.strides[axis],
                self.window.rates[axis],
                self.window.size[axis] - 1,
            );
            let divide = |distance: usize| if rate == 1 { distance } else { distance / rate };
            if ties == Ties::Last {
                divide((before[axis] + self.image[axis] - 1).saturating_sub(start)).min(last)
            } else {
                divide(before[axis].saturating_sub(start) + rate - 1).min(last)
            }
        };
        along(0, i) * self.window.size[1] + along(1, j)
    }

    /// Whether there may be a window without any tap in the image.
    pub(crate) fn may_miss(&self) -> bool {
        self.is_padded() && self.window.rates != [1, 1]
    }

    /// The pixel of the image (row-major, without channels) under a tap of an output position;
    /// `None` where that is none.
    #[inline(always)]
    pub(crate) fn pixel(&self, [i, j]: [usize; 2], tap: usize) -> Option<usize> {
        let (dy, dx) = (tap / self.window.size[1], tap % self.window.size[1]);
        // Left of or above the image the subtraction wraps to a huge number, which the comparison
        // refuses too.
        let along = |axis: usize, position: usize, d: usize| {
            (position * self.window.strides[axis] + d * self.window.rates[axis])
                .wrapping_sub(self.extent.before[axis])
        };
        let (y, x) = (along(0, i, dy), along(1, j, dx));
        let [height, width] = self.image;
        if y < height && x < width {
            Some(y * width + x)
        } else {
            self.pixel_outside(y as isize, x as isize)
        }
    }

    #[cold]
    fn pixel_outside(&self, y: isize, x: isize) -> Option<usize> {
        let [height, width] = self.image;
        Some(self.border.source(y, height)? * width + self.border.source(x, width)?)
    }

    /// Whether a tap of an output position is a candidate at all: always, unless it lies in the
    /// infinity around the image.
    pub(crate) fn counts(&self, [i, j]: [usize; 2], tap: usize) -> bool {
        let inside = |axis: usize, position: usize, d: usize| {
            let at = position * self.window.strides[axis] + d * self.window.rates[axis];
            (self.extent.before[axis]..self.extent.before[axis] + self.image[axis]).contains(&at)
        };
        let columns = self.window.size[1];
        self.border != Border::Infinity
            || (inside(0, i, tap / columns) && inside(1, j, tap % columns))
    }

    /// The kernel entry that meets a tap.
    #[inline(always)]
    pub(crate) fn entry<L: Lattice>(&self, tap: usize) -> usize {
        if L::MIRRORED { self.window.taps() - 1 - tap } else { tap }
    }
}
