//! Layers and losses against TensorFlow's values and gradients, in `f32`.

use morphograd_autodiff::{Mode, Op, Params, Tape, Ties};
use morphograd_nn::layers::conv2d::Convolution;
use morphograd_nn::tensor::{Padding, Tensor, Window2d};
use morphograd_nn::{
    AvgPool2d, BatchNorm, BinaryCrossEntropy, GlobalAveragePool, GlobalMaxPool, Huber, Layer,
    MaxPool2d, MeanAbsoluteError, MeanSquaredError, Sequential, SoftmaxCrossEntropy, activation,
};
use morphograd_testkit::{Golden, assert_close, vjp};

/// Relative to the largest magnitude.
const TOLERANCE: f64 = 1e-5;

/// Compares the output with `y` and, for the output's gradient `dy`, the gradient of every input
/// `name` with `d{name}`.
#[track_caller]
fn check(case: &str, op: impl Op<f32> + Clone, inputs: &[&str]) {
    let golden = Golden::read(case);
    let tensors: Vec<Tensor<f32>> = inputs.iter().map(|name| golden.tensor(name)).collect();
    let (y, grads) = vjp(op, &tensors, golden.tensor("dy").data());
    assert_close(&format!("{case}: y"), &y, golden.tensor("y").data(), TOLERANCE);
    for (name, grad) in inputs.iter().zip(&grads) {
        assert_close(
            &format!("{case}: d{name}"),
            grad,
            golden.tensor(&format!("d{name}")).data(),
            TOLERANCE,
        );
    }
}

fn cases() -> impl Iterator<Item = (String, Padding, [usize; 2])> {
    [("valid", Padding::Valid), ("same", Padding::Same)].into_iter().flat_map(|(name, padding)| {
        [1, 2].map(|stride| (format!("{name}_s{stride}"), padding, [stride; 2]))
    })
}

#[test]
fn convolution() {
    for (name, padding, strides) in cases() {
        let window = Window2d::new([3, 3]).strides(strides).padding(padding);
        let op = Convolution { window, rectified: false };
        check(&format!("conv2d_{name}"), op, &["x", "kernel", "bias"]);
    }
}

#[test]
fn pooling() {
    for (name, padding, strides) in cases() {
        let window = Window2d::new([2, 2]).strides(strides).padding(padding);
        let max = MaxPool2d { window, ..MaxPool2d::default() };
        check(&format!("maxpool2d_{name}"), max, &["x"]);
        check(&format!("avgpool2d_{name}"), AvgPool2d { window }, &["x"]);
    }
}

#[test]
fn global_pooling() {
    let golden = Golden::read("global_pooling");
    let [x, dy] = ["x", "dy"].map(|name| golden.tensor::<f32>(name));
    let max = vjp(GlobalMaxPool { ties: Ties::Split }, std::slice::from_ref(&x), dy.data());
    let mean = vjp(GlobalAveragePool, &[x], dy.data());
    for (name, (y, dx)) in [("max", max), ("mean", mean)] {
        assert_close(name, &y, golden.tensor(name).data(), TOLERANCE);
        assert_close(name, &dx[0], golden.tensor(&format!("{name}_dx")).data(), TOLERANCE);
    }
}

#[test]
fn batch_normalization_and_its_moving_averages_over_two_steps() {
    let golden = Golden::read("batch_norm");
    for prefix in ["", "volume_"] {
        let tensor = |name: &str| golden.tensor::<f32>(&format!("{prefix}{name}"));
        let [x0, x1] = ["x0", "x1"].map(tensor);
        let mut params = Params::<f32>::new();
        let model = Sequential::new()
            .add("bn", BatchNorm::default())
            .build_model(&mut params, 0, x0.shape().unbatched())
            .unwrap();
        let [gamma, beta, moving] =
            ["gamma", "beta", "moving"].map(|name| params.find(&format!("bn.{name}")).unwrap());
        for (id, name) in [(gamma, "gamma"), (beta, "beta")] {
            params.update(id, |value| value.copy_from_slice(tensor(name).data()));
        }
        let mut tape = Tape::new();
        for (step, x) in [&x0, &x1].into_iter().enumerate() {
            let agrees = |name: &str, found: &[f32]| {
                let name = format!("{name}{step}");
                assert_close(&name, found, tensor(&name).data(), TOLERANCE);
            };
            let mut graph = tape.record(&params, Mode::Train { step: step as u64 });
            let x = graph.variable(x.view());
            let y = model.forward(&mut graph, x).unwrap();
            graph.backward_with(y, tensor("dy").data());
            agrees("y", graph.value(y).data);
            agrees("dx", graph.grad(x).unwrap());
            agrees("dgamma", tape.grad(gamma).unwrap());
            agrees("dbeta", tape.grad(beta).unwrap());
            tape.settle(&mut params);
            agrees("moving", params.value(moving).data);
        }
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(x0.view());
        let y = model.forward(&mut graph, x).unwrap();
        assert_close("y", graph.value(y).data, tensor("y").data(), TOLERANCE);
    }
}

#[test]
fn softmax_and_cross_entropy() {
    let golden = Golden::read("softmax_cross_entropy");
    let inputs = ["logits", "target"].map(|name| golden.tensor::<f32>(name));
    let (loss, grads) = vjp(SoftmaxCrossEntropy, &inputs, &[1.0]);
    assert_close("loss", &loss, golden.tensor("loss").data(), TOLERANCE);
    assert_close("dlogits", &grads[0], golden.tensor("dlogits").data(), TOLERANCE);
    let (softmax, _) = vjp(activation::Softmax, &inputs[..1], &vec![0.0; inputs[0].data().len()]);
    assert_close("softmax", &softmax, golden.tensor("softmax").data(), TOLERANCE);
}

/// A loss and a gradient, from inputs.
type Computation<'a> = dyn Fn(&[Tensor<f32>]) -> (Vec<f32>, Vec<f32>) + 'a;

#[test]
fn losses() {
    let golden = Golden::read("losses");
    let agree = |name: &str, target: &str, op: &Computation| {
        let (value, gradient) = op(&["x", target].map(|name| golden.tensor::<f32>(name)));
        assert_close(name, &value, golden.tensor(name).data(), TOLERANCE);
        let expected = golden.tensor(&format!("{name}_dx"));
        assert_close(&format!("{name} gradient"), &gradient, expected.data(), TOLERANCE);
    };
    fn both<O: Op<f32> + Clone>(op: O) -> impl Fn(&[Tensor<f32>]) -> (Vec<f32>, Vec<f32>) {
        move |inputs| {
            let (value, mut grads) = vjp(op.clone(), inputs, &[1.0]);
            (value, grads.remove(0))
        }
    }
    agree("mse", "target", &both(MeanSquaredError));
    agree("mae", "target", &both(MeanAbsoluteError));
    agree("huber", "target", &both(Huber { delta: 0.7 }));
    agree("bce", "probability", &both(BinaryCrossEntropy));
    agree("sce", "labels", &both(SoftmaxCrossEntropy));
}
