//! Layers of operators: what they compute from their parameters, for every kind of structuring
//! function and every merging.

use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape, Ties, Var, gradcheck};
use morphograd_morphology::nn::initializer::{Constant, Uniform};
use morphograd_morphology::nn::tensor::{Padding, ShapeError, Tensor, Window2d};
use morphograd_morphology::nn::{Activation, Build, Layer, Model, Sequential, Weight};
use morphograd_morphology::*;

const SIZE: [usize; 2] = [3, 2];

fn random() -> Weight<f64> {
    Weight::new(Uniform { low: -1.0, high: 1.0 })
}

/// Two images of 5 x 6 pixels and 3 channels, without ties.
fn images() -> Tensor<f64> {
    Tensor::from_fn([2, 5, 6, 3], |i| ((i * 37 % 101) as f64 * 0.7).sin())
}

fn build(layer: impl Build<f64>) -> (Params<f64>, Model<f64>) {
    let mut params = Params::new();
    let model =
        Sequential::new().add("layer", layer).build_model(&mut params, 7, [5, 6, 3]).unwrap();
    (params, model)
}

fn evaluate(
    params: &Params<f64>,
    x: &Tensor<f64>,
    f: impl Fn(&mut Graph<'_, f64>, Var) -> Result<Var, ShapeError>,
) -> Tensor<f64> {
    let mut tape = Tape::new();
    let mut graph = tape.record(params, Mode::Eval);
    let x = graph.input(x.view());
    let y = f(&mut graph, x).unwrap();
    graph.value(y).to_tensor()
}

fn value(params: &Params<f64>, name: &str) -> Tensor<f64> {
    params.value(params.find(name).unwrap()).to_tensor()
}

/// Channel `c` of an image, or structuring function `(c, f)` of a kernel
/// `[kh, kw, channels, filters]` as `[kh, kw, 1]`.
fn channel(x: &Tensor<f64>, c: usize) -> Tensor<f64> {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    Tensor::from_fn([batch, height, width, 1], |i| x.data()[i * channels + c])
}

fn function(kernel: &Tensor<f64>, c: usize, f: usize) -> Tensor<f64> {
    let &[kh, kw, channels, filters] = kernel.shape().dims() else { panic!("rank 4") };
    Tensor::from_fn([kh, kw, 1], |i| kernel.data()[(i * channels + c) * filters + f])
}

fn apply(
    operator: Operator<f64>,
    x: &Tensor<f64>,
    w: &Tensor<f64>,
    window: Window2d,
) -> Tensor<f64> {
    evaluate(&Params::new(), x, |graph, x| {
        let w = graph.input(w.view());
        operator(graph, x, w, window.into())
    })
}

fn same(size: [usize; 2]) -> Window2d {
    Window2d::new(size).same()
}

#[test]
fn a_layer_applies_its_operator_to_each_channel_with_each_filter() {
    let operators: [Operator<f64>; 13] = [
        dilation2d,
        erosion2d,
        opening2d,
        closing2d,
        gradient2d,
        internal_gradient2d,
        external_gradient2d,
        laplacian2d,
        white_top_hat2d,
        black_top_hat2d,
        average2d,
        anti_erosion2d,
        |graph, x, w, window| toggle2d(graph, x, w, window, 2),
    ];
    for operator in operators {
        let (params, model) = build(Morphological2d {
            operator,
            filters: 2,
            neighbourhood: Neighbourhood2d::new(SIZE).same(),
            kernel: random().into(),
            merge: Merge::None,
            ..Default::default()
        });
        assert_eq!(model.output().dims(), [5, 6, 6]);
        let (x, kernel) = (images(), value(&params, "layer.kernel"));
        assert_eq!(kernel.shape().dims(), [3, 2, 3, 2]);
        let y = evaluate(&params, &x, |graph, x| model.forward(graph, x));
        for (c, f) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)] {
            let expected = apply(operator, &channel(&x, c), &function(&kernel, c, f), same(SIZE));
            assert_eq!(channel(&y, f * 3 + c), expected, "channel {c}, filter {f}");
        }
    }
}

