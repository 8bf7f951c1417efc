//! Reconstruction and geodesic dilation of values alone, for pixels of any ordered type: a marker
//! that grows under its mask, until nothing changes or for some steps.
//!
//! The one design choice: scans are cheap and queues are dear. Rows are scanned by vectors, again
//! and again until few pixels are left that can raise a neighbour; a queue does the rest. The
//! result is the only fixed point between marker and mask that paths from the marker reach, so it
//! depends neither on the order nor on the number of scans.

use std::mem;

use morphograd_nn::tensor::parallel;
use morphograd_nn::tensor::simd::{Kernel, dispatch};

use crate::connected::order::Order;
use crate::connected::scan::{BLOCK, Steps, collect, larger, reach, smaller};
use crate::connected::selection::{Frame, Planes, is_nan};
use crate::neighbourhood::connectivity::Connectivity;

/// Writes the marker grown under the mask, every image and channel on its own, with "larger" as the
/// order says: the reconstruction by dilation, or so many steps of it. NaN of either stays where it
/// is, the mask's before the marker's.
pub(crate) fn grow<P: Copy + PartialOrd + Send + Sync, O: Order<P>>(
    planes: Planes,
    [marker, mask]: [&[P]; 2],
    connectivity: Connectivity,
    steps: Option<usize>,
    order: &O,
    y: &mut [P],
) {
    if y.is_empty() {
        return;
    }
    let (frame, [lowest, highest]) = (planes.frame, order.extremes());
    parallel::for_each_piece(y, planes.image_len(), |image, y| {
        let [mut values, mut caps] = [(); 2].map(|()| vec![lowest; frame.len()]);
        let mut growth = Growth::new(frame, connectivity, [lowest, highest]);
        for c in 0..planes.channels() {
            let plane = image * planes.channels() + c;
            planes.load_with(marker, plane, &mut values, |m| order.level(m));
            planes.load_with(mask, plane, &mut caps, |g| order.level(g));
            for (value, cap) in values.iter_mut().zip(&mut caps) {
                // What is below all levels neither raises nor is raised.
                (*value, *cap) = if is_nan(*value) || is_nan(*cap) {
                    (lowest, lowest)
                } else {
                    (smaller(*value, *cap), *cap)
                };
            }
            match steps {
                None => growth.run(&mut values, &caps),
                Some(steps) => growth.step(&mut values, &caps, steps),
            }
            planes.store_with(&values, c, y, |level, _| order.pixel(level));
        }
        let first = image * planes.image_len();
        for ((y, m), g) in y.iter_mut().zip(&marker[first..]).zip(&mask[first..]) {
            if is_nan(*m) {
                *y = *m;
            }
            if is_nan(*g) {
                *y = *g;
            }
        }
    });
}

/// The workspace of planes of one size.
struct Growth<L> {
    frame: Frame,
    connectivity: Connectivity,
    highest: L,
    steps: Steps<L>,
    /// What a pixel is raised from; the highest level if it has reached its mask. For the row of
    /// the scan and the one below it.
    limits: [Vec<L>; 2],
    can_raise: Vec<bool>,
    queue: Vec<u32>,
    next: Vec<u32>,
}

/// Scans are repeated at most as often as this,
const MOST_SCANS: usize = 4;

/// and only while more pixels than one of so many can raise another. A pixel in the queue costs as
/// much as some hundred in a scan, and raises a few others.
const FEW: usize = 128;

impl<L: Copy + PartialOrd> Growth<L> {
    fn new(frame: Frame, connectivity: Connectivity, [lowest, highest]: [L; 2]) -> Self {
        Self {
            frame,
            connectivity,
            highest,
            steps: Steps::new(frame.width(), [lowest, highest]),
            limits: [(); 2].map(|()| vec![highest; frame.stride()]),
            can_raise: vec![false; frame.width()],
            queue: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Raises `values`, at most the mask at every pixel, until nothing changes. The frame holds the
    /// lowest level in both.
    fn run(&mut self, values: &mut [L], mask: &[L]) {
        for _ in 0..MOST_SCANS {
            self.queue.clear();
            dispatch(Scans { growth: self, values, mask });
            if self.queue.len() <= self.frame.len() / FEW {
                break;
            }
        }
        match self.connectivity {
            Connectivity::Four => self.empty_queue::<1>(values, mask),
            Connectivity::Eight => self.empty_queue::<3>(values, mask),
        }
    }

    /// Dilates `values` under the mask so many times, or until nothing changes.
    fn step(&mut self, values: &mut Vec<L>, mask: &[L], steps: usize) {
        let (frame, connectivity) = (self.frame, self.connectivity);
        let mut next = values.clone();
        for _ in 0..steps {
            if !dispatch(Step { frame, connectivity, values, mask, next: &mut next }) {
                break;
            }
            mem::swap(values, &mut next);
        }
    }

    /// Hands on what the pixels in the queue have, wave by wave. Above and below a pixel there are
    /// `SIDE` neighbours.
    fn empty_queue<const SIDE: usize>(&mut self, values: &mut [L], mask: &[L]) {
        while !self.queue.is_empty() {
            for p in self.queue.drain(..).map(|p| p as usize) {
                let level = values[p];
                for (first, count) in self.frame.beside::<SIDE>(p) {
                    let neighbours = values[first..first + count].iter_mut();
                    for (i, (value, cap)) in neighbours.zip(&mask[first..]).enumerate() {
                        if *value < level && *value < *cap {
                            *value = smaller(level, *cap);
                            self.next.push((first + i) as u32);
                        }
                    }
                }
            }
            mem::swap(&mut self.queue, &mut self.next);
        }
    }
}

/// A scan downwards and a scan upwards, which puts the pixels into the queue that can raise a later
/// one. (An earlier one has taken its value already.)
struct Scans<'a, L> {
    growth: &'a mut Growth<L>,
    values: &'a mut [L],
    mask: &'a [L],
}

impl<L: Copy + PartialOrd> Kernel for Scans<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Blocks of eight numbers of eight bytes are as long as any vector.
        if size_of::<L>() == 8 { self.by_blocks::<8>() } else { self.by_blocks::<BLOCK>() }
    }
}

