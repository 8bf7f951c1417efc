//! The backward pass of the convolution where most of the output's gradient is zero: behind a
//! max-pooling and a rectifier at least three quarters of it are.
//!
//! The one design choice: an output pixel at a time, and of it the filters that have a gradient, so
//! that the work follows their number. What lies under the window stays in registers, and so does
//! its gradient, while the filters go by.

use std::ops::Range;

use morphograd_autodiff::tensor::simd::VectorKernel;
use morphograd_autodiff::tensor::{Real, Vector};

use super::geometry::Geometry;
use super::tile::pitch;

/// Whether so many gradients of all are few enough that this pass is the cheaper one.
pub(super) fn pays(nonzero: usize, all: usize) -> bool {
    2 * nonzero <= all
}

/// How many filters are searched for gradients at a time.
const BLOCK: usize = 32;

/// Gradients of some output pixels: of the kernel, and of the image.
pub(super) struct SparseGradients<'a, T> {
    pub(super) g: &'a Geometry,
    pub(super) x: &'a [T],
    /// The output pixels, and where `dx` starts, counted in pixels of the output from the first
    /// image on.
    pub(super) pixels: Range<usize>,
    pub(super) first: usize,
    /// The output's gradient, in rows of `pitch(filters)` numbers.
    pub(super) masked: &'a [T],
    /// The kernel's transpose, in rows of `pitch(depth)` numbers.
    pub(super) transposed: &'a [T],
    /// Memory for a window and for its gradient, `pitch(depth)` numbers each.
    pub(super) patch: &'a mut [T],
    pub(super) column: &'a mut [T],
    /// The gradient of the kernel's transpose, which is added to.
    pub(super) d_transposed: Option<&'a mut [T]>,
    pub(super) dx: Option<&'a mut [T]>,
}

impl<T: Real> VectorKernel<T> for SparseGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        // Vectors that fill the lines, if there are such, so that windows are read and written
        // where they lie.
        let line = self.g.line();
        if !line.is_multiple_of(V::LANES) && line.is_multiple_of(V::Half::LANES) {
            self.choose::<V::Half>();
        } else {
            self.choose::<V>();
        }
    }
}

impl<T: Real> SparseGradients<'_, T> {
    #[inline(always)]
    fn choose<V: Vector<T>>(self) {
        match (self.d_transposed.is_some(), self.dx.is_some()) {
            (true, true) => self.pixels::<V, true, true>(),
            (true, false) => self.pixels::<V, true, false>(),
            (false, true) => self.pixels::<V, false, true>(),
            (false, false) => (),
        }
    }

    #[inline(always)]
    fn pixels<V: Vector<T>, const KERNEL: bool, const IMAGE: bool>(self) {
        let Self { g, x, masked, transposed, patch, column, .. } = self;
        let (d_transposed, dx) =
            (self.d_transposed.unwrap_or_default(), self.dx.unwrap_or_default());
        let (pitch_of_filters, pitch) = (pitch(g.filters), pitch(g.depth()));
        let (in_place, copied) = (Lines::of(g), Lines::whole(pitch));
        let fits = g.is_dense() && g.line().is_multiple_of(V::LANES);
        // Where `dx` starts in the input.
        let skipped = self.first / g.windows() * g.image_len();
        let (mut read, mut written) =
            (g.output_pixel(self.pixels.start), g.output_pixel(self.pixels.start - self.first));
        for gradients in masked.chunks_exact(pitch_of_filters).take(self.pixels.len()) {
            let filters = Filters { gradients, transposed, pitch };
            let inside = g.start(read).filter(|_| fits);
            if KERNEL && inside.is_none() {
                g.gather(x, read, &mut patch[..g.depth()]);
            }
            for first in (0..g.filters).step_by(BLOCK) {
                let found = find::<T, V>(BLOCK.min(g.filters - first), &gradients[first..]);
                if let Some(at) = inside {
                    let dx = if IMAGE { &mut dx[at - skipped..] } else { &mut [][..] };
                    filters.add::<V, KERNEL, IMAGE>(
                        first,
                        found,
                        in_place,
                        &x[at..],
                        dx,
                        d_transposed,
                    );
                } else {
                    column.fill(T::zero());
                    filters.add::<V, KERNEL, IMAGE>(
                        first,
                        found,
                        copied,
                        patch,
                        column,
                        d_transposed,
                    );
                    if IMAGE {
                        g.scatter(column, written, dx);
                    }
                }
            }
            g.advance(&mut read);
            g.advance(&mut written);
        }
    }
}

/// Where the numbers of a window lie: so many in a line, and so far from line to line.
#[derive(Clone, Copy)]
struct Lines {
    length: usize,
    step: usize,
    total: usize,
}

