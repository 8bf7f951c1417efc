//! Tensors that are walked together: what broadcasting, reductions and transposes have in common.
//!
//! The one design choice: neighbouring axes that are one axis for every tensor are joined first, so
//! that the inner loop is as long as it can be. Tensors of one shape are one row.

use std::array;

use morphograd_tensor::{MAX_RANK, Real, Shape, ShapeError, sums};

use crate::op::{Backward, Forward};

/// The positions of `K` tensors while an index runs over a shape in row-major order.
#[derive(Debug)]
pub(super) struct Walk<const K: usize> {
    lengths: [usize; MAX_RANK],
    /// How far each tensor moves when the axis moves by one.
    strides: [[usize; K]; MAX_RANK],
    /// Axes after joining, at least one.
    rank: usize,
}

impl<const K: usize> Walk<K> {
    /// A walk over `shape`; `strides` are those of each tensor, axis by axis.
    pub(super) fn new(shape: Shape, strides: [[usize; MAX_RANK]; K]) -> Self {
        let mut walk = Self { lengths: [1; MAX_RANK], strides: [[0; K]; MAX_RANK], rank: 0 };
        for (axis, n) in shape.dims().iter().enumerate().filter(|(_, n)| **n != 1) {
            let own = strides.map(|strides| strides[axis]);
            match walk.rank.checked_sub(1) {
                Some(last) if walk.strides[last] == own.map(|stride| stride * n) => {
                    walk.lengths[last] *= n;
                    walk.strides[last] = own;
                }
                _ => {
                    (walk.lengths[walk.rank], walk.strides[walk.rank]) = (*n, own);
                    walk.rank += 1;
                }
            }
        }
        walk.rank = walk.rank.max(1);
        walk
    }

    /// A walk over `shape` of tensors that are broadcast to it.
    pub(super) fn broadcast(shape: Shape, operands: [Shape; K]) -> Self {
        Self::new(shape, operands.map(|operand| strides(operand, shape)))
    }

    /// The length of a row, and how far each tensor moves between two elements of it.
    pub(super) fn row(&self) -> (usize, [usize; K]) {
        (self.lengths[self.rank - 1], self.strides[self.rank - 1])
    }

    /// Calls `f` for every row, with the index of its first element and the tensors' positions.
    pub(super) fn rows(&self, mut f: impl FnMut(usize, [usize; K])) {
        let outer = &self.lengths[..self.rank - 1];
        let (n, _) = self.row();
        if n == 0 {
            return;
        }
        let (mut index, mut at) = ([0; MAX_RANK], [0; K]);
        for row in 0..outer.iter().product() {
            f(row * n, at);
            for (axis, length) in outer.iter().enumerate().rev() {
                let strides = self.strides[axis];
                index[axis] += 1;
                if index[axis] < *length {
                    at = array::from_fn(|k| at[k] + strides[k]);
                    break;
                }
                index[axis] = 0;
                at = array::from_fn(|k| at[k] - strides[k] * (length - 1));
            }
        }
    }

    /// The tensors' positions at one index.
    pub(super) fn at(&self, mut index: usize) -> [usize; K] {
        let mut at = [0; K];
        for axis in (0..self.rank).rev() {
            let coordinate = index % self.lengths[axis];
            index /= self.lengths[axis];
            at = array::from_fn(|k| at[k] + coordinate * self.strides[axis][k]);
        }
        at
    }

    /// Calls `f` with every element of `output`, in order, and the elements of the tensors at its
    /// index.
    #[inline]
    pub(super) fn map<T: Real>(
        &self,
        inputs: [&[T]; K],
        output: &mut [T],
        f: impl Fn(&mut T, [T; K]),
    ) {
        let (n, strides) = self.row();
        self.rows(|start, at| {
            let output = &mut output[start..start + n];
            let rows: [&[T]; K] =
                array::from_fn(|k| &inputs[k][at[k]..][..(n - 1) * strides[k] + 1]);
            if strides == [1; K] {
                let rows = rows.map(|row| &row[..n]);
                for j in 0..n {
                    f(&mut output[j], array::from_fn(|k| rows[k][j]));
                }
            } else if strides == [0; K] {
                let x = rows.map(|row| row[0]);
                output.iter_mut().for_each(|y| f(y, x));
            } else {
                for (j, y) in output.iter_mut().enumerate() {
                    f(y, array::from_fn(|k| rows[k][j * strides[k]]));
                }
            }
        });
    }
}

