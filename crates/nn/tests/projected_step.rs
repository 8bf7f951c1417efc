//! The projected step with its choices: the metric of the projection, and what becomes of the
//! momentum.

use morphograd_nn::autodiff::{Mode, Params, Tape, sets::Constraint};
use morphograd_nn::optim::{Adagrad, Adam, OptimizerError, RmsProp, Rule, Sgd, StepReport};
use morphograd_nn::sets::{
    FixedSum, Intersection, Interval, L2Ball, NonNegative, OrthonormalColumns, Simplex, Sphere,
};
use morphograd_nn::tensor::Tensor;
use morphograd_nn::{Momentum, Optimizer, StepMetric};
use proptest::collection::vec;
use proptest::prelude::*;

type Set = fn() -> Box<dyn Constraint<f64>>;
type MakeRule = fn() -> Box<dyn Rule<f64>>;

/// A step with the given gradient of the only parameter.
fn step(
    optimizer: &mut Optimizer<f64>,
    params: &mut Params<f64>,
    gradient: &[f64],
) -> Result<StepReport, OptimizerError> {
    let w = params.find("w").unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(params, Mode::Train { step: 0 });
    let w = graph.param(w);
    graph.backward_with(w, gradient);
    optimizer.step(params, &tape)
}

fn parameter(start: &[f64], set: Box<dyn Constraint<f64>>) -> Params<f64> {
    let mut params = Params::new();
    params.add("w", Tensor::from_vec([start.len()], start.to_vec()).unwrap(), Some(set)).unwrap();
    params
}

fn value(params: &Params<f64>) -> &[f64] {
    params.value(params.find("w").unwrap()).data
}

