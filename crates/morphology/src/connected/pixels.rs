//! Reconstructions, extrema, areas, levelings and distances of images of any type of pixels,
//! without gradients.
//!
//! The one design choice: an image is a slice with a shape, and pixels are only compared, so no
//! image is converted and integers of 64 bits are exact. The operators on tensors compute their
//! values by the same code where no gradient is asked for.

use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::connected::area::opened;
use crate::connected::distance::{PixelDistance, distances};
use crate::connected::extrema::maxima;
use crate::connected::growth::grow;
use crate::connected::leveling::leveled;
pub use crate::connected::order::Extremum;
use crate::connected::order::OfPixels;
use crate::connected::selection::Planes;
use crate::neighbourhood::connectivity::Connectivity;
use crate::neighbourhood::pixel::Pixel;

/// The reconstruction of `mask` from `marker`, by dilation (`Maximum`), which is the limit of
/// $m \mapsto \delta(m) \wedge g$ from $m \wedge g$, or by erosion (`Minimum`), its dual.
///
/// `shape` is `[batch, height, width, channels]`, each image and channel on its own. It is
/// [`reconstruction_by_dilation`](crate::reconstruction_by_dilation) without a gradient: pixels
/// outside the image do not exist, and NaN in either input stays at its pixel and does not spread.
///
/// Cost: two to eight scans by vectors, then one visit for each time that a queue raises a pixel:
/// linear in the number of pixels on images as they occur. Source: L. Vincent, *Morphological
/// grayscale reconstruction in image analysis* (IEEE Transactions on Image Processing, 1993).
///
/// # Errors
/// If the shape is not that of images, or the slices have not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, reconstruction}};
/// let (marker, mask) = ([3u8, 0, 0, 0, 0, 0], [7u8, 2, 9, 0, 9, 9]);
/// let shape = [1, 1, 6, 1];
/// let y = reconstruction(shape, [&marker, &mask], Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [3, 2, 2, 0, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn reconstruction<P: Pixel>(
    shape: impl Into<Shape>,
    [marker, mask]: [&[P]; 2],
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let planes = planes("reconstruction", shape.into(), [marker.len(), mask.len()])?;
    let mut y = vec![P::default(); mask.len()];
    let order = OfPixels(extremum);
    grow(planes, [marker, mask], connectivity, None, &order, &mut y);
    Ok(y)
}

/// The marker dilated so many times under the mask (`Maximum`), $m_{k+1} = \delta(m_k) \wedge g$
/// from $m_0 = m \wedge g$, or eroded above it (`Minimum`), the dual.
///
/// `shape` is `[batch, height, width, channels]`, each image and channel on its own. It is
/// [`geodesic_dilation`](crate::geodesic_dilation) without a gradient: pixels outside the image
/// never win, and NaN in either input stays at its pixel and does not spread.
///
/// Cost: a pass by vectors for each step, fewer when it becomes stable before. Source: P. Soille,
/// *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If the shape is not that of images, or the slices have not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, geodesic}};
/// let (marker, mask) = ([9u8, 0, 0, 0, 0, 0], [7u8, 5, 6, 6, 0, 6]);
/// let shape = [1, 1, 6, 1];
/// let y = geodesic(shape, [&marker, &mask], 2, Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [7, 5, 5, 0, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn geodesic<P: Pixel>(
    shape: impl Into<Shape>,
    [marker, mask]: [&[P]; 2],
    steps: usize,
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let planes = planes("geodesic dilation", shape.into(), [marker.len(), mask.len()])?;
    let mut y = vec![P::default(); mask.len()];
    let order = OfPixels(extremum);
    grow(planes, [marker, mask], connectivity, Some(steps), &order, &mut y);
    Ok(y)
}

