//! The forward pass of the convolution and, beneath it, the backward pass.
//!
//! The one design choice: three matrix products whose left operand is never laid out in memory. Its
//! rows are windows of the image, read where they are, one tile of the product at a time; bias and
//! rectifier are applied to a tile before it leaves the registers.

use std::ops::Range;

use morphograd_autodiff::tensor::simd::{Level, VectorKernel, dispatch_vectors_at};
use morphograd_autodiff::tensor::{MAX_LANES, Real, Vector, parallel};

use super::geometry::{Geometry, Pixel};
use super::sparse::{self, SparseGradients};
use super::tile::{Narrow, add_columns, add_rows, load, pad_columns, pad_rows, pitch, store};

/// The most rows of a tile whose right operand is two vectors wide.
const ROWS: usize = 8;

/// Into how many tasks the work is cut, at most: enough for any machine, few enough that their
/// buffers stay small.
const MAX_TASKS: usize = 32;

/// Products that are worth a task.
const MIN_PRODUCTS: usize = 1 << 16;

/// Output pixels whose share of the image's gradient is computed before it is added: whole tiles,
/// of 6 or of 8 rows, so that the order of the sums does not depend on the processor.
const GROUP: usize = 24;

/// Output pixels of a task that the backward pass handles at a time, so that what it reads several
/// times stays in the cache.
const CHUNK: usize = 2 * GROUP;

/// What the backward pass reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands<'a, T> {
    pub(super) x: &'a [T],
    pub(super) kernel: &'a [T],
    pub(super) y: &'a [T],
    pub(super) dy: &'a [T],
}

/// What the backward pass writes.
#[derive(Debug)]
pub(super) struct Gradients<'a, T> {
    pub(super) x: Option<&'a mut [T]>,
    pub(super) kernel: Option<&'a mut [T]>,
    pub(super) bias: Option<&'a mut [T]>,
}

/// Overwrites `y`. Tasks are runs of output pixels, across images.
pub(super) fn forward<T: Real>(
    level: Level,
    g: &Geometry,
    x: &[T],
    kernel: &[T],
    bias: Option<&[T]>,
    scratch: &mut Vec<T>,
    y: &mut [T],
) {
    if y.is_empty() {
        return;
    }
    let (depth, filters, pixels) = (g.depth(), g.filters, y.len() / g.filters);
    let pixels_per_task = pixels.div_ceil(MAX_TASKS).max(MIN_PRODUCTS.div_ceil(depth * filters));
    // Whole tiles, of 6 or of 8 rows.
    let pixels_per_task = pixels_per_task.next_multiple_of(24);
    let tasks = pixels.div_ceil(pixels_per_task);
    let scratch = at_least(scratch, depth * pitch(filters) + tasks * ROWS * depth);
    let (padded, patches) = scratch.split_at_mut(depth * pitch(filters));
    let kernel = if filters == pitch(filters) {
        kernel
    } else {
        pad_rows(kernel, filters, padded);
        padded
    };
    let pieces = (y, pixels_per_task * filters);
    parallel::for_each_pair(pieces, (patches, ROWS * depth), |task, y, patches| {
        let kernel = Values { g, x, kernel, bias, first: task * pixels_per_task, patches, y };
        dispatch_vectors_at(level, Narrow { columns: filters, kernel });
    });
}

/// One task of [`forward`].
struct Values<'a, T> {
    g: &'a Geometry,
    x: &'a [T],
    /// In rows of `pitch(filters)` numbers.
    kernel: &'a [T],
    bias: Option<&'a [T]>,
    /// The first output pixel.
    first: usize,
    /// Memory for [`ROWS`] windows.
    patches: &'a mut [T],
    y: &'a mut [T],
}

impl<T: Real> VectorKernel<T> for Values<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        if V::REGISTERS >= 32 { self.tiles::<V, 8>() } else { self.tiles::<V, 6>() }
    }
}

