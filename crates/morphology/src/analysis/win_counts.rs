//! How often each entry of a structuring element or of a dense matrix wins: which entries a
//! dilation, an erosion or a dense product uses, and which are dead.
//!
//! The one design choice: the counts are the kernel's gradient for a gradient of 1 at every output.
//! So the winners are those of the backward pass, ties included, and there is no second rule for
//! them.

use morphograd_nn::autodiff::{Mode, Op, Params, Tape};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef};

use crate::dilation::filter_bank::FilterBank2d;
use crate::layers::correlation::DenseProduct;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// Outputs of one pass, unless a single image has more: `f32` counts them without rounding, and
/// they are a few megabytes.
const OUTPUTS: usize = 1 << 20;

/// How many outputs each entry of the kernel wins, as `[kh, kw, channels, filters]`:
/// $$n_{d,c,f} = \sum_{b,i,j} \frac{\partial}{\partial w_{d,c,f}} \max_e (x_{b,\,s i + r e - p,\,c} + w_{e,c,f}),$$
/// for `MaxPlus`; for `MinMinus` the wins of an erosion's entries. An entry with 0 is dead: no
/// output depends on it, and it gets no gradient.
///
/// Takes images `x` `[batch, height, width, channels]` and a kernel `[kh, kw, channels, filters]`.
/// Ties are resolved by the neighbourhood: with
/// [`Ties::Split`](morphograd_nn::autodiff::Ties::Split) an output gives equal parts of 1 to all
/// that are tied, else the counts are whole. Of each channel and filter they add up to the number
/// of outputs, except where a window has no candidate. Cost: the forward pass of [`FilterBank2d`],
/// and two additions for each output and channel. Exact in `f32` up to $2^{24}$ windows an image,
/// for any number of images.
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{MaxPlus, win_counts};
/// let x = TensorRef::new([1, 1, 4, 1], &[0.0, 5.0, 0.0, 0.0]);
/// let kernel = TensorRef::new([1, 2, 1, 1], &[0.0, -1.0]);
/// let window = Window2d::new([1, 2]);
/// assert_eq!(win_counts::<f32, MaxPlus>(x, kernel, window)?.data(), [2.0, 1.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn win_counts<T: Real, L: Lattice>(
    x: TensorRef<'_, T>,
    kernel: TensorRef<'_, T>,
    neighbourhood: impl Into<Neighbourhood2d>,
) -> Result<Tensor<f64>, ShapeError> {
    let op = FilterBank2d::<L>::new(neighbourhood);
    let outputs = Op::<T>::infer(&op, &[x.shape, kernel.shape])?.len();
    let &[images, height, width, channels] = x.shape.dims() else { unreachable!("inferred") };
    let mut counts = Tensor::zeros(kernel.shape);
    if outputs == 0 {
        return Ok(counts);
    }
    let (params, mut tape) = (Params::new(), Tape::new());
    let (image, outputs) = (x.data.len() / images, outputs / images);
    let group = (OUTPUTS / (outputs * channels)).clamp(1, images);
    let ones = vec![T::one(); group * outputs];
    for images in x.data.chunks(group * image) {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let count = images.len() / image;
        let x = graph.input(TensorRef::new([count, height, width, channels], images));
        let w = graph.variable(kernel);
        let y = graph.apply(op, [x, w])?;
        graph.backward_with(y, &ones[..count * outputs]);
        let wins = graph.grad(w).expect("the output depends on the kernel");
        counts
            .data_mut()
            .iter_mut()
            .zip(wins)
            .for_each(|(count, wins)| *count += L::SIGN * wins.f64());
    }
    Ok(counts)
}

