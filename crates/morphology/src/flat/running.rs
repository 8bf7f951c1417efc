//! Running maxima and minima under the runs of a footprint: the computation that all flat operators
//! share.
//!
//! The one design choice: rows flow through a window of rows that stays in the cache. When a row
//! comes in, the best of every `length` pixels along it is found for each length of a run, the
//! longer from the shorter, by a logarithmic number of comparisons. What goes out is the best of
//! one such row for each run; of a tall rectangle, whose rows have one run each, van Herk's and Gil
//! and Werman's algorithm takes three comparisons a pixel whatever the height: maxima from the end
//! of each block of rows, maxima from the start of the next, and one of both. Sources: M. van Herk,
//! *A fast algorithm for local minimum and maximum filters* (1992); J. Gil and M. Werman,
//! *Computing 2-D min, median and max filters* (1993); E. R. Urbach and M. H. F. Wilkinson,
//! *Efficient 2-D grayscale morphological transformations with arbitrary flat structuring elements*
//! (2008).

use std::marker::PhantomData;

use morphograd_nn::tensor::parallel;
use morphograd_nn::tensor::simd::{Kernel, dispatch};

use crate::flat::footprint::{Footprint, Run};
use crate::neighbourhood::border::Border;
use crate::neighbourhood::pixel::Pixel;

/// Which of two pixels is the better one.
pub(crate) trait Order: Copy + Send + Sync {
    /// What is the best of none.
    fn bottom<P: Pixel>() -> P;

    /// The candidate where it beats the best so far, else that.
    fn best<P: Pixel>(candidate: P, best: P) -> P;
}

/// The order of dilations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Largest;

/// The order of erosions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Smallest;

impl Order for Largest {
    #[inline(always)]
    fn bottom<P: Pixel>() -> P {
        P::LOWEST
    }

    #[inline(always)]
    fn best<P: Pixel>(candidate: P, best: P) -> P {
        candidate.larger(best)
    }
}

impl Order for Smallest {
    #[inline(always)]
    fn bottom<P: Pixel>() -> P {
        P::HIGHEST
    }

    #[inline(always)]
    fn best<P: Pixel>(candidate: P, best: P) -> P {
        candidate.smaller(best)
    }
}

/// What becomes of the best pixel $b$ of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Finish<'a, P> {
    /// $y = b$.
    Best,
    /// $y = z - b$ of other images $z$.
    Below(&'a [P]),
    /// $y = b - z$.
    Above(&'a [P]),
}

/// Images `[batch, height, width, channels]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Images {
    pub(crate) size: [usize; 2],
    pub(crate) channels: usize,
}

/// Rows of the output that are one task: as many as make the rows around them that it reads too
/// cheap.
const ROWS: usize = 64;

/// Bytes that are not worth a second thread.
const SMALL: usize = 1 << 15;

/// Bytes that the window of rows may take, a part of a second-level cache.
const WINDOW: usize = 1 << 19;

/// Bytes of a row that are computed together, a part of a first-level cache.
const LINE: usize = 1 << 13;

/// Rectangles of more rows go by blocks.
const FEW_ROWS: usize = 5;

/// Of runs of more lengths, only some are found for themselves.
const FEW_LENGTHS: usize = 4;

/// Up to as many slices are compared at once.
const FEW: usize = 5;

/// Computes the best pixel of the window around each one.
pub(crate) fn run<P: Pixel, O: Order>(
    images: Images,
    x: &[P],
    footprint: &Footprint,
    border: Border,
    y: &mut [P],
    finish: Finish<'_, P>,
) {
    if y.is_empty() {
        return;
    }
    let Images { size: [height, width], channels, .. } = images;
    let plan = Plan::new(&within(footprint, border, images.size));
    let row = width * channels;
    let rows = ROWS.max(4 * plan.size[0]).min(height);
    let task = |image: usize, first: usize, y: &mut [P]| {
        let start = image * height * row;
        dispatch(Band::<P, O> {
            images,
            plan: &plan,
            border,
            x: &x[start..][..height * row],
            first,
            y,
            finish: match finish {
                Finish::Below(z) => Finish::Below(&z[start..][..height * row]),
                Finish::Above(z) => Finish::Above(&z[start..][..height * row]),
                other => other,
            },
            order: PhantomData,
        });
    };
    if size_of_val(y) <= SMALL {
        for (image, y) in y.chunks_exact_mut(height * row).enumerate() {
            task(image, 0, y);
        }
        return;
    }
    let mut bands: Vec<_> = y
        .chunks_exact_mut(height * row)
        .enumerate()
        .flat_map(|(image, y)| {
            let bands = y.chunks_mut(rows * row).enumerate();
            bands.map(move |(n, y)| (image, n * rows, y))
        })
        .collect();
    parallel::for_each_piece(&mut bands, 1, |_, bands| {
        for (image, first, y) in bands {
            task(*image, *first, y);
        }
    });
}

