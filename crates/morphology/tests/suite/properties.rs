//! Laws of dilation and erosion: finite differences, the definition, the choice at ties,
//! adjunction, extensivity, duality.

use morphograd_morphology::nn::autodiff::tensor::{Padding, Shape, Tensor, Window2d};
use morphograd_morphology::nn::autodiff::{Mode, Params, Tape, Ties, sets::Constraint};
use morphograd_morphology::{
    Border, Depthwise2d, FilterBank2d, Lattice, MaxPlus, MinMinus, Neighbourhood2d, ZeroCentre,
    dilation2d, erosion2d, evaluate, win_counts,
};
use morphograd_testkit::{check_op, check_projection, strategy, vjp};
use proptest::prelude::*;

use crate::definition::{Rules, naive};

/// Value and gradients of an op are those of the definition, also at ties, and the same on any
/// number of threads.
fn agrees<L: Lattice>(window: Window2d, rules: Rules, x: &Tensor<f64>, w: &Tensor<f64>) {
    let grad = |i: usize| f64::from(i as u32 % 7) - 3.0;
    let (values, dx, dw) = naive::<L>(window, rules, x, w, grad);
    let grad: Vec<f64> = (0..values.len()).map(grad).collect();
    let inputs = [x.clone(), w.clone()];
    let neighbourhood = Neighbourhood2d { window, border: rules.border, ties: rules.ties };
    let run = || {
        if w.shape().rank() == 3 {
            return vjp(Depthwise2d::<L>::new(neighbourhood), &inputs, &grad);
        }
        let op = FilterBank2d::<L>::new(neighbourhood);
        vjp(if rules.marginal { op.marginal() } else { op }, &inputs, &grad)
    };
    let [(y, grads), on_three_threads] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(run)
    });
    assert!(
        on_three_threads == (y.clone(), grads.clone()),
        "{window:?} {rules:?}: depends on the threads"
    );
    let close = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        // Sums of halves are exact; thirds are not.
        let tolerance = if rules.ties == Ties::Split { 1e-12 } else { 0.0 };
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{window:?} {rules:?}: {found}, expected {expected}"
            );
        }
    };
    close(&y, &values);
    close(&grads[0], &dx);
    close(&grads[1], &dw);
}

/// The wins of every entry are those found by looking at every candidate of every window.
fn wins_agree<L: Lattice>(window: Window2d, rules: Rules, x: &Tensor<f64>, w: &Tensor<f64>) {
    let (y, _, dw) = naive::<L>(window, Rules { marginal: true, ..rules }, x, w, |_| 1.0);
    let expected: Vec<f64> = dw.iter().map(|wins| L::SIGN * wins).collect();
    let neighbourhood = Neighbourhood2d { window, border: rules.border, ties: rules.ties };
    let wins = win_counts::<f64, L>(x.view(), w.view(), neighbourhood).unwrap();
    assert_eq!(wins.shape(), w.shape());
    let tolerance = if rules.ties == Ties::Split { 1e-10 } else { 0.0 };
    for (found, expected) in wins.data().iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{window:?} {rules:?}: {found}, expected {expected}"
        );
    }
    let all: f64 = wins.data().iter().sum();
    assert!((all - y.len() as f64).abs() <= y.len() as f64 * tolerance, "one win for each output");
}

