//! Every way to enforce a constraint: its derivative, its start, and what the parameter is while it
//! is trained.

use std::sync::Arc;

use morphograd_nn::autodiff::{Mode, Mul, ParamId, Params, Penalty, Sub, Sum, Tape};
use morphograd_nn::enforcement::{Enforcement, ProjectionVjp, SquaredDistance};
use morphograd_nn::initializer::Constant;
use morphograd_nn::optim::{Adam, Sgd};
use morphograd_nn::regularizer::L2;
use morphograd_nn::sets::{
    Affine, Bounds, CappedSimplex, Cardinality, Constraint, FixedMean, FixedSum, Grid, Halfspace,
    Hyperplane, Interval, Isotonic, KSparsePolytope, L1Ball, L2Ball, LInfBall, MaxNorm,
    NonNegative, NonPositive, Per, Simplex, Sphere,
};
use morphograd_nn::tensor::{Shape, Tensor};
use morphograd_nn::{Bias, Model, Optimizer, Sequential, Weight, WeightAverage, checkpoint};
use morphograd_testkit::{check_op, check_parametrization, check_project_vjp};
use proptest::collection::vec;
use proptest::prelude::*;

type Set = Box<dyn Constraint<f64>>;

const EXACT: Enforcement = Enforcement::ForwardProjection { gradient: ProjectionVjp::Exact };
const STRAIGHT: Enforcement =
    Enforcement::ForwardProjection { gradient: ProjectionVjp::StraightThrough };

/// A model of one parameter, `bias.weight`, in the set.
fn model(set: Set, start: f64, way: Enforcement, n: usize) -> (Model<f64>, Params<f64>) {
    let mut params = Params::new();
    let weight = Weight::new(Constant(start)).constrained_by(Some(set)).enforced(way);
    let model = Sequential::new()
        .add("layer", Bias { bias: weight })
        .build_model(&mut params, 0, [n])
        .unwrap();
    (model, params)
}

/// Steps towards the target point of least squares; returns the worst violation that was seen.
fn descend(
    params: &mut Params<f64>,
    optimizer: &mut Optimizer<f64>,
    target: &[f64],
    steps: u64,
) -> f64 {
    let w = params.ids().next().unwrap();
    let target = Tensor::from_vec([target.len()], target.to_vec()).unwrap();
    let (mut tape, mut worst) = (Tape::new(), 0.0f64);
    for step in 0..steps {
        let mut graph = tape.record(params, Mode::Train { step });
        let (x, t) = (graph.param(w), graph.input(target.view()));
        let d = graph.apply(Sub, [x, t]).unwrap();
        let squares = graph.apply(Mul, [d, d]).unwrap();
        let loss = graph.apply(Sum, [squares]).unwrap();
        graph.backward(loss);
        optimizer.step(params, &tape).unwrap();
        worst = worst.max(params.violation(w));
    }
    worst
}

fn with_derivatives() -> Vec<Set> {
    let normal = vec![1.0, -2.0, 0.5, 3.0, 0.0, 1.0];
    vec![
        Box::new(NonNegative),
        Box::new(NonPositive),
        Box::new(Interval { min: -0.5, max: 1.0 }),
        Box::new(LInfBall { radius: 0.7 }),
        Box::new(Bounds {
            min: Tensor::filled([2, 3], -0.25),
            max: Tensor::filled([2, 3], f64::INFINITY),
        }),
        Box::new(FixedSum { sum: 2.0 }),
        Box::new(FixedMean { mean: 0.5 }),
        Box::new(Hyperplane { normal: normal.clone(), offset: 1.0 }),
        Box::new(Halfspace { normal, offset: -1.0 }),
        Box::new(L1Ball { radius: 1.5 }),
        Box::new(KSparsePolytope { count: 2, size: 0.75 }),
        Box::new(L2Ball { radius: 1.5 }),
        Box::new(affine()),
        Box::new(Isotonic::NonDecreasing),
        Box::new(Isotonic::NonIncreasing),
        Box::new(Cardinality { count: 3 }),
        Box::new(Sphere { radius: 1.5 }),
        Box::new(Simplex { sum: 1.0 }),
        Box::new(CappedSimplex { sum: 1.0, cap: 0.4 }),
        Box::new(Per::filter(L2Ball { radius: 1.0 })),
        Box::new(Per::axes([1], Simplex { sum: 1.0 })),
    ]
}