/// How far apart neighbours along each axis are.
pub(super) fn row_major(shape: Shape) -> [usize; MAX_RANK] {
    let (mut strides, mut stride) = ([0; MAX_RANK], 1);
    for (axis, n) in shape.dims().iter().enumerate().rev() {
        strides[axis] = stride;
        stride *= n;
    }
    strides
}

/// The strides of a tensor that is broadcast to a shape: 0 where it is repeated.
pub(super) fn strides(operand: Shape, shape: Shape) -> [usize; MAX_RANK] {
    let missing = shape.rank() - operand.rank();
    let (mut strides, mut stride) = ([0; MAX_RANK], 1);
    for (axis, n) in operand.dims().iter().enumerate().rev() {
        if *n != 1 {
            strides[axis + missing] = stride;
        }
        stride *= n;
    }
    strides
}

/// The shape to which all inputs are broadcast.
pub(super) fn broadcast(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    let rank = inputs.iter().map(Shape::rank).max().unwrap_or(0);
    let mut dims = [1; MAX_RANK];
    for shape in inputs {
        for (n, own) in dims[rank - shape.rank()..rank].iter_mut().zip(shape.dims()) {
            match (*n, *own) {
                (1, own) => *n = own,
                (n, own) if own == 1 || own == n => {}
                _ => {
                    let found: Vec<String> = inputs.iter().map(Shape::to_string).collect();
                    let expected = "shapes that can be broadcast";
                    return Err(ShapeError::new(operation, expected, found.join(" and ")));
                }
            }
        }
    }
    Ok(Shape::new(&dims[..rank]))
}

/// $y = f(a, b)$, with broadcasting.
#[inline]
pub(super) fn binary<T: Real>(pass: Forward<'_, T>, f: impl Fn(T, T) -> T) {
    let [a, b] = [pass.inputs[0], pass.inputs[1]];
    let walk = Walk::broadcast(pass.shape, [a.shape, b.shape]);
    walk.map([a.data, b.data], pass.output, |y, [a, b]| *y = f(a, b));
}

/// Adds `f(g, inputs)`, with `g` the gradient of the output, to the gradient of the input `which`
/// of `K`, summed over its copies.
#[inline]
pub(super) fn broadcast_grad<T: Real, const K: usize>(
    pass: &mut Backward<'_, T>,
    which: usize,
    f: impl Fn(T, [T; K]) -> T,
) {
    let Some(grad) = &mut pass.grad_inputs[which] else { return };
    let (shape, own) = (pass.output.shape, pass.inputs[which].shape);
    let inputs: [&[T]; K] = array::from_fn(|k| pass.inputs[k].data);
    let walk = Walk::<K>::broadcast(shape, array::from_fn(|k| pass.inputs[k].shape));
    if own.len() == shape.len() {
        walk.map_grad(inputs, pass.grad_output, grad, |dx, g, x| *dx += f(g, x));
        return;
    }
    pass.scratch.resize(shape.len() + copies_space(shape, own), T::zero());
    let (all, rest) = pass.scratch.split_at_mut(shape.len());
    walk.map_grad(inputs, pass.grad_output, all, |y, g, x| *y = f(g, x));
    sum_copies(all, shape, own, rest, |i, sum| grad[i] += sum);
}

