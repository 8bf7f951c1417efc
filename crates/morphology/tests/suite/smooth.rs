//! The smooth layers: what they are in the limit, and that their sharpness is learned.

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::initializer::{Constant, Normal};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::{Padding, Tensor, Window2d};
use morphograd_morphology::nn::{Build, Layer, MeanSquaredError, Optimizer, Sequential, Weight};
use morphograd_morphology::{
    AlphaSoftmax2d, Dilation2d, ElementDropout, Erosion2d, Neighbourhood2d, PConvolution2d,
    Sharpness, SmoothDilation2d, SmoothErosion2d, alpha_softmax2d, dilation2d, erosion2d,
    log_sum_exp_gap, p_convolution2d, smooth_dilation2d, smooth_erosion2d,
};

const BETA: f64 = 1e6;

fn image() -> Tensor<f64> {
    Tensor::from_fn([2, 9, 8, 2], |i| 1.5 + (i as f64 * 1.7).sin())
}

fn output(layer: impl Build<f64>, mode: Mode) -> Vec<f64> {
    let mut params = Params::new();
    let model =
        Sequential::new().add("layer", layer).build_model(&mut params, 5, [9, 8, 2]).unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, mode);
    let x = graph.input(image().view());
    let y = model.forward(&mut graph, x).unwrap();
    graph.value(y).data.to_vec()
}

#[track_caller]
fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance), "{a:?} {b:?}");
}

#[test]
fn sharp_layers_and_functions_are_dilations_and_erosions() {
    let kernel = || Weight::new(Normal { mean: 0.0, std: 1.0 });
    let (filters, size, strides, rates, padding) = (3, [3, 2], [2, 1], [1, 2], Padding::Same);
    let tolerance = 2.0 * log_sum_exp_gap(6, BETA);
    close(
        &output(
            SmoothDilation2d {
                filters,
                window: Window2d::new(size).strides(strides).rates(rates).padding(padding),
                kernel: kernel(),
                beta: Sharpness::Fixed(BETA),
                ..SmoothDilation2d::default()
            },
            Mode::Eval,
        ),
        &output(
            Dilation2d {
                filters,
                neighbourhood: Neighbourhood2d::new(size)
                    .strides(strides)
                    .rates(rates)
                    .padding(padding),
                kernel: kernel(),
                ..Dilation2d::default()
            },
            Mode::Eval,
        ),
        tolerance,
    );
    close(
        &output(
            SmoothErosion2d {
                filters,
                window: Window2d::new(size).strides(strides).rates(rates).padding(padding),
                kernel: kernel(),
                beta: Sharpness::Fixed(BETA),
                ..SmoothErosion2d::default()
            },
            Mode::Eval,
        ),
        &output(
            Erosion2d {
                filters,
                neighbourhood: Neighbourhood2d::new(size)
                    .strides(strides)
                    .rates(rates)
                    .padding(padding),
                kernel: kernel(),
                ..Erosion2d::default()
            },
            Mode::Eval,
        ),
        tolerance,
    );

    let params = Params::<f64>::new();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Eval);
    // Even, so that the erosion's window is mirrored.
    let window = Window2d::new([3, 2]).padding(padding);
    let x = graph.input(image().view());
    let w = graph.input(Tensor::from_fn([3, 2, 2], |i| (i as f64 * 0.9).cos()).view());
    let flat = graph.input(Tensor::filled([3, 2, 2], 1.0).view());
    let zero = graph.input(Tensor::zeros([3, 2, 2]).view());
    let sharp = graph.input(Tensor::filled([], BETA).view());
    let pairs = [
        (smooth_dilation2d(&mut graph, x, w, sharp, window), dilation2d(&mut graph, x, w, window)),
        (smooth_erosion2d(&mut graph, x, w, sharp, window), erosion2d(&mut graph, x, w, window)),
        (alpha_softmax2d(&mut graph, x, w, sharp, window), dilation2d(&mut graph, x, w, window)),
        (
            p_convolution2d(&mut graph, x, flat, sharp, window),
            dilation2d(&mut graph, x, zero, window),
        ),
    ];
    for (smooth, sharp) in pairs {
        close(graph.value(smooth.unwrap()).data, graph.value(sharp.unwrap()).data, 1e-5);
    }
}