fn scaling() -> [Box<dyn Rule<f64>>; 4] {
    [
        Box::new(Adam::default()),
        Box::new(Adam { amsgrad: true, ..Adam::default() }),
        Box::new(RmsProp { momentum: 0.5, centered: true, ..RmsProp::default() }),
        Box::new(Adagrad::default()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn on_a_box_the_metric_makes_no_difference(gradients in vec(vec(-2.0..2.0f64, 4), 1..12)) {
        for k in 0..scaling().len() {
            let run = |metric| {
                let mut params =
                    parameter(&[0.1, -0.2, 0.0, 0.3], Box::new(Interval { min: -0.4, max: 0.3 }));
                let rule = scaling().into_iter().nth(k).unwrap();
                let mut optimizer = Optimizer::new(&params, rule, 0.2).in_metric(metric);
                for gradient in &gradients {
                    step(&mut optimizer, &mut params, gradient).unwrap();
                }
                value(&params).to_vec()
            };
            prop_assert_eq!(run(StepMetric::Preconditioner), run(StepMetric::Euclidean));
        }
    }

    #[test]
    fn the_step_ends_at_the_nearest_point_in_the_metric_of_the_rule(
        gradient in vec(prop_oneof![-2.0..-0.1f64, 0.1..2.0f64], 4),
        others in vec(vec(-1.5..1.5f64, 4), 8),
    ) {
        let sets: [Set; 4] = [
            || Box::new(FixedSum { sum: 1.0 }),
            || Box::new(Simplex { sum: 1.0 }),
            || Box::new(L2Ball { radius: 0.5 }),
            || Box::new(Sphere { radius: 0.5 }),
        ];
        for set in sets {
            for k in 0..scaling().len() {
                let rule = || scaling().into_iter().nth(k).unwrap();
                // Where the rule goes, and its metric.
                let mut params = parameter(&[0.25; 4], set());
                let (start, rule_alone) = (value(&params).to_vec(), rule());
                let mut state: Vec<Vec<f64>> =
                    (0..rule_alone.slots()).map(|slot| vec![rule_alone.initial(slot); 4]).collect();
                let (mut aim, mut metric) = (start.clone(), [0.0; 4]);
                rule_alone.update(1, 0.3, &gradient, &mut state, &mut aim);
                prop_assert!(rule_alone.metric(&state, &mut metric));
                let distance = |x: &[f64]| -> f64 {
                    (0..4).map(|i| metric[i] * (x[i] - aim[i]).powi(2)).sum()
                };
                let metric = StepMetric::Preconditioner;
                let mut optimizer = Optimizer::new(&params, rule(), 0.3).in_metric(metric);
                step(&mut optimizer, &mut params, &gradient).unwrap();
                let here = distance(value(&params));
                for other in &others {
                    let other = parameter(other, set());
                    prop_assert!(here <= distance(value(&other)) + 1e-9, "{:?}", set());
                }
            }
        }
    }
}

#[test]
fn a_set_without_a_metric_or_a_cone_is_refused_by_name_and_nothing_changes() {
    let refused = |mut params: Params<f64>, metric, momentum| {
        let before = value(&params).to_vec();
        let mut optimizer =
            Optimizer::new(&params, Adam::default(), 0.1).in_metric(metric).with_momentum(momentum);
        let error = step(&mut optimizer, &mut params, &[1.0, 1.0]).unwrap_err().to_string();
        assert_eq!((value(&params), optimizer.steps()), (&before[..], 0));
        error
    };
    let mut params = Params::new();
    let start = Tensor::from_vec([2, 1], vec![3.0, 4.0]).unwrap();
    params.add("w", start, Some(Box::new(OrthonormalColumns))).unwrap();
    let error = refused(params, StepMetric::Preconditioner, Momentum::Keep);
    let expected =
        "adam: expected a set with a projection in a metric for `w`, found OrthonormalColumns";
    assert!(error.starts_with(expected), "{error}");
    let params =
        parameter(&[3.0, 4.0], Box::new(Intersection::of(L2Ball { radius: 1.0 }).and(NonNegative)));
    let error = refused(params, StepMetric::Preconditioner, Momentum::Tangent);
    let expected = "adam: expected a set with a tangent cone for `w`, found Intersection";
    assert!(error.starts_with(expected), "{error}");
}

/// Steps until a coordinate that was pushed against its bound leaves it, when the gradient has
/// turned.
fn steps_to_leave(momentum: Momentum) -> usize {
    let mut params = parameter(&[1.0, 1.0], Box::new(NonNegative));
    let rule = Sgd { momentum: 0.9, nesterov: false };
    let mut optimizer = Optimizer::new(&params, rule, 0.1).with_momentum(momentum);
    for _ in 0..50 {
        step(&mut optimizer, &mut params, &[1.0, 0.0]).unwrap();
    }
    assert_eq!(value(&params), [0.0, 1.0]);
    (1..100)
        .find(|_| {
            step(&mut optimizer, &mut params, &[-1.0, 0.0]).unwrap();
            value(&params)[0] > 0.0
        })
        .unwrap()
}

#[test]
fn a_momentum_that_leads_out_of_the_set_delays_the_return_and_one_that_does_not_returns_at_once() {
    assert!(steps_to_leave(Momentum::Keep) > 5);
    assert_eq!(steps_to_leave(Momentum::Tangent), 1);
    assert_eq!(steps_to_leave(Momentum::Reset), 1);
}

#[test]
fn the_momentum_of_adam_and_rmsprop_is_turned_the_right_way() {
    let rules: [MakeRule; 2] = [
        || Box::new(Adam::default()),
        || Box::new(RmsProp { momentum: 0.9, ..RmsProp::default() }),
    ];
    for rule in rules {
        let mut params = parameter(&[0.05, 1.0], Box::new(NonNegative));
        let mut optimizer = Optimizer::new(&params, rule(), 0.1).with_momentum(Momentum::Tangent);
        step(&mut optimizer, &mut params, &[1.0, 1.0]).unwrap();
        assert_eq!(value(&params)[0], 0.0);
        let direction = rule().direction().unwrap();
        let momentum = &optimizer.state().slots[0][direction.slot];
        assert_eq!(momentum[0], 0.0, "what leads below 0 is gone");
        assert!(momentum[1] > 0.0, "what leads along stays");
    }
}
