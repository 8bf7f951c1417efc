//! Softmax and its logarithm.

use morphograd_autodiff::tensor::Tensor;
use morphograd_autodiff::{LogSoftmax, Softmax, evaluate};
use morphograd_testkit::{check_op, strategy, vjp};
use proptest::prelude::*;

use crate::{refusal, tensor};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn gradients_agree_with_differences(
        x in (1..3usize, 1..6usize, 1..4usize)
            .prop_flat_map(|(o, n, i)| strategy::tensor([o, n, i])),
    ) {
        for axis in 0..3 {
            check_op(Softmax { axis }, std::slice::from_ref(&x));
            check_op(LogSoftmax { axis }, std::slice::from_ref(&x));
        }
    }

    #[test]
    fn values_are_those_of_the_definition(
        x in (1..3usize, 1..40usize, 1..4usize)
            .prop_flat_map(|(o, n, i)| strategy::tensor([o, n, i])),
    ) {
        let &[_, n, inner] = x.shape().dims() else { unreachable!() };
        let [y, log] = evaluate([x.view()], |graph, [x]| {
            Ok([graph.softmax(x, 1)?, graph.log_softmax(x, 1)?])
        })
        .unwrap();
        for i in 0..x.data().len() {
            let first = i / (n * inner) * n * inner + i % inner;
            let total: f64 = (0..n).map(|k| x.data()[first + k * inner].exp()).sum();
            let expected = x.data()[i].exp() / total;
            prop_assert!((y.data()[i] - expected).abs() < 1e-14);
            prop_assert!((log.data()[i] - expected.ln()).abs() < 1e-13);
        }
    }
}

#[test]
fn saturated_inputs_neither_overflow_nor_lose_the_limit() {
    let x = tensor(&[3], &[1000.0, 1000.0, -1000.0]);
    let x = std::slice::from_ref(&x);
    assert_eq!(vjp(Softmax { axis: 0 }, x, &[0.0; 3]).0, [0.5, 0.5, 0.0]);
    let (log, grads) = vjp(LogSoftmax { axis: 0 }, x, &[0.0, 0.0, 1.0]);
    assert_eq!(log, [-(2f64.ln()), -(2f64.ln()), -2000.0 - 2f64.ln()]);
    assert_eq!(grads[0], [-0.5, -0.5, 1.0]);
    let masked = tensor(&[2], &[f64::NEG_INFINITY, 3.0]);
    let masked = std::slice::from_ref(&masked);
    assert_eq!(vjp(Softmax { axis: 0 }, masked, &[0.0; 2]).0, [0.0, 1.0]);
    assert_eq!(vjp(LogSoftmax { axis: 0 }, masked, &[0.0; 2]).0, [f64::NEG_INFINITY, 0.0]);
}

#[test]
fn what_is_not_finite_makes_its_own_row_no_number() {
    for bad in [[f64::NAN, 0.0], [f64::INFINITY, 0.0], [f64::NEG_INFINITY; 2]] {
        let x = tensor(&[2, 2], &[bad[0], bad[1], 1.0, 1.0]);
        let x = std::slice::from_ref(&x);
        for y in
            [vjp(Softmax { axis: 1 }, x, &[0.0; 4]).0, vjp(LogSoftmax { axis: 1 }, x, &[0.0; 4]).0]
        {
            assert!(y[..2].iter().any(|y| y.is_nan()), "{bad:?}: {y:?}");
            assert!(y[2..].iter().all(|y| y.is_finite()));
        }
    }
}

#[test]
fn a_sum_over_millions_of_classes_keeps_its_digits() {
    let x = Tensor::filled([1 << 23], 0.0f32);
    let y = evaluate([x.view()], |graph, [x]| graph.softmax(x, 0)).unwrap();
    assert_eq!(y.data()[12345], 1.0 / (1 << 23) as f32);
    // An odd number, whose sum of ones is not made of powers of two.
    let x = Tensor::filled([(1 << 24) - 1], 0.0f32);
    let y = evaluate([x.view()], |graph, [x]| graph.log_softmax(x, 0)).unwrap();
    assert_eq!(y.data()[0], -((((1 << 24) - 1) as f32).ln()));
}

#[test]
fn an_axis_that_is_not_there_is_refused() {
    assert_eq!(
        refusal([&[2, 0]], |graph, [x]| graph.softmax(x, 1)),
        "softmax: expected an axis 1 of at least 1 element, found shape [2, 0]"
    );
    assert_eq!(
        refusal([&[]], |graph, [x]| graph.log_softmax(x, 0)),
        "log_softmax: expected an axis 0 of at least 1 element, found shape []"
    );
}
