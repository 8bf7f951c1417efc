//! What every set has to pass: that it states what it knows, its projection, that in a diagonal
//! metric, and that of directions on its tangent cone.
//!
//! The one design choice: each is compared with its definition, at points of the set that are made
//! by projecting others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use morphograd_autodiff::sets::{Constraint, Kind};
use morphograd_autodiff::tensor::Shape;

/// Checks that `capabilities` tells the truth, at a point of the set that is made by projecting
/// `point`: each of the five functions that it states runs, and each other panics with the name of
/// the set and of the capability.
///
/// # Panics
/// If one does not.
#[track_caller]
pub fn check_capabilities(constraint: &dyn Constraint<f64>, shape: Shape, point: &[f64]) {
    let mut at = point.to_vec();
    constraint.project(shape, &mut at);
    let (metric, stated) = (vec![1.0; at.len()], constraint.capabilities(shape));
    type Call<'a> = &'a dyn Fn(&mut [f64]);
    let calls: [(&str, bool, Call<'_>); 5] = [
        ("metric", stated.metric, &|x| constraint.project_in_metric(shape, &metric, x)),
        ("tangent", stated.tangent, &|x| constraint.project_tangent(shape, &at, x)),
        ("linear", stated.linear, &|x| constraint.minimize_linear(shape, &at, x)),
        ("derivative", stated.derivative, &|x| constraint.project_vjp(shape, &at, &at, x)),
        ("greatest", stated.greatest, &|x| {
            let _ = constraint.greatest_below(shape, x);
        }),
    ];
    for (name, is_stated, call) in calls {
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut at.clone())));
        let message = result.err().map(|panic| panic.downcast::<String>().unwrap_or_default());
        // A set that is made of others names the one that lacks it.
        let end = format!(" does not state the capability `{name}`");
        let is_refused = message.as_ref().is_some_and(|message| message.ends_with(&end));
        assert!(
            if is_stated { message.is_none() } else { is_refused },
            "{constraint:?}: `{name}` is stated: {is_stated}, and the call ends with {message:?}"
        );
    }
}

/// Checks the vertex that a set finds for a gradient: it is in the set, and no point of it (the
/// images of `others`) has a smaller product with the gradient.
///
/// # Panics
/// If one of them fails.
#[track_caller]
pub fn check_minimize_linear(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    gradient: &[f64],
    others: &[Vec<f64>],
) {
    let mut vertex = vec![f64::NAN; gradient.len()];
    constraint.minimize_linear(shape, gradient, &mut vertex);
    let violation = constraint.violation(shape, &vertex);
    assert!(violation < 1e-12, "{constraint:?}: the vertex {vertex:?} is {violation} outside");
    let product = |s: &[f64]| gradient.iter().zip(s).map(|(g, s)| g * s).sum::<f64>();
    for other in others {
        let mut other = other.clone();
        constraint.project(shape, &mut other);
        let (least, found) = (product(&vertex), product(&other));
        assert!(
            least <= found + 1e-9,
            "{constraint:?}: {least} at {vertex:?}, {found} at {other:?}"
        );
    }
}

/// Checks the greatest point of a set below a bound, where the set states it: below a bound that is
/// `above` a point of the set (the image of `point`) there is one, it is in the set, nowhere above
/// the bound, and nowhere below that point by more than the tolerance of the projection.
///
/// # Panics
/// If one of them fails.
#[track_caller]
pub fn check_greatest_below(
    tolerance: f64,
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    point: &[f64],
    above: &[f64],
) {
    if !constraint.capabilities(shape).greatest {
        return;
    }
    let mut inside = point.to_vec();
    constraint.project(shape, &mut inside);
    let bound: Vec<f64> = inside.iter().zip(above).map(|(w, a)| w + a.abs()).collect();
    let mut greatest = bound.clone();
    assert!(
        constraint.greatest_below(shape, &mut greatest),
        "{constraint:?}: none below {bound:?}"
    );
    let missed = constraint.violation(shape, &greatest);
    assert!(missed == 0.0, "{constraint:?}: {greatest:?} is outside by {missed}");
    for (i, w) in greatest.iter().enumerate() {
        let (low, high) = (inside[i], bound[i]);
        assert!(
            low - tolerance <= *w && *w <= high,
            "{constraint:?}: {w} is not in [{low}, {high}] at {i}"
        );
    }
}

