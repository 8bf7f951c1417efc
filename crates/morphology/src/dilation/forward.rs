//! The forward pass of dilation and erosion: a correlation in $(\max, +)$ or $(\min, -)$, and where
//! it took each of its values from.
//!
//! The one design choice: a block of accumulators stays in registers while the taps of the window
//! go by, and a tap costs one addition and one maximum a vector (and two selections where the
//! winner is asked for). From four filters on the lanes are filters and the block is neighbouring
//! pixels, each broadcast; with fewer the lanes are neighbouring pixels. [`Planes`] makes both
//! adjacent in memory.

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Forward, Saved, Ties};
use morphograd_nn::tensor::simd::{self, Level, VectorKernel};
use morphograd_nn::tensor::{MAX_LANES, Real, Vector, parallel};

use crate::Lattice;
use crate::dilation::backward::Layout;
use crate::dilation::fused_max_pool::{self, Search};
use crate::dilation::planes::Planes;
use crate::dilation::van_herk;
use crate::neighbourhood::window_layout::WindowLayout;

/// The winner of a window in which nothing counts.
pub(crate) const NONE: u16 = u16::MAX;

/// From this many filters on the lanes are filters.
pub(crate) const FILTERS_IN_LANES: usize = 4;

/// Whether the forward pass saves the winning taps: not where the gradient is divided among all
/// that are tied, and not of windows with more taps than can be counted. The backward pass then
/// looks for them.
pub(crate) fn saves_winners(place: &WindowLayout, ties: Ties) -> bool {
    ties != Ties::Split && place.candidates() < usize::from(NONE)
}

/// Computes the output from the images and a kernel `[taps][channels][filters]`. If a gradient may
/// be asked for, saves the offsets of the candidates in the order in which they were met
/// ([`WindowLayout::in_order`]) and, counted in this order, the winners,
/// `[image][row][channel][column][filter]`.
pub(crate) fn correlate<T: Real, L: Lattice>(
    pass: Forward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
    ties: Ties,
) {
    correlate_at::<T, L>(Level::best(), pass, place, layout, ties);
}

fn correlate_at<T: Real, L: Lattice>(
    level: Level,
    pass: Forward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
    ties: Ties,
) {
    let Forward { inputs: [x, kernel, ..], output, saved, scratch, needs_grad, .. } = pass else {
        unreachable!("an image and a kernel")
    };
    if output.is_empty() {
        return;
    }
    if !needs_grad
        && layout.filters == 1
        && let Some(height) = van_herk::height(place, kernel.data)
        && (layout.marginal || place.channels == 1)
    {
        return van_herk::correlate::<T, L>(level, place, *x, height, output, scratch);
    }
    let planes = Planes::new(*place);
    let laid_out = planes.lay_out::<T, L>(*x, scratch);
    let Saved { values: packed, indices: offsets, codes: winners } = saved;
    if place.block == [1, 1] {
        pack::<T, L>(place, kernel.data, layout.filters, ties, packed);
        offsets.clear();
        offsets.extend((0..place.window.taps()).map(|n| planes.offset(place.in_order(ties, n))));
    } else {
        fused_max_pool::pack::<T, L>(place, kernel.data, &planes, packed, offsets);
    }
    let taps = &offsets[..place.window.taps()];

    let [rows, columns] = place.extent.output;
    let row = columns * layout.outputs(place.channels);
    let task = |index: usize, y: &mut [T], winners: &mut [u16]| {
        let (image, i) = (index / rows, index % rows);
        let image = &laid_out[image * planes.image_len()..][..planes.image_len()];
        let mut row = Row::<T, L> {
            level,
            place,
            planes: &planes,
            image,
            offsets: taps,
            packed,
            i,
            layout,
            ties,
            y: &mut *y,
            winners: &mut *winners,
            lattice: PhantomData,
        };
        row.compute();
        if place.block != [1, 1] && !winners.is_empty() {
            let (image, filters, lattice) =
                (&image[i * planes.row()..], layout.filters, PhantomData::<L>);
            Search { image, packed, offsets: taps, filters, y, winners, lattice }.run(level);
        }
    };
    if needs_grad && saves_winners(place, ties) {
        let row_winners = columns * layout.filters * place.channels;
        winners.resize(output.len() / row * row_winners, 0);
        parallel::for_each_pair((output, row), (winners, row_winners), task);
    } else {
        parallel::for_each_piece(output, row, |index, y| task(index, y, &mut []));
    }
}

/// Runs a kernel on the vectors of a level, which is the best one but in tests: other programs need
/// no copy of the kernels for comparison.
#[inline]
pub(crate) fn at_level<T: Real, K: VectorKernel<T>>(level: Level, kernel: K) -> K::Output {
    #[cfg(test)]
    return simd::dispatch_vectors_at(level, kernel);
    #[cfg(not(test))]
    {
        let _ = level;
        simd::dispatch_vectors(kernel)
    }
}

/// How many filters a packed kernel has room for: whole vectors if they are lanes.
pub(crate) fn room(filters: usize) -> usize {
    if filters < FILTERS_IN_LANES { filters } else { filters.next_multiple_of(MAX_LANES) }
}

/// Rearranges the kernel as `[channel][tap][filter]`, the taps in the order of the scan, mirrored
/// if the lattice says so; room without a filter holds 0, whose results are not used.
fn pack<T: Real, L: Lattice>(
    place: &WindowLayout,
    kernel: &[T],
    filters: usize,
    ties: Ties,
    packed: &mut Vec<T>,
) {
    let (taps, channels, room) = (place.window.taps(), place.channels, room(filters));
    packed.clear();
    for (c, n) in (0..channels).flat_map(|c| (0..taps).map(move |n| (c, n))) {
        let entry = place.entry::<L>(place.in_order(ties, n));
        packed.extend_from_slice(&kernel[(entry * channels + c) * filters..][..filters]);
        packed.extend((filters..room).map(|_| T::zero()));
    }
}

