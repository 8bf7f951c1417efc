//! Branches: several layers on one input, their outputs side by side.
//!
//! The one design choice: a branch is any description, told apart by its name alone; joining the
//! channels is an op of its own.

use std::fmt;

use morphograd_autodiff::tensor::{MAX_RANK, Real, Shape, ShapeError};
use morphograd_autodiff::{Backward, Forward, Graph, MAX_INPUTS, Op, Var};

use crate::model::build::{Build, Description};
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// Applies every branch to the same input and puts the outputs side by side along the last axis, in
/// the order in which they were added: `[…, m]` and `[…, n]` → `[…, m + n]`. The other axes of the
/// outputs have to agree. At least 1 branch, at most [`MAX_INPUTS`]. Parameters: those of the
/// branches, under their names. Cost: that of the branches, and a copy each way.
///
/// ```
/// use morphograd_nn::{AvgPool2d, Branches, Conv2d, MaxPool2d, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let branches = Branches::default()
///     .add("conv", Conv2d { filters: 4, size: [2, 2], strides: [2, 2], ..Conv2d::default() })
///     .add("largest", MaxPool2d::default())
///     .add("mean", AvgPool2d::default());
/// let model = Sequential::new().add("stem", branches).build_model(&mut params, 42, [28, 28, 1])?;
/// assert_eq!(model.output().dims(), [14, 14, 6]);
/// assert!(params.find("stem.conv.kernel").is_some());
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
pub struct Branches<T> {
    branches: Vec<(String, Description<T>)>,
}

/// The inputs (one to [`MAX_INPUTS`]) side by side along the last axis: `[…, m]` and `[…, n]` →
/// `[…, m + n]`. The other axes have to agree. The gradient is cut at the same places. Cost: a copy
/// each way.
#[derive(Debug, Clone, Copy)]
pub struct Concat;

impl<T> Default for Branches<T> {
    fn default() -> Self {
        Self { branches: Vec::new() }
    }
}

impl<T: Real> Branches<T> {
    /// Adds a branch.
    #[must_use]
    pub fn add(mut self, name: &str, description: impl Build<T>) -> Self {
        self.branches.push((name.to_owned(), Description::new(description)));
        self
    }
}

impl<T: Real> Build<T> for Branches<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let count = self.branches.len();
        if !(1..=MAX_INPUTS).contains(&count) {
            let expected = format!("between 1 and {MAX_INPUTS} branches");
            return Err(ShapeError::new("branches", expected, count.to_string()).into());
        }
        let mut built: Vec<(String, Box<dyn Layer<T>>)> = Vec::new();
        for (name, branch) in self.branches {
            if built.iter().any(|(other, _)| *other == name) {
                return Err(BuildError::DuplicateLayer(name));
            }
            let layer = branch
                .build(&mut builder.scope(&name), input)
                .map_err(|error| error.within(&name))?;
            built.push((name, layer));
        }
        Ok(Box::new(Built(built)))
    }
}

#[derive(Debug)]
struct Built<T>(Vec<(String, Box<dyn Layer<T>>)>);

impl<T: Real> Layer<T> for Built<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let mut outputs = [x; MAX_INPUTS];
        for (output, (name, layer)) in outputs.iter_mut().zip(&self.0) {
            *output = layer.forward(graph, x).map_err(|error| error.within(name))?;
        }
        graph.apply(Concat, &outputs[..self.0.len()])
    }
}

