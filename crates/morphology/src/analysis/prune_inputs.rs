//! Pruning of dense layers: without the inputs that never win, a smaller layer gives the same.

use morphograd_nn::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};

/// The inputs that win, and their rows of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct PrunedInputs<T> {
    /// The inputs that are kept, in rising order.
    pub inputs: Vec<usize>,
    /// Their rows `[inputs, units]`.
    pub kernel: Tensor<T>,
}

impl<T> PrunedInputs<T> {
    /// Those of the last axis of a tensor that are kept: of the inputs `[batch, n]` themselves, or
    /// of the kernel `[m, n]` and the bias `[n]` of the layer that gives them.
    ///
    /// # Errors
    /// If the last axis is shorter than the largest kept input.
    pub fn select(&self, x: TensorRef<'_, T>) -> Result<Tensor<T>, ShapeError>
    where
        T: Real,
    {
        let n = x.shape.dims().last().copied().unwrap_or(0);
        let needed = self.inputs.last().map_or(0, |last| last + 1);
        if x.shape.rank() == 0 || n < needed {
            let expected = format!("a last axis of at least {needed}");
            return Err(ShapeError::new("prune_inputs", expected, format!("shape {}", x.shape)));
        }
        let rows = x.data.chunks_exact(n.max(1));
        let kept = rows.flat_map(|row| self.inputs.iter().map(|i| row[*i])).collect();
        let mut dims = x.shape.dims().to_vec();
        *dims.last_mut().expect("an axis") = self.inputs.len();
        Tensor::from_vec(Shape::new(&dims), kept)
    }
}

/// The dense matrix `[n, units]` without the inputs that win nothing by `counts`
/// ([`dense_win_counts`](crate::dense_win_counts)).
///
/// **Law**: for every example that was counted the outputs are the same numbers, as the maximum (or
/// minimum) of each was a candidate that is kept. So are the gradients, unless ties are split, as a
/// tied candidate that never was the first may be gone. For other examples the smaller maximum is
/// at most the whole one.
///
/// If the inputs come from a layer, such as the filters of a convolution or the units of a dense
/// layer, that layer can be pruned too: [`PrunedInputs::select`]. This is the selection of filters
/// of Zhang, Blusseau, Velasco-Forero, Bloch and Angulo, *Max-plus operators applied to filter
/// selection and model pruning in neural networks* (ISMM 2019). Cost: a pass over the counts.
///
/// # Errors
/// If the shapes differ or are no matrices.
///
/// ```
/// use morphograd_morphology::nn::tensor::TensorRef;
/// use morphograd_morphology::{MaxPlusProduct, dense_win_counts, prune_inputs};
/// let x = TensorRef::new([2, 3], &[0.0, 5.0, -1.0, 1.0, 0.0, -2.0]);
/// let kernel = TensorRef::new([3, 1], &[0.0f32, 2.0, 0.0]);
/// let counts = dense_win_counts(MaxPlusProduct::default(), x, kernel)?;
/// let pruned = prune_inputs(kernel, counts.view())?;
/// assert_eq!((pruned.inputs, pruned.kernel.data()), (vec![1], &[2.0][..]));
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn prune_inputs<T: Real>(
    kernel: TensorRef<'_, T>,
    counts: TensorRef<'_, f64>,
) -> Result<PrunedInputs<T>, ShapeError> {
    let &[n, units] = kernel.shape.dims() else {
        let found = format!("shape {}", kernel.shape);
        return Err(ShapeError::new("prune_inputs", "a matrix [n, units]", found));
    };
    if counts.shape != kernel.shape {
        let expected = format!("counts of the kernel's shape {}", kernel.shape);
        return Err(ShapeError::new("prune_inputs", expected, format!("shape {}", counts.shape)));
    }
    let row = |i: usize| i * units..(i + 1) * units;
    let wins = |i: &usize| counts.data[row(*i)].iter().any(|count| *count > 0.0);
    let inputs: Vec<usize> = (0..n).filter(wins).collect();
    let rows = inputs.iter().flat_map(|i| &kernel.data[row(*i)]).copied().collect();
    let kernel = Tensor::from_vec([inputs.len(), units], rows)?;
    Ok(PrunedInputs { inputs, kernel })
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::Ties;
    use morphograd_testkit::{strategy, vjp};
    use proptest::prelude::*;

    use super::*;
    use crate::{MaxPlusProduct, MinPlusProduct, dense_win_counts, evaluate};

    proptest! {
        #[test]
        fn on_the_examples_that_were_counted_the_smaller_layer_is_the_same(
            (x, w) in [1..5usize, 2..12, 1..4].prop_flat_map(|[batch, n, units]| {
                (strategy::tied_tensor([batch, n]), strategy::tied_tensor([n, units]))
            }),
            ties in prop::sample::select(vec![Ties::First, Ties::Last, Ties::Split]),
        ) {
            let counts =
                dense_win_counts(MaxPlusProduct { ties }, x.view(), w.view()).unwrap();
            let pruned = prune_inputs(w.view(), counts.view()).unwrap();
            let fewer = pruned.select(x.view()).unwrap();
            let g = vec![1.0; x.shape().dims()[0] * w.shape().dims()[1]];
            let (y, grads) = vjp(MaxPlusProduct { ties }, &[x.clone(), w.clone()], &g);
            let (same, fewer_grads) =
                vjp(MaxPlusProduct { ties }, &[fewer, pruned.kernel.clone()], &g);
            prop_assert_eq!(y, same);
            // Every input that had a gradient is there, with the same one.
            let kept = pruned.inputs.len() * w.shape().dims()[1];
            prop_assert_eq!(fewer_grads[1].len(), kept);
            prop_assert_eq!(grads[1].iter().sum::<f64>(), fewer_grads[1].iter().sum::<f64>());

            let counts = dense_win_counts(MinPlusProduct { ties }, x.view(), w.view()).unwrap();
            let pruned = prune_inputs(w.view(), counts.view()).unwrap();
            let fewer = pruned.select(x.view()).unwrap();
            let (y, _) = vjp(MinPlusProduct { ties }, &[x, w], &g);
            let (same, _) = vjp(MinPlusProduct { ties }, &[fewer, pruned.kernel], &g);
            prop_assert_eq!(y, same);
        }

        #[test]
        fn the_layer_before_can_be_pruned_with_it(
            x in strategy::tensor([3, 4]),
            a in strategy::tensor([4, 9]),
            w in strategy::tensor([9, 2]),
        ) {
            let run = |a: TensorRef<'_, f64>, w: TensorRef<'_, f64>| {
                evaluate([x.view(), a, w], |graph, [x, a, w]| {
                    let hidden = graph.matmul(x, a)?;
                    let y = graph.apply(MaxPlusProduct::default(), [hidden, w])?;
                    Ok([hidden, y])
                })
                .unwrap()
            };
            let [hidden, y] = run(a.view(), w.view());
            let product = MaxPlusProduct::default();
            let counts = dense_win_counts(product, hidden.view(), w.view()).unwrap();
            let pruned = prune_inputs(w.view(), counts.view()).unwrap();
            prop_assert!(pruned.inputs.len() <= 6, "3 examples of 2 units have 6 winners");
            let [_, same] = run(pruned.select(a.view()).unwrap().view(), pruned.kernel.view());
            for (y, same) in y.data().iter().zip(same.data()) {
                prop_assert!((y - same).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let matrix = Tensor::<f64>::zeros([2, 2]);
        let error = prune_inputs(matrix.view(), Tensor::zeros([2, 3]).view()).unwrap_err();
        let text = "prune_inputs: expected counts of the kernel's shape [2, 2], found shape [2, 3]";
        assert_eq!(error.to_string(), text);
        let vector = Tensor::<f64>::zeros([2]);
        assert!(prune_inputs(vector.view(), vector.view()).is_err());
        let all = prune_inputs(matrix.view(), Tensor::filled([2, 2], 1.0).view()).unwrap();
        let error = all.select(Tensor::zeros([5, 1]).view()).unwrap_err();
        let text = "prune_inputs: expected a last axis of at least 2, found shape [5, 1]";
        assert_eq!(error.to_string(), text);
    }
}