impl<L: Copy + PartialOrd> Scans<'_, L> {
    #[inline(always)]
    fn by_blocks<const N: usize>(self) {
        let Self { growth, values, mask } = self;
        let Growth { frame, connectivity, highest, ref mut steps, .. } = *growth;
        let Growth { limits: [limits, limits_below], can_raise, queue, .. } = growth;
        let (width, stride) = (frame.width(), frame.stride());
        for row in frame.rows() {
            let (before, here) = values.split_at_mut(row.start - 1);
            let above = reach(connectivity, &before[row.start - 1 - stride..], width);
            let pixels = &mut here[1..=width];
            raise(steps, pixels, above, &mask[row]);
            pixels.copy_from_slice(steps.scan::<N, false>());
        }
        limits_below.fill(highest);
        for row in frame.rows().rev() {
            let (before, below) = values.split_at_mut(row.end + 1);
            let (pixels, caps) = (&mut before[row.clone()], &mask[row.clone()]);
            raise(steps, pixels, reach(connectivity, below, width), caps);
            pixels.copy_from_slice(steps.scan::<N, true>());
            for ((limit, value), cap) in limits[1..].iter_mut().zip(&*pixels).zip(caps) {
                *limit = if *value < *cap { *value } else { highest };
            }
            let [left, middle, right] = reach(connectivity, limits_below, width);
            let later = left.iter().zip(middle).zip(right).zip(&limits[2..]);
            for ((can, value), (((a, b), c), d)) in can_raise.iter_mut().zip(&*pixels).zip(later) {
                *can = *value > smaller(smaller(*a, *b), smaller(*c, *d));
            }
            collect(can_raise, row.start, queue);
            mem::swap(limits, limits_below);
        }
    }
}

/// The largest of each pixel and its neighbours, at most the mask: whether that is new anywhere.
struct Step<'a, L> {
    frame: Frame,
    connectivity: Connectivity,
    values: &'a [L],
    mask: &'a [L],
    next: &'a mut [L],
}

impl<L: Copy + PartialOrd> Kernel for Step<'_, L> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { frame, connectivity, values, mask, next } = self;
        let (width, stride) = (frame.width(), frame.stride());
        let mut is_new = false;
        for row in frame.rows() {
            let left = row.start - 1;
            let [above, below] = [left - stride, left + stride]
                .map(|first| reach(connectivity, &values[first..], width));
            let [a, b, c, d, e, f] =
                [above[0], above[1], above[2], below[0], below[1], below[2]].map(|x| &x[..width]);
            let [before, pixels, after] =
                [left, row.start, row.start + 1].map(|first| &values[first..][..width]);
            let (caps, next) = (&mask[row.clone()][..width], &mut next[row][..width]);
            let mut changed = 0u8;
            for i in 0..width {
                let rows = larger(
                    larger(larger(a[i], b[i]), larger(c[i], d[i])),
                    larger(larger(e[i], f[i]), larger(before[i], after[i])),
                );
                let new = smaller(larger(pixels[i], rows), caps[i]);
                changed |= u8::from(new != pixels[i]);
                next[i] = new;
            }
            is_new |= changed != 0;
        }
        is_new
    }
}

/// Writes the steps of a row: its pixels, raised by the neighbours in the row beside it.
#[inline(always)]
fn raise<L: Copy + PartialOrd>(
    steps: &mut Steps<L>,
    pixels: &[L],
    [left, middle, right]: [&[L]; 3],
    mask: &[L],
) {
    let (levels, caps) = steps.row();
    let others = left.iter().zip(middle).zip(right).zip(mask);
    for ((level, value), (((a, b), c), cap)) in levels.iter_mut().zip(pixels).zip(others) {
        *level = smaller(larger(larger(*value, *a), larger(*b, *c)), *cap);
    }
    caps.copy_from_slice(mask);
}
