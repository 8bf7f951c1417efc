//! Dilation and erosion by a bank of filters, the channels summed: the computation of the
//! `Dilation2d` and `Erosion2d` layers.
//!
//! $$y_{b,i,j,f} = \sum_c \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c,f}$$ for a dilation; an erosion takes the minimum of
//! $x - w_{k-1-d}$. Here are the shapes and the choice between the two computations, that by any
//! kernel in `forward.rs` and that by constant kernels in `van_herk.rs`; the gradient is in
//! `backward.rs`.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Op};
use morphograd_nn::tensor::simd::Level;
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::dilation::backward::distribute;
use crate::dilation::forward::correlate;
use crate::dilation::layout::Layout;
use crate::dilation::van_herk;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::neighbourhood::window_layout::WindowLayout;

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) by filters. Inputs: images
/// `[batch, height, width, channels]` and a kernel `[kh, kw, channels, filters]`; output
/// `[batch, rows, columns, filters]`, or with [`FilterBank2d::marginal`]
/// `[batch, rows, columns, filters * channels]`.
///
/// - **Border**: pixels outside the image never win (padding by $-\infty$ for a dilation, $+\infty$
///   for an erosion), unless another [`Border`](crate::Border) is chosen.
/// - **Orientation**: a dilation does not mirror its kernel, an erosion does.
/// - **Ties**: the first tied position in raster order of the window gets the whole gradient, in
///   the image and in the kernel, unless another rule is chosen
///   ([`Ties`](morphograd_nn::autodiff::Ties)).
/// - **NaN** never wins; a window of NaN only gives the bottom ($-\infty$ for a dilation).
/// - **Cost**: one addition and one comparison for each output, channel and tap; backward two
///   additions for each output and channel. While a gradient may be asked for, two bytes for each
///   output and channel are kept. One filter on one channel whose entries are equal, without a
///   gradient: as a constant kernel of [`Depthwise2d`](crate::Depthwise2d).
#[derive(Debug, Clone, Copy)]
pub struct FilterBank2d<L> {
    pub(crate) neighbourhood: Neighbourhood2d,
    marginal: bool,
    lattice: PhantomData<L>,
}

impl<L: Lattice> FilterBank2d<L> {
    /// The operation for a window, or a [`Neighbourhood2d`] with other rules than the default ones;
    /// the kernel has to have the window's size.
    pub fn new(neighbourhood: impl Into<Neighbourhood2d>) -> Self {
        Self { neighbourhood: neighbourhood.into(), marginal: false, lattice: PhantomData }
    }

    /// Without the sum over the channels: filter `f` on channel `c` gives the output channel
    /// `f * channels + c`.
    #[must_use]
    pub fn marginal(self) -> Self {
        Self { marginal: true, ..self }
    }

    pub(crate) fn place(&self, x: Shape) -> Result<WindowLayout, ShapeError> {
        WindowLayout::new(L::NAME, self.neighbourhood.window, self.neighbourhood.border, x)
    }

    fn layout(&self, kernel: Shape) -> Layout {
        Layout { filters: kernel.dims()[3], marginal: self.marginal }
    }
}

impl<T: Real, L: Lattice> Op<T> for FilterBank2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let place = self.place(inputs[0])?;
        let [kh, kw] = self.neighbourhood.window.size;
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
        match van_herk::height(&pass, &place, layout) {
            Some(height) => van_herk::correlate::<T, L>(Level::best(), pass, &place, height),
            None => correlate::<T, L>(Level::best(), pass, &place, layout, self.neighbourhood.ties),
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let layout = self.layout(pass.inputs[1].shape);
        distribute::<T, L>(pass, &place, layout, self.neighbourhood.ties);
    }

    fn overwrites(&self) -> bool {
        true
    }
}
