//! Matrix products, batched.
//!
//! The one design choice: a stack of matrices times one matrix is one tall matrix times it, forward
//! and backward, so that the usual case is a single product of the library.

use std::ops::RangeInclusive;

use morphograd_tensor::{MAX_RANK, Matrix, PairwiseSum, Real, Shape, ShapeError, gemm};

use super::blocks::{add, for_each_block};
use super::walk::{Walk, broadcast, copies_space, sum_copies};
use crate::op::{Backward, Forward, Op};
use crate::{Graph, Var};

/// Terms of an inner product from which on it is summed in pieces of as many, in pairs.
const LONG: usize = 4096;

/// $y = a b$, the matrix product, by NumPy's rules: `[…, m, k]` and `[…, k, n]` → `[…, m, n]`.
/// The axes before the last two are a batch and are broadcast. A vector `[k]` is a row on the left,
/// a column on the right, and that axis is gone from the output; two vectors give a scalar.
///
/// Derivatives: $da = dy\,b^\top$, $db = a^\top dy$, summed over the copies where a matrix is
/// repeated. Cost: $m k n$ products for each matrix of the batch, and twice as many backward. Where
/// a matrix is repeated in a batch, the gradients of the copies are kept until they are added. The
/// library takes memory in each call, and gives it back.
///
/// ```
/// use morphograd_autodiff::{evaluate, tensor::TensorRef};
/// let a = TensorRef::new([2, 2], &[1.0, 2.0, 3.0, 4.0]);
/// let x = TensorRef::new([2], &[10.0, 1.0]);
/// let y = evaluate([a, x], |graph, [a, x]| graph.matmul(a, x))?;
/// assert_eq!((y.shape().dims(), y.data()), (&[2][..], &[12.0, 34.0][..]));
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MatMul;

/// The product as a batch of products.
struct Batch {
    /// Rows, terms, columns of each.
    size: [usize; 3],
    /// The axes of the batch: of a, of b, and of the output.
    axes: [Shape; 3],
    /// Which matrices are multiplied.
    walk: Walk<2>,
}

