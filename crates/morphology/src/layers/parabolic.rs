//! Dilation and erosion by whole parabolas: no window cuts them off, and the cost of a pixel does
//! not depend on the curvature.
//!
//! The one design choice: rows first, then columns. Both orders give the same values, but only so
//! is the winner, the leftmost of the tied pixels of a row and then the topmost of the tied rows,
//! the first in raster order.

use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::connected::selection::Planes;
use crate::neighbourhood::lattice::{Lattice, MaxPlus, MinMinus};

/// Dilates every channel of `x` `[batch, height, width, channels]` by the whole parabola of its
/// curvature $b$ `[channels]` at the scale $s$:
/// $$\delta(x)_p = \max_q x_q - a \lVert p - q \rVert^2, \qquad a = b / 4 s^2,$$
/// over all pixels $q$ of the image; output of the shape of `x`. It is
/// [`dilation2d`](crate::dilation2d) by the [`QuadraticKernel`](crate::QuadraticKernel) of this
/// curvature and scale whose window covers the image from every pixel.
///
/// - **Curvature**: every $b$ is allowed. $b = 0$ gives the maximum of the image, $b < 0$ a
///   parabola that opens upwards, as the formula says. A NaN makes every candidate NaN, so nothing
///   wins and the channel is $-\infty$. Magnitudes above $2^{900}$, of $a$ and of the finite pixels
///   that are compared, count as that number, so $b = \infty$ leaves finite images as they are.
/// - **Border**: pixels outside the image do not exist, which is
///   [`Border::Infinity`](crate::Border::Infinity). A NaN never wins. $+\infty$ wins everywhere,
///   whatever the curvature; $-\infty$ wins nowhere, and what nobody wins is $-\infty$ and hands no
///   gradient on.
/// - **Gradient**: each output is one pixel $q$, less a multiple of $b$: $q$ gets its gradient $g$,
///   and $b$ gets $-g \lVert p - q \rVert^2 / 4 s^2$. Ties: the first pixel of the image in raster
///   order. (The last wins on the image turned by 180 degrees.)
/// - **Rounding**: winners are found in `f64` from values rounded to the type of `x`, so a winner
///   may lie below the maximum by such a rounding. Its own candidate is computed from `x` in `f64`
///   and rounded once.
/// - **Cost**: two passes, each with about two comparisons and one division a pixel, whatever the
///   curvature. Backward one addition a pixel to each gradient.
///
/// Sources: R. van den Boomgaard, *The morphological equivalent of the Gauss convolution*, Nieuw
/// Archief voor Wiskunde 10 (1992), for the operator; P. Felzenszwalb and D. Huttenlocher,
/// *Distance transforms of sampled functions* (2012), for the envelope of parabolas.
///
/// # Errors
/// If the shapes do not fit, an image has $2^{30}$ pixels or more, or the scale is not positive and
/// finite (its square, too).
///
/// ```
/// use morphograd_morphology::{evaluate, nn::tensor::TensorRef, parabolic_dilation2d};
/// let x = TensorRef::new([1, 1, 6, 1], &[0.0, 9.0, 0.0, 0.0, 0.0, 3.0]);
/// let b = TensorRef::new([1], &[1.0]);
/// let y = evaluate([x, b], |graph, [x, b]| parabolic_dilation2d(graph, x, b, 0.5))?;
/// assert_eq!(y.data(), [8.0, 9.0, 8.0, 5.0, 2.0, 3.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn parabolic_dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    curvature: Var,
    scale: f64,
) -> Result<Var, ShapeError> {
    graph.apply(Parabolic::<MaxPlus>::new(scale), [x, curvature])
}

