//! Area openings and closings: they remove the peaks and the holes with too few pixels, whatever
//! their form. One union-find over the pixels from the highest to the lowest; no max-tree is built.

use std::cmp::Ordering;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::connected::selection::{self, Selection, root};
use crate::neighbourhood::connectivity::Connectivity;

/// The area opening: each pixel becomes the highest level at which its connected component of
/// $\{x \ge \text{level}\}$ has at least `area` pixels. `x` and output
/// `[batch, height, width, channels]`, each image and channel on its own. A plane with fewer than
/// `area` pixels becomes its minimum.
///
/// - Border: pixels outside the image do not exist. NaN counts as lower than every number.
/// - Gradient: each output pixel equals a pixel of the input, which gets its gradient. Ties: where
///   the opening changes nothing, the pixel itself; where it removed a peak, the first in raster
///   order of the unchanged pixels of the plateau that is left, or with [`Ties::Last`] the last of
///   them. With [`Ties::Split`] the gradient of a plateau of the output goes in equal parts to all
///   its unchanged pixels; what is NaN hands nothing on.
/// - Cost: a sort of the pixels and nearly one visit for each of them and its neighbours, whatever
///   the area. Backward one addition a pixel.
///
/// Sources: L. Vincent, *Grayscale area openings and closings* (1993); A. Meijster and M.
/// Wilkinson, *A comparison of algorithms for connected set openings and closings* (IEEE
/// Transactions on Pattern Analysis and Machine Intelligence, 2002).
///
/// # Errors
/// If the shape is not that of images.
///
/// ```
/// use morphograd_morphology::{Connectivity, area_opening, evaluate, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 1, 7, 1], &[0.0, 9.0, 8.0, 0.0, 7.0, 0.0, 0.0]);
/// let y = evaluate([x], |graph, [x]| area_opening(graph, x, 2, Connectivity::Eight))?;
/// assert_eq!(y.data(), [0.0, 8.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn area_opening<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    area: usize,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    graph.apply(AreaOpening { area, connectivity, ties }, [x])
}

/// The area closing: the dual of [`area_opening`], $-\gamma(-x)$. It fills the holes with fewer
/// than `area` pixels.
///
/// # Errors
/// If the shape is not that of images.
pub fn area_closing<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    area: usize,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    selection::dual(graph, AreaOpening { area, connectivity, ties }, [x])
}

/// The operation of [`area_opening`].
#[derive(Debug, Clone, Copy)]
pub struct AreaOpening {
    /// The smallest number of pixels that stays.
    pub area: usize,
    /// Which pixels belong together.
    pub connectivity: Connectivity,
    /// Who gets the gradient.
    pub ties: Ties,
}

const REALS: usize = 1;
const WORDS: usize = 4;

impl<T: Real> Op<T> for AreaOpening {
    fn name(&self) -> &'static str {
        "area opening"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        selection::infer("area opening", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let enough = u32::try_from(self.area).unwrap_or(u32::MAX);
        let rule = Selection { connectivity: self.connectivity, ties: self.ties };
        selection::forward::<T, REALS, WORDS>(
            pass,
            rule,
            |frame, [values], [origins, order, parents, areas]| {
                let neighbours = frame.neighbours(self.connectivity);
                let mut n = 0;
                for p in frame.pixels() {
                    order[n] = p as u32;
                    n += 1;
                }
                let order = &mut order[..n];
                // Of equal pixels the last in raster order first: the root of a plateau, who joins
                // last, is then the first.
                order.sort_unstable_by(|p, q| {
                    descending(values[*p as usize], values[*q as usize]).then(q.cmp(p))
                });
                parents.fill(UNSEEN);
                for p in order.iter().map(|p| *p as usize) {
                    (parents[p], areas[p]) = (p as u32, 1);
                    for q in neighbours.around(p) {
                        if parents[q] == UNSEEN {
                            continue;
                        }
                        let root = root(parents, q);
                        if root == p {
                            continue;
                        }
                        // A component that is large enough keeps its level; what joins it from
                        // below is large enough too.
                        if areas[root] < enough || values[root] == values[p] {
                            parents[root] = p as u32;
                            areas[p] = areas[p].saturating_add(areas[root]);
                        } else {
                            areas[p] = areas[p].max(enough);
                        }
                    }
                }
                // Parents come after their children in this order, so backwards every parent is
                // ready before them.
                for p in order.iter().rev().map(|p| *p as usize) {
                    let root = parents[parents[p] as usize];
                    parents[p] = root;
                    if values[p] != values[root as usize] {
                        (values[p], origins[p]) = (values[root as usize], root);
                    }
                }
            },
        );
    }

    fn backward(&self, pass: Backward<'_, T>) {
        selection::backward::<T, WORDS>(pass, self.ties);
    }
}

const UNSEEN: u32 = u32::MAX;

/// From high to low, NaN last.
fn descending<T: Real>(a: T, b: T) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
