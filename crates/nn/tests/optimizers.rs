//! Optimizers as a user sees them: against reference trajectories, under constraints, and where a
//! step is impossible.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use morphograd_nn::Optimizer;
use morphograd_nn::autodiff::{Add, Mode, Mul, ParamId, Params, Sum, Tape};
use morphograd_nn::optim::{Adagrad, Adam, Clip, OptimizerError, RmsProp, Rule, Sgd, StepReport};
use morphograd_nn::optim::{PiecewiseConstant, Schedule};
use morphograd_nn::sets::{
    Constraint, Interval, Kind, MaxNorm, NonNegative, NonPositive, UnitNorm,
};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Tensor};
use morphograd_testkit::{Golden, assert_close};
use proptest::collection::vec;
use proptest::prelude::*;

type Set = Option<Box<dyn Constraint<f64>>>;

/// Records the loss Σ g w, whose gradients are the given ones.
fn record<T: Real>(tape: &mut Tape<T>, params: &Params<T>, gradients: &[(ParamId, &[T])]) {
    let mut graph = tape.record(params, Mode::Train { step: 0 });
    let mut loss = graph.input(Tensor::zeros([]).view());
    for (id, gradient) in gradients {
        let slope = Tensor::from_vec(params.value(*id).shape, gradient.to_vec()).unwrap();
        let (w, slope) = (graph.param(*id), graph.input(slope.view()));
        let product = graph.apply(Mul, [w, slope]).unwrap();
        let sum = graph.apply(Sum, [product]).unwrap();
        loss = graph.apply(Add, [loss, sum]).unwrap();
    }
    graph.backward(loss);
}

/// One step with the given gradient of the only parameter.
fn step<T: Real>(
    optimizer: &mut Optimizer<T>,
    params: &mut Params<T>,
    gradient: &[T],
) -> Result<StepReport, OptimizerError> {
    let mut tape = Tape::new();
    let id = params.ids().next().unwrap();
    record(&mut tape, params, &[(id, gradient)]);
    optimizer.step(params, &tape)
}

fn one(start: &[f64], set: Set) -> (Params<f64>, ParamId) {
    let mut params = Params::new();
    let id =
        params.add("w", Tensor::from_vec([start.len()], start.to_vec()).unwrap(), set).unwrap();
    (params, id)
}

fn rules() -> Vec<Box<dyn Rule<f64>>> {
    vec![
        Box::new(Sgd::default()),
        Box::new(Sgd { momentum: 0.9, nesterov: true }),
        Box::new(Adam::default()),
        Box::new(Adam { amsgrad: true, ..Adam::adamw() }),
        Box::new(RmsProp { momentum: 0.5, centered: true, ..RmsProp::default() }),
        Box::new(Adagrad::default()),
    ]
}

#[test]
fn trajectories_agree_with_the_reference_at_every_step() {
    let all: [(&str, Box<dyn Rule<f32>>, f64); 8] = [
        ("sgd", Box::new(Sgd::default()), 0.1),
        ("sgd_momentum", Box::new(Sgd { momentum: 0.9, nesterov: false }), 0.1),
        ("sgd_nesterov", Box::new(Sgd { momentum: 0.9, nesterov: true }), 0.1),
        ("adam", Box::new(Adam::default()), 0.01),
        ("adam_amsgrad", Box::new(Adam { amsgrad: true, ..Adam::default() }), 0.01),
        ("adamw", Box::new(Adam { weight_decay: 0.02, ..Adam::default() }), 0.01),
        ("rmsprop", Box::new(RmsProp::default()), 0.01),
        ("adagrad", Box::new(Adagrad::default()), 0.1),
    ];
    for (name, rule, learning_rate) in all {
        let golden = Golden::read(&format!("optimizer_{name}"));
        let mut params = Params::new();
        let w = params.add("w", golden.tensor::<f32>("w0"), None).unwrap();
        let (grads, trajectory) =
            (golden.tensor::<f32>("grads"), golden.tensor::<f32>("trajectory"));
        let mut optimizer = Optimizer::new(&params, rule, learning_rate);
        for (k, (grad, expected)) in
            grads.data().chunks(7).zip(trajectory.data().chunks(7)).enumerate()
        {
            step(&mut optimizer, &mut params, grad).unwrap();
            assert_close(&format!("{name}, step {k}"), params.value(w).data, expected, 1e-5);
        }
        assert_eq!(optimizer.steps(), 20);
    }
}

