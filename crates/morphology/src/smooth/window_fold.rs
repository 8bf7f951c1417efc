//! What the smooth operators have in common: a window's pixels are averaged, each with a weight
//! $e^{s z + o}$ that prefers the large ones (or, for negative $s$, the small ones), and the
//! weights have to survive any sharpness $s$.
//!
//! The one design choice: exponents are differences from the largest one, and the sharpness is
//! multiplied with the difference: so nothing overflows, whatever the sharpness and the pixels, and
//! the largest candidate counts exactly. A forward pass remembers, for every output and channel,
//! that candidate and the logarithm of the sum, from which the backward pass computes the weights
//! again.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Taps2d, TensorRef, Window2d, parallel};

/// One operator: what it makes of a pixel $x$ and the kernel entry $w$ that meets it. `s` is the
/// sharpness.
pub(crate) trait Family: Copy + Debug + Send + Sync + 'static {
    const NAME: &'static str;
    /// The name of the parameter that holds the sharpness.
    const SHARPNESS: &'static str;
    /// Whether the formula holds for positive sharpness only.
    const POSITIVE: bool = false;
    /// Whether position `d` of the window meets the entry $k - 1 - d$ of the kernel.
    const MIRRORED: bool;

    /// What [`Smooth2d`] takes instead of the image and the kernel.
    fn prepare<T: Real>(graph: &mut Graph<'_, T>, inputs: [Var; 2])
    -> Result<[Var; 2], ShapeError>;

    fn candidate<T: Real>(x: T, w: T) -> Candidate<T>;

    /// A number that is the larger, the larger the exponent is: the exponent itself, or without an
    /// offset $z$ times the sign of `s`, which cannot overflow.
    #[inline(always)]
    fn rank<T: Real>(candidate: Candidate<T>, s: T) -> T {
        candidate.z * sign(s)
    }

    /// The output of a window without a pixel.
    fn empty<T: Real>() -> T;

    /// The output: `log_sum` is the logarithm of the sum of weights relative to `best`'s, `mean`
    /// the weighted mean of the values.
    fn output<T: Real>(best: Candidate<T>, log_sum: T, mean: T, s: T) -> T;

    /// The derivatives of the output `y` with respect to $x$ and $w$, and what the candidate adds
    /// to that with respect to `s`. `weight` is the candidate's, of a sum of 1.
    fn derivatives<T: Real>(candidate: Candidate<T>, weight: T, y: T, s: T) -> [T; 3];
}

/// A pixel raised or multiplied by a kernel entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<T> {
    /// What the sharpness multiplies.
    pub(crate) z: T,
    /// The rest of the exponent.
    pub(crate) offset: T,
    /// What is averaged.
    pub(crate) value: T,
}

/// The operator on images. Inputs: images `[batch, height, width, channels]`, a kernel, and the
/// sharpness, one number or one for each output channel. A kernel `[kh, kw, channels]` acts on
/// every channel by itself; one `[kh, kw, channels, filters]` gives the sums over the channels for
/// every filter.
///
/// Taps outside the image are skipped, and so are entries of $-\infty$: they do not belong to the
/// structuring element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Smooth2d<F> {
    window: Window2d,
    family: PhantomData<F>,
}

impl<F: Family> Smooth2d<F> {
    pub(crate) fn apply<T: Real>(
        graph: &mut Graph<'_, T>,
        [x, kernel, sharpness]: [Var; 3],
        window: Window2d,
    ) -> Result<Var, ShapeError> {
        let [x, kernel] = F::prepare(graph, [x, kernel])?;
        graph.apply(Self::on(window), [x, kernel, sharpness])
    }

    /// The operator that is called by its formula.
    pub(crate) fn on(window: Window2d) -> Self {
        // As that of an erosion, the window is mirrored with the kernel: of an even one that makes
        // a difference.
        Self::new(if F::MIRRORED { window.adjoint() } else { window })
    }

    pub(crate) fn new(window: Window2d) -> Self {
        Self { window, family: PhantomData }
    }
}