impl<T: Real> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let [first, ..] = inputs else {
            return Err(ShapeError::new("concat", "at least 1 input", "none"));
        };
        let Some((_, leading)) = first.dims().split_last() else {
            return Err(ShapeError::new("concat", "inputs of rank 1 at least", "a scalar"));
        };
        let mut total = 0;
        for shape in inputs {
            match shape.dims().split_last() {
                Some((channels, own)) if own == leading => total += channels,
                _ => {
                    let expected = format!("inputs that agree with {first} but for the last axis");
                    return Err(ShapeError::new("concat", expected, format!("shape {shape}")));
                }
            }
        }
        let mut dims = [total; MAX_RANK];
        dims[..leading.len()].copy_from_slice(leading);
        Ok(Shape::new(&dims[..first.rank()]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let total = channels(pass.shape);
        let mut start = 0;
        for x in pass.inputs {
            let n = channels(x.shape);
            if n > 0 {
                let positions = pass.output.chunks_exact_mut(total).zip(x.data.chunks_exact(n));
                positions.for_each(|(y, x)| y[start..start + n].copy_from_slice(x));
            }
            start += n;
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let total = channels(pass.output.shape);
        let mut start = 0;
        for (x, dx) in pass.inputs.iter().zip(pass.grad_inputs) {
            let n = channels(x.shape);
            if let Some(dx) = dx.filter(|_| n > 0) {
                let positions = dx.chunks_exact_mut(n).zip(pass.grad_output.chunks_exact(total));
                positions.for_each(|(dx, g)| {
                    dx.iter_mut().zip(&g[start..start + n]).for_each(|(dx, g)| *dx += *g);
                });
            }
            start += n;
        }
    }
}

fn channels(shape: Shape) -> usize {
    shape.dims()[shape.rank() - 1]
}

impl<T> fmt::Debug for Branches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.branches.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AvgPool2d, Dense, MaxPool2d, Sequential};
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
        Tensor::from_vec(Shape::new(shape), data.to_vec()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(
            inputs in (1..4usize, proptest::collection::vec(1..4usize, 1..=MAX_INPUTS))
                .prop_flat_map(|(n, widths)| {
                    widths.into_iter().map(|m| strategy::tensor([n, 2, m])).collect::<Vec<_>>()
                }),
        ) {
            check_op(Concat, &inputs);
        }
    }

    #[test]
    fn two_tensors_are_joined_and_their_gradient_cut_at_the_same_place() {
        let z = tensor(&[2, 1, 1], &[7.0, 8.0]);
        let x = tensor(&[2, 1, 3], &[1.0, 2.0, 6.0, -1.0, 0.0, 4.0]);
        let (y, grads) = vjp(Concat, &[z, x], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(y, [7.0, 1.0, 2.0, 6.0, 8.0, -1.0, 0.0, 4.0]);
        assert_eq!(grads, [vec![1.0, 5.0], vec![2.0, 3.0, 4.0, 6.0, 7.0, 8.0]]);
        let (y, grads) = vjp(Concat, &[Tensor::<f64>::zeros([2, 0]), Tensor::zeros([2, 0])], &[]);
        assert!(y.is_empty() && grads.iter().all(Vec::is_empty));
    }

    #[test]
    fn every_branch_sees_the_input_and_the_input_gets_the_gradients_of_all() {
        let mut params = Params::<f64>::new();
        let branches = Branches::default()
            .add("largest", MaxPool2d::default())
            .add("mean", AvgPool2d::default());
        let model =
            Sequential::new().add("both", branches).build_model(&mut params, 0, [2, 2, 1]).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.variable(tensor(&[1, 2, 2, 1], &[1.0, 5.0, 2.0, 4.0]).view());
        let y = model.forward(&mut graph, x).unwrap();
        assert_eq!(graph.value(y).data, [5.0, 3.0]);
        graph.backward_with(y, &[10.0, 4.0]);
        assert_eq!(graph.grad(x), Some(&[1.0, 11.0, 1.0, 1.0][..]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let error = |input: &[usize], branches: Branches<f64>| {
            let mut params = Params::new();
            let builder = Sequential::new().add("stem", branches);
            builder.build_model(&mut params, 0, Shape::new(input)).unwrap_err().to_string()
        };
        let pool = |size| MaxPool2d { size, ..MaxPool2d::default() };
        assert_eq!(
            error(&[4, 4, 1], Branches::default()),
            "stem: branches: expected between 1 and 8 branches, found 0"
        );
        assert_eq!(
            error(&[4, 4, 1], Branches::default().add("a", pool([2, 2])).add("a", pool([2, 2]))),
            "model: expected layer names that differ, found `a` twice"
        );
        assert_eq!(
            error(&[4, 4, 1], Branches::default().add("a", pool([2, 2])).add("b", pool([1, 1]))),
            "stem: concat: expected inputs that agree with [1, 2, 2, 1] but for the last axis, \
             found shape [1, 4, 4, 1]"
        );
        let dense = Dense { units: 0, ..Dense::default() };
        assert_eq!(
            error(&[4], Branches::default().add("a", dense)),
            "stem.a: dense: expected at least 1 unit, found 0"
        );
        let error = Op::<f64>::infer(&Concat, &[Shape::scalar()]).unwrap_err();
        assert_eq!(error.to_string(), "concat: expected inputs of rank 1 at least, found a scalar");
    }
}
