//! Operators composed of dilations and erosions: reference values, finite differences, definitions
//! and laws.

use morphograd_morphology::First;
use morphograd_morphology::QuadraticKernel;
use morphograd_morphology::Toggle;
use morphograd_morphology::nn::autodiff::tensor::{Real, Tensor, Window2d};
use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape, Var};
use morphograd_morphology::nn::tensor::ShapeError;
use morphograd_morphology::*;
use morphograd_testkit::{
    Golden, assert_close, check_computation as check, check_op, strategy, vjp,
};
use proptest::prelude::*;

/// Every operator of one kernel, and whether it needs an output of the image's size.
fn operators<T: Real>() -> Vec<(&'static str, Operator<T>, bool)> {
    vec![
        ("opening2d", opening2d, false),
        ("closing2d", closing2d, false),
        ("gradient2d", gradient2d, false),
        ("internal_gradient2d", internal_gradient2d, true),
        ("external_gradient2d", external_gradient2d, true),
        ("laplacian2d", laplacian2d, true),
        ("tophat_opening2d", white_top_hat2d, true),
        ("tophat_closing2d", black_top_hat2d, true),
        ("average2d", average2d, false),
        ("anti_dilation2d", anti_dilation2d, false),
        ("anti_erosion2d", anti_erosion2d, false),
        ("toggle2d", |graph, x, kernel, window| toggle2d(graph, x, kernel, window, 2), true),
    ]
}

