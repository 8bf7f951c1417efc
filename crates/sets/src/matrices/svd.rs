//! Singular values of small dense matrices, and what the sets that are given by them share.
//!
//! A parameter of more than one axis is the matrix of its last axis against all others: a kernel
//! `[kh, kw, in, out]` is `[kh·kw·in, out]`.
//!
//! The one design choice: all singular values are computed, in `f64` by one-sided Jacobi rotations,
//! instead of the largest by power iteration. A projection that is exact only if an iteration has
//! converged is not a set one can rely on. Jacobi's method is short, takes the same steps on every
//! machine, and finds small values to high relative accuracy; the matrices of a layer are small.
//! Source: J. Demmel and K. Veselić, *Jacobi's method is more accurate than QR* (1992).

use morphograd_tensor::{Real, Shape, ShapeError};

use super::eigen::{SWEEPS, rotation};
use crate::numeric::{norm_of, rounding};

/// $A = \sum_k \sigma_k u_k v_k^\top$ with $\sigma$ not increasing, for a matrix `[rows, columns]`;
/// `min(rows, columns)` terms.
pub(crate) struct Svd {
    size: [usize; 2],
    /// The terms' $u$, each of `rows` numbers; 0 where $\sigma$ is, for a matrix that is not wide.
    left: Vec<Vec<f64>>,
    /// The terms' $v$, each of `columns` numbers; 0 where $\sigma$ is, for a wide matrix.
    right: Vec<Vec<f64>>,
    pub(crate) values: Vec<f64>,
}

impl Svd {
    /// `None` if a number is not finite.
    pub(crate) fn of<T: Real>(size: [usize; 2], matrix: &[T]) -> Option<Self> {
        let [rows, columns] = size;
        let scale = matrix.iter().fold(0.0, |m: f64, w| m.max(w.f64().abs()));
        if !matrix.iter().all(|w| w.is_finite()) {
            return None;
        }
        // The fewer vectors are rotated.
        let wide = columns > rows;
        let (count, length) = if wide { (rows, columns) } else { (columns, rows) };
        let at = |k: usize, i: usize| if wide { k * columns + i } else { i * columns + k };
        let divisor = if scale > 0.0 { scale } else { 1.0 };
        let mut vectors: Vec<Vec<f64>> = (0..count)
            .map(|k| (0..length).map(|i| matrix[at(k, i)].f64() / divisor).collect())
            .collect();
        let mut basis: Vec<Vec<f64>> =
            (0..count).map(|k| (0..count).map(|i| f64::from(u8::from(i == k))).collect()).collect();
        for _ in 0..SWEEPS {
            if !sweep(&mut vectors, &mut basis) {
                break;
            }
        }
        let mut terms: Vec<_> = vectors
            .into_iter()
            .zip(basis)
            .map(|(mut u, v)| {
                let value = dot(&u, &u).sqrt();
                if value > 0.0 {
                    u.iter_mut().for_each(|x| *x /= value);
                }
                (value * divisor, u, v)
            })
            .collect();
        terms.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut left, mut right, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (value, u, v) in terms {
            values.push(value);
            let (u, v) = if wide { (v, u) } else { (u, v) };
            left.push(u);
            right.push(v);
        }
        Some(Self { size, left, right, values })
    }

    /// The Euclidean norm of the matrix.
    pub(crate) fn norm(&self) -> f64 {
        norm_of(self.values.iter().copied())
    }

    /// What rounding is worth in the singular values of a matrix of numbers of the type.
    pub(crate) fn slack<T: Real>(&self) -> f64 {
        rounding::<T>(self.size[0] * self.size[1]) * self.norm()
    }

    /// How many singular values are above 0, but for rounding.
    pub(crate) fn rank<T: Real>(&self) -> usize {
        let slack = self.slack::<T>();
        self.values.iter().filter(|sigma| **sigma > slack).count()
    }