/// The value after steps with the given gradients and learning rate 1, from 0. The reference values
/// do not tell where ε stands, nor (for such slowly forgetting means) AMSGrad from Adam.
#[track_caller]
fn check_by_hand(rule: impl Rule<f64> + 'static, gradients_and_values: &[(f64, f64)]) {
    let (mut params, w) = one(&[0.0], None);
    let mut optimizer = Optimizer::new(&params, rule, 1.0);
    for (gradient, expected) in gradients_and_values {
        step(&mut optimizer, &mut params, &[*gradient]).unwrap();
        let found = params.value(w).data[0];
        assert!(
            (found - expected).abs() < 1e-12,
            "{optimizer:?}: expected {expected}, found {found}"
        );
    }
}

#[test]
fn variants_and_the_place_of_epsilon_worked_out_by_hand() {
    let root = f64::sqrt;
    let adam = Adam { beta1: 0.0, beta2: 0.5, epsilon: 1.0, ..Adam::default() };
    // v = 2, then 1.5.
    let first = -root(0.5) * 2.0 / (root(2.0) + 1.0);
    check_by_hand(adam, &[(2.0, first), (1.0, first - root(0.75) / (root(1.5) + 1.0))]);
    let amsgrad = Adam { amsgrad: true, ..adam };
    check_by_hand(amsgrad, &[(2.0, first), (1.0, first - root(0.75) / (root(2.0) + 1.0))]);

    // v = 4, 3, 4.5; without the squared means 1, 3/4, 21/16, v = 3, 39/16, 4.5 - 441/256.
    let rmsprop = RmsProp { rho: 0.75, momentum: 0.0, epsilon: 1.0, centered: false };
    check_by_hand(rmsprop, &[(4.0, -4.0 / root(5.0)), (0.0, -4.0 / root(5.0))]);
    let centered = RmsProp { momentum: 0.5, centered: true, ..rmsprop };
    let third = 0.5 + 3.0 / root(5.5 - 441.0 / 256.0);
    check_by_hand(centered, &[(4.0, -2.0), (0.0, -3.0), (3.0, -3.0 - third)]);

    check_by_hand(Adagrad { initial_accumulator: 3.0, epsilon: 5.0 }, &[(1.0, -1.0 / 3.0)]);
}

#[test]
fn at_a_constrained_solution_the_gradient_mapping_is_zero_and_the_gradient_is_not() {
    // (w - 2)² on w <= 1, at 1.
    for rule in rules() {
        let (mut params, w) =
            one(&[1.0], Some(Box::new(Interval { min: f64::NEG_INFINITY, max: 1.0 })));
        let mut optimizer = Optimizer::new(&params, rule, 0.1).measured();
        let report = step(&mut optimizer, &mut params, &[-2.0]).unwrap();
        assert_eq!((report.gradient_norm, report.gradient_mapping), (2.0, Some(0.0)));
        assert_eq!((report.moved, report.constrained, params.value(w).data), (1, 1, &[1.0][..]));
        assert!(report.distance > 0.0);
    }
}

#[test]
fn a_step_reports_what_the_projection_did() {
    let mut params = Params::new();
    let free = params.add("free", Tensor::filled([3], 1.0f64), None).unwrap();
    let bounded =
        params.add("bounded", Tensor::filled([2], 1.0f64), Some(Box::new(NonNegative))).unwrap();
    let frozen =
        params.add("frozen", Tensor::filled([4], 1.0f64), Some(Box::new(NonNegative))).unwrap();
    params.set_trainable(frozen, false);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.5).measured();
    let mut tape = Tape::new();
    record(&mut tape, &params, &[(free, &[-2.0; 3]), (bounded, &[8.0, 1.0]), (frozen, &[1.0; 4])]);
    let report = optimizer.step(&mut params, &tape).unwrap();
    assert_eq!(params.value(free).data, [2.0; 3]);
    assert_eq!(params.value(bounded).data, [0.0, 0.5]); // 1 - 4 is projected, by 3
    assert_eq!(params.value(frozen).data, [1.0; 4]);
    assert_eq!((report.moved, report.constrained, report.distance), (1, 2, 3.0));
    assert_eq!(report.gradient_norm, (12.0f64 + 65.0).sqrt());
    assert_eq!(report.gradient_mapping, Some((12.0f64 + (1.0 + 0.25) / 0.25).sqrt()));
    assert_eq!((report.learning_rate, optimizer.steps()), (0.5, 1));
}

