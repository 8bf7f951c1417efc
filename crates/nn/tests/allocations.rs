//! A step takes no memory: what it needs is kept from the step before.

use std::hint::black_box;
use std::ops::ControlFlow;

use morphograd_nn::autodiff::{Mode, Mul, Params, Sum, Tape};
use morphograd_nn::enforcement::{Enforcement, ProjectionVjp};
use morphograd_nn::fit::{Accuracy, ConfusionMatrix, Fit, Metric, Progress, evaluate};
use morphograd_nn::optim::{Adam, Clip, FrankWolfe};
use morphograd_nn::regularizer::L2;
use morphograd_nn::sets::{
    CappedSimplex, Cardinality, Constraint, FixedMean, FixedSum, Grid, Halfspace, Interval,
    Isotonic, Kind, L1Ball, L2Ball, NonNegative, Per, Simplex, Sphere, UnitNorm,
};
use morphograd_nn::tensor::{Shape, Tensor, parallel};
use morphograd_nn::{
    Bias, Layer, Momentum, Optimizer, Sequential, SoftmaxCrossEntropy, StepMetric, Weight,
    WeightAverage,
};

#[test]
fn after_the_first_step_nothing_is_allocated() {
    for clip in [Clip::None, Clip::Value(0.1), Clip::Norm(0.1), Clip::GlobalNorm(0.1)] {
        let mut params = Params::new();
        let kernel = Tensor::filled([3, 3, 2, 40], 1.0f32);
        let a = params
            .add("a", kernel.clone(), Some(Box::new(UnitNorm { axes: vec![0, 1, 2] })))
            .unwrap();
        let b = params.add("b", kernel, Some(Box::new(NonNegative))).unwrap();
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1).clipped(clip);
        let mut tape = Tape::new();
        let mut step = |step| {
            let mut graph = tape.record(&params, Mode::Train { step });
            let (a, b) = (graph.param(a), graph.param(b));
            let product = graph.apply(Mul, [a, b]).unwrap();
            let sum = graph.apply(Sum, [product]).unwrap();
            let penalty = graph.apply(L2(0.01), [b]).unwrap();
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

#[test]
fn no_way_to_enforce_a_constraint_takes_memory_after_the_first_step() {
    let through = |gradient| Enforcement::ForwardProjection { gradient };
    let (exact, straight) =
        (through(ProjectionVjp::Exact), through(ProjectionVjp::StraightThrough));
    let multiplier = Enforcement::AugmentedLagrangian { factor: 10.0, every: 2 };
    let penalty = Enforcement::Penalty { factor: 10.0 };
    for way in [exact, straight, Enforcement::Reparametrization, penalty, multiplier] {
        let mut params = Params::<f32>::new();
        let bias = Weight::zeros().constrained(Interval { min: -1.0, max: 0.0 }).enforced(way);
        let model = Sequential::new()
            .add("layer", Bias { bias })
            .build_model(&mut params, 0, [40])
            .unwrap();
        let x = Tensor::filled([3, 40], 0.5);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
        let mut tape = Tape::new();
        let mut step = |step| {
            let mut graph = tape.record(&params, Mode::Train { step });
            let x = graph.input(x.view());
            let y = model.forward(&mut graph, x).unwrap();
            let sum = graph.apply(Sum, [y]).unwrap();
            graph.backward(sum);
            optimizer.step(&mut params, &tape).unwrap();
        };
        (0..2).for_each(&mut step);
        let taken = allocation_counter::measure(|| (2..6).for_each(&mut step));
        assert_eq!(taken.count_total, 0, "{way:?}: {taken:?}");
    }
}

#[test]
fn neither_a_metric_nor_a_turned_momentum_takes_memory_after_the_first_step() {
    for metric in [StepMetric::Euclidean, StepMetric::Preconditioner] {
        for momentum in [Momentum::Keep, Momentum::Tangent, Momentum::Reset] {
            let mut params = Params::<f32>::new();
            let set = Box::new(Per::filter(Simplex { sum: 1.0 }));
            let w = params.add("w", Tensor::filled([5, 5, 1, 8], 0.1), Some(set)).unwrap();
            let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1)
                .in_metric(metric)
                .with_momentum(momentum);
            let mut average = WeightAverage::new(&params, 0.9);
            let mut tape = Tape::new();
            let mut step = |step| {
                let mut graph = tape.record(&params, Mode::Train { step });
                let w = graph.param(w);
                let squares = graph.apply(Mul, [w, w]).unwrap();
                let loss = graph.apply(Sum, [squares]).unwrap();
                graph.backward(loss);
                optimizer.step(&mut params, &tape).unwrap();
                average.update(&params);
            };
            step(0);
            let taken = allocation_counter::measure(|| (1..4).for_each(&mut step));
            assert_eq!(taken.count_total, 0, "{metric:?}, {momentum:?}: {taken:?}");
        }
    }
}

#[test]
fn steps_towards_vertices_take_no_memory_after_the_first() {
    let mut params = Params::<f32>::new();
    let set = Box::new(Per::filter(L2Ball { radius: 1.0 }));
    let w = params.add("w", Tensor::filled([5, 5, 1, 8], 0.1), Some(set)).unwrap();
    let mut optimizer = Optimizer::new(&params, FrankWolfe::default(), 0.1);
    let mut tape = Tape::new();
    let mut step = |step| {
        let mut graph = tape.record(&params, Mode::Train { step });
        let w = graph.param(w);
        let squares = graph.apply(Mul, [w, w]).unwrap();
        let loss = graph.apply(Sum, [squares]).unwrap();
        graph.backward(loss);
        optimizer.step(&mut params, &tape).unwrap();
    };
    step(0);
    let taken = allocation_counter::measure(|| (1..4).for_each(&mut step));
    assert_eq!(taken.count_total, 0, "{taken:?}");
}

#[test]
fn projections_of_groups_of_ordinary_size_take_no_memory() {
    let sets: [Box<dyn Constraint<f32>>; 13] = [
        Box::new(Interval { min: 0.0, max: 0.5 }),
        Box::new(Per::filter(Simplex { sum: 1.0 })),
        Box::new(Per::channel(CappedSimplex { sum: 1.0, cap: 0.5 })),
        Box::new(Per::filter(L1Ball { radius: 1.0 })),
        Box::new(Per::channel(L2Ball { radius: 1.0 })),
        Box::new(Per::axes([0, 1, 2], Sphere { radius: 1.0 })),
        Box::new(Per::axes([1], Isotonic::NonIncreasing)),
        Box::new(Per::channel(Cardinality { count: 3 })),
        Box::new(Per::channel(Halfspace { normal: vec![1.0; 9], offset: 0.5 })),
        Box::new(FixedSum { sum: 1.0 }),
        Box::new(FixedMean { mean: 0.25 }),
        Box::new(Grid { origin: 0.0, step: 0.5, min: -2.0, max: 2.0 }),
        Box::new(Per::filter(UnitNorm::default())),
    ];
    let shape = Shape::from([3, 3, 2, 4]);
    let start: Vec<f32> = (0..72).map(|i| (i as f32 * 0.7).sin()).collect();
    let mut metric = start.clone();
    metric.iter_mut().for_each(|m| *m += 1.5);
    for set in sets {
        set.accepts(shape).unwrap();
        let mut value = start.clone();
        let mut direction = start.clone();
        let taken = allocation_counter::measure(|| {
            set.project(shape, &mut value);
            set.violation(shape, &value);
            set.active(shape, &value);
            // Keras' maps have neither.
            if set.kind() != Kind::NotAProjection {
                set.project_in_metric(shape, &metric, &mut value);
                set.project_tangent(shape, &value, &mut direction);
            }
        });
        assert_eq!(taken.count_total, 0, "{set:?}: {taken:?}");
    }
}

#[test]
fn the_steps_of_the_loop_take_no_memory_after_the_first_of_each_size() {
    // A thread is asked what it has taken, so this is the one that the loop runs on.
    parallel::in_pool(the_steps_of_the_loop_take_no_memory);
}

fn the_steps_of_the_loop_take_no_memory() {
    let mut params = Params::<f32>::new();
    let model = Sequential::new()
        .add("hidden", Bias { bias: Weight::zeros().constrained(NonNegative) })
        .build_model(&mut params, 0, [3])
        .unwrap();
    let x = |n| Tensor::from_fn([n, 3], |i| (i as f32).sin());
    // The same number of epochs, with few steps and with many.
    let mut counts = |n: usize, shards: usize| {
        let data = (x(n), (0..n).map(|i| i % 3).collect::<Vec<usize>>());
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.01);
        let (mut accuracy, mut confusion) = (Accuracy::default(), ConfusionMatrix::new(3));
        let mut batches = 0;
        let mut observer = |_: Progress| {
            batches += 1;
            ControlFlow::Continue(())
        };
        // What a metric has summed up in a shard is a list that it makes.
        let metrics: Vec<&mut dyn Metric<f32>> =
            if shards == 1 { vec![&mut accuracy] } else { Vec::new() };
        let mut fit = Fit {
            batch_size: 4,
            shards,
            validation: Some(&data),
            metrics,
            callbacks: vec![&mut observer],
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        };
        let taken = allocation_counter::measure(|| {
            fit.run(&mut params, &mut optimizer).unwrap();
        });
        assert_eq!(batches, n / 2);
        let evaluated = allocation_counter::measure(|| {
            let metrics: &mut [_] = &mut [&mut confusion as &mut dyn Metric<f32>];
            evaluate(&model, &SoftmaxCrossEntropy, &data, 4, &params, metrics).unwrap();
        });
        [taken.count_total, evaluated.count_total]
    };
    for shards in [1, 4] {
        let [few, many] = [8, 80].map(|n| counts(n, shards));
        assert!(few.iter().all(|count| *count > 0), "the first step takes some");
        assert_eq!(few, many, "{shards} shards");
    }
}
