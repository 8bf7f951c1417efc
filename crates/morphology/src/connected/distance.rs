//! Distance transforms: how far each pixel is from a set. All three metrics are exact and take two
//! passes; the Euclidean one is computed in whole numbers, so that no distance depends on rounding.

use morphograd_nn::tensor::simd::{Kernel, dispatch};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef, parallel};

use crate::connected::selection::Planes;
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
    distances(planes, x.data, metric, y.data_mut());
    Ok(y)
}

/// Writes the distances to the pixels that are not the default of their type.
pub(crate) fn distances<P: Copy + PartialEq + Default + Sync, T: Real>(
    planes: Planes,
    x: &[P],
    metric: PixelDistance,
    y: &mut [T],
) {
    if y.is_empty() {
        return;
    }
    parallel::for_each_piece(y, planes.image_len(), |image, y| match metric {
        PixelDistance::Chessboard => steps(planes, x, image, Connectivity::Eight, y),
        PixelDistance::Taxicab => steps(planes, x, image, Connectivity::Four, y),
        PixelDistance::Euclidean => {
            euclidean(planes, &x[image * planes.image_len()..][..planes.image_len()], y);
        }
    });
}

/// The number of steps from neighbour to neighbour: a scan forwards and a scan backwards.
fn steps<P: Copy + PartialEq + Default, T: Real>(
    planes: Planes,
    x: &[P],
    image: usize,
    connectivity: Connectivity,
    y: &mut [T],
) {
    let frame = planes.frame;
    let neighbours = frame.neighbours(connectivity);
    let nearer =
        |x: &[T], p: usize, q: usize| if x[q] + T::one() < x[p] { x[q] + T::one() } else { x[p] };
    let mut framed = vec![T::infinity(); frame.len()];
    for c in 0..planes.channels() {
        planes.load_with(x, image * planes.channels() + c, &mut framed, |x| {
            if x == P::default() { T::infinity() } else { T::zero() }
        });
        for p in frame.pixels() {
            neighbours.earlier(p).for_each(|q| framed[p] = nearer(&framed, p, q));
        }
        for p in frame.pixels().rev() {
            neighbours.later(p).for_each(|q| framed[p] = nearer(&framed, p, q));
        }
        planes.store(&framed, c, y);
    }
}

/// Steps that are further than any.
const FAR: u32 = 1 << 30;

/// Into how many strips of rows an image is cut, at most.
const STRIPS: usize = 16;

/// Rows of a strip, at least.
const ROWS: usize = 16;

/// The squared distances within each column, then the lower envelope of their parabolas along each
/// row. An image is cut into strips of rows; what crosses from one to the next is a row of steps.
fn euclidean<P: Copy + PartialEq + Default + Sync, T: Real>(planes: Planes, x: &[P], y: &mut [T]) {
    let channels = planes.channels();
    let row_len = planes.frame.width() * channels;
    let height = x.len() / row_len;
    let strip = row_len * height.div_ceil(STRIPS).max(ROWS);
    let mut columns = vec![FAR; x.len()];
    parallel::for_each_piece(&mut columns, strip, |i, columns| {
        dispatch(Columns { x: &x[i * strip..], columns, row_len });
    });

    // How far the nearest pixel of the set is from a strip's first row in the strips above, and
    // from its last row in those below.
    let strips = x.len().div_ceil(strip);
    let [mut above, mut below] = [(); 2].map(|()| vec![FAR; strips * row_len]);
    let rows = |i: usize| (strip.min(x.len() - i * strip) / row_len) as u32;
    for i in 0..strips {
        let carry = |to: &mut [u32], at: usize, from: usize, nearest: &[u32]| {
            for column in 0..row_len {
                let through = to[from * row_len + column] + rows(from);
                to[at * row_len + column] = FAR.min(through).min(nearest[column] + 1);
            }
        };
        if i > 0 {
            carry(&mut above, i, i - 1, &columns[i * strip - row_len..]);
            let at = strips - 1 - i;
            carry(&mut below, at, at + 1, &columns[(at + 1) * strip..]);
        }
    }

    parallel::for_each_piece(y, strip, |i, y| {
        let [above, below] = [&above, &below].map(|carried| &carried[i * row_len..][..row_len]);
        let columns = &columns[i * strip..][..y.len()];
        dispatch(Rows { columns, above, below, channels, y });
    });
}

/// The distances in a strip, from the steps within its columns and to what is above and below it.
struct Rows<'a, T> {
    columns: &'a [u32],
    above: &'a [u32],
    below: &'a [u32],
    channels: usize,
    y: &'a mut [T],
}

