//! How a row-major array falls into groups, each of the elements that differ in their position
//! along some axes only.
//!
//! The one design choice: the last axis is treated apart, so that inner loops run over neighbouring
//! elements. Lengths and strides stand inline, so that walking a group takes no memory.

use std::ops::Range;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError};

use crate::scratch::with_scratch;

/// How an array falls into groups. Its last axis either tells groups apart, and then a row holds
/// one element of each of up to [`LANES`] groups, or lies within a group, and then a row is a run
/// of one.
pub(crate) struct Groups {
    /// The shape of one group.
    pub(crate) shape: Shape,
    /// The axes that tell groups apart, but for the last of the array.
    across: Axes,
    /// The axes that run within a group, but for the last of the array.
    along: Axes,
    /// Length of the last axis if it tells groups apart, else 1.
    columns: usize,
    /// Length of the last axis if it runs within a group, else 1.
    run: usize,
}

/// Up to [`LANES`] neighbouring groups: the position of the first element of the first, and how
/// many they are.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    start: usize,
    width: usize,
}

/// How many neighbouring groups are walked side by side where the last axis tells groups apart: a
/// vector's worth.
pub(crate) const LANES: usize = 16;

impl Groups {
    /// The groups of a shape that run along the axes that are chosen.
    pub(crate) fn new(shape: Shape, is_chosen: impl Fn(usize) -> bool) -> Self {
        let mut dims = [1; MAX_RANK];
        let mut rank = 0;
        for (_, length) in shape.dims().iter().enumerate().filter(|(axis, _)| is_chosen(*axis)) {
            dims[rank] = *length;
            rank += 1;
        }
        let (across, along) = (Axes::default(), Axes::default());
        let mut groups =
            Self { shape: Shape::new(&dims[..rank]), across, along, columns: 1, run: 1 };
        let mut stride = 1;
        for (axis, length) in shape.dims().iter().copied().enumerate().rev() {
            match (axis + 1 == shape.rank(), is_chosen(axis)) {
                (true, true) => groups.run = length,
                (true, false) => groups.columns = length,
                (false, true) => groups.along.push(length, stride),
                (false, false) => groups.across.push(length, stride),
            }
            stride *= length;
        }
        groups
    }

    /// Shows every group to `visit`, as an array of its own.
    pub(crate) fn visit_each<T: Real>(&self, values: &[T], mut visit: impl FnMut(&[T])) {
        with_scratch(self.shape.len(), |group| {
            for start in self.starts() {
                self.gather(start, values, group);
                visit(group);
            }
        });
    }

    /// Changes every group in its place, given the same group of other arrays.
    pub(crate) fn change_each<T: Real, const N: usize>(
        &self,
        others: [&[T]; N],
        values: &mut [T],
        mut change: impl FnMut([&[T]; N], &mut [T]),
    ) {
        let n = self.shape.len();
        with_scratch((N + 1) * n, |scratch| {
            let (group, rest) = scratch.split_at_mut(n);
            for start in self.starts() {
                self.gather(start, values, group);
                for (other, part) in others.iter().zip(rest.chunks_exact_mut(n)) {
                    self.gather(start, other, part);
                }
                change(std::array::from_fn(|k| &rest[k * n..][..n]), group);
                self.scatter(start, group, values);
            }
        });
    }

    /// The position of the first element of each group; none if groups have no elements.
    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let count = if self.shape.is_empty() { 0 } else { self.across.count() };
        (0..count).flat_map(move |group| {
            let start = self.across.offset(group);
            (0..self.columns).map(move |column| start + column)
        })
    }

    fn gather<T: Real>(&self, start: usize, from: &[T], group: &mut [T]) {
        for (member, row) in group.chunks_exact_mut(self.run).enumerate() {
            row.copy_from_slice(&from[start + self.along.offset(member)..][..self.run]);
        }
    }

    fn scatter<T: Real>(&self, start: usize, group: &[T], to: &mut [T]) {
        for (member, row) in group.chunks_exact(self.run).enumerate() {
            to[start + self.along.offset(member)..][..self.run].copy_from_slice(row);
        }
    }

    /// All groups, in blocks of neighbours.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        (0..self.across.count()).flat_map(move |group| {
            let start = self.across.offset(group);
            (0..self.columns).step_by(LANES).map(move |column| Block {
                start: start + column,
                width: LANES.min(self.columns - column),
            })
        })
    }

    /// Where the rows of a block lie: each the elements of its groups at one position along the
    /// axes that are not the last.
    pub(crate) fn rows(&self, block: Block) -> impl Iterator<Item = Range<usize>> + '_ {
        let length = if self.rows_are_runs() { self.run } else { block.width };
        (0..self.along.count()).map(move |member| {
            let start = block.start + self.along.offset(member);
            start..start + length
        })
    }

    /// Whether all elements of a row belong to one group, instead of each to another.
    pub(crate) fn rows_are_runs(&self) -> bool {
        self.columns == 1
    }
}

/// Lengths and strides of some axes, innermost first.
#[derive(Default)]
struct Axes {
    axes: [(usize, usize); MAX_RANK],
    rank: usize,
}

impl Axes {
    /// Adds the next axis outwards.
    fn push(&mut self, length: usize, stride: usize) {
        self.axes[self.rank] = (length, stride);
        self.rank += 1;
    }

    /// The number of positions.
    fn count(&self) -> usize {
        self.axes[..self.rank].iter().map(|(length, _)| length).product()
    }

    /// How far the position of this index (row-major) lies from the first.
    fn offset(&self, mut index: usize) -> usize {
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
