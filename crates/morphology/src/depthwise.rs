//! Dilation and erosion of every channel by its own structuring function: the operators of image processing.
//!
//! $$y_{b,i,j,c} = \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c}$$ for a dilation; an erosion takes the minimum of $x - w_{k-1-d}$.
//! A row of outputs is computed tap by tap, all its pixels and channels in the vector lanes.

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Backward, Forward, Op, Ties};
use morphograd_nn::tensor::simd::{Kernel, dispatch};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d, parallel};

use crate::subgradient::{Layout, Subgradient};
use crate::window::Placement;
use crate::{Border, Lattice, Scan2d};

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) of every channel by its own kernel. Inputs: images `[batch, height, width, channels]`
/// and a kernel `[kh, kw, channels]`; output `[batch, rows, columns, channels]`.
///
/// Border, orientation, ties and NaN are those of [`Filters2d`](crate::Filters2d). Cost: one addition and one comparison for each
/// output and tap; backward two additions for each output.
#[derive(Debug, Clone, Copy)]
pub struct Depthwise2d<L> {
    window: Window2d,
    border: Border,
    ties: Ties,
    lattice: PhantomData<L>,
}

impl<L: Lattice> Depthwise2d<L> {
    /// The operation for a window, or a [`Scan2d`] with other rules than the default ones; the kernel has to have the window's size.
    pub fn new(scan: impl Into<Scan2d>) -> Self {
        let Scan2d { window, border, ties } = scan.into();
        Self { window, border, ties, lattice: PhantomData }
    }

    fn place(&self, x: Shape) -> Result<Placement, ShapeError> {
        Placement::new(L::NAME, self.window, self.border, x)
    }
}

impl<T: Real, L: Lattice> Op<T> for Depthwise2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let place = self.place(inputs[0])?;
        let [kh, kw] = self.window.size;
        if *inputs[1].dims() != [kh, kw, place.channels] {
            return Err(ShapeError::new(
                L::NAME,
                format!("a kernel [{kh}, {kw}, {}]", place.channels),
                format!("shape {}", inputs[1]),
            ));
        }
        let [rows, columns] = place.extent.output;
        Ok([inputs[0].dims()[0], rows, columns, place.channels].into())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (x, kernel) = (pass.inputs[0], pass.inputs[1]);
        let place = self.place(x.shape).expect("shapes were inferred");
        let images = place.pad::<T, L>(x, pass.scratch);
        let [rows, columns] = place.extent.output;
        let row = columns * place.channels;
        // A row of kernel entries beside a row of pixels, so that the inner loop reads both in order and vectorizes.
        pass.saved.values.clear();
        if place.channels > 1 && self.window.strides[1] == 1 {
            for entry in kernel.data.chunks_exact(place.channels) {
                for _ in 0..columns {
                    pass.saved.values.extend_from_slice(entry);
                }
            }
        }
        let tiled = &pass.saved.values[..];
        let task = |index: usize, y: &mut [T], winners: &mut [u32]| {
            dispatch(Row::<T, L> {
                place: &place,
                image: &images[index / rows * place.padded_len()..][..place.padded_len()],
                kernel: kernel.data,
                tiled,
                i: index % rows,
                last: self.ties == Ties::Last,
                y,
                winners,
                lattice: PhantomData,
            });
        };
        pass.saved.indices.clear();
        if pass.output.is_empty() {
            return;
        }
        if pass.needs_grad {
            place.push_steps(&mut pass.saved.indices);
        }
        if pass.needs_grad && self.ties != Ties::Split {
            let steps = pass.saved.indices.len();
            pass.saved.indices.resize(steps + pass.output.len(), 0);
            parallel::for_each_pair((pass.output, row), (&mut pass.saved.indices[steps..], row), task);
        } else {
            parallel::for_each_piece(pass.output, row, |index, y| task(index, y, &mut []));
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let [dx, dw, ..] = pass.grad_inputs;
        Subgradient {
            place: &place,
            layout: Layout { filters: 1, marginal: true },
            ties: self.ties,
            x: pass.inputs[0].data,
            kernel: pass.inputs[1].data,
            saved: &pass.saved.indices,
            grad: pass.grad_output,
        }
        .add::<L>(dx, dw, pass.scratch);
    }
}

/// One row of outputs.
struct Row<'a, T, L> {
    place: &'a Placement,
    /// One image, padded.
    image: &'a [T],
    kernel: &'a [T],
    /// Every entry (its channels) repeated for every column; empty where the loops do without.
    tiled: &'a [T],
    i: usize,
    /// Whether the last of tied candidates wins.
    last: bool,
    y: &'a mut [T],
    /// The winning taps; empty when nobody needs them.
    winners: &'a mut [u32],
    lattice: PhantomData<L>,
}

impl<T: Real, L: Lattice> Kernel for Row<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        match (self.winners.is_empty(), self.last) {
            (true, _) => self.row::<false, false>(),
            (false, false) => self.row::<true, false>(),
            (false, true) => self.row::<true, true>(),
        }
    }
}

impl<T: Real, L: Lattice> Row<'_, T, L> {
    #[inline(always)]
    fn row<const WINNERS: bool, const LAST: bool>(&mut self) {
        let Placement { window, extent, channels, .. } = *self.place;
        self.y.fill(L::bottom());
        if WINNERS {
            for (j, winners) in self.winners.chunks_exact_mut(channels).enumerate() {
                winners.fill(self.place.first_tap([self.i, j]));
            }
        }
        let row_len = extent.padded[1] * channels;
        for tap in 0..window.taps() {
            let (dy, dx) = (tap / window.size[1], tap % window.size[1]);
            let line =
                &self.image[(self.i * window.strides[0] + dy * window.rates[0]) * row_len..][..row_len];
            let line = &line[dx * window.rates[1] * channels..];
            let w = &self.kernel[self.place.entry::<L>(tap) * channels..][..channels];
            match (channels, window.strides[1]) {
                (1, 1) => self.tap::<WINNERS, LAST>(tap as u32, |k| line[k], |_| w[0]),
                (1, stride) => self.tap::<WINNERS, LAST>(tap as u32, |k| line[k * stride], |_| w[0]),
                (_, 1) => {
                    let n = self.y.len();
                    let (line, tiled) = (&line[..n], &self.tiled[self.place.entry::<L>(tap) * n..][..n]);
                    self.tap::<WINNERS, LAST>(tap as u32, |k| line[k], |k| tiled[k]);
                }
                (_, stride) => self.tap::<WINNERS, LAST>(
                    tap as u32,
                    |k| line[k / channels * stride * channels + k % channels],
                    |k| w[k % channels],
                ),
            }
        }
    }

    #[inline(always)]
    fn tap<const WINNERS: bool, const LAST: bool>(
        &mut self,
        tap: u32,
        x: impl Fn(usize) -> T,
        w: impl Fn(usize) -> T,
    ) {
        let n = self.y.len();
        let y = &mut self.y[..n];
        let winners = if WINNERS { &mut self.winners[..n] } else { &mut [][..] };
        for k in 0..n {
            let candidate = L::candidate(x(k), w(k));
            let wins = L::replaces::<T, LAST>(candidate, y[k]);
            y[k] = if wins { candidate } else { y[k] };
            if WINNERS {
                winners[k] = if wins { tap } else { winners[k] };
            }
        }
    }
}
