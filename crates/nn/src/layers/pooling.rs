//! Pooling: each channel of an image, reduced over a sliding window.
//!
//! The one design choice: a window covers the pixels that exist. Padding has no value, so it never
//! wins a maximum and never dilutes a mean; the loops run over neighbouring channels, a vector at a
//! time. The kernels of the maxima are in `pooling/maxima.rs`.

mod geometry;
mod maxima;

use morphograd_autodiff::tensor::simd::{Kernel, dispatch, dispatch_vectors};
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Taps2d, Window2d, parallel};
use morphograd_autodiff::{Backward, Forward, Graph, Op, Params, Ties, Var};

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

use geometry::{LANES, for_channels, for_each_pixel, for_each_window, lanes, lanes_mut};
use maxima::{Maxima, Parts, Winners};

/// $y_{ijc} = \max_{d} x_{s i + d_0,\, s j + d_1,\, c}$ over the pixels of the window inside the
/// image: `[batch, height, width, channels]` → `[batch, height', width', channels]`.
///
/// The gradient goes to the **first** maximum in raster order of the window, unless another rule is
/// chosen ([`Ties`]). NaN counts as larger than every number, so a NaN in the window is the result,
/// and the NaNs of a window are tied with one another. The default is 2 x 2 pixels, strides equal
/// to the size, valid padding, as in Keras. Cost: one comparison a pixel of the window; while
/// training, one number an output, or with equal parts two more comparisons a pixel in the backward
/// pass.
///
/// ```
/// use morphograd_nn::{MaxPool2d, Sequential, autodiff::Params, tensor::Window2d};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("pool", MaxPool2d::default())
///     .add(
///         "dilation",
///         MaxPool2d { window: Window2d::new([3, 3]).same(), ..MaxPool2d::default() },
///     )
///     .build_model(&mut params, 42, [25, 25, 8])?;
/// assert_eq!(model.output().dims(), [12, 12, 8]);
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool2d {
    /// The sliding window, without gaps between its pixels; [`Window2d::tiles`] for windows side by
    /// side.
    pub window: Window2d,
    /// Who gets the gradient where the maximum is reached more than once.
    pub ties: Ties,
}

/// The mean instead of the maximum of [`MaxPool2d`], of the pixels of the window inside the image
/// (with same padding, windows at the border are divided by the number of pixels they really
/// cover). The gradient is shared equally among those pixels. Same default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool2d {
    /// The sliding window, without gaps between its pixels; [`Window2d::tiles`] for windows side by
    /// side.
    pub window: Window2d,
}

impl Default for MaxPool2d {
    fn default() -> Self {
        Self { window: Window2d::tiles([2, 2]), ties: Ties::default() }
    }
}

impl Default for AvgPool2d {
    fn default() -> Self {
        Self { window: Window2d::tiles([2, 2]) }
    }
}

