//! What is under the taps of a window with a border around the image: the index arithmetic that
//! forward and backward passes share.
//!
//! The forward pass reads what lies outside the image from a padded copy, so that its inner loops
//! run without a test; the true infinity of the default border loses every comparison there.

use std::ops::Deref;

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::{Real, Shape, ShapeError, Taps2d, TensorRef, Window2d, parallel};

use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;

/// A window on images of one size, and what is outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowLayout {
    taps: Taps2d,
    pub(crate) border: Border,
}

impl Deref for WindowLayout {
    type Target = Taps2d;

    fn deref(&self) -> &Taps2d {
        &self.taps
    }
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
        Ok(Self { taps: Taps2d::with_channels(operation, window, x)?, border })
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
        let ([height, width], left) = (self.image, self.extent.before[1]);
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
                let Some(y) = self.source(0, y) else { continue };
                let source = &image[y * row..][..row];
                target[left * pixel..][..row].copy_from_slice(source);
                for x in (0..left).chain(left + width..self.extent.padded[1]) {
                    if let Some(from) = self.source(1, x) {
                        target[x * pixel..][..pixel]
                            .copy_from_slice(&source[from * pixel..][..pixel]);
                    }
                }
            }
        });
        scratch
    }

    /// The row (axis 0) or column of the image that is seen at one of the padded image; `None`
    /// where that is none.
    #[inline(always)]
    pub(crate) fn source(&self, axis: usize, padded: usize) -> Option<usize> {
        let at = self.from_padded(axis, padded);
        if (at as usize) < self.image[axis] { Some(at as usize) } else { self.outside(axis, at) }
    }

    #[cold]
    fn outside(&self, axis: usize, at: isize) -> Option<usize> {
        self.border.source(at, self.image[axis])
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
            let inside = self.inside(axis, position);
            // Saturating: a vector has room for positions beyond the last.
            let first =
                if ties == Ties::Last { inside.end.saturating_sub(1) } else { inside.start };
            first.min(self.window.size[axis] - 1)
        };
        along(0, i) * self.window.size[1] + along(1, j)
    }

    /// Whether there may be a window without any tap in the image.
    pub(crate) fn may_miss(&self) -> bool {
        self.is_padded() && self.window.rates != [1, 1]
    }

    /// The pixel of the image (row-major, without channels) seen under a tap of an output position;
    /// `None` where that is none.
    #[inline(always)]
    pub(crate) fn seen(&self, at: [usize; 2], tap: usize) -> Option<usize> {
        self.pixel(at, tap).or_else(|| self.seen_outside(at, tap))
    }

    #[cold]
    fn seen_outside(&self, [i, j]: [usize; 2], tap: usize) -> Option<usize> {
        let (dy, dx) = (tap / self.window.size[1], tap % self.window.size[1]);
        let y = self.source(0, self.padded_at(0, i, dy))?;
        Some(y * self.image[1] + self.source(1, self.padded_at(1, j, dx))?)
    }

    /// Whether a tap of an output position is a candidate at all: always, unless it lies in the
    /// infinity around the image.
    pub(crate) fn counts(&self, at: [usize; 2], tap: usize) -> bool {
        self.border != Border::Infinity || self.pixel(at, tap).is_some()
    }

    /// The kernel entry that meets a tap.
    #[inline(always)]
    pub(crate) fn entry<L: Lattice>(&self, tap: usize) -> usize {
        if L::MIRRORED { self.window.taps() - 1 - tap } else { tap }
    }
}
