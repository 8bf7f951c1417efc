//! Which elements of a row-major array differ in their position along some axes only.
//!
//! The one design choice: lengths and strides stand inline, so that walking a group takes no
//! memory.

use morphograd_tensor::{MAX_RANK, Shape, ShapeError};

/// Lengths and strides of some axes, innermost first.
#[derive(Default)]
pub(crate) struct Axes {
    axes: [(usize, usize); MAX_RANK],
    rank: usize,
}

impl Axes {
    /// Adds the next axis outwards.
    pub(crate) fn push(&mut self, length: usize, stride: usize) {
        self.axes[self.rank] = (length, stride);
        self.rank += 1;
    }

    /// The axes of a shape that `chosen` says yes to.
    pub(crate) fn of(shape: Shape, chosen: impl Fn(usize) -> bool) -> Self {
        let (mut axes, mut stride) = (Self::default(), 1);
        for (axis, length) in shape.dims().iter().copied().enumerate().rev() {
            if chosen(axis) {
                axes.push(length, stride);
            }
            stride *= length;
        }
        axes
    }

    /// The number of positions.
    pub(crate) fn count(&self) -> usize {
        self.axes[..self.rank].iter().map(|(length, _)| length).product()
    }

    /// How far the position of this index (row-major) lies from the first.
    pub(crate) fn offset(&self, mut index: usize) -> usize {
        let mut offset = 0;
        for (length, stride) in &self.axes[..self.rank] {
            offset += index % length * stride;
            index /= length;
        }
        offset
    }
}

/// # Errors
/// If an axis does not exist or is there twice.
pub(crate) fn check_axes(
    operation: &'static str,
    shape: Shape,
    axes: &[usize],
) -> Result<(), ShapeError> {
    let twice = axes.iter().enumerate().any(|(i, axis)| axes[..i].contains(axis));
    if axes.iter().all(|axis| *axis < shape.rank()) && !twice {
        return Ok(());
    }
    Err(ShapeError::new(
        operation,
        format!("distinct axes of shape {shape}"),
        format!("axes {axes:?}"),
    ))
}