fn borders() -> impl Strategy<Value = Border> {
    prop_oneof![
        Just(Border::Infinity),
        Just(Border::Constant(0.5)),
        Just(Border::Replicate),
        Just(Border::Reflect),
        Just(Border::Mirror),
        Just(Border::Periodic),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let ties = prop_oneof![Just(Ties::First), Just(Ties::Last), Just(Ties::Split)];
    (borders(), ties, any::<bool>()).prop_map(|(border, ties, marginal)| Rules {
        border,
        ties,
        marginal,
    })
}

fn images() -> impl Strategy<Value = (usize, usize)> {
    (1..=3usize, 1..=11usize) // channels, filters
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_finite_differences(
        (border, (window, x, w, v)) in (
            borders(),
            (strategy::window(), 1..=2usize, 1..=3usize).prop_flat_map(
                |(window, channels, filters)| {
                    let [kh, kw] = window.size;
                    (
                        Just(window),
                        strategy::tensor([2, 7, 8, channels]),
                        strategy::tensor([kh, kw, channels, filters]),
                        strategy::tensor([kh, kw, channels]),
                    )
                },
            ),
        ),
    ) {
        let neighbourhood = Neighbourhood2d { border, ..window.into() };
        check_op(FilterBank2d::<MaxPlus>::new(neighbourhood), &[x.clone(), w.clone()]);
        check_op(FilterBank2d::<MinMinus>::new(neighbourhood).marginal(), &[x.clone(), w]);
        check_op(
            Depthwise2d::<MaxPlus>::new(Neighbourhood2d { ties: Ties::Split, ..neighbourhood }),
            &[x.clone(), v.clone()],
        );
        check_op(Depthwise2d::<MinMinus>::new(window), &[x, v]);
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties(
        (window, rules, x, w, v) in
            (strategy::window(), rules(), images(), 7..=20usize).prop_flat_map(
            |(window, rules, (channels, filters), width)| {
                let [kh, kw] = window.size;
                (
                    Just(window),
                    Just(rules),
                    strategy::tied_tensor([2, 7, width, channels]),
                    strategy::tied_tensor([kh, kw, channels, filters]),
                    strategy::tied_tensor([kh, kw, channels]),
                )
            },
        ),
    ) {
        agrees::<MaxPlus>(window, rules, &x, &w);
        agrees::<MinMinus>(window, rules, &x, &w);
        agrees::<MaxPlus>(window, rules, &x, &v);
        agrees::<MinMinus>(window, rules, &x, &v);
        wins_agree::<MaxPlus>(window, rules, &x, &w);
        wins_agree::<MinMinus>(window, rules, &x, &w);
    }

    #[test]
    fn dilation_and_erosion_are_adjoint_for_even_windows_too(
        (x, y, w, rates, border) in
            (1..=2usize, 1..=4usize, 1..=4usize).prop_flat_map(|(channels, kh, kw)| {
            (
                strategy::tied_tensor([1, 6, 7, channels]),
                strategy::tied_tensor([1, 6, 7, channels]),
                strategy::tied_tensor([kh, kw, channels]),
                (1..=2usize, 1..=2usize),
                prop_oneof![Just(Border::Infinity), Just(Border::Periodic)],
            )
        }),
    ) {
        let window = window_of(&w).rates([rates.0, rates.1]);
        let around = Neighbourhood2d { border, ..window.into() };
        let (delta, epsilon) = (
            Depthwise2d::<MaxPlus>::new(around),
            Depthwise2d::<MinMinus>::new(Neighbourhood2d { window: window.adjoint(), ..around }),
        );
        let below = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
        let zeros = vec![0.0; x.data().len()];
        let dilated = vjp(delta, &[x.clone(), w.clone()], &zeros).0;
        let eroded = vjp(epsilon, &[y.clone(), w.clone()], &zeros).0;
        prop_assert_eq!(below(&dilated, y.data()), below(x.data(), &eroded));
        // ... and in particular between an image and its own opening and closing, where both sides
        // hold.
        let of = |data: Vec<f64>| Tensor::from_vec(x.shape(), data).unwrap();
        let opened = vjp(delta, &[of(eroded), w.clone()], &zeros).0;
        let closed = vjp(epsilon, &[of(dilated), w.clone()], &zeros).0;
        prop_assert!(below(&opened, y.data()) && below(x.data(), &closed));
    }

    #[test]
    fn erosion_is_the_dual_of_dilation_by_the_mirrored_kernel(
        (x, w) in (1..=3usize, 1..=3usize).prop_flat_map(|(kh, kw)| {
            (strategy::tensor([2, 6, 7, 2]), strategy::tensor([kh, kw, 2]))
        }),
    ) {
        let window = window_of(&w);
        let negated = Tensor::from_vec(x.shape(), x.data().iter().map(|x| -x).collect()).unwrap();
        let mirrored =
            Tensor::from_vec(w.shape(), w.data().chunks(2).rev().flatten().copied().collect())
                .unwrap();
        let zeros = vec![0.0; x.data().len()];
        let eroded = vjp(Depthwise2d::<MinMinus>::new(window), &[x, w], &zeros).0;
        let dual = vjp(Depthwise2d::<MaxPlus>::new(window), &[negated, mirrored], &zeros).0;
        prop_assert!(eroded.iter().zip(&dual).all(|(e, d)| *e == -d));
    }

    /// Sums of whole numbers below 2^24 are exact in single precision.
    #[test]
    fn whole_numbers_are_dilated_as_in_integers(
        pixels in proptest::collection::vec(any::<u8>(), 6 * 7),
        kernel in proptest::collection::vec(-256..=0i32, 3 * 3),
    ) {
        let x = Tensor::from_vec([1, 6, 7, 1], pixels.iter().map(|x| f32::from(*x)).collect());
        let w = Tensor::from_vec([3, 3, 1], kernel.iter().map(|w| *w as f32).collect());
        let (x, w) = (x.unwrap(), w.unwrap());
        let y = evaluate([x.view(), w.view()], |graph, [x, w]| {
            dilation2d(graph, x, w, Window2d::new([3, 3]))
        });
        for (n, found) in y.unwrap().data().iter().enumerate() {
            let (row, column) = (n / 5, n % 5);
            let candidate = |d: usize| {
                i32::from(pixels[(row + d / 3) * 7 + column + d % 3]) + kernel[d]
            };
            prop_assert_eq!(*found as i32, (0..9).map(candidate).max().unwrap());
            prop_assert_eq!(found.fract(), 0.0);
        }
    }

    #[test]
    fn a_zero_centre_makes_a_dilation_extensive_and_a_non_positive_kernel_bounds_it(
        x in strategy::tensor([1, 6, 7, 1]), mut w in strategy::tensor([3, 5, 1]),
    ) {
        ZeroCentre { min: -1.0, max: 0.0 }.project(w.shape(), w.data_mut());
        let (window, zeros) = (window_of(&w), vec![0.0; x.data().len()]);
        let flat = Tensor::zeros(w.shape());
        let dilated = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), w], &zeros).0;
        let bound = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), flat], &zeros).0;
        prop_assert!(x.data().iter().zip(&dilated).zip(&bound).all(|((x, d), b)| x <= d && d <= b));
    }

    #[test]
    fn the_zero_centre_box_is_a_projection(
        point in strategy::tensor([3, 3, 2, 2]),
        others in proptest::collection::vec(strategy::tensor([3, 3, 2, 2]), 3),
    ) {
        let scaled = |x: &Tensor<f64>| x.data().iter().map(|x| 3.0 * x).collect::<Vec<_>>();
        let others: Vec<_> = others.iter().map(scaled).collect();
        check_projection(
            &ZeroCentre { min: -1.0, max: 0.5 },
            point.shape(),
            &scaled(&point),
            &others,
        );
    }
}

