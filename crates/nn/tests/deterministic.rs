//! Projected gradient and Frank-Wolfe on quadratic functions, whose solutions are projections in a
//! metric.

use std::ops::ControlFlow;

use morphograd_nn::autodiff::{Graph, Mul, Params, Sub, Sum, Var, sets::Constraint};
use morphograd_nn::sets::{
    Bounds, CappedSimplex, Interval, L1Ball, L2Ball, LInfBall, NonNegative, NuclearBall, Per,
    Simplex, Sphere,
};
use morphograd_nn::solve::FrankWolfeStep;
use morphograd_nn::solve::Solution;
use morphograd_nn::tensor::{Shape, ShapeError, Tensor};
use morphograd_nn::{
    Dense, Enforcement, FrankWolfe, Layer, MeanSquaredError, ProjectedGradient, Sequential, Weight,
};
use proptest::collection::vec;
use proptest::prelude::*;

const N: usize = 6;

type Set = fn() -> Box<dyn Constraint<f64>>;

/// Bounded convex sets with a projection in a metric.
const SETS: [Set; 7] = [
    || Box::new(Interval { min: -0.5, max: 0.25 }),
    || {
        Box::new(Bounds {
            min: Tensor::filled([N], -0.25),
            max: Tensor::from_fn([N], |i| 0.1 * i as f64),
        })
    },
    || Box::new(Simplex { sum: 1.0 }),
    || Box::new(CappedSimplex { sum: 1.5, cap: 0.5 }),
    || Box::new(L1Ball { radius: 0.75 }),
    || Box::new(L2Ball { radius: 0.75 }),
    || Box::new(LInfBall { radius: 0.5 }),
];

/// $\sum_i c_i (w_i - t_i)^2$ with curvatures from 0.2 to 1.
#[derive(Debug, Clone)]
struct Quadratic {
    curvature: Tensor<f64>,
    target: Tensor<f64>,
}

impl Quadratic {
    fn value(&self, w: &[f64]) -> f64 {
        (0..N).map(|i| self.curvature.data()[i] * (w[i] - self.target.data()[i]).powi(2)).sum()
    }

    fn loss(
        &self,
        w: morphograd_nn::autodiff::ParamId,
    ) -> impl Fn(&mut Graph<'_, f64>) -> Result<Var, ShapeError> {
        move |graph| {
            let (w, target) = (graph.param(w), graph.input(self.target.view()));
            let curvature = graph.input(self.curvature.view());
            let difference = graph.apply(Sub, [w, target])?;
            let squares = graph.apply(Mul, [difference, difference])?;
            let terms = graph.apply(Mul, [squares, curvature])?;
            graph.apply(Sum, [terms])
        }
    }

    /// Its minimum over a set: the projection of the target in the metric of the curvatures.
    fn minimum(&self, set: &dyn Constraint<f64>) -> Vec<f64> {
        let mut w = self.target.data().to_vec();
        set.project_in_metric([N].into(), self.curvature.data(), &mut w);
        w
    }
}

fn quadratic() -> impl Strategy<Value = Quadratic> {
    (vec(0.2..1.0f64, N), vec(-2.0..2.0f64, N)).prop_map(|(curvature, target)| Quadratic {
        curvature: Tensor::from_vec([N], curvature).unwrap(),
        target: Tensor::from_vec([N], target).unwrap(),
    })
}