/// The leveling of an image by a marker: the limit of $m \mapsto \varepsilon(m) \vee (\delta(m)
/// \wedge g)$.
///
/// `shape` is `[batch, height, width, channels]`, each image and channel on its own. It is
/// [`leveling`](crate::leveling()) without a gradient: pixels outside the image do not exist, and
/// NaN in either input stops the marker at that pixel and does not spread.
///
/// Cost: one pass, and one visit of a pixel for each round in which a neighbour changed. Source:
/// F. Meyer, *The levelings* (International Symposium on Mathematical Morphology, 1998).
///
/// # Errors
/// If the shape is not that of images, or the slices have not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::leveling};
/// let (marker, image) = ([2u8, 2, 4, 4, 6, 6], [0u8, 1, 9, 3, 5, 8]);
/// let y = leveling([1, 1, 6, 1], [&marker, &image], Connectivity::Eight)?;
/// assert_eq!(y, [2, 2, 4, 4, 5, 6]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn leveling<P: Pixel>(
    shape: impl Into<Shape>,
    [marker, image]: [&[P]; 2],
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let planes = planes("leveling", shape.into(), [marker.len(), image.len()])?;
    let mut y = vec![P::default(); image.len()];
    leveled(planes, [marker, image], connectivity, &OfPixels(Extremum::Maximum), &mut y);
    Ok(y)
}

/// The h-maxima $R^\delta_x(x - h)$, which lower every peak by `h`, or the h-minima
/// $R^\varepsilon_x(x + h)$, which fill every valley. Of integers, what is outside the range of the
/// type becomes its nearest value. A negative `h` acts as 0.
///
/// Border, NaN, cost and source: see [`reconstruction`].
///
/// # Errors
/// If the shape is not that of images, or the slice has not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, h_extrema}};
/// let x = [0u16, 1, 0, 900, 0, 0];
/// let y = h_extrema([1, 1, 6, 1], &x, 200, Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [0, 0, 0, 700, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn h_extrema<P: Pixel>(
    shape: impl Into<Shape>,
    x: &[P],
    h: P,
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let marker: Vec<P> = x
        .iter()
        .map(|x| match extremum {
            Extremum::Maximum => x.minus(h),
            Extremum::Minimum => x.plus(h),
        })
        .collect();
    reconstruction(shape, [&marker, x], extremum, connectivity)
}

/// What [`h_extrema`] takes away from the peaks, $x - R^\delta_x(x - h)$, or fills into the
/// valleys, $R^\varepsilon_x(x + h) - x$: between 0 and `h`. It is exact also where $x - h$ or
/// $x + h$ is outside the range of the type.
///
/// Border, NaN, cost and source: see [`reconstruction`].
///
/// # Errors
/// If the shape is not that of images, or the slice has not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, h_residue}};
/// let x = [5u8, 9, 5, 7, 6];
/// let y = h_residue([1, 1, 5, 1], &x, 2, Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [0, 2, 0, 2, 1]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn h_residue<P: Pixel>(
    shape: impl Into<Shape>,
    x: &[P],
    h: P,
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let shape = shape.into();
    let mut y = h_extrema(shape, x, h, extremum, connectivity)?;
    let (image_len, channels) = (shape.len() / shape.dims()[0].max(1), shape.dims()[3]);
    if y.is_empty() {
        return Ok(y);
    }
    parallel::for_each_piece(&mut y, image_len, |image, y| {
        let x = &x[image * image_len..][..image_len];
        y.iter_mut().zip(x).for_each(|(y, x)| {
            *y = match extremum {
                Extremum::Maximum => x.minus(*y),
                Extremum::Minimum => y.minus(*x),
            }
        });
        // Where even the highest peak is lowered to the end of the range, nothing else is left of
        // the plane, and it would have been lowered further.
        for c in 0..channels {
            let plane = x.iter().skip(c).step_by(channels);
            let missing = match extremum {
                Extremum::Maximum => {
                    let peak = plane.fold(P::LOWEST, |peak, x| x.larger(peak));
                    (peak.minus(h) == P::LOWEST).then(|| h.minus(peak.minus(P::LOWEST)))
                }
                Extremum::Minimum => {
                    let floor = plane.fold(P::HIGHEST, |floor, x| x.smaller(floor));
                    (floor.plus(h) == P::HIGHEST).then(|| h.minus(P::HIGHEST.minus(floor)))
                }
            };
            if let Some(missing) = missing.filter(|missing| *missing > P::default()) {
                y.iter_mut().skip(c).step_by(channels).for_each(|y| *y = y.plus(missing));
            }
        }
    });
    Ok(y)
}