impl<const K: usize> Walk<K> {
    /// As [`map`](Self::map), with one more tensor that has the shape of the walk.
    #[inline]
    fn map_grad<T: Real>(
        &self,
        inputs: [&[T]; K],
        grad: &[T],
        output: &mut [T],
        f: impl Fn(&mut T, T, [T; K]),
    ) {
        let (n, strides) = self.row();
        self.rows(|start, at| {
            let (output, grad) = (&mut output[start..start + n], &grad[start..start + n]);
            let rows: [&[T]; K] =
                array::from_fn(|k| &inputs[k][at[k]..][..(n - 1) * strides[k] + 1]);
            if strides == [1; K] {
                let rows = rows.map(|row| &row[..n]);
                for j in 0..n {
                    f(&mut output[j], grad[j], array::from_fn(|k| rows[k][j]));
                }
            } else {
                for (j, (y, g)) in output.iter_mut().zip(grad).enumerate() {
                    f(y, *g, array::from_fn(|k| rows[k][j * strides[k]]));
                }
            }
        });
    }
}

/// Adds the gradient of the output to that of the input `which`, summed over its copies, with its
/// sign changed by `f` or not.
pub(super) fn copy_grad<T: Real>(pass: &mut Backward<'_, T>, which: usize, f: impl Fn(T) -> T) {
    let Some(grad) = &mut pass.grad_inputs[which] else { return };
    let (shape, own) = (pass.output.shape, pass.inputs[which].shape);
    if own.len() == shape.len() {
        grad.iter_mut().zip(pass.grad_output).for_each(|(dx, g)| *dx += f(*g));
        return;
    }
    pass.scratch.resize(copies_space(shape, own), T::zero());
    sum_copies(pass.grad_output, shape, own, pass.scratch, |i, sum| grad[i] += f(sum));
}

/// The sums over the copies of every element of `to`, when it is broadcast to `from`: calls
/// `f(i, sum)` for each, in order; for none if there are no copies at all. `scratch` holds
/// [`copies_space`] numbers.
pub(super) fn sum_copies<T: Real>(
    x: &[T],
    from: Shape,
    to: Shape,
    scratch: &mut [T],
    mut f: impl FnMut(usize, T),
) {
    if x.is_empty() {
        return;
    }
    let walk = Walk::broadcast(from, [to]);
    sum_last(x, &walk.lengths[..walk.rank], &walk.strides, scratch, &mut f);
}

/// Sums over the last axis that is summed; if there is another one, over that next.
fn sum_last<T: Real>(
    x: &[T],
    lengths: &[usize],
    strides: &[[usize; 1]; MAX_RANK],
    scratch: &mut [T],
    f: &mut impl FnMut(usize, T),
) {
    let is_summed = |axis: usize| strides[axis] == [0];
    let Some(axis) = (0..lengths.len()).rev().find(|axis| is_summed(*axis)) else {
        return x.iter().enumerate().for_each(|(i, x)| f(i, *x));
    };
    let (n, inner) = (lengths[axis], lengths[axis + 1..].iter().product());
    if !(0..axis).any(is_summed) {
        return sums(x, [n, inner], f);
    }
    let (rest, scratch) = scratch.split_at_mut(x.len() / n);
    sums(x, [n, inner], |i, sum| rest[i] = sum);
    // The axis before is not summed, and becomes one with what stands behind.
    let mut joined = [1; MAX_RANK];
    joined[..axis].copy_from_slice(&lengths[..axis]);
    joined[axis - 1] *= inner;
    sum_last(rest, &joined[..axis], strides, scratch, f);
}

/// How many numbers [`sum_copies`] needs room for: its intermediate sums.
pub(super) fn copies_space(from: Shape, to: Shape) -> usize {
    let walk = Walk::broadcast(from, [to]);
    let summed = (0..walk.rank).rev().filter(|axis| walk.strides[*axis] == [0]);
    let (mut left, mut space, mut last) = (from.len(), 0, 0);
    for axis in summed {
        left /= walk.lengths[axis].max(1);
        last = left;
        space += left;
    }
    space - last // the last sums are the result
}
