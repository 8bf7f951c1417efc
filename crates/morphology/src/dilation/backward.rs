//! The backward pass of dilation and erosion: the gradient of every output goes to the position
//! that won, in the image and in the kernel. One file for all of them, because the rule at ties is
//! decided here.
//!
//! The one design choice: nothing of the forward pass is done again. It left the winning tap of
//! every output, and a tap is a fixed distance in the image's planes and an entry of the kernel:
//! two additions an output. Only where the gradient is divided among all that are tied the
//! candidates are looked at once more. The image's gradient is gathered plane by plane in parallel,
//! the kernel's in partial sums over rows that are added in order, so that the result does not
//! depend on the number of threads.

use std::ops::Range;

use morphograd_nn::autodiff::{Backward, Ties};
use morphograd_nn::tensor::{PairwiseSum, Real, parallel};

use crate::dilation::layout::{Layout, saves_winners};
use crate::dilation::planes::Planes;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// Writes the gradients of the image and of the kernel, where they are wanted; the forward pass was
/// [`correlate`](crate::dilation::forward::correlate).
pub(crate) fn distribute<T: Real, L: Lattice>(
    pass: Backward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
    ties: Ties,
) {
    // Without outputs there are no winners to look for either.
    if saves_winners(place, ties) || pass.grad_output.is_empty() {
        let entry = |tap: usize| place.entry::<L>(place.in_order(ties, tap));
        let taps = 0..place.window.taps();
        return distribute_to_winners::<T, L>(pass, place, layout, taps, entry);
    }
    let (x, kernel) = (pass.inputs[0].data, pass.inputs[1].data);
    let search = Search { place, layout, ties, x, kernel, grad: pass.grad_output };
    let [dx, dw, ..] = pass.grad_inputs;
    if let Some(dx) = dx {
        search.add_to_image::<L>(dx);
    }
    if let Some(dw) = dw {
        dw.fill(T::zero());
        search.add_to_kernel::<L>(dw, pass.scratch);
    }
}

/// Writes the gradients where the forward pass saved the number of every output's winner. At
/// `candidates` of what it saved is how far each candidate is from its window's first pixel;
/// `entry` says which entry of the kernel it is.
pub(crate) fn distribute_to_winners<T: Real, L: Lattice>(
    pass: Backward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
    candidates: Range<usize>,
    entry: impl Fn(usize) -> usize + Sync,
) {
    let [dx, mut dw, ..] = pass.grad_inputs;
    if let Some(dw) = &mut dw {
        dw.fill(T::zero());
    }
    if pass.grad_output.is_empty() {
        if let Some(dx) = dx {
            dx.fill(T::zero());
        }
        return;
    }
    let won = Winners {
        place,
        layout,
        offsets: &pass.saved.indices[candidates],
        entry,
        winners: pass.saved.codes,
        grad: pass.grad_output,
    };
    match (dx, dw) {
        (Some(dx), dw) => won.add_to_both::<L>(dx, dw, pass.scratch),
        (None, Some(dw)) => won.add_to_kernel::<L>(dw, pass.scratch),
        (None, None) => (),
    }
}

/// What the forward pass left.
struct Winners<'a, T, E> {
    place: &'a WindowLayout,
    layout: Layout,
    /// The distance of every candidate from its window's first pixel, in the order in which they
    /// are counted.
    offsets: &'a [u32],
    /// The kernel entry of a candidate.
    entry: E,
    /// The winning candidates, `[image][row][channel][column][filter]`.
    winners: &'a [u16],
    grad: &'a [T],
}

/// Columns that are worked on in turn, each with sums of its own for the kernel. Neighbouring
/// outputs often have the same winner, and an addition in memory waits for the one before it at the
/// same place; columns that are far apart seldom meet.
const WAYS: usize = 4;

/// Outputs whose gradients are added to the kernel's one after the other, about; sums of more are
/// added in pairs.
const LONG: usize = 4096;

/// The most groups of images that have partial sums of their own.
const MAX_GROUPS: usize = 32;

