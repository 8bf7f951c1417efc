//! What the operators by whole parabolas are compared with: the definition, windows that cover the
//! image, the laws, differences.

use super::*;
use crate::{QuadraticKernel, dilation2d, erosion2d, evaluate, law};
use morphograd_nn::tensor::{Tensor, TensorRef, Window2d};
use morphograd_testkit::{assert_close, check_op, strategy, vjp};
use proptest::prelude::*;

type Numbers = Vec<f64>;

/// Height and width; the strips of 16 columns and the blocks of 16 rows begin and end anywhere.
fn sizes() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![[1..7usize, 1..7usize], [1..4usize, 15..35usize], [15..35usize, 1..4usize]]
}

fn curvatures() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![-2.0, -0.5, 0.0, 0.03125, 0.125, 0.25, 0.5, 1.0, 4.0])
}

/// Images full of ties and curvatures with which nothing is rounded at the scales 0.5, 1 and 2.
fn exact() -> impl Strategy<Value = [Tensor<f64>; 2]> {
    sizes().prop_flat_map(|[h, w]| {
        let curvatures =
            [curvatures(), curvatures()].prop_map(|b| Tensor::from_vec([2], b.to_vec()).unwrap());
        (strategy::tied_tensor([2, h, w, 2]), curvatures).prop_map(|(x, b)| [x, b])
    })
}

/// No ties, but with probability zero.
fn random(scale: f64) -> impl Strategy<Value = [Tensor<f64>; 2]> {
    sizes().prop_flat_map(move |[h, w]| {
        let curvature =
            prop_oneof![0.01..3.0f64, -1.0..-0.01f64].prop_map(move |b| b * scale * scale);
        let curvatures =
            [curvature.clone(), curvature].prop_map(|b| Tensor::from_vec([2], b.to_vec()).unwrap());
        (strategy::tensor([2, h, w, 2]), curvatures).prop_map(|(x, b)| [x, b])
    })
}

/// The definition: output and gradients, by every pair of pixels.
fn naive<L: Lattice>(
    [x, b]: &[Tensor<f64>; 2],
    scale: f64,
    g: &[f64],
) -> (Numbers, Numbers, Numbers) {
    let &[batch, h, w, channels] = x.shape().dims() else { unreachable!() };
    let (mut y, mut dx, mut db) =
        (vec![L::bottom(); g.len()], vec![0.0; g.len()], vec![0.0; channels]);
    for (n, c) in (0..batch).flat_map(|n| (0..channels).map(move |c| (n, c))) {
        let at = |pixel: usize| (n * h * w + pixel) * channels + c;
        for p in 0..h * w {
            let slope = |q: usize| {
                let [di, dj] = [p / w, p % w]
                    .map(|k| k as f64)
                    .into_iter()
                    .zip([q / w, q % w])
                    .map(|(p, q)| p - q as f64)
                    .collect::<Numbers>()[..]
                else {
                    unreachable!()
                };
                -(di * di + dj * dj) / (4.0 * scale * scale)
            };
            let mut winner = None;
            for q in 0..h * w {
                let candidate = L::candidate(x.data()[at(q)], slope(q) * b.data()[c]);
                if L::beats(candidate, y[at(p)]) {
                    (y[at(p)], winner) = (candidate, Some(q));
                }
            }
            if let Some(q) = winner {
                dx[at(q)] += g[at(p)];
                db[c] += L::SIGN * slope(q) * g[at(p)];
            }
        }
    }
    (y, dx, db)
}

fn gradient(len: usize) -> Numbers {
    (0..len).map(|i| (i % 7) as f64 - 3.0).collect()
}

fn agrees_exactly<L: Lattice>(inputs: &[Tensor<f64>; 2], scale: f64) {
    let g = gradient(inputs[0].data().len());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| vjp(Parabolic::<L>::new(scale), inputs, &g))
    };
    let (y, grads) = on(1);
    assert_eq!((&y, &grads), (&on(3).0, &on(3).1));
    let (expected, dx, db) = naive::<L>(inputs, scale, &g);
    assert_eq!((y, &grads[0], &grads[1]), (expected, &dx, &db), "{} at {scale}", L::NAME);
}

