//! Operators composed of flat dilations and erosions: openings, closings, and what they remove.
//!
//! The one design choice: they are chains of the two, and know nothing of pixels. All take images
//! `[batch, height, width, channels]`; border, values and cost are those of
//! [`flat_dilation`] in each step. Source: P. Soille, *Morphological Image
//! Analysis* (2003), ch. 3 and 4.

use morphograd_nn::tensor::{ShapeError, TensorRef};

use crate::flat::flat::{FlatStep, Residue, flat_chain, flat_dilation};
use crate::flat::footprint::Footprint;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::pixel::Pixel;

/// The opening $\delta_B \varepsilon_B$: the image without what is bright and does not hold the
/// footprint. With [`Border::Infinity`] and [`Border::Periodic`] it is at most the image,
/// increasing and idempotent, for every footprint.
///
/// # Errors
/// If `x` is not images.
///
/// ```
/// use morphograd_morphology::nn::tensor::{Shape, TensorRef};
/// use morphograd_morphology::{Border, Footprint, flat_opening, flat_white_top_hat};
/// let x = TensorRef { shape: Shape::from([1, 1, 5, 1]), data: &[3u16, 0, 200, 7, 7] };
/// let pair = Footprint::rectangle([1, 2], [0, 0])?;
/// assert_eq!(flat_opening(x, &pair, Border::Infinity)?, [3, 0, 7, 7, 7]);
/// assert_eq!(flat_white_top_hat(x, &pair, Border::Infinity)?, [0, 0, 193, 0, 0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn flat_opening<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &opening(footprint, border), Residue::None)
}

/// The closing $\varepsilon_B \delta_B$: the image with what is dark and does not hold the
/// footprint filled. The dual of [`flat_opening`].
///
/// # Errors
/// If `x` is not images.
pub fn flat_closing<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &closing(footprint, border), Residue::None)
}

/// The white top-hat, `x` minus its [`flat_opening`].
///
/// # Errors
/// If `x` is not images.
pub fn flat_white_top_hat<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &opening(footprint, border), Residue::Below(x.data))
}

/// The black top-hat, the [`flat_closing`] minus `x`.
///
/// # Errors
/// If `x` is not images.
pub fn flat_black_top_hat<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &closing(footprint, border), Residue::Above(x.data))
}

/// The gradient of Beucher, the dilation minus the erosion by the same footprint.
///
/// # Errors
/// If `x` is not images.
pub fn flat_gradient<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    let above = flat_dilation(x, footprint, border)?;
    flat_chain(x, &[FlatStep::erosion(footprint, border)], Residue::Below(&above))
}

/// `x` minus its erosion: the inner side of edges.
///
/// # Errors
/// If `x` is not images.
pub fn flat_internal_gradient<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &[FlatStep::erosion(footprint, border)], Residue::Below(x.data))
}

/// The dilation minus `x`: the outer side of edges.
///
/// # Errors
/// If `x` is not images.
pub fn flat_external_gradient<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    flat_chain(x, &[FlatStep::dilation(footprint, border)], Residue::Above(x.data))
}

fn opening(footprint: &Footprint, border: Border) -> [FlatStep; 2] {
    [FlatStep::erosion(footprint, border), FlatStep::dilation(footprint, border)]
}

fn closing(footprint: &Footprint, border: Border) -> [FlatStep; 2] {
    [FlatStep::dilation(footprint, border), FlatStep::erosion(footprint, border)]
}
