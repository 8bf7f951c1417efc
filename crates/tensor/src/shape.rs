//! Shapes live inline (no heap), so that recording a step of training allocates nothing.

use std::fmt;

/// The largest number of axes.
pub const MAX_RANK: usize = 6;

/// The lengths of a tensor's axes, outermost first. The empty shape is a scalar with one element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
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
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// True when an axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    #[should_panic(expected = "at most 6 axes")]
    fn seven_axes_are_refused() {
        Shape::new(&[1; 7]);
    }
}
