//! Values and gradients of JAX, which `tests/data/ops.py` computes.

use std::array;
use std::path::Path;

use morphograd_autodiff::tensor::{ShapeError, Tensor};
use morphograd_autodiff::{Axes, Graph, Var, evaluate_with_gradients};
use morphograd_testkit::{Golden, assert_close};

/// Compares one case with its inputs.
fn check<const N: usize>(
    golden: &Golden,
    case: &str,
    f: impl FnOnce(&mut Graph<'_, f64>, [Var; N]) -> Result<Var, ShapeError>,
) {
    let read = |what: &str| golden.tensor::<f64>(&format!("{case}.{what}"));
    let inputs: [Tensor<f64>; N] = array::from_fn(|k| read(&format!("x{k}")));
    let (y, gradients) =
        evaluate_with_gradients(inputs.each_ref().map(Tensor::view), read("g").data(), f).unwrap();
    let expected = read("y");
    // The script writes a scalar as one number.
    let shape = if y.shape().rank() == 0 { [1].into() } else { y.shape() };
    assert_eq!(shape, expected.shape(), "{case}");
    assert_close(&format!("{case}.y"), y.data(), expected.data(), 1e-14);
    for (k, gradient) in gradients.iter().enumerate() {
        let what = format!("{case}.d{k}");
        assert_close(&what, gradient.data(), read(&format!("d{k}")).data(), 1e-13);
    }
}

#[test]
fn values_and_gradients_are_those_of_jax() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let golden = Golden::open(&folder.join("ops.safetensors"));
    let golden = &golden;

    type Binary = fn(&mut Graph<'_, f64>, Var, Var) -> Result<Var, ShapeError>;
    let binary: [(&str, Binary); 6] = [
        ("add", |g, a, b| g.add(a, b)),
        ("sub", |g, a, b| g.sub(a, b)),
        ("mul", |g, a, b| g.mul(a, b)),
        ("div", |g, a, b| g.div(a, b)),
        ("maximum", |g, a, b| g.maximum(a, b)),
        ("minimum", |g, a, b| g.minimum(a, b)),
    ];
    for (case, f) in binary {
        check(golden, case, |g, [a, b]| f(g, a, b));
        check(golden, &format!("{case}_broadcast"), |g, [a, b]| f(g, a, b));
    }

    type Unary = fn(&mut Graph<'_, f64>, Var) -> Result<Var, ShapeError>;
    let unary: [(&str, Unary); 10] = [
        ("neg", |g, x| g.neg(x)),
        ("exp", |g, x| g.exp(x)),
        ("log", |g, x| g.log(x)),
        ("sqrt", |g, x| g.sqrt(x)),
        ("abs", |g, x| g.abs(x)),
        ("square", |g, x| g.square(x)),
        ("scale", |g, x| g.scale(x, -2.5)),
        ("pow_1.7", |g, x| g.pow(x, 1.7)),
        ("pow_3", |g, x| g.pow(x, 3.0)),
        ("pow_-2", |g, x| g.pow(x, -2.0)),
    ];
    for (case, f) in unary {
        check(golden, case, |g, [x]| f(g, x));
    }

    for case in ["", "_vectors", "_row", "_column", "_tall", "_batch", "_broadcast"] {
        check(golden, &format!("matmul{case}"), |g, [a, b]| g.matmul(a, b));
    }

    type Reduction = fn(&mut Graph<'_, f64>, Var, Axes) -> Result<Var, ShapeError>;
    let reductions: [(&str, Unary, Reduction); 4] = [
        ("sum", |g, x| g.sum(x), |g, x, axes| g.sum_axes(x, axes)),
        ("mean", |g, x| g.mean(x), |g, x, axes| g.mean_axes(x, axes)),
        ("max", |g, x| g.max(x), |g, x, axes| g.max_axes(x, axes)),
        ("min", |g, x| g.min(x), |g, x, axes| g.min_axes(x, axes)),
    ];
    for (case, all, over) in reductions {
        check(golden, case, |g, [x]| all(g, x));
        check(golden, &format!("{case}_1"), |g, [x]| over(g, x, [1].into()));
        check(golden, &format!("{case}_02"), |g, [x]| over(g, x, [0, 2].into()));
        check(golden, &format!("{case}_13_kept"), |g, [x]| over(g, x, Axes::kept([1, 3])));
    }

    check(golden, "reshape", |g, [x]| g.reshape(x, [6, 4]));
    check(golden, "transpose", |g, [x]| g.transpose(x, [2, 0, 3, 1]));
    check::<3>(golden, "concat", |g, inputs| g.concat(inputs, 1));
    check::<3>(golden, "stack", |g, inputs| g.stack(inputs, 1));
    check(golden, "slice", |g, [x]| g.slice(x, 1, 1..3));
    check(golden, "select", |g, [x]| g.select(x, 1, 2));
    check(golden, "where", |g, [mask, a, b]| g.where_(mask, a, b));
    check(golden, "softmax", |g, [x]| g.softmax(x, 2));
    check(golden, "softmax_1", |g, [x]| g.softmax(x, 1));
    check(golden, "log_softmax", |g, [x]| g.log_softmax(x, 2));
    check(golden, "log_softmax_1", |g, [x]| g.log_softmax(x, 1));
}
