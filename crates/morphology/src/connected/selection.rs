//! What geodesic operators, levelings and area openings have in common: every pixel of the output
//! is a pixel of one of the inputs, so the forward pass carries along which one (its origin), and
//! the derivative is a scatter. The last of tied pixels is the first of the image turned by 180
//! degrees, so that no algorithm is written twice.
//!
//! Every channel of every image is a plane of its own, copied into a frame of NaN, one pixel wide:
//! NaN loses every comparison in both orders, so that neighbours need no test for the border, and a
//! NaN of the data stays at its pixel.

use std::array;
use std::ops::Range;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Scale, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::neighbourhood::connectivity::{Connectivity, Neighbours};

/// How pixels are selected. A [`Connectivity`] is one, with the first of tied pixels.
///
/// ```
/// use morphograd_morphology::{Connectivity, Selection, nn::autodiff::Ties};
/// let symmetric = Selection { ties: Ties::Split, ..Connectivity::Eight.into() };
/// assert_eq!(symmetric.connectivity, Connectivity::Eight);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Who is a neighbour.
    pub connectivity: Connectivity,
    /// Which of tied pixels gets the gradient; each operator says what this means for it.
    pub ties: Ties,
}

impl From<Connectivity> for Selection {
    fn from(connectivity: Connectivity) -> Self {
        Self { connectivity, ties: Ties::default() }
    }
}

/// A plane of pixels within its frame. Positions are row-major and count the frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    height: usize,
    width: usize,
}

/// The planes of a batch of images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes {
    batch: usize,
    channels: usize,
    pub(crate) frame: Frame,
}

impl Frame {
    /// Positions, those of the frame included.
    pub(crate) fn len(&self) -> usize {
        (self.height + 2) * self.stride()
    }

    /// The positions of the pixels in raster order.
    #[inline(always)]
    pub(crate) fn pixels(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        self.rows().flatten()
    }

    pub(crate) fn neighbours(&self, connectivity: Connectivity) -> Neighbours {
        connectivity.neighbours(self.stride())
    }

    /// The positions of the pixels of each row.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + use<> {
        let (width, stride) = (self.width, self.stride());
        (1..=self.height).map(move |y| y * stride + 1..y * stride + 1 + width)
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Height and width of the plane within.
    pub(crate) fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The distance between a pixel and the one below it.
    pub(crate) fn stride(&self) -> usize {
        self.width + 2
    }

    /// The first positions and the numbers of the neighbours above, beside and below a pixel, of
    /// which there are `SIDE` above and below. It counts as its own neighbour.
    #[inline(always)]
    pub(crate) fn beside<const SIDE: usize>(&self, p: usize) -> [(usize, usize); 3] {
        let (stride, side) = (self.stride(), SIDE / 2);
        [(p - stride - side, SIDE), (p - 1, 3), (p + stride - side, SIDE)]
    }

    /// The number of the pixel at a position, without the frame.
    fn pixel(&self, position: usize) -> usize {
        (position / self.stride() - 1) * self.width + position % self.stride() - 1
    }
}

impl Planes {
    /// # Errors
    /// If the shape is not `[batch, height, width, channels]`, or an image has so many pixels that
    /// their numbers do not fit `u32`.
    pub(crate) fn new(operation: &'static str, x: Shape) -> Result<Self, ShapeError> {
        let &[batch, height, width, channels] = x.dims() else {
            return Err(ShapeError::new(
                operation,
                "images [batch, height, width, channels]",
                format!("shape {x}"),
            ));
        };
        let frame = Frame { height, width };
        if frame.len() > u32::MAX as usize / 4 {
            return Err(ShapeError::new(
                operation,
                "images of fewer than 2^30 pixels",
                format!("shape {x}"),
            ));
        }
        Ok(Self { batch, channels, frame })
    }

