//! The kernels of dilation and erosion: a row of outputs, and where each of them took its value
//! from.
//!
//! The one design choice: a block of accumulators stays in registers while the taps of the window
//! go by, and a tap costs one addition and one maximum a vector (and two selections where the
//! winner is asked for). From four filters on the lanes are filters and the block is neighbouring
//! pixels, each broadcast; with fewer the lanes are neighbouring pixels. [`Planes`] makes both
//! adjacent in memory.

use std::marker::PhantomData;

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::simd::{Level, VectorKernel, dispatch_vectors_at};
use morphograd_nn::tensor::{MAX_LANES, Real, Vector, parallel};

use crate::dilation::layout::{FILTERS_IN_LANES, Layout, NONE, room};
use crate::dilation::planes::Planes;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// Calls `f(line, outputs, winners)` for every row of outputs, counted over all images, in
/// parallel. `lengths` are those of a row of outputs and of its winners; there are none without
/// memory for them.
pub(crate) fn for_each_row<T: Real>(
    output: &mut [T],
    winners: Option<&mut Vec<u16>>,
    lengths: [usize; 2],
    f: impl Fn(usize, &mut [T], &mut [u16]) + Send + Sync,
) {
    match winners {
        Some(winners) => {
            winners.resize(output.len() / lengths[0] * lengths[1], 0);
            parallel::for_each_pair((output, lengths[0]), (winners, lengths[1]), f);
        }
        None => parallel::for_each_piece(output, lengths[0], |line, y| f(line, y, &mut [])),
    }
}

/// One row of outputs.
pub(crate) struct Row<'a, T, L> {
    pub(crate) level: Level,
    pub(crate) place: &'a WindowLayout,
    pub(crate) planes: &'a Planes,
    /// The planes of one image.
    pub(crate) image: &'a [T],
    /// The distance of every tap from its window's first pixel, in the order of the search.
    pub(crate) offsets: &'a [u32],
    /// The kernel `[channel][tap][filter]`, the taps in that order, with [`room`].
    pub(crate) packed: &'a [T],
    pub(crate) i: usize,
    pub(crate) layout: Layout,
    pub(crate) ties: Ties,
    pub(crate) y: &'a mut [T],
    /// The winning taps, `[channel][column][filter]`; empty when nobody needs them.
    pub(crate) winners: &'a mut [u16],
    pub(crate) lattice: PhantomData<L>,
}

/// Some filters of a row in the lanes of a vector or of its half. Every combination of constants is
/// a kernel of its own, so that the compiler looks at one at a time.
struct FiltersInLanes<'r, 'a, T, L, const HALF: bool, const WINNERS: bool> {
    row: &'r mut Row<'a, T, L>,
    /// The first filter that is not done yet.
    f: &'r mut usize,
}

/// A row with neighbouring pixels in the lanes.
struct PixelsInLanes<'r, 'a, T, L, const WINNERS: bool>(&'r mut Row<'a, T, L>);

impl<T: Real, L: Lattice, const HALF: bool, const WINNERS: bool> VectorKernel<T>
    for FiltersInLanes<'_, '_, T, L, HALF, WINNERS>
{
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        // As many as fit, in the narrowest vectors that hold them.
        let left = self.row.layout.filters - *self.f;
        if HALF {
            self.row.filters::<V::Half, WINNERS>(*self.f);
            *self.f += V::Half::LANES;
        } else if left > V::Half::LANES {
            self.row.filters::<V, WINNERS>(*self.f);
            *self.f += V::LANES;
        }
    }
}

impl<T: Real, L: Lattice, const WINNERS: bool> VectorKernel<T>
    for PixelsInLanes<'_, '_, T, L, WINNERS>
{
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let Row { place, layout, .. } = *self.0;
        for c in 0..place.channels {
            for f in 0..layout.filters {
                self.0.pixels::<V, WINNERS>(c, f);
            }
        }
    }
}