impl<T: Real, E: Fn(usize) -> usize + Sync> Winners<'_, T, E> {
    /// Writes the image's gradient and, if it is wanted, adds the kernel's in the same pass. A task
    /// is one channel of a group of images.
    fn add_to_both<L: Lattice>(&self, dx: &mut [T], dw: Option<&mut [T]>, scratch: &mut Vec<T>) {
        let (channels, extent) = (self.place.channels, self.place.extent);
        let planes = Planes::new(*self.place);
        let pixels = self.place.image_len();
        let (images, rows) = (dx.len() / pixels, extent.output[0]);
        let group = images.div_ceil(MAX_GROUPS);
        let groups = images.div_ceil(group);
        let (plane, entries) = (planes.channel_len(), self.entries());
        // Planes as `[group][channel][image]`, then partial sums as
        // `[group][channel][way][tap][filter]`.
        let in_place = planes.is_identity();
        let scattered = if in_place { 0 } else { groups * channels * group * plane };
        // Rows whose gradients are added one after the other.
        let in_order = (LONG / extent.output[1]).max(1);
        let space = PairwiseSum::<T>::space((group * rows).div_ceil(in_order), WAYS * entries);
        let sums = if dw.is_some() { groups * channels * space } else { 0 };
        scratch.resize(scattered + sums, T::zero());
        let (scattered, sums) = scratch.split_at_mut(scattered);
        let task = |index: usize, planes_of_task: &mut [T], sums: &mut [T]| {
            let (first, c) = (index / channels * group, index % channels);
            planes_of_task.fill(T::zero());
            let lines = first * rows..images.min(first + group) * rows;
            if sums.is_empty() {
                self.lines::<false>(lines, first * rows, c, &planes, planes_of_task, &mut []);
                return;
            }
            let mut sum = PairwiseSum::new(sums, WAYS * entries);
            for start in lines.clone().step_by(in_order) {
                sum.add(|sums| {
                    let lines = start..lines.end.min(start + in_order);
                    self.lines::<true>(lines, first * rows, c, &planes, planes_of_task, sums);
                });
            }
            sum.finish();
        };
        let target = if in_place { &mut *dx } else { &mut *scattered };
        if sums.is_empty() {
            parallel::for_each_piece(target, group * plane, |index, plane| {
                task(index, plane, &mut []);
            });
        } else {
            parallel::for_each_pair((target, group * plane), (sums, space), task);
        }
        if !in_place {
            parallel::for_each_piece(dx, pixels, |image, dx| {
                let (group_len, within) = (channels * group * plane, image % group * plane);
                planes.fold(&scattered[image / group * group_len + within..], group * plane, dx);
            });
        }
        if let Some(dw) = dw {
            for sums in sums.chunks_exact(channels * space) {
                self.add_partial::<L>(sums, space, dw);
            }
        }
    }

    /// Some rows of outputs (counted over all images) on one channel: adds to its planes, which
    /// begin with the image of the row `first`, and overwrites the `sums` of its kernel.
    fn lines<const KERNEL: bool>(
        &self,
        lines: Range<usize>,
        first: usize,
        c: usize,
        planes: &Planes,
        planes_of_task: &mut [T],
        sums: &mut [T],
    ) {
        let rows = self.place.extent.output[0];
        sums.fill(T::zero());
        for line in lines {
            let plane = (line - first) / rows * planes.channel_len();
            let plane = &mut planes_of_task[plane..plane + planes.channel_len()];
            self.line::<true, KERNEL>(line, c, &mut plane[line % rows * planes.row()..], sums);
        }
        if KERNEL {
            unite(sums);
        }
    }

    /// The kernel's gradient alone. A task is some rows of outputs.
    fn add_to_kernel<L: Lattice>(&self, dw: &mut [T], scratch: &mut Vec<T>) {
        let channels = self.place.channels;
        let columns = self.place.extent.output[1];
        let lines = [self.grad.len() / (columns * self.layout.outputs(channels)), columns];
        let entries = self.entries();
        for sums in
            parallel::partial_sums(channels * WAYS * entries, lines, scratch, |lines, sums| {
                for line in lines {
                    for (c, sums) in sums.chunks_exact_mut(WAYS * entries).enumerate() {
                        self.line::<false, true>(line, c, &mut [], sums);
                    }
                }
                sums.chunks_exact_mut(WAYS * entries).for_each(unite);
            })
        {
            self.add_partial::<L>(sums, WAYS * entries, dw);
        }
    }

    /// Numbers of one channel's kernel.
    fn entries(&self) -> usize {
        self.offsets.len() * self.layout.filters
    }

    /// Adds partial sums `[channel][way][tap][filter]`, which are united in the first way: in this
    /// order those of one channel stay in the cache while a row goes by. From channel to channel
    /// there are `space` numbers.
    fn add_partial<L: Lattice>(&self, sums: &[T], space: usize, dw: &mut [T]) {
        let (filters, channels) = (self.layout.filters, self.place.channels);
        let (candidates, sign) = (self.offsets.len(), T::of(L::SIGN));
        for (c, sums) in sums.chunks_exact(space).enumerate() {
            for (n, sums) in sums.chunks_exact(filters).take(candidates).enumerate() {
                let entry = (self.entry)(n);
                let dw = &mut dw[(entry * channels + c) * filters..][..filters];
                dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw += sign * *sum);
            }
        }
    }

    /// A row of outputs (counted over all images) on one channel: adds to its `plane`, from the row
    /// of its windows on, and to the `sums` of the channel's kernel.
    #[inline(always)]
    fn line<const IMAGE: bool, const KERNEL: bool>(
        &self,
        line: usize,
        c: usize,
        plane: &mut [T],
        sums: &mut [T],
    ) {
        let (columns, channels) = (self.place.extent.output[1], self.place.channels);
        let (filters, outputs) = (self.layout.filters, self.layout.outputs(channels));
        let winners =
            &self.winners[(line * channels + c) * columns * filters..][..columns * filters];
        let grads = &self.grad[line * columns * outputs..][..columns * outputs];
        let offsets = self.offsets;
        let sums = ways(sums);
        if self.layout.marginal && channels > 1 {
            // The gradients of one channel's filters are not adjacent.
            for (j, (winners, grads)) in
                winners.chunks_exact(filters).zip(grads.chunks_exact(outputs)).enumerate()
            {
                let window = if IMAGE { &mut plane[j..] } else { &mut [][..] };
                for (f, winner) in winners.iter().enumerate() {
                    share::<T, IMAGE, KERNEL>(
                        offsets,
                        *winner,
                        grads[f * channels + c],
                        (window, 0),
                        sums[0],
                        filters,
                        f,
                    );
                }
            }
            return;
        }
        let part = columns / WAYS;
        for j in 0..part {
            let [a, b, c, d] = [0, 1, 2, 3].map(|way| {
                let at = (way * part + j) * filters;
                winners[at..][..filters].iter().zip(&grads[at..][..filters])
            });
            let window = if IMAGE { &mut plane[j..] } else { &mut [][..] };
            for (f, (((a, b), c), d)) in a.zip(b).zip(c).zip(d).enumerate() {
                for (way, (winner, grad)) in [a, b, c, d].into_iter().enumerate() {
                    let sums = &mut *sums[way];
                    share::<T, IMAGE, KERNEL>(
                        offsets,
                        *winner,
                        *grad,
                        (window, way * part),
                        sums,
                        filters,
                        f,
                    );
                }
            }
        }
        for j in WAYS * part..columns {
            let window = if IMAGE { &mut plane[j..] } else { &mut [][..] };
            let (winners, grads) =
                (&winners[j * filters..][..filters], &grads[j * filters..][..filters]);
            for (f, (winner, grad)) in winners.iter().zip(grads).enumerate() {
                share::<T, IMAGE, KERNEL>(
                    offsets,
                    *winner,
                    *grad,
                    (window, 0),
                    sums[0],
                    filters,
                    f,
                );
            }
        }
    }
}