/// Erodes every channel of `x` by the whole parabola of its curvature:
/// $$\varepsilon(x)_p = \min_q x_q + a \lVert p - q \rVert^2, \qquad a = b / 4 s^2.$$
/// The adjoint of [`parabolic_dilation2d`] by the same curvature and its dual, $-\delta(-x)$, with
/// its rules; infinities change places.
///
/// # Errors
/// If the shapes do not fit, an image has $2^{30}$ pixels or more, or the scale is not positive and
/// finite (its square, too).
///
/// ```
/// use morphograd_morphology::{evaluate, nn::tensor::TensorRef, parabolic_erosion2d};
/// let x = TensorRef::new([1, 1, 6, 1], &[9.0, 0.0, 9.0, 9.0, 9.0, 6.0]);
/// let b = TensorRef::new([1], &[1.0]);
/// let y = evaluate([x, b], |graph, [x, b]| parabolic_erosion2d(graph, x, b, 0.5))?;
/// assert_eq!(y.data(), [1.0, 0.0, 1.0, 4.0, 7.0, 6.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn parabolic_erosion2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    curvature: Var,
    scale: f64,
) -> Result<Var, ShapeError> {
    graph.apply(Parabolic::<MinMinus>::new(scale), [x, curvature])
}

/// The operation of [`parabolic_dilation2d`] (`MaxPlus`) and [`parabolic_erosion2d`] (`MinMinus`).
/// Inputs: images `[batch, height, width, channels]` and curvatures `[channels]`.
#[derive(Debug, Clone, Copy)]
pub struct Parabolic<L> {
    /// The scale $s$, in pixels.
    pub scale: f64,
    lattice: PhantomData<L>,
}

impl<L: Lattice> Parabolic<L> {
    /// The operation at a scale.
    pub fn new(scale: f64) -> Self {
        Self { scale, lattice: PhantomData }
    }

    fn title() -> &'static str {
        if L::SIGN > 0.0 { "parabolic_dilation2d" } else { "parabolic_erosion2d" }
    }

    /// $4 s^2$.
    fn unit(&self) -> f64 {
        4.0 * self.scale * self.scale
    }

    /// The drop $a$ of a parabola at one pixel; so limited that no product overflows.
    fn drop<T: Real>(&self, curvature: T) -> f64 {
        // The sum makes -0 of a flat parabola 0.
        (curvature.f64() / self.unit()).clamp(-LIMIT, LIMIT) + 0.0
    }
}

/// How many neighbouring lines are one task: with `f32` a line of the cache.
const LANES: usize = 16;

/// The largest number to compute with: times the cube of a length it is still one.
const LIMIT: f64 = f64::from_bits((1023 + 900) << 52); // 2^900

/// The pixel that wins where none does.
const NOBODY: u32 = u32::MAX;

impl<T: Real, L: Lattice> Op<T> for Parabolic<L> {
    fn name(&self) -> &'static str {
        Self::title()
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (x, curvature) = (inputs[0], inputs[1]);
        let (&[_, _, _, channels], &[curvatures]) = (x.dims(), curvature.dims()) else {
            let expected = "images [batch, height, width, channels] and curvatures [channels]";
            return Err(ShapeError::new(Self::title(), expected, format!("{x} and {curvature}")));
        };
        if channels != curvatures {
            let expected = format!("a curvature for each of {channels} channels");
            return Err(ShapeError::new(Self::title(), expected, curvatures.to_string()));
        }
        if !(self.scale > 0.0 && self.unit() > 0.0 && self.unit().is_finite()) {
            let expected = "a positive, finite scale with such a square";
            return Err(ShapeError::new(Self::title(), expected, self.scale.to_string()));
        }
        // Pixels have numbers of 32 bits.
        Planes::new(Self::title(), x)?;
        Ok(x)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        if pass.output.is_empty() {
            return;
        }
        let size = Size::new(pass.shape);
        let Size { height, width, channels, .. } = size;
        let (x, curvature) = (pass.inputs[0].data, pass.inputs[1].data);
        // An erosion is the dilation of the negated values, the keys, and negated again. Nothing of
        // that is rounded.
        let sign = T::of(L::SIGN);

