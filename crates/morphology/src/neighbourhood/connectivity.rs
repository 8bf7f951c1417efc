//! Which pixels of the grid are neighbours. The neighbours are split into those before and those
//! after a pixel in raster order, since that is how the sequential algorithms visit them.

/// The neighbourhood of a pixel: what "connected" means for reconstructions, levelings, regional
/// extrema and area openings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connectivity {
    /// The pixels that share an edge: the cross.
    Four,
    /// The pixels that share an edge or a corner: the 3 x 3 square.
    #[default]
    Eight,
}

/// The neighbourhood on an image stored with a given distance between rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbours {
    /// How far before the pixel its earlier neighbours lie, in raster order; the later ones lie
    /// symmetrically.
    distances: [usize; 4],
    count: usize,
}

impl Connectivity {
    pub(crate) fn neighbours(self, stride: usize) -> Neighbours {
        match self {
            Self::Four => Neighbours { distances: [stride, 1, 0, 0], count: 2 },
            Self::Eight => Neighbours { distances: [stride + 1, stride, stride - 1, 1], count: 4 },
        }
    }
}

impl Neighbours {
    /// The neighbours of `p` that come before it, in raster order.
    #[inline(always)]
    pub(crate) fn earlier(&self, p: usize) -> impl Iterator<Item = usize> {
        self.distances[..self.count].iter().map(move |d| p - d)
    }

    /// The neighbours of `p` that come after it, in raster order.
    #[inline(always)]
    pub(crate) fn later(&self, p: usize) -> impl Iterator<Item = usize> {
        self.distances[..self.count].iter().rev().map(move |d| p + d)
    }

    /// All neighbours of `p`, in raster order.
    #[inline(always)]
    pub(crate) fn around(&self, p: usize) -> impl Iterator<Item = usize> {
        self.earlier(p).chain(self.later(p))
    }

    /// `p` and its neighbours, in raster order.
    #[inline(always)]
    pub(crate) fn window(&self, p: usize) -> impl Iterator<Item = usize> {
        self.earlier(p).chain([p]).chain(self.later(p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_in_raster_order() {
        let all =
            |connectivity: Connectivity| connectivity.neighbours(10).window(55).collect::<Vec<_>>();
        assert_eq!(all(Connectivity::Four), [45, 54, 55, 56, 65]);
        assert_eq!(all(Connectivity::Eight), [44, 45, 46, 54, 55, 56, 64, 65, 66]);
    }
}
