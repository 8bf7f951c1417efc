//! Matrix products.

use morphograd_autodiff::tensor::{Shape, Tensor};
use morphograd_autodiff::{MatMul, evaluate_with_gradients};
use morphograd_testkit::{assert_close, check_op, strategy, vjp};
use proptest::prelude::*;

use crate::arithmetic::operands;
use crate::{broadcast_index, refusal};

/// Matrices whose batches broadcast (at most 4 axes of them), and the shape of all products.
fn pair() -> impl Strategy<Value = (Shape, [Tensor<f64>; 2])> {
    (operands(), 0..4usize, 0..4usize, 0..4usize).prop_flat_map(|((all, a, b), m, k, n)| {
        let with = |batch: Shape, size: [usize; 2]| Shape::new(&[batch.dims(), &size].concat());
        let tensors = [strategy::tensor(with(a, [m, k])), strategy::tensor(with(b, [k, n]))];
        (Just(with(all, [m, n])), tensors)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_agree_with_differences((_, inputs) in pair()) {
        check_op(MatMul, &inputs);
    }

    #[test]
    fn products_and_gradients_are_those_of_the_definition((shape, inputs) in pair()) {
        let [a, b] = &inputs;
        let &[.., m, k] = a.shape().dims() else { unreachable!() };
        let n = shape.dims()[shape.rank() - 1];
        let batch = Shape::new(&shape.dims()[..shape.rank() - 2]);
        let outer = |x: &Tensor<f64>| Shape::new(&x.shape().dims()[..x.shape().rank() - 2]);
        let g: Vec<f64> = (0..shape.len()).map(|i| (i as f64 * 0.7).cos()).collect();
        let (mut y, mut da, mut db) =
            (vec![0.0; shape.len()], vec![0.0; a.data().len()], vec![0.0; b.data().len()]);
        for p in 0..batch.len() {
            let (at_a, at_b) =
                (broadcast_index(outer(a), batch, p), broadcast_index(outer(b), batch, p));
            for (i, j, l) in (0..m * n * k).map(|at| (at / k / n, at / k % n, at % k)) {
                let (ia, ib, iy) =
                    ((at_a * m + i) * k + l, (at_b * k + l) * n + j, (p * m + i) * n + j);
                y[iy] += a.data()[ia] * b.data()[ib];
                da[ia] += g[iy] * b.data()[ib];
                db[ib] += g[iy] * a.data()[ia];
            }
        }
        let (found, grads) = vjp(MatMul, &inputs, &g);
        for (found, expected) in [(&found, &y), (&grads[0], &da), (&grads[1], &db)] {
            prop_assert_eq!(found.len(), expected.len());
            prop_assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12));
        }
    }

    #[test]
    fn a_vector_is_a_row_on_the_left_and_a_column_on_the_right(
        (row, stack, column) in (1..4usize, 1..5usize, 1..4usize).prop_flat_map(|(batch, k, m)| {
            (strategy::tensor([k]), strategy::tensor([batch, k, m]), strategy::tensor([m]))
        }),
    ) {
        let &[_, k, m] = stack.shape().dims() else { unreachable!() };
        let as_matrix = |x: &Tensor<f64>, shape: [usize; 2]| {
            Tensor::from_vec(shape, x.data().to_vec()).unwrap()
        };
        for (vectors, matrices) in [
            ([row.clone(), stack.clone()], [as_matrix(&row, [1, k]), stack.clone()]),
            ([stack.clone(), column.clone()], [stack.clone(), as_matrix(&column, [m, 1])]),
            ([row.clone(), row.clone()], [as_matrix(&row, [1, k]), as_matrix(&row, [k, 1])]),
        ] {
            let (y, _) = vjp(MatMul, &vectors, &vec![0.0; output(&vectors).len()]);
            let g = vec![0.5; y.len()];
            prop_assert_eq!(vjp(MatMul, &vectors, &g), vjp(MatMul, &matrices, &g));
            check_op(MatMul, &vectors);
        }
        let batch = stack.shape().dims()[0];
        prop_assert_eq!(output(&[row.clone(), stack.clone()]), [batch, m].into());
        prop_assert_eq!(output(&[stack.clone(), column]), [batch, k].into());
        prop_assert_eq!(output(&[row.clone(), row]), Shape::scalar());
    }
}

fn output(inputs: &[Tensor<f64>; 2]) -> Shape {
    morphograd_autodiff::Op::<f64>::infer(&MatMul, &[inputs[0].shape(), inputs[1].shape()]).unwrap()
}

#[test]
fn products_with_more_rows_than_one_task_has_are_right() {
    let (a, b) = (
        Tensor::from_fn([2, 150, 7], |i| (i as f64 * 0.3).sin()),
        Tensor::from_fn([7, 5], |i| (i as f64 * 0.9).cos()),
    );
    let one_by_one: Vec<f64> = (0..300)
        .flat_map(|row| (0..5).map(move |column| (row, column)))
        .map(|(row, column)| {
            (0..7).map(|l| a.data()[row * 7 + l] * b.data()[l * 5 + column]).sum::<f64>()
        })
        .collect();
    let (y, _) = vjp(MatMul, &[a.clone(), b], &vec![0.0; 1500]);
    assert_close("y", &y, &one_by_one, 1e-13);
}

#[test]
fn long_sums_keep_their_digits() {
    let n = (1 << 22) + 1000;
    let expected = f64::from(0.1f32) * n as f64;
    let close = |x: &f32| (f64::from(*x) / expected - 1.0).abs() < 1e-5;
    let (x, ones) = (Tensor::filled([n, 1], 0.1f32), Tensor::filled([1, 2], 1.0f32));
    let g = vec![1.0; 2 * n];
    let inputs = [x.view(), ones.view()];
    let (_, [_, d_ones]) =
        evaluate_with_gradients(inputs, &g, |graph, [x, ones]| graph.matmul(x, ones)).unwrap();
    assert!(d_ones.data().iter().all(close), "{d_ones:?}");
    let (row, many) = (Tensor::filled([n], 1.0f32), Tensor::filled([n, 2], 0.1f32));
    let inputs = [row.view(), many.view()];
    let (y, _) =
        evaluate_with_gradients(inputs, &[1.0; 2], |graph, [a, b]| graph.matmul(a, b)).unwrap();
    assert!(y.data().iter().all(close), "{y:?}");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    assert_eq!(
        refusal([&[2, 3], &[2, 3]], |graph, [a, b]| graph.matmul(a, b)),
        "matmul: expected as many columns on the left as rows on the right, found shapes [2, 3] \
         and [2, 3]"
    );
    assert_eq!(
        refusal([&[], &[2]], |graph, [a, b]| graph.matmul(a, b)),
        "matmul: expected matrices or vectors, found shapes [] and [2]"
    );
    assert_eq!(
        refusal([&[2, 1, 1], &[3, 1, 1]], |graph, [a, b]| graph.matmul(a, b)),
        "matmul: expected shapes that can be broadcast, found [2] and [3]"
    );
}
