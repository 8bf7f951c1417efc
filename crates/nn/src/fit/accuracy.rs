//! Accuracy.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::metric::Metric;
use crate::fit::prediction::for_each_prediction;

/// `accuracy`: the share of the examples that are classified correctly, in [0, 1].
///
/// The output is logits, `[batch, classes]`, of which the largest counts, the first of tied ones;
/// targets are labels, `[batch]`, or one-hot. With one logit an example there are two classes: 1 if
/// it is positive, else 0. No examples have an accuracy of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accuracy {
    /// How many were classified correctly.
    pub correct: usize,
    /// How many there were.
    pub total: usize,
}

impl<T: Real> Metric<T> for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError> {
        for_each_prediction("accuracy", graph, outputs, targets, |truth, predicted| {
            self.correct += usize::from(truth == predicted);
            self.total += 1;
        })
    }

    fn result(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.correct as f64 / self.total as f64 }
    }

    fn sums(&self) -> Option<Vec<f64>> {
        Some(vec![self.correct as f64, self.total as f64])
    }

    fn set_sums(&mut self, sums: &[f64]) {
        (self.correct, self.total) = (sums[0] as usize, sums[1] as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};

    fn measured(output: &Tensor<f32>, target: &Tensor<f32>) -> Result<f64, String> {
        let (params, mut tape) = (Params::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Eval);
        let (y, t) = (graph.input(output.view()), graph.input(target.view()));
        let mut accuracy = Accuracy::default();
        accuracy.update(&graph, &[y], &[t]).map_err(|error| error.to_string())?;
        Ok(Metric::<f32>::result(&accuracy))
    }

    #[test]
    fn labels_one_hot_targets_and_two_classes_of_one_logit_are_counted() {
        let tensor = |shape: &[usize], data: &[f32]| {
            Tensor::from_vec(morphograd_autodiff::tensor::Shape::new(shape), data.to_vec()).unwrap()
        };
        let logits = tensor(&[2, 3], &[0.0, 1.0, 1.0, 5.0, 2.0, 9.0]); // classes 1 and 2
        assert_eq!(measured(&logits, &tensor(&[2], &[1.0, 0.0])), Ok(0.5));
        assert_eq!(measured(&logits, &tensor(&[2, 3], &[0., 1., 0., 0., 0., 1.])), Ok(1.0));
        let logits = tensor(&[4, 1], &[0.1, -0.1, 0.0, 7.0]); // 1, 0, 0, 1
        assert_eq!(measured(&logits, &tensor(&[4], &[1.0, 0.0, 1.0, 1.0])), Ok(0.75));
        assert_eq!(measured(&logits, &tensor(&[4, 1], &[1.0, 0.0, 0.0, 1.0])), Ok(1.0));
    }

    #[test]
    fn what_is_no_classification_is_refused() {
        let zeros = |shape: [usize; 2]| Tensor::zeros(shape);
        assert_eq!(
            measured(&zeros([4, 3]), &zeros([4, 2])).unwrap_err(),
            "accuracy: expected logits of shape [batch, classes], and labels of shape [batch] or \
             one-hot targets, found shapes [4, 3] and [4, 2]"
        );
        assert_eq!(
            measured(&zeros([2, 3]), &Tensor::filled([2], 0.5)).unwrap_err(),
            "accuracy: expected labels that are whole numbers from 0, found 0.5"
        );
    }
}