/// A footprint that computes the same on images of a size, and reaches no further than two of them.
fn within(footprint: &Footprint, border: Border, size: [usize; 2]) -> Footprint {
    let bounds = footprint.bounds();
    let fits = |axis: usize| {
        let (first, end) = bounds[axis];
        let n = size[axis] as isize;
        -n <= first && end <= n + 1
    };
    if fits(0) && fits(1) {
        return footprint.clone();
    }
    // From a whole image away on, all pixels are alike; or they come again after a period.
    let period = |axis: usize| {
        let n = size[axis];
        match border {
            Border::Infinity | Border::Constant(_) | Border::Replicate => None,
            Border::Reflect => Some(2 * n),
            Border::Mirror => Some((2 * n - 2).max(1)),
            Border::Periodic => Some(n),
        }
    };
    let moved = |run: &Run| {
        let [h, w] = size.map(|n| n as isize);
        let row = match period(0) {
            None => run.row.clamp(-h, h),
            Some(period) => run.row.rem_euclid(period as isize),
        };
        match period(1) {
            None => {
                let last = run.column + run.length as isize - 1;
                let (first, last) = (run.column.clamp(-w, w), last.clamp(-w, w));
                Run { row, column: first, length: (last - first) as usize + 1 }
            }
            Some(period) if run.length >= period => Run { row, column: 0, length: period },
            Some(period) => Run { row, column: run.column.rem_euclid(period as isize), ..*run },
        }
    };
    Footprint::of_runs(footprint.runs().iter().map(moved).collect())
}

/// How the best of some neighbours along a row is found from that of fewer.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// Neighbours before, and after.
    lengths: [usize; 2],
    /// Which buffers of the row are read and written.
    buffers: [usize; 2],
}

/// A run, or one of two that overlap: which row of the window, which buffer, and where it begins.
#[derive(Debug, Clone, Copy)]
struct Tap {
    row: usize,
    level: usize,
    column: usize,
}

/// How a footprint is computed. A row has some buffers, the last of which are kept while the row is
/// in the window.
#[derive(Debug)]
struct Plan {
    /// Offset of the first row and column.
    first: [isize; 2],
    size: [usize; 2],
    /// Buffers that are not kept.
    work: usize,
    /// Buffers that are, one for each length of a tap.
    kept: usize,
    passes: Vec<Pass>,
    taps: Vec<Tap>,
    in_blocks: bool,
}

