//! What every differentiable operation has to pass.

use std::array;

use morphograd_autodiff::tensor::{Real, ShapeError, Tensor, TensorRef};
use morphograd_autodiff::{
    Graph, MAX_INPUTS, Mode, Op, ParamId, Params, Tape, Var, evaluate_with_gradients, gradcheck,
};

/// Checks an operation at a point where it is differentiable. All of [`check_computation`], and:
/// - a gradient is added to what another use of the same input has left there;
/// - it is the same where the other inputs are constants and want none.
///
/// # Panics
/// If one of them fails, or the shapes do not fit.
#[track_caller]
pub fn check_op<O: Op<f64> + Clone>(op: O, inputs: &[Tensor<f64>]) {
    let name = format!("{} {op:?}", op.name());
    let apply = |graph: &mut Graph<'_, f64>, vars: &[Var]| graph.apply(op.clone(), vars);
    check(&name, inputs, &apply);
    let whole = run(&mut Tape::new(), inputs, &|_| true, &apply);
    let shared = run(&mut Tape::new(), inputs, &|_| true, &|graph, vars| {
        let y = apply(graph, vars)?;
        let shape = graph.shape(y);
        let weights =
            graph.input_with(shape, |weights| weights.copy_from_slice(&wave(shape.len())));
        let weighted = graph.mul(y, weights)?;
        // Recorded later, so that their gradient is there first.
        vars.iter().try_fold(graph.sum(weighted)?, |loss, x| {
            let sum = graph.sum(*x)?;
            graph.add(loss, sum)
        })
    });
    let weight = wave(1)[0]; // that of the scalar above
    for (n, (alone, shared)) in whole.iter().zip(&shared).enumerate().skip(1) {
        for (alone, shared) in alone.iter().zip(shared) {
            assert!(
                (alone + 1.0 - shared / weight).abs() <= 1e-9 * alone.abs().max(1.0),
                "{name}: the gradient of input {} has to be added (+=) to that of its other uses",
                n - 1
            );
        }
    }
    for wanted in (0..inputs.len()).filter(|_| inputs.len() > 1) {
        let found = run(&mut Tape::new(), inputs, &|n| n == wanted, &apply);
        for (found, whole) in found[wanted + 1].iter().zip(&whole[wanted + 1]) {
            assert!(
                (found - whole).abs() <= 1e-9 * whole.abs().max(1.0),
                "{name}: with constants for the other inputs the gradient of input {wanted} is \
                 {found}, not {whole}"
            );
        }
    }
}

/// Checks a computation at a point where it is differentiable, such as an operator composed of
/// others; `name` is for the message:
/// - every output is written and none is NaN;
/// - output and gradients are the same, bit for bit, on 1 thread and on 3, in `f64`;
/// - a second recording on the same tape, whose buffers hold old content, gives the same again;
/// - gradients agree with finite differences in `f64`.
///
/// # Panics
/// If one of them fails, or the shapes do not fit.
///
/// ```
/// use morphograd_autodiff::tensor::Tensor;
/// use morphograd_testkit::check_computation;
/// let x = Tensor::from_vec([2], vec![0.3, -0.7])?;
/// check_computation("gaussian", &[x], |graph, vars| {
///     let square = graph.mul(vars[0], vars[0])?;
///     graph.exp(square)
/// });
/// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
/// ```
#[track_caller]
pub fn check_computation(
    name: &str,
    inputs: &[Tensor<f64>],
    computation: impl Fn(&mut Graph<'_, f64>, &[Var]) -> Result<Var, ShapeError> + Sync,
) {
    check(name, inputs, &computation);
}

/// A computation on the inputs.
type Computation<'a> = dyn Fn(&mut Graph<'_, f64>, &[Var]) -> Result<Var, ShapeError> + Sync + 'a;

#[track_caller]
fn check(name: &str, inputs: &[Tensor<f64>], computation: &Computation<'_>) {
    let on_threads = |threads: usize| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let mut tape = Tape::new();
            let first = run(&mut tape, inputs, &|_| true, computation);
            let bits = |all: &Vec<Vec<f64>>| -> Vec<u64> {
                all.iter().flatten().map(|x| x.to_bits()).collect()
            };
            let again = run(&mut tape, inputs, &|_| true, computation);
            assert_eq!(
                bits(&first),
                bits(&again),
                "{name}: depends on the old content of a buffer"
            );
            first
        })
    };
    let first = on_threads(1);
    if let Some(n) = first[0].iter().position(|y| y.is_nan()) {
        panic!("{name}: output {n} is NaN; every output has to be written (=, not +=)");
    }
    assert_eq!(first, on_threads(3), "{name}: depends on the number of threads");
    let (mut params, ids) = as_params(inputs);
    let checked = gradcheck(&mut params, |graph| {
        let vars: Vec<_> = ids.iter().map(|id| graph.param(*id)).collect();
        computation(graph, &vars)
    });
    if let Err(error) = checked {
        panic!("{name}: {error}");
    }
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

