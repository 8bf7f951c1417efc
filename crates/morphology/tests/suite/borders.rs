//! Which law every operator keeps on which border, in both directions: the table in the
//! documentation of `Border` is the one here. Where it says that a law is kept, no image and no
//! flat element breaks it; where not, one does.

use morphograd_morphology::First;
use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape, Ties, Var};
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef, Window2d};
use morphograd_morphology::nn::{Layer, Sequential};
use morphograd_morphology::*;
use morphograd_testkit::strategy;
use proptest::prelude::*;

const BORDERS: [(char, Border); 6] = [
    ('i', Border::Infinity),
    ('c', Border::Constant(0.5)),
    ('r', Border::Replicate),
    ('f', Border::Reflect),
    ('m', Border::Mirror),
    ('p', Border::Periodic),
];

/// An operator and the laws that it keeps, on the borders with these letters.
struct Row {
    name: &'static str,
    operator: PairOperator<f64>,
    /// Extensive, anti-extensive, idempotent, increasing.
    keeps: [&'static str; 4],
    /// By how much a shift of the grey scale shifts the result, times.
    grey: f64,
    /// The operator that the mirrored element gives on the negated image, negated.
    dual: Option<PairOperator<f64>>,
}

const ALL: &str = "icrfmp";

/// An operator with one kernel as one with two, of which it takes the first.
macro_rules! single {
    ($operator:expr) => {
        |graph, x, [w, _], neighbourhood| $operator(graph, x, w, neighbourhood)
    };
}

fn table() -> Vec<Row> {
    let toggle: PairOperator<f64> =
        |graph, x, [w, _], neighbourhood| toggle2d(graph, x, w, neighbourhood, 2);
    let filter: [PairOperator<f64>; 2] = [
        |graph, x, [w, part], neighbourhood| {
            alternating_sequential2d(
                graph,
                x,
                &[(part, neighbourhood), (w, neighbourhood)],
                First::Closing,
            )
        },
        |graph, x, [w, part], neighbourhood| {
            alternating_sequential2d(
                graph,
                x,
                &[(part, neighbourhood), (w, neighbourhood)],
                First::Opening,
            )
        },
    ];
    let row = |name, operator, keeps, grey, dual| Row { name, operator, keeps, grey, dual };
    vec![
        row("dilation", single!(dilation2d), [ALL, "", "", ALL], 1.0, Some(single!(erosion2d))),
        row("erosion", single!(erosion2d), ["", ALL, "", ALL], 1.0, Some(single!(dilation2d))),
        row("opening", single!(opening2d), ["", "ip", "icp", ALL], 1.0, Some(single!(closing2d))),
        row("closing", single!(closing2d), ["ip", "", "icp", ALL], 1.0, Some(single!(opening2d))),
        row("sequential filter", filter[0], ["", "", "", ALL], 1.0, Some(filter[1])),
        row(
            "upper Lasry-Lions",
            lasry_lions_upper2d,
            ["ip", "", "", ALL],
            1.0,
            Some(lasry_lions_lower2d),
        ),
        row(
            "lower Lasry-Lions",
            lasry_lions_lower2d,
            ["", "ip", "", ALL],
            1.0,
            Some(lasry_lions_upper2d),
        ),
        row("average", single!(average2d), ["", "", "", ALL], 1.0, Some(single!(average2d))),
        row("sift", single!(sift2d), [""; 4], 0.0, Some(single!(sift2d))),
        row("laplacian", single!(laplacian2d), [""; 4], 0.0, Some(single!(laplacian2d))),
        row(
            "anti-dilation",
            single!(anti_dilation2d),
            [""; 4],
            -1.0,
            Some(single!(anti_erosion2d)),
        ),
        row("anti-erosion", single!(anti_erosion2d), [""; 4], -1.0, Some(single!(anti_dilation2d))),
        row("toggle", toggle, [""; 4], 1.0, None),
        row("gradient", single!(gradient2d), [""; 4], 0.0, None),
        row("internal gradient", single!(internal_gradient2d), [""; 4], 0.0, None),
        row("external gradient", single!(external_gradient2d), [""; 4], 0.0, None),
        row("white top-hat", single!(white_top_hat2d), ["", "", "ip", ""], 0.0, None),
        row("black top-hat", single!(black_top_hat2d), [""; 4], 0.0, None),
        row("probing", probing2d, [""; 4], 0.0, None),
        row("hit-or-miss", centre_and_ring, [""; 4], 0.0, None),
    ]
}

/// The hit-or-miss transform that finds the pixels above all others under the window.
fn centre_and_ring(
    graph: &mut Graph<'_, f64>,
    x: Var,
    _: [Var; 2],
    neighbourhood: Neighbourhood2d,
) -> Result<Var, ShapeError> {
    let [kh, kw] = neighbourhood.window.size;
    let centre = (kh - 1) / 2 * kw + (kw - 1) / 2;
    let mut template =
        |on: f64, off: f64| graph.input_with([kh, kw, 1], |w| (w.fill(off), w[centre] = on).0);
    let templates = [template(0.0, f64::NEG_INFINITY), template(f64::NEG_INFINITY, 0.0)];
    hit_or_miss2d(graph, x, templates, neighbourhood)
}

/// A flat element that contains its centre, a part of it that does so too, and images; of halves,
/// which nothing rounds.
struct Case {
    element: Tensor<f64>,
    part: Tensor<f64>,
    images: Vec<Tensor<f64>>,
}

fn cases() -> Vec<Case> {
    let sizes = [[1, 3], [3, 1], [2, 2], [3, 3], [2, 3], [1, 4], [3, 5]];
    let case = |n: usize| {
        let mut random = Stream::new(7, "case", n as u64);
        let [kh, kw] = sizes[n % sizes.len()];
        let mut without = |w: &Tensor<f64>, share: f64| {
            let centre = (kh - 1) / 2 * kw + (kw - 1) / 2;
            let keep = |i: usize, random: &mut Stream| i == centre || random.uniform() >= share;
            Tensor::from_fn(w.shape(), |i| {
                if keep(i, &mut random) { w.data()[i] } else { f64::NEG_INFINITY }
            })
        };
        let element =
            without(&Tensor::zeros([kh, kw, 1]), if n.is_multiple_of(3) { 0.0 } else { 0.5 });
        let part = without(&element, 0.5);
        let images =
            (0..3).map(|_| Tensor::from_fn([1, 6, 7, 1], |_| random.below(5) as f64 / 2.0 - 1.0));
        Case { element, part, images: images.collect() }
    };
    (0..28).map(case).collect()
}

fn around(w: &Tensor<f64>, border: Border) -> Neighbourhood2d {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    Neighbourhood2d { border, ..Window2d::new(size).same().into() }
}

fn function(
    operator: PairOperator<f64>,
    kernels: [Tensor<f64>; 2],
    neighbourhood: Neighbourhood2d,
) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> {
    move |x| {
        let [w, part] = &kernels;
        evaluate([x, w.view(), part.view()], |graph, [x, w, part]| {
            operator(graph, x, [w, part], neighbourhood)
        })
        .unwrap()
    }
}

fn reversed(w: &Tensor<f64>) -> Tensor<f64> {
    Tensor::from_vec(w.shape(), w.data().iter().rev().copied().collect()).unwrap()
}

#[test]
fn every_operator_keeps_exactly_the_laws_of_the_table_on_every_border() {
    let cases = cases();
    let mut wrong = Vec::new();
    for row in table() {
        for (letter, border) in BORDERS {
            let mut check = |law: &str, kept: &str, violation: &dyn Fn(&Case) -> f64| {
                let violations: Vec<f64> = cases.iter().map(violation).collect();
                let (holds, fails) =
                    (violations.iter().all(|v| *v == 0.0), violations.iter().any(|v| *v > 0.0));
                if if kept.contains(letter) { !holds } else { !fails } {
                    wrong.push(format!("{}, {law}, {border:?}: {violations:?}", row.name));
                }
            };
            let of = |case: &Case| {
                function(
                    row.operator,
                    [case.element.clone(), case.part.clone()],
                    around(&case.element, border),
                )
            };
            check("extensive", row.keeps[0], &|case| law::extensivity(&of(case), &case.images));
            check("anti-extensive", row.keeps[1], &|case| {
                law::anti_extensivity(&of(case), &case.images)
            });
            check("idempotent", row.keeps[2], &|case| law::idempotence(&of(case), &case.images));
            check("increasing", row.keeps[3], &|case| law::increasingness(&of(case), &case.images));
            check("grey shift", "irfmp", &|case| {
                law::grey_shift(&of(case), &case.images, 1.5, row.grey)
            });
            check("translation", "p", &|case| law::translation(&of(case), &case.images, [2, 3], 0));
            let Some(dual) = row.dual else { continue };
            let mirrored = |case: &Case, border: Border| {
                let neighbourhood = around(&case.element, border);
                let kernels = [reversed(&case.element), reversed(&case.part)];
                function(
                    dual,
                    kernels,
                    Neighbourhood2d { window: neighbourhood.window.adjoint(), ..neighbourhood },
                )
            };
            check("dual", "irfmp", &|case| {
                law::duality(&of(case), &mirrored(case, border), &case.images)
            });
            if let Border::Constant(c) = border {
                let opposite = Border::Constant(-c);
                check("dual", ALL, &|case| {
                    law::duality(&of(case), &mirrored(case, opposite), &case.images)
                });
            }
            if row.name == "dilation" {
                let erosion = |case: &Case| {
                    function(
                        dual,
                        [case.element.clone(), case.part.clone()],
                        around(&case.element, border),
                    )
                };
                check("adjunction", "ip", &|case| {
                    law::adjunction(&of(case), &erosion(case), &case.images)
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn away_from_the_border_every_operator_commutes_with_translations_whatever_the_border() {
    for row in table() {
        // Rows of pixels: four steps of 1 x 3 reach 4 pixels.
        let w = Tensor::from_vec([1, 3, 1], vec![0.0, 0.0, f64::NEG_INFINITY]).unwrap();
        let mut random = Stream::new(1, "image", 0);
        let images = [Tensor::from_fn([1, 12, 13, 1], |_| random.below(5) as f64)];
        for (_, border) in BORDERS {
            let operator = function(row.operator, [w.clone(), w.clone()], around(&w, border));
            assert_eq!(
                law::translation(&operator, &images, [1, 2], 4),
                0.0,
                "{} {border:?}",
                row.name
            );
        }
    }
}

/// Elements that are symmetric along each axis and do not increase away from their centre: a
/// rectangle, a cross, a disk, a parabola.
fn decreasing_elements() -> [Tensor<f64>; 4] {
    let of = |[kh, kw]: [usize; 2], entry: fn(f64, f64) -> f64| {
        Tensor::from_fn([kh, kw, 1], |i| {
            entry((i / kw) as f64 - (kh / 2) as f64, (i % kw) as f64 - (kw / 2) as f64)
        })
    };
    [
        of([3, 5], |_, _| 0.0),
        of([3, 3], |y, x| if y * x == 0.0 { 0.0 } else { f64::NEG_INFINITY }),
        of([5, 5], |y, x| if y * y + x * x <= 5.0 { 0.0 } else { f64::NEG_INFINITY }),
        of([3, 7], |y, x| -(y * y + x * x) / 4.0),
    ]
}

/// The gradients of image and kernel for a gradient of the output.
fn gradients(
    operator: PairOperator<f64>,
    [x, w, dy]: [&Tensor<f64>; 3],
    neighbourhood: Neighbourhood2d,
) -> [Tensor<f64>; 2] {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let vars = [x, w].map(|value| graph.variable(value.view()));
    let y = operator(&mut graph, vars[0], [vars[1]; 2], neighbourhood).unwrap();
    graph.backward_with(y, dy.data());
    let none = |value: &Tensor<f64>| vec![0.0; value.data().len()];
    [(x, vars[0]), (w, vars[1])].map(|(value, var)| {
        Tensor::from_vec(value.shape(), graph.grad(var).map_or(none(value), <[f64]>::to_vec))
            .unwrap()
    })
}

/// Image, kernel and gradient of the output, full of ties.
fn tied() -> impl Strategy<Value = [Tensor<f64>; 3]> {
    (
        strategy::tied_tensor([2, 4, 5, 1]),
        strategy::tied_tensor([3, 3, 1]),
        strategy::tied_tensor([2, 4, 5, 1]),
    )
        .prop_map(|(x, w, dy)| [x, w, dy])
}

fn any_border() -> impl Strategy<Value = Border> {
    prop::sample::select(BORDERS.map(|(_, border)| border).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn for_elements_that_decrease_from_their_centre_replicating_and_mirroring_change_nothing(
        x in strategy::tied_tensor([2, 5, 6, 1]),
    ) {
        // The template of a hit-or-miss transform does not contain its centre.
        for row in table().iter().filter(|row| row.name != "hit-or-miss") {
            for w in decreasing_elements() {
                let with = |border| {
                    function(row.operator, [w.clone(), w.clone()], around(&w, border))(x.view())
                };
                let expected = with(Border::Infinity);
                for border in [Border::Replicate, Border::Reflect, Border::Mirror] {
                    prop_assert_eq!(&with(border), &expected, "{}, {:?}", row.name, border);
                }
            }
        }
    }

    #[test]
    fn turned_around_the_last_of_the_ties_is_the_first_and_equal_parts_stay_equal(
        inputs in tied(),
        border in any_border(),
    ) {
        let turned = inputs.each_ref().map(reversed);
        for row in table() {
            let with = |inputs: &[Tensor<f64>; 3], ties| {
                gradients(
                    row.operator,
                    inputs.each_ref(),
                    Neighbourhood2d { ties, ..around(&inputs[1], border) },
                )
            };
            let back = |ties| with(&turned, ties).each_ref().map(reversed);
            prop_assert_eq!(back(Ties::Last), with(&inputs, Ties::First), "{}", row.name);
            for (a, b) in back(Ties::Split).iter().zip(with(&inputs, Ties::Split)) {
                let close = a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-12);
                prop_assert!(close, "{}", row.name);
            }
        }
    }

    #[test]
    fn gradients_of_composed_operators_do_not_depend_on_the_number_of_threads(
        inputs in tied(),
        border in any_border(),
    ) {
        let [x, w, dy] = &inputs;
        for row in table() {
            for ties in [Ties::First, Ties::Last, Ties::Split] {
                let with = |threads| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        let neighbourhood = Neighbourhood2d { ties, ..around(w, border) };
                        gradients(row.operator, [x, w, dy], neighbourhood)
                    })
                };
                let alone = with(1);
                prop_assert!(alone == with(2) && alone == with(3), "{} {ties:?}", row.name);
            }
        }
    }
}

#[test]
fn each_step_of_an_opening_breaks_its_ties_by_the_chosen_rule() {
    let [x, w, dy] =
        [Tensor::zeros([1, 1, 3, 1]), Tensor::zeros([1, 3, 1]), Tensor::filled([1, 1, 3, 1], 1.0)];
    let with = |ties| {
        let neighbourhood = Neighbourhood2d { ties, ..around(&w, Border::Infinity) };
        gradients(single!(opening2d), [&x, &w, &dy], neighbourhood)
            .map(|gradient| gradient.data().to_vec())
    };
    // The dilation takes positions 0, 0, 1 of the erosion, by the entries 1, 0, 0; these take
    // pixels 0, 0, by the mirrored entries 1, 2.
    assert_eq!(with(Ties::First), [[3.0, 0.0, 0.0], [2.0, -1.0, -1.0]]);
    assert_eq!(with(Ties::Last), [[0.0, 0.0, 3.0], [-1.0, -1.0, 2.0]]);
    // The erosion gets 5/6, 8/6, 5/6 from the dilation, and divides them in 2, 3, 2 parts.
    let expected = [[31.0, 46.0, 31.0], [-1.0, 2.0, -1.0]];
    for (found, expected) in with(Ties::Split).iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected / 36.0).abs() < 1e-15);
    }
}

#[test]
fn layers_hand_their_border_and_their_ties_to_the_operator() {
    let (border, ties) = (Border::Reflect, Ties::Last);
    fn erode(
        graph: &mut Graph<'_, f64>,
        x: Var,
        w: Var,
        neighbourhood: Neighbourhood2d,
    ) -> Result<Var, ShapeError> {
        assert_eq!((neighbourhood.border, neighbourhood.ties), (Border::Reflect, Ties::Last));
        erosion2d(graph, x, w, neighbourhood)
    }
    fn probe(
        graph: &mut Graph<'_, f64>,
        x: Var,
        [above, below]: [Var; 2],
        neighbourhood: Neighbourhood2d,
    ) -> Result<Var, ShapeError> {
        let eroded = erode(graph, x, below, neighbourhood)?;
        dilation2d(graph, eroded, above, neighbourhood)
    }
    let mut params = Params::new();
    let model = Sequential::new()
        .add(
            "single",
            Morphological2d {
                operator: erode,
                neighbourhood: Neighbourhood2d::new([3, 2]).same().border(border).ties(ties),
                ..Default::default()
            },
        )
        .add(
            "pair",
            MorphologicalPair2d {
                operator: probe,
                neighbourhood: Neighbourhood2d::new([3, 2]).same().border(border).ties(ties),
                ..Default::default()
            },
        )
        .add(
            "parabolas",
            LasryLions2d {
                operator: probe,
                neighbourhood: Neighbourhood2d::new([3, 3]).same().border(border).ties(ties),
                ..Default::default()
            },
        )
        .add(
            "separable",
            Separable2d {
                operator: erode,
                neighbourhood: Neighbourhood2d::new([2, 2]).same().border(border).ties(ties),
                ..Default::default()
            },
        )
        .add(
            "volume",
            Separable3d { operator: erode, size: [2, 2, 1], border, ties, ..Default::default() },
        )
        .build_model(&mut params, 7, [5, 6, 2])
        .unwrap();
    let (mut tape, x) = (Tape::new(), Tensor::<f64>::zeros([1, 5, 6, 2]));
    let mut graph = tape.record(&params, Mode::Eval);
    let x = graph.input(x.view());
    model.forward(&mut graph, x).unwrap();
}
