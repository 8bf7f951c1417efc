//! Dilation and erosion by constant kernels: the cost of a pixel does not depend on their size.
//!
//! The one design choice: rows first, then columns, each by what suits its direction. Along a row
//! neighbours are adjacent, so the maxima of $1, 2, 4, …$ pixels are taken from one another in
//! place, in the first-level cache. Down the columns the lanes are neighbouring columns, and van
//! Herk's and Gil and Werman's algorithm takes three comparisons a pixel whatever the height:
//! maxima from the end of each block of rows, maxima from the start of the next, and one of both.
//!
//! The entries of a constant kernel are the same finite number. Adding it commutes with the
//! maximum, rounding included. So the values are those of the general computation, but that of tied
//! zeros of both signs the sign may differ. Only values: the gradient asks for a winner. Sources:
//! M. van Herk, *A fast algorithm for local minimum and maximum filters* (1992); J. Gil and M.
//! Werman, *Computing 2-D min, median and max filters* (1993).

use std::marker::PhantomData;

use morphograd_nn::autodiff::Forward;
use morphograd_nn::tensor::simd::{Level, VectorKernel, dispatch_vectors_at};
use morphograd_nn::tensor::{MAX_LANES, Real, Vector, parallel};

use crate::dilation::layout::Layout;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// Vectors that are neighbours in a row and go down the columns together.
const STRIP: usize = 8;

/// At least as many rows of the output are one task.
const ROWS: usize = 32;

/// From this many taps on the general computation is slower.
const FEW_TAPS: usize = 6;

/// The number that every entry of every channel's kernel is, if this computation can be used:
/// nobody asks for winners, every output has one channel, and the window is dense and large enough.
pub(crate) fn height<T: Real>(
    pass: &Forward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
) -> Option<T> {
    let (window, kernel) = (place.window, pass.inputs[1].data);
    let single = layout.filters == 1 && (layout.marginal || place.channels == 1);
    let dense = window.strides == [1, 1] && window.rates == [1, 1];
    if pass.needs_grad || !single || !dense || window.taps() < FEW_TAPS {
        return None;
    }
    let first = *kernel.first()?;
    (first.is_finite() && kernel.iter().all(|w| *w == first)).then_some(first)
}

/// Computes the output; `height` as above.
pub(crate) fn correlate<T: Real, L: Lattice>(
    level: Level,
    pass: Forward<'_, T>,
    place: &WindowLayout,
    height: T,
) {
    let Forward { inputs: [x, ..], output: y, scratch, .. } = pass else {
        unreachable!("an image and a kernel")
    };
    if y.is_empty() {
        return;
    }
    let [rows, columns] = place.extent.output;
    let row = columns * place.channels;
    let padded_row = place.extent.padded[1] * place.channels;
    let image_rows = place.image[0];
    let images = y.len() / (rows * row);
    let block = place.window.size[0];
    // A task is some blocks of rows of one image.
    let task_rows = (ROWS.div_ceil(block) * block).min(rows);
    let tasks = rows.div_ceil(task_rows);
    // What a task keeps of a block has memory of its own: rows of the output are often a power of
    // two apart, and would drive one another out of the cache.
    let length = block * STRIP * MAX_LANES;
    scratch.resize(images * image_rows * padded_row + images.max(tasks) * length, T::zero());
    let (runs, ends) = scratch.split_at_mut(images * image_rows * padded_row);
    let lines = ROWS.min(image_rows);
    parallel::for_each_piece(runs, lines * padded_row, |piece, run| {
        for (k, run) in run.chunks_exact_mut(padded_row).enumerate() {
            let source = &x.data[(piece * lines + k) * place.image[1] * place.channels..];
            lay_out::<T, L>(place, &source[..place.image[1] * place.channels], run);
            dispatch_vectors_at(level, Along::<T, L> { run, place, lattice: PhantomData });
        }
    });
    let runs = &*runs;
    let task = |image: usize, first: usize, y: &mut [T], ends: &mut [T]| {
        let runs = &runs[image * image_rows * padded_row..][..image_rows * padded_row];
        dispatch_vectors_at(
            level,
            Down::<T, L> { place, runs, padded_row, first, height, y, ends, lattice: PhantomData },
        );
    };
    if tasks == 1 {
        return parallel::for_each_pair((y, rows * row), (ends, length), |image, y, ends| {
            task(image, 0, y, ends);
        });
    }
    for (image, y) in y.chunks_exact_mut(rows * row).enumerate() {
        parallel::for_each_pair((y, task_rows * row), (&mut *ends, length), |n, y, ends| {
            task(image, n * task_rows, y, ends);
        });
    }
}

