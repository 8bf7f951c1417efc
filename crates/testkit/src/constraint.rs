//! What every exact projection has to pass.

use morphograd_autodiff::tensor::Shape;
use morphograd_autodiff::{Constraint, Kind};

/// Checks a projection on a closed set against its definition, at `point` with other points of the space (of the same length) to compare
/// with:
/// - the image is feasible, and a feasible point stays where it is;
/// - no other feasible point (the images of `others`) is nearer to `point`;
/// - if the set is convex, the map does not increase distances.
///
/// # Panics
/// If the constraint says that it is no projection, or one of them fails by more than a few units in the last place of numbers of the size given.
#[track_caller]
pub fn check_projection(constraint: &dyn Constraint<f64>, shape: Shape, point: &[f64], others: &[Vec<f64>]) {
    let convex = match constraint.kind() {
        Kind::Convex => true,
        Kind::NonConvex => false,
        Kind::NotAProjection => panic!("{constraint:?} says itself that it is no projection"),
    };
    let project = |x: &[f64]| {
        let mut x = x.to_vec();
        constraint.project(shape, &mut x);
        x
    };
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let size = point.iter().chain(others.iter().flatten()).fold(1.0, |m: f64, x| m.max(x.abs()));
    let slack = 1e-12 * size * (point.len() as f64).max(1.0);

    let image = project(point);
    let violation = constraint.violation(shape, &image);
    assert!(violation <= slack, "{constraint:?}: the projection of {point:?} is {violation} outside the set");
    let again = project(&image);
    assert!(distance(&image, &again) <= slack, "{constraint:?}: not idempotent at {point:?}");
    for other in others {
        let feasible = project(other);
        assert!(
            distance(point, &image) <= distance(point, &feasible) + slack,
            "{constraint:?}: {feasible:?} is nearer to {point:?} than the projection {image:?}"
        );
        if convex {
            assert!(
                distance(&image, &feasible) <= distance(point, other) + slack,
                "{constraint:?}: the distance of {point:?} and {other:?} increases"
            );
        }
    }
}