    /// Overwrites a matrix with the sum of the terms for other values.
    pub(crate) fn write<T: Real>(&self, values: impl Fn(usize) -> f64, matrix: &mut [T]) {
        let [rows, columns] = self.size;
        for i in 0..rows {
            for j in 0..columns {
                let term = |k: usize| values(k) * self.left[k][i] * self.right[k][j];
                matrix[i * columns + j] = T::of((0..self.values.len()).map(term).sum());
            }
        }
    }

    /// The part of a matrix outside the first terms, $(I - U U^\top) D (I - V V^\top)$ with the
    /// vectors of those, whose values have to be above 0.
    pub(crate) fn outside<T: Real>(&self, terms: usize, matrix: &[T]) -> Vec<f64> {
        let [_, columns] = self.size;
        let mut part: Vec<f64> = matrix.iter().map(|d| d.f64()).collect();
        for u in &self.left[..terms] {
            for j in 0..columns {
                let along: f64 =
                    u.iter().zip(part[j..].iter().step_by(columns)).map(|(u, d)| u * d).sum();
                u.iter()
                    .zip(part[j..].iter_mut().step_by(columns))
                    .for_each(|(u, d)| *d -= along * u);
            }
        }
        for v in &self.right[..terms] {
            for row in part.chunks_exact_mut(columns) {
                let along = dot(v, row);
                row.iter_mut().zip(v).for_each(|(d, v)| *d -= along * v);
            }
        }
        part
    }

    /// $u_k^\top D v_l$.
    pub(crate) fn product<T: Real>(&self, k: usize, matrix: &[T], l: usize) -> f64 {
        let row = |row: &[T]| row.iter().zip(&self.right[l]).map(|(d, v)| d.f64() * v).sum::<f64>();
        self.left[k].iter().zip(matrix.chunks_exact(self.size[1])).map(|(u, d)| u * row(d)).sum()
    }

    /// Takes $\sum_{kl} S_{kl} u_k v_l^\top$ over the first terms away from a matrix, for $S$
    /// row-major.
    pub(crate) fn subtract<T: Real>(&self, parts: &[f64], terms: usize, matrix: &mut [T]) {
        let columns = self.size[1];
        for (i, j) in (0..self.size[0]).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let part =
                |k: usize, l: usize| parts[k * terms + l] * self.left[k][i] * self.right[l][j];
            let sum: f64 = (0..terms).map(|k| (0..terms).map(|l| part(k, l)).sum::<f64>()).sum();
            let d = &mut matrix[i * columns + j];
            *d = T::of(d.f64() - sum);
        }
    }

    /// Gives the terms whose value is 0, within rounding, left vectors at right angles to the
    /// others: the first axes that have a part outside.
    pub(crate) fn complete_left(&mut self) {
        let largest = self.values.first().copied().unwrap_or(0.0);
        let rows = self.size[0];
        for k in 0..self.values.len() {
            if self.values[k] > largest * f64::EPSILON * rows as f64 {
                continue;
            }
            for axis in 0..rows {
                let mut u: Vec<f64> = (0..rows).map(|i| f64::from(u8::from(i == axis))).collect();
                for _ in 0..2 {
                    for other in &self.left[..k] {
                        let part = dot(&u, other);
                        u.iter_mut().zip(other).for_each(|(x, o)| *x -= part * o);
                    }
                }
                let length = dot(&u, &u).sqrt();
                // Of n axes one has at least this much outside a space of fewer dimensions.
                if length >= 0.5 / (rows as f64).sqrt() {
                    u.iter_mut().for_each(|x| *x /= length);
                    self.left[k] = u;
                    break;
                }
            }
        }
    }
}

/// Rows and columns of the matrix a parameter is.
pub(crate) fn matrix_size(shape: Shape) -> [usize; 2] {
    let (last, others) = shape.dims().split_last().unwrap_or((&1, &[]));
    [others.iter().product(), *last]
}