#[test]
fn a_layer_of_summed_dilations_is_a_dilation_layer() {
    let (strides, rates, padding) = ([2, 1], [1, 2], Padding::Valid);
    let bias = || Some(random());
    let (params, general) = build(Morphological2d {
        filters: 4,
        neighbourhood: Neighbourhood2d::new(SIZE).strides(strides).rates(rates).padding(padding),
        kernel: random().into(),
        bias: bias(),
        activation: Activation::Tanh,
        ..Default::default()
    });
    let (twin, special) = build(Dilation2d {
        filters: 4,
        neighbourhood: Neighbourhood2d::new(SIZE).strides(strides).rates(rates).padding(padding),
        kernel: random(),
        bias: bias(),
        activation: Activation::Tanh,
    });
    assert_eq!(value(&params, "layer.kernel"), value(&twin, "layer.kernel"));
    let y = evaluate(&params, &images(), |graph, x| general.forward(graph, x));
    let expected = evaluate(&twin, &images(), |graph, x| special.forward(graph, x));
    assert_eq!(y.shape(), expected.shape());
    assert!(y.data().iter().zip(expected.data()).all(|(y, e)| (y - e).abs() < 1e-14));
}

#[test]
fn the_largest_of_erosions_is_over_all_channels_and_filters() {
    let layer = |merge| Morphological2d {
        operator: erosion2d,
        filters: 2,
        neighbourhood: Neighbourhood2d::new(SIZE).same(),
        kernel: random().into(),
        merge,
        ..Default::default()
    };
    let (params, all) = build(layer(Merge::None));
    let (_, merged) = build(layer(Merge::All(Reduction::Max)));
    let all = evaluate(&params, &images(), |graph, x| all.forward(graph, x));
    let merged = evaluate(&params, &images(), |graph, x| merged.forward(graph, x));
    let largest: Vec<f64> =
        all.data().chunks(6).map(|y| y.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
    assert_eq!(merged.data(), largest);
}

#[test]
fn gradients_agree_with_finite_differences_for_every_kind_of_layer() {
    fn check(layer: impl Build<f64>) {
        let mut params = Params::new();
        let model =
            Sequential::new().add("layer", layer).build_model(&mut params, 7, [5, 6, 3]).unwrap();
        let x = params.add("x", images(), None).unwrap();
        let checked = gradcheck(&mut params, |graph| {
            let x = graph.param(x);
            model.forward(graph, x)
        });
        checked.unwrap_or_else(|error| panic!("{model:?}: {error}"));
    }
    let cross =
        Tensor::from_fn(
            [3, 3, 1, 1],
            |i| if i % 2 == 1 || i == 4 { 0.0 } else { f64::NEG_INFINITY },
        );
    let parabola = || StructuringFunction::Quadratic {
        curvature: Weight::new(Uniform { low: 0.5, high: 1.5 }),
        scale: 1.0,
    };
    let functions = [
        StructuringFunction::Free(random()),
        StructuringFunction::Shared(random()),
        parabola(),
        StructuringFunction::Free(random()).on(cross.clone()),
        parabola().on(cross),
    ];
    let merges = [
        Merge::None,
        Merge::Channels(Reduction::Mean),
        Merge::Channels(Reduction::Min),
        Merge::All(Reduction::Sum),
        Merge::Channels(Reduction::Max),
    ];
    for (kernel, merge) in functions.into_iter().zip(merges) {
        check(Morphological2d {
            operator: average2d,
            filters: 2,
            neighbourhood: Neighbourhood2d::new([3, 3]).same(),
            kernel,
            merge,
            bias: Some(random()),
            activation: Activation::Tanh,
        });
    }
    for operator in [probing2d as PairOperator<f64>, hit_or_miss2d] {
        let kernels = [random().into(), random().into()];
        check(MorphologicalPair2d {
            operator,
            filters: 2,
            neighbourhood: Neighbourhood2d::new(SIZE).same(),
            kernels,
            ..Default::default()
        });
    }
    for operator in [lasry_lions_upper2d as PairOperator<f64>, lasry_lions_lower2d] {
        let weight = |low, high| Weight::new(Uniform { low, high });
        let (curvature, ratio) = (weight(0.75, 1.25), weight(0.5, 0.9));
        check(LasryLions2d {
            operator,
            filters: 2,
            neighbourhood: Neighbourhood2d::new([3, 3]).same(),
            scale: 2.0,
            curvature,
            ratio,
            ..Default::default()
        });
    }
    for separation in [Separation::DepthwiseFirst, Separation::PointwiseFirst] {
        check(Separable2d {
            separation,
            filters: 2,
            multiplier: 2,
            neighbourhood: Neighbourhood2d::new(SIZE).same(),
            depthwise: random().into(),
            pointwise: random(),
            bias: Some(random()),
            ..Default::default()
        });
    }
}

#[test]
fn outside_its_support_a_function_is_minus_infinity_and_gets_no_gradient() {
    let out = f64::NEG_INFINITY;
    let support = Tensor::from_vec([1, 3, 1, 2], vec![out, 0.0, 0.0, 0.0, 0.0, out]).unwrap();
    let layer = Morphological2d {
        filters: 2,
        neighbourhood: Neighbourhood2d::new([1, 3]).same(),
        kernel: StructuringFunction::Shared(Weight::new(Constant(0.5))).on(support),
        merge: Merge::None,
        ..Default::default()
    };
    let mut params = Params::new();
    let model =
        Sequential::new().add("layer", layer).build_model(&mut params, 7, [1, 3, 1]).unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let x = graph.input(Tensor::from_vec([1, 1, 3, 1], vec![1.0, 5.0, 2.0]).unwrap().view());
    let y = model.forward(&mut graph, x).unwrap();
    // Filter 0 sees the centre and the right, filter 1 the left and the centre.
    assert_eq!(graph.value(y).data, [5.5, 1.5, 5.5, 5.5, 2.5, 5.5]);
    graph.backward_with(y, &[1.0; 6]);
    let kernel = params.find("layer.kernel").unwrap();
    assert_eq!(tape.grad(kernel).unwrap(), [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]);
}

#[test]
fn a_separable_dilation_is_one_dilation_by_the_sum_of_its_parts() {
    for separation in [Separation::DepthwiseFirst, Separation::PointwiseFirst] {
        let (params, model) = build(Separable2d {
            separation,
            filters: 2,
            neighbourhood: Neighbourhood2d::new(SIZE).same(),
            depthwise: random().into(),
            pointwise: random(),
            ..Default::default()
        });
        let y = evaluate(&params, &images(), |graph, x| model.forward(graph, x));
        let depthwise = value(&params, "layer.depthwise.kernel");
        let pointwise = value(&params, "layer.pointwise.kernel");
        let full = Tensor::from_fn([3, 2, 3, 2], |i| {
            let (d, c, f) = (i / 6, i / 2 % 3, i % 2);
            let of_space = match separation {
                Separation::DepthwiseFirst => depthwise.data()[d * 3 + c],
                Separation::PointwiseFirst => depthwise.data()[d * 2 + f],
            };
            of_space + pointwise.data()[c * 2 + f]
        });
        for f in 0..2 {
            let of =
                |c| apply(dilation2d, &channel(&images(), c), &function(&full, c, f), same(SIZE));
            let (a, b, c) = (of(0), of(1), of(2));
            let expected =
                a.data().iter().zip(b.data()).zip(c.data()).map(|((a, b), c)| a.max(*b).max(*c));
            let found = channel(&y, f);
            assert!(
                found.data().iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-14),
                "{separation:?}"
            );
        }
    }
}

