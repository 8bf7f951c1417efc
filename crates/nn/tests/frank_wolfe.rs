//! Steps towards vertices: feasible without a projection, with a gap that bounds what is missing.

use morphograd_nn::Optimizer;
use morphograd_nn::autodiff::{Mode, Params, Tape};
use morphograd_nn::optim::{
    FrankWolfe, InverseTimeDecay, OptimizerError, Schedule, Sgd, StepReport,
};
use morphograd_nn::random::Stream;
use morphograd_nn::sets::{
    Bounds, CappedSimplex, Cardinality, Constraint, Interval, KSparsePolytope, L1Ball, L2Ball,
    LInfBall, NonNegative, NuclearBall, OrthonormalColumns, Per, Simplex, SpectralBall, Sphere,
};
use morphograd_nn::tensor::{Real, Tensor};
use proptest::collection::vec;
use proptest::prelude::*;

const SHAPE: [usize; 2] = [2, 3];

/// Bounded convex sets, the boxes first.
fn sets<T: Real>() -> Vec<Box<dyn Constraint<T>>> {
    let mut all: Vec<Box<dyn Constraint<T>>> = vec![
        Box::new(Interval { min: -0.5, max: 0.25 }),
        Box::new(Bounds {
            min: Tensor::filled(SHAPE, -0.25),
            max: Tensor::from_fn(SHAPE, |i| 0.1 * i as f64),
        }),
        Box::new(LInfBall { radius: 0.3 }),
    ];
    assert_eq!(all.len(), BOXES);
    all.extend::<[Box<dyn Constraint<T>>; 9]>([
        Box::new(Simplex { sum: 1.0 }),
        Box::new(CappedSimplex { sum: 1.5, cap: 0.4 }),
        Box::new(L1Ball { radius: 0.7 }),
        Box::new(KSparsePolytope { count: 2, size: 0.3 }),
        Box::new(L2Ball { radius: 0.7 }),
        Box::new(NuclearBall { radius: 0.7 }),
        Box::new(SpectralBall { radius: 0.7 }),
        Box::new(Per::filter(Simplex { sum: 1.0 })),
        Box::new(Per::filter(L2Ball { radius: 0.5 })),
    ]);
    all
}
const BOXES: usize = 3;

fn one<T: Real>(start: &[T], set: Option<Box<dyn Constraint<T>>>) -> Params<T> {
    let mut params = Params::new();
    params.add("w", Tensor::from_vec(SHAPE, start.to_vec()).unwrap(), set).unwrap();
    params
}

fn value<T: Real>(params: &Params<T>) -> &[T] {
    params.value(params.find("w").unwrap()).data
}

/// A step with the given gradient of the only parameter.
fn step<T: Real>(
    optimizer: &mut Optimizer<T>,
    params: &mut Params<T>,
    gradient: &[T],
) -> Result<StepReport, OptimizerError> {
    let w = params.find("w").unwrap();
    let mut tape = Tape::new();
    let mut graph = tape.record(params, Mode::Train { step: 0 });
    let w = graph.param(w);
    graph.backward_with(w, gradient);
    optimizer.step(params, &tape)
}

/// 2 / (k + 2) for k = 0, 1, ...
fn open() -> impl Schedule {
    InverseTimeDecay { initial: 1.0, steps: 1, rate: 0.5, staircase: false }
}

/// Steps with one gradient after the other; what the projections moved is at most `slack` a step.
fn stays_inside<T: Real>(start: &[T], gradients: &[Vec<T>], rate: f64, momentum: f64, slack: f64) {
    for (k, set) in sets::<T>().into_iter().enumerate() {
        let name = format!("{set:?}");
        let mut params = one(start, Some(set));
        let mut optimizer = Optimizer::new(&params, FrankWolfe { momentum }, rate);
        for gradient in gradients.iter().cycle().take(60) {
            let report = step(&mut optimizer, &mut params, gradient).unwrap();
            assert_eq!(params.violation(params.find("w").unwrap()), 0.0, "{name}");
            assert!(report.distance <= slack, "{name}: projected by {}", report.distance);
            assert!(k >= BOXES || report.moved == 0, "{name}: {report:?}");
            assert_eq!(report.constrained, 6);
            assert!(report.frank_wolfe_gap.unwrap() > -slack, "{name}: {report:?}");
        }
    }
}

