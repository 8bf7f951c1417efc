//! One axis more, and one less: tensors of equal shape stacked along a new axis, and one entry of
//! an axis.
//!
//! The one design choice: a stack of images of several scales is one tensor,
//! `[batch, level, height, width, channels]`, so that whatever does not care for scale
//! (normalizations, activations, global pooling) needs to know nothing of it; what does, takes the
//! levels apart by these two ops, which are each other's transpose.

use std::ops::RangeInclusive;

use morphograd_autodiff::tensor::{MAX_RANK, Real, Shape, ShapeError, parallel};
use morphograd_autodiff::{Backward, Forward, MAX_INPUTS, Op};

/// $y_{o, k, i} = x^{(k)}_{o, i}$: inputs of one shape, `[a, …, z]`, become the entries of a new
/// axis that stands in front of the input's axis `axis` (`np.stack`). Between 1 and 8 inputs. The
/// gradient of each is its part of the output's. Cost: one copy.
///
/// ```
/// use morphograd_autodiff::{Mode, Params, Tape, tensor::TensorRef};
/// use morphograd_nn::layers::stack::{Select, Stack};
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let a = graph.input(TensorRef::new([2, 2], &[1.0, 2.0, 3.0, 4.0]));
/// let b = graph.input(TensorRef::new([2, 2], &[5.0, 6.0, 7.0, 8.0]));
/// let y = graph.apply(Stack { axis: 1 }, [a, b])?;
/// assert_eq!(graph.shape(y).dims(), [2, 2, 2]);
/// assert_eq!(graph.value(y).data, [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
/// let b = graph.apply(Select { axis: 1, index: 1 }, [y])?;
/// assert_eq!(graph.value(b).data, [5.0, 6.0, 7.0, 8.0]);
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Position of the new axis.
    pub axis: usize,
}

/// $y_{o, i} = x_{o, k, i}$: entry `index` of the axis `axis`, which is gone from the output's
/// shape. The gradient of the other entries is
/// 0. Cost: one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Select {
    /// The axis.
    pub axis: usize,
    /// The entry $k$.
    pub index: usize,
}

