//! How well masks agree: intersection over union.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::metric::{Metric, of_one_shape};

/// `iou`: how well masks agree, $|A \cap B| / |A \cup B|$ (Jaccard), where $A$ are the pixels whose
/// output is above a threshold, and $B$ those whose target is above 1/2, of all images together.
/// Two empty masks agree: 1, and so do no images. An output that is NaN is in no mask.
///
/// Logits, as [`BinaryCrossEntropy`](crate::BinaryCrossEntropy) takes them, are above 0 where the
/// probability is above 1/2: a threshold of 0.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Params, Tape};
/// use morphograd_nn::{fit::{IntersectionOverUnion, Metric}, tensor::TensorRef};
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let y = graph.input(TensorRef::new([1, 1, 4, 1], &[0.9, 0.7, 0.2, 0.1]));
/// let t = graph.input(TensorRef::new([1, 1, 4, 1], &[1.0, 0.0, 1.0, 0.0]));
/// let mut iou = IntersectionOverUnion::default();
/// iou.update(&graph, &[y], &[t])?;
/// assert_eq!(Metric::<f32>::result(&iou), 1.0 / 3.0);
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntersectionOverUnion {
    /// An output above it is in the mask; 1/2 by default.
    pub threshold: f64,
    /// Pixels in both masks so far.
    pub intersection: usize,
    /// Pixels in one of them so far.
    pub union: usize,
}

impl Default for IntersectionOverUnion {
    fn default() -> Self {
        Self { threshold: 0.5, intersection: 0, union: 0 }
    }
}

impl<T: Real> Metric<T> for IntersectionOverUnion {
    fn name(&self) -> &str {
        "iou"
    }

    fn reset(&mut self) {
        *self = Self { threshold: self.threshold, ..Self::default() };
    }

    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError> {
        let (y, t) = of_one_shape("iou", graph, outputs, targets)?;
        for (y, t) in y.iter().zip(t) {
            let (a, b) = (y.f64() > self.threshold, t.f64() > 0.5);
            self.intersection += usize::from(a && b);
            self.union += usize::from(a || b);
        }
        Ok(())
    }

    fn result(&self) -> f64 {
        if self.union == 0 { 1.0 } else { self.intersection as f64 / self.union as f64 }
    }

    fn sums(&self) -> Option<Vec<f64>> {
        Some(vec![self.intersection as f64, self.union as f64])
    }

    fn set_sums(&mut self, sums: &[f64]) {
        (self.intersection, self.union) = (sums[0] as usize, sums[1] as usize);
    }
}
