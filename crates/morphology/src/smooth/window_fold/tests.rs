//! The smooth operators against their formulas, written as loops over what meets under each window,
//! and the laws that tie them to the sharp ones.

use super::*;
use crate::smooth::alpha_softmax::AlphaSoftmax;
use crate::smooth::log_sum_exp::{LogSumExp, log_sum_exp_gap};
use crate::smooth::p_convolution::CounterHarmonic;
use morphograd_nn::tensor::Tensor;
use morphograd_testkit::{assert_close, check_op, strategy, vjp};
use proptest::prelude::*;

/// An image, a kernel for filters or (0 filters) for each channel, and sharpnesses in [-1, 1), one
/// or one for each output.
fn case() -> impl Strategy<Value = (Window2d, [Tensor<f64>; 3])> {
    // Some fill the lanes with filters of two channels, some leave a rest.
    let filters = prop_oneof![Just(0usize), Just(1), Just(3), Just(5), Just(9)];
    (strategy::window(), 1..=2usize, filters, any::<bool>()).prop_flat_map(
        |(window, channels, filters, shared)| {
            let [kh, kw] = window.size;
            let kernel = match filters {
                0 => Shape::from([kh, kw, channels]),
                _ => [kh, kw, channels, filters].into(),
            };
            let outputs = if filters == 0 { channels } else { filters };
            let sharpness = if shared { Shape::scalar() } else { [outputs].into() };
            let [x, w, s] =
                [Shape::from([2, 5, 6, channels]), kernel, sharpness].map(strategy::tensor);
            (Just(window), (x, w, s).prop_map(|(x, w, s)| [x, w, s]))
        },
    )
}

fn with_sharpness([x, w, s]: &[Tensor<f64>; 3], f: impl Fn(f64) -> f64) -> [Tensor<f64>; 3] {
    [x.clone(), w.clone(), Tensor::from_fn(s.shape(), |i| f(s.data()[i]))]
}

/// The pixels and entries that meet under one window in one channel, and the sharpness.
type Meeting = (Vec<(f64, f64)>, f64);

/// For every output, for every channel that it sums: what meets inside the image.
fn meetings(window: Window2d, [x, w, s]: &[Tensor<f64>; 3], mirrored: bool) -> Vec<Vec<Meeting>> {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let filters = w.shape().dims().get(3).copied();
    let extent = window.extent([height, width]).unwrap();
    let [rows, columns] = extent.output;
    let mut all = Vec::new();
    for (b, i, j) in
        (0..batch * rows * columns).map(|n| (n / rows / columns, n / columns % rows, n % columns))
    {
        for output in 0..filters.unwrap_or(channels) {
            let summed = if filters.is_some() { 0..channels } else { output..output + 1 };
            all.push(
                summed
                    .map(|c| {
                        let mut pairs = Vec::new();
                        for tap in 0..window.taps() {
                            let [kh, kw] = window.size;
                            let at = |axis: usize, i: usize, d: usize| {
                                (i * window.strides[axis] + d * window.rates[axis]) as isize
                                    - extent.before[axis] as isize
                            };
                            let (row, column) = (at(0, i, tap / kw), at(1, j, tap % kw));
                            if row < 0
                                || column < 0
                                || row >= height as isize
                                || column >= width as isize
                            {
                                continue;
                            }
                            let pixel = x.data()[((b * height + row as usize) * width
                                + column as usize)
                                * channels
                                + c];
                            let entry = if mirrored { kh * kw - 1 - tap } else { tap };
                            let entry = filters.map_or(entry * channels + c, |f| {
                                (entry * channels + c) * f + output
                            });
                            pairs.push((pixel, w.data()[entry]));
                        }
                        (pairs, s.data()[output % s.data().len()])
                    })
                    .collect(),
            );
        }
    }
    all
}

/// The sums over channels of what `f` makes of the pairs and the sharpness.
fn naive(
    window: Window2d,
    inputs: &[Tensor<f64>; 3],
    mirrored: bool,
    f: impl Fn(&[(f64, f64)], f64) -> f64,
) -> Vec<f64> {
    meetings(window, inputs, mirrored)
        .iter()
        .map(|all| all.iter().map(|(pairs, s)| f(pairs, *s)).sum())
        .collect()
}

fn run<F: Family>(window: Window2d, inputs: &[Tensor<f64>; 3]) -> Vec<f64> {
    let n = meetings(window, inputs, false).len();
    vjp(Smooth2d::<F>::new(window), inputs, &vec![0.0; n]).0
}

