//! The backward pass of the convolution where most of the output's gradient is zero: behind a max-pooling and a rectifier at least three
//! quarters of it are.
//!
//! The one design choice: an output pixel at a time, and of it the filters that have a gradient, so that the work follows their number. What
//! lies under the window stays in registers, and so does its gradient, while the filters go by. Sums are made in the order of the dense pass.

use std::ops::Range;

use morphograd_autodiff::tensor::simd::VectorKernel;
use morphograd_autodiff::tensor::{MAX_LANES, Real, Vector};

use super::geometry::{Geometry, Pixel};
use super::passes::{GROUP, scatter};
use super::tile::pitch;

/// Whether so many gradients of all are few enough that this pass is the cheaper one.
pub(super) fn pays(nonzero: usize, all: usize) -> bool {
    2 * nonzero <= all
}

/// Numbers of the buffer for the windows of a group: lines are copied in whole vectors, the last one past its end.
pub(super) fn patches_len(g: &Geometry) -> usize {
    GROUP * pitch(g.depth()) + MAX_LANES
}

/// How many filters are searched for gradients at a time.
const BLOCK: usize = 32;

/// Gradients of some output pixels: of the kernel, and of the image.
pub(super) struct SparseGradients<'a, T> {
    pub(super) g: &'a Geometry,
    pub(super) x: &'a [T],
    /// The output pixels, and where `dx` starts, counted in pixels of the output from the first image on.
    pub(super) pixels: Range<usize>,
    pub(super) first: usize,
    /// The output's gradient, in rows of `pitch(filters)` numbers.
    pub(super) masked: &'a [T],
    /// The kernel's transpose, in rows of `pitch(depth)` numbers.
    pub(super) transposed: &'a [T],
    /// Memory for the windows of a group, [`patches_len`] numbers.
    pub(super) patches: &'a mut [T],
    /// Memory for [`GROUP`] windows, in rows of `pitch(depth)` numbers.
    pub(super) columns: &'a mut [T],
    /// The gradient of the kernel's transpose, which is added to.
    pub(super) d_transposed: Option<&'a mut [T]>,
    pub(super) dx: Option<&'a mut [T]>,
}

/// The filters of a block that have a gradient at a pixel.
struct Found {
    filters: [u32; BLOCK],
    count: usize,
}

impl<T: Real> VectorKernel<T> for SparseGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        match (self.d_transposed.is_some(), self.dx.is_some()) {
            (true, true) => self.pixels::<V, true, true>(),
            (true, false) => self.pixels::<V, true, false>(),
            (false, true) => self.pixels::<V, false, true>(),
            (false, false) => (),
        }
    }
}

