//! Parabolic structuring functions with a learned curvature.
//!
//! The one design choice: the parabola is an op of its own, from curvatures to a kernel, so that
//! every operator can use it and any arithmetic can come before it.

use morphograd_nn::autodiff::{Backward, Forward, Op};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

/// $$w_{d,\ldots} = -b_{\ldots} \Big( \frac{\lVert d - c \rVert}{2 s} \Big)^2$$ for curvatures $b$ of any shape (`[channels]`,
/// `[channels, filters]`), the centre $c = (\lfloor kh/2 \rfloor, \lfloor kw/2 \rfloor)$ and the
/// scale $s$; output `[kh, kw, …]`, which is 0 at the centre.
///
/// Dilations and erosions by parabolas are the morphological counterpart of Gaussian convolutions:
/// $b \ge 0$ gives the unit element at the centre and a scale space in $1 / b$. A negative $b$
/// turns the parabola over. Linear in $b$, so the gradient is exact everywhere: $\partial w_d /
/// \partial b = -(\lVert d - c \rVert / 2 s)^2$. Cost: one product an entry. Source: R. van den
/// Boomgaard, *The morphological equivalent of the Gauss convolution*, Nieuw Archief voor Wiskunde
/// 10 (1992).
///
/// ```
/// use morphograd_morphology::{
///     QuadraticKernel,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::TensorRef,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let curvature = graph.input(TensorRef::new([1], &[2.0]));
/// let w = graph.apply(QuadraticKernel { size: [1, 5], scale: 0.5 }, [curvature])?;
/// assert_eq!(graph.shape(w).dims(), [1, 5, 1]);
/// assert_eq!(graph.value(w).data, [-8.0, -2.0, 0.0, -2.0, -8.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuadraticKernel {
    /// Height and width of the kernel.
    pub size: [usize; 2],
    /// The scale $s$, in pixels.
    pub scale: f64,
}

impl<T: Real> Op<T> for QuadraticKernel {
    fn name(&self) -> &'static str {
        "quadratic kernel"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let curvature = inputs[0];
        if curvature.rank() > 4 {
            return Err(ShapeError::new(
                "quadratic kernel",
                "curvatures of at most 4 axes",
                format!("shape {curvature}"),
            ));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(ShapeError::new(
                "quadratic kernel",
                "a positive, finite scale",
                self.scale.to_string(),
            ));
        }
        Ok(curvature.batched(self.size[1]).batched(self.size[0]))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let curvature = pass.inputs[0].data;
        for (tap, w) in pass.output.chunks_exact_mut(curvature.len().max(1)).enumerate() {
            let slope = T::of(self.slope(tap));
            w.iter_mut().zip(curvature).for_each(|(w, b)| *w = slope * *b);
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(d_curvature), ..] = pass.grad_inputs else { return };
        for (tap, g) in pass.grad_output.chunks_exact(d_curvature.len().max(1)).enumerate() {
            let slope = T::of(self.slope(tap));
            d_curvature.iter_mut().zip(g).for_each(|(d, g)| *d += slope * *g);
        }
    }
}

impl QuadraticKernel {
    /// The derivative of a tap's entries.
    fn slope(self, tap: usize) -> f64 {
        let [kh, kw] = self.size;
        let from_centre = |d: usize, k: usize| d as f64 - (k / 2) as f64;
        let (dy, dx) = (from_centre(tap / kw, kh), from_centre(tap % kw, kw));
        -(dy * dy + dx * dx) / (4.0 * self.scale * self.scale)
    }
}
