//! Branches: several layers on one input, their outputs side by side.
//!
//! The one design choice: a branch is any description, told apart by its name alone.

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{Graph, MAX_INPUTS, Params, Var};
use std::fmt;

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
/// use morphograd_nn::tensor::Window2d;
/// use morphograd_nn::{AvgPool2d, Branches, Conv2d, MaxPool2d, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let branches = Branches::default()
///     .add(
///         "conv",
///         Conv2d {
///             filters: 4,
///             window: Window2d::new([2, 2]).strides([2, 2]),
///             ..Conv2d::default()
///         },
///     )
///     .add("largest", MaxPool2d::default())
///     .add("mean", AvgPool2d::default());
/// let model =
///     Sequential::new().add("stem", branches).build_model(&mut params, 42, [28, 28, 1])?;
/// assert_eq!(model.output().dims(), [14, 14, 6]);
/// assert!(params.find("stem.conv.kernel").is_some());
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
pub struct Branches<T> {
    branches: Vec<(String, Description<T>)>,
}

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
        let last = graph.shape(outputs[0]).rank() - 1;
        graph.concat(&outputs[..self.0.len()], last)
    }

    /// That of the branch with the largest.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        self.0.iter().try_fold(0.0, |most, (_, layer)| Some(layer.lipschitz(params)?.max(most)))
    }
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
    use morphograd_autodiff::tensor::{Tensor, Window2d};
    use morphograd_autodiff::{Mode, Params, Tape};

    fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
        Tensor::from_vec(Shape::new(shape), data.to_vec()).unwrap()
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
        let pool = |size| MaxPool2d { window: Window2d::tiles(size), ..MaxPool2d::default() };
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
            "stem: concat: expected inputs that agree with [1, 2, 2, 1] but for axis 3, \
             found shape [1, 4, 4, 1]"
        );
        let dense = Dense { units: 0, ..Dense::default() };
        assert_eq!(
            error(&[4], Branches::default().add("a", dense)),
            "stem.a: dense: expected at least 1 unit, found 0"
        );
    }
}
