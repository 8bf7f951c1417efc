//! All layers together: a model that is built, inferred, and trained by plain gradient descent.

use morphograd_autodiff::{Graph, Mode, Params, Tape, Var};
use morphograd_nn::tensor::{ShapeError, Tensor, Window2d};
use morphograd_nn::{
    Activation, AvgPool2d, BuildError, Conv2d, Dense, Dropout, Flatten, Layer, MaxPool2d, Model,
    Sequential, SoftmaxCrossEntropy,
};

const BATCH: usize = 6;

fn model(params: &mut Params<f32>) -> Result<Model<f32>, BuildError> {
    Sequential::new()
        .add("stem", Conv2d { filters: 8, activation: Activation::Relu, ..Conv2d::default() })
        .add("pool", MaxPool2d::default())
        .add(
            "conv",
            Conv2d {
                filters: 4,
                window: Window2d::new([3, 3]).same(),
                activation: Activation::Tanh,
                ..Conv2d::default()
            },
        )
        .add("mean", AvgPool2d { window: Window2d::new([3, 3]).strides([2, 2]).same() })
        .add("relu", Activation::Relu)
        .add("flatten", Flatten)
        .add("dropout", Dropout { rate: 0.1 })
        .add("logits", Dense { units: 3, ..Dense::default() })
        .build_model(params, 42, [12, 12, 2])
}

/// Images whose class is written in the brightness of their channels.
fn loss(graph: &mut Graph<'_, f32>, model: &Model<f32>) -> Result<Var, ShapeError> {
    let images = Tensor::from_fn([BATCH, 12, 12, 2], |i| {
        let class = i / 288 % 3;
        (i as f32 * 0.37).sin() * 0.1 + if i % 2 == class { 1.0 } else { 0.0 }
    });
    let targets = Tensor::from_fn([BATCH, 3], |i| if i % 3 == i / 3 % 3 { 1.0 } else { 0.0 });
    let (x, t) = (graph.input(images.view()), graph.input(targets.view()));
    let logits = model.forward(graph, x)?;
    graph.apply(SoftmaxCrossEntropy, [logits, t])
}

#[test]
fn every_layer_reports_its_output_and_its_parameters() -> Result<(), BuildError> {
    let mut params = Params::new();
    let model = model(&mut params)?;
    let found: Vec<_> =
        model.entries().iter().map(|e| (e.kind, e.output.dims().to_vec(), e.n_params)).collect();
    let expected = [
        ("Conv2d", vec![10, 10, 8], 9 * 2 * 8 + 8),
        ("MaxPool2d", vec![5, 5, 8], 0),
        ("Conv2d", vec![5, 5, 4], 9 * 8 * 4 + 4),
        ("AvgPool2d", vec![3, 3, 4], 0),
        ("Activation", vec![3, 3, 4], 0),
        ("Flatten", vec![36], 0),
        ("Dropout", vec![36], 0),
        ("Dense", vec![3], 36 * 3 + 3),
    ];
    assert_eq!(found, expected);
    let names: Vec<_> = params.ids().map(|id| params.name(id).to_owned()).collect();
    assert_eq!(
        names,
        ["stem.kernel", "stem.bias", "conv.kernel", "conv.bias", "logits.kernel", "logits.bias"]
    );
    Ok(())
}

#[test]
fn gradient_descent_learns_and_is_the_same_bit_for_bit_on_any_number_of_threads() {
    let train = || {
        let mut params = Params::new();
        let model = model(&mut params).unwrap();
        let mut tape = Tape::new();
        let mut losses = Vec::new();
        for step in 0..60 {
            let mut graph = tape.record(&params, Mode::Train { step });
            let loss = loss(&mut graph, &model).unwrap();
            losses.push(graph.value(loss).data[0]);
            graph.backward(loss);
            for id in params.ids() {
                let grad = tape.grad(id).expect("every parameter is used");
                params.update(id, |w| w.iter_mut().zip(grad).for_each(|(w, g)| *w -= 0.2 * g));
            }
        }
        losses
    };
    let on_threads = |n: usize| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .expect("a thread pool")
            .install(train)
    };
    let losses = on_threads(1);
    assert!(losses[59] < 0.3 * losses[0], "{losses:?}");
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&losses), bits(&on_threads(3)));
}