#[test]
fn gradients_are_clipped_and_reported_as_they_were() {
    let all = [
        (Clip::None, [[3.0, -4.0], [0.0, 12.0]]),
        (Clip::Value(3.5), [[3.0, -3.5], [0.0, 3.5]]),
        (Clip::Norm(6.0), [[3.0, -4.0], [0.0, 6.0]]),
        (Clip::GlobalNorm(6.5), [[1.5, -2.0], [0.0, 6.0]]),
        (Clip::GlobalNorm(13.0), [[3.0, -4.0], [0.0, 12.0]]),
    ];
    for (clip, expected) in all {
        let mut params = Params::new();
        let a = params.add("a", Tensor::zeros([2]), None).unwrap();
        let b = params.add("b", Tensor::zeros([2]), None).unwrap();
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 1.0).clipped(clip).measured();
        let mut tape = Tape::new();
        record(&mut tape, &params, &[(a, &[3.0f64, -4.0]), (b, &[0.0, 12.0])]);
        let report = optimizer.step(&mut params, &tape).unwrap();
        assert_eq!((report.gradient_norm, report.gradient_mapping), (13.0, Some(13.0)), "{clip:?}");
        let moved = [a, b].map(|id| params.value(id).data.iter().map(|w| -w).collect::<Vec<_>>());
        assert_eq!(moved, expected.map(|row| row.to_vec()), "{clip:?}");
    }
}

#[test]
fn a_step_that_is_impossible_says_why_and_changes_nothing() {
    let mut params = Params::new();
    let used = params.add("conv.kernel", Tensor::filled([2], 1.0f64), None).unwrap();
    let unused = params.add("conv.bias", Tensor::filled([1], 1.0f64), None).unwrap();
    let mut tape = Tape::new();
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
    let mut refused = |optimizer: &mut Optimizer<f64>,
                       params: &mut Params<f64>,
                       gradients: &[(ParamId, &[f64])]| {
        let state = optimizer.state().clone();
        record(&mut tape, params, gradients);
        let error = optimizer.step(params, &tape).unwrap_err().to_string();
        assert_eq!(optimizer.state(), &state);
        assert!(params.ids().all(|id| params.value(id).data.iter().all(|w| *w == 1.0)));
        error
    };
    assert_eq!(
        refused(&mut optimizer, &mut params, &[(used, &[1.0, 2.0])]),
        "adam: expected a gradient for `conv.bias`, found none: use it in the loss or freeze it"
    );
    assert_eq!(
        refused(&mut optimizer, &mut params, &[(used, &[1.0, 2.0]), (unused, &[f64::NAN])]),
        "adam: expected a gradient of finite norm for `conv.bias`, found norm NaN"
    );
    let both: [(ParamId, &[f64]); 2] = [(used, &[1.0, 2.0]), (unused, &[3.0])];
    optimizer.set_learning_rate(-1.0);
    assert_eq!(
        refused(&mut optimizer, &mut params, &both),
        "adam: expected a learning rate that is finite and not negative, found -1"
    );
    let mut clipped = Optimizer::new(&params, Sgd::default(), 0.1).clipped(Clip::Norm(f64::NAN));
    assert_eq!(
        refused(&mut clipped, &mut params, &both),
        "sgd: expected a clipping bound that is finite and not negative, found NaN"
    );
    let mut of_another = Optimizer::new(&one(&[0.0], None).0, Sgd::default(), 0.1);
    assert_eq!(
        refused(&mut of_another, &mut params, &both),
        "sgd: expected the parameters the optimizer was made for, found other numbers or sizes of \
         them"
    );
    params.set_trainable(unused, false);
    optimizer.set_learning_rate(0.1);
    record(&mut tape, &params, &both);
    optimizer.step(&mut params, &tape).unwrap();
    assert_eq!(params.value(unused).data, [1.0]);
}

#[test]
fn the_learning_rate_follows_the_schedule_and_can_be_replaced() {
    let (mut params, w) = one(&[0.0], None);
    let schedule: Box<dyn Schedule> =
        Box::new(PiecewiseConstant { initial: 1.0, changes: vec![(1, 0.25)] });
    let mut optimizer = Optimizer::new(&params, Sgd::default(), schedule).measured();
    let rates: Vec<f64> =
        (0..4).map(|_| step(&mut optimizer, &mut params, &[1.0]).unwrap().learning_rate).collect();
    assert_eq!((rates, params.value(w).data), (vec![1.0, 1.0, 0.25, 0.25], &[-2.5][..]));
    optimizer.set_learning_rate(0.0);
    let report = step(&mut optimizer, &mut params, &[3.0]).unwrap();
    assert_eq!((report.gradient_mapping, params.value(w).data), (Some(3.0), &[-2.5][..]));
}

