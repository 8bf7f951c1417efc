//! Projected gradient and Frank-Wolfe on recorded losses: what the parameters add to the methods of
//! `sets`, which are tested there.

use std::ops::ControlFlow;

use morphograd_nn::autodiff::{Graph, Mul, Params, Sub, Sum, Var, sets::Constraint};
use morphograd_nn::sets::{Interval, L1Ball, L2Ball, NonNegative, Per, Simplex, Sphere};
use morphograd_nn::solve::{FrankWolfe, Method, ProjectedGradient, RecordedLoss};
use morphograd_nn::tensor::{ShapeError, Tensor};
use morphograd_nn::{Dense, Enforcement, Layer, MeanSquaredError, Sequential, Weight};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Two parameters with sets of their own are one vector; a frozen one is left alone.
    #[test]
    fn all_trainable_parameters_are_moved_to_the_minimum_in_their_sets(
        target in vec(-2.0..2.0f64, 4),
    ) {
        let mut params = Params::new();
        let target = Tensor::from_vec([4], target).unwrap();
        let start = || Tensor::filled([4], 0.25);
        let (simplex, ball) = (Simplex { sum: 1.0 }, L2Ball { radius: 0.5 });
        let a = params.add("a", start(), Some(Box::new(simplex))).unwrap();
        let b = params.add("b", start(), Some(Box::new(ball))).unwrap();
        let frozen = params.add("frozen", start(), None).unwrap();
        params.set_trainable(frozen, false);
        let loss = |graph: &mut Graph<'_, f64>| {
            let t = graph.input(target.view());
            let mut total = graph.param(frozen);
            for id in [a, b] {
                let w = graph.param(id);
                let difference = graph.apply(Sub, [w, t])?;
                let squares = graph.apply(Mul, [difference, difference])?;
                total = graph.apply(morphograd_nn::autodiff::Add, [total, squares])?;
            }
            graph.apply(Sum, [total])
        };
        let method = ProjectedGradient { step: 0.5, ..ProjectedGradient::default() };
        let solution = method.minimize(RecordedLoss::new(&mut params, loss)).unwrap();
        prop_assert!(solution.converged);
        let sets: [(_, &dyn Constraint<f64>); 2] = [(a, &simplex), (b, &ball)];
        for (id, set) in sets {
            let mut nearest = target.data().to_vec();
            set.project([4].into(), &mut nearest);
            let found = params.value(id).data;
            prop_assert!(found.iter().zip(&nearest).all(|(f, n)| (f - n).abs() < 1e-6));
        }
        prop_assert_eq!(params.value(frozen).data, [0.25; 4]);
    }

    #[test]
    fn the_bits_of_a_solution_do_not_depend_on_the_number_of_threads(
        inputs in vec(-1.0..1.0f64, 40 * 12),
        start in vec(-1.0..1.0f64, 12 * 8),
    ) {
        let (x, targets) =
            (Tensor::from_vec([40, 12], inputs).unwrap(), Tensor::filled([40, 8], 1.0));
        let solve = |threads: usize, franks: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut params = Params::new();
                let set: Box<dyn Constraint<f64>> = Box::new(Per::filter(L1Ball { radius: 1.0 }));
                let kernel = Weight::zeros().constrained_by(Some(set));
                let model = Sequential::new()
                    .add("dense", Dense { units: 8, kernel, bias: None, ..Dense::default() })
                    .build_model(&mut params, 0, [12])
                    .unwrap();
                let w = params.find("dense.kernel").unwrap();
                params.update(w, |w| w.copy_from_slice(&start));
                let loss = |graph: &mut Graph<'_, f64>| {
                    let (x, targets) = (graph.input(x.view()), graph.input(targets.view()));
                    let y = model.forward(graph, x)?;
                    graph.apply(MeanSquaredError, [y, targets])
                };
                let loss = RecordedLoss::new(&mut params, loss);
                let solution = if franks {
                    FrankWolfe { iterations: 20, ..FrankWolfe::default() }.minimize(loss)
                } else {
                    let method = ProjectedGradient {
                        accelerated: true,
                        iterations: 20,
                        ..ProjectedGradient::default()
                    };
                    method.minimize(loss)
                };
                let solution = solution.unwrap();
                let bits: Vec<u64> = params.value(w).data.iter().map(|w| w.to_bits()).collect();
                (bits, solution.objective.to_bits(), solution.measure.to_bits())
            })
        };
        for franks in [false, true] {
            prop_assert_eq!(solve(1, franks), solve(3, franks));
        }
    }
}

/// $\sum_i c (w_i - 2)^2$.
fn quadratic(
    curvature: f64,
    w: morphograd_nn::autodiff::ParamId,
) -> impl Fn(&mut Graph<'_, f64>) -> Result<Var, ShapeError> {
    let (curvature, target) = (Tensor::filled([6], curvature), Tensor::filled([6], 2.0));
    move |graph| {
        let (w, target) = (graph.param(w), graph.input(target.view()));
        let curvature = graph.input(curvature.view());
        let difference = graph.apply(Sub, [w, target])?;
        let squares = graph.apply(Mul, [difference, difference])?;
        let terms = graph.apply(Mul, [squares, curvature])?;
        graph.apply(Sum, [terms])
    }
}

fn parameter(
    set: impl Constraint<f64> + 'static,
) -> (Params<f64>, morphograd_nn::autodiff::ParamId) {
    let mut params = Params::new();
    let w = params.add("w", Tensor::filled([6], 0.1), Some(Box::new(set))).unwrap();
    (params, w)
}

#[test]
fn an_observer_sees_the_parameters_of_every_step() {
    let (mut params, w) = parameter(Simplex { sum: 1.0 });
    let mut seen = Vec::new();
    let loss = RecordedLoss::new(&mut params, quadratic(1.0, w));
    let method = ProjectedGradient { step: 0.05, iterations: 4, ..ProjectedGradient::default() };
    let solution = method.minimize_observed(loss, |problem, solution| {
        seen.push((solution.iterations, problem.params().value(w).data.to_vec()));
        ControlFlow::Continue(())
    });
    let steps = solution.unwrap().iterations;
    assert!(seen.iter().map(|s| s.0).eq(0..=steps));
    assert_eq!(params.value(w).data, seen[steps].1);
}

#[test]
fn a_parameter_that_a_method_cannot_use_is_refused_by_name() {
    let accelerated = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() };
    let (mut params, w) = parameter(Sphere { radius: 1.0 });
    let error =
        accelerated.minimize(RecordedLoss::new(&mut params, quadratic(1.0, w))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a convex set (for acceleration) for `w`, found Sphere { \
         radius: 1.0 }"
    );
    let (mut params, w) = parameter(NonNegative);
    let error = FrankWolfe::default()
        .minimize(RecordedLoss::new(&mut params, quadratic(1.0, w)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "frank-wolfe: expected a bounded set that solves linear problems for `w`, found NonNegative"
    );
    Enforcement::Penalty { factor: 1.0 }.enforce(&mut params, w).unwrap();
    let error = ProjectedGradient::default()
        .minimize(RecordedLoss::new(&mut params, quadratic(1.0, w)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a set that is enforced by projections for `w`, found \
         NonNegative"
    );
}

#[test]
fn after_a_loss_that_is_no_number_the_parameters_are_where_they_were() {
    let (mut params, w) = parameter(Interval { min: 0.0, max: 1.0 });
    let error = ProjectedGradient::default()
        .minimize(RecordedLoss::new(&mut params, quadratic(f64::NAN, w)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a finite loss and gradient, found NaN"
    );
    assert_eq!(params.value(w).data, [0.1; 6]);
}