fn maximum(pairs: &[(f64, f64)]) -> f64 {
    pairs.iter().map(|(x, w)| x + w).fold(f64::NEG_INFINITY, f64::max)
}

fn minimum(pairs: &[(f64, f64)], sign: f64) -> f64 {
    pairs.iter().map(|(x, w)| x + sign * w).fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gradients_agree_with_differences((window, inputs) in case()) {
        let beta = with_sharpness(&inputs, |s| 2.5 + 2.0 * s);
        check_op(Smooth2d::<LogSumExp<false>>::new(window), &beta);
        check_op(Smooth2d::<LogSumExp<true>>::new(window), &beta);
        let of_both_signs = with_sharpness(&inputs, |s| 4.0 * s);
        check_op(Smooth2d::<AlphaSoftmax>::new(window), &of_both_signs);
        check_op(Smooth2d::<CounterHarmonic>::new(window), &of_both_signs);
    }

    #[test]
    fn values_are_those_of_the_formulas((window, inputs) in case()) {
        let beta = with_sharpness(&inputs, |s| 2.5 + 2.0 * s);
        // A window without a pixel gives the logarithm of 0.
        let dilated = naive(window, &beta, false, |pairs, b| {
            pairs.iter().map(|(x, w)| (b * (x + w)).exp()).sum::<f64>().ln() / b
        });
        let eroded = naive(window, &beta, true, |pairs, b| {
            -pairs.iter().map(|(x, w)| (-b * (x - w)).exp()).sum::<f64>().ln() / b
        });
        let quotient = |pairs: &[(f64, f64)],
                        value: &dyn Fn(f64, f64) -> f64,
                        weight: &dyn Fn(f64, f64) -> f64| {
            let below: f64 = pairs.iter().map(|(x, w)| weight(*x, *w)).sum();
            if pairs.is_empty() {
                0.0
            } else {
                pairs.iter().map(|(x, w)| value(*x, *w) * weight(*x, *w)).sum::<f64>() / below
            }
        };
        let alpha = with_sharpness(&inputs, |s| 4.0 * s);
        let softmax = naive(window, &alpha, false, |pairs, a| {
            quotient(pairs, &|x, w| x + w, &|x, w| (a * (x + w)).exp())
        });
        // On logarithms, as the operation has it.
        let harmonic = naive(window, &alpha, false, |pairs, p| {
            quotient(pairs, &|x, _| x.exp(), &|x, w| x.exp().powf(p) * w.exp())
        });
        let finite = |x: &[f64]| {
            x.iter().map(|x| if x.is_finite() { *x } else { x.signum() * 1e9 }).collect::<Vec<_>>()
        };
        assert_close(
            "dilation",
            &finite(&run::<LogSumExp<false>>(window, &beta)),
            &finite(&dilated),
            1e-12,
        );
        assert_close(
            "erosion",
            &finite(&run::<LogSumExp<true>>(window, &beta)),
            &finite(&eroded),
            1e-12,
        );
        assert_close("softmax", &run::<AlphaSoftmax>(window, &alpha), &softmax, 1e-12);
        assert_close("p-convolution", &run::<CounterHarmonic>(window, &alpha), &harmonic, 1e-12);
    }

    #[test]
    fn the_certificate_holds((window, inputs) in case(), exponent in -1..6i32) {
        let inputs = with_sharpness(&inputs, |s| 10f64.powi(exponent) * (1.1 + s));
        let gap = naive(window, &inputs, false, |pairs, b| log_sum_exp_gap(pairs.len().max(1), b));
        let largest = naive(window, &inputs, false, |pairs, _| maximum(pairs));
        let smallest = naive(window, &inputs, true, |pairs, _| minimum(pairs, -1.0));
        let (dilated, eroded) =
            (run::<LogSumExp<false>>(window, &inputs), run::<LogSumExp<true>>(window, &inputs));
        for i in 0..gap.len() {
            // A few units in the last place for sums over channels and β times a difference.
            prop_assert!(
                dilated[i] >= largest[i] - 1e-14
                    && dilated[i] <= largest[i] + gap[i] * (1.0 + 1e-12) + 1e-14
            );
            prop_assert!(
                eroded[i] <= smallest[i] + 1e-14
                    && eroded[i] >= smallest[i] - gap[i] * (1.0 + 1e-12) - 1e-14
            );
        }
    }

    #[test]
    fn sharp_limits_are_dilation_and_erosion_and_alpha_0_is_the_mean((window, inputs) in case()) {
        let at = |s: f64| with_sharpness(&inputs, |_| s);
        let largest =
            naive(
                window,
                &inputs,
                false,
                |pairs, _| if pairs.is_empty() { 0.0 } else { maximum(pairs) },
            );
        let smallest =
            naive(
                window,
                &inputs,
                false,
                |pairs, _| if pairs.is_empty() { 0.0 } else { minimum(pairs, 1.0) },
            );
        let mean = naive(window, &inputs, false, |pairs, _| {
            pairs.iter().map(|(x, w)| x + w).sum::<f64>() / pairs.len().max(1) as f64
        });
        assert_close("to infinity", &run::<AlphaSoftmax>(window, &at(1e7)), &largest, 1e-6);
        assert_close("to minus infinity", &run::<AlphaSoftmax>(window, &at(-1e7)), &smallest, 1e-6);
        assert_close("at 0", &run::<AlphaSoftmax>(window, &at(0.0)), &mean, 1e-12);
        let flat = |pairs: &[(f64, f64)], pick: fn(f64, f64) -> f64| {
            pairs.iter().map(|(x, _)| x.exp()).reduce(pick).unwrap_or(0.0)
        };
        let (above, below) = (
            naive(window, &inputs, false, |p, _| flat(p, f64::max)),
            naive(window, &inputs, false, |p, _| flat(p, f64::min)),
        );
        assert_close("p to infinity", &run::<CounterHarmonic>(window, &at(1e7)), &above, 1e-5);
        assert_close(
            "p to minus infinity",
            &run::<CounterHarmonic>(window, &at(-1e7)),
            &below,
            1e-5,
        );
    }

    #[test]
    fn a_smooth_erosion_is_the_dual_by_the_mirrored_kernel((window, inputs) in case()) {
        let [x, w, s] = with_sharpness(&inputs, |s| 2.0 + s);
        let pairs = w.data().len() / window.taps();
        let mirrored: Vec<f64> = w.data().chunks(pairs).rev().flatten().copied().collect();
        let dual = [
            Tensor::from_fn(x.shape(), |i| -x.data()[i]),
            Tensor::from_vec(w.shape(), mirrored).unwrap(),
            s.clone(),
        ];
        let dual: Vec<f64> = run::<LogSumExp<false>>(window, &dual).iter().map(|y| -y).collect();
        prop_assert_eq!(run::<LogSumExp<true>>(window, &[x, w, s]), dual);
    }
}

