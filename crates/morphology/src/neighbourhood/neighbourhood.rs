//! How an operator goes over an image: by which window, with what outside the image, and with which
//! subgradient at ties.
//!
//! The one design choice: one value says all three and is handed down to every dilation and erosion
//! of a composed operator, so that no step of it can have another border than the next.

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::Window2d;

use crate::neighbourhood::border::Border;

/// A window with the rules for its border and its ties. Every operator takes one, or a [`Window2d`]
/// alone, which means the default rules.
///
/// ```
/// use morphograd_morphology::nn::tensor::{Padding, TensorRef, Window2d};
/// use morphograd_morphology::{Border, Neighbourhood2d, dilation2d, evaluate};
/// let window = Window2d { size: [1, 3], padding: Padding::Same, ..Window2d::default() };
/// let around = Neighbourhood2d { border: Border::Periodic, ..window.into() };
/// let (x, flat) = (
///     TensorRef::new([1, 1, 4, 1], &[7.0, 0.0, 0.0, 0.0]),
///     TensorRef::new([1, 3, 1], &[0.0; 3]),
/// );
/// let y = evaluate([x, flat], |graph, [x, w]| dilation2d(graph, x, w, window))?;
/// assert_eq!(y.data(), [7.0, 7.0, 0.0, 0.0]);
/// let y = evaluate([x, flat], |graph, [x, w]| dilation2d(graph, x, w, around))?;
/// assert_eq!(y.data(), [7.0, 7.0, 0.0, 7.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Neighbourhood2d {
    /// The window.
    pub window: Window2d,
    /// What lies outside the image, with same padding.
    pub border: Border,
    /// Who gets the gradient where several candidates are the best.
    pub ties: Ties,
}

impl From<Window2d> for Neighbourhood2d {
    fn from(window: Window2d) -> Self {
        Self { window, ..Self::default() }
    }
}

impl Neighbourhood2d {
    /// The scan with the window of the adjoint, see [`Window2d::adjoint`].
    pub(crate) fn adjoint(self) -> Self {
        Self { window: self.window.adjoint(), ..self }
    }

    /// The scan at every position: that of the first of two steps.
    pub(crate) fn dense(self) -> Self {
        Self { window: Window2d { strides: [1, 1], ..self.window }, ..self }
    }
}