        let strip_count = size.strips();
        let length = (LANES + 1) * (size.row_blocks() * width + strip_count * height);
        pass.scratch.resize(length, T::zero());
        pass.saved.indices.resize(length, 0);
        // The strips come first: their winners are what the backward pass looks for.
        let (strips, rows) = pass.scratch.split_at_mut((LANES + 1) * strip_count * height);
        let (strip_words, row_words) =
            pass.saved.indices.split_at_mut((LANES + 1) * strip_count * height);

        let (values, words) = (&mut rows[..], &mut row_words[..]);
        // A piece has a line for each lane and one more: of the keys, and of the envelope.
        parallel::for_each_pair(
            (values, (LANES + 1) * width),
            (words, (LANES + 1) * width),
            |block, values, words| {
                let (rows, keys) = values.split_at_mut(LANES * width);
                let (winners, memory) = words.split_at_mut(LANES * width);
                let rows = rows.chunks_exact_mut(width).zip(winners.chunks_exact_mut(width));
                for (line, (row, winners)) in (block * LANES..size.planes * height).zip(rows) {
                    let (plane, i) = (line / height, line % height);
                    let (drop, at) = (self.drop(curvature[plane % channels]), size.pixels(plane));
                    keys.iter_mut()
                        .enumerate()
                        .for_each(|(j, key)| *key = sign * x[at(i * width + j)]);
                    let envelope = Envelope::build(memory, drop, keys);
                    row.fill(T::neg_infinity());
                    envelope.segments(|vertex, positions| {
                        let top = keys[vertex].f64();
                        winners[positions.clone()].fill(vertex as u32);
                        for (j, y) in positions.clone().zip(&mut row[positions]) {
                            *y = T::of(top - drop * square(j, vertex));
                        }
                    });
                }
            },
        );

        let (rows, row_winners) = (&rows[..], &row_words[..]);
        let (values, words) = (&mut strips[..], &mut strip_words[..]);
        parallel::for_each_pair(
            (values, (LANES + 1) * height),
            (words, (LANES + 1) * height),
            |strip, values, words| {
                let (winners, memory) = words.split_at_mut(LANES * height);
                let (plane, columns) = size.strip(strip);
                let (drop, at) = (self.drop(curvature[plane % channels]), size.pixels(plane));
                let (values, keys) = values.split_at_mut(LANES * height);
                for (i, values) in values.chunks_exact_mut(LANES).enumerate() {
                    let row = &rows[size.row(plane, i)..][..width];
                    values[..columns.len()].copy_from_slice(&row[columns.clone()]);
                }
                for (lane, j) in columns.enumerate() {
                    for (key, values) in keys.iter_mut().zip(values.chunks_exact_mut(LANES)) {
                        *key = values[lane];
                    }
                    let envelope = Envelope::build(memory, drop, keys);
                    if envelope.tops.is_empty() {
                        for place in (lane..LANES * height).step_by(LANES) {
                            (values[place], winners[place]) = (L::bottom(), NOBODY);
                        }
                    }
                    envelope.segments(|vertex, positions| {
                        let column = row_winners[size.row(plane, vertex) + j] as usize;
                        let winner = vertex * width + column;
                        let (top, along) = ((sign * x[at(winner)]).f64(), square(j, column));
                        for i in positions {
                            let y = T::of(top - drop * (square(i, vertex) + along));
                            values[i * LANES + lane] = sign * y;
                            winners[i * LANES + lane] = winner as u32;
                        }
                    });
                }
            },
        );