#[test]
fn a_kept_state_goes_on_as_if_nothing_had_happened() {
    for (rule, same_rule) in rules().into_iter().zip(rules()) {
        let (mut params, w) = one(&[1.0, 2.0], None);
        let mut optimizer = Optimizer::new(&params, rule, 0.1);
        step(&mut optimizer, &mut params, &[0.3, -0.4]).unwrap();
        let (state, value) = (optimizer.state().clone(), params.value(w).data.to_vec());
        step(&mut optimizer, &mut params, &[0.5, 0.6]).unwrap();

        let (mut again, w_again) = one(&value, None);
        let mut resumed = Optimizer::new(&again, same_rule, 0.1);
        resumed.set_state(state.clone()).unwrap();
        step(&mut resumed, &mut again, &[0.5, 0.6]).unwrap();
        assert_eq!(again.value(w_again).data, params.value(w).data);

        let mut other =
            Optimizer::new(&one(&[0.0], None).0, Adam { amsgrad: true, ..Adam::default() }, 0.1);
        assert!(matches!(other.set_state(state), Err(OptimizerError::OtherParameters { .. })));
        assert_eq!(other.steps(), 0);
    }
}

#[test]
fn the_gradient_mapping_is_measured_only_when_asked_for() {
    // Counts its projections.
    #[derive(Debug, Default)]
    struct Counted(Arc<AtomicUsize>);
    impl Constraint<f64> for Counted {
        fn project(&self, _: Shape, value: &mut [f64]) {
            self.0.fetch_add(1, Ordering::Relaxed);
            value.iter_mut().for_each(|w| *w = w.max(0.0));
        }
        fn violation(&self, _: Shape, _: &[f64]) -> f64 {
            0.0
        }
        fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
            Ok(())
        }
        fn kind(&self) -> Kind {
            Kind::Convex
        }
    }
    for (measured, projections) in [(false, 10), (true, 20)] {
        let set = Counted::default();
        let count = Arc::clone(&set.0);
        let (mut params, _) = one(&[1.0], Some(Box::new(set)));
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        if measured {
            optimizer = optimizer.measured();
        }
        count.store(0, Ordering::Relaxed);
        for _ in 0..10 {
            let report = step(&mut optimizer, &mut params, &[1.0]).unwrap();
            assert_eq!(report.gradient_mapping.is_some(), measured);
        }
        assert_eq!(count.load(Ordering::Relaxed), projections);
    }
}

#[test]
fn an_optimizer_over_some_parameters_leaves_the_others_alone() {
    let mut params = Params::new();
    let names = ["a.w", "a.b", "b.w"];
    let [w, b, other] =
        names.map(|name| params.add(name, Tensor::filled([1], 1.0f64), None).unwrap());
    let mut optimizer =
        Optimizer::over(&params, params.within("a"), Sgd::default(), 0.5).with_factor([b], 0.1);
    let mut tape = Tape::new();
    // The other one needs no gradient.
    record(&mut tape, &params, &[(w, &[1.0]), (b, &[1.0])]);
    let report = optimizer.step(&mut params, &tape).unwrap();
    let values = [w, b, other].map(|id| params.value(id).data[0]);
    assert_eq!((values, report.learning_rate), ([0.5, 0.95, 1.0], 0.5));
    // A parameter that was added later does not matter to it, but does to an optimizer of all.
    let mut of_all = Optimizer::new(&params, Sgd::default(), 0.5);
    params.add("c", Tensor::zeros([1]), None).unwrap();
    record(&mut tape, &params, &[(w, &[1.0]), (b, &[1.0]), (other, &[1.0])]);
    optimizer.step(&mut params, &tape).unwrap();
    assert!(matches!(of_all.step(&mut params, &tape), Err(OptimizerError::OtherParameters { .. })));
    let mut wrong = Optimizer::over(&params, [w], Sgd::default(), 0.5).with_factor([w], -1.0);
    assert_eq!(
        wrong.step(&mut params, &tape).unwrap_err().to_string(),
        "sgd: expected a learning-rate factor that is finite and not negative, found -1"
    );
}