impl<T: Real> Values<'_, T> {
    #[inline(always)]
    fn tiles<V: Vector<T>, const M: usize>(mut self) {
        let (g, filters) = (self.g, self.g.filters);
        let mut next = g.output_pixel(self.first);
        for start in (0..self.y.len()).step_by(M * filters) {
            let rows = M.min((self.y.len() - start) / filters);
            // Missing rows of the last tile are computed from the first window, and not stored.
            let (mut windows, mut inside) = ([0; M], g.is_dense());
            let mut pixel = next;
            for m in 0..rows {
                match g.start(pixel) {
                    Some(at) => windows[m] = at,
                    None => inside = false,
                }
                g.advance(&mut pixel);
            }
            let window = windows[0];
            windows[rows..].fill(window);
            if inside {
                self.tile_row::<V, M>(&windows, g.line_step(), self.x, start, rows);
            } else {
                let depth = g.depth();
                let mut pixel = next;
                for m in 0..M {
                    windows[m] = m.min(rows - 1) * depth;
                    if m < rows {
                        g.gather(self.x, pixel, &mut self.patches[m * depth..][..depth]);
                        g.advance(&mut pixel);
                    }
                }
                let patches = std::mem::take(&mut self.patches);
                self.tile_row::<V, M>(&windows, g.line(), patches, start, rows);
                self.patches = patches;
            }
            next = pixel;
        }
    }

    /// All filters of `rows` output pixels, whose windows start at `windows` in `source`.
    #[inline(always)]
    fn tile_row<V: Vector<T>, const M: usize>(
        &mut self,
        windows: &[usize; M],
        step: usize,
        source: &[T],
        start: usize,
        rows: usize,
    ) {
        let mut column = 0;
        while column < self.g.filters {
            if self.g.filters - column > V::LANES {
                self.tile::<V, M, 2>(windows, step, source, start, rows, column);
                column += 2 * V::LANES;
            } else {
                self.tile::<V, M, 1>(windows, step, source, start, rows, column);
                column += V::LANES;
            }
        }
    }

    #[inline(always)]
    fn tile<V: Vector<T>, const M: usize, const N: usize>(
        &mut self,
        windows: &[usize; M],
        step: usize,
        source: &[T],
        start: usize,
        rows: usize,
        column: usize,
    ) {
        let (line, filters) = (self.g.line(), self.g.filters);
        let zero = V::splat(T::zero());
        let mut tile = [[zero; N]; M];
        if let Some(bias) = self.bias {
            for v in 0..N {
                let bias = V::load_start(&bias[column + v * V::LANES..]);
                for m in 0..M {
                    tile[m][v] = bias;
                }
            }
        }
        for d in 0..self.g.window.size[0] {
            let mut a = [source; M];
            for m in 0..M {
                a[m] = &source[windows[m] + d * step..][..line];
            }
            add_rows(
                &mut tile,
                &a,
                &self.kernel[d * line * pitch(filters)..],
                pitch(filters),
                column,
            );
        }
        if self.g.rectified {
            for m in 0..M {
                for v in 0..N {
                    // As `relu` does it: NaN stays NaN.
                    tile[m][v] = V::select(zero.ge(tile[m][v]), zero, tile[m][v]);
                }
            }
        }
        let y = &mut self.y[start..start + rows * filters];
        if column + N * V::LANES <= filters {
            store(&tile, y, filters, column, rows);
        } else {
            for (m, y) in y.chunks_exact_mut(filters).enumerate() {
                for v in 0..N {
                    let y = &mut y[column + v * V::LANES..];
                    store_start(tile[m.min(M - 1)][v], y);
                }
            }
        }
    }
}

