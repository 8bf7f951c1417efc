//! A layer of any operator: a bank of structuring functions, one for each filter and channel, and
//! what becomes of the channels.
//!
//! The one design choice: an operator is a value. There is no struct for each of them; what the
//! crate's functions compute with a given kernel, [`Morphological2d`] computes with a learned one.

use morphograd_nn::autodiff::{Add, Graph, ParamId, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::dilation::dilation::dilation2d;
use crate::elements::structuring_function::{Function, StructuringFunction};
use crate::layers::channels::{Merge, Reduction, RepeatChannels};
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::neighbourhood::window_layout::WindowLayout;
use crate::operators::hit_or_miss::probing2d;
use crate::operators::operator::{Operator, PairOperator};

/// A layer of an operator with learned structuring functions: filter $f$ applies the operator to
/// every channel with its own kernel, $z_{f C + c} = \Psi_{w_{c,f}}(x_c)$, and the channels are
/// merged: $y = a(\text{merge}(z) + b)$.
///
/// Input `[batch, height, width, channels]`; output `[batch, rows, columns, outputs]`, where
/// `outputs` is `filters * channels` without merging, `filters` if the channels merge, and 1 if
/// everything does. Parameters: those of the [`StructuringFunction`], and `bias` `[outputs]` if
/// asked for. What windows it accepts and its cost are the operator's, which the
/// neighbourhood is handed to; a layer with several filters copies its input once for each of them.
///
/// | layer | operator and merging |
/// |---|---|
/// | openings, closings, gradients, top-hats, averages on each channel | the function, `Merge::None` |
/// | a dilation or an erosion on each channel (depthwise) | `dilation2d` or `erosion2d`, `Merge::None` |
/// | the largest of erosions, the smallest of dilations | `erosion2d`, `Merge::All(Reduction::Max)`, and the dual |
/// | a max-plus product in every pixel (1 x 1) | `dilation2d`, size 1 x 1, `Merge::Channels(Reduction::Max)` |
/// | toggle mappings in 3 steps | the closure `\|graph, x, w, window\| toggle2d(graph, x, w, window, 3)` |
///
/// ```
/// use morphograd_morphology::Neighbourhood2d;
/// use morphograd_morphology::{
///     Merge, Morphological2d,
///     nn::{Sequential, autodiff::Params},
///     opening2d, white_top_hat2d,
/// };
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add(
///         "details",
///         Morphological2d {
///             operator: white_top_hat2d,
///             filters: 4,
///             neighbourhood: Neighbourhood2d::new([5, 5]).same(),
///             merge: Merge::None,
///             ..Default::default()
///         },
///     )
///     .add(
///         "opening",
///         Morphological2d {
///             operator: opening2d,
///             filters: 8,
///             neighbourhood: Neighbourhood2d::new([3, 3]).same(),
///             ..Default::default()
///         },
///     )
///     .build_model(&mut params, 1, [28, 28, 1])?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 8][..], 4 * 25 + 8 * 4 * 9));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Morphological2d<T> {
    /// What is done to each channel; a dilation by default.
    pub operator: Operator<T>,
    /// Number of structuring functions for each channel.
    pub filters: usize,
    /// The window, of the kernel's size, with its border and ties; one pixel and same padding by
    /// default. Every operator accepts same padding.
    pub neighbourhood: Neighbourhood2d,
    /// The structuring functions; every entry free, and zero, by default.
    pub kernel: StructuringFunction<T>,
    /// What becomes of the channels; each filter sums them by default.
    pub merge: Merge,
    /// Added to each output channel; none by default.
    pub bias: Option<Weight<T>>,
    /// Applied last.
    pub activation: Activation,
}

/// A layer of an operator with two learned structuring functions, [`probing2d`] or
/// [`hit_or_miss2d`](crate::hit_or_miss2d); otherwise as [`Morphological2d`]. The names of the
/// parameters begin with `first` and `second`.
///
/// ```
/// use morphograd_morphology::Neighbourhood2d;
/// use morphograd_morphology::{
///     MorphologicalPair2d, hit_or_miss2d,
///     nn::{Sequential, autodiff::Params},
/// };
/// let mut params = Params::<f32>::new();
/// let layer = MorphologicalPair2d {
///     operator: hit_or_miss2d,
///     filters: 8,
///     neighbourhood: Neighbourhood2d::new([3, 3]).same(),
///     ..Default::default()
/// };
/// let model = Sequential::new().add("corners", layer).build_model(&mut params, 1, [28, 28, 1])?;
/// assert_eq!(params.name(params.find("corners.second.kernel").unwrap()), "corners.second.kernel");
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct MorphologicalPair2d<T> {
    /// What is done to each channel; probing by default.
    pub operator: PairOperator<T>,
    /// Number of pairs for each channel.
    pub filters: usize,
    /// The window, of both kernels' size, with its border and ties; one pixel and same padding by
    /// default. Every operator accepts same padding.
    pub neighbourhood: Neighbourhood2d,
    /// The structuring functions; every entry free, and zero, by default.
    pub kernels: [StructuringFunction<T>; 2],
    /// What becomes of the channels; each filter sums them by default.
    pub merge: Merge,
    /// Added to each output channel; none by default.
    pub bias: Option<Weight<T>>,
    /// Applied last.
    pub activation: Activation,
}

/// Everything around the operator of a layer: how channels multiply, merge, and end.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) neighbourhood: Neighbourhood2d,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    merge: Merge,
    bias: Option<ParamId>,
    activation: Activation,
}