    pub(crate) fn count(&self) -> usize {
        self.batch * self.channels
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// Elements of one image.
    pub(crate) fn image_len(&self) -> usize {
        self.frame.height * self.frame.width * self.channels
    }

    /// Copies a plane (image by image, channel by channel) into its frame.
    pub(crate) fn load<T: Real>(&self, x: &[T], plane: usize, framed: &mut [T]) {
        framed.fill(T::nan());
        self.load_with(x, plane, framed, |x| x);
    }

    /// As [`load`](Self::load), of what a function makes of a pixel. The frame is left as it is.
    pub(crate) fn load_with<P: Copy, L>(
        &self,
        x: &[P],
        plane: usize,
        framed: &mut [L],
        f: impl Fn(P) -> L,
    ) {
        for (y, row) in self.frame.rows().enumerate() {
            let pixels = self.row(x, plane, y);
            let framed = &mut framed[row];
            // Without a stride the compiler finds vectors.
            if self.channels == 1 {
                framed.iter_mut().zip(pixels).for_each(|(framed, x)| *framed = f(*x));
            } else {
                let pixels = pixels.iter().step_by(self.channels);
                framed.iter_mut().zip(pixels).for_each(|(framed, x)| *framed = f(*x));
            }
        }
    }

    /// Copies the pixels of a framed plane into channel `c` of an image.
    pub(crate) fn store<T: Copy>(&self, framed: &[T], c: usize, image: &mut [T]) {
        self.store_with(framed, c, image, |x, _| x);
    }

    /// As [`store`](Self::store), of what a function makes of a framed value and of what the image
    /// holds.
    pub(crate) fn store_with<L: Copy, Y: Copy>(
        &self,
        framed: &[L],
        c: usize,
        image: &mut [Y],
        f: impl Fn(L, Y) -> Y,
    ) {
        self.store_rows_with(framed, 0, c, image, f);
    }

    /// As [`store_with`](Self::store_with), from a row on: as many rows as the part of the image
    /// has.
    pub(crate) fn store_rows_with<L: Copy, Y: Copy>(
        &self,
        framed: &[L],
        first: usize,
        c: usize,
        rows: &mut [Y],
        f: impl Fn(L, Y) -> Y,
    ) {
        let rows = rows.chunks_exact_mut(self.frame.width * self.channels);
        for (row, ys) in self.frame.rows().skip(first).zip(rows) {
            let framed = &framed[row];
            if self.channels == 1 {
                ys.iter_mut().zip(framed).for_each(|(y, x)| *y = f(*x, *y));
            } else {
                let ys = ys.iter_mut().skip(c).step_by(self.channels);
                ys.zip(framed).for_each(|(y, x)| *y = f(*x, *y));
            }
        }
    }

    /// Adds the pixels of a framed plane to channel `c` of an image.
    pub(crate) fn add<T: Real>(&self, framed: &[T], c: usize, image: &mut [T]) {
        self.store_with(framed, c, image, |x, y| y + x);
    }

    /// Row `y` of a plane, from its first pixel to its last, other channels between them.
    fn row<'a, P>(&self, x: &'a [P], plane: usize, y: usize) -> &'a [P] {
        let first_row = plane / self.channels * self.frame.height;
        let len = self.frame.width * self.channels;
        &x[(first_row + y) * len..][plane % self.channels..len]
    }
}

/// Whether a pixel equals nothing. Of integers none does.
#[inline(always)]
pub(crate) fn is_nan<P: PartialOrd>(x: P) -> bool {
    x.partial_cmp(&x).is_none()
}

/// The shape of the output: that of the inputs, which have to agree.
pub(crate) fn infer(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    Planes::new(operation, inputs[0])?;
    match inputs.iter().find(|shape| **shape != inputs[0]) {
        Some(other) => Err(ShapeError::new(
            operation,
            format!("images of one shape {}", inputs[0]),
            format!("{other}"),
        )),
        None => Ok(inputs[0]),
    }
}

/// Runs `select(frame, reals, words)` on every plane, in parallel. `reals[k]` holds input `k`
/// (workspace from there on); the function turns `reals[0]` into the output and `words[0]`, which
/// starts with each pixel as its own origin, into the origins: position `p` of input `k` is the
/// number `k * frame.len() + p`. The other words are undefined. The function selects the first of
/// tied pixels; for the last the planes are turned, and to split ties the flat zones of the output
/// take the place of the origins.
pub(crate) fn forward<T: Real, const REALS: usize, const WORDS: usize>(
    pass: Forward<'_, T>,
    Selection { connectivity, ties }: Selection,
    select: impl Fn(Frame, [&mut [T]; REALS], [&mut [u32]; WORDS]) + Send + Sync,
) {
    let planes = Planes::new("selection", pass.shape).expect("shapes were inferred");
    if pass.output.is_empty() {
        return;
    }
    let (frame, len) = (planes.frame, planes.frame.len());
    pass.scratch.resize(planes.count() * REALS * len, T::zero());
    pass.saved.indices.resize(planes.count() * WORDS * len, 0);
    let reals = (&mut pass.scratch[..], REALS * len);
    let words = (&mut pass.saved.indices[..], WORDS * len);
    parallel::for_each_pair(reals, words, |plane, reals, words| {
        let mut reals = reals.chunks_exact_mut(len);
        let mut reals: [_; REALS] =
            array::from_fn(|_| reals.next().expect("as many pieces as asked for"));
        let mut words = words.chunks_exact_mut(len);
        let mut words: [_; WORDS] =
            array::from_fn(|_| words.next().expect("as many pieces as asked for"));
        for (x, framed) in pass.inputs.iter().zip(&mut reals) {
            planes.load(x.data, plane, framed);
            if ties == Ties::Last {
                framed.reverse();
            }
        }
        words[0].iter_mut().zip(0..).for_each(|(origin, p)| *origin = p);
        select(
            frame,
            reals.each_mut().map(|reals| &mut **reals),
            words.each_mut().map(|words| &mut **words),
        );
        match ties {
            Ties::First => {}
            Ties::Last => {
                reals[0].reverse();
                words[0].reverse();
                let turn = |origin: usize| origin - origin % len + (len - 1 - origin % len);
                words[0].iter_mut().for_each(|origin| *origin = turn(*origin as usize) as u32);
            }
            Ties::Split => flat_zones(frame, frame.neighbours(connectivity), reals[0], words[0]),
        }
    });
    let framed = &pass.scratch[..];
    parallel::for_each_piece(pass.output, planes.image_len(), |image, y| {
        for c in 0..planes.channels {
            planes.store(&framed[(image * planes.channels + c) * REALS * len..][..len], c, y);
        }
    });
}

