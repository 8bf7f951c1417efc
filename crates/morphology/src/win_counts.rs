//! How often each entry of a kernel won: which entries of a structuring function decide the outputs, and which are dead.
//!
//! The one design choice: a win is what the backward pass says it is. The derivative of the sum of all outputs with respect to an entry is the
//! number of outputs it won, so border, ties and windows without a winner are those of the layer, and there is no second search.

use morphograd_nn::autodiff::{Mode, Params, Tape};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};

use crate::{Filters2d, Lattice, Scan2d};

/// Windows that are counted at once, unless a single image has more: few enough that their sums are exact in single precision.
const WINDOWS: usize = 1 << 20;

/// The wins of every entry of a kernel on some images.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{MaxPlus, win_counts};
///
/// // Of three windows the peak is first the last, then the middle, then the first pixel; the right entry is too low to win.
/// let x = TensorRef::new([1, 1, 5, 1], &[0.0f32, 0.0, 4.0, 0.0, 0.0]);
/// let kernel = TensorRef::new([1, 3, 1, 1], &[0.0, 0.0, -9.0]);
/// let wins = win_counts::<_, MaxPlus>(x, kernel, Window2d { size: [1, 3], ..Window2d::default() })?;
/// assert_eq!(wins.counts().data(), [2.0, 1.0, 0.0]); // the first window is a tie of 0 and 0: its first pixel won
/// assert_eq!((wins.dead(0), wins.largest_share(0)), (1, 2.0 / 3.0));
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WinCounts {
    counts: Tensor<f64>,
}

/// Counts the outputs that each entry of a kernel `[kh, kw, channels, filters]` wins on images `[batch, height, width, channels]`, in a
/// dilation ([`MaxPlus`](crate::MaxPlus)) or an erosion ([`MinMinus`](crate::MinMinus), with a minus before the derivative):
/// $$n_{d,c,f} = \sum_{b,i,j} \frac{\partial}{\partial w_{d,c,f}} \max_{e} \; x_{b,\,s i + r e - p,\,c} + w_{e,c,f}.$$
///
/// A filter has one winner for each window and channel. At ties it is the one that gets the gradient ([`Ties`](morphograd_nn::autodiff::Ties)): the
/// first, the last, or a share for each, so that counts are then fractions. What lies outside the image wins as the
/// [`Border`](crate::Border) allows; a window of NaN or of the bottom only counts for the entry to which the backward pass gives its gradient.
///
/// Cost: a forward pass and two additions for each window, channel and filter. Counts are exact up to $2^{24}$ windows an image in single
/// precision, without limit on the number of images.
///
/// # Errors
/// If the shapes do not fit.
pub fn win_counts<T: Real, L: Lattice>(
    x: TensorRef<'_, T>,
    kernel: TensorRef<'_, T>,
    scan: impl Into<Scan2d>,
) -> Result<WinCounts, ShapeError> {
    let op = Filters2d::<L>::new(scan).marginal();
    let (params, mut tape) = (Params::new(), Tape::new());
    // Before the images are divided into groups: this is where all shapes are checked.
    let outputs = {
        let mut graph = tape.record(&params, Mode::Shapes);
        let inputs = [graph.input(x), graph.input(kernel)];
        let y = graph.apply(op, inputs)?;
        graph.shape(y)
    };
    let mut counts = Tensor::zeros(kernel.shape);
    let batch = x.shape.dims()[0];
    if outputs.is_empty() {
        return Ok(WinCounts { counts });
    }
    let (pixels, per_image) = (x.data.len() / batch, outputs.len() / batch);
    let group = (WINDOWS / per_image).clamp(1, batch);
    let ones = vec![T::one(); group * per_image];
    for images in x.data.chunks(group * pixels) {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let count = images.len() / pixels;
        let &[_, height, width, channels] = x.shape.dims() else { unreachable!("images have rank 4") };
        let images = graph.input(TensorRef::new([count, height, width, channels], images));
        let w = graph.variable(kernel);
        let y = graph.apply(op, [images, w])?;
        graph.backward_with(y, &ones[..count * per_image]);
        let wins = graph.grad(w).expect("the outputs depend on the kernel");
        counts.data_mut().iter_mut().zip(wins).for_each(|(sum, wins)| *sum += L::SIGN * wins.f64());
    }
    Ok(WinCounts { counts })
}