/// Trains the parameter `layer.{name}` of `learner` to imitate `teacher`, and returns it.
fn learned(name: &str, learner: impl Build<f64>, teacher: impl Build<f64>) -> Vec<f64> {
    let mut params = Params::new();
    let model =
        Sequential::new().add("layer", learner).build_model(&mut params, 5, [9, 8, 2]).unwrap();
    let kernel = params.find("layer.kernel").unwrap();
    params.set_trainable(kernel, false);
    let target = Tensor::from_vec([2, 9, 8, 2], output(teacher, Mode::Eval)).unwrap();
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
    let mut tape = Tape::new();
    for step in 0..400 {
        let mut graph = tape.record(&params, Mode::Train { step });
        let (x, t) = (graph.input(image().view()), graph.input(target.view()));
        let y = model.forward(&mut graph, x).unwrap();
        let loss = graph.apply(MeanSquaredError, [y, t]).unwrap();
        graph.backward(loss);
        optimizer.step(&mut params, &tape).unwrap();
    }
    params.value(params.find(&format!("layer.{name}")).unwrap()).data.to_vec()
}

#[test]
fn the_sharpness_of_a_teacher_is_learned() {
    let (filters, size, padding) = (2, [3, 3], Padding::Same);
    let dilation = |beta| SmoothDilation2d {
        filters,
        window: Window2d::new(size).padding(padding),
        beta,
        ..SmoothDilation2d::default()
    };
    let beta = learned(
        "beta",
        dilation(SmoothDilation2d::default().beta),
        dilation(Sharpness::Fixed(3.0)),
    );
    close(&beta, &[3.0], 1e-3);
    let softmax = |alpha| AlphaSoftmax2d {
        filters,
        window: Window2d::new(size).padding(padding),
        alpha,
        ..AlphaSoftmax2d::default()
    };
    for alpha in [2.0, -2.0] {
        let found = learned(
            "alpha",
            softmax(AlphaSoftmax2d::default().alpha),
            softmax(Sharpness::Fixed(alpha)),
        );
        close(&found, &[alpha; 2], 1e-3);
    }
    let convolution = |p| PConvolution2d {
        filters,
        window: Window2d::new(size).padding(padding),
        p,
        ..PConvolution2d::default()
    };
    let shared = Sharpness::Shared(Weight::new(Constant(0.0)));
    close(&learned("p", convolution(shared), convolution(Sharpness::Fixed(2.0))), &[2.0], 1e-3);
}

#[test]
fn element_dropout_acts_while_training_only() {
    let layer = |rate| SmoothDilation2d {
        window: Window2d::new([3, 3]),
        element_dropout: ElementDropout { rate },
        ..SmoothDilation2d::default()
    };
    let train = |rate, step| output(layer(rate), Mode::Train { step });
    assert_eq!(output(layer(0.5), Mode::Eval), output(layer(0.0), Mode::Eval));
    assert_ne!(train(0.5, 0), train(0.5, 1));
    assert!(train(0.5, 0).iter().zip(&train(0.0, 0)).all(|(fewer, all)| fewer <= all));
}

#[test]
fn descriptions_that_make_no_sense_are_refused_by_name() {
    let error = |layer: SmoothDilation2d<f64>, input: &[usize]| {
        let input = morphograd_morphology::nn::tensor::Shape::new(input);
        Sequential::new()
            .add("layer", layer)
            .build_model(&mut Params::new(), 0, input)
            .unwrap_err()
            .to_string()
    };
    let with =
        |beta| SmoothDilation2d { beta: Sharpness::Fixed(beta), ..SmoothDilation2d::default() };
    assert_eq!(
        error(with(0.0), &[5, 5, 1]),
        "layer: smooth_dilation2d: expected a finite beta above 0, found 0"
    );
    assert_eq!(
        error(with(f64::NAN), &[5, 5, 1]),
        "layer: smooth_dilation2d: expected a finite beta above 0, found NaN"
    );
    assert_eq!(
        error(SmoothDilation2d { filters: 0, ..SmoothDilation2d::default() }, &[5, 5, 1]),
        "layer: smooth_dilation2d: expected at least 1 filter on [height, width, channels], \
         found 0 filters on an input of shape [5, 5, 1]"
    );
    assert!(
        error(SmoothDilation2d::default(), &[5])
            .contains("found 1 filters on an input of shape [5]")
    );
    let dropout = SmoothDilation2d {
        element_dropout: ElementDropout { rate: 1.0 },
        ..SmoothDilation2d::default()
    };
    assert_eq!(
        error(dropout, &[5, 5, 1]),
        "layer: element_dropout: expected a rate in [0, 1), found 1"
    );
}