/// A row of the image with its border.
fn lay_out<T: Real, L: Lattice>(place: &WindowLayout, source: &[T], run: &mut [T]) {
    let (channels, left, width) = (place.channels, place.extent.before[1], place.image[1]);
    run[left * channels..][..source.len()].copy_from_slice(source);
    if matches!(place.border, Border::Infinity | Border::Constant(_)) {
        run[..left * channels].fill(outside::<T, L>(place));
        run[(left + width) * channels..].fill(outside::<T, L>(place));
        return;
    }
    for x in (0..left).chain(left + width..place.extent.padded[1]) {
        if let Some(from) = place.source(1, x) {
            run[x * channels..][..channels].copy_from_slice(&source[from * channels..][..channels]);
        }
    }
}

/// What a pixel outside is that has no source.
fn outside<T: Real, L: Lattice>(place: &WindowLayout) -> T {
    match place.border {
        Border::Constant(value) => T::of(value),
        _ => L::bottom(),
    }
}

/// The best of every `size[1]` pixels along a row, in place.
struct Along<'a, T, L> {
    run: &'a mut [T],
    place: &'a WindowLayout,
    lattice: PhantomData<L>,
}

impl<T: Real, L: Lattice> VectorKernel<T> for Along<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let size = self.place.window.size[1];
        let channels = self.place.channels;
        // A few pixels are compared as they are read; more are taken from one another.
        let few = if size <= FEW { size } else { 2 };
        first::<T, V, L>(self.run, channels, few);
        let mut reach = few;
        while reach < size {
            let step = reach.min(size - reach);
            double::<T, V, L>(self.run, step * channels);
            reach += step;
        }
    }
}

/// Up to as many pixels are compared at once.
const FEW: usize = 8;

/// Replaces every element by the best of `few` from it on, `channels` apart. Going forwards, those
/// ahead are not changed yet. NaN becomes the bottom, which loses as NaN does. The last elements
/// have too few ahead, and are no output.
#[inline(always)]
fn first<T: Real, V: Vector<T>, L: Lattice>(run: &mut [T], channels: usize, few: usize) {
    let reach = (few - 1) * channels;
    let n = run.len() - reach;
    let mut k = 0;
    while k + V::LANES <= n {
        let ahead = &mut run[k..][..V::LANES + reach];
        let mut best = V::splat(L::bottom());
        for d in 0..few {
            best = L::best::<T, V>(V::load(&ahead[d * channels..]), best);
        }
        best.store(ahead);
        k += V::LANES;
    }
    for k in k..run.len() {
        let mut best = L::bottom();
        for d in (0..=reach).step_by(channels) {
            if k + d < run.len() && L::beats(run[k + d], best) {
                best = run[k + d];
            }
        }
        run[k] = best;
    }
}

/// Takes into every element the better of itself and the one `distance` ahead. Going forwards, that
/// one is not changed yet. The last elements have none ahead, and are no output.
#[inline(always)]
fn double<T: Real, V: Vector<T>, L: Lattice>(run: &mut [T], distance: usize) {
    let n = run.len() - distance;
    let mut k = 0;
    while k + V::LANES <= n {
        let ahead = V::load(&run[k + distance..]);
        let here = &mut run[k..][..V::LANES];
        L::best::<T, V>(ahead, V::load(here)).store(here);
        k += V::LANES;
    }
    for k in k..n {
        if L::beats(run[k + distance], run[k]) {
            run[k] = run[k + distance];
        }
    }
}

/// The best of every `size[0]` rows down the columns, for some blocks of that many rows.
struct Down<'a, T, L> {
    place: &'a WindowLayout,
    runs: &'a [T],
    padded_row: usize,
    /// The first row of the output.
    first: usize,
    height: T,
    y: &'a mut [T],
    /// The maxima from the end of a block, a strip of each of its rows.
    ends: &'a mut [T],
    lattice: PhantomData<L>,
}

