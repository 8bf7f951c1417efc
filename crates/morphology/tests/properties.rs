//! Laws of dilation and erosion: finite differences, the definition, the choice at ties, adjunction, extensivity, duality.

use morphograd_morphology::nn::autodiff::tensor::{Padding, Shape, Tensor, Window2d};
use morphograd_morphology::nn::autodiff::{Constraint, Mode, Params, Tape};
use morphograd_morphology::{Depthwise2d, Filters2d, Lattice, MaxPlus, MinMinus, ZeroCentre};
use morphograd_testkit::{check_op, check_projection, strategy, vjp};
use proptest::prelude::*;

/// The definition, with loops: values, and the winning image position and kernel tap of each output and channel (the first of tied ones
/// in raster order of the window).
fn naive<L: Lattice>(
    window: Window2d,
    x: &Tensor<f64>,
    w: &Tensor<f64>,
) -> (Vec<f64>, Vec<Option<(usize, usize)>>) {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let filters = w.shape().dims().get(3).copied();
    let extent = window.extent([height, width]).unwrap();
    let (mut values, mut winners) = (Vec::new(), Vec::new());
    for b in 0..batch {
        for (i, j) in (0..extent.output[0]).flat_map(|i| (0..extent.output[1]).map(move |j| (i, j))) {
            let mut one = |c: usize, f: usize| {
                let mut best = (L::bottom::<f64>(), None);
                for (dy, dx) in (0..window.size[0]).flat_map(|dy| (0..window.size[1]).map(move |dx| (dy, dx)))
                {
                    let row =
                        (i * window.strides[0] + dy * window.rates[0]) as isize - extent.before[0] as isize;
                    let column =
                        (j * window.strides[1] + dx * window.rates[1]) as isize - extent.before[1] as isize;
                    if row < 0 || column < 0 || row >= height as isize || column >= width as isize {
                        continue;
                    }
                    let at = ((b * height + row as usize) * width + column as usize) * channels + c;
                    let tap = dy * window.size[1] + dx;
                    let entry = if L::MIRRORED { window.taps() - 1 - tap } else { tap };
                    let at_w = match filters {
                        Some(filters) => (entry * channels + c) * filters + f,
                        None => entry * channels + c,
                    };
                    let candidate = L::candidate(x.data()[at], w.data()[at_w]);
                    if L::beats(candidate, best.0) {
                        best = (candidate, Some((at, at_w)));
                    }
                }
                winners.push(best.1);
                best.0
            };
            match filters {
                None => (0..channels).for_each(|c| values.push(one(c, 0))),
                Some(filters) => {
                    let all: Vec<Vec<f64>> =
                        (0..channels).map(|c| (0..filters).map(|f| one(c, f)).collect()).collect();
                    (0..filters).for_each(|f| values.push(all.iter().map(|channel| channel[f]).sum()));
                }
            }
        }
    }
    (values, winners)
}

/// Value and gradients of an op are those of the definition, exactly: also at ties.
fn agrees<L: Lattice>(window: Window2d, x: &Tensor<f64>, w: &Tensor<f64>) {
    let (values, winners) = naive::<L>(window, x, w);
    let grad: Vec<f64> = (0..values.len()).map(|i| f64::from(i as u32 % 7) - 3.0).collect(); // exact sums
    let filters = w.shape().dims().get(3).copied().unwrap_or(1);
    let channels = x.shape().dims()[3];
    let (y, grads) = match w.shape().rank() {
        4 => vjp(Filters2d::<L>::new(window), &[x.clone(), w.clone()], &grad),
        _ => vjp(Depthwise2d::<L>::new(window), &[x.clone(), w.clone()], &grad),
    };
    let (mut dx, mut dw) = (vec![0.0; x.data().len()], vec![0.0; w.data().len()]);
    for (n, winner) in winners.iter().enumerate() {
        let Some((at, at_w)) = winner else { continue };
        // Winners come position by position, channel by channel, filter by filter.
        let g = match w.shape().rank() {
            4 => grad[n / (channels * filters) * filters + n % filters],
            _ => grad[n],
        };
        dx[*at] += g;
        dw[*at_w] += L::SIGN * g;
    }
    for (found, expected) in y.iter().zip(&values) {
        assert!((found - expected).abs() <= 1e-12 || found == expected, "{found} {expected}");
    }
    assert_eq!((&grads[0], &grads[1]), (&dx, &dw), "{window:?}");
}

