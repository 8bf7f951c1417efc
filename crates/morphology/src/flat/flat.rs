//! Dilations and erosions by sets, on images of any type of pixels.
//!
//! The one design choice: an operator is a chain of steps, each the largest or the smallest pixel
//! over a set of offsets, and a difference is taken of the last step while its rows are in the
//! cache. No pixel is converted to another type.

use morphograd_nn::tensor::{ShapeError, TensorRef};

use crate::flat::footprint::Footprint;
use crate::flat::running::{Finish, Images, Largest, Smallest, run};
use crate::neighbourhood::border::Border;
use crate::neighbourhood::pixel::Pixel;

/// The flat dilation, the largest pixel under a footprint: $y_i = \max_{d \in B} x_{i+d}$.
///
/// `x` and the result are images `[batch, height, width, channels]`, each channel on its own.
///
/// - **Border**: outside is what `border` says, [`Border::Constant`] as [`Pixel::of`] makes a pixel
///   of it. Where no pixel counts, the result is [`Pixel::LOWEST`].
/// - **Values**: of floats those of [`dilation2d`](crate::dilation2d) by the element, but that of
///   tied zeros of both signs the sign may differ. NaN never wins, and where there is nothing else
///   the result is [`Pixel::LOWEST`].
/// - **Cost**: comparisons of a pixel: of a rectangle about $2 \log_2 w + 4$, whatever its height;
///   of other footprints one or two a run, and about $2 \log_2$ of the longest run. It computes in
///   parallel, in windows of rows that stay in the cache; the number of threads does not change the
///   result.
/// - **Sources**: M. van Herk (1992), J. Gil and M. Werman (1993), E. R. Urbach and M. H. F.
///   Wilkinson (2008).
///
/// # Errors
/// If `x` is not images.
///
/// ```
/// use morphograd_morphology::nn::tensor::{Shape, TensorRef};
/// use morphograd_morphology::{Border, Footprint, flat_dilation, flat_erosion};
/// let x = TensorRef { shape: Shape::from([1, 1, 5, 1]), data: &[3u8, 0, 200, 7, 7] };
/// let row = Footprint::rectangle([1, 3], [0, 1])?;
/// assert_eq!(flat_dilation(x, &row, Border::Infinity)?, [3, 200, 200, 200, 7]);
/// assert_eq!(flat_erosion(x, &row, Border::Infinity)?, [0, 0, 0, 7, 7]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn flat_dilation<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &[FlatStep::dilation(footprint, border)], Residue::None)
}

/// The flat erosion, the adjoint of the dilation by the same footprint: $y_i = \min_{d \in B}
/// x_{i-d}$. As [`flat_dilation`], and [`Pixel::HIGHEST`] where no pixel counts.
///
/// # Errors
/// If `x` is not images.
pub fn flat_erosion<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &[FlatStep::erosion(footprint, border)], Residue::None)
}

/// The largest or the smallest pixel over a footprint.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatStep {
    largest: bool,
    over: Footprint,
    border: Border,
}

impl FlatStep {
    /// $\max_{d \in B} x_{i+d}$.
    pub fn largest(over: Footprint, border: Border) -> Self {
        Self { largest: true, over, border }
    }

    /// $\min_{d \in B} x_{i+d}$.
    pub fn smallest(over: Footprint, border: Border) -> Self {
        Self { largest: false, over, border }
    }

    /// The dilation by a footprint.
    pub fn dilation(footprint: &Footprint, border: Border) -> Self {
        Self::largest(footprint.clone(), border)
    }

    /// The erosion by a footprint.
    pub fn erosion(footprint: &Footprint, border: Border) -> Self {
        Self::smallest(footprint.reflected(), border)
    }

    fn run<P: Pixel>(&self, images: Images, x: &[P], y: &mut [P], finish: Finish<'_, P>) {
        if self.largest {
            run::<P, Largest>(images, x, &self.over, self.border, y, finish);
        } else {
            run::<P, Smallest>(images, x, &self.over, self.border, y, finish);
        }
    }
}

/// Which difference to the last step of a chain is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub enum Residue<'a, P> {
    /// None: the step itself.
    #[default]
    None,
    /// What these images have more than the step.
    Below(&'a [P]),
    /// What the step has more than these images.
    Above(&'a [P]),
}

/// Steps one after the other, and a difference to the last, which is that of [`Pixel::minus`].
///
/// # Errors
/// If `x` is not images `[batch, height, width, channels]`, the residue has not as many pixels, or
/// there is no step.
///
/// ```
/// use morphograd_morphology::nn::tensor::{Shape, TensorRef};
/// use morphograd_morphology::{Border, FlatStep, Footprint, Residue, flat_chain};
/// let x = TensorRef { shape: Shape::from([1, 1, 5, 1]), data: &[3u8, 0, 200, 7, 7] };
/// let pair = Footprint::rectangle([1, 2], [0, 0])?;
/// let opening = [
///     FlatStep::erosion(&pair, Border::Infinity),
///     FlatStep::dilation(&pair, Border::Infinity),
/// ];
/// assert_eq!(flat_chain(x, &opening, Residue::None)?, [3, 0, 7, 7, 7]);
/// assert_eq!(flat_chain(x, &opening, Residue::Below(x.data))?, [0, 0, 193, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn flat_chain<P: Pixel>(
    x: TensorRef<'_, P>,
    steps: &[FlatStep],
    residue: Residue<'_, P>,
) -> Result<Vec<P>, ShapeError> {
    const NAME: &str = "flat operator";
    let &[_, height, width, channels] = x.shape.dims() else {
        let expected = "images [batch, height, width, channels]";
        return Err(ShapeError::new(NAME, expected, format!("shape {}", x.shape)));
    };
    let count = x.shape.countable(NAME)?.len();
    let finish = match residue {
        Residue::None => Finish::Best,
        Residue::Below(z) => Finish::Below(z),
        Residue::Above(z) => Finish::Above(z),
    };
    let of_residue = match residue {
        Residue::Below(z) | Residue::Above(z) => z.len(),
        Residue::None => count,
    };
    for found in [x.data.len(), of_residue] {
        if found != count {
            let expected = format!("{count} pixels for shape {}", x.shape);
            return Err(ShapeError::new(NAME, expected, format!("{found}")));
        }
    }
    let images = Images { size: [height, width], channels };
    let [steps @ .., last] = steps else {
        return Err(ShapeError::new(NAME, "at least one step", "none"));
    };
    let (mut from, mut to) = (None, Vec::new());
    for step in steps {
        to.resize(count, P::default());
        step.run(images, from.as_deref().unwrap_or(x.data), &mut to, Finish::Best);
        to = from.replace(to).unwrap_or_default();
    }
    to.resize(count, P::default());
    last.run(images, from.as_deref().unwrap_or(x.data), &mut to, finish);
    Ok(to)
}
