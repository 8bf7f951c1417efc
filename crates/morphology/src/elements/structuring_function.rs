//! How a layer gets its structuring functions: from free entries, from fewer parameters, on a
//! support.
//!
//! The one design choice: this is independent of the operator. Every layer takes every kind,
//! because all of them end in a kernel with one structuring function for each filter and channel.

use morphograd_nn::autodiff::{Add, Graph, ParamId, Var};
use morphograd_nn::tensor::{Real, ShapeError, Tensor};
use morphograd_nn::{BuildError, Builder, Weight};

use crate::elements::quadratic::QuadraticKernel;
use crate::elements::structuring_element::StructuringElement;
use crate::layers::channels::SpreadKernel;

/// The structuring functions of a layer, before they have parameters.
#[derive(Debug)]
pub enum StructuringFunction<T> {
    /// Every entry is a parameter: `kernel` `[kh, kw, channels, filters]`.
    Free(Weight<T>),
    /// Each filter has one for all channels: `kernel` `[kh, kw, 1, filters]`.
    Shared(Weight<T>),
    /// Parabolas $-b \lVert d \rVert^2 / 4 s^2$, see [`QuadraticKernel`]: the parameter is
    /// `curvature` $b$, `[channels, filters]`, which should be kept non-negative.
    Quadratic {
        /// The curvatures.
        curvature: Weight<T>,
        /// The scale $s$, in pixels.
        scale: f64,
    },
    /// Another one, on a support: outside it the value is $-\infty$, which never wins and gets no
    /// gradient.
    Supported {
        /// The function on the support. Its parameters have entries outside too, which do nothing.
        function: Box<StructuringFunction<T>>,
        /// Where it is.
        support: SupportOn<T>,
    },
}

/// The support of a structuring function, before the size of the kernel is known.
#[derive(Debug)]
pub enum SupportOn<T> {
    /// 0 on the support and $-\infty$ outside, `[kh, kw, 1, 1]` or `[kh, kw, 1, filters]`; other
    /// numbers are added to the function.
    Entries(Tensor<T>),
    /// That of an element, with its origin in the kernel's centre; its entries are added to the
    /// function.
    Element(StructuringElement),
    /// An element for each filter.
    Elements(Vec<StructuringElement>),
}

impl<T> From<Tensor<T>> for SupportOn<T> {
    fn from(entries: Tensor<T>) -> Self {
        Self::Entries(entries)
    }
}

impl<T> From<StructuringElement> for SupportOn<T> {
    fn from(element: StructuringElement) -> Self {
        Self::Element(element)
    }
}

impl<T> From<Vec<StructuringElement>> for SupportOn<T> {
    fn from(elements: Vec<StructuringElement>) -> Self {
        Self::Elements(elements)
    }
}

impl<T: Real> SupportOn<T> {
    fn entries(self, size: [usize; 2]) -> Result<Tensor<T>, ShapeError> {
        match self {
            Self::Entries(entries) => Ok(entries),
            Self::Element(element) => Self::Elements(vec![element]).entries(size),
            Self::Elements(elements) => {
                let kernels: Vec<Tensor<T>> = elements
                    .iter()
                    .map(|element| element.kernel_within(size, 1))
                    .collect::<Result<_, _>>()?;
                let n = kernels.len();
                Ok(Tensor::from_fn([size[0], size[1], 1, n], |i| kernels[i % n].data()[i / n]))
            }
        }
    }
}

impl<T: Real> StructuringFunction<T> {
    /// The same function on a support: that of a [`StructuringElement`], that of one for each
    /// filter, or a tensor that is 0 there and $-\infty$ outside, `[kh, kw, 1, 1]` or
    /// `[kh, kw, 1, filters]`.
    ///
    /// ```
    /// use morphograd_morphology::Neighbourhood2d;
    /// use morphograd_morphology::{
    ///     Morphological2d, StructuringElement, StructuringFunction,
    ///     nn::{Sequential, autodiff::Params},
    /// };
    /// let kernel = StructuringFunction::default().on(StructuringElement::disk(2)?);
    /// let layer = Morphological2d {
    ///     filters: 4,
    ///     neighbourhood: Neighbourhood2d::new([5, 5]).same(),
    ///     kernel,
    ///     ..Default::default()
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model =
    ///     Sequential::new().add("disks", layer).build_model(&mut params, 1, [28, 28, 1])?;
    /// assert_eq!(model.output().dims(), [28, 28, 4]);
    /// // A filter for every orientation.
    /// let kernel = StructuringFunction::<f32>::default().on(StructuringElement::lines(5)?);
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    #[must_use]
    pub fn on(self, support: impl Into<SupportOn<T>>) -> Self {
        Self::Supported { function: Box::new(self), support: support.into() }
    }

