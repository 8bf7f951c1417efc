//! Laws of the operators that select pixels: finite differences, the definition (values, and the
//! choice at ties), order, idempotence.

use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape, Ties, Var, gradcheck};
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef};
use morphograd_morphology::{
    AreaOpening, Connectivity, GeodesicDilation, Leveling, PixelDistance, Reconstruction,
    Selection, area_closing, area_opening, distance_transform, evaluate, extended_maxima,
    geodesic_dilation, geodesic_erosion, h_concave, h_convex, h_maxima, h_minima, leveling,
    reconstruction_by_dilation, reconstruction_by_erosion, regional_maxima, regional_minima,
};
use morphograd_testkit::{assert_close, check_op, vjp};
use proptest::prelude::*;

mod naive;

use naive::*;

/// Sums in different orders agree, also where they cancel to almost 0: the 1 is the magnitude of
/// what was summed.
fn close(what: &str, found: Vec<Vec<f64>>, expected: Vec<Vec<f64>>) {
    let with_one = |all: Vec<Vec<f64>>| [all.concat(), vec![1.0]].concat();
    assert_close(what, &with_one(found), &with_one(expected), 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_finite_differences(
        inputs in pair(),
        steps in 0..=4usize,
        area in 1..=9usize,
        connectivity in connectivity(),
        ties in ties(),
    ) {
        check_op(GeodesicDilation { steps, connectivity, ties }, &inputs);
        check_op(Reconstruction { connectivity, ties }, &inputs);
        check_op(AreaOpening { area, connectivity, ties }, &inputs[..1]);
        if ties != Ties::Split {
            check_op(Leveling { connectivity, ties }, &inputs);
        }
    }

    #[test]
    fn gradients_of_the_duals_and_of_the_extrema_agree_with_finite_differences(
        [x, y] in pair(),
        h in 0.05..1.0f64,
        connectivity in connectivity(),
    ) {
        let mut params = Params::new();
        let x = params.add("x", x, None).unwrap();
        let y = params.add("y", y, None).unwrap();
        let h = params.add("h", Tensor::filled([1], h), None).unwrap();
        type Operator = fn(&mut Graph<'_, f64>, [Var; 3], Connectivity) -> Result<Var, ShapeError>;
        let operators: [(&str, Operator); 8] = [
            ("geodesic erosion", |graph, [x, y, _], c| geodesic_erosion(graph, x, y, 2, c)),
            (
                "reconstruction by \
                erosion",
                |graph, [x, y, _], c| reconstruction_by_erosion(graph, x, y, c),
            ),
            ("area closing", |graph, [x, ..], c| area_closing(graph, x, 3, c)),
            ("h-maxima", |graph, [x, _, h], c| h_maxima(graph, x, h, c)),
            ("h-minima", |graph, [x, _, h], c| h_minima(graph, x, h, c)),
            ("h-convex", |graph, [x, _, h], c| h_convex(graph, x, h, c)),
            ("h-concave", |graph, [x, _, h], c| h_concave(graph, x, h, c)),
            ("reconstruction of itself", |graph, [x, ..], c| {
                reconstruction_by_dilation(graph, x, x, c)
            }),
        ];
        for (name, operator) in operators {
            let checked = gradcheck(&mut params, |graph| {
                let vars = [graph.param(x), graph.param(y), graph.param(h)];
                operator(graph, vars, connectivity)
            });
            prop_assert_eq!(checked, Ok(()), "{}", name);
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties(
        inputs in tied_pair(),
        area in 0..=9usize,
        connectivity in connectivity(),
        last in any::<bool>(),
    ) {
        let ties = if last { Ties::Last } else { Ties::First };
        let [marker, mask] = &inputs;
        agrees(
            Leveling { connectivity, ties },
            &inputs,
            &naive_leveling(marker, mask, connectivity, ties),
        );
        let opened = naive_area_opening(marker, area, connectivity, ties);
        agrees(AreaOpening { area, connectivity, ties }, &inputs[..1], &opened);
    }

    #[test]
    fn a_geodesic_dilation_resolves_ties_in_every_step(
        inputs in tied_pair(),
        steps in 0..=4usize,
        connectivity in connectivity(),
        ties in ties(),
    ) {
        let grad = numbers(inputs[0].data().len());
        let (y, grads) = vjp(GeodesicDilation { steps, connectivity, ties }, &inputs, &grad);
        let shared = naive_geodesic(&inputs, steps, connectivity, ties);
        prop_assert_eq!(y, shared.iter().map(|s| s.0).collect::<Vec<_>>());
        let expected: Vec<f64> = (0..2 * grad.len())
            .map(|k| shared.iter().zip(&grad).map(|(s, g)| s.1[k] * g).sum())
            .collect();
        assert_close("gradients", &grads.concat(), &expected, 1e-12);
    }

    #[test]
    fn split_ties_divide_the_gradient_of_a_flat_zone_among_the_pixels_that_have_its_value(
        inputs in tied_pair(), area in 0..=9usize, connectivity in connectivity(),
    ) {
        let (ties, grad) = (Ties::Split, numbers(inputs[0].data().len()));
        let (y, grads) = vjp(Reconstruction { connectivity, ties }, &inputs, &grad);
        close("reconstruction", grads, naive_zones(&y, &inputs, &grad, connectivity));
        let (y, grads) = vjp(AreaOpening { area, connectivity, ties }, &inputs[..1], &grad);
        close("opening", grads, naive_zones(&y, &inputs[..1], &grad, connectivity));
    }

    #[test]
    fn at_ties_too_nothing_depends_on_the_number_of_threads(
        inputs in tied_pair(),
        connectivity in connectivity(),
        ties in ties(),
    ) {
        let grad = numbers(inputs[0].data().len());
        let on = |threads: usize| {
            let run = || {
                let mut all = vec![
                    vjp(GeodesicDilation { steps: 3, connectivity, ties }, &inputs, &grad),
                    vjp(Reconstruction { connectivity, ties }, &inputs, &grad),
                    vjp(AreaOpening { area: 4, connectivity, ties }, &inputs[..1], &grad),
                ];
                if ties != Ties::Split {
                    all.push(vjp(Leveling { connectivity, ties }, &inputs, &grad));
                }
                let numbers = all.into_iter().flat_map(|(y, grads)| [y, grads.concat()].concat());
                numbers.map(f64::to_bits).collect::<Vec<_>>()
            };
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
        };
        let one = on(1);
        prop_assert_eq!(&one, &on(2));
        prop_assert_eq!(&one, &on(3));
    }

    /// Where values are tied, the origin depends on the order of the algorithm. It is one of those
    /// that the definition permits: the pixel has the output's value, and a path leads from it on
    /// which neither mask nor result is lower.
    #[test]
    fn a_reconstruction_is_the_limit_and_its_gradient_goes_to_a_pixel_that_reaches(
        inputs in tied_pair(), connectivity in connectivity(), last in any::<bool>(),
    ) {
        let ties = if last { Ties::Last } else { Ties::First };
        let [marker, mask] = &inputs;
        let n = marker.data().len();
        let expected: Vec<f64> =
            naive_geodesic(&inputs, n, connectivity, ties).iter().map(|t| t.0).collect();
        let windows = windows(marker.shape(), connectivity);
        for i in 0..n {
            let mut one = vec![0.0; n];
            one[i] = 1.0;
            let (y, grads) = vjp(Reconstruction { connectivity, ties }, &inputs, &one);
            prop_assert_eq!(&y, &expected);
            let origins: Vec<(usize, usize)> =
                (0..2 * n).map(|k| (k / n, k % n)).filter(|&(k, p)| grads[k][p] != 0.0).collect();
            let [(input, origin)] = origins[..] else { panic!("one origin, found {origins:?}") };
            prop_assert_eq!(inputs[input].data()[origin], y[i]);
            if last && mask.data()[i] == y[i] {
                prop_assert_eq!(
                    (input, origin),
                    (1, i),
                    "a pixel that reaches its mask has its \
                    value from there"
                );
            } else if marker.data()[i] == y[i] {
                prop_assert_eq!(
                    (input, origin),
                    (0, i),
                    "a pixel that its marker suffices keeps \
                    it"
                );
            }
            let reached = flood(origin, &windows, |q| expected[q] >= y[i]);
            prop_assert!(reached.contains(&i), "pixel {} is not reached from {}", i, origin);
        }
    }

    #[test]
    fn reconstruction_lies_between_marker_and_mask_is_idempotent_and_increasing(
        [marker, mask] in tied_pair(),
        connectivity in connectivity(),
        raise in 0..=2u8,
    ) {
        let reconstruct = |m: &Tensor<f64>, g: &Tensor<f64>| {
            on([m, g], |graph, [m, g]| reconstruction_by_dilation(graph, m, g, connectivity))
        };
        let clipped = lower(&marker, &mask);
        let y = reconstruct(&marker, &mask);
        prop_assert!(below(clipped.data(), y.data()) && below(y.data(), mask.data()));
        prop_assert_eq!(&reconstruct(&clipped, &mask), &y);
        prop_assert_eq!(&reconstruct(&y, &mask), &y);
        let higher = |x: &Tensor<f64>| {
            Tensor::from_fn(x.shape(), |i| x.data()[i] + f64::from(raise) * (i % 3) as f64)
        };
        prop_assert!(below(y.data(), reconstruct(&higher(&marker), &mask).data()));
        prop_assert!(below(y.data(), reconstruct(&marker, &higher(&mask)).data()));
        // The dual, by its own iteration.
        let above = on([&marker, &mask], |graph, [m, g]| {
            reconstruction_by_erosion(graph, m, g, connectivity)
        });
        let steps = marker.data().len();
        let iterated = on([&marker, &mask], |graph, [m, g]| {
            geodesic_erosion(graph, m, g, steps, connectivity)
        });
        prop_assert_eq!(&above, &iterated);
        prop_assert!(below(mask.data(), above.data()));
    }

    #[test]
    fn a_leveling_is_stable_and_extends_the_reconstructions(
        [marker, image] in tied_pair(),
        connectivity in connectivity(),
    ) {
        let level =
            |m: &Tensor<f64>| on([m, &image], |graph, [m, g]| leveling(graph, m, g, connectivity));
        let y = level(&marker);
        prop_assert_eq!(&level(&y), &y);
        let under = lower(&marker, &image);
        let reconstructed = on([&under, &image], |graph, [m, g]| {
            reconstruction_by_dilation(graph, m, g, connectivity)
        });
        prop_assert_eq!(level(&under), reconstructed);
        // Meyer's definition: a step of the result is a step of the image that contains it.
        for (p, window) in windows(y.shape(), connectivity).iter().enumerate() {
            for q in window.iter().filter(|q| y.data()[p] > y.data()[**q]) {
                prop_assert!(image.data()[p] >= y.data()[p] && y.data()[*q] >= image.data()[*q]);
            }
        }
    }

    #[test]
    fn an_area_opening_is_anti_extensive_idempotent_and_increasing_and_its_peaks_are_large(
        [x, other] in tied_pair(), area in 1..=9usize, connectivity in connectivity(),
    ) {
        let open =
            |x: &Tensor<f64>| on([x], |graph, [x]| area_opening(graph, x, area, connectivity));
        let y = open(&x);
        prop_assert!(below(y.data(), x.data()));
        prop_assert_eq!(&open(&y), &y);
        prop_assert!(below(open(&lower(&x, &other)).data(), y.data()));
        prop_assert!(area > 1 || y == x);
        let (windows, plane) =
            (windows(x.shape(), connectivity), x.shape().dims()[1] * x.shape().dims()[2]);
        for (p, level) in y.data().iter().enumerate() {
            prop_assert!(flood(p, &windows, |q| y.data()[q] >= *level).len() >= area.min(plane));
        }
        let closed = on([&x], |graph, [x]| area_closing(graph, x, area, connectivity));
        prop_assert!(below(x.data(), closed.data()));
    }

    #[test]
    fn h_maxima_lower_peaks_by_at_most_h_and_regional_maxima_are_what_the_smallest_h_lowers(
        [x, _] in tied_pair(), connectivity in connectivity(),
    ) {
        // Values are multiples of 1/2, so 1/4 is less than any difference.
        let h = Tensor::filled([1], 0.25);
        let residue = on([&x, &h], |graph, [x, h]| h_convex(graph, x, h, connectivity));
        let maxima = regional_maxima(x.view(), connectivity).unwrap();
        prop_assert!(residue.data().iter().zip(maxima.data()).all(|(r, m)| *r == 0.25 * m));
        let residue = on([&x, &h], |graph, [x, h]| h_concave(graph, x, h, connectivity));
        let minima = regional_minima(x.view(), connectivity).unwrap();
        prop_assert!(residue.data().iter().zip(minima.data()).all(|(r, m)| *r == 0.25 * m));
        let h = Tensor::filled([1], 1.0);
        let lowered = on([&x, &h], |graph, [x, h]| h_maxima(graph, x, h, connectivity));
        prop_assert!(below(lowered.data(), x.data()));
        prop_assert!(x.data().iter().zip(lowered.data()).all(|(x, y)| x - y <= 1.0));
        prop_assert_eq!(
            extended_maxima(x.view(), 1.0, connectivity).unwrap(),
            regional_maxima(lowered.view(), connectivity).unwrap()
        );
    }

    #[test]
    fn distances_are_those_of_the_definition(
        shape in (1..=2usize, 1..=7usize, 1..=9usize, 1..=2usize),
        seed in any::<u64>(),
        rarity in 1..=40u64,
    ) {
        let (batch, height, width, channels) = shape;
        let mut state = seed;
        let x = Tensor::from_fn([batch, height, width, channels], |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u8::from((state >> 33).is_multiple_of(rarity)))
        });
        let place = |at: usize| (at / channels % width, at / channels / width % height);
        let plane = |at: usize| (at % channels, at / (channels * width * height));
        let all = [PixelDistance::Chessboard, PixelDistance::Taxicab, PixelDistance::Euclidean];
        for metric in all {
            let found = distance_transform(x.view(), metric).unwrap();
            for (p, found) in found.data().iter().enumerate() {
                let set =
                    (0..x.data().len()).filter(|q| plane(*q) == plane(p) && x.data()[*q] != 0.0);
                let expected = set.map(|q| {
                    let (dx, dy) =
                        (place(p).0.abs_diff(place(q).0), place(p).1.abs_diff(place(q).1));
                    match metric {
                        PixelDistance::Chessboard => dx.max(dy) as f64,
                        PixelDistance::Taxicab => (dx + dy) as f64,
                        PixelDistance::Euclidean => ((dx * dx + dy * dy) as f64).sqrt(),
                    }
                });
                prop_assert_eq!(
                    *found,
                    expected.fold(f64::INFINITY, f64::min),
                    "{:?} at {}",
                    metric,
                    p
                );
            }
        }
    }
}

#[test]
fn where_marker_and_mask_are_tied_the_marker_gets_the_gradient() {
    let flat = Tensor::filled([1, 2, 2, 1], 1.0);
    let grad = [1.0, 2.0, 4.0, 8.0];
    let inputs = [flat.clone(), flat.clone()];
    let (connectivity, ties) = (Connectivity::Eight, Ties::First);
    // In steps, the first of the tied neighbours; to stability, every pixel's own marker.
    let (_, grads) = vjp(GeodesicDilation { steps: 0, connectivity, ties }, &inputs, &grad);
    assert_eq!(grads, [vec![1.0, 2.0, 4.0, 8.0], vec![0.0; 4]]);
    let (_, grads) = vjp(GeodesicDilation { steps: 1, connectivity, ties }, &inputs, &grad);
    assert_eq!(grads, [vec![15.0, 0.0, 0.0, 0.0], vec![0.0; 4]]);
    let (_, grads) = vjp(Reconstruction { connectivity, ties }, &inputs, &grad);
    assert_eq!(grads, [vec![1.0, 2.0, 4.0, 8.0], vec![0.0; 4]]);
    let (_, grads) = vjp(Leveling { connectivity, ties }, &inputs, &grad);
    assert_eq!(grads, [vec![1.0, 2.0, 4.0, 8.0], vec![0.0; 4]]);
    // What arrives at a pixel of the mask with the same value keeps its origin; a lower mask takes
    // over.
    let marker = Tensor::from_vec([1, 1, 4, 1], vec![3.0, 0.0, 0.0, 0.0]).unwrap();
    let mask = Tensor::from_vec([1, 1, 4, 1], vec![3.0, 3.0, 2.0, 5.0]).unwrap();
    let (y, grads) = vjp(Reconstruction { connectivity, ties }, &[marker, mask], &grad);
    assert_eq!(y, [3.0, 3.0, 2.0, 2.0]);
    assert_eq!(grads, [vec![3.0, 0.0, 0.0, 0.0], vec![0.0, 0.0, 12.0, 0.0]]);
}

#[test]
fn ties_on_a_plateau_worked_out_by_hand() {
    let image = |data: &[f64]| Tensor::from_vec([1, 1, data.len(), 1], data.to_vec()).unwrap();
    let (connectivity, grad) = (Connectivity::Four, [1.0, 2.0, 4.0, 8.0]);
    let flat = [image(&[1.0; 4]), image(&[1.0; 4])];
    let step = |ties| vjp(GeodesicDilation { steps: 1, connectivity, ties }, &flat, &grad).1;
    // The last neighbour, and the mask before the marker: the mask gets all of it.
    assert_eq!(step(Ties::Last), [vec![0.0; 4], vec![1.0, 2.0, 4.0, 8.0]]);
    // Half to the mask; of the rest, windows of 2, 3, 3 and 2 pixels, half to the mask of the first
    // clipping.
    let [a, b, c, d] = [0.5 / 2.0, 1.0 / 3.0, 2.0 / 3.0, 4.0 / 2.0];
    let arrived = [a + b, a + b + c, b + c + d, c + d];
    let [marker, mask] = &step(Ties::Split)[..] else { unreachable!("two inputs") };
    assert_close("marker", marker, &arrived.map(|x| x / 2.0), 1e-15);
    let to_mask: Vec<f64> = arrived.iter().zip(grad).map(|(x, g)| x / 2.0 + g / 2.0).collect();
    assert_close("mask", mask, &to_mask, 1e-15);

    // The zone of 2 has a marker and two masks of its value.
    let inputs = [image(&[2.0, 0.0, 0.0, 0.0]), image(&[3.0, 2.0, 2.0, 1.0])];
    let (y, grads) =
        vjp(Reconstruction { connectivity, ties: Ties::Split }, &inputs, &[1.0, 2.0, 6.0, 8.0]);
    assert_eq!(y, [2.0, 2.0, 2.0, 1.0]);
    assert_eq!(grads, [[3.0, 0.0, 0.0, 0.0], [0.0, 3.0, 3.0, 8.0]]);
    // A peak of one pixel sinks to a plateau of three.
    for (ties, expected) in
        RULES.into_iter().zip([[5.0, 0.0, 4.0, 8.0], [1.0, 0.0, 8.0, 8.0], [4.5, 0.0, 4.5, 8.0]])
    {
        let (y, grads) = vjp(
            AreaOpening { area: 2, connectivity, ties },
            &[image(&[1.0, 5.0, 1.0, 0.0])],
            &[1.0, 4.0, 4.0, 8.0],
        );
        assert_eq!((y, &grads[0][..]), (vec![1.0, 1.0, 1.0, 0.0], &expected[..]), "{ties:?}");
    }
    // The image before what arrives; the last of two highest neighbours.
    let level = |marker: &[f64], target: &[f64], ties| {
        vjp(Leveling { connectivity, ties }, &[image(marker), image(target)], &grad[..3]).1
    };
    assert_eq!(level(&[5.0, 0.0, 5.0], &[5.0, 9.0, 5.0], Ties::First), [[3.0, 0.0, 4.0], [0.0; 3]]);
    assert_eq!(level(&[5.0, 0.0, 5.0], &[5.0, 9.0, 5.0], Ties::Last), [[1.0, 0.0, 6.0], [0.0; 3]]);
    assert_eq!(
        level(&[5.0, 0.0, 5.0], &[5.0, 5.0, 5.0], Ties::Last),
        [[1.0, 0.0, 4.0], [0.0, 2.0, 0.0]]
    );
}

#[test]
fn functions_take_the_rule_at_ties_and_a_leveling_refuses_to_split() {
    let mut params = Params::new();
    let x = params.add("x", Tensor::filled([1, 1, 2, 1], 1.0), None).unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let mask = graph.input(TensorRef::new([1, 1, 2, 1], &[1.0, 1.0]));
    let split = Selection { ties: Ties::Split, ..Connectivity::Eight.into() };
    let marker = graph.param(x);
    let y = reconstruction_by_erosion(&mut graph, marker, mask, split).unwrap();
    let error = leveling(&mut graph, marker, mask, split).unwrap_err();
    assert_eq!(
        error.to_string(),
        "leveling: expected ties that go to the first or the last, found ties to be split"
    );
    graph.backward_with(y, &[3.0, 5.0]);
    assert_eq!(tape.grad(x).unwrap(), [2.0, 2.0]);
}

#[test]
fn n_steps_are_n_steps() {
    let marker = Tensor::from_fn([1, 9, 9, 1], |i| f64::from(u8::from(i == 40)));
    let mask = Tensor::filled([1, 9, 9, 1], 1.0);
    for (connectivity, sizes) in
        [(Connectivity::Four, [1, 5, 13, 25]), (Connectivity::Eight, [1, 9, 25, 49])]
    {
        for (steps, size) in sizes.into_iter().enumerate() {
            let y = on([&marker, &mask], |graph, [m, g]| {
                geodesic_dilation(graph, m, g, steps, connectivity)
            });
            assert_eq!(
                y.data().iter().sum::<f64>(),
                f64::from(size),
                "{connectivity:?}, {steps} steps"
            );
        }
    }
}

/// A corridor that turns: each scan of the image would follow only one of its windings.
#[test]
fn a_reconstruction_follows_a_spiral_to_its_end() {
    let spiral = [
        "#########", //
        "        #",
        "####### #",
        "#     # #",
        "# ### # #",
        "# #   # #",
        "# ##### #",
        "#       #",
        "#########",
    ];
    let mask = Tensor::from_fn([1, 9, 9, 1], |i| {
        f64::from(u8::from(spiral[i / 9].as_bytes()[i % 9] == b'#'))
    });
    let marker = Tensor::from_fn([1, 9, 9, 1], |i| f64::from(u8::from(i == 0)));
    let y = on([&marker, &mask], |graph, [m, g]| {
        reconstruction_by_dilation(graph, m, g, Connectivity::Four)
    });
    assert_eq!(y, mask);
    let ones: Vec<f64> = vec![1.0; 81];
    let (_, grads) = vjp(
        Reconstruction { connectivity: Connectivity::Four, ties: Ties::First },
        &[marker, mask.clone()],
        &ones,
    );
    assert_eq!(grads[0][0], mask.data().iter().sum::<f64>());
}

#[test]
fn nan_stays_at_its_pixel_and_everything_ends() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let image = |data: &[f64]| Tensor::from_vec([1, 1, data.len(), 1], data.to_vec()).unwrap();
    let (marker, mask) =
        (image(&[nan, 2.0, 0.0, 0.0, inf, -inf]), image(&[5.0, 3.0, 3.0, nan, inf, inf]));
    let connectivity = Connectivity::Eight;
    let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let y =
        on([&marker, &mask], |graph, [m, g]| reconstruction_by_dilation(graph, m, g, connectivity));
    assert_eq!(bits(y.data()), bits(&[nan, 2.0, 2.0, nan, inf, inf]));
    let y = on([&marker, &mask], |graph, [m, g]| geodesic_dilation(graph, m, g, 9, connectivity));
    assert_eq!(bits(y.data()), bits(&[nan, 2.0, 2.0, nan, inf, inf]));
    let y = on([&marker, &mask], |graph, [m, g]| leveling(graph, m, g, connectivity));
    assert_eq!(bits(y.data()), bits(&[nan, 2.0, 2.0, 0.0, inf, inf]));
    let x = image(&[1.0, nan, 4.0, 4.0, 0.0, 7.0]);
    let y = on([&x], |graph, [x]| area_opening(graph, x, 2, connectivity));
    assert_eq!(bits(y.data()), bits(&[nan, nan, 4.0, 4.0, 0.0, 0.0]));
    let y = regional_maxima(x.view(), connectivity).unwrap();
    assert_eq!(y.data(), [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn a_constant_image_is_one_maximum_and_one_minimum() {
    let x = Tensor::filled([1, 3, 4, 2], 7.0);
    assert_eq!(
        regional_maxima(x.view(), Connectivity::Four).unwrap(),
        Tensor::filled([1, 3, 4, 2], 1.0)
    );
    assert_eq!(
        regional_minima(x.view(), Connectivity::Four).unwrap(),
        Tensor::filled([1, 3, 4, 2], 1.0)
    );
}

#[test]
fn without_a_pixel_in_the_set_every_distance_is_infinite() {
    let x = Tensor::zeros([2, 3, 4, 1]);
    for metric in [PixelDistance::Chessboard, PixelDistance::Taxicab, PixelDistance::Euclidean] {
        assert_eq!(
            distance_transform(x.view(), metric).unwrap(),
            Tensor::filled([2, 3, 4, 1], f64::INFINITY)
        );
    }
}

#[test]
fn an_area_larger_than_the_image_leaves_its_minimum() {
    let x = Tensor::from_vec([1, 1, 4, 1], vec![3.0, 1.0, 2.0, 1.0]).unwrap();
    let (y, grads) = vjp(
        AreaOpening { area: 5, connectivity: Connectivity::Four, ties: Ties::First },
        &[x],
        &[1.0; 4],
    );
    assert_eq!((y, &grads[0][..]), (vec![1.0; 4], &[0.0, 3.0, 0.0, 1.0][..]));
}

#[test]
fn empty_batches_and_images_are_accepted() {
    for shape in [[0, 3, 3, 1], [2, 0, 3, 1], [2, 3, 0, 1], [2, 3, 3, 0]] {
        let x = Tensor::<f64>::zeros(shape);
        let connectivity = Connectivity::Eight;
        for y in [
            on([&x, &x], |graph, [m, g]| geodesic_dilation(graph, m, g, 2, connectivity)),
            on([&x, &x], |graph, [m, g]| leveling(graph, m, g, connectivity)),
            on([&x], |graph, [x]| area_closing(graph, x, 2, connectivity)),
            regional_maxima(x.view(), connectivity).unwrap(),
            distance_transform(x.view(), PixelDistance::Euclidean).unwrap(),
        ] {
            assert_eq!(y, x);
        }
        assert_eq!(
            vjp(Reconstruction { connectivity, ties: Ties::Split }, &[x.clone(), x], &[]).0,
            Vec::<f64>::new()
        );
    }
}

#[test]
fn wrong_shapes_are_refused_by_name() {
    let (x, y) = (Tensor::<f64>::zeros([1, 2, 3, 1]), Tensor::<f64>::zeros([1, 3, 2, 1]));
    let refused = |inputs: [TensorRef<'_, f64>; 2]| {
        let of = |graph: &mut Graph<'_, f64>, [m, g]: [Var; 2]| {
            reconstruction_by_erosion(graph, m, g, Connectivity::Eight)
        };
        evaluate(inputs, of).unwrap_err().to_string()
    };
    assert_eq!(
        refused([x.view(), y.view()]),
        "reconstruction: expected images of one shape [1, 2, 3, 1], found [1, 3, 2, 1]"
    );
    let flat = Tensor::<f64>::zeros([6]);
    assert_eq!(
        distance_transform(flat.view(), PixelDistance::Taxicab).unwrap_err().to_string(),
        "distance transform: expected images [batch, height, width, channels], found shape [6]"
    );
    assert_eq!(
        regional_maxima(flat.view(), Connectivity::Four).unwrap_err().to_string(),
        "regional maxima: expected images [batch, height, width, channels], found shape [6]"
    );
}

#[test]
fn an_image_too_large_for_its_pixels_to_be_numbered_is_refused_before_any_memory_is_taken() {
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Shapes);
    let x = graph.input_with([1, 1 << 16, 1 << 16, 1], |_| ());
    let error = area_opening(&mut graph, x, 2, Connectivity::Four).unwrap_err();
    assert_eq!(
        error.to_string(),
        "area opening: expected images of fewer than 2^30 pixels, found shape [1, 65536, 65536, 1]"
    );
}