/// Checks a projection on a closed set against its definition, at `point` with other points of the
/// space (of the same length) to compare with:
/// - the image is feasible, and a feasible point stays where it is;
/// - no other feasible point (the images of `others`) is nearer to `point`;
/// - if the set is convex, $(w - P(w)) \cdot (v - P(w)) \le 0$ for feasible $v$, which is what
///   makes $P(w)$ nearest of all, and distances do not increase;
/// - a point with NaN is not taken for feasible.
///
/// # Panics
/// If the constraint says that it is no projection, or one of them fails by more than a few units
/// in the last place of numbers of the size given.
#[track_caller]
pub fn check_projection(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    point: &[f64],
    others: &[Vec<f64>],
) {
    check_projection_within(1e-12, constraint, shape, point, others);
}

/// [`check_projection`] for sets whose projection is computed to a tolerance: that on distances,
/// for numbers of size 1, for each entry.
///
/// # Panics
/// As [`check_projection`].
#[track_caller]
pub fn check_projection_within(
    tolerance: f64,
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    point: &[f64],
    others: &[Vec<f64>],
) {
    let convex = is_convex(constraint);
    let ones = vec![1.0; point.len()];
    let slack = slack(tolerance, point, others);
    let project = |x: &[f64]| {
        let mut x = x.to_vec();
        constraint.project(shape, &mut x);
        x
    };
    nearest(constraint, shape, &ones, slack, point, others, &project);
    if convex {
        let image = project(point);
        for other in others {
            assert!(
                distance(&ones, &image, &project(other)) <= distance(&ones, point, other) + slack,
                "{constraint:?}: the distance of {point:?} and {other:?} increases"
            );
        }
    }
    if !point.is_empty() {
        let mut broken = point.to_vec();
        broken[0] = f64::NAN;
        let violation = constraint.violation(shape, &broken);
        assert!(violation.is_nan() || violation > 0.0, "{constraint:?} takes NaN for feasible");
    }
}

/// Checks `project_in_metric` against its definition: what [`check_projection`] checks, with
/// $\sum_i m_i (v_i - w_i)^2$ in the place of the distance; and that in a metric of ones it is
/// `project`.
///
/// # Panics
/// If the set has no projection in a metric, or a check fails.
#[track_caller]
pub fn check_projection_in_metric(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    metric: &[f64],
    point: &[f64],
    others: &[Vec<f64>],
) {
    check_projection_in_metric_within(1e-12, constraint, shape, metric, point, others);
}

/// [`check_projection_in_metric`] for sets whose projection is computed to a tolerance.
///
/// # Panics
/// As [`check_projection_in_metric`].
#[track_caller]
pub fn check_projection_in_metric_within(
    tolerance: f64,
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    metric: &[f64],
    point: &[f64],
    others: &[Vec<f64>],
) {
    let weight = metric.iter().fold(1.0, |m: f64, x| m.max(*x))
        / metric.iter().fold(1.0, |m: f64, x| m.min(*x));
    let slack = slack(tolerance, point, others) * weight;
    let project_in = |metric: &[f64], x: &[f64]| {
        let mut x = x.to_vec();
        constraint.project_in_metric(shape, metric, &mut x);
        x
    };
    nearest(constraint, shape, metric, slack, point, others, &|x| project_in(metric, x));
    let ones = vec![1.0; point.len()];
    let mut euclidean = point.to_vec();
    constraint.project(shape, &mut euclidean);
    let found = project_in(&ones, point);
    assert!(
        distance(&ones, &found, &euclidean) <= slack,
        "{constraint:?}: {found:?} in a metric of ones is not {euclidean:?}"
    );
}