fn window_of(w: &Tensor<f64>) -> Window2d {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    Window2d::new(size).same()
}

/// One pixel is seen by every tap, and what is right of it is not the row below.
#[test]
fn images_smaller_than_the_window_get_all_of_the_gradient() {
    let sizes = [[1, 1], [1, 2], [1, 3], [2, 1], [3, 1], [2, 2]];
    for ([height, width], rate) in sizes.into_iter().flat_map(|size| [(size, 1), (size, 2)]) {
        let x = Tensor::from_fn([2, height, width, 2], |i| (i * 5 % 7) as f64 / 2.0);
        let w = Tensor::from_fn([3, 3, 2, 4], |i| (i * 11 % 13) as f64 / 2.0);
        let window = Window2d::new([3, 3]).rates([rate; 2]).same();
        for border in [Border::Replicate, Border::Reflect, Border::Mirror, Border::Periodic] {
            for ties in [Ties::First, Ties::Last, Ties::Split] {
                let rules = Rules { border, ties, marginal: true };
                agrees::<MaxPlus>(window, rules, &x, &w);
                agrees::<MinMinus>(window, rules, &x, &w);
            }
        }
    }
}

#[test]
fn an_empty_batch_and_a_window_without_a_pixel_are_no_trouble() {
    let window = Window2d::new([3, 3]).same();
    let (x, w) = (Tensor::<f64>::zeros([0, 5, 5, 1]), Tensor::zeros([3, 3, 1, 2]));
    let (y, grads) = vjp(FilterBank2d::<MaxPlus>::new(window), &[x, w], &[]);
    assert!(y.is_empty() && grads[0].is_empty() && grads[1].iter().all(|g| *g == 0.0));

    // One pixel, two taps at distance 2: both lie outside.
    let window = Window2d::new([1, 2]).rates([1, 2]).same();
    let (x, w) = (Tensor::filled([1, 1, 1, 1], 3.0), Tensor::zeros([1, 2, 1]));
    let (y, grads) = vjp(Depthwise2d::<MaxPlus>::new(window), &[x, w], &[1.0]);
    assert_eq!((y[0], grads[0][0], &grads[1][..]), (f64::NEG_INFINITY, 0.0, &[0.0, 0.0][..]));
}

#[test]
fn nan_never_wins_and_infinities_are_true() {
    let window = Window2d::new([1, 2]);
    let x =
        Tensor::from_vec([1, 1, 4, 1], vec![f64::NAN, 1.0, f64::NEG_INFINITY, f64::NEG_INFINITY])
            .unwrap();
    let (y, grads) =
        vjp(Depthwise2d::<MaxPlus>::new(window), &[x, Tensor::zeros([1, 2, 1])], &[1.0, 1.0, 1.0]);
    assert_eq!(y, [1.0, 1.0, f64::NEG_INFINITY]);
    assert_eq!(grads[0], [0.0, 2.0, 1.0, 0.0]);
}

