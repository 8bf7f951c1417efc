//! Where the taps of a window lie on an image: the index arithmetic that forward and backward passes share.
//!
//! The forward pass reads what lies outside the image from a padded copy, so that its inner loops run without a test; the true infinity
//! of the default border loses every comparison there.

use morphograd_nn::tensor::{Extent, Real, Shape, ShapeError, TensorRef, Window2d, parallel};

use crate::{Border, Lattice};

/// A window on images of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) window: Window2d,
    pub(crate) border: Border,
    pub(crate) extent: Extent,
    pub(crate) image: [usize; 2],
    pub(crate) channels: usize,
}

impl Placement {
    /// # Errors
    /// If `x` is not `[batch, height, width, channels]` or the window does not fit.
    pub(crate) fn new(
        operation: &'static str,
        window: Window2d,
        border: Border,
        x: Shape,
    ) -> Result<Self, ShapeError> {
        let &[_, height, width, channels] = x.dims() else {
            return Err(ShapeError::new(
                operation,
                "an input [batch, height, width, channels]",
                format!("shape {x}"),
            ));
        };
        let extent = window.extent([height, width]).map_err(|error| ShapeError { operation, ..error })?;
        Ok(Self { window, border, extent, image: [height, width], channels })
    }

    pub(crate) fn is_padded(&self) -> bool {
        self.extent.padded != self.image
    }

    /// Elements of one image, padding included.
    pub(crate) fn padded_len(&self) -> usize {
        self.extent.padded[0] * self.extent.padded[1] * self.channels
    }

    /// The images with their border around them: `x` itself when there is none, else a copy in `scratch`.
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
                let Some(y) = self.border.source(y as isize - top as isize, height) else { continue };
                let source = &image[y * row..][..row];
                target[left * pixel..][..row].copy_from_slice(source);
                for x in (0..left).chain(left + width..self.extent.padded[1]) {
                    if let Some(from) = self.border.source(x as isize - left as isize, width) {
                        target[x * pixel..][..pixel].copy_from_slice(&source[from * pixel..][..pixel]);
                    }
                }
            }
        });
        scratch
    }

    /// The tap of the output position `[i, j]` that wins where no candidate beats the bottom: the first that counts.
    pub(crate) fn first_tap(&self, [i, j]: [usize; 2]) -> u32 {
        if self.border != Border::Infinity {
            return 0;
        }
        let first = |axis: usize, position: usize| {
            let start = position * self.window.strides[axis];
            self.extent.before[axis].saturating_sub(start).div_ceil(self.window.rates[axis])
        };
        // With large rates the window may have no tap in the image at all; it then stays at a tap outside, which gets no gradient.
        let clamp = |axis: usize, d: usize| d.min(self.window.size[axis] - 1);
        (clamp(0, first(0, i)) * self.window.size[1] + clamp(1, first(1, j))) as u32
    }

    /// Writes, for every tap, its row and column relative to the window's first: what [`Placement::pixel`] looks up.
    pub(crate) fn push_steps(&self, table: &mut Vec<u32>) {
        let [rows, columns] = self.window.size;
        for (dy, dx) in (0..rows).flat_map(|dy| (0..columns).map(move |dx| (dy, dx))) {
            table.extend([(dy * self.window.rates[0]) as u32, (dx * self.window.rates[1]) as u32]);
        }
    }

    /// The pixel of the image (row-major, without channels) under a tap of an output position; `None` where that is none.
    #[inline(always)]
    pub(crate) fn pixel(&self, steps: &[u32], [i, j]: [usize; 2], tap: u32) -> Option<usize> {
        let [dy, dx] = [steps[2 * tap as usize] as usize, steps[2 * tap as usize + 1] as usize];
        // Left of or above the image the subtraction wraps to a huge number, which the comparison refuses too.
        let y = (i * self.window.strides[0] + dy).wrapping_sub(self.extent.before[0]);
        let x = (j * self.window.strides[1] + dx).wrapping_sub(self.extent.before[1]);
        let [height, width] = self.image;
        if y < height && x < width { Some(y * width + x) } else { self.pixel_outside(y as isize, x as isize) }
    }

    #[cold]
    fn pixel_outside(&self, y: isize, x: isize) -> Option<usize> {
        let [height, width] = self.image;
        Some(self.border.source(y, height)? * width + self.border.source(x, width)?)
    }

    /// Whether a tap of an output position is a candidate at all: always, unless it lies in the infinity around the image.
    #[inline(always)]
    pub(crate) fn counts(&self, steps: &[u32], at: [usize; 2], tap: u32) -> bool {
        !self.is_padded() || self.border != Border::Infinity || self.pixel(steps, at, tap).is_some()
    }

    /// The kernel entry that meets a tap.
    #[inline(always)]
    pub(crate) fn entry<L: Lattice>(&self, tap: usize) -> usize {
        if L::MIRRORED { self.window.taps() - 1 - tap } else { tap }
    }
}