impl<T: Real> SparseGradients<'_, T> {
    #[inline(always)]
    fn pixels<V: Vector<T>, const KERNEL: bool, const IMAGE: bool>(mut self) {
        let (filters, pitch) = (self.g.filters, pitch(self.g.filters));
        let masked = self.masked;
        let count = self.pixels.len();
        let mut read = self.g.pixel(self.pixels.start);
        let mut written = self.g.pixel(self.pixels.start - self.first);
        for group in (0..count).step_by(GROUP) {
            let rows = GROUP.min(count - group);
            if KERNEL {
                // All of them first: what was just written in lines is not yet there to be read in vectors.
                for row in 0..rows {
                    self.gather::<V>(row, read);
                    self.g.advance(&mut read);
                }
            }
            for row in 0..rows {
                let gradients = &masked[(group + row) * pitch..][..pitch];
                for f in (0..filters).step_by(BLOCK) {
                    let block = &gradients[f..pitch.min(f + BLOCK)];
                    let found = find::<T, V>(f, BLOCK.min(filters - f), block);
                    self.window::<V, KERNEL, IMAGE>(row, f == 0, gradients, &found);
                }
            }
            if IMAGE && let Some(dx) = &mut self.dx {
                scatter::<T, V>(self.g, self.columns, &mut written, rows, dx);
            }
        }
    }

    /// What some filters add to the gradients of one window.
    #[inline(always)]
    fn window<V: Vector<T>, const KERNEL: bool, const IMAGE: bool>(
        &mut self,
        row: usize,
        first: bool,
        gradients: &[T],
        found: &Found,
    ) {
        let vectors = pitch(self.g.depth()) / V::LANES;
        let mut done = 0;
        while done < vectors {
            let at = done * V::LANES;
            match vectors - done {
                1 => self.segment::<V, KERNEL, IMAGE, 1>(row, first, at, gradients, found),
                2 => self.segment::<V, KERNEL, IMAGE, 2>(row, first, at, gradients, found),
                3 => self.segment::<V, KERNEL, IMAGE, 3>(row, first, at, gradients, found),
                4 => self.segment::<V, KERNEL, IMAGE, 4>(row, first, at, gradients, found),
                _ => self.segment::<V, KERNEL, IMAGE, 5>(row, first, at, gradients, found),
            }
            done += 5;
        }
    }

    /// `N` vectors of a window.
    #[inline(always)]
    fn segment<V: Vector<T>, const KERNEL: bool, const IMAGE: bool, const N: usize>(
        &mut self,
        row: usize,
        first: bool,
        at: usize,
        gradients: &[T],
        found: &Found,
    ) {
        let pitch = pitch(self.g.depth());
        let zero = V::splat(T::zero());
        let (mut x, mut dx) = ([zero; N], [zero; N]);
        for v in 0..N {
            if KERNEL {
                x[v] = V::load(&self.patches[row * pitch + at + v * V::LANES..]);
            }
            if IMAGE && !first {
                dx[v] = V::load(&self.columns[row * pitch + at + v * V::LANES..]);
            }
        }
        for filter in found.filters.iter().take(found.count) {
            let filter = *filter as usize;
            let (start, gradient) = (filter * pitch + at, V::splat(gradients[filter]));
            if IMAGE {
                let w = &self.transposed[start..][..N * V::LANES];
                for v in 0..N {
                    dx[v] = gradient.mul_add(V::load(&w[v * V::LANES..]), dx[v]);
                }
            }
            if KERNEL && let Some(d_transposed) = &mut self.d_transposed {
                let dw = &mut d_transposed[start..][..N * V::LANES];
                for v in 0..N {
                    let dw = &mut dw[v * V::LANES..];
                    x[v].mul_add(gradient, V::load(dw)).store(dw);
                }
            }
        }
        if IMAGE {
            for v in 0..N {
                dx[v].store(&mut self.columns[row * pitch + at + v * V::LANES..]);
            }
        }
    }

    /// Copies the window of an output pixel. What comes behind it there is not used.
    #[inline(always)]
    fn gather<V: Vector<T>>(&mut self, row: usize, pixel: Pixel) {
        let g = self.g;
        let patch = &mut self.patches[row * pitch(g.depth())..];
        match g.inside(pixel) {
            Some(at) if g.is_dense() => {
                for d in 0..g.window.size[0] {
                    for k in (0..g.line()).step_by(V::LANES) {
                        let from = &self.x[at + d * g.line_step() + k..];
                        V::load_start(from).store(&mut patch[d * g.line() + k..]);
                    }
                }
            }
            _ => g.gather(self.x, pixel, &mut patch[..g.depth()]),
        }
    }
}

/// 1 where a lane is not zero, else 0; NaN is not zero.
#[inline(always)]
pub(super) fn nonzero<T: Real, V: Vector<T>>(x: V) -> V {
    let (zero, one) = (V::splat(T::zero()), V::splat(T::one()));
    V::select(x.ge(zero), V::select(zero.ge(x), zero, one), one)
}

/// Of `count` filters from `first` on, those whose gradient is not zero. The gradients are whole vectors; what comes behind the filters may be
/// anything.
#[inline(always)]
fn find<T: Real, V: Vector<T>>(first: usize, count: usize, gradients: &[T]) -> Found {
    let (zero, mut bits) = (V::splat(T::zero()), 0);
    for (v, gradients) in gradients.chunks_exact(V::LANES).enumerate() {
        bits |= V::bits(nonzero::<T, V>(V::load(gradients)).gt(zero)) << (v * V::LANES);
    }
    bits &= u32::MAX >> (BLOCK - count);
    let mut found = Found { filters: [0; BLOCK], count: 0 };
    while bits > 0 {
        found.filters[found.count % BLOCK] = first as u32 + bits.trailing_zeros();
        found.count += 1;
        bits &= bits - 1;
    }
    found
}