fn images() -> impl Strategy<Value = (usize, usize)> {
    (1..=3usize, 1..=11usize) // channels, filters
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_finite_differences(
        (window, x, w, v) in (strategy::window(), 1..=2usize, 1..=3usize).prop_flat_map(|(window, channels, filters)| {
            let [kh, kw] = window.size;
            (Just(window), strategy::tensor([2, 7, 8, channels]), strategy::tensor([kh, kw, channels, filters]),
             strategy::tensor([kh, kw, channels]))
        })
    ) {
        check_op(Filters2d::<MaxPlus>::new(window), &[x.clone(), w.clone()]);
        check_op(Filters2d::<MinMinus>::new(window), &[x.clone(), w]);
        check_op(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), v.clone()]);
        check_op(Depthwise2d::<MinMinus>::new(window), &[x, v]);
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties(
        (window, x, w, v) in (strategy::window(), images(), 7..=20usize).prop_flat_map(|(window, (channels, filters), width)| {
            let [kh, kw] = window.size;
            (Just(window), strategy::tied_tensor([2, 7, width, channels]),
             strategy::tied_tensor([kh, kw, channels, filters]), strategy::tied_tensor([kh, kw, channels]))
        })
    ) {
        agrees::<MaxPlus>(window, &x, &w);
        agrees::<MinMinus>(window, &x, &w);
        agrees::<MaxPlus>(window, &x, &v);
        agrees::<MinMinus>(window, &x, &v);
    }

    #[test]
    fn dilation_and_erosion_are_adjoint(
        (x, y, w) in (1..=2usize, 0..=2usize, 0..=2usize).prop_flat_map(|(channels, p, q)| {
            (strategy::tied_tensor([1, 6, 7, channels]), strategy::tied_tensor([1, 6, 7, channels]),
             strategy::tied_tensor([2 * p + 1, 2 * q + 1, channels]))
        })
    ) {
        let window = window_of(&w);
        let below = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
        let zeros = vec![0.0; x.data().len()];
        let dilated = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), w.clone()], &zeros).0;
        let eroded = vjp(Depthwise2d::<MinMinus>::new(window), &[y.clone(), w.clone()], &zeros).0;
        prop_assert_eq!(below(&dilated, y.data()), below(x.data(), &eroded));
        // ... and in particular between an image and its own opening and closing, where both sides hold.
        let of = |data: Vec<f64>| Tensor::from_vec(x.shape(), data).unwrap();
        let opened = vjp(Depthwise2d::<MaxPlus>::new(window), &[of(eroded), w.clone()], &zeros).0;
        let closed = vjp(Depthwise2d::<MinMinus>::new(window), &[of(dilated), w.clone()], &zeros).0;
        prop_assert!(below(&opened, y.data()) && below(x.data(), &closed));
    }

    #[test]
    fn erosion_is_the_dual_of_dilation_by_the_mirrored_kernel(
        (x, w) in (1..=3usize, 1..=3usize).prop_flat_map(|(kh, kw)| (strategy::tensor([2, 6, 7, 2]), strategy::tensor([kh, kw, 2])))
    ) {
        let window = window_of(&w);
        let negated = Tensor::from_vec(x.shape(), x.data().iter().map(|x| -x).collect()).unwrap();
        let mirrored = Tensor::from_vec(w.shape(), w.data().chunks(2).rev().flatten().copied().collect()).unwrap();
        let zeros = vec![0.0; x.data().len()];
        let eroded = vjp(Depthwise2d::<MinMinus>::new(window), &[x, w], &zeros).0;
        let dual = vjp(Depthwise2d::<MaxPlus>::new(window), &[negated, mirrored], &zeros).0;
        prop_assert!(eroded.iter().zip(&dual).all(|(e, d)| *e == -d));
    }

    #[test]
    fn a_zero_centre_makes_a_dilation_extensive_and_a_non_positive_kernel_keeps_it_below_the_flat_one(
        x in strategy::tensor([1, 6, 7, 1]), mut w in strategy::tensor([3, 5, 1])
    ) {
        ZeroCentre { min: -1.0, max: 0.0 }.project(w.shape(), w.data_mut());
        let (window, zeros) = (window_of(&w), vec![0.0; x.data().len()]);
        let flat = Tensor::zeros(w.shape());
        let dilated = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), w], &zeros).0;
        let bound = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), flat], &zeros).0;
        prop_assert!(x.data().iter().zip(&dilated).zip(&bound).all(|((x, d), b)| x <= d && d <= b));
    }

    #[test]
    fn the_zero_centre_box_is_a_projection(point in strategy::tensor([3, 3, 2, 2]), others in proptest::collection::vec(strategy::tensor([3, 3, 2, 2]), 3)) {
        let scaled = |x: &Tensor<f64>| x.data().iter().map(|x| 3.0 * x).collect::<Vec<_>>();
        let others: Vec<_> = others.iter().map(scaled).collect();
        check_projection(&ZeroCentre { min: -1.0, max: 0.5 }, true, point.shape(), &scaled(&point), &others);
    }
}

