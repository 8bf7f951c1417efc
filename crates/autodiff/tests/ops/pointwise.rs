//! Functions of one number.

use morphograd_autodiff::tensor::Tensor;
use morphograd_autodiff::{Abs, Exp, Log, Neg, Op, Pow, Sqrt, Square};
use morphograd_testkit::{check_op, strategy, vjp};
use proptest::prelude::*;

use crate::tensor;

/// The numbers moved to where every function here is smooth, from 0.5 to 2.5.
fn positive(x: &Tensor<f64>) -> Tensor<f64> {
    Tensor::from_fn(x.shape(), |i| x.data()[i] + 1.5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn gradients_agree_with_differences(
        x in (0..4usize, 1..6usize).prop_flat_map(|(n, m)| strategy::tensor([n, m])),
        p in -3.0..3.0f64,
    ) {
        let all = |op: &dyn Fn(&Tensor<f64>)| op(&x);
        all(&|x| check_op(Neg, std::slice::from_ref(x)));
        all(&|x| check_op(Exp, std::slice::from_ref(x)));
        all(&|x| check_op(Abs, std::slice::from_ref(x)));
        all(&|x| check_op(Square, std::slice::from_ref(x)));
        all(&|x| check_op(Pow(3.0), std::slice::from_ref(x)));
        all(&|x| check_op(Pow(0.0), std::slice::from_ref(x)));
        all(&|x| check_op(Pow(1.0), std::slice::from_ref(x)));
        let x = positive(&x);
        check_op(Log, std::slice::from_ref(&x));
        check_op(Sqrt, std::slice::from_ref(&x));
        check_op(Pow(p), std::slice::from_ref(&x));
    }

    #[test]
    fn values_are_those_of_the_standard_library(x in strategy::tensor([4, 3])) {
        fn check(op: impl Op<f64>, x: &Tensor<f64>, f: fn(f64) -> f64) {
            let (y, _) = vjp(op, std::slice::from_ref(x), &[0.0; 12]);
            assert!(y.iter().zip(x.data()).all(|(y, x)| *y == f(*x)));
        }
        check(Neg, &x, |x| -x);
        check(Exp, &x, f64::exp);
        check(Abs, &x, f64::abs);
        check(Square, &x, |x| x * x);
        let x = positive(&x);
        check(Log, &x, f64::ln);
        check(Sqrt, &x, f64::sqrt);
        check(Pow(-1.5), &x, |x| x.powf(-1.5));
    }
}

fn at<O: Op<f64>>(op: O, x: f64) -> (f64, f64) {
    let (y, grads) = vjp(op, &[tensor(&[1], &[x])], &[1.0]);
    (y[0], grads[0][0])
}

#[test]
fn at_the_edge_of_where_they_are_defined_the_limits_are_those_stated() {
    let infinity = f64::INFINITY;
    assert_eq!(at(Abs, 0.0), (0.0, 0.0));
    assert_eq!(at(Abs, -0.0), (0.0, 0.0));
    assert_eq!(at(Exp, 1000.0), (infinity, infinity));
    assert_eq!(at(Log, 0.0), (-infinity, infinity));
    assert_eq!(at(Sqrt, 0.0), (0.0, infinity));
    assert_eq!(at(Pow(0.0), 0.0), (1.0, 0.0));
    assert_eq!(at(Pow(1.0), 0.0), (0.0, 1.0));
    assert_eq!(at(Pow(0.5), 0.0), (0.0, infinity));
    assert_eq!(at(Pow(2.0), -3.0), (9.0, -6.0));
    assert!(at(Log, -1.0).0.is_nan() && at(Sqrt, -1.0).0.is_nan());
    assert!(at(Pow(0.5), -1.0).0.is_nan());
}

#[test]
fn no_number_stays_none_and_so_does_its_derivative() {
    for (y, dx) in [at(Abs, f64::NAN), at(Exp, f64::NAN), at(Log, f64::NAN), at(Sqrt, f64::NAN)] {
        assert!(y.is_nan() && dx.is_nan());
    }
    assert!(at(Square, f64::NAN).1.is_nan() && at(Pow(2.0), f64::NAN).1.is_nan());
    assert!(at(Neg, f64::NAN).0.is_nan());
}

#[test]
fn long_inputs_are_cut_into_pieces_at_the_right_places() {
    let n = 2 * (1 << 13) + 3;
    let x = Tensor::from_fn([n], |i| i as f64 - 9000.0);
    let g: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let (y, dx) = vjp(Square, std::slice::from_ref(&x), &g);
    for (i, x) in x.data().iter().enumerate() {
        assert_eq!((y[i], dx[0][i]), (x * x, 2.0 * g[i] * x));
    }
}
