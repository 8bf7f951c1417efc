//! Where the taps of a window lie on an image: the index arithmetic that forward and backward passes share.
//!
//! The border is the true infinity that loses every comparison: outside the image the forward pass reads it from a padded copy, which
//! lets the inner loops run without a test.

use morphograd_nn::tensor::{Extent, Real, Shape, ShapeError, TensorRef, Window2d, parallel};

use crate::Lattice;

/// A window on images of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) window: Window2d,
    pub(crate) extent: Extent,
    pub(crate) image: [usize; 2],
    pub(crate) channels: usize,
}

impl Placement {
    /// # Errors
    /// If `x` is not `[batch, height, width, channels]` or the window does not fit.
    pub(crate) fn new(operation: &'static str, window: Window2d, x: Shape) -> Result<Self, ShapeError> {
        let &[_, height, width, channels] = x.dims() else {
            return Err(ShapeError::new(
                operation,
                "an input [batch, height, width, channels]",
                format!("shape {x}"),
            ));
        };
        let extent = window.extent([height, width]).map_err(|error| ShapeError { operation, ..error })?;
        Ok(Self { window, extent, image: [height, width], channels })
    }

    pub(crate) fn is_padded(&self) -> bool {
        self.extent.padded != self.image
    }

    /// Elements of one image, padding included.
    pub(crate) fn padded_len(&self) -> usize {
        self.extent.padded[0] * self.extent.padded[1] * self.channels
    }

    /// The images with the lattice's bottom around them: `x` itself when there is no border, else a copy in `scratch`.
    pub(crate) fn pad<'a, T: Real, L: Lattice>(
        &self,
        x: TensorRef<'a, T>,
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        if !self.is_padded() {
            return x.data;
        }
        let ([height, width], [top, left]) = (self.image, self.extent.before);
        let (row, padded_row) = (width * self.channels, self.extent.padded[1] * self.channels);
        let len = x.shape.dims()[0] * self.padded_len();
        scratch.clear();
        scratch.resize(len, L::bottom());
        if row > 0 {
            parallel::for_each_piece(scratch, self.padded_len(), |image, padded| {
                let rows = x.data[image * height * row..][..height * row].chunks_exact(row);
                for (source, target) in rows.zip(padded.chunks_exact_mut(padded_row).skip(top)) {
                    target[left * self.channels..][..row].copy_from_slice(source);
                }
            });
        }
        scratch
    }

    /// The tap of the output position `[i, j]` that wins where no candidate beats the bottom: the first that lies in the image.
    pub(crate) fn first_tap(&self, [i, j]: [usize; 2]) -> u32 {
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

    /// The pixel of the image (row-major, without channels) under a tap of an output position; `None` outside.
    #[inline(always)]
    pub(crate) fn pixel(&self, steps: &[u32], [i, j]: [usize; 2], tap: u32) -> Option<usize> {
        let [dy, dx] = [steps[2 * tap as usize] as usize, steps[2 * tap as usize + 1] as usize];
        // Left of or above the image the subtraction wraps to a huge number, which the comparison refuses too.
        let y = (i * self.window.strides[0] + dy).wrapping_sub(self.extent.before[0]);
        let x = (j * self.window.strides[1] + dx).wrapping_sub(self.extent.before[1]);
        (y < self.image[0] && x < self.image[1]).then(|| y * self.image[1] + x)
    }

    /// Whether a tap of an output position lies in the image: always, unless the window has no tap there at all.
    #[inline(always)]
    pub(crate) fn meets_image(&self, steps: &[u32], at: [usize; 2], tap: u32) -> bool {
        !self.is_padded() || self.pixel(steps, at, tap).is_some()
    }

    /// The kernel entry that meets a tap.
    #[inline(always)]
    pub(crate) fn entry<L: Lattice>(&self, tap: usize) -> usize {
        if L::MIRRORED { self.window.taps() - 1 - tap } else { tap }
    }
}
