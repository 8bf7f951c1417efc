//! Dilation: the largest of the pixels under a window, each raised by its entry of the kernel.

use morphograd_nn::autodiff::{Graph, Ties, Var};
use morphograd_nn::tensor::{Padding, Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::dilation::depthwise::Depthwise2d;
use crate::dilation::filter_bank::FilterBank2d;
use crate::dilation::layer::FilterLayer;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::MaxPlus;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// Dilates every channel of `x` `[batch, height, width, channels]` by its own kernel
/// `[kh, kw, channels]`:
/// $$\delta_w(x)_{i,j} = \max_d x_{s i + r d - p} + w_d.$$
///
/// The kernel is not mirrored (as in TensorFlow). Border, ties and cost: see [`Depthwise2d`]. With
/// the erosion of the same kernel it forms an adjunction (at stride 1): $\delta_w(x) \le y \iff x
/// \le \varepsilon_w(y)$. Source: J. Serra, *Image Analysis and Mathematical Morphology*, vol. 2
/// (1988).
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     dilation2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{Padding, TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 4, 1], &[0.0, 5.0, 0.0, 0.0]));
/// let w = graph.input(TensorRef::new([1, 3, 1], &[-1.0, 0.0, -2.0]));
/// let window = Window2d { size: [1, 3], padding: Padding::Same, ..Window2d::default() };
/// let y = dilation2d(&mut graph, x, w, window)?;
/// assert_eq!(graph.value(y).data, [3.0, 5.0, 4.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    scan: impl Into<Neighbourhood2d>,
) -> Result<Var, ShapeError> {
    graph.apply(Depthwise2d::<MaxPlus>::new(scan), [x, kernel])
}

/// A layer of learned dilations: filter `f` dilates every channel by its own kernel and sums the
/// results, $y_f = a\big(\sum_c \delta_{w_{c,f}}(x_c) + b_f\big)$ (`Dilation2D` of morpholayers).
///
/// Input `[batch, height, width, channels]`, output `[batch, rows, columns, filters]`; parameters
/// `kernel` `[kh, kw, channels, filters]` and, if asked for, `bias` `[filters]`. Cost: see
/// [`FilterBank2d`]; in a model, a max-pooling behind a dilation of one channel by at least 4
/// filters makes it cheaper: they are one dilation by a kernel that is one entry larger, with
/// strides.
///
/// ```
/// use morphograd_morphology::{nn::{autodiff::Params, Sequential}, Dilation2d};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("dilation", Dilation2d { filters: 8, size: [5, 5], ..Dilation2d::default() })
///     .build_model(&mut params, 1, [28, 28, 1])?;
/// assert_eq!((model.output().dims(), params.count()), (&[24, 24, 8][..], 200));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Dilation2d<T> {
    /// Number of filters.
    pub filters: usize,
    /// Height and width of the kernel.
    pub size: [usize; 2],
    /// Step between neighbouring windows.
    pub strides: [usize; 2],
    /// Distance between neighbouring taps.
    pub rates: [usize; 2],
    /// Rule for the size of the output.
    pub padding: Padding,
    /// What lies outside the image, with same padding.
    pub border: Border,
    /// Who gets the gradient where several candidates are the largest.
    pub ties: Ties,
    /// The structuring functions; zero by default, which is a flat dilation.
    pub kernel: Weight<T>,
    /// Added to each filter; none by default.
    pub bias: Option<Weight<T>>,
    /// Applied last.
    pub activation: Activation,
}

impl<T: Real> Default for Dilation2d<T> {
    fn default() -> Self {
        let Window2d { size, strides, rates, padding } = Window2d::default();
        let (border, ties) = (Border::default(), Ties::default());
        let (kernel, bias, activation) = (Weight::zeros(), None, Activation::Linear);
        Self { filters: 1, size, strides, rates, padding, border, ties, kernel, bias, activation }
    }
}

impl<T: Real> Build<T> for Dilation2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { filters, size, strides, rates, padding, border, ties, .. } = self;
        let Self { kernel, bias, activation, .. } = self;
        let window = Window2d { size, strides, rates, padding };
        let scan = Neighbourhood2d { window, border, ties };
        let op = FilterBank2d::<MaxPlus>::new(scan);
        FilterLayer::build(builder, input, op, filters, kernel, bias, activation)
    }
}