impl<T: Real, L: Lattice> Row<'_, T, L> {
    /// Overwrites the outputs and, if there is room for them, the winners.
    pub(crate) fn compute(&mut self) {
        if self.winners.is_empty() {
            self.track::<false>();
        } else {
            self.track::<true>();
        }
    }

    fn track<const WINNERS: bool>(&mut self) {
        if self.layout.filters < FILTERS_IN_LANES {
            dispatch_vectors_at(self.level, PixelsInLanes::<T, L, WINNERS>(self));
        } else {
            let (level, mut f) = (self.level, 0);
            while f < self.layout.filters {
                let first = f;
                dispatch_vectors_at(
                    level,
                    FiltersInLanes::<T, L, false, WINNERS> { row: self, f: &mut f },
                );
                if f == first {
                    dispatch_vectors_at(
                        level,
                        FiltersInLanes::<T, L, true, WINNERS> { row: self, f: &mut f },
                    );
                }
            }
        }
        if WINNERS && self.place.may_miss() {
            self.strike_out();
        }
    }

    /// All columns, as many filters as lanes.
    #[inline(always)]
    fn filters<V: Vector<T>, const WINNERS: bool>(&mut self, f: usize) {
        // As many pixels at a time as there are registers for: a best candidate, its tap and a sum
        // over the channels each. An incomplete block at the end of a row is computed as a whole
        // one.
        let (columns, many) = (self.place.extent.output[1], V::REGISTERS >= 32);
        if many && columns.next_multiple_of(8) <= columns.next_multiple_of(6) {
            self.filter_blocks::<V, 8, WINNERS>(f);
        } else if many {
            self.filter_blocks::<V, 6, WINNERS>(f);
        } else {
            self.filter_blocks::<V, 4, WINNERS>(f);
        }
    }

    #[inline(always)]
    fn filter_blocks<V: Vector<T>, const P: usize, const WINNERS: bool>(&mut self, f: usize) {
        let columns = self.place.extent.output[1];
        if columns < P {
            for j in 0..columns {
                self.filter_block::<V, 1, WINNERS>(j, f);
            }
            return;
        }
        for j in (0..columns).step_by(P) {
            // The last block overlaps the one before it: computed twice, a pixel is the same.
            self.filter_block::<V, P, WINNERS>(j.min(columns - P), f);
        }
    }

    /// The columns from `j` on, the filters from `f` on, all channels.
    #[inline(always)]
    fn filter_block<V: Vector<T>, const P: usize, const WINNERS: bool>(
        &mut self,
        j: usize,
        f: usize,
    ) {
        let (filters, channels) = (self.layout.filters, self.place.channels);
        let n = V::LANES.min(filters - f);
        let room = room(filters);
        let columns = self.place.extent.output[1];
        let mut sum = [V::splat(T::zero()); P];
        for c in 0..channels {
            let (kernel, start) = (self.kernel(c, room), self.start(c, j));
            let mut best = [V::splat(L::bottom()); P];
            let mut winner = [V::splat(T::zero()); P];
            if WINNERS && self.place.is_padded() {
                for p in 0..P {
                    winner[p] = V::splat(T::of(self.default_winner(j + p) as f64));
                }
            }
            let (mut tap, one) = (V::splat(T::zero()), V::splat(T::one()));
            for (offset, entries) in self.offsets.iter().zip(kernel.chunks_exact(room)) {
                let w = V::load(&entries[f..]);
                let line = &self.image[start + *offset as usize..][..P];
                for p in 0..P {
                    step::<T, V, L, WINNERS>(
                        V::splat(line[p]),
                        w,
                        tap,
                        &mut best[p],
                        &mut winner[p],
                    );
                }
                if WINNERS {
                    tap = tap.add(one);
                }
            }
            if WINNERS {
                let winners = &mut self.winners[(c * columns + j) * filters..][..P * filters];
                for (winners, winner) in winners.chunks_exact_mut(filters).zip(winner) {
                    let winners = &mut winners[f..];
                    if n == V::LANES {
                        winner.store_indices(winners);
                    } else {
                        let mut lanes = [0; MAX_LANES];
                        winner.store_indices(&mut lanes);
                        copy_to(&lanes[..n], winners, 1);
                    }
                }
            }
            if self.layout.marginal {
                let outputs = filters * channels;
                let y = &mut self.y[j * outputs..][..P * outputs];
                for (y, best) in y.chunks_exact_mut(outputs).zip(best) {
                    let mut lanes = [T::zero(); MAX_LANES];
                    best.store(&mut lanes);
                    copy_to(&lanes[..n], &mut y[f * channels + c..], channels);
                }
            } else {
                for p in 0..P {
                    sum[p] = if c == 0 { best[p] } else { sum[p].add(best[p]) };
                }
            }
        }
        if !self.layout.marginal {
            let y = &mut self.y[j * filters..][..P * filters];
            for (y, sum) in y.chunks_exact_mut(filters).zip(sum) {
                if n == V::LANES {
                    sum.store(&mut y[f..]);
                } else {
                    let mut lanes = [T::zero(); MAX_LANES];
                    sum.store(&mut lanes);
                    copy_to(&lanes[..n], &mut y[f..], 1);
                }
            }
        }
    }

    /// All columns, as many of them as lanes, one filter.
    #[inline(always)]
    fn pixels<V: Vector<T>, const WINNERS: bool>(&mut self, c: usize, f: usize) {
        let columns = self.place.extent.output[1];
        let mut j = 0;
        while j + 6 * V::LANES <= columns {
            self.pixel_block::<V, 6, WINNERS>(c, j, f);
            j += 6 * V::LANES;
        }
        while j < columns {
            self.pixel_block::<V, 1, WINNERS>(c, j, f);
            j += V::LANES;
        }
    }

    /// The columns from `j` on, one channel, one filter.
    #[inline(always)]
    fn pixel_block<V: Vector<T>, const B: usize, const WINNERS: bool>(
        &mut self,
        c: usize,
        j: usize,
        f: usize,
    ) {
        let filters = self.layout.filters;
        let (kernel, start) = (self.kernel(c, filters), self.start(c, j));
        let n = (B * V::LANES).min(self.place.extent.output[1] - j);
        let mut best = [V::splat(L::bottom()); B];
        let mut winner = [V::splat(T::zero()); B];
        if WINNERS && self.place.is_padded() {
            for b in 0..B {
                let mut lanes = [T::zero(); MAX_LANES];
                for (lane, first) in lanes[..V::LANES].iter_mut().enumerate() {
                    *first = T::of(self.default_winner(j + b * V::LANES + lane) as f64);
                }
                winner[b] = V::load(&lanes);
            }
        }
        let (mut tap, one) = (V::splat(T::zero()), V::splat(T::one()));
        for (offset, entries) in self.offsets.iter().zip(kernel.chunks_exact(filters)) {
            let w = V::splat(entries[f]);
            let line = &self.image[start + *offset as usize..];
            if B > 1 {
                let line = &line[..B * V::LANES];
                for b in 0..B {
                    let x = V::load(&line[b * V::LANES..]);
                    step::<T, V, L, WINNERS>(x, w, tap, &mut best[b], &mut winner[b]);
                }
            } else {
                // The lanes beyond the last column read what comes next, or nothing at the end of
                // the image.
                let x = V::load_start(line);
                step::<T, V, L, WINNERS>(x, w, tap, &mut best[0], &mut winner[0]);
            }
            if WINNERS {
                tap = tap.add(one);
            }
        }
        let outputs = self.layout.outputs(self.place.channels);
        let (output, adds) = match self.layout.marginal {
            true => (f * self.place.channels + c, false),
            false => (f, c > 0),
        };
        for b in 0..B {
            let j = j + b * V::LANES;
            let n = n.saturating_sub(b * V::LANES).min(V::LANES);
            if outputs == 1 && n == V::LANES && !adds {
                best[b].store(&mut self.y[j..]);
            } else {
                let mut lanes = [T::zero(); MAX_LANES];
                best[b].store(&mut lanes);
                let y = &mut self.y[j * outputs + output..];
                if adds {
                    y.iter_mut()
                        .step_by(outputs)
                        .zip(&lanes[..n])
                        .for_each(|(y, best)| *y += *best);
                } else {
                    copy_to(&lanes[..n], y, outputs);
                }
            }
            if WINNERS {
                let at = (c * self.place.extent.output[1] + j) * filters + f;
                let mut lanes = [0; MAX_LANES];
                winner[b].store_indices(&mut lanes);
                copy_to(&lanes[..n], &mut self.winners[at..], filters);
            }
        }
    }

    /// The kernel of a channel.
    #[inline(always)]
    fn kernel(&self, c: usize, room: usize) -> &[T] {
        let len = self.place.window.taps() * room;
        &self.packed[c * len..][..len]
    }

    /// Where the first pixel of a window is.
    #[inline(always)]
    fn start(&self, c: usize, j: usize) -> usize {
        c * self.planes.channel_len() + self.i * self.planes.row() + j
    }

    /// The winner where no candidate beats the bottom.
    #[inline(always)]
    fn default_winner(&self, j: usize) -> usize {
        self.place.in_order(self.ties, self.place.default_tap(self.ties, [self.i, j]))
    }

    /// Marks the winners that lie in the infinity around the image: there is nothing they could
    /// stand for.
    #[cold]
    fn strike_out(&mut self) {
        let (columns, filters) = (self.place.extent.output[1], self.layout.filters);
        for (position, winners) in self.winners.chunks_exact_mut(filters).enumerate() {
            for winner in winners {
                let tap = self.place.in_order(self.ties, usize::from(*winner));
                if !self.place.counts([self.i, position % columns], tap) {
                    *winner = NONE;
                }
            }
        }
    }
}

/// Spreads lanes over every `step`-th element. Not inlined, to keep the kernels' loops simple.
#[inline(never)]
fn copy_to<U: Copy>(lanes: &[U], to: &mut [U], step: usize) {
    to.iter_mut().step_by(step).zip(lanes).for_each(|(to, lane)| *to = *lane);
}

/// One tap: the candidate of each lane takes the place of the best so far if it beats it.
#[inline(always)]
fn step<T: Real, V: Vector<T>, L: Lattice, const WINNERS: bool>(
    x: V,
    w: V,
    tap: V,
    best: &mut V,
    winner: &mut V,
) {
    let candidate = L::candidates::<T, V>(x, w);
    if WINNERS {
        let wins = L::wins::<T, V>(candidate, *best);
        *best = V::select(wins, candidate, *best);
        *winner = V::select(wins, tap, *winner);
    } else {
        *best = L::best::<T, V>(candidate, *best);
    }
}
