//! The layers of dilations and erosions.
//!
//! The one design choice: a max-pooling behind a layer of dilations is computed with it where that
//! is the same and costs less. `fused_max_pool.rs` says where.

use std::any::Any;

use morphograd_nn::autodiff::{Add, Graph, ParamId, Params, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, BuildError, Builder, Layer, MaxPool2d, Weight};

use crate::dilation::filter_bank::FilterBank2d;
use crate::dilation::fused_max_pool::FusedMaxPool2d;
use crate::neighbourhood::lattice::Lattice;

/// Defines a layer by its name, its lattice, and the neighbourhood of its operation.
macro_rules! filter_layer {
    ($(#[$doc:meta])* $name:ident, $lattice:ty, |$neighbourhood:ident| $of:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            /// Number of filters.
            pub filters: usize,
            /// The window, of the kernel's size, with its border and ties; one pixel and valid
            /// padding by default.
            pub neighbourhood: Neighbourhood2d,
            /// The structuring functions; zero by default, which is a flat element.
            pub kernel: ::morphograd_nn::Weight<T>,
            /// Added to each filter; none by default.
            pub bias: Option<::morphograd_nn::Weight<T>>,
            /// Applied last.
            pub activation: ::morphograd_nn::Activation,
        }

        impl<T: Real> Default for $name<T> {
            fn default() -> Self {
                Self {
                    filters: 1,
                    neighbourhood: Neighbourhood2d::default(),
                    kernel: ::morphograd_nn::Weight::zeros(),
                    bias: None,
                    activation: ::morphograd_nn::Activation::Linear,
                }
            }
        }

        impl<T: Real> ::morphograd_nn::Build<T> for $name<T> {
            fn build(
                self,
                builder: &mut ::morphograd_nn::Builder<'_, T>,
                input: ::morphograd_nn::tensor::Shape,
            ) -> Result<Box<dyn ::morphograd_nn::Layer<T>>, ::morphograd_nn::BuildError> {
                let Self { filters, kernel, bias, activation, neighbourhood: $neighbourhood } =
                    self;
                let op = $crate::dilation::filter_bank::FilterBank2d::<$lattice>::new($of);
                $crate::dilation::layer::FilterLayer::build(
                    builder, input, op, filters, kernel, bias, activation,
                )
            }
        }
    };
}
pub(crate) use filter_layer;

/// A bank of filters with its parameters: what `Dilation2d` and `Erosion2d` build.
#[derive(Debug)]
pub(crate) struct FilterLayer<L> {
    op: FilterBank2d<L>,
    /// The kernel's shape.
    shape: Shape,
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<L: Lattice> FilterLayer<L> {
    pub(crate) fn build<T: Real>(
        builder: &mut Builder<'_, T>,
        input: Shape,
        op: FilterBank2d<L>,
        filters: usize,
        kernel: Weight<T>,
        bias: Option<Weight<T>>,
        activation: Activation,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        if filters == 0 {
            return Err(ShapeError::new(L::NAME, "at least one filter", "0").into());
        }
        // Before a kernel is drawn: a window that does not fit may be of any size.
        let channels = op.place(input.batched(1))?.channels;
        let [kh, kw] = op.neighbourhood.window.size;
        let shape = Shape::from([kh, kw, channels, filters]);
        let kernel = builder.param("kernel", shape, kernel)?;
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        builder.fuse(Self::with_max_pool);
        Ok(Box::new(Self { op, shape, kernel, bias, activation }))
    }
}

impl<T: Real, L: Lattice> Layer<T> for FilterLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = graph.apply(self.op, [x, kernel])?;
        let y = add_bias(graph, y, self.bias)?;
        self.activation.apply(graph, y)
    }

    /// The number of channels, which are added up: each filter on one channel has 1.
    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(self.shape.dims()[2] as f64 * self.activation.slope())
    }
}

