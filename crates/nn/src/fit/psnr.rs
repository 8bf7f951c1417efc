//! The ratio of peak signal to noise.

use morphograd_autodiff::tensor::{Real, ShapeError};
use morphograd_autodiff::{Graph, Var};

use crate::fit::metric::{Metric, of_one_shape};

/// `psnr`: how near images are to others, in decibels, $10 \log_{10} (r^2 / e)$ with the range $r$
/// of the pixels and the mean square $e$ of the errors of all pixels of all images. Equal images
/// have $+\infty$, and no images have NaN.
///
/// It is that of all images together, not the mean over the images.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Params, Tape};
/// use morphograd_nn::{fit::{Metric, Psnr}, tensor::TensorRef};
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let y = graph.input(TensorRef::new([1, 1, 2, 1], &[0.5, 0.5]));
/// let t = graph.input(TensorRef::new([1, 1, 2, 1], &[0.4, 0.6]));
/// let mut psnr = Psnr::default();
/// psnr.update(&graph, &[y], &[t])?;
/// assert!((Metric::<f32>::result(&psnr) - 20.0).abs() < 1e-4);
/// # Ok::<(), morphograd_nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psnr {
    /// The range $r$ of the pixels; 1 by default.
    pub range: f64,
    /// The sum of the squares of the errors so far.
    pub squares: f64,
    /// Pixels so far.
    pub pixels: usize,
}

impl Default for Psnr {
    fn default() -> Self {
        Self { range: 1.0, squares: 0.0, pixels: 0 }
    }
}

impl<T: Real> Metric<T> for Psnr {
    fn name(&self) -> &str {
        "psnr"
    }

    fn reset(&mut self) {
        *self = Self { range: self.range, ..Self::default() };
    }

    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError> {
        let (y, t) = of_one_shape("psnr", graph, outputs, targets)?;
        let errors = y.iter().zip(t).map(|(y, t)| y.f64() - t.f64());
        self.squares += errors.map(|error| error * error).sum::<f64>();
        self.pixels += y.len();
        Ok(())
    }

    fn result(&self) -> f64 {
        let mean = self.squares / self.pixels as f64;
        10.0 * (self.range * self.range / mean).log10()
    }

    fn sums(&self) -> Option<Vec<f64>> {
        Some(vec![self.squares, self.pixels as f64])
    }

    fn set_sums(&mut self, sums: &[f64]) {
        (self.squares, self.pixels) = (sums[0], sums[1] as usize);
    }
}
