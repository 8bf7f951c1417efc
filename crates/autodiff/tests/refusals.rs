//! What a graph refuses: wrong numbers of inputs, variables of other recordings, parameters of
//! other `Params`.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use morphograd_autodiff::tensor::{Shape, ShapeError, Tensor};
use morphograd_autodiff::{
    Add, Backward, Forward, Graph, MAX_INPUTS, Mode, Mul, Op, ParamId, Params, Sum, Tape, Var,
};

/// The first input, of as many as it says.
#[derive(Debug)]
struct First(RangeInclusive<usize>);

impl Op<f64> for First {
    fn name(&self) -> &'static str {
        "first"
    }
    fn arity(&self) -> RangeInclusive<usize> {
        self.0.clone()
    }
    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }
    fn forward(&self, pass: Forward<'_, f64>) {
        pass.output.copy_from_slice(pass.inputs[0].data);
    }
    fn backward(&self, _: Backward<'_, f64>) {}
}

fn one_param() -> (Params<f64>, ParamId) {
    let mut params = Params::new();
    let id = params.add("w", Tensor::filled([], 1.0), None).unwrap();
    (params, id)
}

#[test]
fn a_wrong_number_of_inputs_is_refused_by_name() {
    let (params, w) = one_param();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Eval);
    let x = graph.param(w);
    let mut apply = |op: First, inputs: &[Var]| graph.apply(op, inputs).map_err(|e| e.to_string());
    let refused = |says: &str| Err(format!("first: expected {says}"));
    assert_eq!(apply(First(1..=1), &[x, x]), refused("1 input, found 2"));
    assert_eq!(apply(First(1..=1), &[]), refused("1 input, found 0"));
    assert_eq!(apply(First(2..=2), &[x]), refused("2 inputs, found 1"));
    assert_eq!(apply(First(1..=3), &[x; 4]), refused("1 to 3 inputs, found 4"));
    assert_eq!(apply(First(1..=99), &[x; MAX_INPUTS + 1]), refused("1 to 8 inputs, found 9"));
    assert!(apply(First(1..=3), &[x; 3]).is_ok());
    assert!(apply(First(1..=99), &[x; MAX_INPUTS]).is_ok());
}

#[test]
fn arithmetic_takes_as_many_inputs_as_its_formula_has() {
    let (params, w) = one_param();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Eval);
    let x = graph.param(w);
    let refused = |result: Result<Var, ShapeError>| result.unwrap_err().to_string();
    assert_eq!(refused(graph.apply(Add, [x, x, x])), "add: expected 2 inputs, found 3");
    assert_eq!(refused(graph.apply(Mul, [x])), "mul: expected 2 inputs, found 1");
    assert_eq!(refused(graph.apply(Sum, [x, x])), "sum: expected 1 input, found 2");
}

type Use = fn(&mut Graph<'_, f64>, Var, ParamId);

/// All that can be done with a variable, each with the name that its refusal begins with.
const USES: [(&str, Use); 8] = [
    ("add", |graph, var, w| {
        let x = graph.param(w);
        let _ = graph.apply(Add, [x, var]);
    }),
    ("sum", |graph, var, _| drop(graph.apply(Sum, [var]))),
    ("backward", |graph, var, _| graph.backward(var)),
    ("backward", |graph, var, _| graph.backward_with(var, &[1.0])),
    ("value", |graph, var, _| assert!(!graph.value(var).data.is_empty())),
    ("grad", |graph, var, _| assert!(graph.grad(var).is_none())),
    ("shape", |graph, var, _| assert_eq!(graph.shape(var).len(), 1)),
    ("track", |graph, var, w| graph.track(w, var, 0.5)),
];

#[test]
fn a_variable_of_another_recording_is_refused_by_name() {
    let (params, w) = one_param();
    let (mut tape, mut other) = (Tape::new(), Tape::new());
    let mode = Mode::Train { step: 0 };
    let record = |tape: &mut Tape<f64>| {
        let mut graph = tape.record(&params, mode);
        let x = graph.param(w);
        graph.apply(Sum, [x]).unwrap()
    };
    for stale in [record(&mut tape), record(&mut other)] {
        for (name, f) in USES {
            // A recording of the same computation: there is a node at the place of the variable.
            let mut graph = tape.record(&params, mode);
            let x = graph.param(w);
            let own = graph.apply(Sum, [x]).unwrap();
            let refused = catch_unwind(AssertUnwindSafe(|| f(&mut graph, stale, w)));
            let message = refused.expect_err(name).downcast::<String>().expect("a message");
            let says =
                format!("{name}: expected a variable of this recording, found one of another");
            assert_eq!(*message, says);
            f(&mut graph, own, w);
        }
    }
}

#[test]
#[should_panic(
    expected = "param: expected one of the 1 parameters of this recording, found number"
)]
fn a_parameter_of_others_is_refused() {
    let (params, w) = one_param();
    let (mut others, _) = one_param();
    let other = others.add("b", Tensor::zeros([1]), None).unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Eval);
    graph.param(w);
    graph.param(other);
}

#[test]
fn an_output_of_more_elements_than_can_be_counted_is_refused_by_name() {
    let (params, mut tape) = (Params::<f64>::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Shapes);
    let long = graph.input_with([1 << (usize::BITS / 2), 1], |_| ());
    let wide = graph.input_with([1, 1 << (usize::BITS / 2)], |_| ());
    let error = graph.apply(Add, [long, wide]).unwrap_err().to_string();
    assert!(error.starts_with("add: expected at most "), "{error}");
}