#[test]
fn a_step_to_numbers_that_are_not_finite_is_refused_and_changes_nothing() {
    let start = [Tensor::filled([2], 1.0f32), Tensor::filled([1], 2.0)];
    // The square of the gradient overflows; a learning rate beyond the type; a factor too many.
    let cases = [(Adam::default(), 0.1, 2e19f32), (Adam::default(), 1e300, 1.0)];
    for (rule, learning_rate, gradient) in cases {
        let mut params = Params::<f32>::new();
        let ids = ["a", "b"].map(|name| {
            let value = start[usize::from(name == "b")].clone();
            params.add(name, value, None).unwrap()
        });
        let mut optimizer = Optimizer::new(&params, rule, learning_rate);
        let before = optimizer.state().clone();
        let mut tape = Tape::new();
        record(&mut tape, &params, &[(ids[0], &[0.5, 0.5]), (ids[1], &[gradient])]);
        let error = optimizer.step(&mut params, &tape).unwrap_err();
        assert!(matches!(error, OptimizerError::Diverged { .. }), "{error}");
        assert_eq!(optimizer.state(), &before);
        for (id, start) in ids.into_iter().zip(&start) {
            assert_eq!(params.value(id).data, start.data());
        }
    }
}

fn sets() -> Vec<Set> {
    vec![
        Some(Box::new(NonNegative)),
        Some(Box::new(NonPositive)),
        Some(Box::new(Interval { min: -0.25, max: 0.5 })),
        Some(Box::new(MaxNorm { max: 0.75, axes: vec![0] })),
        Some(Box::new(UnitNorm::default())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_step_of_every_rule_stays_feasible(
        start in vec(-2.0..2.0f64, 5),
        gradients in vec(vec(-3.0..3.0f64, 5), 6),
        learning_rate in 0.001..2.0f64,
    ) {
        for k in 0..rules().len() {
            for set in sets() {
                let (mut params, w) = one(&start, set);
                let mut optimizer = Optimizer::new(&params, rules().remove(k), learning_rate);
                for gradient in &gradients {
                    let report = step(&mut optimizer, &mut params, gradient).unwrap();
                    prop_assert_eq!(params.violation(w), 0.0, "{:?}", optimizer);
                    prop_assert_eq!(report.constrained, 5);
                    prop_assert_eq!(report.moved == 0, report.distance == 0.0);
                }
            }
        }
    }

    #[test]
    fn without_constraints_the_gradient_mapping_is_the_gradient(
        start in vec(-2.0..2.0f64, 11),
        gradient in vec(-3.0..3.0f64, 11),
        learning_rate in 0.01..1.0f64,
    ) {
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let everything = Interval { min: f64::NEG_INFINITY, max: f64::INFINITY };
        for set in [None, Some(Box::new(everything) as Box<dyn Constraint<f64>>)] {
            for rule in rules() {
                let (mut params, _) = one(&start, set.is_some().then(|| Box::new(everything) as _));
                let mut optimizer = Optimizer::new(&params, rule, learning_rate).measured();
                let report = step(&mut optimizer, &mut params, &gradient).unwrap();
                prop_assert!((report.gradient_norm - norm).abs() < 1e-12 * norm);
                let mapping = report.gradient_mapping.unwrap();
                prop_assert!((mapping - norm).abs() < 1e-11 * norm.max(1.0));
                prop_assert_eq!((report.moved, report.distance), (0, 0.0));
            }
        }
    }

    #[test]
    fn projected_descent_on_a_quadratic_converges_to_the_projection(
        start in vec(-2.0..2.0f64, 4),
        target in vec(-2.0..2.0f64, 4),
    ) {
        let (mut params, w) = one(&start, Some(Box::new(Interval { min: -0.5, max: 1.0 })));
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.3).measured();
        let mut mapping = f64::INFINITY;
        for _ in 0..60 {
            let gradient: Vec<f64> =
                params.value(w).data.iter().zip(&target).map(|(w, t)| 2.0 * (w - t)).collect();
            mapping = step(&mut optimizer, &mut params, &gradient)
                .unwrap()
                .gradient_mapping
                .unwrap();
        }
        for (found, target) in params.value(w).data.iter().zip(&target) {
            prop_assert!((found - target.clamp(-0.5, 1.0)).abs() < 1e-9);
        }
        prop_assert!(mapping < 1e-9);
    }
}
