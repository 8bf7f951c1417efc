//! What a training learns from: examples that are written, a batch at a time, straight into the
//! inputs of a graph.
//!
//! The one design choice: a data set writes into the tape's memory, so a batch is copied once and
//! nothing is allocated; and it has the graph in hand, so it can draw from the number of the step
//! ([`Graph::mode`]) or apply operations: augmentation is a data set around a data set.

use morphograd_autodiff::tensor::{Real, ShapeError, Tensor, TensorRef};
use morphograd_autodiff::{Graph, Var};

use crate::fit::batch::Batch;

/// Examples with an order.
///
/// Out of the box: a [`Tensor`] whose first axis numbers the examples; class labels, a
/// `Vec<usize>` or `Vec<u8>`; an array `[a, b]` of data sets, whose inputs stand beside each other;
/// and a pair `(inputs, targets)` of data sets. A reference to a data set is one too.
///
/// One of your own writes what it has where it is needed:
///
/// ```
/// use morphograd_nn::autodiff::Graph;
/// use morphograd_nn::fit::{Batch, DataSet};
/// use morphograd_nn::tensor::ShapeError;
///
/// /// Points on a parabola, none of which is stored.
/// struct Parabola;
///
/// impl DataSet<f32> for Parabola {
///     fn len(&self) -> usize {
///         1000
///     }
///
///     fn gather(
///         &self,
///         graph: &mut Graph<'_, f32>,
///         examples: &[usize],
///     ) -> Result<Batch, ShapeError> {
///         let at = |i: &usize| *i as f32 / 1000.0;
///         let x = graph.input_with([examples.len(), 1], |x| {
///             x.iter_mut().zip(examples).for_each(|(x, i)| *x = at(i));
///         });
///         let y = graph.input_with([examples.len(), 1], |y| {
///             y.iter_mut().zip(examples).for_each(|(y, i)| *y = at(i) * at(i));
///         });
///         Ok(Batch::new(x, y))
///     }
/// }
/// ```
pub trait DataSet<T: Real>: Sync {
    /// How many examples there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the examples with these numbers, each below [`len`](Self::len), in this order. The
    /// first axis of each variable numbers them.
    ///
    /// # Errors
    /// If the parts of the data set do not fit each other.
    ///
    /// # Panics
    /// If there is no such example.
    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError>;

    /// These examples will be gathered soon, after those of the current batch: a data set that
    /// reads files may begin. By default nothing happens.
    fn ahead(&self, _examples: &[usize]) {}
}

impl<T: Real, D: DataSet<T> + ?Sized> DataSet<T> for &D {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        (**self).gather(graph, examples)
    }

    fn ahead(&self, examples: &[usize]) {
        (**self).ahead(examples);
    }
}

/// Inputs without targets, or a part of other data sets. A scalar has no examples.
impl<T: Real> DataSet<T> for Tensor<T> {
    fn len(&self) -> usize {
        self.shape().dims().first().copied().unwrap_or(0)
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        self.view().gather(graph, examples)
    }
}

/// As a [`Tensor`].
impl<T: Real> DataSet<T> for TensorRef<'_, T> {
    fn len(&self) -> usize {
        self.shape.dims().first().copied().unwrap_or(0)
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let example = self.shape.unbatched();
        let size = example.len();
        let var = graph.input_with(example.batched(examples.len()), |out| {
            for (n, i) in examples.iter().enumerate() {
                out[n * size..][..size].copy_from_slice(&self.data[i * size..][..size]);
            }
        });
        Ok(inputs(var))
    }
}

/// Labels: whole numbers from 0, as [`SoftmaxCrossEntropy`](crate::SoftmaxCrossEntropy) takes them.
impl<T: Real> DataSet<T> for Vec<usize> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        Ok(inputs(numbers(graph, examples, |i| self[i] as f64)))
    }
}

