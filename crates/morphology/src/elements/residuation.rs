//! Identification of structuring functions in closed form: the greatest kernel whose dilation stays
//! below a target.
//!
//! The one design choice: the kernel is found by residuation, a minimum of differences in one pass
//! over the images; the residual is then measured with the very operations that layers use, so that
//! it says how well the kernel does there.

use morphograd_nn::autodiff::evaluate;
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef, Window2d, parallel};

use crate::dilation::depthwise::Depthwise2d;
use crate::dilation::filter_bank::FilterBank2d;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::{Lattice, MaxPlus, MinMinus};
use crate::neighbourhood::window_layout::WindowLayout;

/// Into how many pieces the images are cut at most; minima do not depend on it.
const PIECES: usize = 16;

/// Identifies a kernel from images `x` `[batch, height, width, channels]` and targets `y`
/// `[batch, rows, columns, outputs]`, where `outputs` is `channels` (each channel has its own
/// kernel), or `channels` is 1 (each filter has its own kernel).
///
/// A dilation is at most $y$ exactly if every candidate is, $x_{s i + r d - p} + w_d \le y_i$, so
/// the greatest solution of $\delta_w(x) \le y$ is
/// $$\hat w_d = \min_i \; y_i - x_{s i + r d - p},$$
/// the minimum over the positions at which the tap lies in the image. If any kernel gives
/// $\delta_w(x) = y$, then $\hat w$ does, and $w \le \hat w$: what no image asks for is
/// overestimated. If the residual is not 0, no kernel gives $y$: there is no better one *below* the
/// target. A sum over several channels has no greatest solution and is not identified here.
///
/// Dually, the erosion is the smaller the greater its kernel is, and the greatest kernel with
/// $\varepsilon_w(x) \ge y$ is $\hat w_{k-1-d} = \min_i \; x_{s i + r d - p} - y_i$.
///
/// Where nothing bounds an entry (its tap never lies in an image, or only where $x = -\infty$ or
/// $y = +\infty$) it is `max`. Values are exact up to the rounding of the difference. Deterministic
/// and parallel over the batch. Cost: that of one dilation of the images, and one more for the
/// residual. Source: R. Cuninghame-Green, *Minimax Algebra* (1979).
///
/// ```
/// use morphograd_morphology::{
///     Residuation, dilation2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::random::Stream,
///     nn::tensor::{Tensor, Window2d},
/// };
/// let mut noise = Stream::new(1, "noise", 0);
/// let x = Tensor::from_fn([1, 14, 14, 1], |_| noise.uniform());
/// let hidden = Tensor::from_vec([1, 3, 1], vec![-0.5, 0.0, -0.25])?;
/// let window = Window2d::new([1, 3]);
/// let (params, mut tape) = (Params::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let (image, kernel) = (graph.input(x.view()), graph.input(hidden.view()));
/// let y = dilation2d(&mut graph, image, kernel, window)?;
///
/// let found = Residuation::new(window).dilation(x.view(), graph.value(y))?;
/// assert!(found.residual.largest < 1e-15);
/// assert!(
///     found
///         .kernel
///         .data()
///         .iter()
///         .zip(hidden.data())
///         .all(|(found, hidden)| (found - hidden).abs() < 1e-15)
/// );
///
/// // A warm start: `FilterBank2d`, with one channel, has its kernel in the same order.
/// let mut params = Params::new();
/// let kernel = params.add("dilation.kernel", Tensor::zeros([1, 3, 1, 1]), None)?;
/// params.update(kernel, |w| w.copy_from_slice(found.kernel.data()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Residuation {
    /// Where the taps lie.
    pub window: Window2d,
    /// Upper bound of the entries. The result is the greatest kernel below it; a finite one makes a
    /// warm start that trains.
    pub max: f64,
}

/// A kernel and how well it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified<T> {
    /// The kernel `[kh, kw, outputs]`.
    pub kernel: Tensor<T>,
    /// The difference between the target and what the kernel gives.
    pub residual: Residual,
}

/// A difference of images. Equal infinities differ by 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Residual {
    /// The largest absolute value, 0 if there are no pixels.
    pub largest: f64,
    /// The sum of the squares.
    pub squares: f64,
}

impl Residuation {
    /// Identification without an upper bound.
    pub fn new(window: Window2d) -> Self {
        Self { window, max: f64::INFINITY }
    }