/// The sums of each way.
#[inline(always)]
fn ways<T>(sums: &mut [T]) -> [&mut [T]; WAYS] {
    let length = sums.len() / WAYS;
    let (a, b) = sums.split_at_mut(2 * length);
    let ((a, b), (c, d)) = (a.split_at_mut(length), b.split_at_mut(length));
    [a, b, c, d]
}

/// Adds the sums of all ways to those of the first.
fn unite<T: Real>(sums: &mut [T]) {
    let [first, others @ ..] = ways(sums);
    for other in others {
        first.iter_mut().zip(other).for_each(|(sum, x)| *sum += *x);
    }
}

/// Adds the gradient of one output where it belongs, in a plane, where its `window` begins there,
/// and in the sums of the kernel. A window in which nothing counted has a winner that is no tap.
#[inline(always)]
fn share<T: Real, const IMAGE: bool, const KERNEL: bool>(
    offsets: &[u32],
    winner: u16,
    grad: T,
    (plane, window): (&mut [T], usize),
    sums: &mut [T],
    filters: usize,
    f: usize,
) {
    let winner = usize::from(winner);
    if IMAGE && let Some(offset) = offsets.get(winner) {
        plane[window + *offset as usize] += grad;
    }
    if KERNEL && let Some(sum) = sums.get_mut(winner * filters + f) {
        *sum += grad;
    }
}

