//! Levelings: a marker pulled towards an image until nothing changes, so that no contour of the
//! result is new. Each round looks only at the pixels beside which something changed in the round
//! before; the result is that of iterating on the whole image.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::connected::order::{Extremum, OfNumbers, Order};
use crate::connected::selection::{self, Frame, Planes, Selection, is_nan};
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
        if !pass.needs_grad {
            let planes = Planes::new("leveling", pass.shape).expect("shapes were inferred");
            let inputs = [pass.inputs[0].data, pass.inputs[1].data];
            let order = OfNumbers(Extremum::Maximum);
            return leveled(planes, inputs, self.connectivity, &order, pass.output);
        }
        let (connectivity, last) = (self.connectivity, self.ties == Ties::Last);
        selection::forward::<T, REALS, WORDS>(
            pass,
            Selection { connectivity, ties: self.ties },
            |frame, [values, image, new], [origins, new_origins, rounds, active, changed]| {
                let mut origins = Origins { frame, last, origins, new: new_origins };
                let rounds = Rounds { values, new, rounds, active, changed };
                rounds.run(frame, connectivity, image, &mut origins);
            },
        );
    }

    fn backward(&self, pass: Backward<'_, T>) {
        selection::backward::<T, WORDS>(pass, self.ties);
    }
}

/// Writes the leveling of an image by a marker, every image and channel on its own. Of the two
/// orders of pixels it is the same.
pub(crate) fn leveled<P: Copy + Send + Sync, O: Order<P>>(
    planes: Planes,
    [marker, image]: [&[P]; 2],
    connectivity: Connectivity,
    order: &O,
    y: &mut [P],
) {
    if y.is_empty() {
        return;
    }
    let (frame, [lowest, _]) = (planes.frame, order.extremes());
    parallel::for_each_piece(y, planes.image_len(), |n, y| {
        let [mut values, mut levels, mut new] = [(); 3].map(|()| vec![lowest; frame.len()]);
        let mut words = [(); 3].map(|()| vec![0; frame.len()]);
        for c in 0..planes.channels() {
            let plane = n * planes.channels() + c;
            planes.load_with(marker, plane, &mut values, |x| order.level(x));
            planes.load_with(image, plane, &mut levels, |x| order.level(x));
            let [rounds, active, changed] = words.each_mut().map(|words| &mut words[..]);
            let rounds = Rounds { values: &mut values, new: &mut new, rounds, active, changed };
            rounds.run(frame, connectivity, &levels, &mut ());
            planes.store_with(&values, c, y, |level, _| order.pixel(level));
        }
    });
}

/// What goes along with a marker that is pulled.
trait Follow {
    /// Whether a pixel that reaches the image has its value from there, not from its neighbour.
    fn prefers_the_image(&self) -> bool;

    /// A pixel will get its value from another one, or from the image.
    fn will_be(&mut self, p: usize, from: Option<usize>);

    /// Now it has it.
    fn is(&mut self, p: usize);
}

/// Nothing.
impl Follow for () {
    fn prefers_the_image(&self) -> bool {
        false
    }

    fn will_be(&mut self, _: usize, _: Option<usize>) {}

    fn is(&mut self, _: usize) {}
}

/// Where values come from.
struct Origins<'a> {
    frame: Frame,
    last: bool,
    origins: &'a mut [u32],
    new: &'a mut [u32],
}

impl Follow for Origins<'_> {
    fn prefers_the_image(&self) -> bool {
        self.last
    }

    fn will_be(&mut self, p: usize, from: Option<usize>) {
        self.new[p] = from.map_or((self.frame.len() + p) as u32, |q| self.origins[q]);
    }

    fn is(&mut self, p: usize) {
        self.origins[p] = self.new[p];
    }
}

/// A marker, and the memory to pull it in rounds.
struct Rounds<'a, L> {
    values: &'a mut [L],
    new: &'a mut [L],
    /// The last round for which a pixel was made active.
    rounds: &'a mut [u32],
    active: &'a mut [u32],
    changed: &'a mut [u32],
}

/// The round of what is never active: the frame and NaN.
const NEVER: u32 = u32::MAX;

impl<L: Copy + PartialOrd> Rounds<'_, L> {
    fn run(
        self,
        frame: Frame,
        connectivity: Connectivity,
        image: &[L],
        follower: &mut impl Follow,
    ) {
        let Self { values, new, rounds, active, changed } = self;
        let neighbours = frame.neighbours(connectivity);
        let by_image = follower.prefers_the_image();
        rounds.fill(NEVER);
        let mut n_active = 0;
        for p in frame.pixels().filter(|p| !is_nan(values[*p])) {
            (rounds[p], active[n_active]) = (0, p as u32);
            n_active += 1;
        }
        for round in 1.. {
            let mut n_changed = 0;
            for p in active[..n_active].iter().map(|p| *p as usize) {
                // Neither at NaN of the image, where no comparison holds.
                let (grows, shrinks) = (values[p] < image[p], values[p] > image[p]);
                if !grows && !shrinks {
                    continue;
                }
                let beyond = |a: L, b: L| if grows { a > b } else { a < b };
                let extreme = |best, q: usize| {
                    if beyond(values[q], values[best]) && rounds[q] != NEVER { q } else { best }
                };
                let best = neighbours.around(p).fold(p, extreme);
                if best == p {
                    continue;
                }
                let level = values[best];
                let is_image = beyond(level, image[p]) || (by_image && level == image[p]);
                new[p] = if is_image { image[p] } else { level };
                follower.will_be(p, (!is_image).then_some(best));
                changed[n_changed] = p as u32;
                n_changed += 1;
            }
            if n_changed == 0 {
                break;
            }
            n_active = 0;
            for p in changed[..n_changed].iter().map(|p| *p as usize) {
                values[p] = new[p];
                follower.is(p);
                for q in neighbours.window(p) {
                    if rounds[q] < round {
                        (rounds[q], active[n_active]) = (round, q as u32);
                        n_active += 1;
                    }
                }
            }
        }
    }
}
