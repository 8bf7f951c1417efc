//! Reconstruction: the marker grown under the mask until nothing changes. It is computed by
//! Vincent's hybrid algorithm (two scans and a queue), not by iterating, and its gradient takes one
//! addition a pixel, not a tape of all the steps. Where no gradient is asked for, values alone are
//! computed, by the scans of `growth`.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::connected::geodesic::{clip, reaches};
use crate::connected::growth;
use crate::connected::order::{Extremum, OfNumbers};
use crate::connected::selection::{self, Frame, Planes, Selection};
use crate::neighbourhood::connectivity::Connectivity;

/// Reconstruction by dilation of the mask $g$ from the marker $m$: the limit of geodesic dilations,
/// $$R^\delta_g(m) = \lim_k \delta^{(k)}_g(m \wedge g), \qquad
/// R^\delta_g(m)_p = \max_q \max_{\text{paths } q \to p} \min\big(m_q, \min_{\text{path}} g\big).$$
/// Marker, mask and output `[batch, height, width, channels]`, each image and channel on its own. A
/// marker above the mask is lowered to it.
///
/// - Border: pixels outside the image do not exist. NaN in either input stays at its pixel and does
///   not spread.
/// - Gradient: each output pixel equals a pixel of the marker or of the mask, which gets its
///   gradient. Ties: a pixel keeps its own marker unless a larger value reaches it, from the first
///   neighbour to bring it in the order of the algorithm; between what arrives and the mask, what
///   arrives. With [`Ties::Last`] the image is walked the other way round, and a pixel that reaches
///   its mask has its value from the mask. With [`Ties::Split`] the gradient of a flat zone of the
///   output (connected equal pixels) goes in equal parts to all the pixels of marker and mask in it
///   that have its value: a choice that depends on no order, exact where one pixel decides the
///   zone, but among several it does not ask which of them could be changed without another taking
///   over.
/// - Cost: two scans, then one visit for each time that the queue raises a pixel: linear in the
///   number of pixels on images as they occur. Backward one addition a pixel. Without a gradient
///   it is several times faster: see [`pixels::reconstruction`](crate::pixels::reconstruction),
///   also for pixels that are not floats.
///
/// Source: L. Vincent, *Morphological grayscale reconstruction in image analysis* (IEEE
/// Transactions on Image Processing, 1993).
///
/// # Errors
/// If the shapes are not equal or not those of images.
///
/// ```
/// use morphograd_morphology::{
///     Connectivity, evaluate, nn::tensor::TensorRef, reconstruction_by_dilation,
/// };
/// let marker = TensorRef::new([1, 1, 6, 1], &[3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// let mask = TensorRef::new([1, 1, 6, 1], &[7.0, 2.0, 9.0, 0.0, 9.0, 9.0]);
/// let y = evaluate([marker, mask], |graph, [m, g]| {
///     reconstruction_by_dilation(graph, m, g, Connectivity::Eight)
/// })?;
/// assert_eq!(y.data(), [3.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn reconstruction_by_dilation<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    mask: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    graph.apply(Reconstruction { connectivity, ties }, [marker, mask])
}

/// Reconstruction by erosion: $R^\varepsilon_g(m) = -R^\delta_{-g}(-m)$, the marker lowered until
/// nothing changes, never below the mask. A marker below the mask is raised to it. Everything else:
/// see [`reconstruction_by_dilation`].
///
/// # Errors
/// If the shapes are not equal or not those of images.
pub fn reconstruction_by_erosion<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    mask: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    selection::dual(graph, Reconstruction { connectivity, ties }, [marker, mask])
}

/// The operation of [`reconstruction_by_dilation`]. Inputs: marker and mask.
#[derive(Debug, Clone, Copy)]
pub struct Reconstruction {
    /// Which pixels hand their values to one another.
    pub connectivity: Connectivity,
    /// Who gets the gradient.
    pub ties: Ties,
}