/// Labels of a byte each.
impl<T: Real> DataSet<T> for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        Ok(inputs(numbers(graph, examples, |i| f64::from(self[i]))))
    }
}

/// Several inputs.
impl<T: Real, D: DataSet<T>, const N: usize> DataSet<T> for [D; N] {
    fn len(&self) -> usize {
        self.first().map_or(0, D::len)
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let mut all = Batch::default();
        for part in self {
            of_one_length("inputs", DataSet::len(self), part.len())?;
            part.gather(graph, examples)?.inputs.iter().for_each(|var| all.inputs.push(*var));
        }
        Ok(all)
    }
}

/// The inputs of the first are the inputs, those of the second the targets.
impl<T: Real, X: DataSet<T>, Y: DataSet<T>> DataSet<T> for (X, Y) {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn gather(&self, graph: &mut Graph<'_, T>, examples: &[usize]) -> Result<Batch, ShapeError> {
        of_one_length("targets", self.0.len(), self.1.len())?;
        let inputs = self.0.gather(graph, examples)?.inputs;
        Ok(Batch { inputs, targets: self.1.gather(graph, examples)?.inputs })
    }
}

fn inputs(var: Var) -> Batch {
    Batch { inputs: var.into(), ..Batch::default() }
}

fn numbers<T: Real>(
    graph: &mut Graph<'_, T>,
    examples: &[usize],
    of: impl Fn(usize) -> f64,
) -> Var {
    graph.input_with([examples.len()], |out| {
        out.iter_mut().zip(examples).for_each(|(out, i)| *out = T::of(of(*i)));
    })
}

fn of_one_length(what: &str, expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found {
        return Ok(());
    }
    let expected = format!("{what} for each of {expected} examples");
    Err(ShapeError::new("data set", expected, format!("{found}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::{Mode, Params, Tape};

    fn gathered(data: &dyn DataSet<f64>, examples: &[usize]) -> Result<[Vec<Vec<f64>>; 2], String> {
        let (params, mut tape) = (Params::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Eval);
        let batch = data.gather(&mut graph, examples).map_err(|error| error.to_string())?;
        let values = |vars: &[Var]| vars.iter().map(|v| graph.value(*v).data.to_vec()).collect();
        assert!(
            batch
                .inputs
                .iter()
                .chain(&*batch.targets)
                .all(|var| { graph.shape(*var).dims()[0] == examples.len() })
        );
        Ok([values(&batch.inputs), values(&batch.targets)])
    }

    #[test]
    fn examples_are_gathered_in_the_order_asked_for() {
        let x = Tensor::from_fn([3, 2, 1], |i| i as f64);
        let labels = vec![7usize, 8, 9];
        assert_eq!(
            gathered(&(&x, labels), &[2, 0]),
            Ok([vec![vec![4.0, 5.0, 0.0, 1.0]], vec![vec![9.0, 7.0]]])
        );
        assert_eq!(gathered(&x, &[1]), Ok([vec![vec![2.0, 3.0]], vec![]]));
    }

    #[test]
    fn several_inputs_stand_beside_each_other() {
        let (a, b) = (Tensor::from_fn([2, 1], |i| i as f64), Tensor::filled([2], 5.0));
        let data = ([&a, &b], vec![3u8, 4]);
        assert_eq!(DataSet::<f64>::len(&data), 2);
        assert_eq!(gathered(&data, &[1]), Ok([vec![vec![1.0], vec![5.0]], vec![vec![4.0]]]));
    }

    #[test]
    fn parts_of_different_lengths_are_refused() {
        let (a, b) = (Tensor::zeros([3, 2]), Tensor::zeros([2, 2]));
        assert_eq!(
            gathered(&(&a, &b), &[0]).unwrap_err(),
            "data set: expected targets for each of 3 examples, found 2"
        );
        assert_eq!(
            gathered(&[&a, &b], &[0]).unwrap_err(),
            "data set: expected inputs for each of 3 examples, found 2"
        );
    }
}
