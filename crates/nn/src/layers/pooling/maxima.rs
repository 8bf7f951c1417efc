//! The kernels of max-pooling: the maxima of an image with who reached them and, beneath, the
//! gradient that goes there.
//!
//! The one design choice: a winner is its number among the pixels that its window covers, kept as a
//! number of the image's type, so that the backward pass compares it lane by lane, without an
//! address for each.

use morphograd_autodiff::tensor::simd::{Kernel, VectorKernel};
use morphograd_autodiff::tensor::{Real, Taps2d, Vector};

use super::geometry::{
    LANES, for_channels, for_each_pixel, for_each_window, is_partition, lanes, lanes_mut,
};

/// The maxima of one image.
pub(super) struct Maxima<'a, T> {
    pub(super) taps: &'a Taps2d,
    pub(super) x: &'a [T],
    /// Whether the last of tied maxima wins.
    pub(super) last: bool,
    pub(super) y: &'a mut [T],
    /// Which pixel of its window each maximum is.
    pub(super) winners: Option<&'a mut [T]>,
}

impl<T: Real> VectorKernel<T> for Maxima<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        match (self.last, self.winners.is_some()) {
            (false, false) => self.windows::<V, false, false>(),
            (false, true) => self.windows::<V, false, true>(),
            (true, false) => self.windows::<V, true, false>(),
            (true, true) => self.windows::<V, true, true>(),
        }
    }
}

impl<T: Real> Maxima<'_, T> {
    #[inline(always)]
    fn windows<V: Vector<T>, const LAST: bool, const SAVE: bool>(mut self) {
        let taps = self.taps;
        let [height, width] = taps.extent.output;
        for i in 0..height {
            let rows = taps.covered(0, i);
            for j in 0..width {
                let columns = taps.covered(1, j);
                let first = taps.offset(rows.start, columns.start);
                let at = (i * width + j) * taps.channels;
                // The size of most windows is a constant, for which the loops disappear.
                match [rows.len(), columns.len()] {
                    [2, 2] => self.window::<V, LAST, SAVE>([2, 2], first, at),
                    size => self.window::<V, LAST, SAVE>(size, first, at),
                }
            }
        }
    }

    /// The maxima of a window whose first pixel is at `first`, and whose output is at `at`.
    #[inline(always)]
    fn window<V: Vector<T>, const LAST: bool, const SAVE: bool>(
        &mut self,
        size: [usize; 2],
        first: usize,
        at: usize,
    ) {
        let channels = self.taps.channels;
        let mut channel = 0;
        while channel + V::LANES <= channels {
            self.vector::<V, LAST, SAVE>(size, first + channel, at + channel);
            channel += V::LANES;
        }
        while channel + V::Half::LANES <= channels {
            self.vector::<V::Half, LAST, SAVE>(size, first + channel, at + channel);
            channel += V::Half::LANES;
        }
        for channel in channel..channels {
            let (best, winner) = maximum::<T, LAST>(self.taps, self.x, size, first + channel);
            self.y[at + channel] = best;
            if SAVE && let Some(winners) = &mut self.winners {
                winners[at + channel] = T::of(winner as f64);
            }
        }
    }

    /// One vector of channels of a window.
    #[inline(always)]
    fn vector<V: Vector<T>, const LAST: bool, const SAVE: bool>(
        &mut self,
        [rows, columns]: [usize; 2],
        first: usize,
        at: usize,
    ) {
        let (zero, one) = (V::splat(T::zero()), V::splat(T::one()));
        // Every element starts as the first pixel of its window, which the loop then compares with
        // itself.
        let mut best = V::load(&self.x[first..]);
        let (mut winner, mut number) = (zero, zero);
        for row in 0..rows {
            for column in 0..columns {
                let x = V::load(&self.x[first + self.taps.offset(row, column)..]);
                // A comparison is false for NaN, which has to win once, and then to stay.
                if LAST {
                    if SAVE {
                        winner = V::select(x.ge(best), number, V::select(x.ge(x), winner, number));
                    }
                    best = V::select(x.ge(best), x, V::select(x.ge(x), best, x));
                } else {
                    if SAVE {
                        let larger = V::select(best.ge(x), winner, number);
                        winner = V::select(best.ge(best), larger, winner);
                    }
                    best = V::select(best.ge(best), V::select(best.ge(x), best, x), best);
                }
                number = number.add(one);
            }
        }
        best.store(&mut self.y[at..]);
        if SAVE && let Some(winners) = &mut self.winners {
            winner.store(&mut winners[at..]);
        }
    }
}

/// The maximum of one window and channel, and its number among the pixels covered; `first` is where
/// the first of these is.
#[inline(always)]
fn maximum<T: Real, const LAST: bool>(
    taps: &Taps2d,
    x: &[T],
    [rows, columns]: [usize; 2],
    first: usize,
) -> (T, usize) {
    let (mut best, mut winner) = (x[first], 0);
    for row in 0..rows {
        for column in 0..columns {
            let x = x[first + taps.offset(row, column)];
            // "Not less or equal" is also true of NaN.
            #[expect(
                clippy::neg_cmp_op_on_partial_ord,
                reason = "NaN has to win once, and then to stay"
            )]
            let wins = if LAST { (x >= best) | x.is_nan() } else { !(x <= best) & !best.is_nan() };
            (best, winner) = if wins { (x, row * columns + column) } else { (best, winner) };
        }
    }
    (best, winner)
}

