//! Geodesic dilation and erosion: a marker that grows step by step and never leaves its mask. The
//! number of steps is exact, and each step is that of TensorFlow's
//! `minimum(max_pool(marker), mask)`, ties included. What one pixel gets is scattered from the last
//! step; only to split ties are the steps kept and walked back. Where no gradient is asked for,
//! values alone are computed, by the steps of `growth`.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::connected::growth::grow;
use crate::connected::order::{Extremum, OfNumbers};
use crate::connected::selection::{self, Frame, Planes, Selection};
use crate::neighbourhood::connectivity::{Connectivity, Neighbours};

/// Dilates the marker `steps` times under the mask:
/// $$m_0 = m \wedge g, \qquad m_{k+1} = \delta(m_k) \wedge g,$$
/// where $\delta$ is the largest of a pixel and its neighbours. Marker, mask and output
/// `[batch, height, width, channels]`, each image and channel on its own.
///
/// - Border: pixels outside the image never win. NaN in either input stays at its pixel and does
///   not spread.
/// - Gradient: each output pixel equals a pixel of the marker or of the mask, which gets its
///   gradient. Ties are resolved in each step: of the neighbours the first in raster order, and
///   between the dilated marker and the mask, the marker; with [`Ties::Last`] the last neighbour
///   and the mask; with [`Ties::Split`] equal parts to the neighbours and half to the mask, through
///   all steps by the chain rule, so that on a plateau the gradient spreads as heat does.
/// - Cost: one pass over the image a step, fewer when it becomes stable before; backward one
///   addition a pixel, whatever the steps. To split ties, the image after each step is kept until
///   it is stable, and the backward pass takes as many steps as were asked for.
///
/// Source: P. Soille, *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If the shapes are not equal or not those of images.
///
/// ```
/// use morphograd_morphology::{
///     Connectivity, evaluate, geodesic_dilation, nn::tensor::TensorRef,
/// };
/// let marker = TensorRef::new([1, 1, 6, 1], &[9.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// let mask = TensorRef::new([1, 1, 6, 1], &[7.0, 5.0, 6.0, 6.0, 0.0, 6.0]);
/// let after = |steps| {
///     evaluate([marker, mask], |graph, [m, g]| {
///         geodesic_dilation(graph, m, g, steps, Connectivity::Eight)
///     })
/// };
/// assert_eq!(after(0)?.data(), [7.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// assert_eq!(after(2)?.data(), [7.0, 5.0, 5.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn geodesic_dilation<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    mask: Var,
    steps: usize,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    graph.apply(GeodesicDilation { steps, connectivity, ties }, [marker, mask])
}

/// Erodes the marker `steps` times above the mask: $m_0 = m \vee g$,
/// $m_{k+1} = \varepsilon(m_k) \vee g$. The dual of [`geodesic_dilation`],
/// $-\delta^{(k)}_{-g}(-m)$, with its rules for border and ties.
///
/// # Errors
/// If the shapes are not equal or not those of images.
pub fn geodesic_erosion<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    mask: Var,
    steps: usize,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let Selection { connectivity, ties } = selection.into();
    selection::dual(graph, GeodesicDilation { steps, connectivity, ties }, [marker, mask])
}

/// The operation of [`geodesic_dilation`]. Inputs: marker and mask.
#[derive(Debug, Clone, Copy)]
pub struct GeodesicDilation {
    /// How often the marker is dilated; 0 only clips it to the mask.
    pub steps: usize,
    /// The neighbours that one step reaches.
    pub connectivity: Connectivity,
    /// Who gets the gradient in each step.
    pub ties: Ties,
}

const REALS: usize = 3;
const WORDS: usize = 2;

