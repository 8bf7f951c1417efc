//! Area openings and closings: they remove the peaks and the holes with too few pixels, whatever
//! their form. One union-find over the pixels from the highest to the lowest; no max-tree is built.

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::connected::order::{Extremum, OfNumbers, Order};
use crate::connected::selection::{self, Frame, Planes, Selection};
use crate::connected::sorted::ascending;
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
/// - Cost: a counting sort of the pixels and nearly one visit for each of them and its neighbours,
///   whatever the area. Backward one addition a pixel. Without a gradient large images are computed
///   in parallel, where the area is small: see [`pixels::area`](crate::pixels::area), also for
///   pixels that are not floats.
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
        let order = OfNumbers(Extremum::Maximum);
        if !pass.needs_grad {
            let planes = Planes::new("area opening", pass.shape).expect("shapes were inferred");
            let x = pass.inputs[0].data;
            return opened(planes, x, self.area, self.connectivity, &order, pass.output);
        }
        let enough = enough(self.area);
        let rule = Selection { connectivity: self.connectivity, ties: self.ties };
        selection::forward::<T, REALS, WORDS>(
            pass,
            rule,
            |frame, [values], [origins, links, first, second]| {
                let pixels = ascending(frame, values, &order, [first, second]);
                unite::<_, true>(frame, self.connectivity, (pixels, values), links, enough);
                for p in frame.pixels() {
                    let root = root(links, p);
                    if values[p] != values[root] {
                        (values[p], origins[p]) = (values[root], root as u32);
                    }
                }
            },
        );
    }

    fn backward(&self, pass: Backward<'_, T>) {
        selection::backward::<T, WORDS>(pass, self.ties);
    }
}

/// Rows of the output that are one task, for each row beside them that it reads too.
const ROWS: usize = 8;

/// Rows that are one task at least.
const LEAST: usize = 64;

/// Writes the area opening, every image and channel on its own, with "larger" as the order says.
///
/// A pixel depends on no row further away than a component that is too small can reach, so that
/// parts of an image are computed in parallel.
pub(crate) fn opened<P: Copy + Send + Sync, O: Order<P>>(
    planes: Planes,
    x: &[P],
    area: usize,
    connectivity: Connectivity,
    order: &O,
    y: &mut [P],
) {
    if y.is_empty() {
        return;
    }
    let ([height, width], channels) = (planes.frame.size(), planes.channels());
    let (row, image_len) = (width * channels, planes.image_len());
    let enough = enough(area);
    let beside = (enough as usize).saturating_sub(1).min(height);
    let bands = (height / (ROWS * beside).max(LEAST)).max(1);
    let rows = height.div_ceil(bands);
    let mut bands: Vec<_> = (y.chunks_exact_mut(image_len).zip(x.chunks_exact(image_len)))
        .flat_map(|(y, x)| {
            let bands = y.chunks_mut(rows * row).enumerate();
            bands.map(move |(n, y)| (x, n * rows, y))
        })
        .collect();
    parallel::for_each_piece(&mut bands, 1, |_, bands| {
        for (x, first, y) in bands {
            let start = first.saturating_sub(beside);
            let end = (*first + y.len() / row + beside).min(height);
            let shape = [1, end - start, width, channels].into();
            let part = Planes::new("area opening", shape).expect("a part of an image");
            let frame = part.frame;
            let [mut links, mut a, mut b] = [(); 3].map(|()| vec![0; frame.len()]);
            let mut levels = vec![order.extremes()[0]; frame.len()];
            for c in 0..channels {
                part.load_with(&x[start * row..end * row], c, &mut levels, |x| order.level(x));
                let pixels = ascending(frame, &levels, order, [&mut a, &mut b]);
                unite::<_, false>(frame, connectivity, (pixels, &levels), &mut links, enough);
                for p in frame.rows().skip(*first - start).take(y.len() / row).flatten() {
                    let root = root(&mut links, p);
                    if levels[p] != levels[root] {
                        levels[p] = levels[root];
                    }
                }
                part.store_rows_with(&levels, *first - start, c, y, |level, _| order.pixel(level));
            }
        }
    });
}

/// The link of a position that was not met yet, or never will be.
const UNSEEN: u32 = u32::MAX;

/// What marks the link of a root, which holds an area. That of any other pixel is a position.
const ROOT: u32 = 1 << 31;

/// The area that stays, as a link holds it: an image has fewer pixels than the most of it.
fn enough(area: usize) -> u32 {
    u32::try_from(area).unwrap_or(u32::MAX).min(1 << 30)
}

/// Links every pixel, from the highest to the lowest, with those of its component that come before
/// it. A root is the pixel whose level the component gets; with `PLATEAUS`, of the pixels of that
/// level the first in raster order.
fn unite<L: Copy + PartialOrd, const PLATEAUS: bool>(
    frame: Frame,
    connectivity: Connectivity,
    (ascending, levels): (&[u32], &[L]),
    links: &mut [u32],
    enough: u32,
) {
    let down = frame.stride() as isize;
    let pixels = (ascending, levels);
    match connectivity {
        Connectivity::Four => {
            unite_with::<_, 4, PLATEAUS>([-down, -1, 1, down], pixels, links, enough);
        }
        Connectivity::Eight => {
            let around = [-down - 1, -down, -down + 1, -1, 1, down - 1, down, down + 1];
            unite_with::<_, 8, PLATEAUS>(around, pixels, links, enough);
        }
    }
}

/// As [`unite`], with the neighbours at these distances. The links of all are looked at before the
/// first is followed: a processor predicts few of these branches, so there are few.
fn unite_with<L: Copy + PartialOrd, const N: usize, const PLATEAUS: bool>(
    around: [isize; N],
    (ascending, levels): (&[u32], &[L]),
    links: &mut [u32],
    enough: u32,
) {
    links.fill(UNSEEN);
    // Of equal pixels the last in raster order comes first: the root of a plateau, who joins last,
    // is then the first.
    for p in ascending.iter().rev().map(|p| *p as usize) {
        let (mut area, mut others) = (1, 0u32);
        for (k, distance) in around.iter().enumerate() {
            let link = links[p.wrapping_add_signed(*distance)];
            let is_large = !PLATEAUS & (link == ROOT | enough);
            area = if is_large { enough } else { area };
            others |= u32::from((link != UNSEEN) & !is_large) << k;
        }
        links[p] = ROOT;
        while others != 0 {
            let root = root(links, p.wrapping_add_signed(around[others.trailing_zeros() as usize]));
            others &= others - 1;
            if root == p {
                continue;
            }
            // A component that is large enough keeps its level; what joins it from below is large
            // enough too.
            let other = links[root] ^ ROOT;
            area = if other < enough || (PLATEAUS && levels[root] == levels[p]) {
                links[root] = p as u32;
                enough.min(area + other)
            } else {
                enough
            };
        }
        links[p] = ROOT | area;
    }
}

/// The root of a pixel's component, with the way to it shortened for the next time.
#[inline(always)]
fn root(links: &mut [u32], p: usize) -> usize {
    let mut at = p;
    loop {
        let link = links[at];
        if link & ROOT != 0 {
            return at;
        }
        let next = links[link as usize];
        if next & ROOT != 0 {
            return link as usize;
        }
        links[at] = next;
        at = next as usize;
    }
}
