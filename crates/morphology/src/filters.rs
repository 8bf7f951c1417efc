//! Dilation and erosion by a bank of filters, the channels summed: the computation of the `Dilation2d` and `Erosion2d` layers.
//!
//! $$y_{b,i,j,f} = \sum_c \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c,f}$$ for a dilation; an erosion takes the minimum of
//! $x - w_{k-1-d}$. The filters are the innermost axis and run in the vector lanes: a tap costs one broadcast pixel, one addition and
//! one comparison for a whole vector of filters.

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Add, Backward, Forward, Graph, Op, ParamId, Ties, Var};
use morphograd_nn::tensor::simd::{Kernel, dispatch};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d, parallel};
use morphograd_nn::{Activation, BuildError, Builder, Layer, Weight};

use crate::subgradient::{Layout, Subgradient};
use crate::window::Placement;
use crate::{Border, Lattice, Scan2d};

/// Filters computed together: one AVX2 vector of `f32`.
const LANES: usize = 8;

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) by filters. Inputs: images `[batch, height, width, channels]` and a kernel `[kh, kw,
/// channels, filters]`; output `[batch, rows, columns, filters]`, or with [`Filters2d::marginal`] `[batch, rows, columns,
/// filters * channels]`.
///
/// - **Border**: pixels outside the image never win (padding by $-\infty$ for a dilation, $+\infty$ for an erosion), unless
///   another [`Border`] is chosen.
/// - **Orientation**: a dilation does not mirror its kernel, an erosion does.
/// - **Ties**: the first tied position in raster order of the window gets the whole gradient, in the image and in the kernel, unless
///   another rule is chosen ([`Ties`]).
/// - **NaN** never wins; a window of NaN only gives the bottom ($-\infty$ for a dilation).
/// - **Cost**: one addition and one comparison for each output, channel and tap; backward two additions for each output and channel.
#[derive(Debug, Clone, Copy)]
pub struct Filters2d<L> {
    window: Window2d,
    border: Border,
    ties: Ties,
    marginal: bool,
    lattice: PhantomData<L>,
}

impl<L: Lattice> Filters2d<L> {
    /// The operation for a window, or a [`Scan2d`] with other rules than the default ones; the kernel has to have the window's size.
    pub fn new(scan: impl Into<Scan2d>) -> Self {
        let Scan2d { window, border, ties } = scan.into();
        Self { window, border, ties, marginal: false, lattice: PhantomData }
    }

    /// Without the sum over the channels: filter `f` on channel `c` gives the output channel `f * channels + c`.
    #[must_use]
    pub fn marginal(self) -> Self {
        Self { marginal: true, ..self }
    }

    fn place(&self, x: Shape) -> Result<Placement, ShapeError> {
        Placement::new(L::NAME, self.window, self.border, x)
    }
}