/// Writes the gradients that are wanted. Tasks are whole images, whose input gradients do not
/// overlap; the kernel's and the bias' gradients are summed in the order of the tasks.
pub(super) fn backward<T: Real>(
    level: Level,
    g: &Geometry,
    operands: Operands<'_, T>,
    gradients: Gradients<'_, T>,
    scratch: &mut Vec<T>,
) {
    let Gradients { x: dx, kernel: mut d_kernel, bias: mut d_bias } = gradients;
    for gradient in [&mut d_kernel, &mut d_bias].into_iter().flatten() {
        gradient.fill(T::zero());
    }
    if g.batch == 0 {
        return;
    }
    let (depth, filters) = (g.depth(), g.filters);
    let products = g.windows() * depth * filters;
    let images = g.batch.div_ceil(MAX_TASKS).max(MIN_PRODUCTS / products.max(1)).min(g.batch);
    let tasks = g.batch.div_ceil(images);
    let sizes = Sizes::new(g);
    let scratch = at_least(scratch, filters * pitch(depth) + tasks * sizes.task());
    let (transposed, scratch) = scratch.split_at_mut(filters * pitch(depth));
    if dx.is_some() {
        pad_columns(operands.kernel, filters, transposed);
    }
    let transposed = &*transposed;
    let run = |task: usize, dx: Option<&mut [T]>, region: &mut [T]| {
        let (d_kernel_part, rest) = region.split_at_mut(sizes.kernel);
        let (d_bias_part, workspace) = rest.split_at_mut(sizes.bias);
        let part = Gradients {
            x: dx,
            kernel: d_kernel.is_some().then_some(d_kernel_part),
            bias: d_bias.is_some().then_some(d_bias_part),
        };
        let images = task * images..((task + 1) * images).min(g.batch);
        backward_images(level, g, operands, transposed, images, part, workspace);
    };
    match dx {
        Some(dx) => {
            let pieces = (dx, images * g.image_len());
            parallel::for_each_pair(pieces, (scratch, sizes.task()), |task, dx, region| {
                run(task, Some(dx), region);
            });
        }
        None => {
            parallel::for_each_piece(scratch, sizes.task(), |task, region| run(task, None, region));
        }
    }
    for partial in scratch.chunks_exact(sizes.task()) {
        let (kernel, rest) = partial.split_at(sizes.kernel);
        if let Some(d_kernel) = &mut d_kernel {
            let rows = d_kernel.chunks_exact_mut(filters).zip(kernel.chunks_exact(pitch(filters)));
            rows.for_each(|(d_kernel, kernel)| add(d_kernel, kernel));
        }
        if let Some(d_bias) = &mut d_bias {
            add(d_bias, rest);
        }
    }
}

/// How many numbers each part of a task's memory has in the backward pass.
struct Sizes {
    kernel: usize,
    bias: usize,
    masked: usize,
    patches: usize,
    columns: usize,
    d_transposed: usize,
    window: usize,
}

impl Sizes {
    fn new(g: &Geometry) -> Self {
        let (depth, pitch_of_filters) = (g.depth(), pitch(g.filters));
        Self {
            kernel: depth * pitch_of_filters,
            bias: pitch_of_filters,
            masked: CHUNK * pitch_of_filters,
            patches: CHUNK * depth,
            columns: GROUP * pitch(depth),
            d_transposed: g.filters * pitch(depth),
            window: pitch(depth),
        }
    }

    fn task(&self) -> usize {
        self.kernel
            + self.bias
            + self.masked
            + self.patches
            + self.columns
            + self.d_transposed
            + self.window
    }
}