impl<T: Real> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (a, b) = (inputs[0], inputs[1]);
        let Batch { size: [m, _, n], axes: [.., batch], .. } = Batch::new(a, b)?;
        let (mut dims, mut rank) = ([1; MAX_RANK], batch.rank());
        dims[..rank].copy_from_slice(batch.dims());
        for (length, is_vector) in [(m, a.rank() == 1), (n, b.rank() == 1)] {
            if !is_vector {
                dims[rank] = length;
                rank += 1;
            }
        }
        Ok(Shape::new(&dims[..rank]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [a, b] = [pass.inputs[0], pass.inputs[1]];
        let batch = Batch::new(a.shape, b.shape).expect("checked by infer");
        let [m, k, n] = batch.size;
        if batch.is_tall() {
            let m = m * batch.count();
            let (a, b) = (Matrix::new(a.data, m, k), Matrix::new(b.data, k, n));
            pass.output.fill(T::zero());
            return product(a, b, [m, k, n], pass.scratch, pass.output);
        }
        for_each_block(pass.output, m * n, |i, y| {
            let [at_a, at_b] = batch.walk.at(i);
            gemm(matrix(a.data, at_a, m, k), matrix(b.data, at_b, k, n), T::zero(), y);
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let (g, scratch) = (pass.grad_output, pass.scratch);
        let [a, b] = [pass.inputs[0], pass.inputs[1]];
        let batch = Batch::new(a.shape, b.shape).expect("checked by infer");
        let [m, k, n] = batch.size;
        let [da, db, ..] = pass.grad_inputs;
        if batch.is_tall() {
            let m = m * batch.count();
            let (a, b) = (Matrix::new(a.data, m, k), Matrix::new(b.data, k, n));
            let g = Matrix::new(g, m, n);
            if let Some(da) = da {
                product(g, b.transposed(), [m, n, k], scratch, da);
            }
            if let Some(db) = db {
                product(a.transposed(), g, [k, m, n], scratch, db);
            }
            return;
        }
        if let Some(da) = da {
            batch.grad(0, [m, k], scratch, da, |i, beta, da| {
                let [_, at_b] = batch.walk.at(i);
                gemm(matrix(g, i, m, n), matrix(b.data, at_b, k, n).transposed(), beta, da);
            });
        }
        if let Some(db) = db {
            batch.grad(1, [k, n], scratch, db, |i, beta, db| {
                let [at_a, _] = batch.walk.at(i);
                gemm(matrix(a.data, at_a, m, k).transposed(), matrix(g, i, m, n), beta, db);
            });
        }
    }
}

impl<T: Real> Graph<'_, T> {
    /// The matrix product, batched: [`MatMul`].
    ///
    /// # Errors
    /// If one of them is a scalar, the inner sizes differ, or the batches cannot be broadcast.
    #[track_caller]
    pub fn matmul(&mut self, a: Var, b: Var) -> Result<Var, ShapeError> {
        self.apply(MatMul, [a, b])
    }
}

impl Batch {
    fn new(a: Shape, b: Shape) -> Result<Self, ShapeError> {
        let refuse = |expected: &str| {
            Err(ShapeError::new("matmul", expected, format!("shapes {a} and {b}")))
        };
        let (a_axes, m, k) = match *a.dims() {
            [] => return refuse("matrices or vectors"),
            [k] => (Shape::scalar(), 1, k),
            [ref axes @ .., m, k] => (Shape::new(axes), m, k),
        };
        let (b_axes, terms, n) = match *b.dims() {
            [] => return refuse("matrices or vectors"),
            [k] => (Shape::scalar(), k, 1),
            [ref axes @ .., k, n] => (Shape::new(axes), k, n),
        };
        if k != terms {
            return refuse("as many columns on the left as rows on the right");
        }
        let axes = broadcast("matmul", &[a_axes, b_axes])?;
        let walk = Walk::broadcast(axes, [a_axes, b_axes]);
        Ok(Self { size: [m, k, n], axes: [a_axes, b_axes, axes], walk })
    }

    /// How many products there are.
    fn count(&self) -> usize {
        self.axes[2].len()
    }

    /// Whether the matrix on the right is the same in all of them, and each on the left another.
    fn is_tall(&self) -> bool {
        self.axes[1].len() == 1 && self.axes[0].len() == self.count()
    }

    /// Adds the gradient of an operand, whose matrices have `size`. `f(i, beta, c)` computes that
    /// of the product `i`, and adds it to `beta` times `c`.
    fn grad<T: Real>(
        &self,
        which: usize,
        size: [usize; 2],
        scratch: &mut Vec<T>,
        grad: &mut [T],
        f: impl Fn(usize, T, &mut [T]) + Send + Sync,
    ) {
        let length = size[0] * size[1];
        if self.axes[which].len() == self.count() {
            return for_each_block(grad, length, |i, c| f(i, T::one(), c));
        }
        let [from, to] = [self.axes[2], self.axes[which]].map(|axes| {
            let mut dims = [1; MAX_RANK];
            dims[..axes.rank()].copy_from_slice(axes.dims());
            dims[axes.rank()] = length;
            Shape::new(&dims[..=axes.rank()])
        });
        scratch.resize(from.len() + copies_space(from, to), T::zero());
        let (all, rest) = scratch.split_at_mut(from.len());
        for_each_block(all, length, |i, c| f(i, T::zero(), c));
        sum_copies(all, from, to, rest, |i, sum| grad[i] += sum);
    }
}

fn matrix<T: Real>(data: &[T], index: usize, rows: usize, columns: usize) -> Matrix<'_, T> {
    Matrix::new(&data[index * rows * columns..][..rows * columns], rows, columns)
}

/// Adds the product of two matrices to a third. Long sums are cut into pieces, which are added in
/// pairs.
fn product<T: Real>(
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    [m, k, n]: [usize; 3],
    scratch: &mut Vec<T>,
    c: &mut [T],
) {
    if k <= LONG || c.is_empty() {
        return gemm(a, b, T::one(), c);
    }
    let (pieces, length) = (k.div_ceil(LONG), m * n);
    scratch.resize(PairwiseSum::<T>::space(pieces, length), T::zero());
    let mut sum = PairwiseSum::new(scratch, length);
    for first in (0..k).step_by(LONG) {
        let terms = LONG.min(k - first);
        let a = a.transposed().rows(first, terms).transposed();
        sum.add(|piece| gemm(a, b.rows(first, terms), T::zero(), piece));
    }
    add(c, sum.finish());
}