/// The gradient of the maxima of one image, to the pixels that won: overwrites `dx`.
pub(super) struct Winners<'a, T> {
    pub(super) taps: &'a Taps2d,
    /// What the forward pass remembered.
    pub(super) winners: &'a [T],
    pub(super) dx: &'a mut [T],
    pub(super) g: &'a [T],
}

/// Up to so many pixels in a window each is asked whether it won; in larger ones the winner's place
/// is computed.
const SMALL: usize = 9;

impl<T: Real> VectorKernel<T> for Winners<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(mut self) {
        // Where the windows are a partition of the image, each writes its pixels; else they add to
        // zeros.
        if is_partition(self.taps) {
            self.windows::<V, true>();
        } else {
            self.dx.fill(T::zero());
            self.windows::<V, false>();
        }
    }
}

impl<T: Real> Winners<'_, T> {
    #[inline(always)]
    fn windows<V: Vector<T>, const PARTITION: bool>(&mut self) {
        let taps = self.taps;
        let [height, width] = taps.extent.output;
        for i in 0..height {
            let rows = taps.covered(0, i);
            for j in 0..width {
                let columns = taps.covered(1, j);
                let first = taps.offset(rows.start, columns.start);
                let at = (i * width + j) * taps.channels;
                let size = [rows.len(), columns.len()];
                match size {
                    [2, 2] => self.small::<V, PARTITION>([2, 2], first, at),
                    [rows, columns] if rows * columns <= SMALL => {
                        self.small::<V, PARTITION>(size, first, at);
                    }
                    _ => self.large::<PARTITION>(size, first, at, 0),
                }
            }
        }
    }

    #[inline(always)]
    fn small<V: Vector<T>, const PARTITION: bool>(
        &mut self,
        size: [usize; 2],
        first: usize,
        at: usize,
    ) {
        let channels = self.taps.channels;
        let mut channel = 0;
        while channel + V::LANES <= channels {
            self.vector::<V, PARTITION>(size, first + channel, at + channel);
            channel += V::LANES;
        }
        while channel + V::Half::LANES <= channels {
            self.vector::<V::Half, PARTITION>(size, first + channel, at + channel);
            channel += V::Half::LANES;
        }
        self.large::<PARTITION>(size, first, at, channel);
    }

    /// One vector of channels of a window.
    #[inline(always)]
    fn vector<V: Vector<T>, const PARTITION: bool>(
        &mut self,
        [rows, columns]: [usize; 2],
        first: usize,
        at: usize,
    ) {
        let (zero, one) = (V::splat(T::zero()), V::splat(T::one()));
        let (winner, g) = (V::load(&self.winners[at..]), V::load(&self.g[at..]));
        let mut number = zero;
        for row in 0..rows {
            for column in 0..columns {
                let dx = &mut self.dx[first + self.taps.offset(row, column)..];
                let not_before = V::select(winner.ge(number), g, zero);
                let share = V::select(number.ge(winner), not_before, zero);
                (if PARTITION { share } else { V::load(dx).add(share) }).store(dx);
                number = number.add(one);
            }
        }
    }

    /// The channels from `channel` on.
    #[inline(always)]
    fn large<const PARTITION: bool>(
        &mut self,
        size: [usize; 2],
        first: usize,
        at: usize,
        channel: usize,
    ) {
        if PARTITION {
            for (row, column) in
                (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| (row, column)))
            {
                let pixel = first + self.taps.offset(row, column);
                self.dx[pixel + channel..pixel + self.taps.channels].fill(T::zero());
            }
        }
        for channel in channel..self.taps.channels {
            let winner = self.winners[at + channel].to_usize().expect("a whole number");
            let place = self.taps.offset(winner / size[1], winner % size[1]);
            self.dx[first + channel + place] += self.g[at + channel];
        }
    }
}

/// The gradient of the maxima of one image, in equal parts to all maximal pixels of a window.
pub(super) struct Parts<'a, T> {
    pub(super) taps: &'a Taps2d,
    pub(super) x: &'a [T],
    pub(super) y: &'a [T],
    pub(super) dx: &'a mut [T],
    pub(super) g: &'a [T],
}

impl<T: Real> Kernel for Parts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let taps = self.taps;
        for_each_window(taps, |pixel, rows, columns| {
            for_channels!(taps.channels, |channel, N| {
                let at = pixel * taps.channels + channel;
                let (y, g) = (lanes::<T, N>(self.y, at), lanes::<T, N>(self.g, at));
                // One for a maximal pixel, zero for any other; never all zero, as the maximum is
                // one of the pixels.
                let share = |x: &[T; N], c: usize| {
                    let tied = (x[c] == y[c]) | (x[c].is_nan() & y[c].is_nan());
                    if tied { T::one() } else { T::zero() }
                };
                let mut count = [T::zero(); N];
                for_each_pixel(taps, rows.clone(), columns.clone(), channel, |at| {
                    let x = lanes::<T, N>(self.x, at);
                    (0..N).for_each(|c| count[c] += share(x, c));
                });
                let part: [T; N] = std::array::from_fn(|c| g[c] / count[c]);
                for_each_pixel(taps, rows.clone(), columns.clone(), channel, |at| {
                    let x = lanes::<T, N>(self.x, at);
                    let dx = lanes_mut::<T, N>(self.dx, at);
                    (0..N).for_each(|c| dx[c] += part[c] * share(x, c));
                });
            });
        });
    }
}