impl<T: Real, F: Family> Op<T> for Smooth2d<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let taps = Taps2d::new(F::NAME, self.window, inputs[0])?;
        let channels = taps.channels;
        let [kh, kw] = self.window.size;
        let outputs = match *inputs[1].dims() {
            [h, w, c] if [h, w, c] == [kh, kw, channels] => channels,
            [h, w, c, filters] if [h, w, c] == [kh, kw, channels] => filters,
            _ => {
                let expected = format!(
                    "a kernel [{kh}, {kw}, {channels}] or [{kh}, {kw}, {channels}, filters]"
                );
                return Err(ShapeError::new(F::NAME, expected, format!("shape {}", inputs[1])));
            }
        };
        if !matches!(*inputs[2].dims(), [] | [1]) && inputs[2].dims() != [outputs] {
            let expected = format!("one number {} or {outputs}", F::SHARPNESS);
            return Err(ShapeError::new(F::NAME, expected, format!("shape {}", inputs[2])));
        }
        Ok(taps.output(outputs))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let walk = Walk::new(self.window, pass.inputs, pass.shape);
        pass.output.fill(T::zero());
        if pass.output.is_empty() {
            return;
        }
        let columns = walk.taps.extent.output[1];
        let task = |line: usize, y: &mut [T], memory: &mut [T]| {
            walk.row::<F, T>(pass.inputs, line, y, memory);
        };
        if pass.needs_grad && walk.pairs > 0 {
            let memory = &mut pass.saved.values;
            memory.resize(pass.output.len() / walk.outputs * walk.pairs * MEMORY, T::zero());
            let lengths = (columns * walk.outputs, columns * walk.pairs * MEMORY);
            parallel::for_each_pair((pass.output, lengths.0), (memory, lengths.1), task);
        } else {
            parallel::for_each_piece(pass.output, columns * walk.outputs, |line, y| {
                task(line, y, &mut []);
            });
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let walk = Walk::new(self.window, pass.inputs, pass.output.shape);
        if pass.grad_output.is_empty() || walk.pairs == 0 {
            return;
        }
        let [dx, dw, ds, ..] = pass.grad_inputs;
        // Image, kernel and sharpness share each weight, an exponential, so their gradients are
        // computed together: in pieces of the batch, each with a partial sum for the kernel and the
        // sharpness.
        let batch = pass.inputs[0].shape.dims()[0];
        let images = batch.div_ceil(PIECES);
        let (kernel, total) =
            (pass.inputs[1].data.len(), pass.inputs[1].data.len() + pass.inputs[2].data.len());
        pass.scratch.clear();
        pass.scratch.resize(batch.div_ceil(images) * total, T::zero());
        let task = |piece: usize, dx: &mut [T], partial: &mut [T]| {
            let (dw, ds) = partial.split_at_mut(kernel);
            let images = piece * images..((piece + 1) * images).min(batch);
            walk.gradients::<F, T>(
                pass.inputs,
                images,
                [pass.grad_output, pass.saved.values],
                [dx, dw, ds],
            );
        };
        match dx {
            Some(dx) => {
                let length = images * walk.taps.image_len();
                parallel::for_each_pair((dx, length), (&mut *pass.scratch, total), task);
            }
            None => parallel::for_each_piece(pass.scratch, total, |piece, sums| {
                task(piece, &mut [], sums);
            }),
        }
        let (mut dw, mut ds) = (dw, ds);
        for partial in pass.scratch.chunks_exact(total) {
            let (kernel, sharpness) = partial.split_at(kernel);
            add(dw.as_deref_mut(), kernel);
            add(ds.as_deref_mut(), sharpness);
        }
    }
}

/// Into how many pieces the batch is cut in a backward pass, at most; each costs memory for a
/// partial sum.
const PIECES: usize = 32;

/// Numbers that a forward pass remembers for each output pixel, channel and filter: `z` of the best
/// candidate, the exponent's offset that makes the weights sum to 1 (infinite where there is
/// nothing to differentiate), and the output.
const MEMORY: usize = 3;

/// Pairs computed together, which walk the window once.
const LANES: usize = 8;

/// A window on images, and the lengths of the axes.
struct Walk {
    taps: Taps2d,
    /// Channels of the output.
    outputs: usize,
    /// Kernel entries under one tap: channels times filters. Pair `n` belongs to channel
    /// `n / filters` and output `n % outputs`.
    pairs: usize,
    filters: usize,
}