impl Plan {
    fn new(footprint: &Footprint) -> Self {
        let [(top, bottom), (left, right)] = footprint.bounds();
        let mut lengths: Vec<usize> = footprint.runs().iter().map(|run| run.length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        if lengths.len() > FEW_LENGTHS {
            // A run of another length is two of one of these, that overlap.
            let mut reach = 0;
            lengths.retain(|length| {
                let is_new = *length > reach;
                reach = if is_new { 2 * length } else { reach };
                is_new
            });
        }
        // The lengths on the way, each at most `FEW` times the one before.
        let mut steps = Vec::new();
        let mut reach = 1;
        for (level, length) in lengths.iter().enumerate() {
            let mut rounds = 1;
            while reach * FEW.pow(rounds) < *length {
                rounds += 1;
            }
            for left in (2..=rounds).rev() {
                let ratio = length.div_ceil(reach);
                reach *= (2..FEW).find(|few| few.pow(left) >= ratio).unwrap_or(FEW);
                steps.push((reach, None));
            }
            reach = *length;
            steps.push((reach, Some(level)));
        }
        // The first buffer holds the pixels themselves.
        let work = 1 + steps.iter().filter(|(_, level)| level.is_none()).count();
        let (mut passes, mut next, mut before) = (Vec::new(), 1, (1, 0));
        for (length, level) in steps {
            let buffer = level.map_or(next, |level| work + level);
            next += usize::from(level.is_none());
            let (lengths, buffers) = ([before.0, length], [before.1, buffer]);
            passes.push(Pass { lengths, buffers });
            before = (length, buffer);
        }
        let mut taps = Vec::new();
        for run in footprint.runs() {
            let level = lengths.partition_point(|length| *length <= run.length) - 1;
            let (row, column) = ((run.row - top) as usize, (run.column - left) as usize);
            taps.push(Tap { row, level, column });
            if lengths[level] < run.length {
                taps.push(Tap { row, level, column: column + run.length - lengths[level] });
            }
        }
        let size = [(bottom - top) as usize, (right - left) as usize];
        Self {
            first: [top, left],
            size,
            work,
            kept: lengths.len(),
            passes,
            taps,
            in_blocks: footprint.is_rectangle() && size[0] > FEW_ROWS,
        }
    }
}

/// Some rows of the output of one image.
struct Band<'a, P, O> {
    images: Images,
    plan: &'a Plan,
    border: Border,
    x: &'a [P],
    /// The first row.
    first: usize,
    y: &'a mut [P],
    finish: Finish<'a, P>,
    order: PhantomData<O>,
}

impl<P: Pixel, O: Order> Kernel for Band<'_, P, O> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { images, plan, border, x, first, y, finish, .. } = self;
        let Images { size: [_, width], channels, .. } = images;
        let ([kh, kw], row) = (plan.size, width * channels);
        // Columns that are computed together: of so many the rows stay in the cache.
        let room = (WINDOW / (kh * plan.kept)).min(LINE) / (size_of::<P>() * channels);
        let most = room.saturating_sub(kw - 1).max(kw + 256 / size_of::<P>());
        let columns = width.div_ceil(width.div_ceil(most));
        let length = (columns + kw - 1) * channels;
        let rows = y.len() / row;
        let mut buffers = vec![P::default(); (plan.work + kh * plan.kept) * length];
        let mut prefix = vec![P::default(); length];
        for column in (0..width).step_by(columns) {
            let columns = columns.min(width - column);
            let n = columns * channels;
            let mut strip = Strip::<P, O> {
                images,
                plan,
                border,
                x,
                column,
                length: (columns + kw - 1) * channels,
                buffers: &mut buffers,
                order: PhantomData,
            };
            let prefix = &mut prefix[..n];
            for r in 0..rows {
                // Where in its block the row is, or in which place of the window the next row goes.
                let at = r % kh;
                let fresh = first + r + kh - 1;
                if r == 0 {
                    for place in 0..kh {
                        strip.take(first + place, place);
                    }
                } else {
                    // In a block the rows that are read no more, from its second row on.
                    strip.take(fresh, if at == 0 { kh - 1 } else { at - 1 });
                }
                let here = r * row + column * channels;
                let y = &mut y[here..][..n];
                match (plan.in_blocks, at) {
                    (false, _) => strip.join(at, y),
                    (true, 0) => {
                        strip.turn();
                        prefix.fill(O::bottom());
                        y.copy_from_slice(&strip.kept(0, 0)[..n]);
                    }
                    (true, _) => {
                        let new = &strip.kept(at - 1, 0)[..n];
                        best_of::<P, O, 1, true>(prefix, [new; FEW]);
                        let end = &strip.kept(at, 0)[..n];
                        best_of::<P, O, 2, false>(y, [end, prefix, end, end, end]);
                    }
                }
                let z = first * row + here;
                match finish {
                    Finish::Best => {}
                    Finish::Below(image) => {
                        y.iter_mut().zip(&image[z..]).for_each(|(y, z)| *y = z.minus(*y));
                    }
                    Finish::Above(image) => {
                        y.iter_mut().zip(&image[z..]).for_each(|(y, z)| *y = y.minus(*z));
                    }
                }
            }
        }
    }
}