        let strips = &strips[..];
        parallel::for_each_piece(pass.output, width * channels, |line, y| {
            let (image, i) = (line / height, line % height);
            for c in 0..channels {
                let first = (image * channels + c) * size.strips_a_plane();
                for (j, y) in y.iter_mut().skip(c).step_by(channels).enumerate() {
                    *y = strips[(first + j / LANES) * (LANES + 1) * height + i * LANES + j % LANES];
                }
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if pass.grad_output.is_empty() {
            return;
        }
        let size = Size::new(pass.output.shape);
        let Size { height, width, channels, .. } = size;
        // Calls `f(output, winner)` with the pixels of a strip that somebody has won.
        let each = |strip: usize, f: &mut dyn FnMut(usize, usize)| {
            let (_, columns) = size.strip(strip);
            let words = &pass.saved.indices[strip * (LANES + 1) * height..][..LANES * height];
            for (i, winners) in words.chunks_exact(LANES).enumerate() {
                for (j, winner) in
                    columns.clone().zip(winners).filter(|(_, winner)| **winner != NOBODY)
                {
                    f(i * width + j, *winner as usize);
                }
            }
        };
        let [dx, d_curvature, ..] = pass.grad_inputs;
        if let Some(dx) = dx {
            let strips = channels * size.strips_a_plane();
            parallel::for_each_piece(dx, height * width * channels, |image, dx| {
                for strip in image * strips..(image + 1) * strips {
                    let plane = size.strip(strip).0;
                    let (c, at) = (plane % channels, size.pixels(plane));
                    each(strip, &mut |p, q| dx[q * channels + c] += pass.grad_output[at(p)]);
                }
            });
        }
        if let Some(d_curvature) = d_curvature {
            let slope = |squares: f64| T::of(-L::SIGN * squares / self.unit());
            let strips = [size.strips(), LANES * size.height];
            parallel::sum_into(d_curvature, strips, pass.scratch, |strips, d_curvature| {
                for strip in strips {
                    let plane = size.strip(strip).0;
                    let (c, at) = (plane % channels, size.pixels(plane));
                    each(strip, &mut |p, q| {
                        let squares = square(p / width, q / width) + square(p % width, q % width);
                        d_curvature[c] += slope(squares) * pass.grad_output[at(p)];
                    });
                }
            });
        }
    }
}

/// The sizes of a batch, and how it is cut into tasks: the rows of all planes (a channel of an
/// image each) into blocks, the columns of each plane into strips.
#[derive(Clone, Copy)]
struct Size {
    planes: usize,
    height: usize,
    width: usize,
    channels: usize,
}

impl Size {
    fn new(shape: Shape) -> Self {
        let &[batch, height, width, channels] = shape.dims() else {
            unreachable!("shapes were inferred")
        };
        Self { planes: batch * channels, height, width, channels }
    }

    fn row_blocks(&self) -> usize {
        (self.planes * self.height).div_ceil(LANES)
    }

    fn strips_a_plane(&self) -> usize {
        self.width.div_ceil(LANES)
    }

    fn strips(&self) -> usize {
        self.planes * self.strips_a_plane()
    }

    /// The plane and the columns of a strip.
    fn strip(&self, strip: usize) -> (usize, Range<usize>) {
        let first = strip % self.strips_a_plane() * LANES;
        (strip / self.strips_a_plane(), first..(first + LANES).min(self.width))
    }

    /// Where row `i` of a plane starts among the blocks, each of which ends with a line of
    /// workspace.
    fn row(&self, plane: usize, i: usize) -> usize {
        let line = plane * self.height + i;
        (line / LANES * (LANES + 1) + line % LANES) * self.width
    }

    /// Where each pixel of a plane is in the tensors.
    fn pixels(&self, plane: usize) -> impl Fn(usize) -> usize + use<> {
        let channels = self.channels;
        let first = plane / channels * self.height * self.width * channels + plane % channels;
        move |pixel| first + pixel * channels
    }
}

#[inline(always)]
fn square(a: usize, b: usize) -> f64 {
    let distance = a as f64 - b as f64;
    distance * distance
}

/// The upper envelope of the parabolas on a line, in the caller's memory.
///
/// At position $i$ the parabola of $q$ has the height $(k_q - a q^2) + 2 a i \cdot q - a i^2$: to
/// be the highest there is to be the farthest of the points $(q, k_q - a q^2)$ in a direction. So
/// the envelope is the upper convex hull of these points, and is found without a division.
struct Envelope<'a, T> {
    keys: &'a [T],
    drop: f64,
    /// The positions of the hull's points, ascending.
    tops: &'a [u32],
}

/// A position on a line, and the key there.
#[derive(Clone, Copy)]
struct Vertex {
    position: usize,
    height: f64,
}

impl<'a, T: Real> Envelope<'a, T> {
    /// The envelope of the parabolas that fall by `drop` at one pixel from each key. A key that is
    /// NaN or $-\infty$ has none.
    #[inline(always)]
    fn build(memory: &'a mut [u32], drop: f64, keys: &'a [T]) -> Self {
        let mut tops = 0;
        if let Some(first) = keys.iter().position(|key| *key == T::infinity()) {
            (memory[0], tops) = (first as u32, 1);
        } else {
            for position in (0..keys.len()).filter(|position| keys[*position] > T::neg_infinity()) {
                let new = vertex(keys, position);
                while tops > 1 {
                    let [before, top] =
                        [tops - 2, tops - 1].map(|k| vertex(keys, memory[k] as usize));
                    if !is_covered(drop, before, top, new) {
                        break;
                    }
                    tops -= 1;
                }
                memory[tops] = position as u32;
                tops += 1;
            }
        }
        Self { keys, drop, tops: &memory[..tops] }
    }