impl Walk {
    fn new<T: Real>(window: Window2d, inputs: &[TensorRef<'_, T>], output: Shape) -> Self {
        let taps = Taps2d::new("window", window, inputs[0].shape).expect("checked by infer");
        let filters = inputs[1].shape.dims().get(3).copied().unwrap_or(1);
        let outputs = output.dims()[3];
        Self { taps, outputs, pairs: taps.channels * filters, filters }
    }

    /// Calls `f` with the pixel and the tap for every tap inside the image, in raster order.
    #[inline(always)]
    fn for_each_tap(&self, [i, j]: [usize; 2], mut f: impl FnMut(usize, usize)) {
        let [kh, kw] = self.taps.window.size;
        for dy in 0..kh {
            let Some(row) = self.taps.along(0, i, dy) else { continue };
            for dx in 0..kw {
                if let Some(column) = self.taps.along(1, j, dx) {
                    f(row * self.taps.image[1] + column, dy * kw + dx);
                }
            }
        }
    }

    /// Calls `f` at every tap inside the image with the pixels and entries of the `N` pairs from
    /// `n`, and the tap's position in the image (without channels) and in the kernel (that of pair
    /// `n`).
    #[inline(always)]
    fn for_each_meeting<F: Family, T: Real, const N: usize>(
        &self,
        image: &[T],
        kernel: &[T],
        at: [usize; 2],
        n: usize,
        mut f: impl FnMut([T; N], &[T; N], usize, usize),
    ) {
        let last = self.taps.window.taps() - 1;
        let channels: [usize; N] = std::array::from_fn(|lane| (n + lane) / self.filters);
        self.for_each_tap(at, |pixel, tap| {
            let entry = (if F::MIRRORED { last - tap } else { tap }) * self.pairs + n;
            let pixels = &image[pixel * self.taps.channels..][..self.taps.channels];
            let (x, w) =
                (channels.map(|c| pixels[c]), kernel[entry..].first_chunk().expect("N entries"));
            f(x, w, pixel, entry);
        });
    }

    /// Adds a row of outputs to `y`, which is zero, and fills its memory unless that is empty.
    fn row<F: Family, T: Real>(
        &self,
        inputs: &[TensorRef<'_, T>],
        line: usize,
        y: &mut [T],
        memory: &mut [T],
    ) {
        let rows = self.taps.extent.output[0];
        let image = &inputs[0].data[line / rows * self.taps.image_len()..][..self.taps.image_len()];
        for (j, y) in y.chunks_exact_mut(self.outputs).enumerate() {
            let at = [line % rows, j];
            let memory =
                if memory.is_empty() { &mut [] } else { &mut memory[j * self.pairs * MEMORY..] };
            let mut n = 0;
            while n + LANES <= self.pairs {
                self.average::<F, T, LANES>(image, inputs, at, n, y, memory);
                n += LANES;
            }
            while n < self.pairs {
                self.average::<F, T, 1>(image, inputs, at, n, y, memory);
                n += 1;
            }
        }
    }

    /// Adds the outputs of `N` pairs at one pixel, and writes what is remembered of them.
    #[inline(always)]
    fn average<F: Family, T: Real, const N: usize>(
        &self,
        image: &[T],
        inputs: &[TensorRef<'_, T>],
        at: [usize; 2],
        n: usize,
        y: &mut [T],
        memory: &mut [T],
    ) {
        let (kernel, sharpness) = (inputs[1].data, inputs[2].data);
        let s: [T; N] = std::array::from_fn(|lane| sharpness[(n + lane) % sharpness.len()]);
        let nothing = Candidate { z: T::zero(), offset: T::neg_infinity(), value: F::empty() };
        let (mut best, mut largest) = ([nothing; N], [T::neg_infinity(); N]);
        self.for_each_meeting::<F, T, N>(image, kernel, at, n, |x, w, _, _| {
            for lane in 0..N {
                let candidate = F::candidate(x[lane], w[lane]);
                let rank = F::rank(candidate, s[lane]);
                // NaN wins and stays, so that it is seen in the output.
                let loses = rank <= largest[lane] || largest[lane].is_nan() || is_absent(w[lane]);
                best[lane] = if loses { best[lane] } else { candidate };
                largest[lane] = if loses { largest[lane] } else { rank };
            }
        });
        let (mut sum, mut deviation) = ([T::zero(); N], [T::zero(); N]);
        self.for_each_meeting::<F, T, N>(image, kernel, at, n, |x, w, _, _| {
            for lane in 0..N {
                let candidate = F::candidate(x[lane], w[lane]);
                let Candidate { z, offset, value } = best[lane];
                let weight = exponent(candidate, z, offset, s[lane]).exp();
                // A candidate of weight 0 may be infinite: it must not meet a product.
                if weight != T::zero() && !is_absent(w[lane]) {
                    sum[lane] += weight;
                    deviation[lane] += weight * (candidate.value - value);
                }
            }
        });
        for lane in 0..N {
            let best = best[lane];
            let (output, remembered) = if largest[lane].is_infinite() {
                (best.value, [T::zero(), T::infinity(), best.value])
            } else {
                let log_sum = sum[lane].ln();
                let output =
                    F::output(best, log_sum, best.value + deviation[lane] / sum[lane], s[lane]);
                (output, [best.z, best.offset + log_sum, output])
            };
            y[(n + lane) % self.outputs] += output;
            if !memory.is_empty() {
                memory[(n + lane) * MEMORY..][..MEMORY].copy_from_slice(&remembered);
            }
        }
    }

    /// Adds the gradients of some images. `dx` begins at the first of them; an empty one is not
    /// wanted.
    fn gradients<F: Family, T: Real>(
        &self,
        inputs: &[TensorRef<'_, T>],
        images: Range<usize>,
        [grad, memory]: [&[T]; 2],
        [dx, dw, ds]: [&mut [T]; 3],
    ) {
        let [rows, columns] = self.taps.extent.output;
        let first = images.start;
        for b in images {
            let image = &inputs[0].data[b * self.taps.image_len()..][..self.taps.image_len()];
            let own = if dx.is_empty() {
                0..0
            } else {
                (b - first) * self.taps.image_len()..(b - first + 1) * self.taps.image_len()
            };
            let dx = &mut dx[own];
            for position in 0..rows * columns {
                let at = [position / columns, position % columns];
                let position = b * rows * columns + position;
                let grad = &grad[position * self.outputs..][..self.outputs];
                let memory = &memory[position * self.pairs * MEMORY..][..self.pairs * MEMORY];
                let mut n = 0;
                while n + LANES <= self.pairs {
                    self.spread::<F, T, LANES>(image, inputs, at, n, [grad, memory], [dx, dw, ds]);
                    n += LANES;
                }
                while n < self.pairs {
                    self.spread::<F, T, 1>(image, inputs, at, n, [grad, memory], [dx, dw, ds]);
                    n += 1;
                }
            }
        }
    }

    /// Adds the gradients of `N` pairs at one pixel.
    #[inline(always)]
    fn spread<F: Family, T: Real, const N: usize>(
        &self,
        image: &[T],
        inputs: &[TensorRef<'_, T>],
        at: [usize; 2],
        n: usize,
        [grad, memory]: [&[T]; 2],
        [dx, dw, ds]: [&mut [T]; 3],
    ) {
        let (kernel, sharpness) = (inputs[1].data, inputs[2].data);
        let memory: [[T; MEMORY]; N] = std::array::from_fn(|lane| {
            *memory[(n + lane) * MEMORY..].first_chunk().expect("filled")
        });
        let s: [T; N] = std::array::from_fn(|lane| sharpness[(n + lane) % sharpness.len()]);
        let g: [T; N] = std::array::from_fn(|lane| grad[(n + lane) % self.outputs]);
        let mut sum = [T::zero(); N];
        self.for_each_meeting::<F, T, N>(image, kernel, at, n, |x, w, pixel, entry| {
            let dw = &mut dw[entry..][..N];
            for lane in 0..N {
                let [z, offset, y] = memory[lane];
                let candidate = F::candidate(x[lane], w[lane]);
                let weight = exponent(candidate, z, offset, s[lane]).exp();
                if weight == T::zero() || offset == T::infinity() || is_absent(w[lane]) {
                    continue;
                }
                let [by_x, by_w, by_s] = F::derivatives(candidate, weight, y, s[lane]);
                if !dx.is_empty() {
                    dx[pixel * self.taps.channels + (n + lane) / self.filters] += g[lane] * by_x;
                }
                dw[lane] += g[lane] * by_w;
                sum[lane] += by_s;
            }
        });
        for lane in 0..N {
            ds[(n + lane) % sharpness.len()] += g[lane] * sum[lane];
        }
    }
}

/// Whether an entry is not in the structuring element.
#[inline(always)]
fn is_absent<T: Real>(entry: T) -> bool {
    entry == T::neg_infinity()
}

/// -1, 0 or 1; NaN of NaN.
#[inline(always)]
fn sign<T: Real>(s: T) -> T {
    if s == T::zero() { s } else { s.signum() }
}

/// The exponent of a candidate relative to one at `z` and `offset`: equal numbers cancel exactly.
#[inline(always)]
fn exponent<T: Real>(candidate: Candidate<T>, z: T, offset: T, s: T) -> T {
    s * (candidate.z - z) + (candidate.offset - offset)
}

fn add<T: Real>(sum: Option<&mut [T]>, x: &[T]) {
    if let Some(sum) = sum {
        sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
    }
}

#[cfg(test)]
mod tests;