fn line(x: &[f64], w: &[f64], s: f64) -> [Tensor<f64>; 3] {
    let row = |data: &[f64]| data.to_vec();
    [
        Tensor::from_vec([1, 1, x.len(), 1], row(x)).unwrap(),
        Tensor::from_vec([1, w.len(), 1], row(w)).unwrap(),
        Tensor::filled([], s),
    ]
}

#[test]
fn an_entry_of_minus_infinity_is_not_in_the_structuring_element() {
    let minus = f64::NEG_INFINITY;
    let window = Window2d::new([1, 3]);
    fn check<F: Family>(window: Window2d, w: [f64; 3], expected: f64) {
        for s in [2.0, 0.0, -2.0].into_iter().take(if F::SHARPNESS == "beta" { 1 } else { 3 }) {
            let (y, grads) =
                vjp(Smooth2d::<F>::new(window), &line(&[4.0, 1.5, 7.0], &w, s), &[1.0]);
            assert_eq!((y[0], grads[2][0]), (expected, 0.0), "{} {s}", F::NAME);
            let ones = if expected.is_finite() { 1.0 } else { 0.0 };
            assert_eq!(grads[0], [0.0, ones, 0.0]);
        }
    }
    check::<LogSumExp<false>>(window, [minus, 0.5, minus], 2.0);
    check::<LogSumExp<true>>(window, [minus, 0.5, minus], 1.0);
    check::<AlphaSoftmax>(window, [minus, 0.5, minus], 2.0);
    check::<LogSumExp<false>>(window, [minus; 3], minus);
    check::<LogSumExp<true>>(window, [minus; 3], -minus);
}

