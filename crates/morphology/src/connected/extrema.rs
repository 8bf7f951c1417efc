//! Peaks and valleys of an image: by height (h-maxima and their kin, differentiable) and as sets
//! (regional and extended extrema, binary). The sets are found on plateaus of exactly equal pixels,
//! whatever the data's scale.

use morphograd_nn::autodiff::{Add, Graph, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef, parallel};

use crate::connected::reconstruction::{reconstruction_by_dilation, reconstruction_by_erosion};
use crate::connected::selection::{Planes, Selection};
use crate::neighbourhood::connectivity::Connectivity;
use morphograd_nn::autodiff::evaluate;

/// The h-maxima: $R^\delta_x(x - h)$, which lowers every peak by $h$, and so removes those that are
/// not higher.
///
/// `x` and output `[batch, height, width, channels]`; `h >= 0` of a shape that broadcasts to it (a
/// scalar, `[channels]`, one number an image), where it is negative it acts as 0. Differentiable in
/// both; border, ties and cost are those of [`reconstruction_by_dilation`]. Source: P. Soille,
/// *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
///
/// ```
/// use morphograd_morphology::{Connectivity, evaluate, h_maxima, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 1, 6, 1], &[0.0, 1.0, 0.0, 9.0, 0.0, 0.0]);
/// let h = TensorRef::new([1], &[2.0]);
/// let y = evaluate([x, h], |graph, [x, h]| h_maxima(graph, x, h, Connectivity::Eight))?;
/// assert_eq!(y.data(), [0.0, 0.0, 0.0, 7.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn h_maxima<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let marker = graph.apply(Sub, [x, h])?;
    reconstruction_by_dilation(graph, marker, x, selection)
}

/// The h-minima: $R^\varepsilon_x(x + h)$, which fills every valley by $h$. The dual of
/// [`h_maxima`].
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_minima<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let marker = graph.apply(Add, [x, h])?;
    reconstruction_by_erosion(graph, marker, x, selection)
}

/// The h-convex transform: $x - R^\delta_x(x - h)$, the part of every peak that [`h_maxima`]
/// removes, between 0 and $h$.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_convex<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let lowered = h_maxima(graph, x, h, selection)?;
    graph.apply(Sub, [x, lowered])
}

/// The h-concave transform: $R^\varepsilon_x(x + h) - x$, what [`h_minima`] fills, between 0 and
/// $h$.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_concave<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let filled = h_minima(graph, x, h, selection)?;
    graph.apply(Sub, [filled, x])
}

/// The regional maxima: 1 on every connected set of equal pixels that has no higher neighbour, 0
/// elsewhere. A constant image is one maximum.
///
/// `x` and result `[batch, height, width, channels]`, each image and channel on its own. NaN is
/// never a maximum and is no neighbour. Piecewise constant, so without a derivative. Cost: two
/// visits of a pixel and its neighbours.
///
/// # Errors
/// If the shape is not that of images.
///
/// ```
/// use morphograd_morphology::{Connectivity, nn::tensor::TensorRef, regional_maxima};
/// let x = TensorRef::new([1, 1, 7, 1], &[1.0, 1.0, 0.0, 2.0, 2.0, 3.0, 0.0]);
/// assert_eq!(
///     regional_maxima(x, Connectivity::Eight)?.data(),
///     [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
/// );
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn regional_maxima<T: Real>(
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    plateaus("regional maxima", x, connectivity, |neighbour, pixel| neighbour > pixel)
}

/// The regional minima: 1 on every connected set of equal pixels that has no lower neighbour, 0
/// elsewhere. See [`regional_maxima`].
///
/// # Errors
/// If the shape is not that of images.
pub fn regional_minima<T: Real>(
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    plateaus("regional minima", x, connectivity, |neighbour, pixel| neighbour < pixel)
}

/// The extended maxima: the [`regional_maxima`] of the [`h_maxima`], that is, where the peaks
/// higher than $h$ are.
///
/// # Errors
/// If the shape is not that of images.
pub fn extended_maxima<T: Real>(
    x: TensorRef<'_, T>,
    h: T,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    let h = TensorRef::new([1], std::slice::from_ref(&h));
    let lowered = evaluate([x, h], |graph, [x, h]| h_maxima(graph, x, h, connectivity))?;
    regional_maxima(lowered.view(), connectivity)
}

/// The extended minima: the [`regional_minima`] of the [`h_minima`], that is, where the valleys
/// deeper than $h$ are.
///
/// # Errors
/// If the shape is not that of images.
pub fn extended_minima<T: Real>(
    x: TensorRef<'_, T>,
    h: T,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    let h = TensorRef::new([1], std::slice::from_ref(&h));
    let filled = evaluate([x, h], |graph, [x, h]| h_minima(graph, x, h, connectivity))?;
    regional_minima(filled.view(), connectivity)
}

/// 1 on the plateaus that no neighbour exceeds.
fn plateaus<T: Real>(
    operation: &'static str,
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
    exceeds: impl Fn(T, T) -> bool + Send + Sync,
) -> Result<Tensor<T>, ShapeError> {
    let planes = Planes::new(operation, x.shape)?;
    let mut y = Tensor::zeros(x.shape);
    if x.shape.is_empty() {
        return Ok(y);
    }
    let (frame, neighbours) = (planes.frame, planes.frame.neighbours(connectivity));
    parallel::for_each_piece(y.data_mut(), planes.image_len(), |image, y| {
        let (mut values, mut is_beaten) = (vec![T::zero(); frame.len()], vec![false; frame.len()]);
        let (width, mut pending) = (frame.width(), Vec::new());
        let mut is_beside = vec![false; width];
        for c in 0..planes.channels() {
            planes.load(x.data, image * planes.channels() + c, &mut values);
            // Row by row and without branches: a processor predicts neither of the comparisons.
            for row in frame.rows() {
                let (pixels, is_beaten) = (&values[row.clone()], &mut is_beaten[row.clone()]);
                is_beaten.iter_mut().zip(pixels).for_each(|(is, p)| *is = p.is_nan());
                for first in neighbours.around(row.start) {
                    for ((is, p), q) in is_beaten.iter_mut().zip(pixels).zip(&values[first..]) {
                        *is |= exceeds(*q, *p);
                    }
                }
            }
            // One pixel with a higher neighbour takes its whole plateau along.
            for row in frame.rows() {
                is_beside.fill(false);
                for first in neighbours.around(row.start) {
                    let others = values[first..].iter().zip(&is_beaten[first..]);
                    for ((is, p), (q, is_beaten)) in
                        is_beside.iter_mut().zip(&values[row.clone()]).zip(others)
                    {
                        *is |= *is_beaten & (p == q);
                    }
                }
                let besides = row.zip(&is_beside).filter(|(_, is_beside)| **is_beside);
                pending.extend(besides.map(|(p, _)| p));
                while let Some(p) = pending.pop() {
                    if !is_beaten[p] {
                        is_beaten[p] = true;
                        let plateau = |q: &usize| !is_beaten[*q] && values[*q] == values[p];
                        pending.extend(neighbours.around(p).filter(plateau));
                    }
                }
            }
            for (p, is_beaten) in values.iter_mut().zip(&is_beaten) {
                *p = if *is_beaten { T::zero() } else { T::one() };
            }
            planes.store(&values, c, y);
        }
    });
    Ok(y)
}
