//! Shapes live inline (no heap), so that recording a step of training allocates nothing.
//!
//! The one design choice: a shape can be written down for any lengths, and its elements are counted
//! with a check. So a mistyped size reaches the operation that refuses it by name, and a product
//! that wraps never passes for a number of elements.

use std::fmt;

use crate::ShapeError;

/// The largest number of axes.
pub const MAX_RANK: usize = 6;

/// The lengths of a tensor's axes, outermost first. The empty shape is a scalar with one element.
///
/// The shape of a tensor, and of a variable on a tape, is [countable](Self::countable): no product
/// of some of its axes wraps.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of these lengths.
    ///
    /// # Panics
    /// If there are more than [`MAX_RANK`] axes.
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "a shape has at most {MAX_RANK} axes, found {dims:?}");
        let mut all = [1; MAX_RANK];
        all[..dims.len()].copy_from_slice(dims);
        Self { dims: all, rank: dims.len() as u8 }
    }

    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Self::new(&[])
    }

    /// The lengths of the axes.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: the product of the lengths, 1 for a scalar.
    ///
    /// # Panics
    /// If they cannot be counted, see [`countable`](Self::countable).
    #[track_caller]
    pub fn len(&self) -> usize {
        match self.elements() {
            Some(_) if self.is_empty() => 0,
            Some(elements) => elements,
            None => panic!("shape {self}: more elements than can be counted"),
        }
    }

    /// True when an axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.dims().contains(&0)
    }

    /// The shape itself, if its elements can be counted: the product of the lengths that are not 0
    /// fits a `usize`. The product of any axes does then.
    ///
    /// ```
    /// use morphograd_tensor::Shape;
    /// assert!(Shape::from([usize::MAX, 1]).countable("mine").is_ok());
    /// assert!(Shape::from([usize::MAX, 2]).countable("mine").is_err());
    /// assert!(Shape::from([usize::MAX, 2, 0]).countable("mine").is_err());
    /// ```
    ///
    /// # Errors
    /// In the name of the operation, if they cannot.
    pub fn countable(self, operation: &'static str) -> Result<Self, ShapeError> {
        match self.elements() {
            Some(_) => Ok(self),
            None => {
                let expected = format!("at most {} elements", usize::MAX);
                Err(ShapeError::new(operation, expected, format!("shape {self}")))
            }
        }
    }

    /// The product of the lengths that are not 0.
    fn elements(&self) -> Option<usize> {
        self.dims().iter().try_fold(1usize, |product, n| product.checked_mul(*n.max(&1)))
    }

    /// The same shape with one more axis of length `n` in front.
    #[must_use]
    #[track_caller]
    pub fn batched(&self, n: usize) -> Self {
        let mut dims = [n; MAX_RANK];
        assert!(self.rank() < MAX_RANK, "no room for a batch axis in front of {self:?}");
        dims[1..=self.rank()].copy_from_slice(self.dims());
        Self::new(&dims[..=self.rank()])
    }

    /// The shape without its first axis.
    #[must_use]
    #[track_caller]
    pub fn unbatched(&self) -> Self {
        assert!(self.rank > 0, "a scalar has no batch axis");
        Self::new(&self.dims()[1..])
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(&dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.dims(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_element_and_a_batch_axis_can_be_added_and_removed() {
        assert_eq!((Shape::scalar().len(), Shape::scalar().rank()), (1, 0));
        let image = Shape::from([28, 28, 1]);
        assert_eq!(image.batched(128).dims(), [128, 28, 28, 1]);
        assert_eq!(image.batched(128).unbatched(), image);
        assert!(Shape::from([3, 0]).is_empty());
    }

    #[test]
    #[should_panic(expected = "more elements than can be counted")]
    fn a_number_of_elements_that_wraps_is_no_number() {
        Shape::from([usize::MAX / 2 + 1, 4]).len(); // 0 modulo the range of `usize`
    }

    #[test]
    #[should_panic(expected = "at most 6 axes")]
    fn seven_axes_are_refused() {
        Shape::new(&[1; 7]);
    }
}
