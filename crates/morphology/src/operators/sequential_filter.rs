//! Families of growing structuring functions: alternating sequential filters, granulometries and
//! pattern spectra.
//!
//! The one design choice: a family is a slice of kernels with their windows, smallest first, so its
//! members may be of any sizes and may be learned.

use morphograd_nn::autodiff::{Graph, Scale, Sub, Var};
use morphograd_nn::tensor::{Real, ShapeError, Window2d};
use morphograd_nn::{AvgPool2d, Layer};

use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::opening::{closing2d, opening2d};
use crate::operators::operator::keeps_size;

/// Which filter of each size an alternating sequential filter begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum First {
    /// $\gamma_n \varphi_n \cdots \gamma_1 \varphi_1$: dark details go first.
    #[default]
    Closing,
    /// $\varphi_n \gamma_n \cdots \varphi_1 \gamma_1$: bright details go first.
    Opening,
}

/// The alternating sequential filter of every channel of `x` `[batch, height, width, channels]` by
/// a family of kernels `[kh, kw, channels]`, smallest first: a closing and an opening by the first
/// kernel, then by the second, and so on.
///
/// It removes noise of both signs, the small before the large, and keeps what is larger than the
/// last kernel. Increasing; idempotent if the openings form a granulometry (see
/// [`granulometry2d`]), and the closings too. Border, ties and the gradient of each step: see
/// [`opening2d`]. Cost: two dilations and two erosions a member. Source: S. R. Sternberg,
/// *Grayscale morphology*, CVGIP 35 (1986); J. Serra, *Image Analysis and Mathematical Morphology*,
/// vol. 2 (1988), ch. 10.
///
/// # Errors
/// If the shapes do not fit, a stride is not 1, or a padding is not same.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{alternating_sequential2d, evaluate, sequential_filter::First};
/// let window = Window2d::new([1, 3]).same();
/// // Noise of both signs on a step.
/// let x = TensorRef::new([1, 1, 10, 1], &[0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 5.0, 1.0, 5.0]);
/// let flat = TensorRef::new([1, 3, 1], &[0.0; 3]);
/// let y = evaluate([x, flat], |graph, [x, w]| {
///     alternating_sequential2d(graph, x, &[(w, window)], First::Closing)
/// })?;
/// assert_eq!(y.data(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn alternating_sequential2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    family: &[(Var, impl Into<Neighbourhood2d> + Copy)],
    first: First,
) -> Result<Var, ShapeError> {
    family.iter().try_fold(x, |x, &(kernel, neighbourhood)| {
        let neighbourhood = keeps_size("alternating sequential filter", neighbourhood)?;
        match first {
            First::Closing => {
                let closed = closing2d(graph, x, kernel, neighbourhood)?;
                opening2d(graph, closed, kernel, neighbourhood)
            }
            First::Opening => {
                let opened = opening2d(graph, x, kernel, neighbourhood)?;
                closing2d(graph, opened, kernel, neighbourhood)
            }
        }
    })
}

/// The openings of `x` `[batch, height, width, channels]` by each member of a family of kernels
/// `[kh, kw, channels]`.
///
/// They are a granulometry, each below the one before, if every member is open with respect to the
/// one before ($\gamma_{k}(w_{k+1}) = w_{k+1}$), as flat squares, rectangles and segments of
/// growing size are. Cost: one opening a member. Source: G. Matheron, *Random Sets and Integral
/// Geometry* (1975).
///
/// # Errors
/// If the shapes do not fit, a stride is not 1, or a padding is not same.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{evaluate, granulometry2d};
/// let segment = |n| Window2d::new([1, n]).same();
/// // Grains of 1 and 3 pixels.
/// let x = TensorRef::new([1, 1, 8, 1], &[0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
/// let (three, five) =
///     (TensorRef::new([1, 3, 1], &[0.0; 3]), TensorRef::new([1, 5, 1], &[0.0; 5]));
/// let found = evaluate([x, three, five], |graph, [x, three, five]| {
///     granulometry2d(graph, x, &[(three, segment(3)), (five, segment(5))])
/// })?;
/// assert_eq!(found[0].data(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
/// assert_eq!(found[1].data(), [0.0; 8]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn granulometry2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    family: &[(Var, impl Into<Neighbourhood2d> + Copy)],
) -> Result<Vec<Var>, ShapeError> {
    let open = |&(kernel, neighbourhood): &(Var, _)| {
        let neighbourhood = keeps_size("granulometry", neighbourhood)?;
        opening2d(graph, x, kernel, neighbourhood)
    };
    family.iter().map(open).collect()
}

/// The pattern spectrum of each channel of each image of `x` `[batch, height, width, channels]`:
/// how much of it disappears between one member of a family of openings and the next. Entry $k$ is
/// $$s_k = \sum_{i,j} \gamma_{k}(x)_{i,j} - \gamma_{k+1}(x)_{i,j}, \qquad \gamma_0(x) = x,$$
/// of shape `[batch, 1, 1, channels]`, as many entries as the family has members.
///
/// Not negative if the openings form a granulometry (see [`granulometry2d`]). The sum of all
/// entries is the image's sum minus that of the last opening. The gradient is that of the openings,
/// see [`opening2d`]. Cost: one opening, one difference and one sum a member. Source: P. Maragos,
/// *Pattern spectrum and multiscale shape representation*, IEEE PAMI 11 (1989).
///
/// # Errors
/// If the shapes do not fit, a stride is not 1, or a padding is not same.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
///     pattern_spectrum2d,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x =
///     // Grains of 1 and 3 pixels.
///     graph.input(TensorRef::new([1, 1, 8, 1], &[0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]));
/// let segment = |n| Window2d::new([1, n]).same();
/// let family = [3, 5].map(|n| (graph.input_with([1, n, 1], |w| w.fill(0.0)), segment(n)));
/// let spectrum = pattern_spectrum2d(&mut graph, x, &family)?;
/// assert_eq!(
///     spectrum.iter().map(|s| graph.value(*s).data[0]).collect::<Vec<_>>(),
///     [1.0, 3.0]
/// );
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn pattern_spectrum2d<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    family: &[(Var, impl Into<Neighbourhood2d> + Copy)],
) -> Result<Vec<Var>, ShapeError> {
    let mut before = x;
    granulometry2d(graph, x, family)?
        .into_iter()
        .map(|opened| {
            let lost = graph.apply(Sub, [before, opened])?;
            before = opened;
            sum_of_pixels(graph, lost)
        })
        .collect()
}

/// The mean over the whole image, times the number of its pixels.
fn sum_of_pixels<T: Real>(graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
    let size = [graph.shape(x).dims()[1], graph.shape(x).dims()[2]];
    let mean = AvgPool2d { window: Window2d::tiles(size) }.forward(graph, x)?;
    graph.apply(Scale((size[0] * size[1]) as f64), [mean])
}