impl<L: Lattice> FilterLayer<L> {
    /// The operation of this layer and of a max-pooling behind it, if they are one that costs less;
    /// the bias can be added to the largest output as well, an activation cannot.
    fn fused(&self, pool: MaxPool2d, input: Shape) -> Option<FusedMaxPool2d<L>> {
        let linear = self.activation == Activation::Linear;
        linear.then(|| FusedMaxPool2d::new(self.op, pool, [input.batched(1), self.shape])).flatten()
    }

    /// The rule that makes one layer of two in a model.
    fn with_max_pool<T: Real>(
        first: &dyn Layer<T>,
        second: &dyn Layer<T>,
        input: Shape,
    ) -> Option<Box<dyn Layer<T>>> {
        let layer = (first as &dyn Any).downcast_ref::<Self>()?;
        let pool = (second as &dyn Any).downcast_ref::<MaxPool2d>()?;
        let op = layer.fused(*pool, input)?;
        Some(Box::new(FusedLayer { op, kernel: layer.kernel, bias: layer.bias }))
    }
}

/// A bank of filters and the max-pooling behind it.
#[derive(Debug)]
struct FusedLayer<L> {
    op: FusedMaxPool2d<L>,
    kernel: ParamId,
    bias: Option<ParamId>,
}

impl<T: Real, L: Lattice> Layer<T> for FusedLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = graph.apply(self.op, [x, kernel])?;
        add_bias(graph, y, self.bias)
    }
}

fn add_bias<T: Real>(
    graph: &mut Graph<'_, T>,
    y: Var,
    bias: Option<ParamId>,
) -> Result<Var, ShapeError> {
    let Some(bias) = bias else { return Ok(y) };
    let bias = graph.param(bias);
    graph.apply(Add, [y, bias])
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Params, Ties};
    use morphograd_nn::tensor::{Tensor, Window2d};

    use super::*;
    use crate::{MaxPlus, MinMinus};

    #[test]
    fn a_dilation_and_a_max_pooling_are_one_operation_where_that_is_cheaper_and_the_same() {
        fn joint<L: Lattice>(
            size: usize,
            filters: usize,
            channels: usize,
            activation: Activation,
            pool: MaxPool2d,
        ) -> bool {
            let mut params = Params::<f32>::new();
            let kernel =
                params.add("kernel", Tensor::zeros([size, size, channels, filters]), None).unwrap();
            let op = FilterBank2d::<L>::new(Window2d::new([size, size]));
            let shape = Shape::from([size, size, channels, filters]);
            let layer = FilterLayer { op, shape, kernel, bias: None, activation };
            layer.fused(pool, [12, 12, channels].into()).is_some()
        }
        let (halves, linear) = (MaxPool2d::default(), Activation::Linear);
        assert!(joint::<MaxPlus>(5, 8, 1, linear, halves));
        assert!(!joint::<MinMinus>(5, 8, 1, linear, halves));
        assert!(!joint::<MaxPlus>(1, 8, 1, linear, halves));
        assert!(!joint::<MaxPlus>(5, 3, 1, linear, halves));
        assert!(!joint::<MaxPlus>(5, 8, 2, linear, halves));
        assert!(!joint::<MaxPlus>(5, 8, 1, Activation::Relu, halves));
        assert!(!joint::<MaxPlus>(
            5,
            8,
            1,
            linear,
            MaxPool2d { window: halves.window.strides([1, 1]), ..halves }
        ));
        assert!(!joint::<MaxPlus>(
            5,
            8,
            1,
            linear,
            MaxPool2d { window: halves.window.same(), ..halves }
        ));
        assert!(!joint::<MaxPlus>(5, 8, 1, linear, MaxPool2d { ties: Ties::Last, ..halves }));
        assert!(!joint::<MaxPlus>(
            5,
            8,
            1,
            linear,
            MaxPool2d { window: Window2d::tiles([9, 9]), ..halves }
        ));
    }
}