/// What it takes to look for the winners again.
struct Search<'a, T> {
    place: &'a WindowLayout,
    layout: Layout,
    ties: Ties,
    x: &'a [T],
    kernel: &'a [T],
    grad: &'a [T],
}

/// The place of one output.
#[derive(Clone, Copy)]
struct Output {
    image: usize,
    at: [usize; 2],
    channel: usize,
    filter: usize,
}

impl<T: Real> Search<'_, T> {
    fn add_to_image<L: Lattice>(&self, dx: &mut [T]) {
        let (channels, rows) = (self.place.channels, self.place.extent.output[0]);
        parallel::for_each_piece(dx, self.place.image_len(), |image, dx| {
            dx.fill(T::zero());
            self.for_each_share::<L>(image * rows..(image + 1) * rows, |output, tap, share| {
                if let Some(pixel) = self.place.seen(output.at, tap) {
                    dx[pixel * channels + output.channel] += share;
                }
            });
        });
    }

    fn add_to_kernel<L: Lattice>(&self, dw: &mut [T], scratch: &mut Vec<T>) {
        let (channels, filters, sign) = (self.place.channels, self.layout.filters, T::of(L::SIGN));
        let columns = self.place.extent.output[1];
        let lines = [self.grad.len() / (columns * self.layout.outputs(channels)), columns];
        parallel::sum_into(dw, lines, scratch, |lines, dw| {
            self.for_each_share::<L>(lines, |Output { channel, filter, .. }, tap, share| {
                dw[(self.place.entry::<L>(tap) * channels + channel) * filters + filter] +=
                    sign * share;
            });
        });
    }

    /// Calls `f(output, tap, share)` for every share of the gradients of some rows of outputs,
    /// counted over all images.
    fn for_each_share<L: Lattice>(&self, lines: Range<usize>, mut f: impl FnMut(Output, usize, T)) {
        let (channels, [rows, columns]) = (self.place.channels, self.place.extent.output);
        let Layout { filters, marginal } = self.layout;
        let outputs = self.layout.outputs(channels);
        for (line, j) in lines.flat_map(|line| (0..columns).map(move |j| (line, j))) {
            let grads = &self.grad[(line * columns + j) * outputs..][..outputs];
            for (channel, filter) in (0..channels).flat_map(|c| (0..filters).map(move |f| (c, f))) {
                let output = Output { image: line / rows, at: [line % rows, j], channel, filter };
                let grad = grads[if marginal { filter * channels + channel } else { filter }];
                self.divide::<L>(output, grad, &mut f);
            }
        }
    }

    /// Divides the gradient of one output among the taps that reach its value, as the rule says.
    fn divide<L: Lattice>(&self, output: Output, grad: T, f: &mut impl FnMut(Output, usize, T)) {
        let channels = self.place.channels;
        let Output { image, at, channel, filter } = output;
        let candidate = |tap: usize| -> Option<T> {
            let entry = self.place.entry::<L>(tap);
            let w = self.kernel[(entry * channels + channel) * self.layout.filters + filter];
            let x = match (self.place.seen(at, tap), self.place.border) {
                (Some(pixel), _) => {
                    self.x[image * self.place.image_len() + pixel * channels + channel]
                }
                (None, Border::Constant(value)) => T::of(value),
                (None, _) => return None,
            };
            Some(L::candidate(x, w))
        };
        let taps = 0..self.place.window.taps();
        let better = |best: T, next: T| if L::beats(next, best) { next } else { best };
        let best = taps.clone().filter_map(candidate).fold(L::bottom(), better);
        let mut tied = taps.filter(|tap| candidate(*tap) == Some(best));
        match self.ties {
            Ties::First => tied.next().into_iter().for_each(|tap| f(output, tap, grad)),
            Ties::Last => tied.next_back().into_iter().for_each(|tap| f(output, tap, grad)),
            Ties::Split => {
                let share = grad / T::of(tied.clone().count() as f64);
                tied.for_each(|tap| f(output, tap, share));
            }
        }
    }
}