fn agrees_closely<L: Lattice>(inputs: &[Tensor<f64>; 2], scale: f64) {
    let g = gradient(inputs[0].data().len());
    let (y, grads) = vjp(Parabolic::<L>::new(scale), inputs, &g);
    let (expected, dx, db) = naive::<L>(inputs, scale, &g);
    // The 1 is the magnitude of what was summed: sums that cancel to almost 0 agree too.
    let close = |what: &str, found: &[f64], expected: &[f64]| {
        assert_close(what, &[found, &[1.0]].concat(), &[expected, &[1.0]].concat(), 1e-12);
    };
    close("output", &y, &expected);
    close("image", &grads[0], &dx);
    close("curvature", &grads[1], &db);
}

fn dilate(b: &Tensor<f64>) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> {
    move |x| {
        evaluate([x, b.view()], |graph, [x, b]| parabolic_dilation2d(graph, x, b, 0.5)).unwrap()
    }
}

fn erode(b: &Tensor<f64>) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> {
    move |x| evaluate([x, b.view()], |graph, [x, b]| parabolic_erosion2d(graph, x, b, 0.5)).unwrap()
}

/// Both operators on one row.
fn row<T: Real>(x: &[T], curvature: T) -> [Vec<T>; 2] {
    let (x, b) = (TensorRef::new([1, 1, x.len(), 1], x), [curvature]);
    let b = TensorRef::new([1], &b);
    [
        evaluate([x, b], |graph, [x, b]| parabolic_dilation2d(graph, x, b, 0.5))
            .unwrap()
            .into_vec(),
        evaluate([x, b], |graph, [x, b]| parabolic_erosion2d(graph, x, b, 0.5)).unwrap().into_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties_on_any_number_of_threads(
        inputs in exact(), scale in prop::sample::select(vec![0.5, 1.0, 2.0]),
    ) {
        agrees_exactly::<MaxPlus>(&inputs, scale);
        agrees_exactly::<MinMinus>(&inputs, scale);
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_up_to_rounding(inputs in random(0.8)) {
        agrees_closely::<MaxPlus>(&inputs, 0.8);
        agrees_closely::<MinMinus>(&inputs, 0.8);
    }

    #[test]
    fn a_window_that_covers_the_image_gives_the_same([x, b] in random(3.0)) {
        let &[_, h, w, _] = x.shape().dims() else { unreachable!() };
        let size = [2 * h + 1, 2 * w + 1];
        let window = Window2d::new(size).same();
        let kernel = evaluate([b.view()], |graph, [b]| {
            graph.apply(QuadraticKernel { size, scale: 3.0 }, [b])
        })
        .unwrap();
        let inputs = [x.view(), b.view()];
        let windowed = [x.view(), kernel.view()];
        let dilated =
            evaluate(inputs, |graph, [x, b]| parabolic_dilation2d(graph, x, b, 3.0)).unwrap();
        let expected = evaluate(windowed, |graph, [x, w]| dilation2d(graph, x, w, window)).unwrap();
        assert_close("dilation", dilated.data(), expected.data(), 1e-12);
        let eroded =
            evaluate(inputs, |graph, [x, b]| parabolic_erosion2d(graph, x, b, 3.0)).unwrap();
        let expected = evaluate(windowed, |graph, [x, w]| erosion2d(graph, x, w, window)).unwrap();
        assert_close("erosion", eroded.data(), expected.data(), 1e-12);
    }

    #[test]
    fn the_laws_hold_exactly([x, b] in exact(), [other, _] in exact(), shift in -2..=2i8) {
        let (dilate, erode) = (dilate(&b), erode(&b));
        let shape = x.shape();
        let other = Tensor::from_fn(shape, |i| other.data()[i % other.data().len()]);
        let images = [x, other];
        prop_assert_eq!(law::adjunction(&dilate, &erode, &images), 0.0);
        prop_assert_eq!(law::duality(&dilate, &erode, &images), 0.0);
        prop_assert_eq!(law::increasingness(&dilate, &images), 0.0);
        prop_assert_eq!(law::extensivity(&dilate, &images), 0.0);
        prop_assert_eq!(law::anti_extensivity(&erode, &images), 0.0);
        prop_assert_eq!(law::grey_shift(&dilate, &images, f64::from(shift), 1.0), 0.0);
        let open = |x: TensorRef<'_, f64>| dilate(erode(x).view());
        let close = |x: TensorRef<'_, f64>| erode(dilate(x).view());
        prop_assert_eq!(law::idempotence(&open, &images), 0.0);
        prop_assert_eq!(law::anti_extensivity(&open, &images), 0.0);
        prop_assert_eq!(law::idempotence(&close, &images), 0.0);
    }

    #[test]
    fn in_single_precision_a_long_row_is_as_precise_as_its_values(
        x in strategy::tensor([700]),
        b in 1e-5..2.0f32,
    ) {
        let x: Vec<f32> = x.data().iter().map(|x| *x as f32).collect();
        let in_double = |sign: f64| -> Vec<f32> {
            let best = |p: usize| {
                let fall = |q: usize| f64::from(b) * square(p, q);
                (0..x.len())
                    .map(|q| sign * f64::from(x[q]) - fall(q))
                    .fold(f64::NEG_INFINITY, f64::max)
            };
            (0..x.len()).map(|p| (sign * best(p)) as f32).collect()
        };
        let [dilated, eroded] = row(&x, b);
        assert_close("dilation", &dilated, &in_double(1.0), 3e-7);
        assert_close("erosion", &eroded, &in_double(-1.0), 3e-7);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn gradients_agree_with_differences(
        x in strategy::tensor([2, 3, 5, 2]),
        wide in strategy::tensor([1, 2, 18, 2]),
        b in prop::array::uniform2(0.05..1.5f64),
    ) {
        let b = Tensor::from_vec([2], b.to_vec()).unwrap();
        for inputs in [[x, b.clone()], [wide, b]] {
            check_op(Parabolic::<MaxPlus>::new(0.7), &inputs);
            check_op(Parabolic::<MinMinus>::new(0.7), &inputs);
        }
    }
}

#[test]
fn of_tied_pixels_the_first_in_raster_order_gets_the_gradient() {
    // Three corners around the pixel in the middle. The first is on the right, the leftmost below
    // it.
    for background in [f64::NEG_INFINITY, 0.0] {
        let x =
            Tensor::from_fn(
                [1, 5, 5, 1],
                |i| if [8, 16, 18].contains(&i) { 3.0 } else { background },
            );
        let g: Numbers = (0..25).map(|i| f64::from(u8::from(i == 12))).collect();
        for b in [0.0, 0.25, 1.0] {
            let (y, grads) =
                vjp(Parabolic::<MaxPlus>::new(0.5), &[x.clone(), Tensor::filled([1], b)], &g);
            assert_eq!((y[12], grads[1][0]), (3.0 - 2.0 * b, -2.0));
            assert_eq!(grads[0].iter().position(|g| *g == 1.0), Some(8));
        }
    }
}

#[test]
fn a_flat_parabola_takes_the_extremum_of_the_image() {
    for zero in [0.0, -0.0] {
        assert_eq!(row(&[1.0, -2.0, 5.0, 5.0], zero), [[5.0; 4], [-2.0; 4]]);
        // So flat that its drop is not a number other than 0.
        assert_eq!(row(&[1.0, -2.0, 5.0, 5.0], 1e-320), [[5.0; 4], [-2.0; 4]]);
        let inputs = [
            Tensor::from_vec([1, 2, 2, 1], vec![0.0, 1.0, 1.0, 0.0]).unwrap(),
            Tensor::filled([1], zero),
        ];
        let (y, grads) = vjp(Parabolic::<MaxPlus>::new(0.5), &inputs, &[1.0, 2.0, 4.0, 8.0]);
        assert_eq!(
            (y, &grads[0][..], grads[1][0]),
            (vec![1.0; 4], &[0.0, 15.0, 0.0, 0.0][..], -(1.0 + 8.0 + 4.0 * 2.0))
        );
    }
}

#[test]
fn nan_never_wins_and_infinities_are_true() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    assert_eq!(row(&[nan, 1.0, nan, nan], 1.0), [[0.0, 1.0, 0.0, -3.0], [2.0, 1.0, 2.0, 5.0]]);
    assert_eq!(row(&[-inf, 1.0, -inf, -inf], 1.0), [vec![0.0, 1.0, 0.0, -3.0], vec![-inf; 4]]);
    for b in [-inf, -1.0, 0.0, 1e-320, 1.0, 1e300, inf] {
        assert_eq!(row(&[-inf; 3], b), [[-inf; 3]; 2], "{b}");
        assert_eq!(row(&[inf; 3], b), [[inf; 3]; 2], "{b}");
        assert_eq!(row(&[nan; 3], b), [[-inf; 3], [inf; 3]], "{b}");
        assert_eq!(row(&[0.0, inf, -inf, inf, nan], b), [[inf; 5], [-inf; 5]], "{b}");
        assert_eq!(row(&[0f32, f32::INFINITY, 2.0], b as f32)[0], [f32::INFINITY; 3], "{b}");
    }
    // The first of tied infinities gets the gradient, and that of nobody is dropped.
    let g = [1.0, 2.0, 4.0];
    for (x, expected) in [([0.0, inf, inf], [0.0, 7.0, 0.0]), ([-inf, nan, -inf], [0.0; 3])] {
        let x = Tensor::from_vec([1, 1, 3, 1], x.to_vec()).unwrap();
        for b in [-1.0, 0.0, 1.0] {
            let (_, grads) =
                vjp(Parabolic::<MaxPlus>::new(0.5), &[x.clone(), Tensor::filled([1], b)], &g);
            assert_eq!(grads[0], expected, "{b}");
        }
    }
}

#[test]
fn any_curvature_has_a_value() {
    let x = [0.0, 2.0, -1.0];
    // A parabola that opens upwards is largest at the other end.
    assert_eq!(row(&x, -1.0), [[3.0, 2.0, 4.0], [-5.0, -2.0, -4.0]]);
    assert_eq!(row(&x, f64::INFINITY), [x; 2]);
    assert_eq!(row(&x.map(|x| x as f32), f32::MAX), [x.map(|x| x as f32); 2]);
    assert_eq!(row(&x, f64::NAN), [[f64::NEG_INFINITY; 3], [f64::INFINITY; 3]]);
    let huge = [f64::MAX, -f64::MAX, 0.0];
    assert_eq!(row(&huge, 1.0), [[f64::MAX; 3], [-f64::MAX; 3]]);
}

#[test]
fn no_images_no_channels_and_no_pixels_are_nothing() {
    for shape in [[0, 3, 4, 1], [2, 0, 4, 1], [2, 3, 0, 1], [2, 3, 4, 0]] {
        let inputs = [Tensor::<f64>::zeros(shape), Tensor::filled([shape[3]], 1.0)];
        let (y, grads) = vjp(Parabolic::<MaxPlus>::new(0.5), &inputs, &[]);
        assert!(y.is_empty() && grads[1].iter().all(|g| *g == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = |x: &[usize], b: &[usize], scale: f64| {
        let op = Parabolic::<MinMinus>::new(scale);
        Op::<f32>::infer(&op, &[Shape::new(x), Shape::new(b)]).unwrap_err().to_string()
    };
    let expected = "parabolic_erosion2d: expected images [batch, height, width, channels] and \
        curvatures [channels], found ";
    assert_eq!(error(&[3, 4, 1], &[1], 1.0), format!("{expected}[3, 4, 1] and [1]"));
    assert_eq!(error(&[1, 3, 4, 1], &[], 1.0), format!("{expected}[1, 3, 4, 1] and []"));
    assert_eq!(
        error(&[1, 3, 4, 2], &[3], 1.0),
        "parabolic_erosion2d: expected a curvature for each of 2 channels, found 3"
    );
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e200, 1e-200] {
        assert!(
            error(&[1, 3, 4, 1], &[1], scale).contains("expected a positive, finite scale"),
            "{scale}"
        );
    }
    assert!(error(&[1, 1 << 20, 1 << 20, 1], &[1], 1.0).contains("fewer than 2^30 pixels"));
    let op = Parabolic::<MaxPlus>::new(0.0);
    assert!(
        Op::<f32>::infer(&op, &[[1, 1, 1, 1].into(), [1].into()])
            .unwrap_err()
            .to_string()
            .starts_with("parabolic_dilation2d")
    );
}