impl<T: Real> Op<T> for GeodesicDilation {
    fn name(&self) -> &'static str {
        "geodesic dilation"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        selection::infer("geodesic dilation", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        if !pass.needs_grad {
            let planes =
                Planes::new("geodesic dilation", pass.shape).expect("shapes were inferred");
            let inputs = [pass.inputs[0].data, pass.inputs[1].data];
            let (order, steps) = (OfNumbers(Extremum::Maximum), Some(self.steps));
            return grow(planes, inputs, self.connectivity, steps, &order, pass.output);
        }
        if self.ties == Ties::Split {
            return self.forward_kept(pass);
        }
        let last = self.ties == Ties::Last;
        selection::forward::<T, REALS, WORDS>(
            pass,
            Selection { connectivity: self.connectivity, ties: self.ties },
            |frame, [values, mask, new_values], [origins, new_origins]| {
                let neighbours = frame.neighbours(self.connectivity);
                clip(frame, values, mask, origins, last);
                new_values.copy_from_slice(values);
                new_origins.copy_from_slice(origins);
                for _ in 0..self.steps {
                    let mut stable = true;
                    for p in frame.pixels().filter(|p| !values[*p].is_nan()) {
                        let mut window = neighbours.window(p).filter(|q| !values[*q].is_nan());
                        let first = window.next().expect("the pixel itself, at least");
                        let best = window
                            .fold(first, |best, q| if values[q] > values[best] { q } else { best });
                        (new_values[p], new_origins[p]) = if reaches(values[best], mask[p], last) {
                            (values[best], origins[best])
                        } else {
                            (mask[p], (frame.len() + p) as u32)
                        };
                        stable &= new_origins[p] == origins[p];
                    }
                    // Equal origins are equal values: nothing will change any more.
                    if stable {
                        break;
                    }
                    values.copy_from_slice(new_values);
                    origins.copy_from_slice(new_origins);
                }
            },
        );
    }

    fn backward(&self, pass: Backward<'_, T>) {
        match self.ties {
            Ties::Split => self.backward_kept(pass),
            ties => selection::backward::<T, WORDS>(pass, ties),
        }
    }
}

impl GeodesicDilation {
    /// Keeps the mask, the clipped marker, and the image after each step until nothing changes.
    fn forward_kept<T: Real>(&self, pass: Forward<'_, T>) {
        let planes = Planes::new("geodesic dilation", pass.shape).expect("shapes were inferred");
        if pass.output.is_empty() {
            return;
        }
        let (frame, len) = (planes.frame, planes.frame.len());
        let (size, neighbours) = (planes.count() * len, frame.neighbours(self.connectivity));
        let kept = &mut pass.saved.values;
        kept.resize(2 * size, T::zero());
        let (masks, values) = kept.split_at_mut(size);
        for (x, planes_of) in [(pass.inputs[1], &mut *masks), (pass.inputs[0], &mut *values)] {
            parallel::for_each_piece(planes_of, len, |plane, framed| {
                planes.load(x.data, plane, framed);
            });
        }
        for (value, mask) in values.iter_mut().zip(masks) {
            *value = if *mask < *value || mask.is_nan() { *mask } else { *value };
        }
        for _ in 0..self.steps {
            let start = kept.len();
            kept.extend_from_within(start - size..);
            let (before, new) = kept.split_at_mut(start);
            let (masks, old) = (&before[..size], &before[start - size..]);
            parallel::for_each_piece(new, len, |plane, new| {
                let (mask, old) = (&masks[plane * len..][..len], &old[plane * len..][..len]);
                for p in frame.pixels().filter(|p| !old[*p].is_nan()) {
                    let top = highest(neighbours, old, p);
                    new[p] = if top <= mask[p] { top } else { mask[p] };
                }
            });
            if new.iter().zip(old).all(|(new, old)| new == old || new.is_nan()) {
                kept.truncate(start);
                break;
            }
        }
        let last = &kept[kept.len() - size..];
        parallel::for_each_piece(pass.output, planes.image_len(), |image, y| {
            for c in 0..planes.channels() {
                planes.store(&last[(image * planes.channels() + c) * len..][..len], c, y);
            }
        });
    }

