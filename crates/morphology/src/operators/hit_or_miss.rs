//! Operators with two structuring functions: probing from above and below, and the hit-or-miss
//! transform.
//!
//! The one design choice: both templates of a hit-or-miss transform are drawn as they look in the
//! image, neither is mirrored.

use morphograd_nn::Activation;
use morphograd_nn::autodiff::{Add, Graph, Scale, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::anti_dilation::anti_dilation2d;

/// Probing: $\delta_{w_0}(x) - \varepsilon_{w_1}(x)$ of every channel of `x`
/// `[batch, height, width, channels]` by its own pair of kernels `[kh, kw, channels]`: the distance
/// between the lowest position of $w_0$ above and the highest of $w_1$ below the image.
///
/// With one kernel twice it is [`gradient2d`](crate::gradient2d). Any window; border and ties: see
/// [`Depthwise2d`](crate::Depthwise2d). Cost: one dilation, one erosion, one difference. Source: C.
/// Barat, C. Ducottet, M. Jourlin, *Virtual double-sided image probing: a unifying framework for
/// non-linear grayscale pattern matching*, Pattern Recognition 43 (2010).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{evaluate, probing2d};
/// let window = Window2d::new([1, 3]).same();
/// const OUT: f32 = f32::NEG_INFINITY; // a segment from above, a point from below
/// let x = TensorRef::new([1, 1, 4, 1], &[0.0, 0.0, 4.0, 4.0]);
/// let (upper, lower) =
///     (TensorRef::new([1, 3, 1], &[0.0; 3]), TensorRef::new([1, 3, 1], &[OUT, 0.0, OUT]));
/// let y = evaluate([x, upper, lower], |graph, [x, upper, lower]| {
///     probing2d(graph, x, [upper, lower], window)
/// })?;
/// assert_eq!(y.data(), [0.0, 4.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn probing2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [upper, lower]: [Var; 2],
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let dilated = dilation2d(graph, x, upper, neighbourhood)?;
    let eroded = erosion2d(graph, x, lower, neighbourhood)?;
    graph.apply(Sub, [dilated, eroded])
}

/// The hit-or-miss transform of every channel of `x` `[batch, height, width, channels]` by its own
/// pair of kernels `[kh, kw, channels]`:
/// $$y_i = \max\Big(\min_d (x_{i+d} - h_d) - \max_d (x_{i+d} + m_d),\; 0\Big),$$
/// how far the smallest pixel on the template `hit` ($h$) lies above the largest one on the
/// template `miss` ($m$); 0 where it does not.
///
/// Entries of $-\infty$ do not belong to a template. With templates of 0 and $-\infty$ this is
/// Soille's unconstrained hit-or-miss transform, and on binary images (0 and 1) the set-theoretic
/// one. Any window; with the default border pixels outside the image fit every template, and where
/// a whole template lies outside, the output is $+\infty$. Ties: see
/// [`Depthwise2d`](crate::Depthwise2d); no gradient where the output is 0. Cost: two dilations.
/// Source: P. Soille, *Morphological Image Analysis* (2nd ed. 2003), ch. 5; B. Naegel, N. Passat,
/// C. Ronse, *Grey-level hit-or-miss transforms*, Pattern Recognition 40 (2007).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     hit_or_miss2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 6, 1], &[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]));
/// // Left ends: a pixel of the object, with the background at its left.
/// let out = f32::NEG_INFINITY;
/// let hit = graph.input(TensorRef::new([1, 3, 1], &[out, 0.0, out]));
/// let miss = graph.input(TensorRef::new([1, 3, 1], &[0.0, out, out]));
/// let window = Window2d::new([1, 3]).same();
/// let y = hit_or_miss2d(&mut graph, x, [hit, miss], window)?;
/// assert_eq!(graph.value(y).data[1..], [1.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn hit_or_miss2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [hit, miss]: [Var; 2],
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    // The smallest x - h is the largest h - x, negated: an erosion without its mirror.
    let missing = anti_dilation2d(graph, x, hit, neighbourhood)?;
    let excess = dilation2d(graph, x, miss, neighbourhood)?;
    let gap = graph.apply(Add, [missing, excess])?;
    let margin = graph.apply(Scale(-1.0), [gap])?;
    Activation::Relu.apply(graph, margin)
}