#[test]
fn a_layer_of_regularizations_uses_the_flatter_parabola_first() {
    let layer = LasryLions2d {
        neighbourhood: Neighbourhood2d::new([3, 3]).same(),
        scale: 1.0,
        curvature: Weight::new(Constant(2.0)),
        ratio: Weight::new(Constant(0.25)),
        ..Default::default()
    };
    let (params, model) = build(layer);
    let y = evaluate(&params, &images(), |graph, x| model.forward(graph, x));
    let parabola = |b: f64| {
        Tensor::from_fn([3, 3, 3], |i| {
            let d = [1.0, 0.0, 1.0];
            -b * (d[i / 9] + d[i / 3 % 3]) / 4.0
        })
    };
    let up = apply(dilation2d, &images(), &parabola(0.5), same([3, 3]));
    assert_eq!(y, apply(erosion2d, &up, &parabola(2.0), same([3, 3])));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    fn refused(layer: impl Build<f32>) -> String {
        let mut params = Params::new();
        Sequential::new()
            .add("layer", layer)
            .build_model(&mut params, 7, [5, 6, 3])
            .unwrap_err()
            .to_string()
    }
    assert_eq!(
        refused(Morphological2d { filters: 0, ..Default::default() }),
        "layer: morphological layer: expected at least one filter, found 0"
    );
    assert_eq!(
        refused(Morphological2d {
            neighbourhood: Neighbourhood2d::new([9, 9]),
            ..Default::default()
        }),
        "layer: morphological layer: expected a window no larger than the image [5, 6], or same \
         padding, found size [9, 9] at rates [1, 1]"
    );
    let layer = Morphological2d {
        operator: laplacian2d,
        neighbourhood: Neighbourhood2d::new([3, 3]).strides([2, 2]).same(),
        ..Default::default()
    };
    assert_eq!(
        refused(layer),
        "layer: laplacian: expected strides [1, 1] and same padding, found strides [2, 2] and \
         Same padding"
    );
    let supported = |support: Tensor<f32>| Morphological2d {
        filters: 2,
        neighbourhood: Neighbourhood2d::new([3, 3]).same(),
        kernel: StructuringFunction::default().on(support),
        ..Default::default()
    };
    assert_eq!(
        refused(supported(Tensor::zeros([3, 3, 1, 3]))),
        "layer: support: expected [3, 3, 1, 1] or [3, 3, 1, 2], found shape [3, 3, 1, 3]"
    );
    assert_eq!(
        refused(supported(Tensor::filled([3, 3, 1, 1], f32::NEG_INFINITY))),
        "layer: support: expected a finite entry in every filter, found none in filter 0"
    );
    let element = StructuringElement::line(5, 0.0).unwrap();
    let kernel = StructuringFunction::default().on(element);
    assert_eq!(
        refused(Morphological2d {
            neighbourhood: Neighbourhood2d::new([3, 3]).same(),
            kernel,
            ..Default::default()
        }),
        "layer: structuring element: expected a support within a kernel of size [3, 3], found \
         offsets from [0, -2] to [0, 2]"
    );
    let twice = StructuringFunction::default()
        .on(Tensor::zeros([1, 1, 1, 1]))
        .on(Tensor::zeros([1, 1, 1, 1]));
    assert_eq!(
        refused(Morphological2d { kernel: twice, ..Default::default() }),
        "layer: support: expected one support, found a support on another"
    );
}

