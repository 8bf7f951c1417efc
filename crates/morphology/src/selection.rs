//! What geodesic operators, levelings and area openings have in common: every pixel of the output is a pixel of one of the inputs, so the
//! forward pass carries along which one (its origin), and the derivative is a scatter.
//!
//! Every channel of every image is a plane of its own, copied into a frame of NaN, one pixel wide: NaN loses every comparison in both
//! orders, so that neighbours need no test for the border, and a NaN of the data stays at its pixel.

use std::array;
use std::ops::Range;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Scale, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::Connectivity;
use crate::connectivity::Neighbours;

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

    /// The distance between a pixel and the one below it.
    pub(crate) fn stride(&self) -> usize {
        self.width + 2
    }

    /// The number of the pixel at a position, without the frame.
    fn pixel(&self, position: usize) -> usize {
        (position / self.stride() - 1) * self.width + position % self.stride() - 1
    }
}

impl Planes {
    /// # Errors
    /// If the shape is not `[batch, height, width, channels]`, or an image has so many pixels that their numbers do not fit `u32`.
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
            return Err(ShapeError::new(operation, "images of fewer than 2^30 pixels", format!("shape {x}")));
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
        let image = &x[plane / self.channels * self.image_len()..][..self.image_len()];
        let pixels = image.iter().skip(plane % self.channels).step_by(self.channels);
        self.frame.pixels().zip(pixels).for_each(|(p, x)| framed[p] = *x);
    }

    /// Copies the pixels of a framed plane into channel `c` of an image.
    pub(crate) fn store<T: Real>(&self, framed: &[T], c: usize, image: &mut [T]) {
        let pixels = image.iter_mut().skip(c).step_by(self.channels);
        self.frame.pixels().zip(pixels).for_each(|(p, x)| *x = framed[p]);
    }
}

/// The shape of the output: that of the inputs, which have to agree.
pub(crate) fn infer(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    Planes::new(operation, inputs[0])?;
    match inputs.iter().find(|shape| **shape != inputs[0]) {
        Some(other) => {
            Err(ShapeError::new(operation, format!("images of one shape {}", inputs[0]), format!("{other}")))
        }
        None => Ok(inputs[0]),
    }
}

/// Runs `select(frame, reals, words)` on every plane, in parallel. `reals[k]` holds input `k` (workspace from there on); the function turns
/// `reals[0]` into the output and `words[0]`, which starts with each pixel as its own origin, into the origins: position `p` of input `k`
/// is the number `k * frame.len() + p`. The other words are undefined.
pub(crate) fn forward<T: Real, const REALS: usize, const WORDS: usize>(
    pass: Forward<'_, T>,
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
        let mut reals: [_; REALS] = array::from_fn(|_| reals.next().expect("as many pieces as asked for"));
        let mut words = words.chunks_exact_mut(len);
        let words: [_; WORDS] = array::from_fn(|_| words.next().expect("as many pieces as asked for"));
        for (x, framed) in pass.inputs.iter().zip(&mut reals) {
            planes.load(x.data, plane, framed);
        }
        words[0].iter_mut().zip(0..).for_each(|(origin, p)| *origin = p);
        select(frame, reals, words);
    });
    let framed = &pass.scratch[..];
    parallel::for_each_piece(pass.output, planes.image_len(), |image, y| {
        for c in 0..planes.channels {
            planes.store(&framed[(image * planes.channels + c) * REALS * len..][..len], c, y);
        }
    });
}

/// Adds the gradient of every output pixel to that of its origin. `WORDS` as in [`forward`].
pub(crate) fn backward<T: Real, const WORDS: usize>(pass: Backward<'_, T>) {
    let planes = Planes::new("selection", pass.output.shape).expect("shapes were inferred");
    if pass.grad_output.is_empty() {
        return;
    }
    let (frame, channels, len) = (planes.frame, planes.channels, planes.frame.len());
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

/// The dual of an operation, $-\psi(-x, -y)$: the same in the reversed order. Negation is exact, so nothing is lost.
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