/// One task of [`backward`]: overwrites `part`, whose `x` holds the gradients of these images.
fn backward_images<T: Real>(
    level: Level,
    g: &Geometry,
    operands: Operands<'_, T>,
    transposed: &[T],
    images: Range<usize>,
    mut part: Gradients<'_, T>,
    workspace: &mut [T],
) {
    let (depth, filters, sizes) = (g.depth(), g.filters, Sizes::new(g));
    let (masked, workspace) = workspace.split_at_mut(sizes.masked);
    let (patches, workspace) = workspace.split_at_mut(sizes.patches);
    let (columns, workspace) = workspace.split_at_mut(sizes.columns);
    let (d_transposed, patch) = workspace.split_at_mut(sizes.d_transposed);
    d_transposed.fill(T::zero());
    for partial in [&mut part.x, &mut part.kernel, &mut part.bias].into_iter().flatten() {
        partial.fill(T::zero());
    }
    let (first, last) = (images.start * g.windows(), images.end * g.windows());
    for start in (first..last).step_by(CHUNK) {
        let end = (start + CHUNK).min(last);
        let (y, dy) = (
            &operands.y[start * filters..end * filters],
            &operands.dy[start * filters..end * filters],
        );
        let d_bias = part.bias.as_deref_mut();
        let kernel = OutputGradient { g, y, dy, masked, d_bias };
        let nonzero = dispatch_vectors_at(level, Narrow { columns: filters, kernel });
        if sparse::pays(nonzero, (end - start) * filters) {
            let kernel = SparseGradients {
                g,
                x: operands.x,
                pixels: start..end,
                first,
                masked,
                transposed,
                patch,
                column: &mut columns[..pitch(depth)],
                d_transposed: part.kernel.is_some().then_some(&mut *d_transposed),
                dx: part.x.as_deref_mut(),
            };
            dispatch_vectors_at(level, Narrow { columns: depth, kernel });
            continue;
        }
        if let Some(total) = &mut part.kernel {
            let (mut windows, mut inside) = ([0; CHUNK], g.is_dense());
            let windows = &mut windows[..end - start];
            let mut pixel = g.output_pixel(start);
            for window in &mut *windows {
                match g.start(pixel) {
                    Some(at) => *window = at,
                    None => inside = false,
                }
                g.advance(&mut pixel);
            }
            let (source, step) = if inside {
                (operands.x, g.line_step())
            } else {
                let mut pixel = g.output_pixel(start);
                for (i, window) in windows.iter_mut().enumerate() {
                    *window = i * depth;
                    g.gather(operands.x, pixel, &mut patches[i * depth..][..depth]);
                    g.advance(&mut pixel);
                }
                (&*patches, g.line())
            };
            let kernel = KernelGradient { g, source, windows, step, masked, total };
            dispatch_vectors_at(level, Narrow { columns: filters, kernel });
        }
        if let Some(dx) = &mut part.x {
            // Positions count from the first image of the task, where `dx` starts.
            let pixels = start - first..end - first;
            let kernel = ImageGradient { g, pixels, masked, transposed, columns, dx };
            dispatch_vectors_at(level, Narrow { columns: depth, kernel });
        }
    }
    if let Some(total) = &mut part.kernel {
        for (f, column) in d_transposed.chunks_exact(pitch(depth)).enumerate() {
            for (total, x) in total.chunks_exact_mut(pitch(filters)).zip(column) {
                total[f] += *x;
            }
        }
    }
}

/// The output's gradient where the rectifier lets it pass, in rows of `pitch(filters)` numbers; and
/// its sum, added to `d_bias`. Returns how many of them are not zero.
struct OutputGradient<'a, T> {
    g: &'a Geometry,
    y: &'a [T],
    dy: &'a [T],
    masked: &'a mut [T],
    d_bias: Option<&'a mut [T]>,
}

impl<T: Real> VectorKernel<T> for OutputGradient<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vector<T>>(self) -> usize {
        let (filters, zero) = (self.g.filters, V::splat(T::zero()));
        let (mut d_bias, mut nonzero) = (self.d_bias, zero);
        for column in (0..filters).step_by(V::LANES) {
            let mut sum = zero;
            let rows = self.dy.chunks_exact(filters).zip(self.y.chunks_exact(filters));
            for ((dy, y), masked) in rows.zip(self.masked.chunks_exact_mut(pitch(filters))) {
                let mut masked_dy = V::load_start(&dy[column..]);
                if self.g.rectified {
                    masked_dy = V::select(zero.ge(V::load_start(&y[column..])), zero, masked_dy);
                }
                masked_dy.store(&mut masked[column..]);
                nonzero = nonzero.add(sparse::nonzero(masked_dy));
                sum = sum.add(masked_dy);
            }
            if let Some(d_bias) = &mut d_bias {
                let d_bias = &mut d_bias[column..];
                V::load(d_bias).add(sum).store(d_bias);
            }
        }
        let mut lanes = [T::zero(); MAX_LANES];
        nonzero.store(&mut lanes);
        lanes.iter().map(|lane| lane.f64() as usize).sum()
    }
}