/// How many outputs each entry of a dense matrix wins, as `[n, units]`:
/// $$n_{ij} = \sum_b \frac{\partial}{\partial w_{ij}} \max_k (x_{b,k} + w_{k,j}),$$
/// for [`MaxPlusProduct`](crate::MaxPlusProduct), the same of minima for
/// [`MinPlusProduct`](crate::MinPlusProduct). An input whose row is 0 is used by no unit: see
/// [`prune_inputs`](fn@crate::prune_inputs).
///
/// Takes inputs `x` `[batch, n]` and a matrix `[n, units]`. Ties as the product says. The entries
/// of a column add up to the batch, if there are inputs. Cost: the forward pass of the product and
/// an addition an output. Exact for any batch, but for parts of ties that are split.
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{MaxPlusProduct, dense_win_counts, nn::tensor::TensorRef};
/// let x = TensorRef::new([3, 2], &[0.0, 5.0, 1.0, 0.0, 2.0, 3.0]);
/// let kernel = TensorRef::new([2, 1], &[0.0f32, -0.5]);
/// let counts = dense_win_counts(MaxPlusProduct::default(), x, kernel)?;
/// assert_eq!(counts.data(), [1.0, 2.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn dense_win_counts<T: Real>(
    product: impl DenseProduct<T> + Copy,
    x: TensorRef<'_, T>,
    kernel: TensorRef<'_, T>,
) -> Result<Tensor<f64>, ShapeError> {
    let outputs = product.infer(&[x.shape, kernel.shape])?;
    let mut counts = Tensor::zeros(kernel.shape);
    let (n, units) = (kernel.shape.dims()[0], kernel.shape.dims()[1]);
    if outputs.is_empty() || n == 0 {
        return Ok(counts);
    }
    let (params, mut tape) = (Params::new(), Tape::new());
    let group = (OUTPUTS / units).max(1);
    let ones = vec![T::one(); group.min(outputs.dims()[0]) * units];
    for members in x.data.chunks(group * n) {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let count = members.len() / n;
        let x = graph.input(TensorRef::new([count, n], members));
        let w = graph.variable(kernel);
        let y = graph.apply(product, [x, w])?;
        graph.backward_with(y, &ones[..count * units]);
        let wins = graph.grad(w).expect("the output depends on the matrix");
        for (count, wins) in counts.data_mut().iter_mut().zip(wins) {
            *count += wins.f64();
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::Ties;
    use morphograd_nn::tensor::Window2d;
    use proptest::prelude::*;

    use super::*;
    use crate::{MaxPlus, MaxPlusProduct, MinMinus, MinPlusProduct};

    proptest! {
        #[test]
        fn counts_of_a_matrix_are_those_of_a_walk_over_all_outputs(
            x in prop::collection::vec(0..5i8, 7 * 4),
            w in prop::collection::vec(0..4i8, 4 * 3),
            last in any::<bool>(),
        ) {
            let x: Vec<f32> = x.into_iter().map(f32::from).collect();
            let w: Vec<f32> = w.into_iter().map(f32::from).collect();
            let ties = if last { Ties::Last } else { Ties::First };
            let (mut most, mut least) = (vec![0.0; 12], vec![0.0; 12]);
            for (b, j) in (0..21).map(|o| (o / 3, o % 3)) {
                let candidate = |i: &usize| x[b * 4 + i] + w[i * 3 + j];
                let mut order: Vec<usize> = (0..4).collect();
                if last {
                    order.reverse();
                }
                let best = |sign: f32| {
                    let mut best = order[0];
                    for i in &order {
                        if sign * candidate(i) > sign * candidate(&best) {
                            best = *i;
                        }
                    }
                    best
                };
                most[best(1.0) * 3 + j] += 1.0;
                least[best(-1.0) * 3 + j] += 1.0;
            }
            let (x, w) = (TensorRef::new([7, 4], &x), TensorRef::new([4, 3], &w));
            let found = dense_win_counts(MaxPlusProduct { ties }, x, w).unwrap();
            prop_assert_eq!(found.data(), &most[..]);
            let found = dense_win_counts(MinPlusProduct { ties }, x, w).unwrap();
            prop_assert_eq!(found.data(), &least[..]);
        }

        #[test]
        fn counts_are_those_of_a_walk_over_all_windows(
            x in prop::collection::vec(0..4i8, 2 * 5 * 6 * 2),
            w in prop::collection::vec(0..3i8, 2 * 3 * 2 * 3),
            last in any::<bool>(),
        ) {
            let x: Vec<f32> = x.into_iter().map(f32::from).collect();
            let w: Vec<f32> = w.into_iter().map(f32::from).collect();
            let ties = if last { Ties::Last } else { Ties::First };
            let window = Window2d::new([2, 3]);
            let neighbourhood = Neighbourhood2d { ties, ..window.into() };
            let (images, kernel) =
                (TensorRef::new([2, 5, 6, 2], &x), TensorRef::new([2, 3, 2, 3], &w));
            let (mut dilated, mut eroded) = (vec![0.0; w.len()], vec![0.0; w.len()]);
            for (b, i, j) in (0..2 * 4 * 4).map(|n| (n / 16, n / 4 % 4, n % 4)) {
                for (c, f) in (0..6).map(|n| (n / 3, n % 3)) {
                    let (mut most, mut least) = ((f32::NEG_INFINITY, 0), (f32::INFINITY, 0));
                    for d in 0..6 {
                        let tap = if last { 5 - d } else { d };
                        let pixel = x[((b * 5 + i + tap / 3) * 6 + j + tap % 3) * 2 + c];
                        let entry = |d: usize| (d * 2 + c) * 3 + f;
                        let (up, down) = (pixel + w[entry(tap)], pixel - w[entry(5 - tap)]);
                        if up > most.0 {
                            most = (up, entry(tap));
                        }
                        if down < least.0 {
                            least = (down, entry(5 - tap));
                        }
                    }
                    dilated[most.1] += 1.0;
                    eroded[least.1] += 1.0;
                }
            }
            let found = win_counts::<f32, MaxPlus>(images, kernel, neighbourhood).unwrap();
            prop_assert_eq!(found.data(), &dilated[..]);
            let found = win_counts::<f32, MinMinus>(images, kernel, neighbourhood).unwrap();
            prop_assert_eq!(found.data(), &eroded[..]);
        }
    }

    #[test]
    fn no_images_have_no_winners_and_wrong_shapes_are_refused() {
        let (kernel, window) = (TensorRef::new([2, 2, 1, 1], &[0.0f32; 4]), Window2d::new([2, 2]));
        let none =
            win_counts::<f32, MaxPlus>(TensorRef::new([0, 3, 3, 1], &[]), kernel, window).unwrap();
        assert_eq!(none.data(), [0.0; 4]);
        let error =
            win_counts::<f32, MaxPlus>(TensorRef::new([9], &[0.0; 9]), kernel, window).unwrap_err();
        assert!(error.to_string().contains("an input of shape [batch, "), "{error}");
    }

    #[test]
    fn members_that_are_counted_in_groups_are_all_counted() {
        let units = OUTPUTS / 2;
        let (x, w) = (Tensor::<f32>::from_fn([5, 1], |i| i as f32), Tensor::zeros([1, units]));
        let found = dense_win_counts(MaxPlusProduct::default(), x.view(), w.view()).unwrap();
        assert!(found.data().iter().all(|count| *count == 5.0));
    }

    #[test]
    fn images_that_are_counted_in_groups_are_all_counted() {
        let (height, width) = (300, 1000);
        let ramps = Tensor::<f32>::from_fn([7, height, width, 1], |i| (i % width) as f32);
        let window = Window2d::new([1, 2]);
        let kernel = Tensor::zeros([1, 2, 1, 1]);
        let all = (7 * height * (width - 1)) as f64;
        let most = win_counts::<_, MaxPlus>(ramps.view(), kernel.view(), window).unwrap();
        assert_eq!(most.data(), [0.0, all]);
        // An erosion mirrors its kernel: the left pixel goes with the last entry.
        let least = win_counts::<_, MinMinus>(ramps.view(), kernel.view(), window).unwrap();
        assert_eq!(least.data(), [0.0, all]);
    }
}