fn window_of(w: &Tensor<f64>) -> Window2d {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    Window2d { size, padding: Padding::Same, ..Window2d::default() }
}

#[test]
fn an_empty_batch_and_a_window_without_a_pixel_are_no_trouble() {
    let window = Window2d { size: [3, 3], padding: Padding::Same, ..Window2d::default() };
    let (x, w) = (Tensor::<f64>::zeros([0, 5, 5, 1]), Tensor::zeros([3, 3, 1, 2]));
    let (y, grads) = vjp(Filters2d::<MaxPlus>::new(window), &[x, w], &[]);
    assert!(y.is_empty() && grads[0].is_empty() && grads[1].iter().all(|g| *g == 0.0));

    // One pixel, two taps at distance 2: both lie outside.
    let window = Window2d { size: [1, 2], rates: [1, 2], padding: Padding::Same, ..Window2d::default() };
    let (x, w) = (Tensor::filled([1, 1, 1, 1], 3.0), Tensor::zeros([1, 2, 1]));
    let (y, grads) = vjp(Depthwise2d::<MaxPlus>::new(window), &[x, w], &[1.0]);
    assert_eq!((y[0], grads[0][0], &grads[1][..]), (f64::NEG_INFINITY, 0.0, &[0.0, 0.0][..]));
}

#[test]
fn nan_never_wins_and_infinities_are_true() {
    let window = Window2d { size: [1, 2], ..Window2d::default() };
    let x =
        Tensor::from_vec([1, 1, 4, 1], vec![f64::NAN, 1.0, f64::NEG_INFINITY, f64::NEG_INFINITY]).unwrap();
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
    let window = Window2d { size: [3, 3], ..Window2d::default() };
    let error = graph.apply(Filters2d::<MaxPlus>::new(window), [x, w]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dilation2d: expected a kernel [3, 3, 3, filters], found shape [3, 3, 1, 4]"
    );
    let window = Window2d { size: [9, 9], ..Window2d::default() };
    let error = graph.apply(Filters2d::<MinMinus>::new(window), [x, w]).unwrap_err();
    assert!(
        error.to_string().starts_with("erosion2d: expected a window no larger than the image [6, 7]"),
        "{error}"
    );
}