/// The kernel's gradient from some output pixels: adds $\sum_p x_{p + t} dy_{pf}$ for each entry
/// $t$ of the kernel.
struct KernelGradient<'a, T> {
    g: &'a Geometry,
    source: &'a [T],
    /// Where in `source` the windows start, and how far it is from line to line.
    windows: &'a [usize],
    step: usize,
    masked: &'a [T],
    /// In rows of `pitch(filters)` numbers.
    total: &'a mut [T],
}

impl<T: Real> VectorKernel<T> for KernelGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(mut self) {
        let (lines, line, filters) = (self.g.window.size[0], self.g.line(), self.g.filters);
        // Gathered windows are one line.
        let (lines, line) = if self.step == line { (1, lines * line) } else { (lines, line) };
        for d in 0..lines {
            let mut done = 0;
            while done < line {
                let (row, offset, left) = (d * line + done, d * self.step + done, line - done);
                let mut column = 0;
                while column < filters {
                    let wide = filters - column > V::LANES;
                    match (V::REGISTERS >= 32, left, wide) {
                        (true, 12.., true) => self.tile::<V, 12, 2>(row, offset, column),
                        (true, 12.., false) => self.tile::<V, 12, 1>(row, offset, column),
                        (false, 6.., true) => self.tile::<V, 6, 2>(row, offset, column),
                        (false, 6.., false) => self.tile::<V, 6, 1>(row, offset, column),
                        (_, 3.., true) => self.tile::<V, 3, 2>(row, offset, column),
                        (_, 3.., false) => self.tile::<V, 3, 1>(row, offset, column),
                        (_, _, true) => self.tile::<V, 1, 2>(row, offset, column),
                        (_, _, false) => self.tile::<V, 1, 1>(row, offset, column),
                    }
                    column += if wide { 2 * V::LANES } else { V::LANES };
                }
                done += match (V::REGISTERS >= 32, left) {
                    (true, 12..) => 12,
                    (false, 6..) => 6,
                    (_, 3..) => 3,
                    _ => 1,
                };
            }
        }
    }
}

impl<T: Real> KernelGradient<'_, T> {
    #[inline(always)]
    fn tile<V: Vector<T>, const M: usize, const N: usize>(
        &mut self,
        row: usize,
        offset: usize,
        column: usize,
    ) {
        let pitch = pitch(self.g.filters);
        let total = &mut self.total[row * pitch..(row + M) * pitch];
        let mut tile = load::<T, V, M, N>(total, pitch, column);
        add_columns(&mut tile, &self.source[offset..], self.windows, self.masked, pitch, column);
        store(&tile, total, pitch, column, M);
    }
}

/// The image's gradient from some output pixels: $\sum_f dy_{pf} W_{tf}$ for each entry $t$ of the
/// kernel, added to what lies under it.
struct ImageGradient<'a, T> {
    g: &'a Geometry,
    pixels: Range<usize>,
    masked: &'a [T],
    /// The kernel's transpose, in rows of `pitch(depth)` numbers.
    transposed: &'a [T],
    /// Memory for [`GROUP`] windows, in rows as these.
    columns: &'a mut [T],
    dx: &'a mut [T],
}

impl<T: Real> VectorKernel<T> for ImageGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        if V::REGISTERS >= 32 { self.tiles::<V, 8>() } else { self.tiles::<V, 6>() }
    }
}

