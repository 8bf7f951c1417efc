//! Dilation and erosion by a bank of filters, the channels summed: the computation of the
//! `Dilation2d` and `Erosion2d` layers.
//!
//! $$y_{b,i,j,f} = \sum_c \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c,f}$$ for a dilation; an erosion takes the minimum of
//! $x - w_{k-1-d}$. Here are the shapes; the computation is in `correlation.rs` and
//! `subgradient.rs`, for this operation and for [`Depthwise2d`](crate::Depthwise2d).

use std::any::Any;
use std::marker::PhantomData;

use morphograd_nn::autodiff::{Add, Backward, Forward, Graph, Op, ParamId, Ties, Var};
use morphograd_nn::tensor::{Padding, Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, BuildError, Builder, Layer, MaxPool2d, Weight};

use crate::dilation::backward::{Layout, distribute};
use crate::dilation::forward::{FILTERS_IN_LANES, correlate};
use crate::dilation::fused_max_pool;
use crate::neighbourhood::window_layout::WindowLayout;
use crate::{Border, Lattice, Neighbourhood2d};

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) by filters. Inputs: images
/// `[batch, height, width, channels]` and a kernel `[kh, kw, channels, filters]`; output
/// `[batch, rows, columns, filters]`, or with [`FilterBank2d::marginal`]
/// `[batch, rows, columns, filters * channels]`.
///
/// - **Border**: pixels outside the image never win (padding by $-\infty$ for a dilation, $+\infty$
///   for an erosion), unless another [`Border`] is chosen.
/// - **Orientation**: a dilation does not mirror its kernel, an erosion does.
/// - **Ties**: the first tied position in raster order of the window gets the whole gradient, in
///   the image and in the kernel, unless another rule is chosen ([`Ties`]).
/// - **NaN** never wins; a window of NaN only gives the bottom ($-\infty$ for a dilation).
/// - **Cost**: one addition and one comparison for each output, channel and tap; backward two
///   additions for each output and channel. While a gradient may be asked for, two bytes for each
///   output and channel are kept. One filter on one channel whose entries are equal, without a
///   gradient: as a flat [`Depthwise2d`](crate::Depthwise2d).
#[derive(Debug, Clone, Copy)]
pub struct FilterBank2d<L> {
    window: Window2d,
    border: Border,
    ties: Ties,
    marginal: bool,
    /// Each output is the best of a block of so many neighbouring windows; `[1, 1]`: of one.
    block: [usize; 2],
    lattice: PhantomData<L>,
}

impl<L: Lattice> FilterBank2d<L> {
    /// The operation for a window, or a [`Neighbourhood2d`] with other rules than the default ones;
    /// the kernel has to have the window's size.
    pub fn new(scan: impl Into<Neighbourhood2d>) -> Self {
        let Neighbourhood2d { window, border, ties } = scan.into();
        Self { window, border, ties, marginal: false, block: [1; 2], lattice: PhantomData }
    }

    /// Without the sum over the channels: filter `f` on channel `c` gives the output channel
    /// `f * channels + c`.
    #[must_use]
    pub fn marginal(self) -> Self {
        Self { marginal: true, ..self }
    }

    /// Followed by a pooling with windows of `block` outputs, `strides` apart, which takes the best
    /// of them. For strides 1, valid padding and ties that go to the first: the first window of the
    /// block, and there the first tap, as in the two operations one after the other.
    pub(crate) fn pooled(self, block: [usize; 2], strides: [usize; 2]) -> Self {
        Self { block, window: Window2d { strides, ..self.window }, ..self }
    }

    fn place(&self, x: Shape) -> Result<WindowLayout, ShapeError> {
        let size = [0, 1].map(|axis| (self.window.size[axis] + self.block[axis]).saturating_sub(1));
        let place = WindowLayout::new(L::NAME, Window2d { size, ..self.window }, self.border, x)?;
        Ok(WindowLayout { block: self.block, ..place })
    }

    fn layout(&self, kernel: Shape) -> Layout {
        Layout { filters: kernel.dims()[3], marginal: self.marginal }
    }
}

impl<T: Real, L: Lattice> Op<T> for FilterBank2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let place = self.place(inputs[0])?;
        let [kh, kw] = self.window.size;
        match *inputs[1].dims() {
            [h, w, c, filters] if [h, w] == [kh, kw] && c == place.channels => {
                let [rows, columns] = place.extent.output;
                let layout = Layout { filters, marginal: self.marginal };
                Ok([inputs[0].dims()[0], rows, columns, layout.outputs(c)].into())
            }
            _ => Err(ShapeError::new(
                L::NAME,
                format!("a kernel [{kh}, {kw}, {}, filters]", place.channels),
                format!("shape {}", inputs[1]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let layout = self.layout(pass.inputs[1].shape);
        correlate::<T, L>(pass, &place, layout, self.ties);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let layout = self.layout(pass.inputs[1].shape);
        distribute::<T, L>(pass, &place, layout, self.ties);
    }

    fn overwrites(&self) -> bool {
        true
    }
}

/// A bank of filters with its parameters: what `Dilation2d` and `Erosion2d` build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterLayer<L> {
    op: FilterBank2d<L>,
    filters: usize,
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
        let [kh, kw] = op.window.size;
        let kernel = builder.param("kernel", [kh, kw, channels, filters].into(), kernel)?;
        let bias = bias.map(|bias| builder.param("bias", [filters].into(), bias)).transpose()?;
        builder.fuse(Self::fuse_max_pool);
        Ok(Box::new(Self { op, filters, kernel, bias, activation }))
    }
}

impl<T: Real, L: Lattice> Layer<T> for FilterLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = graph.apply(self.op, [x, kernel])?;
        self.finish(graph, y)
    }
}

impl<L: Lattice> FilterLayer<L> {
    /// This layer and a max-pooling behind it as one layer, if that costs less: of one channel (the
    /// maximum of a sum is not the sum of the maxima), with whole windows of neighbouring taps, and
    /// the default rule for ties.
    fn pooled(&self, input: Shape, pool: &MaxPool2d) -> Option<Self> {
        let FilterBank2d { window, ties, .. } = self.op;
        let x = input.batched(1);
        let one = x.rank() == 4 && x.dims()[3] == 1 && self.activation == Activation::Linear;
        let dense = window.strides == [1, 1] && window.rates == [1, 1];
        let valid = [window.padding, pool.padding] == [Padding::Valid; 2];
        if !(L::IS_MAXIMUM && one && dense && valid && [ties, pool.ties] == [Ties::First; 2]) {
            return None;
        }
        let op = self.op.pooled(pool.size, pool.strides.unwrap_or(pool.size));
        let place = op.place(x).ok()?;
        let pays = fused_max_pool::pays(&place) && self.filters >= FILTERS_IN_LANES;
        pays.then_some(Self { op, ..*self })
    }

    /// The rule by which [`pooled`](Self::pooled) is found in a model.
    fn fuse_max_pool<T: Real>(
        first: &dyn Layer<T>,
        second: &dyn Layer<T>,
        input: Shape,
    ) -> Option<Box<dyn Layer<T>>> {
        let layer = (first as &dyn Any).downcast_ref::<Self>()?;
        let pool = (second as &dyn Any).downcast_ref::<MaxPool2d>()?;
        Some(Box::new(layer.pooled(input, pool)?))
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
    use morphograd_nn::autodiff::Params;
    use morphograd_nn::tensor::Tensor;

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
            let layer = FilterLayer { op, filters, kernel, bias: None, activation };
            layer.pooled([12, 12, channels].into(), &pool).is_some()
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
