//! A step takes no memory: what it needs is kept from the step before.

use std::hint::black_box;

use morphograd_nn::Optimizer;
use morphograd_nn::Regularizer;
use morphograd_nn::autodiff::{Mode, Mul, Params, Sum, Tape};
use morphograd_nn::constraint::{NonNegative, UnitNorm};
use morphograd_nn::optimizer::{Adam, Clip};
use morphograd_nn::regularizer::L2;
use morphograd_nn::tensor::Tensor;

#[test]
fn after_the_first_step_nothing_is_allocated() {
    for clip in [Clip::None, Clip::Value(0.1), Clip::Norm(0.1), Clip::GlobalNorm(0.1)] {
        let mut params = Params::new();
        let kernel = Tensor::filled([3, 3, 2, 40], 1.0f32);
        let a = params.add("a", kernel.clone(), Some(Box::new(UnitNorm { axes: vec![0, 1, 2] }))).unwrap();
        let b = params.add("b", kernel, Some(Box::new(NonNegative))).unwrap();
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1).clipped(clip);
        let mut tape = Tape::new();
        let mut step = |step| {
            let mut graph = tape.record(&params, Mode::Train { step });
            let (a, b) = (graph.param(a), graph.param(b));
            let product = graph.apply(Mul, [a, b]).unwrap();
            let sum = graph.apply(Sum, [product]).unwrap();
            let penalty = L2(0.01).penalty(&mut graph, b).unwrap();
            let loss = graph.apply(Mul, [sum, penalty]).unwrap();
            graph.backward(loss);
            optimizer.step(&mut params, &tape).unwrap();
        };
        step(0);
        let taken = allocation_counter::measure(|| (1..4).for_each(&mut step));
        assert_eq!(taken.count_total, 0, "{clip:?}: {taken:?}");
        // The counter counts.
        assert!(allocation_counter::measure(|| drop(black_box(vec![0u8; 9]))).count_total > 0);
    }
}