impl<T: Real> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { columns, above, below, channels, y } = self;
        let row_len = above.len();
        let width = row_len / channels;
        let mut nearest = vec![FAR; row_len];
        let (mut steps, mut squares) = (vec![FAR; width], vec![0.0; width]);
        let mut envelope = Vec::with_capacity(width);
        let rows = columns.len() / row_len;
        for (row, (columns, y)) in
            columns.chunks_exact(row_len).zip(y.chunks_exact_mut(row_len)).enumerate()
        {
            let [from_above, from_below] = [row, rows - 1 - row].map(|rows| rows as u32);
            let carried = above.iter().zip(below);
            for ((nearest, within), (above, below)) in nearest.iter_mut().zip(columns).zip(carried)
            {
                *nearest = (*within).min(above + from_above).min(below + from_below);
            }
            // Without a stride the compiler finds vectors.
            if channels == 1 {
                squared_distances(&nearest, &mut squares, &mut envelope);
                y.iter_mut().zip(&squares).for_each(|(y, square)| *y = T::of(square.sqrt()));
                continue;
            }
            for c in 0..channels {
                let of_channel = nearest.iter().skip(c).step_by(channels);
                steps.iter_mut().zip(of_channel).for_each(|(steps, nearest)| *steps = *nearest);
                squared_distances(&steps, &mut squares, &mut envelope);
                let y = y.iter_mut().skip(c).step_by(channels);
                y.zip(&squares).for_each(|(y, square)| *y = T::of(square.sqrt()));
            }
        }
    }
}

/// The steps within each column of a strip, downwards and then upwards.
struct Columns<'a, P> {
    x: &'a [P],
    columns: &'a mut [u32],
    row_len: usize,
}

impl<P: Copy + PartialEq + Default> Kernel for Columns<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, columns, row_len } = self;
        for (steps, x) in columns.iter_mut().zip(x) {
            *steps = if *x == P::default() { FAR } else { 0 };
        }
        let rows = columns.len() / row_len;
        for row in 1..rows {
            let (before, here) = columns.split_at_mut(row * row_len);
            for (steps, above) in here[..row_len].iter_mut().zip(&before[before.len() - row_len..])
            {
                *steps = (*steps).min(*above + 1);
            }
        }
        for row in (1..rows).rev() {
            let (before, here) = columns.split_at_mut(row * row_len);
            let start = before.len() - row_len;
            for (steps, below) in before[start..].iter_mut().zip(here) {
                *steps = (*steps).min(*below + 1);
            }
        }
    }
}

/// A parabola of the lower envelope.
#[derive(Clone, Copy)]
struct Parabola {
    vertex: i64,
    height: i64,
    /// The first column in which it is the lowest.
    start: i64,
}

impl Parabola {
    #[inline(always)]
    fn at(&self, column: i64) -> i64 {
        self.height + (column - self.vertex) * (column - self.vertex)
    }
}

/// The squared distances along a row, from the steps within its columns. No parabola reaches beyond
/// a column of the set, so the row is cut there.
fn squared_distances(steps: &[u32], squares: &mut [f64], envelope: &mut Vec<Parabola>) {
    let mut first = 0;
    let zeros = steps.iter().enumerate().filter(|(_, steps)| **steps == 0).map(|(at, _)| at);
    for last in zeros.chain([steps.len() - 1]) {
        if last > first + 1 || steps[first] != 0 || steps[last] != 0 {
            lower_envelope(&steps[first..=last], &mut squares[first..=last], envelope);
        } else {
            squares[first..=last].fill(0.0);
        }
        first = last;
    }
}

fn lower_envelope(steps: &[u32], squares: &mut [f64], envelope: &mut Vec<Parabola>) {
    envelope.clear();
    let end = steps.len() as i64;
    for (vertex, steps) in (0..).zip(steps).filter(|(_, steps)| **steps < FAR) {
        let height = i64::from(*steps) * i64::from(*steps);
        let mut new = Parabola { vertex, height, start: 0 };
        while let Some(last) = envelope.last() {
            if new.at(last.start) >= last.at(last.start) {
                // Where the new one is strictly lower.
                let rise = height + vertex * vertex - last.height - last.vertex * last.vertex;
                new.start = match vertex - last.vertex {
                    1 => rise >> 1,
                    distance => rise.div_euclid(2 * distance),
                } + 1;
                break;
            }
            envelope.pop();
        }
        if new.start < end {
            envelope.push(new);
        }
    }
    if envelope.is_empty() {
        squares.fill(f64::INFINITY);
    }
    let ends = envelope.iter().skip(1).map(|next| next.start).chain([end]);
    for (parabola, end) in envelope.iter().zip(ends) {
        for column in parabola.start..end {
            squares[column as usize] = parabola.at(column) as f64;
        }
    }
}
