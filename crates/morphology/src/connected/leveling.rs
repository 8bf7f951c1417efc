//! Levelings: a marker pulled towards an image until nothing changes, so that no contour of the
//! result is new. Each round looks only at the pixels beside which something changed in the round
//! before; the result is that of iterating on the whole image.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::connected::selection::{self, Selection};
use crate::neighbourhood::connectivity::Connectivity;

/// The leveling of the image $g$ by the marker $m$: the limit of
/// $$m_{k+1} = \varepsilon(m_k) \vee \big(\delta(m_k) \wedge g\big), \qquad m_0 = m,$$
/// with $\delta$ and $\varepsilon$ the largest and smallest of a pixel and its neighbours. Where
/// the marker is below the image it grows (by geodesic dilation), where it is above it shrinks: a
/// marker below the image everywhere gives the reconstruction by dilation, one above it that by
/// erosion. Marker, image and output `[batch, height, width, channels]`, each image and channel on
/// its own.
///
/// - Border: pixels outside the image do not exist. NaN in either input stops the marker at that
///   pixel and does not spread.
/// - Gradient: each output pixel equals a pixel of the marker or of the image, which gets its
///   gradient. Ties: a pixel keeps its own marker unless its value changes; then the first extreme
///   neighbour in raster order; between what arrives and the image, what arrives. With
///   [`Ties::Last`] the last extreme neighbour, and the image. [`Ties::Split`] is refused: the
///   pixel from which a plateau has its value may have sunk in a later round, so that no pixel of
///   the plateau has that value and there is nothing to divide it among.
/// - Cost: one pass, and one visit of a pixel for each round in which a neighbour changed. Backward
///   one addition a pixel.
///
/// Source: F. Meyer, *The levelings* (International Symposium on Mathematical Morphology, 1998).
///
/// # Errors
/// If the shapes are not equal or not those of images, or ties are to be split.
///
/// ```
/// use morphograd_morphology::{Connectivity, evaluate, leveling, nn::tensor::TensorRef};
/// let marker = TensorRef::new([1, 1, 6, 1], &[2.0, 2.0, 4.0, 4.0, 6.0, 6.0]);
/// let image = TensorRef::new([1, 1, 6, 1], &[0.0, 1.0, 9.0, 3.0, 5.0, 8.0]);
/// let y = evaluate([marker, image], |graph, [m, g]| leveling(graph, m, g, Connectivity::Eight))?;
/// assert_eq!(y.data(), [2.0, 2.0, 4.0, 4.0, 5.0, 6.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn leveling<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    image: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    graph.apply(Leveling { connectivity, ties }, [marker, image])
}

/// The operation of [`leveling`]. Inputs: marker and image.
#[derive(Debug, Clone, Copy)]
pub struct Leveling {
    /// Which pixels hand their values to one another.
    pub connectivity: Connectivity,
    /// Who gets the gradient: the first or the last.
    pub ties: Ties,
}

const REALS: usize = 3;
const WORDS: usize = 5;

impl<T: Real> Op<T> for Leveling {
    fn name(&self) -> &'static str {
        "leveling"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if self.ties == Ties::Split {
            return Err(ShapeError::new(
                "leveling",
                "ties that go to the first or the last",
                "ties to be split",
            ));
        }
        selection::infer("leveling", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let last = self.ties == Ties::Last;
        selection::forward::<T, REALS, WORDS>(
            pass,
            Selection { connectivity: self.connectivity, ties: self.ties },
            |frame,
             [values, image, new_values],
             [origins, new_origins, rounds, active, changed]| {
                let neighbours = frame.neighbours(self.connectivity);
                // What a pixel becomes, `None` if nothing changes; never at NaN, where no
                // comparison holds.
                let step = |values: &[T], origins: &[u32], p: usize| {
                    let (grows, shrinks) = (values[p] < image[p], values[p] > image[p]);
                    if !grows && !shrinks {
                        return None;
                    }
                    let beyond = |a: T, b: T| if grows { a > b } else { a < b };
                    let extreme =
                        |best, q: usize| if beyond(values[q], values[best]) { q } else { best };
                    let best = neighbours.around(p).fold(p, extreme);
                    (best != p).then(|| {
                        match beyond(values[best], image[p]) || (last && values[best] == image[p]) {
                            true => (image[p], (frame.len() + p) as u32),
                            false => (values[best], origins[best]),
                        }
                    })
                };
                rounds.fill(0);
                let mut n_active = 0;
                for p in frame.pixels() {
                    active[n_active] = p as u32;
                    n_active += 1;
                }
                for round in 1.. {
                    let mut n_changed = 0;
                    for &p in &active[..n_active] {
                        if let Some(new) = step(values, origins, p as usize) {
                            (new_values[p as usize], new_origins[p as usize]) = new;
                            changed[n_changed] = p;
                            n_changed += 1;
                        }
                    }
                    if n_changed == 0 {
                        break;
                    }
                    n_active = 0;
                    for p in changed[..n_changed].iter().map(|p| *p as usize) {
                        (values[p], origins[p]) = (new_values[p], new_origins[p]);
                        for q in neighbours.window(p) {
                            if rounds[q] != round && !values[q].is_nan() {
                                rounds[q] = round;
                                active[n_active] = q as u32;
                                n_active += 1;
                            }
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