impl<T: Real, L: Lattice> Op<T> for Filters2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let place = self.place(inputs[0])?;
        let [kh, kw] = self.window.size;
        match *inputs[1].dims() {
            [h, w, c, filters] if [h, w] == [kh, kw] && c == place.channels => {
                let [rows, columns] = place.extent.output;
                let layout = Layout { filters, marginal: self.marginal };
                Ok([inputs[0].dims()[0], rows, columns, layout.outputs(c)].into())
            }
            _ => Err(ShapeError::new(
                L::NAME,
                format!("a kernel [{kh}, {kw}, {}, filters]", place.channels),
                format!("shape {}", inputs[1]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (x, kernel) = (pass.inputs[0], pass.inputs[1]);
        let place = self.place(x.shape).expect("shapes were inferred");
        let layout = Layout { filters: kernel.shape.dims()[3], marginal: self.marginal };
        let images = place.pad::<T, L>(x, pass.scratch);
        pack::<T, L>(&place, kernel.data, layout.filters, &mut pass.saved.values);
        let packed = &pass.saved.values[..];

        let [rows, columns] = place.extent.output;
        let row = columns * layout.outputs(place.channels);
        let task = |index: usize, y: &mut [T], winners: &mut [u32]| {
            dispatch(Row::<T, L> {
                place: &place,
                image: &images[index / rows * place.padded_len()..][..place.padded_len()],
                packed,
                i: index % rows,
                layout,
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
            let winners = columns * layout.filters * place.channels;
            pass.saved.indices.resize(steps + pass.output.len() / row * winners, 0);
            parallel::for_each_pair((pass.output, row), (&mut pass.saved.indices[steps..], winners), task);
        } else {
            parallel::for_each_piece(pass.output, row, |index, y| task(index, y, &mut []));
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let layout = Layout { filters: pass.inputs[1].shape.dims()[3], marginal: self.marginal };
        let [dx, dw, ..] = pass.grad_inputs;
        Subgradient {
            place: &place,
            layout,
            ties: self.ties,
            x: pass.inputs[0].data,
            kernel: pass.inputs[1].data,
            saved: &pass.saved.indices,
            grad: pass.grad_output,
        }
        .add::<L>(dx, dw, pass.scratch);
    }
}

/// A bank of filters with its parameters: what `Dilation2d` and `Erosion2d` build.
#[derive(Debug)]
pub(crate) struct FilterLayer<L> {
    op: Filters2d<L>,
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<L: Lattice> FilterLayer<L> {
    pub(crate) fn build<T: Real>(
        builder: &mut Builder<'_, T>,
        input: Shape,
        op: Filters2d<L>,
        filters: usize,
        kernel: Weight<T>,
        bias: Option<Weight<T>>,
        activation: Activation,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        if filters == 0 {
            return Err(ShapeError::new(L::NAME, "at least one filter", "0").into());
        }
        // Before a kernel is drawn: a window that does not fit may be of any size.
        let channels = op.place(input.batched(1))?.channels;
        let [kh, kw] = op.window.size;
        let kernel = builder.param("kernel", [kh, kw, channels, filters].into(), kernel)?;
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        Ok(Box::new(Self { op, kernel, bias, activation }))
    }
}

impl<T: Real, L: Lattice> Layer<T> for FilterLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let mut y = graph.apply(self.op, [x, kernel])?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}

/// Rearranges the kernel as `[group of filters][channel][tap][lane]`, mirrored if the lattice says so; lanes without a filter hold
/// $-\infty$, which never wins.
fn pack<T: Real, L: Lattice>(place: &Placement, kernel: &[T], filters: usize, packed: &mut Vec<T>) {
    let (taps, channels) = (place.window.taps(), place.channels);
    packed.clear();
    for group in 0..filters.div_ceil(LANES) {
        for (c, tap) in (0..channels).flat_map(|c| (0..taps).map(move |tap| (c, tap))) {
            let entries = &kernel[(place.entry::<L>(tap) * channels + c) * filters..][..filters];
            let lanes = (0..LANES).map(|lane| entries.get(group * LANES + lane).copied());
            packed.extend(lanes.map(|entry| entry.unwrap_or_else(T::neg_infinity)));
        }
    }
}

/// One row of outputs.
struct Row<'a, T, L> {
    place: &'a Placement,
    /// One image, padded.
    image: &'a [T],
    packed: &'a [T],
    i: usize,
    layout: Layout,
    /// Whether the last of tied candidates wins.
    last: bool,
    y: &'a mut [T],
    /// The winning taps, `[column][channel][filter]`; empty when nobody needs them.
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
    /// All groups of filters and all channels of the row.
    #[inline(always)]
    fn row<const WINNERS: bool, const LAST: bool>(&mut self) {
        let kernel_len = self.place.window.taps() * LANES;
        for (n, kernel) in self.packed.chunks_exact(kernel_len).enumerate() {
            let (group, c) = (n / self.place.channels, n % self.place.channels);
            for j in 0..self.place.extent.output[1] {
                self.pixel::<WINNERS, LAST>(kernel, group * LANES, c, j);
            }
        }
    }

    /// One pixel, `LANES` filters, one channel. The processor overlaps the chains of neighbouring pixels by itself; a larger block in
    /// the source keeps the compiler from using vectors.
    #[inline(always)]
    fn pixel<const WINNERS: bool, const LAST: bool>(
        &mut self,
        kernel: &[T],
        first: usize,
        c: usize,
        j: usize,
    ) {
        let Placement { window, extent, channels, .. } = *self.place;
        let mut best = [L::bottom::<T>(); LANES];
        let mut winner = [0u32; LANES];
        if WINNERS && self.place.is_padded() {
            winner = [self.place.first_tap([self.i, j]); LANES];
        }
        let row_len = extent.padded[1] * channels;
        let (stride, rate) = (window.strides[1] * channels, window.rates[1] * channels);
        let mut taps = kernel.as_chunks::<LANES>().0.iter();
        let mut tap = 0u32;
        for dy in 0..window.size[0] {
            let line =
                &self.image[(self.i * window.strides[0] + dy * window.rates[0]) * row_len..][..row_len];
            for dx in 0..window.size[1] {
                let Some(w) = taps.next() else { return };
                let x = line[j * stride + dx * rate + c];
                for lane in 0..LANES {
                    let candidate = L::candidate(x, w[lane]);
                    let wins = L::replaces::<T, LAST>(candidate, best[lane]);
                    best[lane] = if wins { candidate } else { best[lane] };
                    if WINNERS {
                        winner[lane] = if wins { tap } else { winner[lane] };
                    }
                }
                tap += 1;
            }
        }
        // Copies: the length is known at run time only, and `best` itself has to stay in a register.
        let (best, winner) = (best, winner);
        let filters = self.layout.filters;
        let n = LANES.min(filters - first);
        if self.layout.marginal {
            let y = self.y[(j * filters + first) * channels + c..].iter_mut().step_by(channels);
            y.zip(&best[..n]).for_each(|(y, best)| *y = *best);
        } else {
            let y = &mut self.y[j * filters + first..][..n];
            if c == 0 {
                y.copy_from_slice(&best[..n]);
            } else {
                y.iter_mut().zip(&best).for_each(|(y, best)| *y += *best);
            }
        }
        if WINNERS {
            self.winners[(j * channels + c) * filters + first..][..n].copy_from_slice(&winner[..n]);
        }
    }
}