    /// The greatest kernel $w \le \max$ with $\delta_w(x) \le y$.
    ///
    /// # Errors
    /// If the shapes do not fit, or a value is NaN.
    pub fn dilation<T: Real>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
    ) -> Result<Identified<T>, ShapeError> {
        self.identify::<T, MaxPlus>(x, y)
    }

    /// The greatest kernel $w \le \max$ with $\varepsilon_w(x) \ge y$, the erosion over the adjoint
    /// window (as [`erosion2d`](crate::erosion2d)).
    ///
    /// # Errors
    /// If the shapes do not fit, or a value is NaN.
    pub fn erosion<T: Real>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
    ) -> Result<Identified<T>, ShapeError> {
        Self { window: self.window.adjoint(), ..*self }.identify::<T, MinMinus>(x, y)
    }

    pub(super) fn identify<T: Real, L: Lattice>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
    ) -> Result<Identified<T>, ShapeError> {
        let place = WindowLayout::new(NAME, self.window, Border::Infinity, x.shape)?;
        let (batch, [rows, columns]) = (place.batch, place.extent.output);
        let outputs = match *y.shape.dims() {
            [b, r, c, outputs]
                if [b, r, c] == [batch, rows, columns]
                    && (place.channels == 1 || place.channels == outputs) =>
            {
                outputs
            }
            _ => {
                let filters =
                    if place.channels == 1 { "filters".into() } else { place.channels.to_string() };
                let expected = format!("targets [{batch}, {rows}, {columns}, {filters}]");
                return Err(ShapeError::new(NAME, expected, format!("shape {}", y.shape)));
            }
        };
        for (what, values) in [("image", x.data), ("target", y.data)] {
            if let Some(at) = values.iter().position(|v| v.is_nan()) {
                return Err(ShapeError::new(
                    NAME,
                    "numbers",
                    format!("NaN at {what} position {at}"),
                ));
            }
        }
        let [kh, kw] = self.window.size;
        let mut kernel = Tensor::filled([kh, kw, outputs], T::of(self.max));
        minima::<T, L>(&place, x, y, outputs, kernel.data_mut());
        let residual = residual::<T, L>(self.window, x, y, &kernel)?;
        Ok(Identified { kernel, residual })
    }
}

/// Lowers each entry of the kernel to the least difference at its tap.
fn minima<T: Real, L: Lattice>(
    place: &WindowLayout,
    x: TensorRef<'_, T>,
    y: TensorRef<'_, T>,
    outputs: usize,
    kernel: &mut [T],
) {
    let ([rows, columns], channels) = (place.extent.output, place.channels);
    let lines = x.shape.dims()[0] * rows;
    if kernel.is_empty() || lines == 0 {
        return;
    }
    let length = lines.div_ceil(PIECES);
    let mut partial = vec![T::infinity(); lines.div_ceil(length) * kernel.len()];
    let image_len = place.image_len();
    parallel::for_each_piece(&mut partial, kernel.len(), |piece, least| {
        for line in piece * length..((piece + 1) * length).min(lines) {
            let (image, i) = (&x.data[line / rows * image_len..][..image_len], line % rows);
            for tap in 0..place.window.taps() {
                let least = &mut least[place.entry::<L>(tap) * outputs..][..outputs];
                for j in 0..columns {
                    let Some(pixel) = place.seen([i, j], tap) else { continue };
                    let target = &y.data[(line * columns + j) * outputs..][..outputs];
                    for (c, (least, y)) in least.iter_mut().zip(target).enumerate() {
                        let x = image[pixel * channels + if channels == 1 { 0 } else { c }];
                        let bound = if L::SIGN > 0.0 { *y - x } else { x - *y };
                        // Of equal infinities the difference is NaN, and no entry is too large: NaN
                        // is never less.
                        *least = if bound < *least { bound } else { *least };
                    }
                }
            }
        }
    });
    for least in partial.chunks_exact(kernel.len()) {
        kernel
            .iter_mut()
            .zip(least)
            .for_each(|(w, least)| *w = if *least < *w { *least } else { *w });
    }
}

fn residual<T: Real, L: Lattice>(
    window: Window2d,
    x: TensorRef<'_, T>,
    y: TensorRef<'_, T>,
    kernel: &Tensor<T>,
) -> Result<Residual, ShapeError> {
    let mut residual = Residual::default();
    for (y, found) in y.data.iter().zip(values::<T, L>(window, x, kernel.view())?.data()) {
        if y != found {
            let difference = (y.f64() - found.f64()).abs();
            residual.largest = residual.largest.max(difference);
            residual.squares += difference * difference;
        }
    }
    Ok(residual)
}

/// What a kernel `[kh, kw, outputs]` gives: channel by channel, or filter by filter of one channel.
pub(super) fn values<T: Real, L: Lattice>(
    window: Window2d,
    x: TensorRef<'_, T>,
    kernel: TensorRef<'_, T>,
) -> Result<Tensor<T>, ShapeError> {
    let &[kh, kw, outputs] = kernel.shape.dims() else { unreachable!("made with three axes") };
    if x.shape.dims()[3] == outputs {
        return evaluate([x, kernel], |g, inputs| g.apply(Depthwise2d::<L>::new(window), inputs));
    }
    let filters = TensorRef::new([kh, kw, 1, outputs], kernel.data);
    evaluate([x, filters], |g, inputs| g.apply(FilterBank2d::<L>::new(window), inputs))
}

pub(super) const NAME: &str = "residuation";