impl<T: Real> Build<T> for MaxPool2d {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> Build<T> for AvgPool2d {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> Layer<T> for MaxPool2d {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        graph.apply(*self, [x])
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

impl<T: Real> Layer<T> for AvgPool2d {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        graph.apply(*self, [x])
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

impl MaxPool2d {
    fn taps(&self, input: Shape) -> Result<Taps2d, ShapeError> {
        taps("max_pool2d", self.window, input)
    }
}

impl<T: Real> Op<T> for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let size = self.window.size;
        if size[0].saturating_mul(size[1]) > MOST_PIXELS {
            let found = format!("size {size:?}");
            return Err(ShapeError::new("max_pool2d", "a window of at most 2^24 pixels", found));
        }
        self.taps(inputs[0]).map(|taps| taps.output(taps.channels))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let taps = self.taps(pass.inputs[0].shape).expect("checked by infer");
        let x = pass.inputs[0].data;
        let (in_image, out_image) = (taps.image_len(), taps.windows() * taps.channels);
        let image = |i: usize| &x[i * in_image..(i + 1) * in_image];
        if pass.output.is_empty() {
            return;
        }
        let last = self.ties == Ties::Last;
        if !pass.needs_grad || self.ties == Ties::Split {
            return parallel::for_each_piece(pass.output, out_image, |i, y| {
                dispatch_vectors(Maxima { taps: &taps, x: image(i), last, y, winners: None });
            });
        }
        let winners = &mut pass.saved.values;
        winners.resize(pass.output.len(), T::zero());
        parallel::for_each_pair((pass.output, out_image), (winners, out_image), |i, y, winners| {
            dispatch_vectors(Maxima { taps: &taps, x: image(i), last, y, winners: Some(winners) });
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let taps = self.taps(pass.inputs[0].shape).expect("checked by infer");
        let (in_image, out_image) = (taps.image_len(), taps.windows() * taps.channels);
        if dx.is_empty() {
            return;
        }
        parallel::for_each_piece(dx, in_image, |i, dx| {
            let outputs = i * out_image..(i + 1) * out_image;
            let g = &pass.grad_output[outputs.clone()];
            if self.ties == Ties::Split {
                dx.fill(T::zero());
                let x = &pass.inputs[0].data[i * in_image..(i + 1) * in_image];
                return dispatch(Parts { taps: &taps, x, y: &pass.output.data[outputs], dx, g });
            }
            dispatch_vectors(Winners { taps: &taps, winners: &pass.saved.values[outputs], dx, g });
        });
    }

    fn overwrites(&self) -> bool {
        true
    }
}

impl AvgPool2d {
    fn taps(&self, input: Shape) -> Result<Taps2d, ShapeError> {
        taps("avg_pool2d", self.window, input)
    }
}

impl<T: Real> Op<T> for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.taps(inputs[0]).map(|taps| taps.output(taps.channels))
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let taps = self.taps(pass.inputs[0].shape).expect("checked by infer");
        let (in_image, out_image) = (taps.image_len(), taps.windows() * taps.channels);
        let x = pass.inputs[0].data;
        if pass.output.is_empty() {
            return;
        }
        parallel::for_each_piece(pass.output, out_image, |i, y| {
            dispatch(Means { taps: &taps, x: &x[i * in_image..(i + 1) * in_image], y });
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let taps = self.taps(pass.inputs[0].shape).expect("checked by infer");
        let out_image = taps.windows() * taps.channels;
        if dx.is_empty() {
            return;
        }
        parallel::for_each_piece(dx, taps.image_len(), |i, dx| {
            dx.fill(T::zero());
            dispatch(Shares {
                taps: &taps,
                dx,
                g: &pass.grad_output[i * out_image..(i + 1) * out_image],
            });
        });
    }

    fn overwrites(&self) -> bool {
        true
    }
}

fn taps(operation: &'static str, window: Window2d, input: Shape) -> Result<Taps2d, ShapeError> {
    if window.rates != [1, 1] {
        let found = format!("rates {:?}", window.rates);
        return Err(ShapeError::new(operation, "a window without gaps, rates [1, 1]", found));
    }
    Taps2d::new(operation, window, input)
}

/// Pixels of the largest window of a maximum: the number of the pixel that wins is kept as `f32`,
/// which is exact up to here.
const MOST_PIXELS: usize = 1 << 24;

/// The means of one image.
struct Means<'a, T> {
    taps: &'a Taps2d,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Means<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let taps = self.taps;
        for_each_window(taps, |pixel, rows, columns| {
            let count = T::of((rows.len() * columns.len()) as f64);
            for_channels!(taps.channels, |channel, N| {
                let mut sum = [T::zero(); N];
                for_each_pixel(taps, rows.clone(), columns.clone(), channel, |at| {
                    let x = lanes::<T, N>(self.x, at);
                    (0..N).for_each(|c| sum[c] += x[c]);
                });
                *lanes_mut::<_, N>(self.y, pixel * taps.channels + channel) =
                    sum.map(|sum| sum / count);
            });
        });
    }
}

/// The gradient of the means of one image.
struct Shares<'a, T> {
    taps: &'a Taps2d,
    dx: &'a mut [T],
    g: &'a [T],
}

impl<T: Real> Kernel for Shares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let taps = self.taps;
        for_each_window(taps, |pixel, rows, columns| {
            let count = T::of((rows.len() * columns.len()) as f64);
            for_channels!(taps.channels, |channel, N| {
                let share =
                    lanes::<T, N>(self.g, pixel * taps.channels + channel).map(|g| g / count);
                for_each_pixel(taps, rows.clone(), columns.clone(), channel, |at| {
                    let dx = lanes_mut::<T, N>(self.dx, at);
                    (0..N).for_each(|c| dx[c] += share[c]);
                });
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mode, Params, Tape};
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    /// Windows that fit a 5 x 6 image, and images of enough channels for both the wide and the
    /// narrow loop.
    fn case(tied: bool) -> impl Strategy<Value = (MaxPool2d, Tensor<f64>)> {
        let channels = prop_oneof![Just(1usize), Just(3), Just(8), Just(9), Just(13), Just(20)];
        let ties = prop_oneof![Just(Ties::First), Just(Ties::Last), Just(Ties::Split)];
        (strategy::window(), any::<bool>(), ties, 1..3usize, channels).prop_flat_map(
            move |(w, own, ties, batch, channels)| {
                let strides = if own { w.strides } else { w.size };
                let window = w.strides(strides).rates([1, 1]);
                let pool = MaxPool2d { window, ties };
                let shape = [batch, 5, 6, channels];
                let x = if tied {
                    strategy::tied_tensor(shape).boxed()
                } else {
                    strategy::tensor(shape).boxed()
                };
                (Just(pool), x)
            },
        )
    }

    fn average(pool: MaxPool2d) -> AvgPool2d {
        AvgPool2d { window: pool.window }
    }

    /// The pixels of every window inside the image, in raster order, and the output's shape.
    fn windows(pool: MaxPool2d, x: &Tensor<f64>) -> Vec<Vec<usize>> {
        let window = pool.window;
        let &[batch, height, width, channels] = x.shape().dims() else { unreachable!() };
        let extent = window.extent([height, width]).unwrap();
        let mut all = Vec::new();
        for n in 0..batch {
            for i in 0..extent.output[0] {
                for j in 0..extent.output[1] {
                    for c in 0..channels {
                        let mut taps = Vec::new();
                        for d in 0..window.taps() {
                            let row = (i * window.strides[0] + d / window.size[1]) as isize
                                - extent.before[0] as isize;
                            let column = (j * window.strides[1] + d % window.size[1]) as isize
                                - extent.before[1] as isize;
                            if (0..height as isize).contains(&row)
                                && (0..width as isize).contains(&column)
                            {
                                taps.push(
                                    ((n * height + row as usize) * width + column as usize)
                                        * channels
                                        + c,
                                );
                            }
                        }
                        all.push(taps);
                    }
                }
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gradients_agree_with_differences((pool, x) in case(false)) {
            check_op(pool, std::slice::from_ref(&x));
            check_op(average(pool), std::slice::from_ref(&x));
        }

        #[test]
        fn values_and_gradients_agree_with_the_definition_with_and_without_ties(
            (pool, x) in prop_oneof![case(false), case(true)],
        ) {
            let windows = windows(pool, &x);
            let g: Vec<f64> = (0..windows.len()).map(|i| (i as f64).sin()).collect();
            let (mut y, mut dx) = (Vec::new(), vec![0.0; x.data().len()]);
            let (mut mean, mut d_mean) = (Vec::new(), vec![0.0; x.data().len()]);
            for (taps, g) in windows.iter().zip(&g) {
                let top = taps.iter().map(|t| x.data()[*t]).fold(f64::NEG_INFINITY, f64::max);
                let tied: Vec<usize> =
                    taps.iter().copied().filter(|t| x.data()[*t] == top).collect();
                let chosen = match pool.ties {
                    Ties::First => &tied[..1],
                    Ties::Last => &tied[tied.len() - 1..],
                    Ties::Split => &tied[..],
                };
                chosen.iter().for_each(|t| dx[*t] += g / chosen.len() as f64);
                y.push(top);
                mean.push(taps.iter().map(|t| x.data()[*t]).sum::<f64>() / taps.len() as f64);
                taps.iter().for_each(|t| d_mean[*t] += g / taps.len() as f64);
            }
            let found = vjp(pool, std::slice::from_ref(&x), &g);
            prop_assert_eq!(&found.0, &y);
            prop_assert_eq!(&found.1[0], &dx);
            let found = vjp(average(pool), std::slice::from_ref(&x), &g);
            assert_close("mean", &found.0, &mean, 1e-12);
            assert_close("gradient of the mean", &found.1[0], &d_mean, 1e-12);
        }
    }

    #[test]
    fn windows_of_more_pixels_than_are_asked_one_by_one_agree_too() {
        // 16 pixels, of which windows at the border cover fewer; 13 channels: a vector, half a
        // vector and single ones.
        let pool = MaxPool2d {
            window: Window2d::new([4, 4]).strides([3, 2]).same(),
            ..MaxPool2d::default()
        };
        let x = Tensor::from_fn([2, 7, 6, 13], |i| ((i * 37 % 11) as f64 * 0.5).sin());
        let windows = windows(pool, &x);
        let g: Vec<f64> = (0..windows.len()).map(|i| (i as f64).cos()).collect();
        let mut dx = vec![0.0; x.data().len()];
        for (taps, g) in windows.iter().zip(&g) {
            let first = taps
                .iter()
                .fold(taps[0], |best, t| if x.data()[*t] > x.data()[best] { *t } else { best });
            dx[first] += g;
        }
        assert_eq!(vjp(pool, &[x], &g).1[0], dx);
    }

    fn image(rows: usize, x: &[f64]) -> Tensor<f64> {
        Tensor::from_vec([1, rows, x.len() / rows, 1], x.to_vec()).unwrap()
    }

    const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

    #[test]
    fn of_tied_maxima_the_first_the_last_or_all_get_the_gradient() {
        let expected = [[0.0, 6.0, 0.0, 0.0], [0.0, 0.0, 0.0, 6.0], [0.0, 2.0, 2.0, 2.0]];
        for (ties, expected) in RULES.into_iter().zip(expected) {
            let pool = MaxPool2d { ties, ..MaxPool2d::default() };
            let (y, dx) = vjp(pool, &[image(2, &[1.0, 2.0, 2.0, 2.0])], &[6.0]);
            assert_eq!((y, &dx[0][..]), (vec![2.0], &expected[..]), "{ties:?}");
        }
        let expected = [[1.0, 10.0, 0.0], [0.0, 1.0, 10.0], [0.5, 5.5, 5.0]];
        for (ties, expected) in RULES.into_iter().zip(expected) {
            let pool = MaxPool2d { window: Window2d::new([1, 2]), ties };
            assert_eq!(
                vjp(pool, &[image(1, &[3.0, 3.0, 3.0])], &[1.0, 10.0]).1[0],
                expected,
                "{ties:?}"
            );
        }
    }

    #[test]
    fn nan_is_larger_than_everything_and_tied_with_nan() {
        let (inside, at_end) =
            ([f64::NAN, 1.0, f64::INFINITY, 0.0], [0.0, f64::NAN, 1.0, f64::NAN]);
        let expected = [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 0.0, 0.5]];
        for (ties, expected) in RULES.into_iter().zip(expected) {
            let pool = MaxPool2d { ties, ..MaxPool2d::default() };
            for (x, expected) in [(inside, [1.0, 0.0, 0.0, 0.0]), (at_end, expected)] {
                let (y, dx) = vjp(pool, &[image(2, &x)], &[1.0]);
                assert!(y[0].is_nan());
                assert_eq!(dx[0], expected, "{ties:?}");
            }
        }
    }

    #[test]
    fn padding_neither_wins_nor_dilutes() {
        let same = MaxPool2d { window: Window2d::new([3, 3]).same(), ..MaxPool2d::default() };
        let x = [image(1, &[-1.0, -2.0])];
        assert_eq!(vjp(same, &x, &[0.0; 2]).0, [-1.0, -1.0]);
        assert_eq!(vjp(average(same), &x, &[0.0; 2]).0, [-1.5, -1.5]);
        let lowest = [image(1, &[f64::NEG_INFINITY, f64::NEG_INFINITY])];
        assert_eq!(vjp(same, &lowest, &[1.0; 2]).1[0], [2.0, 0.0]);
    }

    #[test]
    fn a_second_image_is_refused() {
        let (params, mut tape) = (Params::<f32>::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Shapes);
        let x = graph.input_with([1, 4, 4, 1], |_| ());
        assert_eq!(
            graph.apply(MaxPool2d::default(), [x, x]).unwrap_err().to_string(),
            "max_pool2d: expected 1 input, found 2"
        );
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let build = |input: &[usize], pool: MaxPool2d| {
            let mut params = Params::<f32>::new();
            let model = Sequential::new().add("pool", pool);
            model.build_model(&mut params, 0, Shape::new(input)).unwrap_err().to_string()
        };
        assert_eq!(
            build(
                &[2, 5, 3],
                MaxPool2d { window: Window2d::tiles([3, 3]), ..MaxPool2d::default() }
            ),
            "pool: max_pool2d: expected a window no larger than the image [2, 5], or same \
             padding, found size [3, 3] at rates [1, 1]"
        );
        assert_eq!(
            build(&[30], MaxPool2d::default()),
            "pool: max_pool2d: expected an input of shape [batch, height, width, channels], found \
             shape [1, 30]"
        );
        let large =
            MaxPool2d { window: Window2d::tiles([usize::MAX, 2]).same(), ..MaxPool2d::default() };
        assert!(
            build(&[4, 4, 1], large)
                .contains("expected a window of at most 2^24 pixels, found size [")
        );
        let error = Op::<f32>::infer(
            &AvgPool2d { window: Window2d::tiles([0, 1]) },
            &[[1, 4, 4, 1].into()],
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "avg_pool2d: expected sizes, strides, rates and an image of at least 1, found size \
             [0, 1], strides [0, 1], rates [1, 1], image [4, 4]"
        );
    }
}
