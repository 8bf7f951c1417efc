//! Geodesic dilation and erosion: a marker that grows step by step and never leaves its mask. The number of steps is exact, and each step is
//! that of TensorFlow's `minimum(max_pool(marker), mask)`, ties included.

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::Connectivity;
use crate::selection::{self, Frame};

/// Dilates the marker `steps` times under the mask:
/// $$m_0 = m \wedge g, \qquad m_{k+1} = \delta(m_k) \wedge g,$$
/// where $\delta$ is the largest of a pixel and its neighbours. Marker, mask and output `[batch, height, width, channels]`, each image and
/// channel on its own.
///
/// - Border: pixels outside the image never win. NaN in either input stays at its pixel and does not spread.
/// - Gradient: each output pixel equals a pixel of the marker or of the mask, which gets its gradient. Ties: of the neighbours the first in
///   raster order; between the dilated marker and the mask, the marker.
/// - Cost: one pass over the image a step, fewer when it becomes stable before; backward one addition a pixel, whatever the steps.
///
/// Source: P. Soille, *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If the shapes are not equal or not those of images.
///
/// ```
/// use morphograd_morphology::{Connectivity, evaluate, geodesic_dilation, nn::tensor::TensorRef};
/// let marker = TensorRef::new([1, 1, 6, 1], &[9.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// let mask = TensorRef::new([1, 1, 6, 1], &[7.0, 5.0, 6.0, 6.0, 0.0, 6.0]);
/// let after = |steps| {
///     evaluate([marker, mask], |graph, [m, g]| geodesic_dilation(graph, m, g, steps, Connectivity::Eight))
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
    connectivity: Connectivity,
) -> Result<Var, ShapeError> {
    graph.apply(GeodesicDilation { steps, connectivity }, [marker, mask])
}

/// Erodes the marker `steps` times above the mask: $m_0 = m \vee g$, $m_{k+1} = \varepsilon(m_k) \vee g$. The dual of
/// [`geodesic_dilation`], $-\delta^{(k)}_{-g}(-m)$, with its rules for border and ties.
///
/// # Errors
/// If the shapes are not equal or not those of images.
pub fn geodesic_erosion<T: Real>(
    graph: &mut Graph<'_, T>,
    marker: Var,
    mask: Var,
    steps: usize,
    connectivity: Connectivity,
) -> Result<Var, ShapeError> {
    selection::dual(graph, GeodesicDilation { steps, connectivity }, [marker, mask])
}

/// The operation of [`geodesic_dilation`]. Inputs: marker and mask.
#[derive(Debug, Clone, Copy)]
pub struct GeodesicDilation {
    /// How often the marker is dilated; 0 only clips it to the mask.
    pub steps: usize,
    /// The neighbours that one step reaches.
    pub connectivity: Connectivity,
}

const REALS: usize = 3;
const WORDS: usize = 2;

impl<T: Real> Op<T> for GeodesicDilation {
    fn name(&self) -> &'static str {
        "geodesic dilation"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        selection::infer("geodesic dilation", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        selection::forward::<T, REALS, WORDS>(
            pass,
            |frame, [values, mask, new_values], [origins, new_origins]| {
                let neighbours = frame.neighbours(self.connectivity);
                clip(frame, values, mask, origins);
                new_values.copy_from_slice(values);
                new_origins.copy_from_slice(origins);
                for _ in 0..self.steps {
                    let mut stable = true;
                    for p in frame.pixels().filter(|p| !values[*p].is_nan()) {
                        let mut window = neighbours.window(p).filter(|q| !values[*q].is_nan());
                        let first = window.next().expect("the pixel itself, at least");
                        let best =
                            window.fold(first, |best, q| if values[q] > values[best] { q } else { best });
                        (new_values[p], new_origins[p]) = if values[best] <= mask[p] {
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
        selection::backward::<T, WORDS>(pass);
    }
}

/// Lowers the marker `values` to the mask where it lies above it. NaN of either remains.
pub(crate) fn clip<T: Real>(frame: Frame, values: &mut [T], mask: &[T], origins: &mut [u32]) {
    for p in frame.pixels() {
        if mask[p] < values[p] || mask[p].is_nan() {
            values[p] = mask[p];
            origins[p] = (frame.len() + p) as u32;
        }
    }
}
