//! How the numbers of a dilation or an erosion lie in memory: its outputs, its packed kernel, and
//! the winners that a forward pass leaves for the backward pass.

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::MAX_LANES;

use crate::neighbourhood::window_layout::WindowLayout;

/// The winner of a window in which nothing counts.
pub(crate) const NONE: u16 = u16::MAX;

/// From this many filters on the lanes are filters.
pub(crate) const FILTERS_IN_LANES: usize = 4;

/// How the outputs of an operation are laid out: `filters` kernels on every channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Filters; 1 where every channel has its own kernel.
    pub(crate) filters: usize,
    /// Whether channels keep their own outputs (`filter * channels + channel`) instead of being
    /// summed.
    pub(crate) marginal: bool,
}

impl Layout {
    /// Channels of the output.
    pub(crate) fn outputs(self, channels: usize) -> usize {
        if self.marginal { self.filters * channels } else { self.filters }
    }
}

/// Whether the forward pass saves the winning taps: not where the gradient is divided among all
/// that are tied, and not of windows with more taps than can be counted. The backward pass then
/// looks for them.
pub(crate) fn saves_winners(place: &WindowLayout, ties: Ties) -> bool {
    ties != Ties::Split && place.window.taps() < usize::from(NONE)
}

/// How many filters a packed kernel has room for: whole vectors if they are lanes.
pub(crate) fn room(filters: usize) -> usize {
    if filters < FILTERS_IN_LANES { filters } else { filters.next_multiple_of(MAX_LANES) }
}
