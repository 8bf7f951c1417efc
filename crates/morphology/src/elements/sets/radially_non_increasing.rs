//! Structuring functions that do not rise away from their centre.
//!
//! The one design choice: the order is between rings, not along rays. An entry nearer to the centre
//! is at least as large as *every* entry that is farther away, in whichever direction. This order
//! is total between rings, which makes the projection exact and cheap.

use morphograd_nn::autodiff::sets::Kind;
use morphograd_nn::sets::pool_adjacent_violators;
use morphograd_nn::sets::with_scratch;
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};
use crate::PixelDistance;
use crate::elements::structuring_element::offset;

/// $\{ w : w_d \ge w_e \text{ whenever } |d| < |e| \}$ for each channel and filter, with distances
/// from the centre in a metric of the plane; entries at the same distance are free of one another.
/// Convex; exact in every diagonal metric, O(n log n).
///
/// The projection is an isotonic regression on this partial order, and that is one on a chain: sort
/// the entries by distance, those of a ring from the largest to the smallest, and pool adjacent
/// violators. For between the bounds that its neighbours leave it, a ring's projection clips each
/// entry, and clipping keeps their order; so the chain's additional inequalities cost nothing.
/// Together with [`ZeroCentre`](super::ZeroCentre), the centre is then where every dilation by the
/// kernel looks first.
///
/// ```
/// use morphograd_morphology::{
///     RadiallyNonIncreasing,
///     nn::autodiff::{tensor::Shape, sets::Constraint},
/// };
/// let mut kernel = [0.0f32, 1.0, 0.5, -1.0, -2.0];
/// RadiallyNonIncreasing::default().project(Shape::from([1, 5]), &mut kernel);
/// // 0.5 and 1 were out of order, and so were -1 and 0.
/// assert_eq!(kernel, [-0.5, 0.75, 0.75, -0.5, -2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RadiallyNonIncreasing {
    /// How distances from the centre are measured; Euclidean by default.
    pub distance: PixelDistance,
}

constraint_on_planes!(RadiallyNonIncreasing);

impl RadiallyNonIncreasing {
    /// A number that grows with the distance of a position from the centre.
    fn ring(self, size: [usize; 2], position: usize) -> usize {
        let [y, x] = offset(size, position).map(isize::unsigned_abs);
        match self.distance {
            PixelDistance::Chessboard => y.max(x),
            PixelDistance::Taxicab => y + x,
            PixelDistance::Euclidean => y * y + x * x,
        }
    }

    /// Calls `work` with the positions in order of `level` downwards, then of distance, then of
    /// value downwards, and scratch of the same length twice. Positions are numbers of type `f64`
    /// so that they can lie in the scratch memory.
    fn sorted<R>(
        self,
        size: [usize; 2],
        level: impl Fn(usize) -> f64,
        plane: &[f64],
        work: impl FnOnce(&[f64], &mut [f64], &mut [f64]) -> R,
    ) -> R {
        let n = plane.len();
        with_scratch(3 * n, |scratch: &mut [f64]| {
            let (order, scratch) = scratch.split_at_mut(n);
            let (chain, weights) = scratch.split_at_mut(n);
            order.iter_mut().enumerate().for_each(|(i, o)| *o = i as f64);
            order.sort_unstable_by(|a, b| {
                let (a, b) = (*a as usize, *b as usize);
                let by_level = level(b).total_cmp(&level(a));
                let by_ring = by_level.then_with(|| self.ring(size, a).cmp(&self.ring(size, b)));
                by_ring.then_with(|| plane[b].total_cmp(&plane[a])).then(a.cmp(&b))
            });
            work(order, chain, weights)
        })
    }