impl WinCounts {
    /// The counts, in the kernel's shape `[kh, kw, channels, filters]`.
    pub fn counts(&self) -> &Tensor<f64> {
        &self.counts
    }

    /// How many filters there are.
    pub fn filters(&self) -> usize {
        self.shape().dims()[3]
    }

    /// How many entries of a filter are dead: they won nothing, so that no gradient reaches them from these images.
    ///
    /// # Panics
    /// If there is no such filter.
    pub fn dead(&self, filter: usize) -> usize {
        self.of(filter).filter(|wins| *wins == 0.0).count()
    }

    /// The share of a filter's wins that its winner-most entry has, in [0, 1]: 1 where one entry wins always (the filter then shifts the image
    /// and adds a number), one in the number of entries where all win equally often; 0 without a window.
    ///
    /// # Panics
    /// If there is no such filter.
    pub fn largest_share(&self, filter: usize) -> f64 {
        let (largest, all) =
            self.of(filter).fold((0.0, 0.0), |(largest, all), wins| (wins.max(largest), all + wins));
        if all > 0.0 { largest / all } else { 0.0 }
    }

    fn shape(&self) -> Shape {
        self.counts.shape()
    }

    fn of(&self, filter: usize) -> impl Iterator<Item = f64> {
        let filters = self.filters();
        assert!(filter < filters, "filter {filter} of {filters}");
        self.counts.data().iter().skip(filter).step_by(filters).copied()
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::Window2d;

    use super::*;
    use crate::{MaxPlus, MinMinus};

    #[test]
    fn images_that_are_counted_in_groups_are_all_counted() {
        let (height, width) = (300, 1000);
        let ramps = Tensor::<f32>::from_fn([7, height, width, 1], |i| (i % width) as f32);
        let window = Window2d { size: [1, 2], ..Window2d::default() };
        let kernel = Tensor::zeros([1, 2, 1, 1]);
        let all = (7 * height * (width - 1)) as f64;
        let most = win_counts::<_, MaxPlus>(ramps.view(), kernel.view(), window).unwrap();
        assert_eq!(most.counts().data(), [0.0, all]);
        // An erosion mirrors its kernel: the left pixel goes with the last entry.
        let least = win_counts::<_, MinMinus>(ramps.view(), kernel.view(), window).unwrap();
        assert_eq!(least.counts().data(), [0.0, all]);
    }

    #[test]
    fn no_images_have_no_wins() {
        let (x, kernel) = (Tensor::<f32>::zeros([0, 4, 4, 1]), Tensor::zeros([2, 2, 1, 3]));
        let window = Window2d { size: [2, 2], ..Window2d::default() };
        let wins = win_counts::<_, MaxPlus>(x.view(), kernel.view(), window).unwrap();
        assert_eq!((wins.filters(), wins.dead(2), wins.largest_share(2)), (3, 4, 0.0));
    }

    #[test]
    fn a_kernel_of_other_channels_is_refused() {
        let (x, kernel) = (Tensor::<f32>::zeros([1, 4, 4, 2]), Tensor::zeros([2, 2, 1, 3]));
        let window = Window2d { size: [2, 2], ..Window2d::default() };
        let error = win_counts::<_, MaxPlus>(x.view(), kernel.view(), window).unwrap_err();
        assert_eq!(
            error.to_string(),
            "dilation2d: expected a kernel [2, 2, 2, filters], found shape [2, 2, 1, 3]"
        );
    }
}