/// $\sum_i c_i (w_i - t_i)^2$ and its gradient.
fn quadratic(curvature: &[f64], target: &[f64], w: &[f64]) -> (f64, Vec<f64>) {
    let parts = || curvature.iter().zip(target).zip(w).map(|((c, t), w)| (*c, w - t));
    (parts().map(|(c, d)| c * d * d).sum(), parts().map(|(c, d)| 2.0 * c * d).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_step_is_feasible_and_a_projection_moves_no_more_than_rounding(
        start in vec(-2.0..2.0f64, 6),
        gradients in vec(vec(-3.0..3.0f64, 6), 1..8),
        rate in prop_oneof![Just(1.0), 0.001..1.0f64],
        momentum in prop_oneof![Just(0.0), 0.0..0.99f64],
    ) {
        stays_inside(&start, &gradients, rate, momentum, 1e-14);
        let single = |x: &Vec<f64>| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let gradients: Vec<Vec<f32>> = gradients.iter().map(single).collect();
        stays_inside(&single(&start), &gradients, rate, momentum, 2e-6);
    }

    #[test]
    fn the_gap_of_exact_gradients_bounds_what_is_missing_and_the_theorem_what_is_left(
        curvature in vec(0.2..1.0f64, 6),
        target in vec(-2.0..2.0f64, 6),
        start in vec(-1.0..1.0f64, 6),
    ) {
        for set in sets::<f64>() {
            let states = set.capabilities(SHAPE.into());
            // Where there is no projection in a metric, the distance itself.
            let curvature = if states.metric { curvature.clone() } else { vec![0.5; 6] };
            let mut best = target.clone();
            if states.metric {
                set.project_in_metric(SHAPE.into(), &curvature, &mut best);
            } else {
                set.project(SHAPE.into(), &mut best);
            }
            let least = quadratic(&curvature, &target, &best).0;
            let name = format!("{set:?}");
            let mut params = one(&start, Some(set));
            let mut optimizer = Optimizer::new(&params, FrankWolfe { momentum: 0.0 }, open());
            for k in 0..60 {
                let (f, gradient) = quadratic(&curvature, &target, value(&params));
                // Gradients change by twice the curvature; no two points of these sets are farther
                // apart than 2.
                let largest = curvature.iter().fold(0.0, |a: f64, c| a.max(2.0 * c));
                let bound = 2.0 * largest * 4.0 / (f64::from(k) + 2.0);
                prop_assert!(k == 0 || f - least <= bound, "{name}: {f} {least} after {k}");
                let gap = step(&mut optimizer, &mut params, &gradient).unwrap().frank_wolfe_gap;
                prop_assert!(f - least <= gap.unwrap() + 1e-12, "{name}: {f} {least} {gap:?}");
            }
        }
    }
}

#[test]
fn a_set_without_vertices_or_without_convexity_is_refused_by_name_and_nothing_changes() {
    let sets: [Box<dyn Constraint<f64>>; 3] = [
        Box::new(NonNegative),
        Box::new(Sphere { radius: 1.0 }),
        Box::new(Cardinality { count: 2 }),
    ];
    for set in sets {
        let name = format!("{set:?}");
        let mut params = one(&[1.0; 6], Some(set));
        let (before, mut optimizer) =
            (value(&params).to_vec(), Optimizer::new(&params, FrankWolfe::default(), 0.1));
        let error = step(&mut optimizer, &mut params, &[1.0; 6]).unwrap_err().to_string();
        let expected = "frank-wolfe: expected a set with vertices (convex, bounded, its linear \
                        problem solved) for `w`, found ";
        assert_eq!(error, format!("{expected}{name}"));
        assert_eq!((value(&params), optimizer.steps()), (&before[..], 0));
    }
}

#[test]
fn a_rate_beyond_the_vertex_is_refused_where_there_is_one() {
    let mut params = one(&[0.0; 6], Some(Box::new(LInfBall { radius: 1.0 })));
    let w = params.find("w").unwrap();
    let mut optimizer = Optimizer::new(&params, FrankWolfe::default(), 0.5).with_factor([w], 3.0);
    assert_eq!(
        step(&mut optimizer, &mut params, &[1.0; 6]).unwrap_err().to_string(),
        "frank-wolfe: expected a learning rate of at most 1 for `w`, the share of the way to a \
         vertex, found 1.5"
    );
    let mut free = one(&[0.0; 6], None);
    let mut optimizer = Optimizer::new(&free, FrankWolfe::default(), 1.5);
    step(&mut optimizer, &mut free, &[1.0; 6]).unwrap();
    assert_eq!(value(&free), [-1.5; 6]);
}

#[test]
fn without_a_set_the_mean_gradient_is_followed_and_there_is_no_gap() {
    let mut params = one(&[0.0f64; 6], None);
    let mut optimizer = Optimizer::new(&params, FrankWolfe { momentum: 0.5 }, 1.0);
    // The means are 4, (4 / 4 + 1 / 2) / (3 / 4) = 2 and (3 / 4 + 1 / 2) / (7 / 8) = 10 / 7.
    for (gradient, expected) in [(4.0, -4.0), (1.0, -6.0), (1.0, -6.0 - 10.0 / 7.0)] {
        let report = step(&mut optimizer, &mut params, &[gradient; 6]).unwrap();
        assert!((value(&params)[0] - expected).abs() < 1e-12, "{:?}", value(&params));
        assert_eq!(report.frank_wolfe_gap, None);
    }
    let mut other = Optimizer::new(&params, Sgd::default(), 0.1);
    assert_eq!(step(&mut other, &mut params, &[1.0; 6]).unwrap().frank_wolfe_gap, None);
}

/// $U V^\top$ is the nearest matrix with orthonormal columns.
#[test]
fn on_the_spectral_ball_a_whole_step_is_that_of_muon() {
    let gradient = vec![1.0f64, -2.0, 0.5, 3.0, 0.25, -1.0];
    let mut params = Params::new();
    let w = params
        .add("w", Tensor::zeros([3, 2]), Some(Box::new(SpectralBall { radius: 2.0 })))
        .unwrap();
    let mut optimizer = Optimizer::new(&params, FrankWolfe::default(), 1.0);
    step(&mut optimizer, &mut params, &gradient).unwrap();
    let mut polar = gradient;
    OrthonormalColumns.project([3, 2].into(), &mut polar);
    for (found, p) in params.value(w).data.iter().zip(&polar) {
        assert!((found + 2.0 * p).abs() < 1e-12, "{found} {p}");
    }
}

/// How far the squared distance to a target is above its minimum over a set, in the mean over the
/// last of 4000 steps at a constant rate, with noise of size 4 in the gradients.
fn above_the_minimum(set: Box<dyn Constraint<f64>>, target: [f64; 6], momentum: f64) -> f64 {
    let mut best = target;
    set.project(SHAPE.into(), &mut best);
    let least = quadratic(&[0.5; 6], &target, &best).0;
    let mut params = one(&[0.0f64; 6], Some(set));
    let mut optimizer = Optimizer::new(&params, FrankWolfe { momentum }, 0.01);
    let (mut noise, mut sum) = (Stream::new(7, "noise", 0), 0.0);
    for k in 0..4000 {
        let (f, mut gradient) = quadratic(&[0.5; 6], &target, value(&params));
        gradient.iter_mut().for_each(|g| *g += 4.0 * noise.normal());
        step(&mut optimizer, &mut params, &gradient).unwrap();
        sum += if k < 1000 { 0.0 } else { (f - least) / 3000.0 };
    }
    sum
}

#[test]
fn a_mean_gradient_finds_the_corner_that_noise_hides_and_lags_where_the_solution_is_inside() {
    let outside = [3.0, -3.0, 2.0, -2.0, 3.0, 2.5];
    let corner = |m| above_the_minimum(Box::new(LInfBall { radius: 1.0 }), outside, m);
    let (without, with) = (corner(0.0), corner(0.99));
    assert!(with < 0.01 * without, "{without} without a mean, {with} with one");
    let inside = [0.3, -0.2, 0.1, 0.0, 0.2, -0.1];
    let ball = |m| above_the_minimum(Box::new(L2Ball { radius: 1.0 }), inside, m);
    let (without, with) = (ball(0.0), ball(0.99));
    assert!(with > without, "{without} without a mean, {with} with one");
}
