//! Arrays in any layout as slices in row-major order.
//!
//! The one design choice: frameworks hand over images with the channels first, and gradients that
//! are one number repeated. Both are put in order here, in parallel and by whole runs of memory, so
//! that nobody has to do it before the call. What is in order already is lent.

use morphograd_morphology::nn::tensor::parallel;
use numpy::ndarray::{ArrayViewD, ArrayViewMutD, Axis};
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// An array in row-major order: lent, or put in order once.
pub(crate) enum Ordered<'py, T: Element> {
    Array(PyReadonlyArrayDyn<'py, T>),
    Copy(Vec<T>),
}

impl<'py, T: Element + Copy + Default + Send + Sync> Ordered<'py, T> {
    /// # Errors
    /// If somebody writes to the array at the same time.
    pub(crate) fn new(array: &Bound<'py, PyArrayDyn<T>>) -> PyResult<Self> {
        let readonly = array.try_readonly().map_err(|error| {
            PyValueError::new_err(format!("expected an array nobody writes to, found {error}"))
        })?;
        if array.is_c_contiguous() && readonly.as_slice().is_ok() {
            return Ok(Self::Array(readonly));
        }
        Ok(Self::Copy(in_order(readonly.as_array())))
    }

    pub(crate) fn slice(&self) -> &[T] {
        match self {
            Self::Array(array) => array.as_slice().expect("looked at in `new`"),
            Self::Copy(copy) => copy,
        }
    }
}

/// Elements of one piece of the work: enough to be worth a thread.
const PIECE: usize = 1 << 14;

/// Rows of the transposed that are written together.
const LANES: usize = 8;

/// The elements in row-major order.
fn in_order<T: Copy + Default + Send + Sync>(view: ArrayViewD<'_, T>) -> Vec<T> {
    if view.is_empty() {
        return Vec::new();
    }
    let axes = merged(view.shape(), view.strides());
    if axes.iter().all(|(_, stride)| *stride == 0) {
        return vec![view[vec![0; view.ndim()].as_slice()]; view.len()];
    }
    let mut ordered = vec![T::default(); view.len()];
    match view.as_slice_memory_order() {
        Some(data) if axes.iter().all(|(_, stride)| *stride > 0) => {
            transpose(data, &axes, &mut ordered);
        }
        _ => {
            let length = view.len() / view.len_of(Axis(0));
            parallel::for_each_piece(&mut ordered, length, |i, part| {
                let from = view.index_axis(Axis(0), i);
                let to = ArrayViewMutD::from_shape(from.shape(), part);
                to.expect("as many elements").assign(&from);
            });
        }
    }
    ordered
}

/// Lengths and strides of the axes, those that can be walked as one put together.
fn merged(lengths: &[usize], strides: &[isize]) -> Vec<(usize, isize)> {
    let mut axes: Vec<(usize, isize)> = Vec::new();
    for (&length, &stride) in lengths.iter().zip(strides).filter(|(length, _)| **length != 1) {
        match axes.last_mut() {
            Some(last) if last.1 == stride * length as isize => *last = (last.0 * length, stride),
            _ => axes.push((length, stride)),
        }
    }
    axes
}

/// Writes what lies at positive strides, and fills its memory, in row-major order.
fn transpose<T: Copy + Send + Sync>(data: &[T], axes: &[(usize, isize)], ordered: &mut [T]) {
    let (&(columns, across), outer) = axes.split_last().expect("one axis is not 0 at least");
    let (&(rows, down), outer) = outer.split_last().unwrap_or((&(1, 0), &[]));
    let (across, down) = (across as usize, down as usize);
    let start = |mut block: usize| {
        let mut at = 0;
        for &(length, stride) in outer.iter().rev() {
            at += block % length * stride as usize;
            block /= length;
        }
        at
    };
    let per_piece = (PIECE / columns).max(1);
    parallel::for_each_piece(ordered, per_piece * columns, |piece, mut part| {
        let mut row = piece * per_piece;
        while !part.is_empty() {
            let here = (rows - row % rows).min(part.len() / columns);
            let (block, rest) = part.split_at_mut(here * columns);
            let from = &data[start(row / rows) + row % rows * down..];
            if down == 1 {
                rows_of_columns(from, [here, columns], across, block);
            } else {
                for (i, line) in block.chunks_exact_mut(columns).enumerate() {
                    let line_from = from[i * down..].iter().step_by(across);
                    line.iter_mut().zip(line_from).for_each(|(to, x)| *to = *x);
                }
            }
            (row, part) = (row + here, rest);
        }
    });
}

/// Writes rows whose columns lie in memory as wholes, `across` apart.
fn rows_of_columns<T: Copy>(
    from: &[T],
    [rows, columns]: [usize; 2],
    across: usize,
    block: &mut [T],
) {
    let column = |c: usize| &from[c * across..][..rows];
    let whole = columns - columns % LANES;
    for c in (0..whole).step_by(LANES) {
        let lanes: [&[T]; LANES] = std::array::from_fn(|lane| column(c + lane));
        for (i, line) in (0..rows).zip(block.chunks_exact_mut(columns)) {
            let line: &mut [T; LANES] = line[c..].first_chunk_mut().expect("whole lanes");
            *line = std::array::from_fn(|lane| lanes[lane][i]);
        }
    }
    for c in whole..columns {
        let lines = block.iter_mut().skip(c).step_by(columns);
        lines.zip(column(c)).for_each(|(to, x)| *to = *x);
    }
}
