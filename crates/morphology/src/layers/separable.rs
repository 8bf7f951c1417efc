//! Separable layers: a spatial operator on each channel and a mixing of channels in each pixel, one
//! after the other.
//!
//! The one design choice: both stages are [`Morphological2d`] layers, so a separable layer is any
//! operator with any reduction: max-plus (dilations and the maximum), min-plus (erosions and the
//! minimum), or sums.

use morphograd_nn::autodiff::{Graph, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::dilation::dilation::dilation2d;
use crate::elements::structuring_function::StructuringFunction;
use crate::layers::channels::{Merge, Reduction};
use crate::layers::morphological::{Frame, Morphological2d};
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::Operator;

/// Which stage of a separable layer comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Separation {
    /// Space, then channels: $y_f = R_{n}\, \Psi_{v_{n,f}}\big(\Psi_{w_n}(x)\big)$ over the
    /// `multiplier * channels` results of the first stage.
    #[default]
    DepthwiseFirst,
    /// Channels, then space (blueprint-separable): $y_f = \Psi_{w_f}\big(R_c\,
    /// \Psi_{v_{c,f}}(x_c)\big)$. The multiplier is then not used.
    PointwiseFirst,
}

/// A separable layer with operator $\Psi$ and reduction $R$. By default a dilation and the maximum:
/// then both stages are max-plus linear, and with [`Separation::DepthwiseFirst`] $y_f = \max_{c,d}
/// x_{i+d,c} + w_{d,c} + v_{c,f}$. For the dual take `erosion2d` and [`Reduction::Min`].
///
/// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`; parameters
/// `depthwise.kernel` `[kh, kw, channels, multiplier]` (or `[kh, kw, filters, 1]` when it comes
/// second), `pointwise.kernel` `[1, 1, channels * multiplier, filters]` and, if asked for, the
/// `bias` of the second stage. Border and ties are handed to the operator. Cost: that of both
/// stages; a full bank costs `filters` times the depthwise one.
///
/// ```
/// use morphograd_morphology::Neighbourhood2d;
/// use morphograd_morphology::{
///     Reduction, Separable2d, erosion2d,
///     nn::{Sequential, autodiff::Params},
/// };
/// let mut params = Params::<f32>::new();
/// let layer = Separable2d {
///     operator: erosion2d,
///     reduction: Reduction::Min,
///     filters: 8,
///     neighbourhood: Neighbourhood2d::new([5, 5]).same(),
///     ..Default::default()
/// };
/// let model = Sequential::new().add("erosion", layer).build_model(&mut params, 1, [28, 28, 3])?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 8][..], 25 * 3 + 3 * 8));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Separable2d<T> {
    /// The operator of both stages; a dilation by default.
    pub operator: Operator<T>,
    /// How the channels of the pointwise stage become one; the maximum by default.
    pub reduction: Reduction,
    /// Which stage comes first; the depthwise one by default.
    pub separation: Separation,
    /// Number of output channels.
    pub filters: usize,
    /// Number of depthwise structuring functions for each channel.
    pub multiplier: usize,
    /// The window, of the depthwise kernel's size, with its border and ties; one pixel and same
    /// padding by default. The reduction has its own rule at ties, see [`Reduction`].
    pub neighbourhood: Neighbourhood2d,
    /// The structuring functions of the depthwise stage; every entry free, and zero, by default.
    pub depthwise: StructuringFunction<T>,
    /// The weights of the pointwise stage; zero by default.
    pub pointwise: Weight<T>,
    /// Added to each filter; none by default.
    pub bias: Option<Weight<T>>,
    /// Applied last.
    pub activation: Activation,
}

#[derive(Debug)]
struct Stages<T> {
    stages: [Box<dyn Layer<T>>; 2],
}

impl<T: Real> Default for Separable2d<T> {
    fn default() -> Self {
        Self {
            operator: dilation2d,
            reduction: Reduction::Max,
            separation: Separation::default(),
            filters: 1,
            multiplier: 1,
            neighbourhood: Neighbourhood2d::new([1, 1]).same(),
            depthwise: StructuringFunction::default(),
            pointwise: Weight::zeros(),
            bias: None,
            activation: Activation::Linear,
        }
    }
}

impl<T: Real> Build<T> for Separable2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { operator, reduction, separation, filters, multiplier, .. } = self;
        let Self { neighbourhood, bias, activation, .. } = self;
        // The first stage's output is the second's input, so the input is checked here.
        let frame = Frame::new(neighbourhood, input, filters, Merge::None, activation)?;
        let [height, width] = [input.dims()[0], input.dims()[1]];
        let [rows, columns] = neighbourhood.window.extent([height, width])?.output;

        let depthwise = Morphological2d {
            operator,
            neighbourhood,
            kernel: self.depthwise,
            merge: Merge::None,
            ..Morphological2d::default()
        };
        let pointwise = Morphological2d {
            operator,
            filters,
            neighbourhood: Neighbourhood2d { window: Window2d::new([1, 1]), ..neighbourhood },
            kernel: self.pointwise.into(),
            merge: Merge::Channels(reduction),
            ..Morphological2d::default()
        };
        let stages = match separation {
            Separation::DepthwiseFirst => {
                let first = Morphological2d { filters: multiplier, ..depthwise };
                let second = Morphological2d { bias, activation, ..pointwise };
                let first = first.build(&mut builder.scope("depthwise"), input)?;
                let between = Shape::from([rows, columns, frame.channels * multiplier]);
                [first, second.build(&mut builder.scope("pointwise"), between)?]
            }
            Separation::PointwiseFirst => {
                let second = Morphological2d { bias, activation, ..depthwise };
                let between = Shape::from([height, width, filters]);
                let first = pointwise.build(&mut builder.scope("pointwise"), input)?;
                [first, second.build(&mut builder.scope("depthwise"), between)?]
            }
        };
        Ok(Box::new(Stages { stages }))
    }
}

impl<T: Real> Layer<T> for Stages<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let between = self.stages[0].forward(graph, x)?;
        self.stages[1].forward(graph, between)
    }
}