#[test]
fn strides_of_any_length_give_the_first_window_and_sizes_of_any_length_are_refused_by_name() {
    fn check<B: Build<f64>>(layer: impl Fn([usize; 2], [usize; 2], Padding) -> B) {
        for padding in [Padding::Valid, Padding::Same] {
            let [far, near] = [[usize::MAX; 2], [6; 2]].map(|strides| {
                let (params, model) = build(layer([3, 2], strides, padding));
                let mut tape = Tape::new();
                let mut graph = tape.record(&params, Mode::Train { step: 0 });
                let x = graph.variable(images().view());
                let y = model.forward(&mut graph, x).unwrap();
                assert_eq!(graph.shape(y).dims(), [2, 1, 1, 1]);
                let values = graph.value(y).data.to_vec();
                graph.backward_with(y, &[1.0, 2.0]);
                (values, graph.grad(x).unwrap().to_vec())
            });
            assert_eq!(far, near, "{padding:?}");
            let mut params = Params::new();
            let huge = layer([usize::MAX, 1], [1; 2], padding);
            let refused = Sequential::new().add("layer", huge);
            let message = refused.build_model(&mut params, 7, [5, 6, 3]).unwrap_err().to_string();
            let found = "found size [18446744073709551615, 1] at rates [1, 1]";
            assert!(message.ends_with(found), "{message}");
        }
    }
    check(|size, strides, padding| Dilation2d {
        neighbourhood: Neighbourhood2d::new(size).strides(strides).padding(padding),
        kernel: random(),
        ..Dilation2d::default()
    });
    check(|size, strides, padding| Erosion2d {
        neighbourhood: Neighbourhood2d::new(size).strides(strides).padding(padding),
        kernel: random(),
        ..Erosion2d::default()
    });
    check(|size, strides, padding| Morphological2d {
        neighbourhood: Neighbourhood2d::new(size).strides(strides).padding(padding),
        kernel: random().into(),
        ..Morphological2d::default()
    });
    check(|size, strides, padding| Separable2d {
        neighbourhood: Neighbourhood2d::new(size).strides(strides).padding(padding),
        pointwise: random(),
        ..Separable2d::default()
    });
}

