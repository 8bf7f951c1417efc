//! Sums, differences, products and quotients with every kind of broadcasting.

use morphograd_autodiff::tensor::{Shape, Tensor};
use morphograd_autodiff::{Add, Div, Mul, Op, Scale, Sub, evaluate, evaluate_with_gradients};
use morphograd_testkit::{assert_close, check_op, strategy, vjp};
use proptest::prelude::*;

use crate::{broadcast_index, refusal};

/// A shape, and two that are broadcast to it: some axes have length 1 or are missing.
pub(crate) fn operands() -> impl Strategy<Value = (Shape, Shape, Shape)> {
    let axis = (1..4usize, 0..4u8);
    (proptest::collection::vec(axis, 0..5), 0..5usize, any::<bool>()).prop_map(
        |(axes, missing, first)| {
            let own = |which: u8| -> Vec<usize> {
                axes.iter().map(|(n, repeated)| if *repeated == which { 1 } else { *n }).collect()
            };
            let (mut a, mut b) = (own(1), own(2));
            let all: Vec<usize> = a.iter().zip(&b).map(|(a, b)| *a.max(b)).collect();
            let short = if first { &mut a } else { &mut b };
            let cut = missing.min(short.len());
            // Only axes that the other operand has in full may be missing.
            let whole = (0..cut).take_while(|k| axes[*k].1 != if first { 2 } else { 1 }).count();
            short.drain(..whole);
            (Shape::new(&all), Shape::new(&a), Shape::new(&b))
        },
    )
}

fn pair() -> impl Strategy<Value = (Shape, [Tensor<f64>; 2])> {
    operands().prop_flat_map(|(all, a, b)| {
        (Just(all), [strategy::tensor(a).boxed(), strategy::tensor(b).boxed()])
    })
}

/// The same numbers, away from 0.
fn away(x: &Tensor<f64>) -> Tensor<f64> {
    Tensor::from_fn(x.shape(), |i| x.data()[i] + 1.5f64.copysign(x.data()[i]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_differences((_, [a, b]) in pair()) {
        let divisor = away(&b);
        check_op(Add, &[a.clone(), b.clone()]);
        check_op(Sub, &[a.clone(), b.clone()]);
        check_op(Mul, &[a.clone(), b]);
        check_op(Div, &[a.clone(), divisor]);
        check_op(Scale(-2.5), &[a]);
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition((all, [a, b]) in pair()) {
        type Definition = fn(f64, f64) -> [f64; 3];
        fn check(op: impl Op<f64>, all: Shape, inputs: [&Tensor<f64>; 2], f: Definition) {
            let g: Vec<f64> = (0..all.len()).map(|i| (i as f64 * 0.7).cos()).collect();
            let mut y = vec![0.0; all.len()];
            let mut grads = inputs.map(|x| vec![0.0; x.data().len()]);
            for i in 0..all.len() {
                let at = inputs.map(|x| broadcast_index(x.shape(), all, i));
                let [value, da, db] = f(inputs[0].data()[at[0]], inputs[1].data()[at[1]]);
                y[i] = value;
                grads[0][at[0]] += g[i] * da;
                grads[1][at[1]] += g[i] * db;
            }
            let (found, found_grads) = vjp(op, &inputs.map(Tensor::clone), &g);
            assert_close("y", &found, &y, 1e-15);
            for k in 0..2 {
                let size = grads[k].iter().fold(1.0f64, |m, x| m.max(x.abs()));
                for (found, expected) in found_grads[k].iter().zip(&grads[k]) {
                    assert!((found - expected).abs() <= 1e-13 * size, "{k}");
                }
            }
        }
        let divisor = away(&b);
        check(Add, all, [&a, &b], |a, b| [a + b, 1.0, 1.0]);
        check(Sub, all, [&a, &b], |a, b| [a - b, 1.0, -1.0]);
        check(Mul, all, [&a, &b], |a, b| [a * b, b, a]);
        check(Div, all, [&a, &divisor], |a, b| [a / b, 1.0 / b, -a / (b * b)]);
    }
}

#[test]
fn the_gradient_of_what_is_repeated_millions_of_times_keeps_its_digits() {
    let n = 1 << 22;
    let (many, one) = (Tensor::filled([n, 1], 0.1f32), Tensor::filled([1], 1.0f32));
    let g = vec![0.1f32; n];
    let inputs = [many.view(), one.view()];
    let grad = |f: fn(&mut morphograd_autodiff::Graph<'_, f32>, [_; 2]) -> _| {
        evaluate_with_gradients(inputs, &g, f).unwrap().1[1].data()[0]
    };
    let tenth = f64::from(0.1f32);
    let expected = tenth * n as f64;
    let close = |found: f32, expected: f64| (f64::from(found) / expected - 1.0).abs() < 1e-6;
    assert!(close(grad(|graph, [a, b]| graph.add(a, b)), expected));
    assert!(close(grad(|graph, [a, b]| graph.sub(a, b)), -expected));
    assert!(close(grad(|graph, [a, b]| graph.mul(a, b)), tenth * expected));
    assert!(close(grad(|graph, [a, b]| graph.div(a, b)), -tenth * expected));
}

#[test]
fn a_constant_broadcasts_with_everything() {
    let x = Tensor::from_fn([2, 3], |i| i as f64);
    let y = evaluate([x.view()], |graph, [x]| {
        let one = graph.scalar(1.0);
        let more = graph.add(x, one)?;
        graph.div(one, more)
    });
    assert_eq!(y.unwrap().data(), [1.0, 0.5, 1.0 / 3.0, 0.25, 0.2, 1.0 / 6.0]);
}

#[test]
fn a_quotient_by_zero_is_infinite_or_no_number() {
    let (a, b) = (crate::tensor(&[3], &[1.0, -1.0, 0.0]), crate::tensor(&[], &[0.0]));
    let (y, grads) = vjp(Div, &[a, b], &[1.0, 1.0, 1.0]);
    assert_eq!(y[..2], [f64::INFINITY, f64::NEG_INFINITY]);
    assert!(y[2].is_nan() && grads[0].iter().all(|g| g.is_infinite()) && grads[1][0].is_nan());
}

#[test]
fn empty_tensors_are_no_trouble() {
    for shapes in [[&[0, 3][..], &[3]], [&[2, 0], &[2, 1]], [&[0], &[]]] {
        let [a, b] = shapes.map(|shape| Tensor::<f64>::filled(Shape::new(shape), 1.0));
        let (y, grads) = vjp(Mul, &[a, b], &[]);
        assert!(y.is_empty() && grads[0].is_empty() && grads[1].iter().all(|g| *g == 0.0));
    }
}

#[test]
fn shapes_that_cannot_be_broadcast_are_refused() {
    assert_eq!(
        refusal([&[2, 3], &[2]], |graph, [a, b]| graph.add(a, b)),
        "add: expected shapes that can be broadcast, found [2, 3] and [2]"
    );
    assert_eq!(
        refusal([&[4], &[2, 3]], |graph, [a, b]| graph.div(a, b)),
        "div: expected shapes that can be broadcast, found [4] and [2, 3]"
    );
}
