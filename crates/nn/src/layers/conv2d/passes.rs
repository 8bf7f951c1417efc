//! The forward pass of the convolution and, beneath it, the backward pass.
//!
//! The one design choice: three matrix products whose left operand is never laid out in memory. Its
//! rows are windows of the image, read where they are, one tile of the product at a time; bias and
//! rectifier are applied to a tile before it leaves the registers.

use std::ops::Range;

use morphograd_autodiff::tensor::simd::{Level, VectorKernel, dispatch_vectors_at};
use morphograd_autodiff::tensor::{MAX_LANES, PairwiseSum, Real, Vector, parallel};

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

/// Output pixels whose products are added to the kernel's and the bias' gradients one after the
/// other; sums of more are added in pairs.
const LONG: usize = 86 * CHUNK;

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
/// overlap; the kernel's and the bias' gradients are summed in the order of the tasks, and within a
/// task in pairs. Their rounding is at most $(4128 + 32 + \log_2 n) \epsilon \sum |x\,dy|$ for $n$
/// output pixels and numbers of relative precision $\epsilon$.
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
    let sizes = Sizes::new::<T>(g, images);
    let scratch = at_least(scratch, filters * pitch(depth) + tasks * sizes.task());
    let (transposed, scratch) = scratch.split_at_mut(filters * pitch(depth));
    if dx.is_some() {
        pad_columns(operands.kernel, filters, transposed);
    }
    let transposed = &*transposed;
    let run = |task: usize, mut dx: Option<&mut [T]>, region: &mut [T]| {
        let (sums, workspace) = region.split_at_mut(sizes.sums);
        let mut sum = PairwiseSum::new(sums, sizes.kernel + sizes.bias);
        if let Some(dx) = &mut dx {
            dx.fill(T::zero());
        }
        let images = task * images..((task + 1) * images).min(g.batch);
        let (first, last) = (images.start * g.windows(), images.end * g.windows());
        for start in (first..last).step_by(LONG) {
            sum.add(|piece| {
                let (d_kernel_part, d_bias_part) = piece.split_at_mut(sizes.kernel);
                let part = Gradients {
                    x: dx.as_deref_mut(),
                    kernel: d_kernel.is_some().then_some(d_kernel_part),
                    bias: d_bias.is_some().then_some(d_bias_part),
                };
                let pixels = [first, start, (start + LONG).min(last)];
                backward_pixels(level, g, operands, transposed, pixels, part, &sizes, workspace);
            });
        }
        sum.finish();
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
    /// Those of the gradients of kernel and bias, with the sums that wait for others.
    sums: usize,
    masked: usize,
    patches: usize,
    columns: usize,
    d_transposed: usize,
    window: usize,
}

impl Sizes {
    /// For tasks of so many images.
    fn new<T: Real>(g: &Geometry, images: usize) -> Self {
        let (depth, pitch_of_filters) = (g.depth(), pitch(g.filters));
        let (kernel, bias) = (depth * pitch_of_filters, pitch_of_filters);
        let pieces = (images * g.windows()).div_ceil(LONG);
        Self {
            kernel,
            bias,
            sums: PairwiseSum::<T>::space(pieces, kernel + bias),
            masked: CHUNK * pitch_of_filters,
            patches: CHUNK * depth,
            columns: GROUP * pitch(depth),
            d_transposed: g.filters * pitch(depth),
            window: pitch(depth),
        }
    }

    fn task(&self) -> usize {
        self.sums + self.masked + self.patches + self.columns + self.d_transposed + self.window
    }
}

/// Some pixels of a task of [`backward`], from the second of the numbers to the third: overwrites
/// the gradients of kernel and bias, and adds to the image's, which begin at the first.
#[expect(clippy::too_many_arguments, reason = "one call, in `backward`")]
fn backward_pixels<T: Real>(
    level: Level,
    g: &Geometry,
    operands: Operands<'_, T>,
    transposed: &[T],
    [first, from, last]: [usize; 3],
    mut part: Gradients<'_, T>,
    sizes: &Sizes,
    workspace: &mut [T],
) {
    let (depth, filters) = (g.depth(), g.filters);
    let (masked, workspace) = workspace.split_at_mut(sizes.masked);
    let (patches, workspace) = workspace.split_at_mut(sizes.patches);
    let (columns, workspace) = workspace.split_at_mut(sizes.columns);
    let (d_transposed, patch) = workspace.split_at_mut(sizes.d_transposed);
    d_transposed.fill(T::zero());
    for partial in [&mut part.kernel, &mut part.bias].into_iter().flatten() {
        partial.fill(T::zero());
    }
    for start in (from..last).step_by(CHUNK) {
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
mod tests;