#[test]
fn a_function_on_an_element_is_that_on_its_kernel() {
    let gradient = |kernel: StructuringFunction<f64>| {
        let mut params = Params::new();
        let layer = Morphological2d {
            filters: 2,
            neighbourhood: Neighbourhood2d::new([3, 4]).same(),
            kernel,
            ..Default::default()
        };
        let model =
            Sequential::new().add("layer", layer).build_model(&mut params, 7, [5, 6, 2]).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.input(Tensor::from_fn([1, 5, 6, 2], |i| (i as f64 * 1.7).sin()).view());
        let y = model.forward(&mut graph, x).unwrap();
        let (values, ones) = (graph.value(y).data.to_vec(), vec![1.0; graph.value(y).data.len()]);
        graph.backward_with(y, &ones);
        (values, tape.grad(params.find("layer.kernel").unwrap()).unwrap().to_vec())
    };
    let element =
        StructuringElement::from_offsets([([0, 0], 0.5), ([-1, 0], 0.0), ([1, 2], -0.25)]).unwrap();
    let kernel = element.kernel_within::<f64>([3, 4], 1).unwrap();
    let entries = Tensor::from_vec([3, 4, 1, 1], kernel.data().to_vec()).unwrap();
    let (by_element, by_entries) = (
        gradient(StructuringFunction::default().on(element)),
        gradient(StructuringFunction::default().on(entries)),
    );
    assert_eq!(by_element, by_entries);
    assert_eq!(by_element.1.iter().filter(|g| **g != 0.0).count(), 3 * 2 * 2);
}

#[test]
fn the_layers_pass_on_their_rules_for_ties_and_the_border() {
    fn gradient(layer: impl Build<f64>) -> Vec<f64> {
        let mut params = Params::new();
        let model =
            Sequential::new().add("layer", layer).build_model(&mut params, 7, [2, 2, 1]).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.input(Tensor::from_fn([1, 2, 2, 1], |_| 0.0).view());
        let y = model.forward(&mut graph, x).unwrap();
        graph.backward_with(y, &[4.0]);
        tape.grad(params.find("layer.kernel").unwrap()).unwrap().to_vec()
    }
    // The kernel of an erosion is mirrored: the first pixel of the window meets the last entry.
    for (ties, dilation, erosion) in [
        (Ties::First, [4.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -4.0]),
        (Ties::Last, [0.0, 0.0, 0.0, 4.0], [-4.0, 0.0, 0.0, 0.0]),
        (Ties::Split, [1.0; 4], [-1.0; 4]),
    ] {
        let size = [2, 2];
        assert_eq!(
            gradient(Dilation2d {
                neighbourhood: Neighbourhood2d::new(size).ties(ties),
                ..Dilation2d::default()
            }),
            dilation,
            "{ties:?}"
        );
        assert_eq!(
            gradient(Erosion2d {
                neighbourhood: Neighbourhood2d::new(size).ties(ties),
                ..Erosion2d::default()
            }),
            erosion,
            "{ties:?}"
        );
    }
    let (size, padding) = ([3, 3], Padding::Same);
    let (above, below) = (Border::Constant(9.0), Border::Constant(-9.0));
    let (params, dilation) = build(Dilation2d {
        neighbourhood: Neighbourhood2d::new(size).padding(padding).border(above),
        ..Dilation2d::default()
    });
    let y = evaluate(&params, &images(), |graph, x| dilation.forward(graph, x));
    assert_eq!(y.data()[0], 27.0);
    let (params, erosion) = build(Erosion2d {
        neighbourhood: Neighbourhood2d::new(size).padding(padding).border(below),
        ..Erosion2d::default()
    });
    let y = evaluate(&params, &images(), |graph, x| erosion.forward(graph, x));
    assert_eq!(y.data()[0], -27.0);
}