impl<T: Real, L: Lattice> VectorKernel<T> for Down<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(mut self) {
        let row = self.place.extent.output[1] * self.place.channels;
        let mut k = 0;
        while k + STRIP * V::LANES <= row {
            self.strip::<V, STRIP>(k, V::LANES);
            k += STRIP * V::LANES;
        }
        while k < row {
            self.strip::<V, 1>(k, V::LANES.min(row - k));
            k += V::LANES;
        }
    }
}

impl<T: Real, L: Lattice> Down<'_, T, L> {
    /// The elements from `k` on, `B` vectors of which `n` lanes count.
    #[inline(always)]
    fn strip<V: Vector<T>, const B: usize>(&mut self, k: usize, n: usize) {
        let row = self.place.extent.output[1] * self.place.channels;
        let (block, rows) = (self.place.window.size[0], self.y.len() / row);
        let (height, bottom) = (V::splat(self.height), V::splat(L::bottom()));
        for start in (0..rows).step_by(block) {
            let mut end = [bottom; B];
            for r in (0..block).rev() {
                let from = self.source(self.first + start + r);
                self.take::<V, B>(from, k, &mut end);
                let ends = &mut self.ends[r * B * V::LANES..][..B * V::LANES];
                for b in 0..B {
                    end[b].store(&mut ends[b * V::LANES..]);
                }
            }
            let mut next = [bottom; B];
            for r in 0..block.min(rows - start) {
                if r > 0 {
                    let from = self.source(self.first + start + block + r - 1);
                    self.take::<V, B>(from, k, &mut next);
                }
                let ends = &self.ends[r * B * V::LANES..][..B * V::LANES];
                let whole = B > 1 || n == V::LANES;
                let y =
                    &mut self.y[(start + r) * row + k..][..if whole { B * V::LANES } else { n }];
                for b in 0..B {
                    let best = L::best::<T, V>(V::load(&ends[b * V::LANES..]), next[b]);
                    let best = L::candidates::<T, V>(best, height);
                    if whole {
                        best.store(&mut y[b * V::LANES..]);
                    } else {
                        let mut lanes = [T::zero(); MAX_LANES];
                        best.store(&mut lanes);
                        y.copy_from_slice(&lanes[..n]);
                    }
                }
            }
        }
    }

    /// Where the row of the image begins that lies at a row of the padded image.
    #[inline(always)]
    fn source(&self, padded: usize) -> Option<usize> {
        Some(self.place.source(0, padded)? * self.padded_row)
    }

    /// Takes into the best so far the elements from `k` on of a row that begins at `from`, or what
    /// is outside.
    #[inline(always)]
    fn take<V: Vector<T>, const B: usize>(&self, from: Option<usize>, k: usize, best: &mut [V; B]) {
        let Some(from) = from else {
            let outside = V::splat(outside::<T, L>(self.place));
            for b in 0..B {
                best[b] = L::best::<T, V>(outside, best[b]);
            }
            return;
        };
        if B == 1 {
            best[0] = L::best::<T, V>(V::load_start(&self.runs[from + k..]), best[0]);
            return;
        }
        let line = &self.runs[from + k..][..B * V::LANES];
        for b in 0..B {
            best[b] = L::best::<T, V>(V::load(&line[b * V::LANES..]), best[b]);
        }
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Mode, Params, Saved, Tape};
    use morphograd_nn::tensor::{Padding, Shape, Tensor, TensorRef, Window2d};
    use proptest::prelude::*;

    use super::*;
    use crate::{Depthwise2d, MaxPlus, MinMinus, Neighbourhood2d};

    /// The general computation: that of a recording in which a gradient may be asked for.
    fn general<L: Lattice>(
        x: &Tensor<f32>,
        w: &Tensor<f32>,
        neighbourhood: Neighbourhood2d,
    ) -> Vec<f32> {
        let (params, mut tape) = (Params::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let (x, w) = (graph.variable(x.view()), graph.variable(w.view()));
        let y = graph.apply(Depthwise2d::<L>::new(neighbourhood), [x, w]).unwrap();
        graph.value(y).data.to_vec()
    }

    fn constant<L: Lattice>(
        level: Level,
        x: &Tensor<f32>,
        w: &Tensor<f32>,
        neighbourhood: Neighbourhood2d,
    ) -> Vec<f32> {
        let place =
            WindowLayout::new("test", neighbourhood.window, neighbourhood.border, x.shape())
                .unwrap();
        let [rows, columns] = place.extent.output;
        let shape = Shape::from([x.shape().dims()[0], rows, columns, place.channels]);
        let mut y = vec![f32::NAN; shape.len()];
        let pass = Forward {
            inputs: &[x.view(), w.view()],
            shape,
            output: &mut y,
            saved: &mut Saved::default(),
            scratch: &mut vec![f32::NAN; 3],
            needs_grad: false,
        };
        let layout = Layout { filters: 1, marginal: true };
        // Of few taps the general computation would be chosen.
        if place.window.taps() >= FEW_TAPS {
            assert_eq!(height(&pass, &place, layout), Some(w.data()[0]));
        }
        correlate::<f32, L>(level, pass, &place, w.data()[0]);
        y
    }

    fn borders() -> impl Strategy<Value = Border> {
        let all = [
            Border::Infinity,
            Border::Constant(0.5),
            Border::Replicate,
            Border::Reflect,
            Border::Mirror,
            Border::Periodic,
        ];
        prop::sample::select(all.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_values_are_those_of_the_general_computation(
            (kh, kw) in (1..=9usize, 1..=9usize),
            (rows, columns, channels) in (1..=40usize, 1..=90usize, 1..=3usize),
            border in borders(),
            mirrored in any::<bool>(),
            valid in any::<bool>(),
            seed in 0..1000u32,
            w in -1.0..1.0f32,
        ) {
            let padding = match (valid && kh <= rows && kw <= columns, mirrored) {
                (true, _) => Padding::Valid,
                (_, true) => Padding::SameMirrored,
                (_, false) => Padding::Same,
            };
            let window = Window2d::new([kh, kw]).padding(padding);
            let around = Neighbourhood2d { border, ..window.into() };
            let x = Tensor::from_fn([2, rows, columns, channels], |i| {
                match (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 20 {
                    n if n % 97 == 0 => f32::NAN,
                    n if n % 89 == 0 => f32::NEG_INFINITY,
                    n => n as f32 / 4096.0,
                }
            });
            let kernel = Tensor::filled([kh, kw, channels], w);
            let (dilated, eroded) =
                (general::<MaxPlus>(&x, &kernel, around), general::<MinMinus>(&x, &kernel, around));
            for level in Level::available() {
                let found = constant::<MaxPlus>(level, &x, &kernel, around);
                prop_assert_eq!(&found, &dilated, "{:?}", level);
                let found = constant::<MinMinus>(level, &x, &kernel, around);
                prop_assert_eq!(&found, &eroded, "{:?}", level);
            }
        }
    }

    #[test]
    fn only_equal_finite_entries_of_a_dense_window_have_a_height_and_only_without_a_gradient() {
        let found = |window: Window2d, kernel: &[f32], needs_grad: bool| {
            let x = [0.0; 81];
            let [kh, kw] = window.size;
            let inputs = [TensorRef::new([1, 9, 9, 1], &x), TensorRef::new([kh, kw, 1], kernel)];
            let place =
                WindowLayout::new("test", window, Border::Infinity, inputs[0].shape).unwrap();
            let pass = Forward {
                inputs: &inputs,
                shape: inputs[0].shape,
                output: &mut [],
                saved: &mut Saved::default(),
                scratch: &mut Vec::new(),
                needs_grad,
            };
            height(&pass, &place, Layout { filters: 1, marginal: true })
        };
        let window = Window2d::new([4, 4]);
        let mut kernel = [0.25f32; 16];
        assert_eq!(found(window, &kernel, false), Some(0.25));
        assert_eq!(found(window, &kernel, true), None);
        assert_eq!(found(window.strides([1, 2]), &kernel, false), None);
        kernel[7] = 0.5;
        assert_eq!(found(window, &kernel, false), None);
        assert_eq!(found(window, &[f32::NEG_INFINITY; 16], false), None);
        assert_eq!(found(window, &[f32::NAN; 16], false), None);
    }
}
