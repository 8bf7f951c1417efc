//! Laws of the operators by any kernel on the borders that keep them, of those that select pixels,
//! and of smooth ones and poolings, measured with the public law checker. Which border keeps what:
//! `borders.rs`.

use morphograd_morphology::nn::autodiff::{Graph, Var};
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef, Window2d};
use morphograd_morphology::nn::{Layer, MaxPool2d};
use morphograd_morphology::{
    Border, Connectivity, Depthwise2d, MaxPlus, MinMinus, MinPool2d, Neighbourhood2d, Operator,
    RangePool2d, area_closing, area_opening, black_top_hat2d, closing2d, dilation2d, erosion2d,
    evaluate, external_gradient2d, geodesic_dilation, geodesic_erosion, gradient2d, h_maxima,
    h_minima, internal_gradient2d, law, leveling, log_sum_exp_gap, opening2d,
    reconstruction_by_dilation, reconstruction_by_erosion, smooth_dilation2d, smooth_erosion2d,
    white_top_hat2d,
};
use morphograd_testkit::strategy;
use proptest::prelude::*;

type Outcome = Result<Var, ShapeError>;

type Kernel = Tensor<f64>;
type Smooth = fn(&mut Graph<'_, f64>, Var, Var, Var, Window2d) -> Result<Var, ShapeError>;
type Reconstruct = fn(&mut Graph<'_, f64>, Var, Var, Connectivity) -> Result<Var, ShapeError>;

/// Four images of any shape from 1 x 1 to 9 x 9 and a structuring element of any size from 1 x 1 to
/// 4 x 4, flat or with values, on a rectangle or with holes.
fn cases() -> impl Strategy<Value = (Vec<Tensor<f64>>, Kernel)> {
    (1..=2usize, 1..=9usize, 1..=9usize, 1..=2usize).prop_flat_map(
        |(batch, height, width, channels)| {
            let image = strategy::tied_tensor([batch, height, width, channels]);
            (prop::collection::vec(image, 4), elements(channels))
        },
    )
}

/// As [`cases`], but the images are large enough for pixels that an opening does not connect with
/// the border.
fn large_cases() -> impl Strategy<Value = (Vec<Tensor<f64>>, Kernel)> {
    (prop::collection::vec(strategy::tied_tensor([1, 15, 16, 1]), 1), elements(1))
}

fn elements(channels: usize) -> impl Strategy<Value = Kernel> {
    let kinds = (any::<bool>(), prop_oneof![Just(0.0), Just(0.4)]);
    (1..=4usize, 1..=4usize, kinds).prop_flat_map(move |(kh, kw, (flat, holes))| {
        let shape = [kh, kw, channels];
        let out = prop::collection::vec(prop::bool::weighted(holes), kh * kw * channels);
        // Halves are added and subtracted without rounding, so that every law is tested with
        // tolerance 0.
        (strategy::tied_tensor(shape), out).prop_map(move |(w, out)| {
            let entry = |i: usize| if flat { 0.0 } else { w.data()[i] };
            Tensor::from_fn(shape, |i| if out[i] { f64::NEG_INFINITY } else { entry(i) })
        })
    })
}

fn window(w: &Kernel) -> Window2d {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    Window2d::new(size).same()
}

/// An operator on the tape with a kernel, as a function on images.
fn with_kernel<'w>(
    w: &'w Kernel,
    operator: impl Fn(&mut Graph<'_, f64>, Var, Var, Neighbourhood2d) -> Outcome + 'w,
) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> + 'w {
    move |x| {
        evaluate([x, w.view()], |graph, [x, k]| operator(graph, x, k, window(w).into())).unwrap()
    }
}

fn algebraic() -> impl Strategy<Value = Border> {
    prop_oneof![Just(Border::Infinity), Just(Border::Periodic)]
}

fn any_border() -> impl Strategy<Value = Border> {
    prop_oneof![
        algebraic(),
        Just(Border::Constant(0.5)),
        Just(Border::Replicate),
        Just(Border::Reflect),
        Just(Border::Mirror),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dilation_and_erosion(
        (images, w) in cases(),
        border in algebraic(),
        anywhere in any_border(),
    ) {
        let dilate = |border| {
            with_kernel(&w, move |graph, x, k, neighbourhood| {
                dilation2d(graph, x, k, Neighbourhood2d { border, ..neighbourhood })
            })
        };
        let erode = |border| {
            with_kernel(&w, move |graph, x, k, neighbourhood| {
                erosion2d(graph, x, k, Neighbourhood2d { border, ..neighbourhood })
            })
        };
        prop_assert_eq!(law::adjunction(&dilate(border), &erode(border), &images), 0.0);
        // These need no adjunction, and hold on every border.
        prop_assert_eq!(law::increasingness(&dilate(anywhere), &images), 0.0);
        prop_assert_eq!(law::increasingness(&erode(anywhere), &images), 0.0);
        if !matches!(anywhere, Border::Constant(_)) {
            prop_assert_eq!(law::grey_shift(&dilate(anywhere), &images, 1.5, 1.0), 0.0);
            prop_assert_eq!(law::grey_shift(&erode(anywhere), &images, -2.0, 1.0), 0.0);
        }
        prop_assert_eq!(law::translation(&dilate(Border::Periodic), &images, [4, 7], 0), 0.0);
        // Extensive if no entry that meets the pixel itself is negative.
        let &[kh, kw, channels] = w.shape().dims() else { unreachable!("a kernel") };
        let centre = ((kh - 1) / 2 * kw + (kw - 1) / 2) * channels;
        if w.data()[centre..][..channels].iter().all(|entry| *entry >= 0.0) {
            prop_assert_eq!(law::extensivity(&dilate(anywhere), &images), 0.0);
            prop_assert_eq!(law::anti_extensivity(&erode(anywhere), &images), 0.0);
        }
    }

    #[test]
    fn away_from_the_border_translations_commute_with_all(
        (images, w) in large_cases(),
        border in any_border(),
    ) {
        let of = |operator: Operator<f64>| {
            with_kernel(&w, move |graph, x, k, neighbourhood| {
                operator(graph, x, k, Neighbourhood2d { border, ..neighbourhood })
            })
        };
        prop_assert_eq!(law::translation(&of(dilation2d), &images, [2, 1], 3), 0.0);
        prop_assert_eq!(law::translation(&of(erosion2d), &images, [1, 2], 3), 0.0);
        prop_assert_eq!(law::translation(&of(opening2d), &images, [1, 1], 6), 0.0);
        prop_assert_eq!(law::translation(&of(closing2d), &images, [1, 1], 6), 0.0);
    }

    #[test]
    fn erosion_is_dual_to_dilation_by_the_mirrored_kernel((images, w) in cases()) {
        let size = w.shape().dims()[..2].to_vec();
        let entries = w.data().chunks(w.shape().dims()[2]);
        let mirrored =
            Tensor::from_vec(w.shape(), entries.rev().flatten().copied().collect()).unwrap();
        let odd = size.iter().all(|n| n % 2 == 1);
        // Of an even window, the mirrored kernel has its mirrored window too.
        let dilate = with_kernel(&mirrored, |graph, x, k, neighbourhood| {
            dilation2d(graph, x, k, neighbourhood.window.adjoint())
        });
        prop_assert_eq!(law::duality(&dilate, &with_kernel(&w, erosion2d), &images), 0.0);
        if odd {
            prop_assert_eq!(
                law::duality(
                    &with_kernel(&mirrored, dilation2d),
                    &with_kernel(&w, erosion2d),
                    &images
                ),
                0.0
            );
        }
    }

    #[test]
    fn openings_closings_and_what_they_leave((images, w) in cases(), border in algebraic()) {
        let of = |operator: Operator<f64>| {
            with_kernel(&w, move |graph, x, k, neighbourhood| {
                operator(graph, x, k, Neighbourhood2d { border, ..neighbourhood })
            })
        };
        let (opening, closing) = (of(opening2d), of(closing2d));
        prop_assert_eq!(law::anti_extensivity(&opening, &images), 0.0);
        prop_assert_eq!(law::extensivity(&closing, &images), 0.0);
        for operator in [&opening as &dyn Fn(TensorRef<'_, f64>) -> Tensor<f64>, &closing] {
            prop_assert_eq!(law::idempotence(&operator, &images), 0.0);
            prop_assert_eq!(law::increasingness(&operator, &images), 0.0);
            prop_assert_eq!(law::grey_shift(&operator, &images, 0.5, 1.0), 0.0);
        }
        let residues = [
            white_top_hat2d,
            black_top_hat2d,
            gradient2d,
            internal_gradient2d,
            external_gradient2d,
        ]
        .map(of);
        for operator in &residues {
            prop_assert_eq!(law::grey_shift(operator, &images, 1.0, 0.0), 0.0);
        }
        for (image, top_hat) in images
            .iter()
            .flat_map(|image| residues[..2].iter().map(move |top_hat| (image, top_hat)))
        {
            prop_assert!(top_hat(image.view()).data().iter().all(|v| *v >= 0.0));
        }
    }

    #[test]
    fn area_openings_and_closings((images, _) in cases(), area in 1..12usize) {
        let opening = |x: TensorRef<'_, f64>| {
            evaluate([x], |graph, [x]| area_opening(graph, x, area, Connectivity::Four)).unwrap()
        };
        let closing = |x: TensorRef<'_, f64>| {
            evaluate([x], |graph, [x]| area_closing(graph, x, area, Connectivity::Four)).unwrap()
        };
        prop_assert_eq!(law::anti_extensivity(&opening, &images), 0.0);
        prop_assert_eq!(law::idempotence(&opening, &images), 0.0);
        prop_assert_eq!(law::increasingness(&opening, &images), 0.0);
        prop_assert_eq!(law::duality(&opening, &closing, &images), 0.0);
        prop_assert_eq!(law::grey_shift(&opening, &images, 2.0, 1.0), 0.0);
    }
}

/// An operator on the tape that needs no kernel, as a function on images.
fn plain(
    operator: impl Fn(&mut Graph<'_, f64>, Var) -> Result<Var, ShapeError>,
) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> {
    move |x| evaluate([x], |graph, [x]| operator(graph, x)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn operators_by_reconstruction((mut images, _) in cases()) {
        let mask = images.remove(0);
        let (eight, h, channels) =
            (Connectivity::Eight, Tensor::filled([1], 0.5), mask.shape().dims()[3]);
        let [opening, closing] = [
            (erosion2d as Operator<f64>, reconstruction_by_dilation::<f64> as Reconstruct),
            (dilation2d, reconstruction_by_erosion),
        ]
        .map(|(shrink, rebuild)| {
            plain(move |graph, x| {
                let square = graph.input_with([3, 3, channels], |w| w.fill(0.0));
                let window =
                    Window2d::new([3, 3]).same();
                let marker = shrink(graph, x, square, window.into())?;
                rebuild(graph, marker, x, eight)
            })
        });
        let lower = plain(|graph, x| {
            let h = graph.input(h.view());
            h_maxima(graph, x, h, eight)
        });
        let raise = plain(|graph, x| {
            let h = graph.input(h.view());
            h_minima(graph, x, h, eight)
        });
        prop_assert_eq!(law::idempotence(&opening, &images), 0.0);
        prop_assert_eq!(law::duality(&opening, &closing, &images), 0.0);
        prop_assert_eq!(law::duality(&lower, &raise, &images), 0.0);
        prop_assert_eq!(law::anti_extensivity(&opening, &images), 0.0);
        prop_assert_eq!(law::anti_extensivity(&lower, &images), 0.0);
        prop_assert_eq!(law::increasingness(&opening, &images), 0.0);
        prop_assert_eq!(law::increasingness(&lower, &images), 0.0);
        prop_assert_eq!(law::grey_shift(&opening, &images, 1.5, 1.0), 0.0);
        prop_assert_eq!(law::grey_shift(&lower, &images, 1.5, 1.0), 0.0);

        // Of the marker, with a mask that stays.
        let below = plain(|graph, x| {
            let mask = graph.input(mask.view());
            geodesic_dilation(graph, x, mask, 2, eight)
        });
        let rebuilt = plain(|graph, x| {
            let mask = graph.input(mask.view());
            reconstruction_by_dilation(graph, x, mask, eight)
        });
        let negative = Tensor::from_fn(mask.shape(), |i| -mask.data()[i]);
        let above = plain(|graph, x| {
            let mask = graph.input(negative.view());
            geodesic_erosion(graph, x, mask, 2, eight)
        });
        prop_assert_eq!(law::duality(&below, &above, &images), 0.0);
        prop_assert_eq!(law::increasingness(&below, &images), 0.0);
        prop_assert_eq!(law::increasingness(&rebuilt, &images), 0.0);
        prop_assert_eq!(law::idempotence(&rebuilt, &images), 0.0);
        // Of the image, with a marker that stays.
        let levelled = |sign: f64| {
            let marker = Tensor::from_fn(mask.shape(), |i| sign * mask.data()[i]);
            plain(move |graph, x| {
                let marker = graph.input(marker.view());
                leveling(graph, marker, x, eight)
            })
        };
        prop_assert_eq!(law::idempotence(&levelled(1.0), &images), 0.0);
        prop_assert_eq!(law::duality(&levelled(1.0), &levelled(-1.0), &images), 0.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn smooth_operators_up_to_rounding((images, w) in cases(), beta in 0.5..20.0f64) {
        let (sharpness, entries) =
            (Tensor::filled([1], beta), w.data().chunks(w.shape().dims()[2]));
        let mirrored =
            Tensor::from_vec(w.shape(), entries.rev().flatten().copied().collect()).unwrap();
        let smooth = |operator: Smooth, w: Kernel, window: Window2d| {
            let beta = sharpness.clone();
            move |x: TensorRef<'_, f64>| {
                evaluate([x, w.view(), beta.view()], |graph, [x, w, beta]| {
                    operator(graph, x, w, beta, window)
                })
                .unwrap()
            }
        };
        let dilate = smooth(smooth_dilation2d, w.clone(), window(&w));
        let erode = smooth(smooth_erosion2d, mirrored, window(&w).adjoint());
        for operator in [&dilate as &dyn Fn(TensorRef<'_, f64>) -> Tensor<f64>, &erode] {
            prop_assert!(law::increasingness(&operator, &images) < 1e-12);
            prop_assert!(law::grey_shift(&operator, &images, 1.5, 1.0) < 1e-12);
        }
        prop_assert!(law::duality(&dilate, &erode, &images) < 1e-12);
        // The certificate: between the dilation and that with the logarithm of the number of taps
        // added.
        let sharp = with_kernel(&w, dilation2d);
        for image in &images {
            let (soft, sharp) = (dilate(image.view()), sharp(image.view()));
            let gap = log_sum_exp_gap(window(&w).taps(), beta);
            prop_assert!(
                soft.data()
                    .iter()
                    .zip(sharp.data())
                    .all(|(y, s)| *y >= s - 1e-12 && *y <= s + gap + 1e-12)
            );
        }
    }

    #[test]
    fn poolings((images, _) in cases(), size in (1..=3usize, 1..=3usize)) {
        let window = Window2d::tiles([size.0, size.1]).same();
        let largest = plain(move |graph, x| {
            MaxPool2d { window, ..MaxPool2d::default() }.forward(graph, x)
        });
        let smallest = plain(move |graph, x| {
            MinPool2d { window, ..MinPool2d::default() }.forward(graph, x)
        });
        let range = plain(move |graph, x| {
            RangePool2d { window, ..RangePool2d::default() }.forward(graph, x)
        });
        prop_assert_eq!(law::duality(&largest, &smallest, &images), 0.0);
        prop_assert_eq!(law::grey_shift(&smallest, &images, 1.5, 1.0), 0.0);
        prop_assert_eq!(law::grey_shift(&range, &images, 1.5, 0.0), 0.0);
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let images: Vec<_> = (1..4)
        .map(|k| Tensor::from_fn([1, 6, 7, 1], |i| f64::from(((i * k * 5) % 11) as u32)))
        .collect();
    let w = Tensor::from_vec([1, 3, 1], vec![-1.0, -0.5, 0.0]).unwrap();
    let border = |border| {
        let of = |w: &Kernel| w.clone();
        let (a, b) = (of(&w), of(&w));
        let dilate = move |x: TensorRef<'_, f64>| {
            evaluate([x, a.view()], |graph, [x, k]| {
                graph.apply(
                    Depthwise2d::<MaxPlus>::new(Neighbourhood2d { border, ..window(&a).into() }),
                    [x, k],
                )
            })
            .unwrap()
        };
        let erode = move |x: TensorRef<'_, f64>| {
            evaluate([x, b.view()], |graph, [x, k]| {
                graph.apply(
                    Depthwise2d::<MinMinus>::new(Neighbourhood2d { border, ..window(&b).into() }),
                    [x, k],
                )
            })
            .unwrap()
        };
        law::adjunction(&dilate, &erode, &images)
    };
    // An asymmetric kernel: reflecting, mirroring and replicating borders, and constants, break the
    // adjunction.
    assert_eq!((border(Border::Infinity), border(Border::Periodic)), (0.0, 0.0));
    for broken in [Border::Constant(3.0), Border::Replicate, Border::Reflect, Border::Mirror] {
        assert!(border(broken) > 0.0, "{broken:?}");
    }
    // The erosion of an even window as it stands is not the adjoint.
    let even = Tensor::zeros([1, 2, 1]);
    let erosion = with_kernel(&even, |graph, x, k, neighbourhood| {
        graph.apply(Depthwise2d::<MinMinus>::new(neighbourhood), [x, k])
    });
    assert!(law::adjunction(&with_kernel(&even, dilation2d), &erosion, &images) > 0.0);

    let negate = |x: TensorRef<'_, f64>| Tensor::from_fn(x.shape, |i| -x.data[i]);
    assert!(
        law::increasingness(&negate, &images) > 0.0 && law::idempotence(&negate, &images) > 0.0
    );
    assert!(
        law::extensivity(&negate, &images) > 0.0
            && law::grey_shift(&negate, &images, 1.0, 1.0) > 0.0
    );
    let ramp = |x: TensorRef<'_, f64>| Tensor::from_fn(x.shape, |i| x.data[i] + i as f64);
    assert!(
        law::translation(&ramp, &images, [1, 0], 1) > 0.0
            && law::duality(&ramp, &ramp, &images) > 0.0
    );
    let nan = |x: TensorRef<'_, f64>| Tensor::filled(x.shape, f64::NAN);
    assert!(law::extensivity(&nan, &images).is_nan());
}