fn affine() -> Affine {
    let rows = vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -2.0, 0.0, 1.0];
    Affine::new(&Tensor::from_vec([2, 6], rows).unwrap(), &[1.0, 0.5]).unwrap()
}

fn smooth() -> Vec<Set> {
    vec![
        Box::new(NonNegative),
        Box::new(NonPositive),
        Box::new(Interval { min: -1.0, max: 0.0 }),
        Box::new(Interval { min: 0.25, max: f64::INFINITY }),
        Box::new(Interval { min: f64::NEG_INFINITY, max: -0.25 }),
        Box::new(LInfBall { radius: 0.5 }),
        Box::new(Simplex { sum: 2.0 }),
        Box::new(Sphere { radius: 1.5 }),
        Box::new(Bounds {
            min: Tensor::filled([2, 3], -0.25),
            max: Tensor::filled([2, 3], f64::INFINITY),
        }),
        Box::new(L2Ball { radius: 1.5 }),
        Box::new(FixedSum { sum: 2.0 }),
        Box::new(FixedMean { mean: 0.5 }),
        Box::new(Hyperplane { normal: vec![1.0, -2.0, 0.5, 3.0, 0.0, 1.0], offset: 1.0 }),
        Box::new(affine()),
        Box::new(Isotonic::NonDecreasing),
        Box::new(Isotonic::NonIncreasing),
        Box::new(Per::axes([1], Simplex { sum: 2.0 })),
        Box::new(Per::filter(Isotonic::NonDecreasing)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn derivatives_of_projections_agree_with_differences(
        v in vec(-2.0..2.0f64, 6),
        g in vec(-1.0..1.0f64, 6),
    ) {
        for set in with_derivatives() {
            check_project_vjp(&*set, [2, 3].into(), &v, &g);
        }
    }

    #[test]
    fn smooth_maps_lead_into_the_set_back_again_and_have_their_derivative(
        v in vec(-4.0..4.0f64, 6),
        g in vec(-1.0..1.0f64, 6),
    ) {
        for set in smooth() {
            check_parametrization(&*set, [2, 3].into(), &v, &g);
        }
    }

    #[test]
    fn the_squared_distance_has_its_derivative(
        w in vec(-2.0..2.0f64, 6),
        y in vec(-2.0..2.0f64, 6),
        factor in 0.1..5.0f64,
    ) {
        let tensor = |x: &[f64]| Tensor::from_vec([6], x.to_vec()).unwrap();
        let sets: [Arc<dyn Constraint<f64>>; 4] = [
            Arc::new(NonPositive),
            Arc::new(L2Ball { radius: 1.0 }),
            Arc::new(Simplex { sum: 1.0 }),
            Arc::new(Sphere { radius: 1.0 }),
        ];
        for set in sets {
            let distance = SquaredDistance { factor, constraint: set };
            check_op(distance.clone(), &[tensor(&w)]);
            check_op(distance, &[tensor(&w), tensor(&y)]);
        }
    }

    #[test]
    fn what_layers_see_is_in_the_set_whatever_the_steps(
        target in vec(-30.0..30.0f64, 4),
        rate in 0.01..2.0f64,
    ) {
        for way in [Enforcement::ProjectedStep, EXACT, STRAIGHT, Enforcement::Reparametrization] {
            for set in [
                Box::new(Interval { min: -1.0, max: 0.0 }) as Set,
                Box::new(Simplex { sum: 1.0 }),
                Box::new(Sphere { radius: 2.0 }),
            ] {
                let name = format!("{way:?} {set:?}");
                let (_, mut params) = model(set, 0.25, way, 4);
                let mut optimizer = Optimizer::new(&params, Adam::default(), rate);
                prop_assert_eq!(
                    descend(&mut params, &mut optimizer, &target, 20),
                    0.0,
                    "{}",
                    name
                );
            }
        }
    }
}

/// The nearest point of w ≤ 0 to (−3, 2) is (−3, 0): by every way.
#[test]
fn every_way_finds_the_solution_in_a_loop_of_ones_own() {
    let ways = [
        (Enforcement::ProjectedStep, 1e-9),
        (EXACT, 1e-9),
        (STRAIGHT, 1e-9),
        // Near the bound its slope vanishes: it creeps.
        (Enforcement::Reparametrization, 1e-2),
        // λ (w − 0) = 2 (2 − w): 4 / 102.
        (Enforcement::Penalty { factor: 100.0 }, 0.04),
        (Enforcement::AugmentedLagrangian { factor: 10.0, every: 10 }, 1e-9),
    ];
    for (way, tolerance) in ways {
        let (_, mut params) = model(Box::new(NonPositive), -1.0, way, 2);
        let rate = if matches!(way, Enforcement::Penalty { .. }) { 0.01 } else { 0.05 };
        let mut optimizer = Optimizer::new(&params, Sgd::default(), rate);
        descend(&mut params, &mut optimizer, &[-3.0, 2.0], 4000);
        let w = params.ids().next().unwrap();
        let found = params.value(w).data;
        assert!((found[0] + 3.0).abs() < 1e-6, "{way:?}: {found:?}");
        assert!(found[1].abs() <= tolerance, "{way:?}: {found:?}");
        if let Enforcement::Penalty { .. } = way {
            assert!((params.violation(w) - 4.0 / 102.0).abs() < 1e-9, "{found:?}");
            params.finalize();
            assert_eq!((params.violation(w), params.value(w).data[1]), (0.0, 0.0));
        }
    }
}

#[test]
fn a_penalty_that_was_not_differentiated_is_refused_by_name() {
    let ways: [fn(&mut Params<f64>, ParamId); 3] = [
        |params, id| Enforcement::Penalty { factor: 1.0 }.enforce(params, id).unwrap(),
        |params, id| {
            Enforcement::AugmentedLagrangian { factor: 1.0, every: 1 }.enforce(params, id).unwrap();
        },
        |params, id| params.penalize(id, Penalty::new(L2(0.5))).unwrap(),
    ];
    for penalize in ways {
        let mut params = Params::new();
        let set: Set = Box::new(NonPositive);
        let w = params.add("w", Tensor::filled([2], -1.0), Some(set)).unwrap();
        penalize(&mut params, w);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.param(w);
        let loss = graph.apply(Sum, [x]).unwrap();
        graph.backward_with(loss, &[1.0]);
        assert_eq!(
            optimizer.step(&mut params, &tape).unwrap_err().to_string(),
            "sgd: expected the penalty of `w` in what was differentiated, found none: \
             differentiate a loss by Graph::backward, or the sum of Graph::penalized"
        );
        assert_eq!(params.value(w).data, [-1.0, -1.0]);
        let mut graph = tape.record(&params, Mode::Train { step: 1 });
        let x = graph.param(w);
        let loss = graph.apply(Sum, [x]).unwrap();
        let loss = graph.penalized(loss);
        graph.backward_with(loss, &[1.0]);
        optimizer.step(&mut params, &tape).unwrap();
    }
}

#[test]
fn the_multiplier_is_the_slope_of_the_loss_at_the_solution() {
    let way = Enforcement::AugmentedLagrangian { factor: 10.0, every: 10 };
    let (_, mut params) = model(Box::new(NonPositive), -1.0, way, 2);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.05);
    descend(&mut params, &mut optimizer, &[-3.0, 2.0], 1000);
    let y = params.find("layer.bias.multiplier").unwrap();
    let y = params.value(y).data;
    // −∇f = 2 (t − w) = (0, 4).
    assert!(y[0].abs() < 1e-9 && (y[1] - 4.0).abs() < 1e-9, "{y:?}");
}

#[test]
fn every_way_starts_at_the_same_point_inside_and_near_it_at_the_boundary() {
    for way in
        [EXACT, STRAIGHT, Enforcement::Reparametrization, Enforcement::Penalty { factor: 1.0 }]
    {
        let (_, params) = model(Box::new(Interval { min: -1.0, max: 0.0 }), -0.3, way, 2);
        assert!(
            (params.value(params.ids().next().unwrap()).data[0] + 0.3).abs() < 1e-15,
            "{way:?}"
        );
    }
    let (_, params) =
        model(Box::new(Interval { min: -1.0, max: 0.0 }), 0.0, Enforcement::Reparametrization, 2);
    assert!((params.value(params.ids().next().unwrap()).data[0] + 0.01).abs() < 1e-15);
}

#[test]
fn a_projection_that_is_straight_through_moves_what_an_exact_one_has_lost() {
    for (way, expected) in [(EXACT, 0.0), (STRAIGHT, -1.0)] {
        let (_, mut params) = model(Box::new(NonPositive), 0.0, way, 1);
        let w = params.ids().next().unwrap();
        params.step(w, |free| free[0] = 0.5); // outside: the weight is 0
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        descend(&mut params, &mut optimizer, &[-1.0], 300);
        assert!((params.value(w).data[0] - expected).abs() < 1e-9, "{way:?}");
    }
}

#[test]
fn a_checkpoint_goes_on_as_if_nothing_had_happened_and_is_read_under_every_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let ways = [
        Enforcement::ProjectedStep,
        EXACT,
        STRAIGHT,
        Enforcement::Reparametrization,
        Enforcement::Penalty { factor: 2.0 },
        Enforcement::AugmentedLagrangian { factor: 2.0, every: 3 },
    ];
    let make = |way| model(Box::new(Interval { min: -1.0, max: 0.0 }), -0.5, way, 2);
    let step = |(_, params): &mut (Model<f64>, Params<f64>), steps| {
        let mut optimizer = Optimizer::new(params, Sgd::default(), 0.1);
        descend(params, &mut optimizer, &[-0.25, 3.0], steps);
        params.ids().map(|id| params.value(id).data.to_vec()).collect::<Vec<_>>()
    };
    for (i, way) in ways.into_iter().enumerate() {
        let path = folder.path().join(format!("{i}.safetensors"));
        let mut saved = make(way);
        step(&mut saved, 48);
        checkpoint::save(&saved.1, &path).unwrap();
        let mut loaded = make(way);
        step(&mut loaded, 5); // what it remembers has to be replaced
        checkpoint::load(&mut loaded.1, &path).unwrap();
        assert_eq!(step(&mut loaded, 9), step(&mut saved, 9), "{way:?}");

        saved.1.finalize();
        checkpoint::save(&saved.1, &path).unwrap();
        let expected = saved.1.value(saved.1.find("layer.bias").unwrap()).data.to_vec();
        for other in ways {
            let (_, mut params) = make(other);
            checkpoint::load(&mut params, &path).unwrap();
            let found = params.value(params.find("layer.bias").unwrap()).data;
            // The sigmoid does not come to its bound.
            let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(close, "{way:?} read under {other:?}: {found:?} {expected:?}");
        }
    }
}