/// Some columns of the rows that are in the window.
struct Strip<'a, P, O> {
    images: Images,
    plan: &'a Plan,
    border: Border,
    x: &'a [P],
    /// The first column of the output.
    column: usize,
    /// Elements of a buffer: of the output, and what the footprint reads beside it.
    length: usize,
    /// Those of a row, then those that are kept of each row of the window.
    buffers: &'a mut [P],
    order: PhantomData<O>,
}

impl<P: Pixel, O: Order> Strip<'_, P, O> {
    /// Where a buffer begins, of the row at a place of the window.
    #[inline(always)]
    fn start(&self, place: usize, buffer: usize) -> usize {
        let of_place = if buffer < self.plan.work { 0 } else { place * self.plan.kept };
        (of_place + buffer) * self.length
    }

    /// What is kept of the row at a place of the window.
    #[inline(always)]
    fn kept(&self, place: usize, level: usize) -> &[P] {
        &self.buffers[self.start(place, self.plan.work + level)..][..self.length]
    }

    /// Takes a row into the window: that of the image which the first row of the footprint sees
    /// from `row`.
    #[inline(always)]
    fn take(&mut self, row: usize, place: usize) {
        let at = row as isize + self.plan.first[0];
        let Some(row) = self.border.source(at, self.images.size[0]) else {
            let outside = O::best(self.outside(), O::bottom());
            let start = self.start(place, self.plan.work);
            self.buffers[start..][..self.plan.kept * self.length].fill(outside);
            return;
        };
        self.lay_out(row);
        let channels = self.images.channels;
        for pass in &self.plan.passes {
            let [from, to] = pass.buffers.map(|buffer| self.start(place, buffer));
            let [before, after] = pass.lengths;
            let n = self.length - (after - 1) * channels;
            let (from, to) = if from < to {
                let (left, right) = self.buffers.split_at_mut(to);
                (&left[from..][..self.length], &mut right[..n])
            } else {
                let (left, right) = self.buffers.split_at_mut(from);
                (&right[..self.length], &mut left[to..][..n])
            };
            let (step, last) = (before * channels, (after - before) * channels);
            let ratio = after.div_ceil(before);
            let mut slices = [from; FEW];
            for k in 1..ratio {
                slices[k] = &from[(k * step).min(last)..];
            }
            match ratio {
                1 => best_of::<P, O, 1, false>(to, slices),
                2 => best_of::<P, O, 2, false>(to, slices),
                3 => best_of::<P, O, 3, false>(to, slices),
                4 => best_of::<P, O, 4, false>(to, slices),
                _ => best_of::<P, O, 5, false>(to, slices),
            }
        }
    }

    /// A row of the image and what is beside it, in the first buffer.
    #[inline(always)]
    fn lay_out(&mut self, row: usize) {
        let (outside, Images { size: [_, width], channels, .. }) = (self.outside(), self.images);
        let source = &self.x[row * width * channels..][..width * channels];
        let line = &mut self.buffers[..self.length];
        let first = self.column as isize + self.plan.first[1];
        let end = first + (line.len() / channels) as isize;
        let inside = [first, end].map(|at| at.clamp(0, width as isize));
        let [left, right] = inside.map(|at| (at - first) as usize);
        if left < right {
            let source = &source[inside[0] as usize * channels..][..(right - left) * channels];
            line[left * channels..right * channels].copy_from_slice(source);
        }
        let (left, right) = if left < right { (left, right) } else { (0, 0) };
        if matches!(self.border, Border::Infinity | Border::Constant(_)) {
            line[..left * channels].fill(outside);
            line[right * channels..].fill(outside);
            return;
        }
        let end = line.len() / channels;
        for at in 0..left + end - right {
            let at = if at < left { at } else { at - left + right };
            if let Some(from) = self.border.source(first + at as isize, width) {
                line[at * channels..][..channels]
                    .copy_from_slice(&source[from * channels..][..channels]);
            }
        }
    }

    /// What a pixel outside is that has no source.
    #[inline(always)]
    fn outside(&self) -> P {
        match self.border {
            Border::Constant(value) => P::of(value),
            _ => O::bottom(),
        }
    }

    /// What a run sees from the first column on, the first row of the window being at a place.
    #[inline(always)]
    fn seen(&self, first: usize, tap: &Tap, n: usize) -> &[P] {
        let (place, kh) = (first + tap.row, self.plan.size[0]);
        let place = if place < kh { place } else { place - kh };
        &self.kept(place, tap.level)[tap.column * self.images.channels..][..n]
    }

    /// The best under all runs.
    #[inline(always)]
    fn join(&self, first: usize, to: &mut [P]) {
        let n = to.len();
        let mut is_first = true;
        for taps in self.plan.taps.chunks(FEW) {
            let mut from: [&[P]; FEW] = [&[]; FEW];
            for k in 0..FEW {
                // Of fewer, the last of them again.
                from[k] = self.seen(first, &taps[k.min(taps.len() - 1)], n);
            }
            match (is_first, taps.len()) {
                (true, 1) => best_of::<P, O, 1, false>(to, from),
                (true, 2) => best_of::<P, O, 2, false>(to, from),
                (true, 3) => best_of::<P, O, 3, false>(to, from),
                (true, 4) => best_of::<P, O, 4, false>(to, from),
                (true, _) => best_of::<P, O, 5, false>(to, from),
                (false, 1 | 2) => best_of::<P, O, 2, true>(to, from),
                (false, _) => best_of::<P, O, 5, true>(to, from),
            }
            is_first = false;
        }
    }

    /// Every row of the window becomes the best of itself and those after it.
    #[inline(always)]
    fn turn(&mut self) {
        for place in (1..self.plan.size[0]).rev() {
            let start = self.start(place, self.plan.work);
            let (above, below) = self.buffers.split_at_mut(start);
            let above = &mut above[start - self.length..];
            best_of::<P, O, 1, true>(above, [&below[..self.length]; FEW]);
        }
    }
}