#[derive(Debug)]
struct Single<T> {
    operator: Operator<T>,
    kernel: Function<T>,
    frame: Frame,
}

#[derive(Debug)]
struct Pair<T> {
    operator: PairOperator<T>,
    kernels: [Function<T>; 2],
    frame: Frame,
}

impl<T: Real> Default for Morphological2d<T> {
    fn default() -> Self {
        Self {
            operator: dilation2d,
            filters: 1,
            neighbourhood: Neighbourhood2d::new([1, 1]).same(),
            kernel: StructuringFunction::default(),
            merge: Merge::Channels(Reduction::Sum),
            bias: None,
            activation: Activation::Linear,
        }
    }
}

impl<T: Real> Default for MorphologicalPair2d<T> {
    fn default() -> Self {
        Self {
            operator: probing2d,
            filters: 1,
            neighbourhood: Neighbourhood2d::new([1, 1]).same(),
            kernels: Default::default(),
            merge: Merge::Channels(Reduction::Sum),
            bias: None,
            activation: Activation::Linear,
        }
    }
}

impl<T: Real> Build<T> for Morphological2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { operator, filters, neighbourhood, kernel, merge, bias, activation } = self;
        let size = neighbourhood.window.size;
        let frame = Frame::new(neighbourhood, input, filters, merge, activation)?;
        let kernel = kernel.build(builder, size, frame.channels, filters)?;
        Ok(Box::new(Single { operator, kernel, frame: frame.with_bias(builder, bias)? }))
    }
}

impl<T: Real> Build<T> for MorphologicalPair2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { operator, filters, neighbourhood, kernels, merge, bias, activation } = self;
        let size = neighbourhood.window.size;
        let frame = Frame::new(neighbourhood, input, filters, merge, activation)?;
        let [first, second] = kernels;
        let first = first.build(&mut builder.scope("first"), size, frame.channels, filters)?;
        let second = second.build(&mut builder.scope("second"), size, frame.channels, filters)?;
        let kernels = [first, second];
        Ok(Box::new(Pair { operator, kernels, frame: frame.with_bias(builder, bias)? }))
    }
}

impl<T: Real> Layer<T> for Single<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let x = self.frame.begin(graph, x)?;
        let kernel = self.kernel.forward(graph)?;
        let y = (self.operator)(graph, x, kernel, self.frame.neighbourhood)?;
        self.frame.end(graph, y)
    }
}

impl<T: Real> Layer<T> for Pair<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let x = self.frame.begin(graph, x)?;
        let kernels = [self.kernels[0].forward(graph)?, self.kernels[1].forward(graph)?];
        let y = (self.operator)(graph, x, kernels, self.frame.neighbourhood)?;
        self.frame.end(graph, y)
    }
}

impl Frame {
    /// Checks what can be checked before any parameter is declared.
    pub(crate) fn new(
        neighbourhood: Neighbourhood2d,
        input: Shape,
        filters: usize,
        merge: Merge,
        activation: Activation,
    ) -> Result<Self, ShapeError> {
        if filters == 0 {
            return Err(ShapeError::new("morphological layer", "at least one filter", "0"));
        }
        let place = WindowLayout::new(
            "morphological layer",
            neighbourhood.window,
            neighbourhood.border,
            input.batched(1),
        )?;
        Ok(Self { neighbourhood, channels: place.channels, filters, merge, bias: None, activation })
    }

    /// Declares the bias, after the kernel.
    pub(crate) fn with_bias<T: Real>(
        self,
        builder: &mut Builder<'_, T>,
        bias: Option<Weight<T>>,
    ) -> Result<Self, BuildError> {
        let outputs = self.merge.outputs(self.channels, self.filters);
        let bias = bias.map(|bias| builder.param("bias", [outputs].into(), bias)).transpose()?;
        Ok(Self { bias, ..self })
    }

    /// A copy of the channels for every filter.
    pub(crate) fn begin<T: Real>(
        &self,
        graph: &mut Graph<'_, T>,
        x: Var,
    ) -> Result<Var, ShapeError> {
        match self.filters {
            1 => Ok(x),
            n => graph.apply(RepeatChannels { n }, [x]),
        }
    }

    /// Merges the channels, adds the bias and applies the activation.
    pub(crate) fn end<T: Real>(&self, graph: &mut Graph<'_, T>, y: Var) -> Result<Var, ShapeError> {
        let mut y = self.merge.apply(graph, y, self.channels)?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}