/// Gives every pixel the number of the first pixel of its flat zone: those that are connected
/// through equal values. NaN equals nothing.
fn flat_zones<T: Real>(frame: Frame, neighbours: Neighbours, values: &[T], zones: &mut [u32]) {
    for p in frame.pixels() {
        zones[p] = p as u32;
        for q in neighbours.earlier(p).filter(|q| values[*q] == values[p]) {
            let (a, b) = (root(zones, p), root(zones, q));
            zones[a.max(b)] = a.min(b) as u32;
        }
    }
    // A zone's first pixel comes before the others: in raster order it is ready.
    frame.pixels().for_each(|p| zones[p] = zones[zones[p] as usize]);
}

/// The root of a component, with the way to it shortened for the next time.
fn root(parents: &mut [u32], p: usize) -> usize {
    let mut root = p;
    while parents[root] as usize != root {
        root = parents[root] as usize;
    }
    let mut at = p;
    while at != root {
        at = std::mem::replace(&mut parents[at], root as u32) as usize;
    }
    root
}

/// Adds the gradient of every output pixel to that of its origin, or, to split ties, that of every
/// flat zone in equal parts to the pixels of the inputs in it that have its value. `WORDS` as in
/// [`forward`].
pub(crate) fn backward<T: Real, const WORDS: usize>(pass: Backward<'_, T>, ties: Ties) {
    let planes = Planes::new("selection", pass.output.shape).expect("shapes were inferred");
    if pass.grad_output.is_empty() {
        return;
    }
    let (frame, channels, len) = (planes.frame, planes.channels, planes.frame.len());
    if ties == Ties::Split {
        return backward_zones::<T, WORDS>(pass, planes);
    }
    for (input, dx) in pass.grad_inputs.into_iter().enumerate() {
        let Some(dx) = dx else { continue };
        parallel::for_each_piece(dx, planes.image_len(), |image, dx| {
            let grad = &pass.grad_output[image * planes.image_len()..][..planes.image_len()];
            for c in 0..channels {
                let origins = &pass.saved.indices[(image * channels + c) * WORDS * len..][..len];
                for (p, g) in frame.pixels().zip(grad.iter().skip(c).step_by(channels)) {
                    let origin = origins[p] as usize;
                    if origin / len == input {
                        dx[frame.pixel(origin % len) * channels + c] += *g;
                    }
                }
            }
        });
    }
}

fn backward_zones<T: Real, const WORDS: usize>(pass: Backward<'_, T>, planes: Planes) {
    let (frame, channels, len) = (planes.frame, planes.channels, planes.frame.len());
    let zones = |plane: usize| &pass.saved.indices[plane * WORDS * len..][..len];
    // The pixels of a plane, and where they lie in the tensors.
    let pixels = |plane: usize| {
        let first = plane / channels * planes.image_len() + plane % channels;
        frame.pixels().zip((first..).step_by(channels))
    };
    let y = pass.output.data;
    pass.scratch.resize(planes.count() * 2 * len, T::zero());
    parallel::for_each_piece(pass.scratch, 2 * len, |plane, sums| {
        sums.fill(T::zero());
        let (sums, counts) = sums.split_at_mut(len);
        for (p, at) in pixels(plane) {
            let zone = zones(plane)[p] as usize;
            sums[zone] += pass.grad_output[at];
            counts[zone] +=
                T::of(pass.inputs.iter().filter(|x| x.data[at] == y[at]).count() as f64);
        }
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= *count);
    });
    let shares = &pass.scratch[..];
    for (x, dx) in pass.inputs.iter().zip(pass.grad_inputs) {
        let Some(dx) = dx else { continue };
        parallel::for_each_piece(dx, planes.image_len(), |image, dx| {
            for plane in image * channels..(image + 1) * channels {
                for (p, at) in pixels(plane).filter(|(_, at)| x.data[*at] == y[*at]) {
                    dx[at - image * planes.image_len()] +=
                        shares[plane * 2 * len + zones(plane)[p] as usize];
                }
            }
        });
    }
}

/// The dual of an operation, $-\psi(-x, -y)$: the same in the reversed order. Negation is exact, so
/// nothing is lost.
pub(crate) fn dual<T: Real, const N: usize>(
    graph: &mut Graph<'_, T>,
    op: impl Op<T>,
    mut inputs: [Var; N],
) -> Result<Var, ShapeError> {
    for x in &mut inputs {
        *x = graph.apply(Scale(-1.0), [*x])?;
    }
    let y = graph.apply(op, inputs)?;
    graph.apply(Scale(-1.0), [y])
}