/// Where the regional maxima (or minima) are: connected sets of equal pixels without a higher
/// (lower) neighbour. A constant image is one. NaN is never one and is no neighbour.
///
/// `shape` is `[batch, height, width, channels]`, each image and channel on its own. Cost: two
/// passes by vectors, and a visit of those plateaus that are none. Source: P. Soille,
/// *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If the shape is not that of images, or the slice has not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, regional_extrema}};
/// let x = [1i8, 1, 0, 2, 2, 3, 0];
/// let y = regional_extrema([1, 1, 7, 1], &x, Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [true, true, false, false, false, true, false]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn regional_extrema<P: Pixel>(
    shape: impl Into<Shape>,
    x: &[P],
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<bool>, ShapeError> {
    let planes = planes("regional extrema", shape.into(), [x.len()])?;
    let mut y = vec![false; x.len()];
    maxima(planes, x, connectivity, &OfPixels(extremum), [false, true], &mut y);
    Ok(y)
}

/// The area opening (`Maximum`), which removes the peaks with fewer than `area` pixels, or the area
/// closing (`Minimum`), which fills such holes.
///
/// `shape` is `[batch, height, width, channels]`, each image and channel on its own. It is
/// [`area_opening`](crate::area_opening) without a gradient: NaN counts as lower than every number
/// (as higher for the closing); of zeros of both signs on one plateau, the result may have either.
///
/// Cost: a counting sort, one pass for 8 bits, two for 16, three for 32, and nearly one visit of a
/// pixel and its neighbours. Parts of an image are computed in parallel, each with as many rows
/// beside it as `area` says, where that is at most a quarter more. Source: A. Meijster and M.
/// Wilkinson, *A comparison of algorithms for connected set openings and closings* (IEEE
/// Transactions on Pattern Analysis and Machine Intelligence, 2002).
///
/// # Errors
/// If the shape is not that of images, or the slice has not as many pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, pixels::{Extremum, area}};
/// let x = [0u8, 9, 8, 0, 7, 0, 0];
/// let y = area([1, 1, 7, 1], &x, 2, Extremum::Maximum, Connectivity::Eight)?;
/// assert_eq!(y, [0, 8, 8, 0, 0, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn area<P: Pixel>(
    shape: impl Into<Shape>,
    x: &[P],
    area: usize,
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let planes = planes("area opening", shape.into(), [x.len()])?;
    let mut y = vec![P::default(); x.len()];
    opened(planes, x, area, connectivity, &OfPixels(extremum), &mut y);
    Ok(y)
}

/// The distance of each pixel to the nearest one that is not 0 (or `false`), exact but for the
/// rounding of one square root. Infinite in an image without such a pixel.
///
/// It is [`distance_transform`](crate::distance_transform), with its cost and sources, of pixels of
/// any type.
///
/// # Errors
/// If the shape is not that of images, or the slice has not as many pixels.
///
/// ```
/// use morphograd_morphology::{PixelDistance, pixels::distance};
/// let x = [true, false, false, false, false, false];
/// let y: Vec<f32> = distance([1, 2, 3, 1], &x, PixelDistance::Euclidean)?;
/// assert_eq!(y, [0.0, 1.0, 2.0, 1.0, 2f32.sqrt(), 5f32.sqrt()]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn distance<P: Pixel, T: Real>(
    shape: impl Into<Shape>,
    x: &[P],
    metric: PixelDistance,
) -> Result<Vec<T>, ShapeError> {
    let planes = planes("distance transform", shape.into(), [x.len()])?;
    let mut y = vec![T::zero(); x.len()];
    distances(planes, x, metric, &mut y);
    Ok(y)
}

/// The planes of images that are slices of so many pixels.
fn planes<const N: usize>(
    operation: &'static str,
    shape: Shape,
    lengths: [usize; N],
) -> Result<Planes, ShapeError> {
    let planes = Planes::new(operation, shape)?;
    match lengths.into_iter().find(|length| *length != shape.len()) {
        Some(length) => Err(ShapeError::new(
            operation,
            format!("{} pixels of shape {shape}", shape.len()),
            format!("{length}"),
        )),
        None => Ok(planes),
    }
}
