//! Dilation and erosion of every channel by its own structuring function: the operators of image
//! processing.
//!
//! $$y_{b,i,j,c} = \max_{d} \; x_{b,\,s i + r d - p,\,c} + w_{d,c}$$ for a dilation; an erosion takes the minimum of $x - w_{k-1-d}$.
//! The computation is that of [`FilterBank2d`](crate::FilterBank2d) with one filter for each
//! channel.

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

/// Dilation (`MaxPlus`) or erosion (`MinMinus`) of every channel by its own kernel. Inputs: images
/// `[batch, height, width, channels]` and a kernel `[kh, kw, channels]`; output
/// `[batch, rows, columns, channels]`.
///
/// Border, orientation, ties and NaN are those of [`FilterBank2d`](crate::FilterBank2d). Cost: one
/// addition and one comparison for each output and tap; backward two additions for each output. A
/// kernel whose entries are all the same number (a rectangle), at stride and rate 1, costs a
/// few comparisons an output whatever its size, if no gradient may be asked for
/// ([`Mode::Eval`](morphograd_nn::autodiff::Mode), or inputs that are no parameters).
#[derive(Debug, Clone, Copy)]
pub struct Depthwise2d<L> {
    neighbourhood: Neighbourhood2d,
    lattice: PhantomData<L>,
}

impl<L: Lattice> Depthwise2d<L> {
    /// The operation for a window, or a [`Neighbourhood2d`] with other rules than the default ones;
    /// the kernel has to have the window's size.
    pub fn new(neighbourhood: impl Into<Neighbourhood2d>) -> Self {
        Self { neighbourhood: neighbourhood.into(), lattice: PhantomData }
    }

    fn place(&self, x: Shape) -> Result<WindowLayout, ShapeError> {
        WindowLayout::new(L::NAME, self.neighbourhood.window, self.neighbourhood.border, x)
    }
}

impl<T: Real, L: Lattice> Op<T> for Depthwise2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let place = self.place(inputs[0])?;
        let [kh, kw] = self.neighbourhood.window.size;
        if *inputs[1].dims() != [kh, kw, place.channels] {
            return Err(ShapeError::new(
                L::NAME,
                format!("a kernel [{kh}, {kw}, {}]", place.channels),
                format!("shape {}", inputs[1]),
            ));
        }
        Ok(place.output(place.channels))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        match van_herk::height(&pass, &place, LAYOUT) {
            Some(height) => van_herk::correlate::<T, L>(Level::best(), pass, &place, height),
            None => correlate::<T, L>(Level::best(), pass, &place, LAYOUT, self.neighbourhood.ties),
        }
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        distribute::<T, L>(pass, &place, LAYOUT, self.neighbourhood.ties);
    }

    fn overwrites(&self) -> bool {
        true
    }
}

/// One filter a channel.
const LAYOUT: Layout = Layout { filters: 1, marginal: true };