/// The output and the gradients of the inputs that want one, on a tape that may have been used
/// before.
fn run(
    tape: &mut Tape<f64>,
    inputs: &[Tensor<f64>],
    wanted: &dyn Fn(usize) -> bool,
    computation: &Computation<'_>,
) -> Vec<Vec<f64>> {
    let (params, ids) = as_params(inputs);
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let vars: Vec<_> = (0..inputs.len())
        .map(|n| if wanted(n) { graph.param(ids[n]) } else { graph.input(inputs[n].view()) })
        .collect();
    let y = computation(&mut graph, &vars).unwrap_or_else(|error| panic!("{error}"));
    let output = graph.value(y).data.to_vec();
    graph.backward_with(y, &wave(output.len()));
    let zeros = |id: &ParamId| vec![0.0; params.value(*id).data.len()];
    let grads = ids.iter().map(|id| tape.grad(*id).map_or_else(|| zeros(id), <[f64]>::to_vec));
    std::iter::once(output).chain(grads).collect()
}

/// Gradients of outputs.
fn wave(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 0.61).sin() + 0.1).collect()
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

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use morphograd_autodiff::tensor::Shape;
    use morphograd_autodiff::{Backward, Forward};

    use super::*;

    /// $y = x^2 b$, right or with a mistake.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Scaled {
        Right,
        Assigns,
        NeedsBoth,
        AddsToOutput,
        Wrong,
    }

    impl Op<f64> for Scaled {
        fn name(&self) -> &'static str {
            "scaled"
        }

        fn arity(&self) -> std::ops::RangeInclusive<usize> {
            2..=2
        }

        fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
            Ok(inputs[0])
        }

        fn forward(&self, pass: Forward<'_, f64>) {
            let [x, b] = [pass.inputs[0].data, pass.inputs[1].data];
            for (y, x) in pass.output.iter_mut().zip(x) {
                let value = x * x * b[0];
                *y = if *self == Self::AddsToOutput { *y + value } else { value };
            }
        }

        fn backward(&self, pass: Backward<'_, f64>) {
            let ([x, b], g) = ([pass.inputs[0].data, pass.inputs[1].data], pass.grad_output);
            let [dx, db, ..] = pass.grad_inputs;
            if *self == Self::NeedsBoth && (dx.is_none() || db.is_none()) {
                return;
            }
            let factor = if *self == Self::Wrong { 3.0 } else { 2.0 };
            for (n, dx) in dx.into_iter().flatten().enumerate() {
                let own = factor * x[n] * b[0] * g[n];
                *dx = if *self == Self::Assigns { own } else { *dx + own };
            }
            for db in db.into_iter().flatten() {
                *db += x.iter().zip(g).map(|(x, g)| x * x * g).sum::<f64>();
            }
        }
    }

    #[test]
    fn every_mistake_is_found_and_named() {
        let found = |op: Scaled| {
            let inputs = [[0.5, -1.5, 2.0].to_vec(), vec![0.7]];
            let inputs = inputs.map(|x| Tensor::from_vec([x.len()], x).unwrap());
            let panic = catch_unwind(|| check_op(op, &inputs)).err()?;
            Some(panic.downcast::<String>().map_or_else(|_| "unknown".to_owned(), |text| *text))
        };
        assert_eq!(found(Scaled::Right), None);
        for (op, part) in [
            (Scaled::Assigns, "has to be added (+=)"),
            (Scaled::NeedsBoth, "with constants for the other inputs the gradient of input 0"),
            (Scaled::Wrong, "(central difference), found"),
        ] {
            assert!(found(op).is_some_and(|text| text.contains(part)), "{op:?} {:?}", found(op));
        }
        // With checks on, buffers hold NaN; else what was there.
        let text = found(Scaled::AddsToOutput).unwrap();
        assert!(text.contains("is NaN") || text.contains("old content"), "{text}");
    }
}