/// Checks `project_tangent` at the image of `point` against what makes it the projection on the
/// tangent cone $K$:
/// - the image $t$ of the direction $d$ is one along which the point stays:
///   $\operatorname{dist}(x + h t, C) = O(h^2)$;
/// - it is as near to $d$ as $s = (P(x + h d) - x) / h$ is, up to $O(h)$, and for a convex set $s$
///   itself, which tends to it;
/// - $d - t$ is at right angles to $t$, and not at a smaller one to where any feasible point lies
///   ($K$ contains those directions if the set is convex): $(d - t) \cdot (v - x) \le 0$.
///
/// `curvature` bounds the distance by `curvature` h² |t|²; 0 for sets with flat faces.
///
/// # Panics
/// If the set knows no tangent cone, or a check fails.
#[track_caller]
pub fn check_tangent(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    curvature: f64,
    point: &[f64],
    direction: &[f64],
    others: &[Vec<f64>],
) {
    let convex = is_convex(constraint);
    let ones = vec![1.0; point.len()];
    let slack = slack(1e-11, point, others) * (1.0 + size(direction));
    let project = |x: &[f64]| {
        let mut x = x.to_vec();
        constraint.project(shape, &mut x);
        x
    };
    let at = project(point);
    let mut tangent = direction.to_vec();
    constraint.project_tangent(shape, &at, &mut tangent);

    // So short that no other face of the set is met, but by a chance of that size; of a curved set,
    // no place where it is curved as much.
    let step = if curvature == 0.0 { 1e-7 } else { 1e-8 };
    let moved: Vec<f64> = at.iter().zip(&tangent).map(|(x, t)| x + step * t).collect();
    let missed = distance(&ones, &moved, &project(&moved));
    let length = distance(&ones, &tangent, &vec![0.0; tangent.len()]);
    assert!(
        missed <= curvature * step * step * length * length + slack,
        "{constraint:?}: {tangent:?} leads {missed} out of the set at {at:?}"
    );
    let stepped: Vec<f64> = at.iter().zip(direction).map(|(x, d)| x + step * d).collect();
    let quotient: Vec<f64> =
        project(&stepped).iter().zip(&at).map(|(v, x)| (v - x) / step).collect();
    let apart = if convex {
        distance(&ones, &quotient, &tangent)
    } else {
        (distance(&ones, direction, &quotient) - distance(&ones, direction, &tangent)).abs()
    };
    assert!(
        apart <= slack / step,
        "{constraint:?}: {tangent:?} is not what {quotient:?}, {direction:?} in the set, tends to \
         at {at:?}"
    );
    let normal: Vec<f64> = direction.iter().zip(&tangent).map(|(d, t)| d - t).collect();
    let angle = dot(&ones, &normal, &tangent);
    assert!(
        angle.abs() <= slack,
        "{constraint:?}: {normal:?} is not at right angles to {tangent:?}"
    );
    if convex {
        for other in others {
            let towards: Vec<f64> = project(other).iter().zip(&at).map(|(v, x)| v - x).collect();
            let angle = dot(&ones, &normal, &towards);
            assert!(
                angle <= slack,
                "{constraint:?}: {normal:?}, taken away at {at:?}, leads into the set, towards \
                 {towards:?}"
            );
        }
    }
    let mut again = tangent.clone();
    constraint.project_tangent(shape, &at, &mut again);
    assert!(
        distance(&ones, &again, &tangent) <= slack,
        "{constraint:?}: not idempotent at direction {direction:?}"
    );
}

/// Feasible, idempotent, nearest, and for convex sets the variational inequality.
#[track_caller]
fn nearest(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    metric: &[f64],
    slack: f64,
    point: &[f64],
    others: &[Vec<f64>],
    project: &dyn Fn(&[f64]) -> Vec<f64>,
) {
    let image = project(point);
    let violation = constraint.violation(shape, &image);
    assert!(
        violation <= slack,
        "{constraint:?}: the projection of {point:?} is {violation} outside the set"
    );
    let again = project(&image);
    assert!(
        distance(metric, &image, &again) <= slack,
        "{constraint:?}: not idempotent at {point:?}"
    );
    for other in others {
        let feasible = project(other);
        assert!(
            distance(metric, point, &image) <= distance(metric, point, &feasible) + slack,
            "{constraint:?}: {feasible:?} is nearer to {point:?} than the projection {image:?}"
        );
        if is_convex(constraint) {
            let away: Vec<f64> = point.iter().zip(&image).map(|(w, p)| w - p).collect();
            let towards: Vec<f64> = feasible.iter().zip(&image).map(|(v, p)| v - p).collect();
            let angle = dot(metric, &away, &towards);
            assert!(
                angle <= slack * (1.0 + size(point)),
                "{constraint:?}: from the projection {image:?} of {point:?} one can go towards \
                 {feasible:?} and come nearer ({angle})"
            );
        }
    }
}

fn is_convex(constraint: &dyn Constraint<f64>) -> bool {
    match constraint.kind() {
        Kind::Convex => true,
        Kind::NonConvex => false,
        Kind::NotAProjection => panic!("{constraint:?} says itself that it is no projection"),
    }
}