/// Value and gradients of a computation on tensors, for an output gradient of ones or the one
/// given.
fn run<T: Real>(
    inputs: &[&Tensor<T>],
    grad: Option<&[T]>,
    f: impl Fn(&mut Graph<'_, T>, &[Var]) -> Result<Var, ShapeError>,
) -> (Vec<T>, Vec<Vec<T>>) {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let vars: Vec<Var> = inputs.iter().map(|x| graph.variable(x.view())).collect();
    let y = f(&mut graph, &vars).unwrap();
    let value = graph.value(y).data.to_vec();
    let ones = vec![T::one(); value.len()];
    graph.backward_with(y, grad.unwrap_or(&ones));
    let grads = vars.iter().zip(inputs);
    let grads = grads
        .map(|(v, x)| graph.grad(*v).map_or(vec![T::zero(); x.data().len()], <[T]>::to_vec))
        .collect();
    (value, grads)
}

fn apply(operator: Operator<f64>, x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    apply_at(1, operator, x, w)
}

fn apply_at(rate: usize, operator: Operator<f64>, x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    let window = window_of(w).rates([rate; 2]);
    let y = run(&[x, w], None, |graph, v| operator(graph, v[0], v[1], window.into())).0;
    Tensor::from_vec(x.shape(), y).unwrap()
}

fn window_of<T: Real>(w: &Tensor<T>) -> Window2d {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    Window2d::new(size).same()
}

/// A kernel of any size up to 3 x 5, even ones too.
fn kernel_of(
    kernel: impl Fn([usize; 3]) -> BoxedStrategy<Tensor<f64>>,
) -> impl Strategy<Value = Tensor<f64>> {
    (1..=3usize, 1..=5usize).prop_flat_map(move |(kh, kw)| kernel([kh, kw, 2]))
}

fn flat() -> impl Strategy<Value = Tensor<f64>> {
    kernel_of(|shape| Just(Tensor::zeros(shape)).boxed())
}

fn any_kernel() -> impl Strategy<Value = Tensor<f64>> {
    kernel_of(|shape| strategy::tensor(shape).boxed())
}

fn any_border() -> impl Strategy<Value = Border> {
    prop_oneof![
        Just(Border::Infinity),
        Just(Border::Constant(0.25)),
        Just(Border::Replicate),
        Just(Border::Reflect),
        Just(Border::Mirror),
        Just(Border::Periodic),
    ]
}

fn image() -> impl Strategy<Value = Tensor<f64>> {
    strategy::tensor([1, 6, 7, 2])
}

fn below(a: &Tensor<f64>, b: &Tensor<f64>, slack: f64) -> bool {
    a.data().iter().zip(b.data()).all(|(a, b)| *a <= *b + slack)
}

fn equal(a: &Tensor<f64>, b: &Tensor<f64>, slack: f64) -> bool {
    below(a, b, slack) && below(b, a, slack)
}

#[test]
fn values_and_gradients_are_those_of_tensorflow() {
    for (case, operator, _) in operators::<f32>() {
        if ["laplacian2d", "average2d", "anti_dilation2d", "anti_erosion2d", "toggle2d"]
            .contains(&case)
        {
            continue; // TensorFlow has no such operator
        }
        let golden = Golden::read(case);
        let (x, kernel) = (golden.tensor::<f32>("x"), golden.tensor("kernel"));
        let (y, grads) = run(&[&x, &kernel], Some(golden.tensor("dy").data()), |graph, v| {
            operator(graph, v[0], v[1], window_of(&kernel).into())
        });
        assert_close(&format!("{case} y"), &y, golden.tensor("y").data(), 1e-5);
        assert_close(&format!("{case} dx"), &grads[0], golden.tensor("dx").data(), 1e-5);
        assert_close(&format!("{case} dkernel"), &grads[1], golden.tensor("dkernel").data(), 1e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn gradients_of_operators_agree_with_finite_differences(
        border in any_border(),
        (window, x, w) in strategy::window().prop_flat_map(|window| {
            let [kh, kw] = window.size;
            // A valid opening shrinks twice by up to 4 pixels.
            (Just(window), strategy::tensor([1, 9, 10, 1]), strategy::tensor([kh, kw, 1]))
        })
    ) {
        for (name, operator, keeps_size) in operators() {
            if name == "toggle2d" {
                // Where the centre wins both ways the distances are tied; see the next test.
                continue;
            }
            let window = match keeps_size {
                true => window.strides([1, 1]).same(),
                false => window,
            };
            let around = Neighbourhood2d { border, ..window.into() };
            check(name, &[x.clone(), w.clone()], |graph, v| operator(graph, v[0], v[1], around));
        }
    }

    #[test]
    fn gradients_of_toggling_agree_with_finite_differences(
        x in strategy::tensor([1, 5, 6, 1]),
        mut w in strategy::tensor([3, 3, 1]),
    ) {
        w.data_mut()[4] = -4.0; // the centre never wins
        let window = window_of(&w);
        check("toggle", &[x, w], |graph, v| toggle2d(graph, v[0], v[1], window, 2));
    }

    #[test]
    fn gradients_with_two_kernels_agree_with_finite_differences(
        border in any_border(),
        (window, x, w0, w1) in strategy::window().prop_flat_map(|window| {
            let [kh, kw] = window.size;
            (
                Just(window),
                strategy::tensor([1, 9, 9, 1]),
                strategy::tensor([kh, kw, 1]),
                strategy::tensor([kh, kw, 1]),
            )
        }),
    ) {
        let (inputs, around) = ([x, w0, w1], Neighbourhood2d { border, ..window.into() });
        check("probing", &inputs, |graph, v| probing2d(graph, v[0], [v[1], v[2]], around));
        check("hit or miss", &inputs, |graph, v| hit_or_miss2d(graph, v[0], [v[1], v[2]], around));
        check("upper", &inputs, |graph, v| lasry_lions_upper2d(graph, v[0], [v[1], v[2]], around));
        check("lower", &inputs, |graph, v| lasry_lions_lower2d(graph, v[0], [v[1], v[2]], around));
    }

    #[test]
    fn gradients_of_families_agree_with_finite_differences(
        x in strategy::tensor([1, 6, 5, 2]),
        w0 in strategy::tensor([3, 1, 2]),
        w1 in strategy::tensor([3, 5, 2]),
    ) {
        let windows = [window_of(&w0), window_of(&w1)];
        let family = |v: &[Var]| [(v[1], windows[0]), (v[2], windows[1])];
        let inputs = [x, w0, w1];
        for first in [First::Closing, First::Opening] {
            check("filter", &inputs, |graph, v| {
                alternating_sequential2d(graph, v[0], &family(v), first)
            });
        }
        for entry in 0..2 {
            check("spectrum", &inputs, |graph, v| {
                Ok(pattern_spectrum2d(graph, v[0], &family(v))?[entry])
            });
        }
    }

    #[test]
    fn toggling_and_parabolas_agree_with_finite_differences(
        x in strategy::tensor([2, 5]),
        above in strategy::tensor([2, 5]),
        below in strategy::tensor([2, 5]),
        curvature in strategy::tensor([2, 3]),
    ) {
        check_op(Toggle, &[x, above, below]);
        check_op(QuadraticKernel { size: [3, 4], scale: 0.7 }, &[curvature]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_toggled_pixel_is_the_nearer_of_both(
        x in strategy::tied_tensor([1, 5, 6, 2]),
        w in flat(),
    ) {
        let (up, down) = (apply(dilation2d, &x, &w), apply(erosion2d, &x, &w));
        let toggled =
            apply(|graph, x, kernel, window| toggle2d(graph, x, kernel, window, 1), &x, &w);
        for (((x, y), up), down) in
            x.data().iter().zip(toggled.data()).zip(up.data()).zip(down.data())
        {
            prop_assert_eq!(*y, if up - x <= x - down { *up } else { *down });
        }
    }

    #[test]
    fn a_flat_opening_and_closing_obey_their_laws_exactly(
        x in image(),
        y in image(),
        w in flat(),
        rate in 1..=2usize,
    ) {
        laws(&x, &y, &w, rate, 0.0)?;
    }

    #[test]
    fn any_opening_and_closing_obey_their_laws_up_to_rounding(
        x in image(),
        y in image(),
        w in any_kernel(),
        rate in 1..=2usize,
    ) {
        laws(&x, &y, &w, rate, 8.0 * f64::EPSILON)?;
    }

    #[test]
    fn a_valid_opening_is_the_interior_of_the_opening(
        x in image(),
        w in strategy::tensor([2, 3, 2]),
    ) {
        // For an even kernel the opening is computed inside a wide margin, where the border has no
        // influence.
        let window = Window2d::new([2, 3]);
        let inner = run(&[&x, &w], None, |graph, v| opening2d(graph, v[0], v[1], window)).0;
        let mut naive = Vec::new();
        for (i, j, c) in
            (1..5).flat_map(|i| (2..5).flat_map(move |j| (0..2).map(move |c| (i, j, c))))
        {
            let at = |i: usize, j: usize| x.data()[(i * 7 + j) * 2 + c];
            let entry = |p: usize, q: usize| w.data()[(p * 3 + q) * 2 + c];
            let taps = || (0..2usize).flat_map(|p| (0..3usize).map(move |q| (p, q)));
            // The highest position of the structuring function below the image, over all of those
            // that cover the pixel.
            let fits = |p: usize, q: usize| {
                let lowest = taps().map(|(r, s)| at(i + p - r, j + q - s) - entry(r, s));
                lowest.fold(f64::INFINITY, f64::min) + entry(p, q)
            };
            naive.push(taps().map(|(p, q)| fits(p, q)).fold(f64::NEG_INFINITY, f64::max));
        }
        prop_assert_eq!(inner, naive);
    }

    #[test]
    fn gradients_are_sums_of_their_halves_and_the_laplacian_their_difference(
        x in image(),
        w in any_kernel(),
    ) {
        let [both, inner, outer, laplacian] =
            [gradient2d, internal_gradient2d, external_gradient2d, laplacian2d]
                .map(|f| apply(f, &x, &w));
        for k in 0..x.data().len() {
            prop_assert!((both.data()[k] - (inner.data()[k] + outer.data()[k])).abs() < 1e-14);
            prop_assert!((laplacian.data()[k] - (outer.data()[k] - inner.data()[k])).abs() < 1e-14);
        }
    }

    #[test]
    fn sequential_filters_are_increasing_idempotent_and_dual(x in image(), y in image()) {
        let squares = [Tensor::<f64>::zeros([3, 3, 2]), Tensor::zeros([5, 5, 2])];
        let windows = [window_of(&squares[0]), window_of(&squares[1])];
        let filter = |x: &Tensor<f64>, first: First| {
            let y = run(&[x, &squares[0], &squares[1]], None, |graph, v| {
                alternating_sequential2d(
                    graph,
                    v[0],
                    &[(v[1], windows[0]), (v[2], windows[1])],
                    first,
                )
            });
            Tensor::from_vec(x.shape(), y.0).unwrap()
        };
        let larger = Tensor::from_fn(x.shape(), |i| x.data()[i].max(y.data()[i]));
        let negated = Tensor::from_fn(x.shape(), |i| -x.data()[i]);
        let filtered = filter(&x, First::Closing);
        prop_assert!(below(&filtered, &filter(&larger, First::Closing), 0.0));
        prop_assert_eq!(&filter(&filtered, First::Closing), &filtered);
        let dual = filter(&negated, First::Opening);
        prop_assert!(dual.data().iter().zip(filtered.data()).all(|(d, f)| *d == -f));
    }

    #[test]
    fn a_pattern_spectrum_is_not_negative_and_adds_up(x in strategy::tensor([2, 7, 8, 2])) {
        let squares = [3, 5].map(|n| Tensor::<f64>::zeros([n, n, 2]));
        let windows = [window_of(&squares[0]), window_of(&squares[1])];
        let (params, mut tape) = (Params::new(), Tape::new());
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(x.view());
        let family = [0, 1].map(|k| (graph.input(squares[k].view()), windows[k]));
        let openings = granulometry2d(&mut graph, x, &family).unwrap();
        let spectrum = pattern_spectrum2d(&mut graph, x, &family).unwrap();
        for image in 0..2 {
            for c in 0..2 {
                let sum = |var: Var| -> f64 {
                    graph.value(var).data[image * 112..][..112].iter().skip(c).step_by(2).sum()
                };
                let entries = spectrum.iter().map(|s| graph.value(*s).data[image * 2 + c]);
                prop_assert!(entries.clone().all(|s| s >= 0.0));
                prop_assert!((entries.sum::<f64>() - (sum(x) - sum(openings[1]))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn lasry_and_lions_lie_between_the_image_and_the_closing_or_opening(
        x in image(),
        w in flat(),
        ratio in 0.0..1.0f64,
    ) {
        let size = window_of(&w).size;
        let of = |operator: PairOperator<f64>| {
            let y = run(&[&x], None, |graph, v| {
                let kernels = [ratio, 1.0].map(|b| {
                    let b = graph.input_with([2], |value| value.fill(b));
                    graph.apply(QuadraticKernel { size, scale: 1.5 }, [b]).unwrap()
                });
                operator(graph, v[0], kernels, window_of(&w).into())
            });
            Tensor::from_vec(x.shape(), y.0).unwrap()
        };
        let (upper, lower) = (of(lasry_lions_upper2d), of(lasry_lions_lower2d));
        let closed = of(|graph, x, [flat, _], window| closing2d(graph, x, flat, window));
        let opened = of(|graph, x, [flat, _], window| opening2d(graph, x, flat, window));
        // A steeper erosion brings down less.
        prop_assert!(below(&closed, &upper, 1e-15) && below(&x, &upper, 1e-15));
        prop_assert!(below(&lower, &opened, 1e-15) && below(&lower, &x, 1e-15));
    }

    #[test]
    fn hit_or_miss_on_binary_images_finds_both_templates(
        x in proptest::collection::vec(any::<bool>(), 42),
        templates in proptest::collection::vec(0..3u8, 9),
    ) {
        let number = |b: bool| f64::from(u8::from(b));
        let image = Tensor::from_fn([1, 6, 7, 1], |i| number(x[i]));
        let template = |kind: u8| {
            Tensor::from_fn(
                [3, 3, 1],
                |i| if templates[i] == kind { 0.0 } else { f64::NEG_INFINITY },
            )
        };
        prop_assume!(templates.contains(&0) && templates.contains(&1));
        let window = Window2d::new([3, 3]);
        let (found, _) = run(&[&image, &template(0), &template(1)], None, |graph, v| {
            hit_or_miss2d(graph, v[0], [v[1], v[2]], window)
        });
        for (i, j) in (0..4).flat_map(|i| (0..5).map(move |j| (i, j))) {
            let fits = (0..9).all(|t| match templates[t] {
                0 => x[(i + t / 3) * 7 + j + t % 3],
                1 => !x[(i + t / 3) * 7 + j + t % 3],
                _ => true,
            });
            prop_assert_eq!(found[i * 5 + j], number(fits));
        }
    }
}

/// Anti-extensive or extensive, idempotent, increasing; top-hats not negative.
fn laws(
    x: &Tensor<f64>,
    y: &Tensor<f64>,
    w: &Tensor<f64>,
    rate: usize,
    slack: f64,
) -> Result<(), TestCaseError> {
    let larger = Tensor::from_fn(x.shape(), |i| x.data()[i].max(y.data()[i]));
    let (opened, closed) = (apply_at(rate, opening2d, x, w), apply_at(rate, closing2d, x, w));
    prop_assert!(below(&opened, x, slack), "anti-extensive");
    prop_assert!(below(x, &closed, slack), "extensive");
    prop_assert!(equal(&apply_at(rate, opening2d, &opened, w), &opened, slack), "idempotent");
    prop_assert!(equal(&apply_at(rate, closing2d, &closed, w), &closed, slack), "idempotent");
    prop_assert!(below(&opened, &apply_at(rate, opening2d, &larger, w), 0.0), "increasing");
    prop_assert!(below(&closed, &apply_at(rate, closing2d, &larger, w), 0.0), "increasing");
    for top_hat in [apply_at(rate, white_top_hat2d, x, w), apply_at(rate, black_top_hat2d, x, w)] {
        prop_assert!(top_hat.data().iter().all(|t| *t >= -slack), "top-hat");
    }
    Ok(())
}

#[test]
fn at_equal_distance_a_pixel_goes_up_and_the_gradient_with_it() {
    let tensor = |values: [f64; 3]| Tensor::from_vec([3], values.to_vec()).unwrap();
    let inputs = [tensor([0.0, 0.0, 0.0]), tensor([1.0, 1.0, 0.0]), tensor([-1.0, -0.5, 0.0])];
    let (y, grads) = vjp(Toggle, &inputs, &[2.0, 3.0, 5.0]);
    assert_eq!(y, [1.0, -0.5, 0.0]);
    assert_eq!(grads, [vec![0.0; 3], vec![2.0, 0.0, 5.0], vec![0.0, 3.0, 0.0]]);
}

#[test]
fn anti_operators_are_operators_on_the_negated_image() {
    let x = Tensor::from_vec([1, 1, 4, 1], vec![1.0, -2.0, 3.0, 0.5]).unwrap();
    let w = Tensor::from_vec([1, 3, 1], vec![0.0, 0.25, -1.0]).unwrap();
    let negated = Tensor::from_fn(x.shape(), |i| -x.data()[i]);
    assert_eq!(apply(anti_dilation2d, &x, &w), apply(dilation2d, &negated, &w));
    assert_eq!(apply(anti_erosion2d, &x, &w), apply(erosion2d, &negated, &w));
    assert_eq!(apply(anti_erosion2d, &x, &w).data(), [-1.25, -3.0, -3.25, -2.0]);
}

#[test]
fn what_compares_an_image_with_its_transform_refuses_another_size() {
    let params = Params::<f64>::new();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Shapes);
    let (x, w) = (graph.input_with([1, 3, 3, 1], |_| ()), graph.input_with([3, 3, 1], |_| ()));
    // Valid padding leaves one pixel, which could be broadcast against the whole image.
    let valid = Window2d::new([3, 3]);
    let strided = valid.strides([2, 1]).same();
    for (name, operator, keeps_size) in operators() {
        if keeps_size {
            for window in [valid, strided] {
                let error = operator(&mut graph, x, w, window.into()).unwrap_err();
                assert_eq!(error.expected, "strides [1, 1] and same padding", "{name}");
            }
        }
    }
    let error = white_top_hat2d(&mut graph, x, w, valid).unwrap_err();
    assert_eq!(
        error.to_string(),
        "white top-hat: expected strides [1, 1] and same padding, found strides [1, 1] and Valid \
         padding"
    );
    let error = alternating_sequential2d(&mut graph, x, &[(w, valid)], First::Opening).unwrap_err();
    assert!(
        error.to_string().starts_with("alternating sequential filter: expected strides"),
        "{error}"
    );
    let error = graph.apply(Toggle, [x, w, x]).unwrap_err();
    assert!(error.to_string().starts_with("toggle: expected three inputs of one shape"), "{error}");
    for (scale, found) in [(0.0, "0"), (f64::NAN, "NaN")] {
        let error = graph.apply(QuadraticKernel { size: [3, 3], scale }, [w]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("quadratic kernel: expected a positive, finite scale, found {found}")
        );
    }
}
