//! Toggle mappings: every pixel jumps to the nearer of its dilation and its erosion, which sharpens
//! edges.
//!
//! The one design choice: the comparison is no part of the derivative. Which side is nearer is
//! piecewise constant, so a pixel's gradient goes wholly to the side that was chosen.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::keeps_size;

/// $y = \delta$ where $\delta - x \le x - \varepsilon$, otherwise $\varepsilon$. Inputs: $x$,
/// $\delta$ and $\varepsilon$, of one shape.
///
/// At equal distance the dilation is chosen. The gradient goes to the chosen input;
/// that of $x$ is 0.
/// Where a distance is NaN the erosion is chosen. Cost: two differences and one comparison an
/// element.
#[derive(Debug, Clone, Copy)]
pub struct Toggle;

impl<T: Real> Op<T> for Toggle {
    fn name(&self) -> &'static str {
        "toggle"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs {
            [x, above, below] if x == above && x == below => Ok(*x),
            _ => Err(ShapeError::new("toggle", "three inputs of one shape", format!("{inputs:?}"))),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [x, above, below] = [0, 1, 2].map(|k| pass.inputs[k].data);
        for (i, y) in pass.output.iter_mut().enumerate() {
            *y = if is_nearer_above(x[i], above[i], below[i]) { above[i] } else { below[i] };
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [x, above, below] = [0, 1, 2].map(|k| pass.inputs[k].data);
        let [_, mut d_above, mut d_below, ..] = pass.grad_inputs;
        for (i, g) in pass.grad_output.iter().enumerate() {
            let side =
                if is_nearer_above(x[i], above[i], below[i]) { &mut d_above } else { &mut d_below };
            if let Some(side) = side {
                side[i] += *g;
            }
        }
    }
}

/// The toggle mapping of every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`, in `steps` steps:
/// $$x \leftarrow \begin{cases} \delta_w(x) & \text{if } \delta_w(x) - x \le x - \varepsilon_w(x) \\ \varepsilon_w(x) & \text{otherwise.} \end{cases}$$
///
/// Border, and ties within the window: see [`Depthwise2d`](crate::Depthwise2d); at equal distance
/// up and down a pixel goes up (see [`Toggle`]), so the mapping is self-dual only where that does
/// not occur. Cost of a step: one dilation, one erosion, one comparison a pixel. Source: H. P.
/// Kramer, J. B. Bruckner, *Iterations of a non-linear transformation for enhancement of digital
/// images*, Pattern Recognition 7 (1975).
///
/// # Errors
/// If the shapes do not fit, the stride is not 1, or the padding is not same.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
///     toggle2d,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 6, 1], &[0.0, 0.0, 2.0, 7.0, 9.0, 9.0]));
/// let flat = graph.input(TensorRef::new([1, 3, 1], &[0.0; 3]));
/// let window = Window2d::new([1, 3]).same();
/// let y = toggle2d(&mut graph, x, flat, window, 1)?;
/// assert_eq!(graph.value(y).data, [0.0, 0.0, 0.0, 9.0, 9.0, 9.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn toggle2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
    steps: usize,
) -> Result<Var, ShapeError> {
    let neighbourhood = keeps_size("toggle", neighbourhood)?;
    let mut x = x;
    for _ in 0..steps {
        let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
        let eroded = erosion2d(graph, x, kernel, neighbourhood)?;
        x = graph.apply(Toggle, [x, dilated, eroded])?;
    }
    Ok(x)
}

fn is_nearer_above<T: Real>(x: T, above: T, below: T) -> bool {
    above - x <= x - below
}
