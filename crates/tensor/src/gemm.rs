//! Matrix products on strided views: a transpose costs nothing, and `β = 0` never reads the output.

use crate::Real;
use crate::parallel;

/// Rows of the output that one task computes: enough work to pay for waking a thread, few enough
/// that a batch of 128 is shared.
const ROWS: usize = 64;

/// A borrowed matrix with a row and a column stride.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    size: [usize; 2],
    strides: [usize; 2],
}

impl<'a, T: Real> Matrix<'a, T> {
    /// A contiguous row-major matrix.
    ///
    /// # Panics
    /// If `data` does not hold exactly `rows * columns` elements, or these are too many to count.
    #[track_caller]
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        let elements = rows.checked_mul(columns);
        assert_eq!(Some(data.len()), elements, "elements of a {rows} x {columns} matrix");
        Self { data, size: [rows, columns], strides: [columns, 1] }
    }

    /// The transpose, without moving an element.
    #[must_use]
    pub fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.size, self.strides);
        Self { data: self.data, size: [columns, rows], strides: [column, row] }
    }

    /// Whether the last element lies inside the data. No product wraps on the way.
    fn is_inside(self) -> bool {
        let offset =
            |axis: usize| (self.size[axis].checked_sub(1)?).checked_mul(self.strides[axis]);
        let last = || offset(0)?.checked_add(offset(1)?);
        last().is_some_and(|last| last < self.data.len())
    }

    /// The rows from `first` on, `count` of them.
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    #[track_caller]
    pub fn rows(self, first: usize, count: usize) -> Self {
        let fit = first.checked_add(count).is_some_and(|end| end <= self.size[0]);
        assert!(fit, "{count} rows from {first} on, of {}", self.size[0]);
        Self {
            data: &self.data[first * self.strides[0]..],
            size: [count, self.size[1]],
            strides: self.strides,
        }
    }
}

/// $C \leftarrow A B + \beta C$, with `c` contiguous and row-major. With `beta` 0 the old content
/// of `c` is not read, so NaN there does not survive. Rows are computed in parallel; the result
/// does not depend on the number of threads.
///
/// # Panics
/// If the inner sizes differ or `c` does not hold rows(A) * columns(B) elements.
#[track_caller]
pub fn gemm<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, beta: T, c: &mut [T]) {
    let ([m, k], [k_b, n]) = (a.size, b.size);
    assert_eq!(k, k_b, "inner sizes of a matrix product");
    let elements = m.checked_mul(n);
    assert_eq!(Some(c.len()), elements, "elements of the product of {m} x {k} and {k} x {n}");
    if c.is_empty() {
        return;
    }
    if m <= ROWS {
        return block(a, b, beta, c);
    }
    parallel::for_each_piece(c, ROWS * n, |i, c| block(a.rows(i * ROWS, c.len() / n), b, beta, c));
}

fn block<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, beta: T, c: &mut [T]) {
    let ([m, k], n) = (a.size, b.size[1]);
    if k == 0 {
        // An empty sum; A and B may be empty slices, so no pointer into them is formed.
        c.iter_mut().for_each(|c| *c = if beta == T::zero() { T::zero() } else { beta * *c });
        return;
    }
    assert!(a.is_inside() && b.is_inside(), "a matrix reaches outside its data");
    assert!(m.checked_mul(n) == Some(c.len()), "a product reaches outside its data");
    let strides = |x: Matrix<'_, T>| x.strides.map(|s| s as isize);
    #[expect(unsafe_code, reason = "the one call of the GEMM library")]
    // SAFETY: the last element of A and of B was just checked to lie inside its slice, without
    // wrapping; C was checked to hold m * n elements; and C is borrowed mutably, so it overlaps
    // neither.
    unsafe {
        T::raw(
            [m, k, n],
            (a.data.as_ptr(), strides(a)),
            (b.data.as_ptr(), strides(b)),
            beta,
            (c.as_mut_ptr(), [n as isize, 1]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "elements of a 2 x ")]
    fn a_matrix_whose_size_wraps_is_refused() {
        // 6 elements modulo the range of `usize`.
        let _ = Matrix::new(&[1.0f32; 6], 2, usize::MAX / 2 + 4);
    }

    #[test]
    #[should_panic(expected = "elements of the product of ")]
    fn a_product_whose_size_wraps_is_refused() {
        let n = 1 << (usize::BITS / 2);
        gemm(Matrix::new(&[0.0f32; 0], n, 0), Matrix::new(&[], 0, n), 0.0, &mut []);
    }

    fn naive(
        m: usize,
        k: usize,
        n: usize,
        a: impl Fn(usize, usize) -> f64,
        b: impl Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        (0..m * n).map(|i| (0..k).map(|l| a(i / n, l) * b(l, i % n)).sum()).collect()
    }

    #[test]
    fn every_transpose_agrees_with_the_definition() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (200, 7, 9), (65, 130, 3), (2, 0, 3)] {
            let a: Vec<f64> = (0..m * k).map(|i| (i as f64 * 0.7).sin()).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i as f64 * 1.3).cos()).collect();
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                let view_a =
                    if ta { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
                let view_b =
                    if tb { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
                let expected = naive(
                    m,
                    k,
                    n,
                    |i, l| if ta { a[l * m + i] } else { a[i * k + l] },
                    |l, j| if tb { b[j * k + l] } else { b[l * n + j] },
                );
                let mut c = vec![f64::NAN; m * n];
                gemm(view_a, view_b, 0.0, &mut c);
                let mut twice = c.clone();
                gemm(view_a, view_b, 1.0, &mut twice);
                for i in 0..m * n {
                    assert!(
                        (c[i] - expected[i]).abs() < 1e-12
                            && (twice[i] - 2.0 * expected[i]).abs() < 1e-12
                    );
                }
            }
        }
    }
}
