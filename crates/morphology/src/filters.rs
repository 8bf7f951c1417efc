//! Dilation and erosion by a bank of filters, the channels summed: the computation of the `Dilation2d` and `Erosion2d` layers.
//!
//! $$y_{b,i,j,f} = \sum_c \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c,f}$$ for a dilation; an erosion takes the minimum of
//! $x - w_{k-1-d}$. Here are the shapes; the computation is in `correlation.rs` and `subgradient.rs`, for this operation and for
//! [`Depthwise2d`](crate::Depthwise2d).

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Add, Backward, Forward, Graph, Op, ParamId, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, BuildError, Builder, Layer, Weight};

use crate::correlation::correlate;
use crate::subgradient::{Layout, distribute};
use crate::window::Placement;
use crate::{Border, Lattice, Scan2d};

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) by filters. Inputs: images `[batch, height, width, channels]` and a kernel `[kh, kw,
/// channels, filters]`; output `[batch, rows, columns, filters]`, or with [`Filters2d::marginal`] `[batch, rows, columns,
/// filters * channels]`.
///
/// - **Border**: pixels outside the image never win (padding by $-\infty$ for a dilation, $+\infty$ for an erosion), unless
///   another [`Border`] is chosen.
/// - **Orientation**: a dilation does not mirror its kernel, an erosion does.
/// - **Ties**: the first tied position in raster order of the window gets the whole gradient, in the image and in the kernel, unless
///   another rule is chosen ([`Ties`]).
/// - **NaN** never wins; a window of NaN only gives the bottom ($-\infty$ for a dilation).
/// - **Cost**: one addition and one comparison for each output, channel and tap; backward two additions for each output and channel. While a
///   gradient may be asked for, two bytes for each output and channel are kept. One filter on one channel whose entries are equal, without a
///   gradient: as a flat [`Depthwise2d`](crate::Depthwise2d).
#[derive(Debug, Clone, Copy)]
pub struct Filters2d<L> {
    window: Window2d,
    border: Border,
    ties: Ties,
    marginal: bool,
    lattice: PhantomData<L>,
}

impl<L: Lattice> Filters2d<L> {
    /// The operation for a window, or a [`Scan2d`] with other rules than the default ones; the kernel has to have the window's size.
    pub fn new(scan: impl Into<Scan2d>) -> Self {
        let Scan2d { window, border, ties } = scan.into();
        Self { window, border, ties, marginal: false, lattice: PhantomData }
    }

    /// Without the sum over the channels: filter `f` on channel `c` gives the output channel `f * channels + c`.
    #[must_use]
    pub fn marginal(self) -> Self {
        Self { marginal: true, ..self }
    }

    fn place(&self, x: Shape) -> Result<Placement, ShapeError> {
        Placement::new(L::NAME, self.window, self.border, x)
    }

    fn layout(&self, kernel: Shape) -> Layout {
        Layout { filters: kernel.dims()[3], marginal: self.marginal }
    }
}

impl<T: Real, L: Lattice> Op<T> for Filters2d<L> {
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
#[derive(Debug)]
pub(crate) struct FilterLayer<L> {
    op: Filters2d<L>,
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<L: Lattice> FilterLayer<L> {
    pub(crate) fn build<T: Real>(
        builder: &mut Builder<'_, T>,
        input: Shape,
        op: Filters2d<L>,
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
        Ok(Box::new(Self { op, kernel, bias, activation }))
    }
}

impl<T: Real, L: Lattice> Layer<T> for FilterLayer<L> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let mut y = graph.apply(self.op, [x, kernel])?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}