/// What rounding is worth, for numbers of the size of these.
fn slack(tolerance: f64, point: &[f64], others: &[Vec<f64>]) -> f64 {
    let largest = others.iter().fold(size(point), |m, other| m.max(size(other)));
    tolerance * largest.max(1.0) * (point.len() as f64).max(1.0)
}

fn size(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, x| x.abs().max(m))
}

fn dot(metric: &[f64], a: &[f64], b: &[f64]) -> f64 {
    metric.iter().zip(a.iter().zip(b)).map(|(m, (a, b))| m * a * b).sum()
}

fn distance(metric: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    dot(metric, &difference, &difference).sqrt()
}

/// Checks `project_vjp` against central differences of the projection at `point`, where it has
/// derivatives: near a kink nothing is checked. The set may have entries that are always infinite.
///
/// # Panics
/// If the derivative is not known, or is not that of the differences within 1e-6 for numbers of
/// size 1.
#[track_caller]
pub fn check_project_vjp(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    point: &[f64],
    gradient: &[f64],
) {
    let project = |point: &[f64]| {
        let mut image = point.to_vec();
        constraint.project(shape, &mut image);
        image
    };
    let image = project(point);
    let kink = (0..point.len()).any(|i| {
        let [up, down] =
            [1e-5, -1e-5].map(|step| difference(&project(&moved(point, i, step)), &image));
        up.iter().zip(&down).any(|(up, down)| (up + down).abs() > 1e-8)
    });
    let mut found = gradient.to_vec();
    constraint.project_vjp(shape, point, &image, &mut found);
    if !kink {
        check_pull_back(&format!("{constraint:?} {shape}"), point, gradient, &project, &found);
    }
}

/// Checks `parametrization` at a free parameter: the value is in the set; `invert` gives a free
/// parameter of the same value; `pull_back` agrees with central differences; and after `enter` the
/// inverse of a projected point gives that point.
///
/// # Panics
/// If there is no parametrization, or a check fails by more than 1e-6 (derivatives) or 1e-12 for
/// numbers of size 1.
#[track_caller]
pub fn check_parametrization(
    constraint: &dyn Constraint<f64>,
    shape: Shape,
    free: &[f64],
    gradient: &[f64],
) {
    let map = constraint.parametrization(shape).expect("a parametrization");
    let value_of = |free: &[f64]| {
        let mut value = vec![f64::NAN; free.len()];
        map.value(shape, free, &mut value);
        value
    };
    let again = |value: &[f64], what: &str| {
        let mut back = value.to_vec();
        map.invert(shape, &mut back);
        for (again, w) in difference(&value_of(&back), value).iter().zip(value) {
            assert!(again.abs() <= 1e-12, "{map:?} {shape}: {what} {w} comes back {again} off");
        }
    };
    let w = value_of(free);
    assert_eq!(constraint.violation(shape, &w), 0.0, "{map:?} {shape} at {free:?}");
    again(&w, "the value");
    let mut start = free.to_vec();
    constraint.project(shape, &mut start);
    map.enter(shape, &mut start);
    if constraint.violation(shape, &start) == 0.0 {
        again(&start, "a start");
    }
    let mut found = gradient.to_vec();
    map.pull_back(shape, free, &w, &mut found);
    check_pull_back(&format!("{map:?} {shape}"), free, gradient, &value_of, &found);
}

/// The transposed derivative of a map, times a gradient, against central differences.
#[track_caller]
fn check_pull_back(
    name: &str,
    at: &[f64],
    gradient: &[f64],
    map: &dyn Fn(&[f64]) -> Vec<f64>,
    found: &[f64],
) {
    let h = 1e-6;
    for (i, found) in found.iter().enumerate() {
        let change = difference(&map(&moved(at, i, h)), &map(&moved(at, i, -h)));
        let expected = change.iter().zip(gradient).map(|(d, g)| d * g).sum::<f64>() / (2.0 * h);
        assert!((found - expected).abs() < 1e-6, "{name} at {at:?}: {found} is not {expected}");
    }
}

fn moved(at: &[f64], i: usize, step: f64) -> Vec<f64> {
    let mut moved = at.to_vec();
    moved[i] += step;
    moved
}

/// $a - b$, 0 where both are one infinity.
fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| if a == b { 0.0 } else { a - b }).collect()
}
