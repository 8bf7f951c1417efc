//! What every differentiable operation has to pass.

use std::array;

use morphograd_autodiff::tensor::{Real, Tensor, TensorRef};
use morphograd_autodiff::{
    MAX_INPUTS, Mode, Op, ParamId, Params, Tape, evaluate_with_gradients, gradcheck,
};

/// Checks an operation at a point where it is differentiable:
/// - gradients agree with finite differences in `f64`;
/// - output and gradients are the same, bit for bit, on 1 thread and on 3, in `f64`;
/// - a second recording on the same tape, whose buffers hold old content, gives the same again.
///
/// # Panics
/// If one of them fails, or the shapes do not fit.
#[track_caller]
pub fn check_op<O: Op<f64> + Clone>(op: O, inputs: &[Tensor<f64>]) {
    let (mut params, ids) = as_params(inputs);
    let name = op.name();
    if let Err(error) = gradcheck(&mut params, |graph| {
        let vars: Vec<_> = ids.iter().map(|id| graph.param(*id)).collect();
        graph.apply(op.clone(), vars)
    }) {
        panic!("{name} {op:?}: {error}");
    }
    let on_threads = |threads: usize| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let mut tape = Tape::new();
            let first = run(&mut tape, op.clone(), inputs);
            let bits = |all: &Vec<Vec<f64>>| -> Vec<u64> {
                all.iter().flatten().map(|x| x.to_bits()).collect()
            };
            let again = run(&mut tape, op.clone(), inputs);
            assert_eq!(
                bits(&first),
                bits(&again),
                "{name}: depends on the old content of a buffer"
            );
            bits(&first)
        })
    };
    assert_eq!(on_threads(1), on_threads(3), "{name}: depends on the number of threads");
}

/// The output of an operation and its vector-Jacobian product with `grad_output` for each input.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn vjp<T: Real, O: Op<T>>(
    op: O,
    inputs: &[Tensor<T>],
    grad_output: &[T],
) -> (Vec<T>, Vec<Vec<T>>) {
    let none = TensorRef::new([0], &[]);
    let all = array::from_fn::<_, MAX_INPUTS, _>(|i| inputs.get(i).map_or(none, Tensor::view));
    let result = evaluate_with_gradients(all, grad_output, |graph, vars| {
        graph.apply(op, &vars[..inputs.len()])
    });
    let (output, gradients) = result.unwrap_or_else(|error| panic!("{error}"));
    let gradients = gradients.into_iter().take(inputs.len()).map(Tensor::into_vec).collect();
    (output.into_vec(), gradients)
}

/// The output and the gradients of the inputs, on a tape that may have been used before.
fn run<O: Op<f64>>(tape: &mut Tape<f64>, op: O, inputs: &[Tensor<f64>]) -> Vec<Vec<f64>> {
    let (params, ids) = as_params(inputs);
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let vars: Vec<_> = ids.iter().map(|id| graph.param(*id)).collect();
    let y = graph.apply(op, vars).unwrap_or_else(|error| panic!("{error}"));
    let output = graph.value(y).data.to_vec();
    let grad_output: Vec<f64> = (0..output.len()).map(|i| (i as f64 * 0.61).sin() + 0.1).collect();
    graph.backward_with(y, &grad_output);
    let zeros = |id: &ParamId| vec![0.0; params.value(*id).data.len()];
    let grads = ids.iter().map(|id| tape.grad(*id).map_or_else(|| zeros(id), <[f64]>::to_vec));
    std::iter::once(output).chain(grads).collect()
}

fn as_params(inputs: &[Tensor<f64>]) -> (Params<f64>, Vec<ParamId>) {
    let mut params = Params::new();
    let ids = inputs
        .iter()
        .enumerate()
        .map(|(i, x)| params.add(format!("input{i}"), x.clone(), None).expect("distinct names"))
        .collect();
    (params, ids)
}