/// The best of the first `K` slices, each element on its own; and of what is there already, if
/// `ONTO`. The others are some of the first again. NaN becomes the bottom, which loses as NaN does.
#[inline(always)]
fn best_of<P: Pixel, O: Order, const K: usize, const ONTO: bool>(to: &mut [P], from: [&[P]; FEW]) {
    // Pieces of a constant length become vectors. The last one overlaps, which changes nothing.
    let (n, piece) = (to.len(), 256 / size_of::<P>());
    if n < piece {
        return best_of_few::<P, O, ONTO>(to, from);
    }
    let mut start = 0;
    while start < n {
        best_of_each::<P, O, K, ONTO>(to, from, start.min(n - piece), piece);
        start += piece;
    }
}

/// For few elements, where the instructions of every processor do: compiled once instead of for
/// each level.
#[inline(never)]
fn best_of_few<P: Pixel, O: Order, const ONTO: bool>(to: &mut [P], from: [&[P]; FEW]) {
    let n = to.len();
    best_of_each::<P, O, FEW, ONTO>(to, from, 0, n);
}

/// Without a loop over the slices, which would not always be unrolled.
#[inline(always)]
fn best_of_each<P: Pixel, O: Order, const K: usize, const ONTO: bool>(
    to: &mut [P],
    [a, b, c, d, e]: [&[P]; FEW],
    start: usize,
    n: usize,
) {
    let to = &mut to[start..][..n];
    let (a, b, c) = (&a[start..][..n], &b[start..][..n], &c[start..][..n]);
    let (d, e) = (&d[start..][..n], &e[start..][..n]);
    for i in 0..n {
        let mut best = if ONTO { to[i] } else { O::bottom() };
        best = O::best(a[i], best);
        if K > 1 {
            best = O::best(b[i], best);
        }
        if K > 2 {
            best = O::best(c[i], best);
        }
        if K > 3 {
            best = O::best(d[i], best);
        }
        if K > 4 {
            best = O::best(e[i], best);
        }
        to[i] = best;
    }
}