    /// Isotonic regression within each run of equal level.
    fn regress(
        self,
        size: [usize; 2],
        level: impl Fn(usize) -> f64,
        metric: Option<&[f64]>,
        plane: &mut [f64],
    ) {
        with_scratch(plane.len(), |result: &mut [f64]| {
            self.sorted(size, &level, plane, |order, chain, weights| {
                for (k, position) in order.iter().map(|o| *o as usize).enumerate() {
                    chain[k] = -plane[position];
                    weights[k] = metric.map_or(1.0, |m| m[position]);
                }
                let mut start = 0;
                while start < order.len() {
                    let same = |o: &&f64| {
                        level(**o as usize).total_cmp(&level(order[start] as usize)).is_eq()
                    };
                    let end = start + order[start..].iter().take_while(same).count();
                    pool_adjacent_violators(&mut chain[start..end], Some(&weights[start..end]));
                    start = end;
                }
                for (k, position) in order.iter().map(|o| *o as usize).enumerate() {
                    result[position] = -chain[k];
                }
            });
            plane.copy_from_slice(result);
        });
    }
}

impl PlaneSet for RadiallyNonIncreasing {
    const NAME: &'static str = "radially non-increasing";
    const HAS_GREATEST: bool = true;

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w_d >= w_e where |d| < |e|"
    }

    fn check(&self, _: [usize; 2]) -> Result<(), ShapeError> {
        Ok(())
    }

    /// The largest amount by which an entry exceeds one nearer to the centre.
    fn missed(&self, size: [usize; 2], _: f64, plane: &[f64]) -> f64 {
        if plane.iter().any(|w| w.is_nan()) {
            return f64::NAN;
        }
        self.sorted(
            size,
            |_| 0.0,
            plane,
            |order, _, _| {
                let (mut missed, mut inner, mut least, mut ring) =
                    (0.0, f64::INFINITY, f64::INFINITY, 0);
                for position in order.iter().map(|o| *o as usize) {
                    if self.ring(size, position) != ring {
                        (ring, inner) = (self.ring(size, position), least);
                    }
                    let w = plane[position];
                    // Only what is out of order is subtracted: an infinity minus itself would be
                    // NaN.
                    if w > inner {
                        missed = worst(w - inner, missed);
                    }
                    least = least.min(w);
                }
                missed
            },
        )
    }

    fn solve(&self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        self.regress(size, |_| 0.0, metric, plane);
    }

    /// Each entry at most the least of those nearer to the centre.
    fn greatest_below(&self, size: [usize; 2], upper: &mut [f64]) -> bool {
        with_scratch(upper.len(), |result: &mut [f64]| {
            self.sorted(
                size,
                |_| 0.0,
                upper,
                |order, _, _| {
                    let (mut inner, mut least, mut ring) = (f64::INFINITY, f64::INFINITY, 0);
                    for position in order.iter().map(|o| *o as usize) {
                        if self.ring(size, position) != ring {
                            (ring, inner) = (self.ring(size, position), least);
                        }
                        result[position] = upper[position].min(inner);
                        least = least.min(result[position]);
                    }
                },
            );
            upper.copy_from_slice(result);
        });
        true
    }

    /// The same order among the entries of each height: only those can change places.
    fn tangent(&self, size: [usize; 2], _: f64, at: &[f64], direction: &mut [f64]) {
        // Plus 0: both zeros are one height.
        self.regress(size, |i| at[i] + 0.0, None, direction);
    }

    /// A block that was pooled is its mean: each of its entries gets the mean of the gradient.
    /// Blocks are the entries of one height.
    fn pull_back(&self, size: [usize; 2], at: &[f64], projected: &[f64], gradient: &mut [f64]) {
        // Plus 0: both zeros are one height.
        let height = |i: f64| projected[i as usize] + 0.0;
        self.sorted(
            size,
            |i| height(i as f64),
            at,
            |order, _, _| {
                for block in order.chunk_by(|a, b| height(*a).total_cmp(&height(*b)).is_eq()) {
                    let entries = || block.iter().map(|i| *i as usize);
                    if entries().any(|i| at[i] != projected[i]) {
                        let mean = entries().map(|i| gradient[i]).sum::<f64>() / block.len() as f64;
                        entries().for_each(|i| gradient[i] = mean);
                    }
                }
            },
        );
    }

    /// The entries that equal one at another distance.
    fn active(&self, size: [usize; 2], _: f64, plane: &[f64]) -> Option<usize> {
        let equals =
            |i: usize, j: usize| plane[i] == plane[j] && self.ring(size, i) != self.ring(size, j);
        Some((0..plane.len()).filter(|i| (0..plane.len()).any(|j| equals(*i, j))).count())
    }
}
