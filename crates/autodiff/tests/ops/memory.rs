//! A step takes no memory once the tape knows its buffers.

use std::hint::black_box;

use morphograd_autodiff::tensor::{ShapeError, Tensor};
use morphograd_autodiff::{Axes, Graph, MaxAxes, Mode, Params, Tape, Ties, Var};

/// One computation in which every operation occurs, broadcasting and several axes included. But for
/// the matrix product, for which the library takes memory in each call.
fn everything(graph: &mut Graph<'_, f32>, x: Var, w: Var) -> Result<Var, ShapeError> {
    let half = graph.scalar(0.5);
    let y = graph.mul(x, w)?; // [4, 3, 5, 6]
    let y = graph.softmax(y, 1)?;
    let y = graph.log_softmax(y, 3)?;
    let (square, negative) = (graph.square(y)?, graph.neg(y)?);
    let y = graph.add(square, negative)?;
    let y = graph.abs(y)?;
    let y = graph.add(y, half)?;
    let (root, log) = (graph.sqrt(y)?, graph.log(y)?);
    let y = graph.mul(root, log)?;
    let y = graph.exp(y)?;
    let y = graph.pow(y, 0.3)?;
    let y = graph.transpose(y, [0, 2, 1, 3])?;
    let [sum, mean] =
        [graph.sum_axes(y, Axes::kept([0, 2]))?, graph.mean_axes(y, Axes::kept([1, 3]))?];
    let (max, min) = (graph.max_axes(y, [3])?, graph.min_axes(y, Axes::kept([0, 2]))?);
    let split = graph.apply(MaxAxes { axes: Axes::ALL, ties: Ties::Split }, [y])?;
    let y = graph.sub(y, mean)?;
    let y = graph.div(y, split)?;
    let y = graph.maximum(y, sum)?;
    let y = graph.minimum(y, min)?;
    let y = graph.where_(mean, y, half)?;
    let max = graph.reshape(max, [4, 5, 3, 1])?;
    let y = graph.mul(y, max)?;
    let (a, b) = (graph.slice(y, 1, 0..2)?, graph.slice(y, 1, 1..3)?);
    let y = graph.concat([b, a, a], 1)?;
    let (a, b) = (graph.select(y, 1, 0)?, graph.select(y, 1, 5)?);
    let y = graph.stack([a, b], 1)?;
    let y = graph.scale(y, 2.0)?;
    let (sum, mean) = (graph.sum(y)?, graph.mean(y)?);
    graph.add(sum, mean)
}

#[test]
fn after_the_first_step_nothing_is_allocated() {
    let mut params = Params::new();
    let number = |i: usize| (i as f32 * 0.7).sin();
    let x = params.add("x", Tensor::from_fn([4, 3, 5, 6], number), None).unwrap();
    let w = params.add("w", Tensor::from_fn([3, 1, 6], number), None).unwrap();
    let mut tape = Tape::new();
    let mut step = |step| {
        let mut graph = tape.record(&params, Mode::Train { step });
        let (x, w) = (graph.param(x), graph.param(w));
        let loss = everything(&mut graph, x, w).unwrap();
        graph.backward(loss);
        assert!(graph.value(loss).data[0].is_finite());
    };
    step(0);
    let taken = allocation_counter::measure(|| (1..4).for_each(&mut step));
    assert_eq!(taken.count_total, 0, "{taken:?}");
    // The counter counts.
    assert!(allocation_counter::measure(|| drop(black_box(vec![0u8; 9]))).count_total > 0);
}