fn parameter(
    start: &[f64],
    set: Box<dyn Constraint<f64>>,
) -> (Params<f64>, morphograd_nn::autodiff::ParamId) {
    let mut params = Params::new();
    let start = Tensor::from_vec([start.len()], start.to_vec()).unwrap();
    let w = params.add("w", start, Some(set)).unwrap();
    (params, w)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn projected_gradient_finds_the_minimum(
        problem in quadratic(),
        start in vec(-1.0..1.0f64, N),
        step in 0.05..20.0f64,
    ) {
        for set in SETS {
            for (accelerated, restart) in [(false, false), (true, true)] {
                let (mut params, w) = parameter(&start, set());
                let method = ProjectedGradient {
                    step,
                    accelerated,
                    restart,
                    iterations: 5000,
                    tolerance: 1e-7,
                };
                let solution = method.minimize(&mut params, problem.loss(w)).unwrap();
                let found = params.value(w).data;
                let expected = problem.minimum(&*set());
                prop_assert!(solution.converged, "{:?} {:?}: {:?}", set(), method, solution);
                prop_assert!(distance(found, &expected) < 1e-5, "{:?} {:?}", set(), method);
                prop_assert!((solution.objective - problem.value(found)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_objective_stays_below_the_bounds_of_the_theorems(
        problem in quadratic(),
        start in vec(-1.0..1.0f64, N),
        k in 1..30usize,
        step in 0.1..4.0f64,
    ) {
        // The gradient is 2 c (w - t), with Lipschitz constant at most 2.
        let largest = 2.0 * problem.curvature.data().iter().fold(0.0, |a: f64, b| a.max(*b));
        for set in SETS {
            let best = problem.minimum(&*set());
            for accelerated in [false, true] {
                let (mut params, w) = parameter(&start, set());
                let radius = distance(params.value(w).data, &best);
                let method = ProjectedGradient {
                    step,
                    accelerated,
                    restart: false,
                    iterations: k,
                    tolerance: 0.0,
                };
                method.minimize(&mut params, problem.loss(w)).unwrap();
                let gap = problem.value(params.value(w).data) - problem.value(&best);
                let lipschitz = largest.max(1.0 / step) * radius * radius;
                let n = k as f64;
                let bound =
                    if accelerated { 4.0 * lipschitz / (n + 1.0).powi(2) } else { lipschitz / n };
                prop_assert!(
                    gap <= bound + 1e-12,
                    "{:?}, accelerated {}: {} > \
                    {}",
                    set(),
                    accelerated,
                    gap,
                    bound
                );
            }
        }
    }

    #[test]
    fn the_gap_of_frank_and_wolfe_certifies_the_objective(
        problem in quadratic(),
        start in vec(-1.0..1.0f64, N),
        k in 0..40usize,
    ) {
        for set in SETS {
            let best = problem.value(&problem.minimum(&*set()));
            for step in [FrankWolfeStep::Open, FrankWolfeStep::Backtracking] {
                let (mut params, w) = parameter(&start, set());
                let before = problem.value(params.value(w).data);
                let method = FrankWolfe { step, iterations: k, tolerance: 0.0 };
                let solution = method.minimize(&mut params, problem.loss(w)).unwrap();
                let gap = solution.objective - best;
                prop_assert!(
                    gap <= solution.measure + 1e-9,
                    "{:?}: {} > {}",
                    set(),
                    gap,
                    solution.measure
                );
                prop_assert!(params.violation(w) < 1e-9);
                if step == FrankWolfeStep::Backtracking {
                    prop_assert!(solution.objective <= before + 1e-12);
                }
                if step == FrankWolfeStep::Open && k > 0 {
                    // No two points of these sets are farther apart than 2.
                    prop_assert!(
                        gap <= 2.0 * 2.0 * 4.0 * 1.5 / (k as f64 + 2.0),
                        "{:?}: {}",
                        set(),
                        gap
                    );
                }
            }
        }
    }

    #[test]
    fn no_point_of_the_set_has_a_smaller_product_than_the_vertex(
        gradient in vec(-2.0..2.0f64, N),
        others in vec(vec(-2.0..2.0f64, N), 6),
    ) {
        let matrices: [(Set, [usize; 2]); 3] = [
            (|| Box::new(NuclearBall { radius: 0.8 }), [3, 2]),
            (|| Box::new(Per::filter(Simplex { sum: 1.0 })), [3, 2]),
            (|| Box::new(Per::filter(L2Ball { radius: 0.5 })), [2, 3]),
        ];
        let vectors = SETS.map(|set| (set, Shape::from([N])));
        let all = vectors.into_iter().chain(matrices.map(|(set, shape)| (set, Shape::from(shape))));
        let product = |s: &[f64]| gradient.iter().zip(s).map(|(g, s)| g * s).sum::<f64>();
        for (set, shape) in all {
            let mut vertex = vec![f64::NAN; N];
            set().minimize_linear(shape, &gradient, &mut vertex);
            prop_assert!(set().violation(shape, &vertex) < 1e-12, "{:?} {:?}", set(), vertex);
            for other in &others {
                let mut other = other.clone();
                set().project(shape, &mut other);
                prop_assert!(product(&vertex) <= product(&other) + 1e-9, "{:?}", set());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_step_of_plain_projected_gradient_lowers_the_objective(
        problem in quadratic(),
        start in vec(-1.0..1.0f64, N),
        step in 0.1..20.0f64,
    ) {
        for set in SETS {
            let mut last = f64::INFINITY;
            for iterations in 0..12 {
                let (mut params, w) = parameter(&start, set());
                let method = ProjectedGradient {
                    step,
                    iterations,
                    tolerance: 0.0,
                    ..ProjectedGradient::default()
                };
                let objective = method.minimize(&mut params, problem.loss(w)).unwrap().objective;
                prop_assert!(
                    objective <= last + 1e-13 * last.abs().min(1e9),
                    "{:?}: {} > {}",
                    set(),
                    objective,
                    last
                );
                last = objective;
            }
        }
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
                let solution = if franks {
                    FrankWolfe { iterations: 20, ..FrankWolfe::default() }
                        .minimize(&mut params, loss)
                } else {
                    let method = ProjectedGradient {
                        accelerated: true,
                        iterations: 20,
                        ..ProjectedGradient::default()
                    };
                    method.minimize(&mut params, loss)
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

#[test]
fn a_step_that_leaves_the_domain_of_the_loss_is_shortened() {
    // The fourth power of 100 is a number of single precision, that of where the first step goes is
    // not.
    let mut params = Params::<f32>::new();
    let set = Box::new(Interval { min: -1e12, max: 1e12 });
    let w = params.add("w", Tensor::filled([1], 100.0), Some(set)).unwrap();
    let method = ProjectedGradient { step: 1e4, iterations: 100, ..ProjectedGradient::default() };
    let solution = method.minimize(&mut params, |graph| {
        let w = graph.param(w);
        let square = graph.apply(Mul, [w, w])?;
        let fourth = graph.apply(Mul, [square, square])?;
        graph.apply(Sum, [fourth])
    });
    let objective = solution.unwrap().objective;
    assert!(objective < 1e6, "{objective}");
}

fn methods(iterations: usize) -> (ProjectedGradient, FrankWolfe) {
    let descent = ProjectedGradient {
        accelerated: true,
        step: 0.05,
        iterations,
        ..ProjectedGradient::default()
    };
    (descent, FrankWolfe { iterations, ..FrankWolfe::default() })
}

#[test]
fn an_observer_sees_every_step_and_can_end_the_method() {
    let target = Tensor::from_vec([N], vec![0.5, 0.3, 0.4, 0.1, 0.2, 0.6]).unwrap();
    let problem = Quadratic { curvature: Tensor::filled([N], 1.0), target };
    let start = || parameter(&[1.0 / N as f64; N], Box::new(Simplex { sum: 1.0 }));
    for franks in [false, true] {
        let (mut params, w) = start();
        let mut seen = Vec::new();
        let observe = |params: &Params<f64>, solution: &Solution| {
            seen.push((solution.iterations, params.value(w).data.to_vec(), params.violation(w)));
            if solution.iterations == 4 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let (descent, frank_wolfe) = methods(1000);
        let stopped = if franks {
            frank_wolfe.minimize_observed(&mut params, problem.loss(w), observe)
        } else {
            descent.minimize_observed(&mut params, problem.loss(w), observe)
        };
        let stopped = stopped.unwrap();
        assert_eq!((stopped.iterations, stopped.converged), (4, false));
        assert!(seen.iter().map(|s| s.0).eq(0..5) && seen.iter().all(|s| s.2 == 0.0));
        assert_eq!(params.value(w).data, seen[4].1);
        // As many steps without an observer lead to the same point.
        let (mut params, w) = start();
        let (descent, frank_wolfe) = methods(4);
        if franks {
            frank_wolfe.minimize(&mut params, problem.loss(w)).unwrap();
        } else {
            descent.minimize(&mut params, problem.loss(w)).unwrap();
        }
        assert_eq!(params.value(w).data, seen[4].1);
    }
}

#[test]
fn what_a_method_cannot_use_is_refused_by_name() {
    let problem =
        Quadratic { curvature: Tensor::filled([N], 1.0), target: Tensor::filled([N], 2.0) };
    let (mut params, w) = parameter(&[0.5; N], Box::new(Sphere { radius: 1.0 }));
    let error = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() }
        .minimize(&mut params, problem.loss(w))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a convex set, for acceleration, for `w`, found Sphere { \
         radius: 1.0 }"
    );
    let (mut params, w) = parameter(&[0.5; N], Box::new(NonNegative));
    let error = FrankWolfe::default().minimize(&mut params, problem.loss(w)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "frank-wolfe: expected a bounded set that solves linear problems for `w`, found NonNegative"
    );
    let error = ProjectedGradient { step: 0.0, ..ProjectedGradient::default() }
        .minimize(&mut params, problem.loss(w))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a step that is positive and finite, found 0"
    );
    Enforcement::Penalty { factor: 1.0 }.enforce(&mut params, w).unwrap();
    let error = ProjectedGradient::default()
        .minimize(&mut params, problem.loss(w))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "projected gradient: expected a set that is enforced by projections for `w`"
        ),
        "{error}"
    );
}

#[test]
fn after_a_loss_that_is_no_number_the_parameters_are_where_they_were() {
    let problem =
        Quadratic { curvature: Tensor::filled([N], f64::NAN), target: Tensor::filled([N], 2.0) };
    let (mut params, w) = parameter(&[0.1; N], Box::new(Interval { min: 0.0, max: 1.0 }));
    let error = ProjectedGradient::default().minimize(&mut params, problem.loss(w)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a finite loss and gradient, found NaN"
    );
    assert_eq!(params.value(w).data, [0.1; N]);
}