impl<T: Real> Op<T> for Stack {
    fn name(&self) -> &'static str {
        "stack"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=MAX_INPUTS
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let refuse =
            |expected: String, found: String| Err(ShapeError::new("stack", expected, found));
        let Some(first) = inputs.first() else {
            return refuse("at least one input".to_owned(), "none".to_owned());
        };
        if self.axis > first.rank() || first.rank() == MAX_RANK {
            let expected =
                format!("inputs of at least {} and less than {MAX_RANK} axes", self.axis);
            return refuse(expected, format!("shape {first}"));
        }
        if let Some(other) = inputs.iter().find(|shape| *shape != first) {
            return refuse(format!("inputs of one shape, {first}"), format!("shape {other}"));
        }
        let mut dims = [inputs.len(); MAX_RANK];
        dims[..self.axis].copy_from_slice(&first.dims()[..self.axis]);
        dims[self.axis + 1..=first.rank()].copy_from_slice(&first.dims()[self.axis..]);
        Ok(Shape::new(&dims[..=first.rank()]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [levels, inner] = sizes(pass.shape, self.axis);
        if pass.output.is_empty() {
            return;
        }
        parallel::for_each_piece(pass.output, levels * inner, |o, y| {
            for (y, x) in y.chunks_exact_mut(inner).zip(pass.inputs) {
                y.copy_from_slice(&x.data[o * inner..][..inner]);
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [levels, inner] = sizes(pass.output.shape, self.axis);
        if pass.grad_output.is_empty() {
            return;
        }
        for (k, dx) in pass.grad_inputs.into_iter().enumerate() {
            let Some(dx) = dx else { continue };
            parallel::for_each_piece(dx, inner, |o, dx| {
                add(dx, &pass.grad_output[(o * levels + k) * inner..][..inner]);
            });
        }
    }
}

impl<T: Real> Op<T> for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let dims = inputs[0].dims();
        if dims.get(self.axis).is_none_or(|length| self.index >= *length) {
            let expected = format!("an axis {} of more than {} entries", self.axis, self.index);
            return Err(ShapeError::new("select", expected, format!("shape {}", inputs[0])));
        }
        let mut rest = [1; MAX_RANK];
        rest[..self.axis].copy_from_slice(&dims[..self.axis]);
        rest[self.axis..dims.len() - 1].copy_from_slice(&dims[self.axis + 1..]);
        Ok(Shape::new(&rest[..dims.len() - 1]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [levels, inner] = sizes(pass.inputs[0].shape, self.axis);
        if pass.output.is_empty() {
            return;
        }
        let x = pass.inputs[0].data;
        parallel::for_each_piece(pass.output, inner, |o, y| {
            y.copy_from_slice(&x[(o * levels + self.index) * inner..][..inner]);
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let [levels, inner] = sizes(pass.inputs[0].shape, self.axis);
        if dx.is_empty() {
            return;
        }
        parallel::for_each_piece(dx, levels * inner, |o, dx| {
            add(&mut dx[self.index * inner..][..inner], &pass.grad_output[o * inner..][..inner]);
        });
    }
}

/// The length of the axis, and how many numbers each of its entries has side by side.
fn sizes(shape: Shape, axis: usize) -> [usize; 2] {
    [shape.dims()[axis], shape.dims()[axis + 1..].iter().product()]
}

fn add<T: Real>(total: &mut [T], x: &[T]) {
    total.iter_mut().zip(x).for_each(|(total, x)| *total += *x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    /// Shape, axis and tensors of that shape.
    fn case() -> impl Strategy<Value = (usize, Vec<Tensor<f64>>)> {
        (proptest::collection::vec(1..4usize, 1..4), 1..5usize).prop_flat_map(|(dims, n)| {
            let axes = 0..=dims.len();
            (axes, proptest::collection::vec(strategy::tensor(Shape::new(&dims)), n))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn stacking_agrees_with_the_definition_and_gradients_with_differences(
            (axis, inputs) in case(),
        ) {
            check_op(Stack { axis }, &inputs);
            let (dims, n) = (inputs[0].shape().dims().to_vec(), inputs.len());
            let inner: usize = dims[axis..].iter().product();
            let (y, _) = vjp(Stack { axis }, &inputs, &vec![0.0; n * inputs[0].data().len()]);
            for (at, y) in y.iter().enumerate() {
                let (o, k, i) = (at / inner / n, at / inner % n, at % inner);
                prop_assert_eq!(*y, inputs[k].data()[o * inner + i]);
            }
        }

        #[test]
        fn selecting_takes_a_stack_apart_and_its_gradients_agree_with_differences(
            (axis, inputs) in case(),
        ) {
            let shape =
                Op::<f64>::infer(&Stack { axis }, &vec![inputs[0].shape(); inputs.len()]).unwrap();
            let (stacked, _) = vjp(Stack { axis }, &inputs, &vec![0.0; shape.len()]);
            let stacked = Tensor::from_vec(shape, stacked).unwrap();
            for (index, x) in inputs.iter().enumerate() {
                let op = Select { axis, index };
                check_op(op, std::slice::from_ref(&stacked));
                let (y, _) = vjp(op, std::slice::from_ref(&stacked), &vec![0.0; x.data().len()]);
                prop_assert_eq!(&y[..], x.data());
            }
        }
    }

    #[test]
    fn empty_tensors_have_empty_stacks() {
        let empty = [Tensor::<f64>::zeros([0, 3]), Tensor::zeros([0, 3])];
        assert_eq!(vjp(Stack { axis: 1 }, &empty, &[]), (vec![], vec![vec![], vec![]]));
        assert_eq!(vjp(Select { axis: 1, index: 2 }, &empty[..1], &[]), (vec![], vec![vec![]]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let stack = |axis, shapes: &[Shape]| {
            Op::<f32>::infer(&Stack { axis }, shapes).unwrap_err().to_string()
        };
        assert_eq!(
            stack(0, &[[2, 3].into(), [2, 4].into()]),
            "stack: expected inputs of one shape, [2, 3], found shape [2, 4]"
        );
        assert_eq!(
            stack(2, &[[2].into()]),
            "stack: expected inputs of at least 2 and less than 6 axes, found shape [2]"
        );
        assert_eq!(
            stack(0, &[[1; 6].into()]),
            "stack: expected inputs of at least 0 and less than 6 axes, found shape [1, 1, 1, 1, \
             1, 1]"
        );
        assert_eq!(stack(0, &[]), "stack: expected at least one input, found none");
        let error = Op::<f32>::infer(&Select { axis: 1, index: 3 }, &[[2, 3].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "select: expected an axis 1 of more than 3 entries, found shape [2, 3]"
        );
    }
}
