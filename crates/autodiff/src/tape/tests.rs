//! Tests of the tape.

use super::*;
use crate::{Add, Mul, Scale, Sum};
use morphograd_tensor::Tensor;

fn one_param(values: &[f64]) -> (Params<f64>, ParamId) {
    let mut params = Params::new();
    let id =
        params.add("w", Tensor::from_vec([values.len()], values.to_vec()).unwrap(), None).unwrap();
    (params, id)
}

#[test]
fn a_variable_used_twice_by_one_op_and_again_by_another_accumulates() {
    let (params, w) = one_param(&[3.0, -2.0]);
    let mut tape = Tape::new();
    for _ in 0..3 {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let (a, b) = (graph.param(w), graph.param(w));
        assert_eq!(a, b);
        let square = graph.apply(Mul, [a, b]).unwrap();
        let y = graph.apply(Add, [square, a]).unwrap(); // w² + w
        let loss = graph.apply(Sum, [y]).unwrap();
        graph.backward(loss);
        assert_eq!(tape.grad(w), Some(&[7.0, -3.0][..]));
    }
}

/// $y = 2 x$, whose backward pass writes.
#[derive(Debug)]
struct Double;

impl Op<f64> for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, f64>) {
        pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = 2.0 * x);
    }

    fn backward(&self, pass: Backward<'_, f64>) {
        for dx in pass.grad_inputs.into_iter().flatten() {
            dx.iter_mut().zip(pass.grad_output).for_each(|(dx, g)| *dx = 2.0 * g);
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

#[test]
fn what_an_op_writes_is_added_to_the_gradients_of_the_variables_other_uses() {
    let (params, w) = one_param(&[3.0, -2.0]);
    let mut tape = Tape::new();
    for double_first in [true, false] {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.param(w);
        let double = |graph: &mut Graph<'_, f64>| graph.apply(Double, [x]).unwrap();
        let early = double_first.then(|| double(&mut graph));
        let square = graph.apply(Mul, [x, x]).unwrap();
        let twice = early.unwrap_or_else(|| double(&mut graph));
        let y = graph.apply(Add, [twice, square]).unwrap();
        let loss = graph.apply(Sum, [y]).unwrap();
        graph.backward(loss);
        assert_eq!(
            tape.grad(w),
            Some(&[8.0, -2.0][..]),
            "of 2 w + w², double_first = {double_first}"
        );
    }
    // One variable as both inputs; each gets its gradient.
    let mut graph = tape.record(&params, Mode::Train { step: 1 });
    let x = graph.param(w);
    let y = graph.apply(Double, [x, x]).unwrap();
    let loss = graph.apply(Sum, [y]).unwrap();
    graph.backward(loss);
    assert_eq!(tape.grad(w), Some(&[4.0, 4.0][..]));
}

#[test]
fn a_gradient_is_there_only_after_a_backward_pass_that_reached_the_parameter() {
    let (mut params, w) = one_param(&[1.0]);
    let unused = params.add("unused", Tensor::zeros([4]), None).unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let var = graph.param(w);
    let loss = graph.apply(Sum, [var]).unwrap();
    graph.backward(loss);
    assert_eq!((tape.grad(w), tape.grad(unused)), (Some(&[1.0][..]), None));
    tape.record(&params, Mode::Train { step: 1 });
    assert_eq!(tape.grad(w), None);
}

#[test]
fn a_shorter_recording_after_a_longer_one_leaves_no_trace() {
    let (params, w) = one_param(&[2.0, 5.0]);
    let mut tape = Tape::new();
    for length in [5, 1, 3] {
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let mut y = graph.param(w);
        let start = y;
        for _ in 0..length {
            y = graph.apply(Add, [y, start]).unwrap();
        }
        let loss = graph.apply(Sum, [y]).unwrap();
        graph.backward(loss);
        assert_eq!(tape.grad(w), Some(&[f64::from(length + 1); 2][..]));
    }
}

#[test]
fn penalties_are_part_of_every_loss_that_uses_the_parameter() {
    let (mut params, w) = one_param(&[1.0, 2.0]);
    let unused = params.add("unused", Tensor::zeros([4]), None).unwrap();
    for id in [w, unused] {
        params.penalize(id, Penalty::new(Sum)).unwrap();
    }
    let mut tape = Tape::new();
    let loss = |graph: &mut Graph<'_, f64>, factor: f64| {
        let w = graph.param(w);
        let scaled = graph.apply(Scale(factor), [w]).unwrap();
        graph.apply(Sum, [scaled]).unwrap()
    };
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    // Two losses on one recording: each has the penalty once.
    let [a, b] = [2.0, 4.0].map(|factor| loss(&mut graph, factor));
    for (loss, expected) in [(a, 3.0), (b, 5.0), (a, 3.0)] {
        graph.backward(loss);
        assert_eq!(graph.tape.grad(w), Some(&[expected; 2][..]));
        assert!(graph.tape.has_penalties(&params, w));
    }
    assert_eq!(tape.grad(unused), None);
    assert!(!tape.has_penalties(&params, unused));
    // In hand, they are neither lost nor counted twice.
    let mut graph = tape.record(&params, Mode::Train { step: 1 });
    let a = loss(&mut graph, 2.0);
    let sum = graph.penalized(a);
    assert_eq!((graph.value(a).data, graph.value(sum).data), (&[6.0][..], &[9.0][..]));
    let twice = graph.apply(Scale(2.0), [sum]).unwrap();
    graph.backward(twice);
    assert_eq!(tape.grad(w), Some(&[6.0; 2][..]));
    // A product with the Jacobian has none, and says so.
    let mut graph = tape.record(&params, Mode::Train { step: 2 });
    let a = loss(&mut graph, 2.0);
    graph.backward_with(a, &[1.0]);
    assert_eq!(tape.grad(w), Some(&[2.0; 2][..]));
    assert!(!tape.has_penalties(&params, w));
    // So does evaluation, where the value is asked for.
    let mut graph = tape.record(&params, Mode::Eval);
    let a = loss(&mut graph, 2.0);
    let sum = graph.penalized(a);
    assert_eq!(graph.value(sum).data, [9.0]);
}

#[test]
fn a_frozen_parameter_and_evaluation_get_no_gradient() {
    let (mut params, w) = one_param(&[1.0]);
    params.set_trainable(w, false);
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let var = graph.param(w);
    let loss = graph.apply(Sum, [var]).unwrap();
    graph.backward(loss);
    assert_eq!(tape.grad(w), None);
}

#[test]
fn what_is_tracked_follows_in_the_order_of_the_calls_and_only_after_a_training_step() {
    let (mut params, average) = one_param(&[8.0, 0.0]);
    params.set_trainable(average, false);
    let mut tape = Tape::new();
    let mut run = |mode, params: &mut Params<f64>| {
        let mut graph = tape.record(params, mode);
        let x = graph.input(Tensor::from_vec([2], vec![2.0, 4.0]).unwrap().view());
        let twice = graph.apply(Add, [x, x]).unwrap();
        graph.track(average, twice, 0.5);
        graph.track(average, twice, 0.75);
        assert_eq!(graph.params.value(average).data, params.value(average).data);
        tape.settle(params);
        params.value(average).data.to_vec()
    };
    for mode in [Mode::Eval, Mode::Shapes] {
        assert_eq!(run(mode, &mut params), [8.0, 0.0]);
    }
    // 8 → 6 → 5.5 and 0 → 4 → 5.
    assert_eq!(run(Mode::Train { step: 0 }, &mut params), [5.5, 5.0]);
}

#[test]
fn shapes_alone_can_be_recorded_without_data() {
    let (params, w) = one_param(&[1.0, 2.0]);
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Shapes);
    let x = graph.input_with([1_000_000, 2], |_| unreachable!("no data is touched"));
    let w = graph.param(w);
    let y = graph.apply(Mul, [x, w]).unwrap();
    assert_eq!(graph.shape(y).dims(), [1_000_000, 2]);
}
