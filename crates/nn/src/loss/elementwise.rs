//! What losses of two tensors of one shape share: the mean over all elements of a function of two
//! numbers.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, parallel, sum};
use morphograd_autodiff::{Backward, Forward};

/// A scalar, for two inputs of one shape that are not empty.
pub(super) fn infer(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    let (a, b) = (inputs[0], inputs[1]);
    if a.is_empty() {
        return Err(ShapeError::new(operation, "at least one element", format!("shape {a}")));
    }
    if a != b {
        let found = format!("{a} and {b}");
        return Err(ShapeError::new(operation, "two inputs of one shape", found));
    }
    Ok(Shape::scalar())
}

/// Elements that one task computes.
const PIECE: usize = 1 << 13;

/// $\frac1n \sum_i f(a_i, b_i)$, by a sum that is accurate however many there are.
pub(super) fn forward<T: Real>(pass: Forward<'_, T>, f: impl Fn(T, T) -> T + Send + Sync) {
    let (a, b) = (pass.inputs[0].data, pass.inputs[1].data);
    let terms = pass.scratch;
    terms.resize(a.len(), T::zero());
    parallel::for_each_piece(terms, PIECE, |piece, terms| {
        let items = piece * PIECE..piece * PIECE + terms.len();
        for (term, (a, b)) in terms.iter_mut().zip(a[items.clone()].iter().zip(&b[items])) {
            *term = f(*a, *b);
        }
    });
    pass.output[0] = sum(terms) / T::of(a.len() as f64);
}

/// Adds $g f'(a_i, b_i) / n$ to the gradients of both, where $f'$ gives the two derivatives.
pub(super) fn backward<T: Real>(pass: Backward<'_, T>, derivatives: impl Fn(T, T) -> [T; 2]) {
    let (a, b) = (pass.inputs[0].data, pass.inputs[1].data);
    let g = pass.grad_output[0] * T::of(1.0 / a.len() as f64);
    for (k, d) in pass.grad_inputs.into_iter().enumerate() {
        for (d, (a, b)) in d.into_iter().flatten().zip(a.iter().zip(b)) {
            *d += g * derivatives(*a, *b)[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::vjp;

    use crate::loss::MeanAbsoluteError;

    #[test]
    fn the_mean_of_ten_million_numbers_is_accurate() {
        let n = 10_000_000;
        let inputs = [Tensor::filled([n], 0.1f32), Tensor::zeros([n])];
        assert_eq!(vjp(MeanAbsoluteError, &inputs, &[1.0]).0, [0.1]);
    }
}