const REALS: usize = 2;
const WORDS: usize = 2;

impl<T: Real> Op<T> for Reconstruction {
    fn name(&self) -> &'static str {
        "reconstruction"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        selection::infer("reconstruction", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        if !pass.needs_grad {
            let planes = Planes::new("reconstruction", pass.shape).expect("shapes were inferred");
            let inputs = [pass.inputs[0].data, pass.inputs[1].data];
            let order = OfNumbers(Extremum::Maximum);
            return growth::grow(planes, inputs, self.connectivity, None, &order, pass.output);
        }
        let rule = Selection { connectivity: self.connectivity, ties: self.ties };
        let last = self.ties == Ties::Last;
        selection::forward::<T, REALS, WORDS>(
            pass,
            rule,
            |frame, [values, mask], [origins, links]| {
                clip(frame, values, mask, origins, last);
                let neighbours = frame.neighbours(self.connectivity);
                let mut growth = Growth { frame, values, mask, origins, last };
                for p in frame.pixels() {
                    neighbours.earlier(p).for_each(|q| growth.offer(q, p));
                }
                let mut queue = Queue::new(links);
                for p in frame.pixels().rev() {
                    neighbours.later(p).for_each(|q| growth.offer(q, p));
                    if neighbours.later(p).any(|q| growth.raises(p, q)) {
                        queue.push(p);
                    }
                }
                while let Some(p) = queue.pop() {
                    for q in neighbours.around(p) {
                        if growth.raises(p, q) {
                            growth.offer(p, q);
                            queue.push(q);
                        }
                    }
                }
            },
        );
    }

    fn backward(&self, pass: Backward<'_, T>) {
        selection::backward::<T, WORDS>(pass, self.ties);
    }
}

/// A marker that grows under its mask.
struct Growth<'a, T> {
    frame: Frame,
    values: &'a mut [T],
    mask: &'a [T],
    origins: &'a mut [u32],
    /// Whether the mask is preferred to what arrives with the same value.
    last: bool,
}

impl<T: Real> Growth<'_, T> {
    /// Whether `from` could raise `to`. Strict, and false for NaN: so the algorithm ends.
    #[inline(always)]
    fn raises(&self, from: usize, to: usize) -> bool {
        self.values[from] > self.values[to] && self.mask[to] > self.values[to]
    }

    /// Raises `to` to the value of `from`, as far as the mask permits.
    #[inline(always)]
    fn offer(&mut self, from: usize, to: usize) {
        if self.raises(from, to) {
            (self.values[to], self.origins[to]) =
                if reaches(self.values[from], self.mask[to], self.last) {
                    (self.values[from], self.origins[from])
                } else {
                    (self.mask[to], (self.frame.len() + to) as u32)
                };
        }
    }
}

/// First in, first out. A list linked through the positions: who is in it already is not added
/// again, so it never grows.
struct Queue<'a> {
    links: &'a mut [u32],
    ends: Option<[usize; 2]>,
}

/// The link of a position that is not in the queue, and of the last one.
const OUTSIDE: u32 = u32::MAX;
const LAST: u32 = u32::MAX - 1;

impl<'a> Queue<'a> {
    fn new(links: &'a mut [u32]) -> Self {
        links.fill(OUTSIDE);
        Self { links, ends: None }
    }

    fn push(&mut self, p: usize) {
        if self.links[p] != OUTSIDE {
            return;
        }
        self.links[p] = LAST;
        self.ends = Some(match self.ends {
            Some([first, last]) => {
                self.links[last] = p as u32;
                [first, p]
            }
            None => [p, p],
        });
    }

    fn pop(&mut self) -> Option<usize> {
        let [first, last] = self.ends?;
        let next = std::mem::replace(&mut self.links[first], OUTSIDE);
        self.ends = (next != LAST).then_some([next as usize, last]);
        Some(first)
    }
}
