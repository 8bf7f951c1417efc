//! Projected gradient and Frank-Wolfe on quadratic functions, whose solutions are projections in a
//! metric, on plain slices.

use std::ops::ControlFlow;

use morphograd_sets::solve::{
    FrankWolfe, FrankWolfeStep, Method, Objective, Problem, ProjectedGradient, Solution, SolveError,
};
use morphograd_sets::tensor::Tensor;
use morphograd_sets::*;
use proptest::collection::vec;
use proptest::prelude::*;

const N: usize = 6;

type Set = fn() -> Box<dyn Constraint<f64>>;

/// Bounded convex sets with a projection in a metric.
const SETS: [Set; 8] = [
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
    || Box::new(KSparsePolytope { count: 2, size: 0.5 }),
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

    /// Moves the point to what the method finds.
    fn solve(
        &self,
        method: &impl Method,
        set: &dyn Constraint<f64>,
        point: &mut [f64],
    ) -> Result<Solution, SolveError> {
        method.minimize(self.on(set, point))
    }

    /// As a problem on a set.
    fn on<'a>(
        &'a self,
        set: &'a dyn Constraint<f64>,
        point: &'a mut [f64],
    ) -> impl Problem + use<'a> {
        let (curvature, target) = (self.curvature.data(), self.target.data());
        Objective::new(set, [N], point, |w: &[f64], gradient: &mut [f64]| {
            for i in 0..N {
                gradient[i] = 2.0 * curvature[i] * (w[i] - target[i]);
            }
            self.value(w)
        })
        .unwrap()
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

/// The nearest point of a set.
fn projected(set: &dyn Constraint<f64>, point: &[f64]) -> Vec<f64> {
    let mut image = point.to_vec();
    set.project([N].into(), &mut image);
    image
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
                let mut found = start.clone();
                let method = ProjectedGradient {
                    step,
                    accelerated,
                    restart,
                    iterations: 5000,
                    tolerance: 1e-7,
                };
                let solution = problem.solve(&method, &*set(), &mut found).unwrap();
                let expected = problem.minimum(&*set());
                prop_assert!(solution.converged, "{:?} {:?}: {:?}", set(), method, solution);
                prop_assert!(distance(&found, &expected) < 1e-5, "{:?} {:?}", set(), method);
                prop_assert!((solution.objective - problem.value(&found)).abs() < 1e-12);
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
                let mut found = start.clone();
                let radius = distance(&projected(&*set(), &start), &best);
                let method = ProjectedGradient {
                    step,
                    accelerated,
                    restart: false,
                    iterations: k,
                    tolerance: 0.0,
                };
                problem.solve(&method, &*set(), &mut found).unwrap();
                let gap = problem.value(&found) - problem.value(&best);
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
                let mut found = start.clone();
                let before = problem.value(&projected(&*set(), &start));
                let method = FrankWolfe { step, iterations: k, tolerance: 0.0 };
                let solution = problem.solve(&method, &*set(), &mut found).unwrap();
                let gap = solution.objective - best;
                prop_assert!(
                    gap <= solution.measure + 1e-9,
                    "{:?}: {} > {}",
                    set(),
                    gap,
                    solution.measure
                );
                prop_assert!(set().contains([N].into(), &found));
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
                let method = ProjectedGradient {
                    step,
                    iterations,
                    tolerance: 0.0,
                    ..ProjectedGradient::default()
                };
                let solution = problem.solve(&method, &*set(), &mut start.clone());
                let objective = solution.unwrap().objective;
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
}