    pub(crate) fn build(
        self,
        builder: &mut Builder<'_, T>,
        size: [usize; 2],
        channels: usize,
        filters: usize,
    ) -> Result<Function<T>, BuildError> {
        let (kernel, support) = self.declare(builder, size, channels, filters)?;
        Ok(Function { kernel, support, channels })
    }

    fn declare(
        self,
        builder: &mut Builder<'_, T>,
        size: [usize; 2],
        channels: usize,
        filters: usize,
    ) -> Result<(Kernel, Option<Tensor<T>>), BuildError> {
        let [kh, kw] = size;
        Ok(match self {
            Self::Free(weight) => {
                let id = builder.param("kernel", [kh, kw, channels, filters].into(), weight)?;
                (Kernel::Entries(id), None)
            }
            Self::Shared(weight) => (
                Kernel::Entries(builder.param("kernel", [kh, kw, 1, filters].into(), weight)?),
                None,
            ),
            Self::Quadratic { curvature, scale } => {
                let id = builder.param("curvature", [channels, filters].into(), curvature)?;
                (Kernel::Parabola(id, QuadraticKernel { size, scale }), None)
            }
            Self::Supported { function, support } => {
                let support = support.entries(size)?;
                check(&support, size, filters)?;
                let (kernel, inner) = function.declare(builder, size, channels, filters)?;
                if inner.is_some() {
                    return Err(
                        ShapeError::new("support", "one support", "a support on another").into()
                    );
                }
                (kernel, Some(support))
            }
        })
    }
}

impl<T: Real> Default for StructuringFunction<T> {
    fn default() -> Self {
        Self::Free(Weight::zeros())
    }
}

impl<T: Real> From<Weight<T>> for StructuringFunction<T> {
    fn from(weight: Weight<T>) -> Self {
        Self::Free(weight)
    }
}

/// Structuring functions with their parameters.
#[derive(Debug)]
pub(crate) struct Function<T> {
    kernel: Kernel,
    support: Option<Tensor<T>>,
    channels: usize,
}

#[derive(Debug)]
enum Kernel {
    Entries(ParamId),
    Parabola(ParamId, QuadraticKernel),
}

impl<T: Real> Function<T> {
    /// The kernel `[kh, kw, filters * channels]`.
    pub(crate) fn forward(&self, graph: &mut Graph<'_, T>) -> Result<Var, ShapeError> {
        let mut kernel = match self.kernel {
            Kernel::Entries(id) => graph.param(id),
            Kernel::Parabola(id, parabola) => {
                let curvature = graph.param(id);
                graph.apply(parabola, [curvature])?
            }
        };
        if let Some(support) = &self.support {
            let support = graph.input(support.view());
            kernel = graph.apply(Add, [kernel, support])?;
        }
        graph.apply(SpreadKernel { channels: self.channels }, [kernel])
    }
}

/// Refuses a support of the wrong shape, or of which a filter has no part: all its outputs would be
/// infinite.
fn check<T: Real>(
    support: &Tensor<T>,
    [kh, kw]: [usize; 2],
    filters: usize,
) -> Result<(), ShapeError> {
    let shape = support.shape();
    let own = match *shape.dims() {
        [h, w, 1, own] if [h, w] == [kh, kw] && (own == 1 || own == filters) => own,
        _ => {
            let expected = format!("[{kh}, {kw}, 1, 1] or [{kh}, {kw}, 1, {filters}]");
            return Err(ShapeError::new("support", expected, format!("shape {shape}")));
        }
    };
    for filter in 0..own {
        if !support.data().iter().skip(filter).step_by(own).any(|s| s.is_finite()) {
            let found = format!("none in filter {filter}");
            return Err(ShapeError::new("support", "a finite entry in every filter", found));
        }
    }
    Ok(())
}
