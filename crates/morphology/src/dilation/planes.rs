//! Images laid out for the kernels of dilation and erosion: one plane a channel, the border around
//! it, strides taken apart.
//!
//! The one design choice: after this copy every tap of every window is a fixed distance from the
//! window's first pixel, and neighbouring windows are neighbours in memory, whatever the border,
//! the padding, the strides and the rates. With a stride $s$ along an axis the pixels are sorted by
//! their position modulo $s$ (a *phase*): the windows' taps of one phase are then adjacent.

use morphograd_nn::tensor::{Extent, Real, TensorRef, parallel};

use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// The planes of images of one size under one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes {
    place: WindowLayout,
    /// Those of the window, or smaller: of a stride beyond the padded image there is one window.
    strides: [usize; 2],
    /// Size of one phase of one channel.
    phase: [usize; 2],
}

impl Planes {
    pub(crate) fn new(place: WindowLayout) -> Self {
        let Extent { padded, .. } = place.extent;
        let strides = [0, 1].map(|axis| place.window.strides[axis].min(padded[axis]));
        let phase = [0, 1].map(|axis| padded[axis].div_ceil(strides[axis]));
        Self { place, strides, phase }
    }

    /// The number of elements between windows that are neighbours in a column; in a row they are
    /// adjacent.
    pub(crate) fn row(&self) -> usize {
        self.phase[1]
    }

    /// Elements of all phases of one channel.
    pub(crate) fn channel_len(&self) -> usize {
        self.strides[0] * self.strides[1] * self.phase[0] * self.phase[1]
    }

    /// Elements of one image.
    pub(crate) fn image_len(&self) -> usize {
        self.place.channels * self.channel_len()
    }

    /// The distance of a tap from its window's first pixel.
    pub(crate) fn offset(&self, tap: usize) -> u32 {
        let (columns, rates) = (self.place.window.size[1], self.place.window.rates);
        self.index(tap / columns * rates[0], tap % columns * rates[1]) as u32
    }

    /// Where a pixel of the padded image is within the phases of its channel.
    fn index(&self, y: usize, x: usize) -> usize {
        let [sy, sx] = self.strides;
        let phase = y % sy * sx + x % sx;
        (phase * self.phase[0] + y / sy) * self.phase[1] + x / sx
    }

    /// Whether an image is its own plane.
    pub(crate) fn is_identity(&self) -> bool {
        self.place.channels == 1 && self.strides == [1, 1] && !self.place.is_padded()
    }

    /// The planes of all images, `x` itself or in `scratch`.
    pub(crate) fn lay_out<'a, T: Real, L: Lattice>(
        &self,
        x: TensorRef<'a, T>,
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        if self.is_identity() || x.data.is_empty() {
            return x.data;
        }
        let [height, width] = self.place.image;
        let image_len = height * width * self.place.channels;
        let outside = match self.place.border {
            Border::Constant(value) => T::of(value),
            _ => L::bottom(),
        };
        let (images, step) = (x.data.len() / image_len, self.strides[1]);
        scratch.resize(images * self.image_len(), outside);
        parallel::for_each_piece(scratch, self.image_len(), |image, planes| {
            let image = &x.data[image * image_len..][..image_len];
            // What the phases have beyond the padded image is never read by a window, and may be
            // anything.
            self.for_each_run(|source, [y, x0], length, c| {
                let channels = self.place.channels;
                let pixels =
                    source.map(|from| &image[from * channels + c..][..(length - 1) * channels + 1]);
                self.for_each_phase(length, |first, count| {
                    let to =
                        &mut planes[c * self.channel_len() + self.index(y, x0 + first)..][..count];
                    match pixels {
                        Some(pixels) => {
                            copy_strided(&pixels[first * channels..], step * channels, to);
                        }
                        None => to.fill(outside),
                    }
                });
            });
        });
        scratch
    }

    /// Writes to an image what was gathered in its planes, which are `distance` apart: the adjoint
    /// of [`Planes::lay_out`].
    pub(crate) fn fold<T: Real>(&self, planes: &[T], distance: usize, dx: &mut [T]) {
        let channels = self.place.channels;
        let [top, left] = self.place.extent.before;
        let ([height, width], step) = (self.place.image, self.strides[1]);
        for (y, c) in (0..height).flat_map(|y| (0..channels).map(move |c| (y, c))) {
            let pixels = &mut dx[y * width * channels + c..];
            let plane = &planes[c * distance..];
            self.for_each_phase(width, |first, count| {
                let pixels = pixels[first * channels..].iter_mut().step_by(step * channels);
                let plane = &plane[self.index(top + y, left + first)..][..count];
                pixels.zip(plane).for_each(|(to, from)| *to = *from);
            });
        }
        if !self.place.is_padded()
            || matches!(self.place.border, Border::Infinity | Border::Constant(_))
        {
            return;
        }
        // What was gathered outside belongs to the pixels that were seen there.
        self.for_each_run(|source, [y, x0], length, c| {
            let Some(to) = source else { return };
            if y.wrapping_sub(top) < height && x0.wrapping_sub(left) < width {
                return;
            }
            for k in 0..length {
                dx[(to + k) * channels + c] += planes[c * distance + self.index(y, x0 + k)];
            }
        });
    }

    /// Calls `f(first, count)` for every phase of `length` neighbouring pixels of a row of the
    /// padded image: `count` of them, a stride apart, from the `first` on, are adjacent in the
    /// phase.
    fn for_each_phase(&self, length: usize, mut f: impl FnMut(usize, usize)) {
        let step = self.strides[1];
        for first in 0..step.min(length) {
            f(first, (length - first).div_ceil(step));
        }
    }

    /// Calls `f(source, at, length, channel)` for runs that cover the padded image: `length` pixels
    /// from row and column `at` of it, which are the pixels from `source` on of the image
    /// (row-major, without channels), or have no source.
    fn for_each_run(&self, mut f: impl FnMut(Option<usize>, [usize; 2], usize, usize)) {
        let ([_, left], padded) = (self.place.extent.before, self.place.extent.padded);
        let width = self.place.image[1];
        for y in 0..padded[0] {
            let row = self.place.source(0, y);
            for c in 0..self.place.channels {
                let Some(row) = row else {
                    f(None, [y, 0], padded[1], c);
                    continue;
                };
                f(Some(row * width), [y, left], width, c);
                for x in (0..left).chain(left + width..padded[1]) {
                    let source = self.place.source(1, x);
                    f(source.map(|x| row * width + x), [y, x], 1, c);
                }
            }
        }
    }
}

/// Every `step`-th number of a slice. The common steps are constants, so that the compiler makes
/// shuffles of them.
fn copy_strided<T: Copy>(from: &[T], step: usize, to: &mut [T]) {
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, rest) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, from)| *to = from[0]);
            if let (Some(to), [last]) = (to.get_mut(pairs.len()), rest) {
                *to = *last;
            }
        }
        _ => from.iter().step_by(step).zip(to).for_each(|(from, to)| *to = *from),
    }
}
