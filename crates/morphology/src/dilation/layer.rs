//! The built layer of dilations and erosions.
//!
//! The one design choice: a max-pooling behind a layer of dilations is computed with it where that
//! is the same and costs less. `fused_max_pool.rs` says where.

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
        let kernel = builder.param("kernel", [kh, kw, channels, filters].into(), kernel)?;
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        Ok(Box::new(Self { op, kernel, bias, activation }))
    }
}

impl<T: Real, L: Lattice> Layer<T> for FilterLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = graph.apply(self.op, [x, kernel])?;
        self.finish(graph, y)
    }

    fn forward_pooled(
        &self,
        graph: &mut Graph<'_, T>,
        x: Var,
        pool: &MaxPool2d,
    ) -> Option<Result<Var, ShapeError>> {
        let kernel = graph.param(self.kernel);
        let op = self.fused(*pool, [graph.shape(x), graph.shape(kernel)])?;
        Some(graph.apply(op, [x, kernel]).and_then(|y| self.finish(graph, y)))
    }
}

impl<L: Lattice> FilterLayer<L> {
    /// The operation of this layer and of a max-pooling behind it, if they are one that costs less;
    /// the bias can be added to the largest output as well, an activation cannot.
    fn fused(&self, pool: MaxPool2d, shapes: [Shape; 2]) -> Option<FusedMaxPool2d<L>> {
        let linear = self.activation == Activation::Linear;
        linear.then(|| FusedMaxPool2d::new(self.op, pool, shapes)).flatten()
    }

    fn finish<T: Real>(&self, graph: &mut Graph<'_, T>, mut y: Var) -> Result<Var, ShapeError> {
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
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
            let layer = FilterLayer { op, kernel, bias: None, activation };
            let shapes = [[2, 12, 12, channels].into(), [size, size, channels, filters].into()];
            layer.fused(pool, shapes).is_some()
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
