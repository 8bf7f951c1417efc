//! The built layer of dilations and erosions.
//!
//! The one design choice: a max-pooling behind a layer of dilations is computed with it where that
//! is the same and costs less. `fused_max_pool.rs` says where.

use std::any::Any;

use morphograd_nn::autodiff::{Add, Graph, ParamId, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError};
use morphograd_nn::{Activation, BuildError, Builder, Layer, MaxPool2d, Weight};

use crate::dilation::filter_bank::FilterBank2d;
use crate::dilation::fused_max_pool::FusedMaxPool2d;
use crate::neighbourhood::lattice::Lattice;

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
        let [kh, kw] = op.scan.window.size;
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
    use morphograd_nn::tensor::{Padding, Tensor, Window2d};

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
            let op = FilterBank2d::<L>::new(Window2d { size: [size, size], ..Window2d::default() });
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
        assert!(!joint::<MaxPlus>(5, 8, 1, linear, MaxPool2d { strides: Some([1, 1]), ..halves }));
        assert!(!joint::<MaxPlus>(5, 8, 1, linear, MaxPool2d { padding: Padding::Same, ..halves }));
        assert!(!joint::<MaxPlus>(5, 8, 1, linear, MaxPool2d { ties: Ties::Last, ..halves }));
        assert!(!joint::<MaxPlus>(5, 8, 1, linear, MaxPool2d { size: [9, 9], ..halves }));
    }
}