impl<T: Real> ImageGradient<'_, T> {
    #[inline(always)]
    fn tiles<V: Vector<T>, const M: usize>(mut self) {
        let (depth, pixels) = (self.g.depth(), self.pixels.len());
        let mut pixel = self.g.output_pixel(self.pixels.start);
        for group in (0..pixels).step_by(GROUP) {
            let rows = GROUP.min(pixels - group);
            for row in (0..rows).step_by(M) {
                let mut column = 0;
                while column < depth {
                    if depth - column > V::LANES {
                        self.tile::<V, M, 2>(group, row, column);
                        column += 2 * V::LANES;
                    } else {
                        self.tile::<V, M, 1>(group, row, column);
                        column += V::LANES;
                    }
                }
            }
            scatter::<T, V>(self.g, self.columns, &mut pixel, rows, self.dx);
        }
    }

    /// The columns from `column` on of `M` rows of a group. After the last pixel there is old
    /// content, from which rows are computed that nobody reads.
    #[inline(always)]
    fn tile<V: Vector<T>, const M: usize, const N: usize>(
        &mut self,
        group: usize,
        row: usize,
        column: usize,
    ) {
        let (filters, pitch_of_filters) = (self.g.filters, pitch(self.g.filters));
        let mut a = [self.masked; M];
        for m in 0..M {
            a[m] = &self.masked[(group + row + m) * pitch_of_filters..][..filters];
        }
        let mut tile = [[V::splat(T::zero()); N]; M];
        let pitch = pitch(self.g.depth());
        add_rows(&mut tile, &a, self.transposed, pitch, column);
        store(&tile, &mut self.columns[row * pitch..], pitch, column, M);
    }
}

/// Adds `columns`, in rows of `pitch(depth)` numbers, to the gradients of what lies under the
/// windows of `rows` output pixels from `pixel` on.
#[inline(always)]
fn scatter<T: Real, V: Vector<T>>(
    g: &Geometry,
    columns: &[T],
    pixel: &mut Pixel,
    rows: usize,
    dx: &mut [T],
) {
    let pitch = pitch(g.depth());
    let (mut windows, mut inside, first) = ([0; GROUP], true, *pixel);
    for window in &mut windows[..rows] {
        match g.start(*pixel) {
            Some(at) => *window = at,
            None => inside = false,
        }
        g.advance(pixel);
    }
    if !inside {
        let mut pixel = first;
        for columns in columns.chunks_exact(pitch).take(rows) {
            g.scatter(columns, pixel, dx);
            g.advance(&mut pixel);
        }
        return;
    }
    // Tap by tap, so that a pixel is not read again just after it was written.
    for d in 0..g.window.size[0] {
        for e in 0..g.window.size[1] {
            let offset = d * g.line_step() + e * g.tap_step();
            let tap = d * g.line() + e * g.channels;
            for (row, window) in windows[..rows].iter().enumerate() {
                let dx = &mut dx[window + offset..][..g.channels];
                add_vectors::<T, V>(dx, &columns[row * pitch + tap..][..g.channels]);
            }
        }
    }
}

/// Adds `x` to `total`, which is as long.
#[inline(always)]
fn add_vectors<T: Real, V: Vector<T>>(total: &mut [T], x: &[T]) {
    let mut done = 0;
    while done + V::LANES <= x.len() {
        let total = &mut total[done..];
        V::load(total).add(V::load(&x[done..])).store(total);
        done += V::LANES;
    }
    while done + V::Half::LANES <= x.len() {
        let total = &mut total[done..];
        V::Half::load(total).add(V::Half::load(&x[done..])).store(total);
        done += V::Half::LANES;
    }
    for (total, x) in total[done..].iter_mut().zip(&x[done..]) {
        *total += *x;
    }
}

/// Stores as many lanes as there is room for.
#[inline(always)]
fn store_start<T: Real, V: Vector<T>>(vector: V, to: &mut [T]) {
    let mut lanes = [T::zero(); MAX_LANES];
    vector.store(&mut lanes);
    let room = to.len().min(V::LANES);
    to[..room].copy_from_slice(&lanes[..room]);
}

fn add<T: Real>(total: &mut [T], x: &[T]) {
    total.iter_mut().zip(x).for_each(|(total, x)| *total += *x);
}

