//! Owned and borrowed tensors: contiguous, row-major, one shape. Transposes and slices are the
//! business of the kernels.

use crate::{Real, Shape, ShapeError};

/// Numbers with a shape, owned. The last axis is contiguous.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<T> {
    shape: Shape,
    data: Vec<T>,
}

/// Numbers with a shape, borrowed: what kernels take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorRef<'a, T> {
    /// The lengths of the axes.
    pub shape: Shape,
    /// The elements in row-major order; as many as the shape says.
    pub data: &'a [T],
}

impl<T: Real> Tensor<T> {
    /// A tensor that owns `data`.
    ///
    /// # Errors
    /// If the number of elements is not the product of the axes, or that cannot be counted.
    pub fn from_vec(shape: impl Into<Shape>, data: Vec<T>) -> Result<Self, ShapeError> {
        let shape = shape.into().countable("tensor")?;
        if data.len() != shape.len() {
            return Err(ShapeError::new(
                "tensor",
                format!("{} elements for shape {shape}", shape.len()),
                format!("{}", data.len()),
            ));
        }
        Ok(Self { shape, data })
    }

    /// A tensor whose element `i` (row-major) is `f(i)`.
    pub fn from_fn(shape: impl Into<Shape>, f: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        Self { shape, data: (0..shape.len()).map(f).collect() }
    }

    /// All elements equal.
    pub fn filled(shape: impl Into<Shape>, value: T) -> Self {
        Self::from_fn(shape, |_| value)
    }

    /// All elements zero.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        Self::filled(shape, T::zero())
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements in row-major order, to change in place.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements, without the shape.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// Borrows the tensor.
    pub fn view(&self) -> TensorRef<'_, T> {
        TensorRef { shape: self.shape, data: &self.data }
    }
}

impl<'a, T: Real> TensorRef<'a, T> {
    /// A borrowed tensor.
    ///
    /// # Panics
    /// If the number of elements is not the product of the axes.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>, data: &'a [T]) -> Self {
        let shape = shape.into();
        assert_eq!(data.len(), shape.len(), "elements of a tensor of shape {shape}");
        Self { shape, data }
    }

    /// A copy that owns its elements.
    pub fn to_tensor(self) -> Tensor<T> {
        Tensor { shape: self.shape, data: self.data.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_of_elements_is_an_error_that_says_so() {
        let error = Tensor::from_vec([2, 3], vec![0.0f32; 5]).unwrap_err();
        assert_eq!(error.to_string(), "tensor: expected 6 elements for shape [2, 3], found 5");
    }

    #[test]
    fn a_number_of_elements_that_wraps_to_the_right_one_is_refused() {
        let half = usize::MAX / 2;
        for (shape, n) in [([half + 1, 4], 0), ([2, half + 4], 6)] {
            let error = Tensor::from_vec(shape, vec![0.0f32; n]).unwrap_err().to_string();
            assert!(error.starts_with("tensor: expected at most "), "{error}");
        }
    }
}