/// One row of outputs.
struct Row<'a, T, L> {
    level: Level,
    place: &'a WindowLayout,
    planes: &'a Planes,
    /// The planes of one image.
    image: &'a [T],
    offsets: &'a [u32],
    packed: &'a [T],
    i: usize,
    layout: Layout,
    ties: Ties,
    y: &'a mut [T],
    /// The winning taps, `[channel][column][filter]`; empty when nobody needs them.
    winners: &'a mut [u16],
    lattice: PhantomData<L>,
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
    fn compute(&mut self) {
        let found_later = self.place.block != [1, 1];
        if self.winners.is_empty() || found_later {
            self.track::<false>();
        } else {
            self.track::<true>();
        }
    }

    fn track<const WINNERS: bool>(&mut self) {
        if self.layout.filters < FILTERS_IN_LANES {
            at_level(self.level, PixelsInLanes::<T, L, WINNERS>(self));
        } else {
            let (level, mut f) = (self.level, 0);
            while f < self.layout.filters {
                let first = f;
                at_level(level, FiltersInLanes::<T, L, false, WINNERS> { row: self, f: &mut f });
                if f == first {
                    at_level(level, FiltersInLanes::<T, L, true, WINNERS> { row: self, f: &mut f });
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

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::{Padding, Shape, Tensor, Window2d};
    use proptest::prelude::*;

    use super::*;
    use crate::{Border, MaxPlus, MinMinus};

    /// Output and winners, as bits.
    fn run<L: Lattice>(
        level: Level,
        [x, w]: [&Tensor<f32>; 2],
        window: Window2d,
        (marginal, ties, needs_grad): (bool, Ties, bool),
        block: [usize; 2],
    ) -> (Vec<u32>, Vec<u16>) {
        let place = WindowLayout::new("test", window, Border::Infinity, x.shape()).unwrap();
        let place = WindowLayout { block, ..place };
        let layout = Layout { filters: w.shape().dims()[3], marginal };
        let [rows, columns] = place.extent.output;
        let shape =
            Shape::from([x.shape().dims()[0], rows, columns, layout.outputs(place.channels)]);
        let (mut output, mut saved) = (vec![f32::NAN; shape.len()], Saved::default());
        let pass = Forward {
            inputs: &[x.view(), w.view()],
            shape,
            output: &mut output,
            saved: &mut saved,
            scratch: &mut Vec::new(),
            needs_grad,
        };
        correlate_at::<f32, L>(level, pass, &place, layout, ties);
        (output.iter().map(|y| y.to_bits()).collect(), saved.codes)
    }

    /// Numbers with ties, infinities and NaN among them.
    fn numbers(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor<f32>> {
        let shape = shape.into();
        let number = prop_oneof![
            20 => (-4..=4i8).prop_map(|i| f32::from(i) / 4.0),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::NAN),
        ];
        proptest::collection::vec(number, shape.len())
            .prop_map(move |data| Tensor::from_vec(shape, data).expect("elements"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_level_gives_the_bits_of_the_scalar_one(
            (x, w, window) in (
                1..=3usize,
                prop_oneof![1..=5usize, 6..=40usize],
                3..=40usize,
                1..=4usize,
                1..=4usize,
                any::<bool>(),
            )
                .prop_flat_map(|(channels, filters, width, kh, kw, same)| {
                    let padding = if same || kw > width { Padding::Same } else { Padding::Valid };
                    let window = Window2d { size: [kh, kw], padding, ..Window2d::default() };
                    (
                        numbers([2, 5, width, channels]),
                        numbers([kh, kw, channels, filters]),
                        Just(window),
                    )
                }),
            marginal in any::<bool>(),
            last in any::<bool>(),
            needs_grad in any::<bool>(),
        ) {
            let how = (marginal, if last { Ties::Last } else { Ties::First }, needs_grad);
            let dilated = run::<MaxPlus>(Level::Scalar, [&x, &w], window, how, [1, 1]);
            let eroded = run::<MinMinus>(Level::Scalar, [&x, &w], window, how, [1, 1]);
            for level in Level::available() {
                prop_assert_eq!(
                    &run::<MaxPlus>(level, [&x, &w], window, how, [1, 1]),
                    &dilated,
                    "{:?}",
                    level
                );
                prop_assert_eq!(
                    &run::<MinMinus>(level, [&x, &w], window, how, [1, 1]),
                    &eroded,
                    "{:?}",
                    level
                );
            }
        }

        #[test]
        fn every_level_finds_the_winners_of_blocks_as_the_scalar_one(
            (x, w, window) in (4..=40usize, 5..=40usize, [1..=4usize, 1..=4usize]).prop_flat_map(
                |(filters, width, size)| {
                    let joint = Window2d {
                        size: size.map(|size| size + 1),
                        strides: [2, 2],
                        ..Window2d::default()
                    };
                    (
                        numbers([2, 6, width, 1]),
                        numbers([size[0], size[1], 1, filters]),
                        Just(joint),
                    )
                },
            ),
        ) {
            let how = (false, Ties::First, true);
            let dilated = run::<MaxPlus>(Level::Scalar, [&x, &w], window, how, [2, 2]);
            for level in Level::available() {
                prop_assert_eq!(
                    &run::<MaxPlus>(level, [&x, &w], window, how, [2, 2]),
                    &dilated,
                    "{:?}",
                    level
                );
            }
        }
    }
}
