//! The layers of smooth operators: a bank of kernels and a sharpness, constant or learned.
//!
//! One macro defines all of them, so every family has the same fields.

use std::fmt::Debug;
use std::marker::PhantomData;

use morphograd_nn::autodiff::{Add, Graph, ParamId, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, BuildError, Builder, Layer, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::smooth::window_fold::{Family, Smooth2d};

/// How sharp a smooth operator is: the number $β$, $α$ or $p$ of its formula.
#[derive(Debug)]
pub enum Sharpness<T> {
    /// A constant.
    Fixed(f64),
    /// A parameter of shape `[]` that all filters share.
    Shared(Weight<T>),
    /// A parameter of shape `[filters]`.
    PerFilter(Weight<T>),
}

/// What the layers of all families are described by.
pub(crate) struct Bank<T> {
    pub(crate) filters: usize,
    pub(crate) window: Window2d,
    pub(crate) kernel: Weight<T>,
    pub(crate) sharpness: Sharpness<T>,
    pub(crate) element_dropout: ElementDropout,
    pub(crate) bias: Option<Weight<T>>,
    pub(crate) activation: Activation,
}

/// Defines a layer by its name, its family, and the defaults of its kernel and its sharpness.
macro_rules! smooth_layer {
    (
        $(#[$doc:meta])* $name:ident, $family:ty,
        $(#[$kernel_doc:meta])* kernel: $kernel:expr,
        $(#[$sharpness_doc:meta])* $sharpness:ident: $default:expr $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            /// Number of filters.
            pub filters: usize,
            /// The sliding window; its size is the kernel's.
            pub window: ::morphograd_nn::tensor::Window2d,
            $(#[$kernel_doc])*
            pub kernel: ::morphograd_nn::Weight<T>,
            $(#[$sharpness_doc])*
            pub $sharpness: $crate::smooth::layer::Sharpness<T>,
            /// Entries of the kernel that are left out while training; none by default.
            pub element_dropout: $crate::elements::element_dropout::ElementDropout,
            /// Added to each filter; none by default.
            pub bias: Option<::morphograd_nn::Weight<T>>,
            /// Applied last.
            pub activation: ::morphograd_nn::Activation,
        }

        impl<T: ::morphograd_nn::tensor::Real> Default for $name<T> {
            fn default() -> Self {
                Self {
                    filters: 1,
                    window: ::morphograd_nn::tensor::Window2d::default(),
                    kernel: $kernel,
                    $sharpness: $default,
                    element_dropout: Default::default(),
                    bias: None,
                    activation: ::morphograd_nn::Activation::Linear,
                }
            }
        }

        impl<T: ::morphograd_nn::tensor::Real> ::morphograd_nn::Build<T> for $name<T> {
            fn build(
                self,
                builder: &mut ::morphograd_nn::Builder<'_, T>,
                input: ::morphograd_nn::tensor::Shape,
            ) -> Result<Box<dyn ::morphograd_nn::Layer<T>>, ::morphograd_nn::BuildError> {
                let Self { filters, window, kernel, $sharpness: sharpness, .. } = self;
                let Self { element_dropout, bias, activation, .. } = self;
                $crate::smooth::layer::SmoothLayer::<$family>::build(
                    builder,
                    input,
                    $crate::smooth::layer::Bank {
                        filters, window, kernel, sharpness, element_dropout, bias, activation,
                    },
                )
            }
        }
    };
}
pub(crate) use smooth_layer;

/// A built layer.
#[derive(Debug)]
pub(crate) struct SmoothLayer<F> {
    window: Window2d,
    kernel: ParamId,
    sharpness: Held,
    element_dropout: ElementDropout,
    seed: u64,
    bias: Option<ParamId>,
    activation: Activation,
    family: PhantomData<F>,
}

/// Where a layer has its sharpness.
#[derive(Debug)]
enum Held {
    Constant(f64),
    Param(ParamId),
}

impl<F: Family> SmoothLayer<F> {
    pub(crate) fn build<T: Real>(
        builder: &mut Builder<'_, T>,
        input: Shape,
        bank: Bank<T>,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Bank { filters, window, kernel, sharpness, element_dropout, bias, activation } = bank;
        let refuse =
            |expected: String, found: String| Err(ShapeError::new(F::NAME, expected, found).into());
        let (&[height, width, channels], 1..) = (input.dims(), filters) else {
            return refuse(
                "at least 1 filter on [height, width, channels]".into(),
                format!("{filters} filters on an input of shape {input}"),
            );
        };
        if let Sharpness::Fixed(s) = sharpness
            && !(s.is_finite() && (s > 0.0 || !F::POSITIVE))
        {
            let range = if F::POSITIVE { " above 0" } else { "" };
            return refuse(format!("a finite {}{range}", F::SHARPNESS), s.to_string());
        }
        // Before a kernel is drawn: a window that does not fit may be of any size.
        window
            .extent([height, width])
            .map_err(|error| ShapeError { operation: F::NAME, ..error })?;
        let [kh, kw] = window.size;
        let kernel = builder.param("kernel", [kh, kw, channels, filters].into(), kernel)?;
        let sharpness = match sharpness {
            Sharpness::Fixed(s) => Held::Constant(s),
            Sharpness::Shared(weight) => {
                Held::Param(builder.param(F::SHARPNESS, Shape::scalar(), weight)?)
            }
            Sharpness::PerFilter(weight) => {
                Held::Param(builder.param(F::SHARPNESS, [filters].into(), weight)?)
            }
        };
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        let (seed, family) = (builder.seed(), PhantomData);
        Ok(Box::new(Self {
            window,
            kernel,
            sharpness,
            element_dropout,
            seed,
            bias,
            activation,
            family,
        }))
    }
}

impl<T: Real, F: Family> Layer<T> for SmoothLayer<F> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let kernel = self.element_dropout.apply(graph, kernel, self.seed)?;
        let sharpness = match self.sharpness {
            Held::Constant(s) => graph.input_with(Shape::scalar(), |value| value[0] = T::of(s)),
            Held::Param(id) => graph.param(id),
        };
        let mut y = Smooth2d::<F>::apply(graph, [x, kernel, sharpness], self.window)?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}