    fn backward_kept<T: Real>(&self, pass: Backward<'_, T>) {
        let planes =
            Planes::new("geodesic dilation", pass.output.shape).expect("shapes were inferred");
        if pass.grad_output.is_empty() {
            return;
        }
        let (frame, len) = (planes.frame, planes.frame.len());
        let (size, neighbours) = (planes.count() * len, frame.neighbours(self.connectivity));
        let kept = pass.saved.values;
        // Beyond the last image that was kept nothing changes.
        let after = |step: usize| &kept[(1 + step.min(kept.len() / size - 2)) * size..][..size];
        pass.scratch.resize(3 * size, T::zero());
        parallel::for_each_piece(pass.scratch, 3 * len, |plane, gradients| {
            let (marker, rest) = gradients.split_at_mut(len);
            let (mask_grad, before) = rest.split_at_mut(len);
            let mask = &kept[plane * len..][..len];
            planes.load(pass.grad_output, plane, marker);
            mask_grad.fill(T::zero());
            for step in (0..self.steps).rev() {
                let old = &after(step)[plane * len..][..len];
                before.fill(T::zero());
                for p in frame.pixels() {
                    if old[p].is_nan() {
                        before[p] += marker[p];
                        continue;
                    }
                    let top = highest(neighbours, old, p);
                    let (to_marker, to_mask) = shares(marker[p], top, mask[p]);
                    mask_grad[p] += to_mask;
                    let tied = || neighbours.window(p).filter(|q| old[*q] == top);
                    let part = to_marker / T::of(tied().count() as f64);
                    tied().for_each(|q| before[q] += part);
                }
                marker.copy_from_slice(before);
            }
            planes.load(pass.inputs[0].data, plane, before);
            for p in frame.pixels() {
                let to_mask;
                (marker[p], to_mask) = shares(marker[p], before[p], mask[p]);
                mask_grad[p] += to_mask;
            }
        });
        let gradients = &pass.scratch[..];
        for (input, dx) in pass.grad_inputs.into_iter().enumerate() {
            let Some(dx) = dx else { continue };
            parallel::for_each_piece(dx, planes.image_len(), |image, dx| {
                for c in 0..planes.channels() {
                    let plane = image * planes.channels() + c;
                    planes.add(&gradients[(3 * plane + input) * len..][..len], c, dx);
                }
            });
        }
    }
}

/// The largest of a pixel and its neighbours; NaN where the pixel is NaN.
#[inline(always)]
fn highest<T: Real>(neighbours: Neighbours, values: &[T], p: usize) -> T {
    neighbours.around(p).fold(values[p], |best, q| if values[q] > best { values[q] } else { best })
}

/// What the value and the mask get of the gradient of the smaller of them: half each where they are
/// equal. The mask gets that of its NaN.
#[inline(always)]
fn shares<T: Real>(gradient: T, value: T, mask: T) -> (T, T) {
    if value == mask {
        let half = gradient / T::of(2.0);
        (half, half)
    } else if mask < value || mask.is_nan() {
        (T::zero(), gradient)
    } else {
        (gradient, T::zero())
    }
}

/// Whether a value stays what it is under the mask; of equals, the last is the mask.
#[inline(always)]
pub(crate) fn reaches<T: Real>(value: T, mask: T, last: bool) -> bool {
    value < mask || (value == mask && !last)
}

/// Lowers the marker `values` to the mask where it lies above it. NaN of either remains.
pub(crate) fn clip<T: Real>(
    frame: Frame,
    values: &mut [T],
    mask: &[T],
    origins: &mut [u32],
    last: bool,
) {
    for p in frame.pixels() {
        if mask[p].is_nan() || !(reaches(values[p], mask[p], last) || values[p].is_nan()) {
            values[p] = mask[p];
            origins[p] = (frame.len() + p) as u32;
        }
    }
}