impl Lines {
    /// In the image.
    fn of(g: &Geometry) -> Self {
        Self { length: g.line(), step: g.line_step(), total: g.depth() }
    }

    /// One after the other.
    fn whole(total: usize) -> Self {
        Self { length: total, step: 0, total }
    }
}

/// What the filters have at an output pixel.
#[derive(Clone, Copy)]
struct Filters<'a, T> {
    gradients: &'a [T],
    transposed: &'a [T],
    pitch: usize,
}

impl<T: Real> Filters<'_, T> {
    /// Adds what the filters `found` from `first` on have to add to the gradient `dx` of what lies
    /// at `x`, and to that of the kernel's transpose.
    #[inline(always)]
    fn add<V: Vector<T>, const KERNEL: bool, const IMAGE: bool>(
        self,
        first: usize,
        found: u32,
        lines: Lines,
        x: &[T],
        dx: &mut [T],
        d_transposed: &mut [T],
    ) {
        let mut at = 0;
        while at < lines.total {
            let part = Part { filters: self, first, found, lines, at };
            // As many vectors as there are registers for, twice.
            let done = match (lines.total - at) / V::LANES {
                9.. if V::REGISTERS >= 32 => part.add::<V, KERNEL, IMAGE, 9>(x, dx, d_transposed),
                5.. => part.add::<V, KERNEL, IMAGE, 5>(x, dx, d_transposed),
                3.. => part.add::<V, KERNEL, IMAGE, 3>(x, dx, d_transposed),
                _ => part.add::<V, KERNEL, IMAGE, 1>(x, dx, d_transposed),
            };
            at += done * V::LANES;
        }
    }
}

/// Some filters and some of the numbers of a window, from `at` on.
struct Part<'a, T> {
    filters: Filters<'a, T>,
    first: usize,
    found: u32,
    lines: Lines,
    at: usize,
}

impl<T: Real> Part<'_, T> {
    /// `N` vectors, which it returns.
    #[inline(always)]
    fn add<V: Vector<T>, const KERNEL: bool, const IMAGE: bool, const N: usize>(
        self,
        x: &[T],
        dx: &mut [T],
        d_transposed: &mut [T],
    ) -> usize {
        let Self {
            filters: Filters { gradients, transposed, pitch, .. }, first, lines, at, ..
        } = self;
        let mut places = [0; N];
        let (mut line, mut k) = (at / lines.length, at % lines.length);
        for place in &mut places {
            *place = line * lines.step + k;
            k += V::LANES;
            if k == lines.length {
                (line, k) = (line + 1, 0);
            }
        }
        let zero = V::splat(T::zero());
        let (mut here, mut sum) = ([zero; N], [zero; N]);
        if KERNEL {
            for v in 0..N {
                here[v] = V::load(&x[places[v]..]);
            }
        }
        let mut found = self.found;
        while found > 0 {
            let filter = first + found.trailing_zeros() as usize;
            found &= found - 1;
            let (start, gradient) = (filter * pitch + at, V::splat(gradients[filter]));
            if IMAGE {
                let w = &transposed[start..][..N * V::LANES];
                for v in 0..N {
                    sum[v] = gradient.mul_add(V::load(&w[v * V::LANES..]), sum[v]);
                }
            }
            if KERNEL {
                let dw = &mut d_transposed[start..][..N * V::LANES];
                for v in 0..N {
                    let dw = &mut dw[v * V::LANES..];
                    here[v].mul_add(gradient, V::load(dw)).store(dw);
                }
            }
        }
        if IMAGE {
            for v in 0..N {
                let dx = &mut dx[places[v]..];
                V::load(dx).add(sum[v]).store(dx);
            }
        }
        N
    }
}

/// 1 where a lane is not zero, else 0; NaN is not zero.
#[inline(always)]
pub(super) fn nonzero<T: Real, V: Vector<T>>(x: V) -> V {
    let (zero, one) = (V::splat(T::zero()), V::splat(T::one()));
    V::select(x.ge(zero), V::select(zero.ge(x), zero, one), one)
}

/// Which of the first `count` gradients are not zero, as bits. There are whole vectors of them.
#[inline(always)]
fn find<T: Real, V: Vector<T>>(count: usize, gradients: &[T]) -> u32 {
    let (zero, mut zeros) = (V::splat(T::zero()), 0);
    for (v, gradients) in gradients.chunks_exact(V::LANES).take(BLOCK / V::LANES).enumerate() {
        let gradients = V::load(gradients);
        zeros |= (V::bits(gradients.ge(zero)) & V::bits(zero.ge(gradients))) << (v * V::LANES);
    }
    !zeros & u32::MAX >> (BLOCK - count)
}