#[test]
fn large_numbers_do_not_overflow_infinite_pixels_are_true_and_nan_is_seen() {
    let window = Window2d::new([1, 2]);
    let inputs = line(&[1e300, 1e300, -1e300, f64::NAN], &[0.0, 0.0], 1e5);
    let (y, grads) = vjp(Smooth2d::<LogSumExp<false>>::new(window), &inputs, &[1.0, 1.0, 0.0]);
    assert_eq!(y[..2], [1e300, 1e300]);
    assert!(y[2].is_nan());
    assert_eq!(grads[0][..2], [0.5, 1.5]);
    let inputs = line(&[f64::INFINITY, 1.0, f64::NEG_INFINITY], &[0.0, 0.0], 1.0);
    let (y, grads) = vjp(Smooth2d::<LogSumExp<false>>::new(window), &inputs, &[1.0, 1.0]);
    assert_eq!((y, &grads[0][..]), (vec![f64::INFINITY, 1.0], &[0.0, 1.0, 0.0][..]));
}

#[test]
fn an_empty_batch_is_no_trouble_and_wrong_shapes_are_refused() {
    let window = Window2d::new([3, 3]);
    let op = Smooth2d::<AlphaSoftmax>::new(window);
    let (y, grads) = vjp(
        op,
        &[Tensor::<f64>::zeros([0, 5, 5, 1]), Tensor::zeros([3, 3, 1, 2]), Tensor::zeros([2])],
        &[],
    );
    assert!(y.is_empty() && grads[1] == [0.0; 18] && grads[2] == [0.0; 2]);
    let error = |shapes: [&[usize]; 3]| {
        Op::<f64>::infer(&op, &shapes.map(Shape::new)).unwrap_err().to_string()
    };
    assert_eq!(
        error([&[1, 5, 5, 2], &[3, 3, 1], &[]]),
        "alpha_softmax2d: expected a kernel [3, 3, 2] or [3, 3, 2, filters], found shape [3, 3, 1]"
    );
    assert_eq!(
        error([&[1, 5, 5, 2], &[3, 3, 2, 4], &[2]]),
        "alpha_softmax2d: expected one number alpha or 4, found shape [2]"
    );
    assert!(error([&[5, 5, 2], &[3, 3, 2], &[]]).contains("[batch, height, width, channels]"));
    assert!(
        error([&[1, 2, 2, 2], &[3, 3, 2], &[]])
            .starts_with("alpha_softmax2d: expected a window no larger")
    );
}

#[test]
fn neither_large_pixels_nor_large_sharpnesses_overflow() {
    let row = |x: &[f32]| Tensor::from_vec([1, 1, x.len(), 1], x.to_vec()).unwrap();
    let window = Window2d::new([1, 3]);
    let run = |erodes: bool, x: &[f32], s: f32| {
        let inputs = [row(x), Tensor::zeros([1, 3, 1]), Tensor::filled([], s)];
        let ones = vec![1.0; x.len() - 2];
        let (y, grads) = if erodes {
            vjp(Smooth2d::<LogSumExp<true>>::new(window), &inputs, &ones)
        } else {
            vjp(Smooth2d::<LogSumExp<false>>::new(window), &inputs, &ones)
        };
        let (mean, mean_grads) = vjp(Smooth2d::<AlphaSoftmax>::new(window), &inputs, &ones);
        if !erodes {
            assert_eq!((&mean, &mean_grads[0]), (&y, &grads[0]), "{x:?}, {s}");
        }
        (y, grads[0].clone())
    };
    let large = [1e38, 3e38, 2e38, 5e37];
    for s in [8.0, 1e4, 1e38] {
        assert_eq!(run(false, &large, s), (vec![3e38; 2], vec![0.0, 2.0, 0.0, 0.0]));
        assert_eq!(run(true, &large, s), (vec![1e38, 5e37], vec![1.0, 0.0, 0.0, 1.0]));
    }
    let fine = [1e35, 4e35, 2e35, 3e35];
    assert_eq!(run(false, &fine, 1e4), (vec![4e35; 2], vec![0.0, 2.0, 0.0, 0.0]));
    let small = [0.0, 4.0, 2.0, 5.0, 7.0, 8.0];
    let (y, dx) = run(false, &small, 1e38);
    assert_eq!((y, dx), (vec![4.0, 5.0, 7.0, 8.0], vec![0.0, 1.0, 0.0, 1.0, 1.0, 1.0]));
    // Alpha turns the mean into the smallest pixel, too.
    let inputs = [row(&large), Tensor::zeros([1, 3, 1]), Tensor::filled([], -1e4)];
    let (y, grads) = vjp(Smooth2d::<AlphaSoftmax>::new(window), &inputs, &[1.0; 2]);
    assert_eq!((y, &grads[0][..]), (vec![1e38, 5e37], &[1.0, 0.0, 0.0, 1.0][..]));
}
