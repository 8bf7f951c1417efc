//! Lasry and Lions' regularizations: a wide parabola one way, then a steeper one back.
//!
//! The one design choice: the layer learns the steep curvature and the ratio of the two, so that
//! the wide parabola is the wider one for every ratio in [0, 1].

use morphograd_nn::autodiff::{Graph, Mul, ParamId, Var};
use morphograd_nn::initializer::Uniform;
use morphograd_nn::sets::{Interval, NonNegative};
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::dilation::dilation::dilation2d;
use crate::dilation::erosion::erosion2d;
use crate::elements::quadratic::QuadraticKernel;
use crate::layers::channels::{Merge, SpreadKernel};
use crate::layers::morphological::Frame;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::PairOperator;

/// Lasry and Lions' upper regularization $(x^s)_t = \varepsilon_{w_t}(\delta_{w_s}(x))$ of every
/// channel: a dilation by the kernel `wide` ($w_s$), then an erosion by the steeper kernel `steep`
/// ($w_t$), both `[kh, kw, channels]`.
///
/// For parabolas $w_s(d) = -d^2 / 2s$ and $w_t(d) = -d^2 / 2t$ with $0 < t < s$ on an unbounded
/// window the result lies above the image and is differentiable with a Lipschitz derivative; with
/// one kernel twice it is the closing. Both steps have the window's rates, the second its strides.
/// Border and ties of each step: see [`Depthwise2d`](crate::Depthwise2d). Cost: one dilation and
/// one erosion. Source: J.-M. Lasry, P.-L. Lions, *A remark on regularization in Hilbert spaces*,
/// Israel J. Math. 55 (1986).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{evaluate, lasry_lions_upper2d};
/// let window = Window2d::new([1, 3]).same();
/// let x = TensorRef::new([1, 1, 5, 1], &[0.0, 0.0, 4.0, 0.0, 0.0]);
/// let (wide, steep) = (
///     TensorRef::new([1, 3, 1], &[-1.0, 0.0, -1.0]),
///     TensorRef::new([1, 3, 1], &[-2.0, 0.0, -2.0]),
/// );
/// let y = evaluate([x, wide, steep], |graph, [x, wide, steep]| {
///     lasry_lions_upper2d(graph, x, [wide, steep], window)
/// })?;
/// assert_eq!(y.data(), [0.0, 2.0, 4.0, 2.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn lasry_lions_upper2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [wide, steep]: [Var; 2],
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let dilated = dilation2d(graph, x, wide, neighbourhood.dense())?;
    erosion2d(graph, dilated, steep, neighbourhood)
}

/// Lasry and Lions' lower regularization $(x_s)^t = \delta_{w_t}(\varepsilon_{w_s}(x))$: an erosion
/// by the kernel `wide`, then a dilation by the kernel `steep`; below the image. The dual of
/// [`lasry_lions_upper2d`], which has the details.
///
/// # Errors
/// If the shapes do not fit.
pub fn lasry_lions_lower2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    [wide, steep]: [Var; 2],
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    let neighbourhood = neighbourhood.into();
    let eroded = erosion2d(graph, x, wide, neighbourhood.dense())?;
    dilation2d(graph, eroded, steep, neighbourhood)
}

/// A layer of Lasry and Lions' regularizations by parabolas: filter $f$ regularizes every channel
/// with $w_t(d) = -b_{c,f} \lVert d \rVert^2 / 4 s^2$ and $w_s = r_{c,f}\, w_t$ (`LasryLionsDE` and
/// `LasryLionsED` of morpholayers, working).
///
/// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters * channels]`,
/// or fewer if `merge` says so; parameters `curvature` $b$ and `ratio` $r$, both
/// `[channels, filters]`. Border and ties: see [`lasry_lions_upper2d`].
///
/// ```
/// use morphograd_morphology::Neighbourhood2d;
/// use morphograd_morphology::{
///     LasryLions2d, lasry_lions_lower2d,
///     nn::{Sequential, autodiff::Params},
/// };
/// let mut params = Params::<f32>::new();
/// let layer = LasryLions2d {
///     operator: lasry_lions_lower2d,
///     filters: 2,
///     neighbourhood: Neighbourhood2d::new([5, 5]).same(),
///     ..Default::default()
/// };
/// let model = Sequential::new().add("smooth", layer).build_model(&mut params, 1, [28, 28, 3])?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 6][..], 12));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct LasryLions2d<T> {
    /// Which of the two; [`lasry_lions_upper2d`] by default.
    pub operator: PairOperator<T>,
    /// Number of regularizations of each channel.
    pub filters: usize,
    /// The window with its border and ties; one pixel and same padding by default.
    pub neighbourhood: Neighbourhood2d,
    /// The scale $s$ in pixels; 10 by default.
    pub scale: f64,
    /// The steep curvatures; uniform in [0.75, 1.25) and kept non-negative by default.
    pub curvature: Weight<T>,
    /// The wide curvatures divided by the steep ones; uniform in [0.5, 0.9) and kept in [0, 1] by
    /// default.
    pub ratio: Weight<T>,
    /// What becomes of the channels; they stay by default.
    pub merge: Merge,
}

#[derive(Debug)]
struct Regularization<T> {
    operator: PairOperator<T>,
    parabola: QuadraticKernel,
    curvature: ParamId,
    ratio: ParamId,
    frame: Frame,
}

impl<T: Real> Default for LasryLions2d<T> {
    fn default() -> Self {
        let curvature = Weight::new(Uniform { low: 0.75, high: 1.25 }).constrained(NonNegative);
        let ratio = Weight::new(Uniform { low: 0.5, high: 0.9 })
            .constrained(Interval { min: 0.0, max: 1.0 });
        Self {
            operator: lasry_lions_upper2d,
            filters: 1,
            neighbourhood: Neighbourhood2d::new([1, 1]).same(),
            scale: 10.0,
            curvature,
            ratio,
            merge: Merge::None,
        }
    }
}

impl<T: Real> Build<T> for LasryLions2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { operator, filters, neighbourhood, scale, curvature, ratio, merge } = self;
        let frame = Frame::new(neighbourhood, input, filters, merge, Activation::Linear)?;
        let shape = Shape::from([frame.channels, filters]);
        let curvature = builder.param("curvature", shape, curvature)?;
        let ratio = builder.param("ratio", shape, ratio)?;
        let parabola = QuadraticKernel { size: neighbourhood.window.size, scale };
        Ok(Box::new(Regularization { operator, parabola, curvature, ratio, frame }))
    }
}

impl<T: Real> Layer<T> for Regularization<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let (steep, ratio) = (graph.param(self.curvature), graph.param(self.ratio));
        let wide = graph.apply(Mul, [steep, ratio])?;
        let mut kernel = |curvature: Var| {
            let kernel = graph.apply(self.parabola, [curvature])?;
            graph.apply(SpreadKernel { channels: self.frame.channels }, [kernel])
        };
        let kernels = [kernel(wide)?, kernel(steep)?];
        let x = self.frame.begin(graph, x)?;
        let y = (self.operator)(graph, x, kernels, self.frame.neighbourhood)?;
        self.frame.end(graph, y)
    }
}