#[test]
fn averages_are_feasible_and_leave_the_free_parameter_where_it_was() {
    for way in [EXACT, STRAIGHT, Enforcement::Reparametrization] {
        let (_, mut params) = model(Box::new(Interval { min: -1.0, max: 0.0 }), -0.5, way, 1);
        let w = params.ids().next().unwrap();
        let mut average = WeightAverage::new(&params, 0.5);
        params.step(w, |free| free[0] = 3.0);
        average.update(&params);
        let expected = f64::midpoint(-0.5, params.value(w).data[0]);
        average.swap(&mut params);
        assert!((params.value(w).data[0] - expected).abs() < 1e-12, "{way:?}");
        average.swap(&mut params);
        assert_eq!(params.free(w), Some(&[3.0][..]), "{way:?}");
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_by_name() {
    let refused = |set: Set, way| {
        let mut params = Params::<f64>::new();
        let weight = Weight::zeros().constrained_by(Some(set)).enforced(way);
        Sequential::new()
            .add("layer", Bias { bias: weight })
            .build_model(&mut params, 0, [2])
            .unwrap_err()
            .to_string()
    };
    let sparse = || Box::new(Cardinality { count: 1 }) as Set;
    let rounded = refused(Box::new(Grid::decimals(1)), EXACT);
    assert!(
        rounded.contains("expected a set whose projection has a known derivative, found Grid"),
        "{rounded}"
    );
    let text = refused(sparse(), Enforcement::Reparametrization);
    assert!(
        text.contains("expected a set with a smooth parametrization, found Cardinality"),
        "{text}"
    );
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let text = refused(sparse(), Enforcement::Penalty { factor: weight });
        assert!(text.contains("expected a finite factor above 0"), "{text}");
    }
    let text = refused(
        Box::new(MaxNorm { max: 1.0, ..MaxNorm::default() }),
        Enforcement::Penalty { factor: 1.0 },
    );
    assert!(text.contains("expected a set with a projection"), "{text}");
    let text = refused(sparse(), Enforcement::AugmentedLagrangian { factor: 1.0, every: 0 });
    assert!(text.contains("expected at least one step"), "{text}");
}

#[test]
fn nan_goes_through_every_map() {
    for set in smooth() {
        let shape = Shape::from([2, 3]);
        let map = set.parametrization(shape).unwrap();
        let (mut v, mut w) = ([0.5; 6], [0.0; 6]);
        v[0] = f64::NAN;
        map.value(shape, &v, &mut w);
        assert!(w[0].is_nan(), "{map:?}");
    }
}