    /// Calls `f(vertex, positions)` with each top and the positions at which it wins. These follow
    /// one another and leave none out, unless there is no top.
    #[inline(always)]
    fn segments(&self, mut f: impl FnMut(usize, Range<usize>)) {
        let count = self.tops.len();
        // Parabolas that fall win on their own side of a crossing, those that rise on the other.
        let top =
            |step: usize| self.tops[if self.drop < 0.0 { count - 1 - step } else { step }] as usize;
        let mut start = 0;
        for step in 0..count {
            let end = match step + 1 {
                next if next < count => {
                    let [old, new] = [step, next].map(|step| vertex(self.keys, top(step)));
                    (first_win(self.drop, old, new) as usize).clamp(start, self.keys.len())
                }
                _ => self.keys.len(),
            };
            f(top(step), start..end);
            start = end;
        }
    }
}

#[inline(always)]
fn vertex<T: Real>(keys: &[T], position: usize) -> Vertex {
    Vertex { position, height: keys[position].f64().clamp(-LIMIT, LIMIT) }
}

/// Whether the parabola between two others wins nowhere, or only where the first is as high.
#[inline(always)]
fn is_covered(drop: f64, before: Vertex, between: Vertex, after: Vertex) -> bool {
    let left = (between.position - before.position) as f64;
    let right = (after.position - between.position) as f64;
    let (rise, next_rise) = (between.height - before.height, after.height - between.height);
    rise * right + drop * (left * right * (left + right)) <= next_rise * left
}

/// The first position at which `new` wins against `old`, which is before it, or behind it if they
/// rise. Where they are tied, the one that is first on the line wins.
#[inline(always)]
fn first_win(drop: f64, old: Vertex, new: Vertex) -> u32 {
    let (first, second) = if drop < 0.0 { (new, old) } else { (old, new) };
    let shift =
        (first.height - second.height) / (2.0 * drop * (second.position - first.position) as f64);
    // Two equal heights on a flat line: tied everywhere.
    let shift = if shift.is_nan() { f64::INFINITY } else { shift };
    let crossing = 0.5 * (first.position + second.position) as f64 + shift;
    // The conversion to whole numbers cuts towards 0 and saturates.
    let whole = crossing as u32;
    if drop < 0.0 {
        whole.saturating_add(u32::from(f64::from(whole) < crossing))
    } else if crossing < 0.0 {
        0
    } else {
        whole.saturating_add(1)
    }
}

#[cfg(test)]
mod tests;