/// # Errors
/// If a parameter of this shape is no matrix.
pub(crate) fn check_matrix(operation: &'static str, shape: Shape) -> Result<(), ShapeError> {
    if shape.rank() >= 2 && !shape.is_empty() {
        return Ok(());
    }
    Err(ShapeError::new(operation, "a matrix, or more axes than two", format!("shape {shape}")))
}

/// What a set says of the singular values of a value; NaN if a number is not finite.
pub(crate) fn measure_values<T: Real>(
    shape: Shape,
    value: &[T],
    violation: impl Fn(&Svd) -> f64,
) -> f64 {
    Svd::of(matrix_size(shape), value).map_or(f64::NAN, |svd| violation(&svd))
}

/// Gives a value other singular values if a set says that its own are outside, by `violation`; a
/// value with a number that is not finite becomes NaN.
pub(crate) fn replace_values<T: Real>(
    shape: Shape,
    value: &mut [T],
    violation: impl Fn(&Svd) -> f64,
    replacement: impl Fn(&[f64], usize) -> f64,
) {
    let Some(svd) = Svd::of(matrix_size(shape), value) else { return value.fill(T::nan()) };
    if violation(&svd) != 0.0 {
        svd.write(|k| replacement(&svd.values, k), value);
    }
}

/// Decomposes a point and changes a direction; one with a number that is not finite becomes NaN,
/// and so it does at such a point.
pub(crate) fn change_direction<T: Real>(
    shape: Shape,
    at: &[T],
    direction: &mut [T],
    change: impl FnOnce(&Svd, &mut [T]),
) {
    match Svd::of(matrix_size(shape), at) {
        Some(svd) if direction.iter().all(|d| d.is_finite()) => change(&svd, direction),
        _ => direction.fill(T::nan()),
    }
}

/// Rotates every pair of vectors to right angles, and the basis along; whether there was anything
/// to do.
fn sweep(vectors: &mut [Vec<f64>], basis: &mut [Vec<f64>]) -> bool {
    let mut rotated = false;
    for p in 0..vectors.len() {
        for q in p + 1..vectors.len() {
            let (a, b) = (dot(&vectors[p], &vectors[p]), dot(&vectors[q], &vectors[q]));
            let product = dot(&vectors[p], &vectors[q]);
            if product.abs() <= 4.0 * f64::EPSILON * (a.sqrt() * b.sqrt()) || product == 0.0 {
                continue;
            }
            rotated = true;
            let (cosine, sine) = rotation((b - a) / (2.0 * product));
            for set in [&mut *vectors, &mut *basis] {
                let (head, tail) = set.split_at_mut(q);
                for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    rotated
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_terms_add_up_and_are_orthonormal(
            size in (1..7usize, 1..7usize),
            data in vec(-2.0..2.0f64, 36),
            exponent in -150..150i32,
        ) {
            let size = [size.0, size.1];
            let scale = 10f64.powi(exponent);
            let matrix: Vec<f64> = data[..size[0] * size[1]].iter().map(|x| x * scale).collect();
            let svd = Svd::of(size, &matrix).unwrap();
            let mut sum = matrix.clone();
            svd.write(|k| svd.values[k], &mut sum);
            for (a, b) in sum.iter().zip(&matrix) {
                prop_assert!((a - b).abs() <= 1e-14 * scale * 6.0, "{a} {b}");
            }
            prop_assert!(svd.values.windows(2).all(|v| v[0] >= v[1]));
            for (i, j) in (0..svd.values.len()).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                let expected = f64::from(u8::from(i == j));
                prop_assert!((dot(&svd.right[i], &svd.right[j]) - expected).abs() < 1e-13);
                let both = svd.values[i.max(j)] > 1e-12 * svd.values[0];
                prop_assert!(!both || (dot(&svd.left[i], &svd.left[j]) - expected).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn a_kernel_is_the_matrix_of_its_filters() {
        assert_eq!(matrix_size([3, 3, 2, 5].into()), [18, 5]);
    }
}