#[test]
fn the_zero_centre_refuses_what_has_no_centre_and_sees_nan() {
    let constraint = ZeroCentre { min: -1.0, max: 0.0 };
    let refused = |constraint: ZeroCentre, shape: Shape| {
        Constraint::<f64>::accepts(&constraint, shape).unwrap_err().to_string()
    };
    assert_eq!(
        refused(constraint, [3].into()),
        "zero centre: expected a kernel [height, width, …], found shape [3]"
    );
    assert_eq!(
        refused(ZeroCentre { min: 0.5, max: 1.0 }, [3, 3].into()),
        "zero centre: expected bounds with min <= 0 <= max, found [0.5, 1]"
    );
    let mut nan = vec![0.0; 9];
    nan[4] = f64::NAN;
    assert!(constraint.violation([3, 3].into(), &nan).is_nan());
}

#[test]
fn wrong_shapes_are_refused_by_name() {
    let params = Params::<f64>::new();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Shapes);
    let (x, w) = (graph.input_with([2, 6, 7, 3], |_| ()), graph.input_with([3, 3, 1, 4], |_| ()));
    let window = Window2d::new([3, 3]);
    let error = graph.apply(FilterBank2d::<MaxPlus>::new(window), [x, w]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dilation2d: expected a kernel [3, 3, 3, filters], found shape [3, 3, 1, 4]"
    );
    let window = Window2d::new([9, 9]);
    let error = graph.apply(FilterBank2d::<MinMinus>::new(window), [x, w]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("erosion2d: expected a window no larger than the image [6, 7]"),
        "{error}"
    );
}

#[test]
fn an_erosion_at_stride_2_takes_every_second_pixel_for_odd_sizes_and_not_for_even_ones() {
    let eroded = |side: usize, k: usize, stride: usize, padding: Padding| {
        let x = Tensor::from_fn([1, side, side, 1], |i| (i * 37 % 101) as f64);
        let w = Tensor::<f64>::zeros([k, k, 1]);
        let window = Window2d::new([k; 2]).strides([stride; 2]).padding(padding);
        evaluate([x.view(), w.view()], |graph, [x, w]| erosion2d(graph, x, w, window)).unwrap()
    };
    for (side, k, padding, expected) in [
        (9, 3, Padding::Same, true),
        (9, 2, Padding::Same, false),
        (8, 2, Padding::Same, false),
        (8, 3, Padding::Same, false),
        (8, 2, Padding::Valid, true),
        (9, 3, Padding::Valid, true),
    ] {
        let (all, sampled) = (eroded(side, k, 1, padding), eroded(side, k, 2, padding));
        let (columns, [rows, half]) =
            (all.shape().dims()[2], [sampled.shape().dims()[1], sampled.shape().dims()[2]]);
        let every_second: Vec<f64> =
            (0..rows * half).map(|n| all.data()[n / half * 2 * columns + n % half * 2]).collect();
        assert_eq!(sampled.data() == every_second, expected, "{side}, {k}, {padding:?}");
    }
}

#[test]
fn a_kernel_gradient_of_very_many_pixels_stays_accurate() {
    let side = 1700;
    let x = Tensor::<f32>::zeros([1, side, side, 1]);
    let mut params = Params::new();
    let kernel = params.add("kernel", Tensor::zeros([1, 1, 1, 1]), None).unwrap();
    let image = params.add("image", x.clone(), None).unwrap();
    let mut tape = Tape::new();
    for image_too in [false, true] {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = if image_too { graph.param(image) } else { graph.input(x.view()) };
        let w = graph.param(kernel);
        let y = graph.apply(FilterBank2d::<MaxPlus>::new(Window2d::default()), [x, w]).unwrap();
        let sum = graph.sum(y).unwrap();
        let y = graph.scale(sum, 0.1).unwrap();
        graph.backward(y);
        let found = f64::from(tape.grad(kernel).unwrap()[0]);
        let n = (side * side) as f64;
        let error = (found / (f64::from(0.1f32) * n) - 1.0).abs();
        // 4096 outputs in order, as many rows of them at most as there are bits in their number.
        let bound = (4096.0 + 32.0 + n.log2()) * f64::from(f32::EPSILON) / 2.0;
        assert!(error < bound, "{error:e}, with the image's: {image_too}");
    }
}
