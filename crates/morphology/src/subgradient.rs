//! The backward pass of dilation and erosion: the gradient of every output goes to the position that won, in the image and in the kernel.
//! One file for all of them, because the rule at ties is decided here.
//!
//! Outputs are met row by row. The image's gradient is gathered image by image in parallel, the kernel's in partial sums over rows that
//! are added in order, so that the result does not depend on the number of threads.

use std::ops::Range;

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::{Real, parallel};

use crate::window::Placement;
use crate::{Border, Lattice};

/// How the outputs of an operation are laid out: `filters` kernels on every channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Filters; 1 where every channel has its own kernel.
    pub(crate) filters: usize,
    /// Whether channels keep their own outputs (`filter * channels + channel`) instead of being summed.
    pub(crate) marginal: bool,
}

impl Layout {
    /// Channels of the output.
    pub(crate) fn outputs(self, channels: usize) -> usize {
        if self.marginal { self.filters * channels } else { self.filters }
    }
}

/// What a backward pass needs to know of its forward pass.
pub(crate) struct Subgradient<'a, T> {
    pub(crate) place: &'a Placement,
    pub(crate) layout: Layout,
    pub(crate) ties: Ties,
    pub(crate) x: &'a [T],
    pub(crate) kernel: &'a [T],
    /// The steps of the taps, then, unless ties are split, the winning tap of every position, channel and filter.
    pub(crate) saved: &'a [u32],
    pub(crate) grad: &'a [T],
}

/// A share of an output's gradient.
struct Share<T> {
    at: [usize; 2],
    channel: usize,
    filter: usize,
    tap: u32,
    grad: T,
}

impl<T: Real> Subgradient<'_, T> {
    /// Adds the gradients of the image and of the kernel, where they are wanted.
    pub(crate) fn add<L: Lattice>(&self, dx: Option<&mut [T]>, dw: Option<&mut [T]>, scratch: &mut Vec<T>) {
        if self.grad.is_empty() {
            return;
        }
        let &Placement { extent, image: [height, width], channels, .. } = self.place;
        let (rows, filters) = (extent.output[0], self.layout.filters);
        let steps = &self.saved[..2 * self.place.window.taps()];
        if let Some(dx) = dx {
            parallel::for_each_piece(dx, height * width * channels, |image, dx| {
                self.visit::<L>(image * rows..(image + 1) * rows, |share| {
                    if let Some(pixel) = self.place.pixel(steps, share.at, share.tap) {
                        dx[pixel * channels + share.channel] += share.grad;
                    }
                });
            });
        }
        if let Some(dw) = dw {
            let sign = T::of(L::SIGN);
            let lines = self.grad.len() / (extent.output[1] * self.layout.outputs(channels));
            parallel::sum_into(dw, lines, scratch, |lines, dw| {
                self.visit::<L>(lines, |share| {
                    if self.place.counts(steps, share.at, share.tap) {
                        let entry = self.place.entry::<L>(share.tap as usize);
                        dw[(entry * channels + share.channel) * filters + share.filter] += sign * share.grad;
                    }
                });
            });
        }
    }

    /// Calls `f` with every share of the gradients of some rows of outputs, counted over all images.
    #[inline(always)]
    fn visit<L: Lattice>(&self, lines: Range<usize>, mut f: impl FnMut(Share<T>)) {
        let &Placement { window, extent, channels, .. } = self.place;
        let ([rows, columns], Layout { filters, marginal }) = (extent.output, self.layout);
        let (steps, outputs) = (&self.saved[..2 * window.taps()], self.layout.outputs(channels));
        let winners = &self.saved[2 * window.taps()..];
        for line in lines {
            let (image, i) = (line / rows, line % rows);
            for j in 0..columns {
                let (at, position) = ([i, j], line * columns + j);
                let grads = &self.grad[position * outputs..][..outputs];
                for channel in 0..channels {
                    let first = (position * channels + channel) * filters;
                    if self.ties == Ties::Split {
                        for filter in 0..filters {
                            let grad = grads[if marginal { filter * channels + channel } else { filter }];
                            self.split::<L>(steps, image, at, channel, filter, grad, &mut f);
                        }
                    } else if marginal {
                        for (filter, &tap) in winners[first..][..filters].iter().enumerate() {
                            f(Share { at, channel, filter, tap, grad: grads[filter * channels + channel] });
                        }
                    } else {
                        let winners = &winners[first..][..filters];
                        for (filter, (&tap, &grad)) in winners.iter().zip(grads).enumerate() {
                            f(Share { at, channel, filter, tap, grad });
                        }
                    }
                }
            }
        }
    }

    /// Divides the gradient of one output among the taps that reach its value.
    #[expect(clippy::too_many_arguments, reason = "the coordinates of one output")]
    fn split<L: Lattice>(
        &self,
        steps: &[u32],
        image: usize,
        at: [usize; 2],
        channel: usize,
        filter: usize,
        grad: T,
        f: &mut impl FnMut(Share<T>),
    ) {
        let &Placement { window, image: [height, width], channels, border, .. } = self.place;
        let candidate = |tap: u32| -> Option<T> {
            let entry = self.place.entry::<L>(tap as usize);
            let w = self.kernel[(entry * channels + channel) * self.layout.filters + filter];
            let x = match (self.place.pixel(steps, at, tap), border) {
                (Some(pixel), _) => self.x[(image * height * width + pixel) * channels + channel],
                (None, Border::Constant(value)) => T::of(value),
                (None, _) => return None,
            };
            Some(L::candidate(x, w))
        };
        let taps = 0..window.taps() as u32;
        let better = |best: T, next: T| if L::beats(next, best) { next } else { best };
        let best = taps.clone().filter_map(candidate).fold(L::bottom(), better);
        let tied = |tap: &u32| candidate(*tap) == Some(best);
        let n = taps.clone().filter(tied).count();
        for tap in taps.filter(tied) {
            f(Share { at, channel, filter, tap, grad: grad / T::of(n as f64) });
        }
    }
}