#[test]
fn a_step_that_leaves_the_domain_of_the_loss_is_shortened() {
    // The fourth power of 100 is a number of single precision, that of where the first step goes is
    // not.
    let set = Interval { min: -1e12, max: 1e12 };
    let mut w = [100.0f32];
    let fourth = Objective::new(&set, [1], &mut w, |w, gradient| {
        gradient[0] = 4.0 * w[0].powi(3);
        f64::from(w[0].powi(4))
    });
    let method = ProjectedGradient { step: 1e4, iterations: 100, ..ProjectedGradient::default() };
    let objective = method.minimize(fourth.unwrap()).unwrap().objective;
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
    fn check<M: Method>(method: impl Fn(usize) -> M) {
        let target = Tensor::from_vec([N], vec![0.5, 0.3, 0.4, 0.1, 0.2, 0.6]).unwrap();
        let problem = Quadratic { curvature: Tensor::filled([N], 1.0), target };
        let simplex: &dyn Constraint<f64> = &Simplex { sum: 1.0 };
        let (mut seen, mut w) = (Vec::new(), [1.0 / N as f64; N]);
        let observed =
            method(1000).minimize_observed(problem.on(simplex, &mut w), |at, solution| {
                seen.push((solution.iterations, at.point()));
                if solution.iterations == 4 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
        let stopped = observed.unwrap();
        assert_eq!((stopped.iterations, stopped.converged), (4, false));
        assert!(seen.iter().map(|s| s.0).eq(0..5));
        assert!(seen.iter().all(|s| simplex.contains([N].into(), &s.1)));
        assert_eq!(w, *seen[4].1);
        // As many steps without an observer lead to the same point.
        let mut again = [1.0 / N as f64; N];
        problem.solve(&method(4), simplex, &mut again).unwrap();
        assert_eq!(again, w);
    }
    check(|iterations| methods(iterations).0);
    check(|iterations| methods(iterations).1);
}

#[test]
fn what_a_method_cannot_use_is_refused_by_name() {
    let problem =
        Quadratic { curvature: Tensor::filled([N], 1.0), target: Tensor::filled([N], 2.0) };
    let mut w = [0.5; N];
    let mut refused = |method: &dyn Fn(&mut [f64]) -> Result<Solution, SolveError>| {
        method(&mut w).unwrap_err().to_string()
    };
    let accelerated = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() };
    assert_eq!(
        refused(&|w| problem.solve(&accelerated, &Sphere { radius: 1.0 }, w)),
        "projected gradient: expected a convex set (for acceleration), found Sphere { radius: 1.0 }"
    );
    assert_eq!(
        refused(&|w| problem.solve(&FrankWolfe::default(), &NonNegative, w)),
        "frank-wolfe: expected a bounded set that solves linear problems, found NonNegative"
    );
    let still = ProjectedGradient { step: 0.0, ..ProjectedGradient::default() };
    assert_eq!(
        refused(&|w| problem.solve(&still, &NonNegative, w)),
        "projected gradient: expected a step that is positive and finite, found 0"
    );
    let two = Objective::new(&NonNegative, [2], &mut w, |_: &[f64], _: &mut [f64]| 0.0);
    let error = two.unwrap_err().to_string();
    assert_eq!(error, "objective: expected 2 numbers for shape [2], found 6");
}

#[test]
fn after_a_value_that_is_no_number_the_point_is_where_it_was() {
    let set = Interval { min: 0.0, max: 1.0 };
    let mut w = [0.1; N];
    let never = Objective::new(&set, [N], &mut w, |_: &[f64], gradient: &mut [f64]| {
        gradient.fill(1.0);
        f64::NAN
    });
    let error = ProjectedGradient::default().minimize(never.unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "projected gradient: expected a finite loss and gradient, found NaN"
    );
    assert_eq!(w, [0.1; N]);
}

#[test]
fn a_function_is_not_computed_twice_in_a_row_for_one_point() {
    let (mut points, mut w) = (Vec::new(), [3.0f64, -2.0]);
    let objective = Objective::new(&NonNegative, [2], &mut w, |w: &[f64], gradient: &mut [f64]| {
        points.push(w.to_vec());
        gradient.copy_from_slice(w);
        0.5 * w.iter().map(|w| w * w).sum::<f64>()
    });
    let method = ProjectedGradient { step: 0.5, iterations: 8, ..ProjectedGradient::default() };
    method.minimize(objective.unwrap()).unwrap();
    assert_eq!(points.len(), 9, "{points:?}");
    assert!(points.windows(2).all(|pair| pair[0] != pair[1]));
}
