//! Distance transforms: how far each pixel is from a set. All three metrics are exact and take two
//! passes; the Euclidean one is computed in whole numbers, so that no distance depends on rounding.

use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef, parallel};

use crate::connected::selection::{Frame, Planes};
use crate::neighbourhood::connectivity::Connectivity;

/// How the distance between two pixels is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PixelDistance {
    /// $\max(|\Delta y|, |\Delta x|)$: the steps of a king. The number of 3 x 3 dilations it takes
    /// to reach a pixel.
    Chessboard,
    /// $|\Delta y| + |\Delta x|$: the steps along rows and columns.
    Taxicab,
    /// $\sqrt{\Delta y^2 + \Delta x^2}$.
    #[default]
    Euclidean,
}

/// The distance, in pixels, of each pixel to the nearest pixel that is not 0:
/// $$D(p) = \min \{\, d(p, q) : x_q \ne 0 \,\}.$$
/// It is 0 on the set, and infinite everywhere where an image has no such pixel. `x` and result
/// `[batch, height, width, channels]`, each image and channel on its own. (SciPy's
/// `distance_transform_*` measure the distance to the nearest *zero*: the same on the complement.)
///
/// Piecewise constant, so without a derivative. Cost: linear in the number of pixels, whatever the
/// distances. Sources: A. Rosenfeld and J. Pfaltz, *Sequential operations in digital picture
/// processing* (1966); P. Felzenszwalb and D. Huttenlocher, *Distance transforms of sampled
/// functions* (2012).
///
/// # Errors
/// If the shape is not that of images.
///
/// ```
/// use morphograd_morphology::{PixelDistance, distance_transform, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 2, 3, 1], &[1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// let chessboard = distance_transform(x, PixelDistance::Chessboard)?;
/// assert_eq!(chessboard.data(), [0.0, 1.0, 2.0, 1.0, 1.0, 2.0]);
/// let taxicab = distance_transform(x, PixelDistance::Taxicab)?;
/// assert_eq!(taxicab.data(), [0.0, 1.0, 2.0, 1.0, 2.0, 3.0]);
/// assert_eq!(distance_transform(x, PixelDistance::Euclidean)?.data()[4], 2f32.sqrt());
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn distance_transform<T: Real>(
    x: TensorRef<'_, T>,
    metric: PixelDistance,
) -> Result<Tensor<T>, ShapeError> {
    let planes = Planes::new("distance transform", x.shape)?;
    let mut y = Tensor::zeros(x.shape);
    if x.shape.is_empty() {
        return Ok(y);
    }
    let frame = planes.frame;
    parallel::for_each_piece(y.data_mut(), planes.image_len(), |image, y| {
        let mut framed = vec![T::zero(); frame.len()];
        for c in 0..planes.channels() {
            planes.load(x.data, image * planes.channels() + c, &mut framed);
            match metric {
                PixelDistance::Chessboard => steps(frame, Connectivity::Eight, &mut framed),
                PixelDistance::Taxicab => steps(frame, Connectivity::Four, &mut framed),
                PixelDistance::Euclidean => euclidean(frame, &mut framed),
            }
            planes.store(&framed, c, y);
        }
    });
    Ok(y)
}

/// The number of steps from neighbour to neighbour: a scan forwards and a scan backwards.
fn steps<T: Real>(frame: Frame, connectivity: Connectivity, x: &mut [T]) {
    let neighbours = frame.neighbours(connectivity);
    let nearer =
        |x: &[T], p: usize, q: usize| if x[q] + T::one() < x[p] { x[q] + T::one() } else { x[p] };
    for p in frame.pixels() {
        x[p] = if x[p] == T::zero() { T::infinity() } else { T::zero() };
        neighbours.earlier(p).for_each(|q| x[p] = nearer(x, p, q));
    }
    for p in frame.pixels().rev() {
        neighbours.later(p).for_each(|q| x[p] = nearer(x, p, q));
    }
}

/// A column's squared distances, then the lower envelope of their parabolas along each row.
fn euclidean<T: Real>(frame: Frame, x: &mut [T]) {
    let stride = frame.stride();
    let mut squares: Vec<Option<i64>> = vec![None; frame.len()];
    // Steps within the column, downwards and then upwards; `None` is infinite.
    for p in frame.pixels() {
        squares[p] =
            if x[p] == T::zero() { squares[p - stride].map(|steps| steps + 1) } else { Some(0) };
    }
    for p in frame.pixels().rev() {
        let from_below = squares[p + stride].map(|steps| steps + 1);
        squares[p] = squares[p].into_iter().chain(from_below).min();
    }
    squares.iter_mut().flatten().for_each(|steps| *steps *= *steps);

    // The parabolas of the envelope: the column of the vertex, and the first column in which it is
    // the lowest.
    let mut envelope: Vec<(i64, i64)> = Vec::with_capacity(frame.width());
    for row in frame.rows() {
        let heights = &squares[row.clone()];
        envelope.clear();
        for (vertex, height) in
            (0..).zip(heights).filter_map(|(vertex, height)| Some((vertex, (*height)?)))
        {
            let mut start = 0;
            while let Some(&(other, other_start)) = envelope.last() {
                let other_height =
                    heights[other as usize].expect("only columns with a distance are pushed");
                let rise = (height + vertex * vertex) - (other_height + other * other);
                start = rise.div_euclid(2 * (vertex - other)) + 1;
                if start > other_start {
                    break;
                }
                envelope.pop();
                start = 0;
            }
            if start < heights.len() as i64 {
                envelope.push((vertex, start));
            }
        }
        let mut lowest = 0;
        for (column, x) in (0..).zip(&mut x[row]) {
            while envelope.get(lowest + 1).is_some_and(|(_, start)| *start <= column) {
                lowest += 1;
            }
            *x = envelope.get(lowest).map_or(T::infinity(), |(vertex, _)| {
                let height =
                    heights[*vertex as usize].expect("only columns with a distance are pushed");
                T::of(((height + (column - vertex).pow(2)) as f64).sqrt())
            });
        }
    }
}