/// The first `length` elements of a buffer that only grows; their content is undefined.
fn at_least<T: Real>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    if buffer.len() < length {
        buffer.resize(length, T::zero());
    }
    &mut buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::conv2d::Convolution;
    use morphograd_autodiff::tensor::{Padding, Shape, Window2d};
    use morphograd_testkit::assert_close;

    /// y, dx, dW and db on the vectors of a level; only every so many of the outputs have a
    /// gradient.
    fn all<T: Real>(
        level: Level,
        op: Convolution,
        x: Shape,
        kernel: Shape,
        every: usize,
    ) -> [Vec<T>; 4] {
        let g = Geometry::new(op.window, op.rectified, [x, kernel]);
        let wave =
            |n: usize, f: f64| (0..n).map(|i| T::of((i as f64 * f).sin())).collect::<Vec<_>>();
        let (x, kernel, bias) =
            (wave(x.len(), 0.37), wave(kernel.len(), 1.3), wave(g.filters, 0.9));
        let (mut y, mut scratch) = (vec![T::nan(); g.batch * g.windows() * g.filters], Vec::new());
        forward(level, &g, &x, &kernel, Some(&bias), &mut scratch, &mut y);
        let mut dy = wave(y.len(), 0.71);
        dy.iter_mut()
            .enumerate()
            .filter(|(i, _)| i % every > 0)
            .for_each(|(_, dy)| *dy = T::zero());
        let [mut dx, mut d_kernel, mut d_bias] =
            [x.len(), kernel.len(), bias.len()].map(|n| vec![T::nan(); n]);
        let gradients =
            Gradients { x: Some(&mut dx), kernel: Some(&mut d_kernel), bias: Some(&mut d_bias) };
        let operands = Operands { x: &x, kernel: &kernel, y: &y, dy: &dy };
        scratch.fill(T::nan());
        backward(level, &g, operands, gradients, &mut scratch);
        [y, dx, d_kernel, d_bias]
    }

    fn levels_agree<T: Real>(
        op: Convolution,
        x: [usize; 4],
        filters: usize,
        every: usize,
        tolerance: f64,
    ) {
        let kernel = Shape::from([op.window.size[0], op.window.size[1], x[3], filters]);
        let expected = all::<T>(Level::Scalar, op, x.into(), kernel, every);
        let mut fused: Option<[Vec<T>; 4]> = None;
        for level in Level::available() {
            let found = all::<T>(level, op, x.into(), kernel, every);
            for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let shifted = |x: &[T]| x.iter().map(|x| x.f64() + 4.0).collect::<Vec<_>>();
                let what = format!("{k} of {op:?} on {x:?}, {filters} filters, {level:?}");
                assert_close(&what, &shifted(found), &shifted(expected), tolerance);
            }
            if level >= Level::Avx2 {
                assert_eq!(fused.get_or_insert_with(|| found.clone()), &found, "{level:?}");
            } else {
                assert_eq!(expected, found, "{level:?}");
            }
        }
    }

    #[test]
    fn every_level_gives_the_same_bits_but_for_fusing() {
        let window = Window2d::new([3, 3]);
        let windows = [
            window,
            Window2d::new([3, 2]).same(),
            Window2d::new([1, 5]).strides([2, 1]),
            Window2d::new([2, 2]).rates([1, 2]).padding(Padding::SameMirrored),
        ];
        // Numbers of filters and channels below, at and above those of a vector, of two, and of a
        // tile.
        for (i, filters) in [1, 2, 4, 7, 8, 9, 16, 17, 32, 33, 40, 48, 50].into_iter().enumerate() {
            let channels = [1, 3, 4, 5, 8, 13, 16][i % 7];
            for (window, rectified) in windows.into_iter().zip([true, false, true, false]) {
                let op = Convolution { window, rectified };
                for every in [1, 5] {
                    levels_agree::<f32>(op, [3, 7, 9, channels], filters, every, 2e-5);
                    levels_agree::<f64>(op, [2, 6, 7, channels], filters, every, 1e-13);
                }
            }
        }
    }
}
