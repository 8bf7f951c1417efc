//! How an operator goes over an image: by which window, with what outside the image, and with which
//! subgradient at ties.
//!
//! The one design choice: one value says all three and is handed down to every dilation and erosion
//! of a composed operator, so that no step of it can have another border than the next.

use morphograd_nn::autodiff::Ties;
use morphograd_nn::tensor::{Padding, Window2d};

use crate::neighbourhood::border::Border;

/// A window with the rules for its border and its ties. Every operator takes one, or a [`Window2d`]
/// alone, which means the default rules.
///
/// ```
/// use morphograd_morphology::nn::tensor::TensorRef;
/// use morphograd_morphology::{Border, Neighbourhood2d, dilation2d, evaluate};
/// let plain = Neighbourhood2d::new([1, 3]).same();
/// let around = plain.border(Border::Periodic);
/// let (x, flat) = (
///     TensorRef::new([1, 1, 4, 1], &[7.0, 0.0, 0.0, 0.0]),
///     TensorRef::new([1, 3, 1], &[0.0; 3]),
/// );
/// let y = evaluate([x, flat], |graph, [x, w]| dilation2d(graph, x, w, plain))?;
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
    /// A dense window of `size` taps that moves by one pixel, with valid padding and the default
    /// rules.
    pub const fn new(size: [usize; 2]) -> Self {
        Self { window: Window2d::new(size), border: Border::Infinity, ties: Ties::First }
    }

    /// This neighbourhood with other strides.
    #[must_use]
    pub const fn strides(self, strides: [usize; 2]) -> Self {
        Self { window: self.window.strides(strides), ..self }
    }

    /// This neighbourhood with other rates.
    #[must_use]
    pub const fn rates(self, rates: [usize; 2]) -> Self {
        Self { window: self.window.rates(rates), ..self }
    }

    /// This neighbourhood with another padding.
    #[must_use]
    pub const fn padding(self, padding: Padding) -> Self {
        Self { window: self.window.padding(padding), ..self }
    }

    /// This neighbourhood with [`Padding::Same`].
    #[must_use]
    pub const fn same(self) -> Self {
        self.padding(Padding::Same)
    }

    /// This neighbourhood with another border.
    #[must_use]
    pub const fn border(self, border: Border) -> Self {
        Self { border, ..self }
    }

    /// This neighbourhood with another rule at ties.
    #[must_use]
    pub const fn ties(self, ties: Ties) -> Self {
        Self { ties, ..self }
    }

    /// The neighbourhood with the window of the adjoint, see [`Window2d::adjoint`].
    pub(crate) fn adjoint(self) -> Self {
        Self { window: self.window.adjoint(), ..self }
    }

    /// The neighbourhood at every position: that of the first of two steps.
    pub(crate) fn dense(self) -> Self {
        self.strides([1, 1])
    }
}
