//! Alternating projections against Dykstra's algorithm on two sets in the plane: both find a point
//! of the intersection, and only the second finds the nearest.

use morphograd::morphology::nn::autodiff::sets::Constraint;
use morphograd::morphology::nn::sets::{Halfspace, L2Ball};

/// A point of the plane.
pub type Point = [f64; 2];

/// The unit disk.
const DISK: L2Ball = L2Ball { radius: 1.0 };

/// The upper half-plane.
fn half_plane() -> Halfspace {
    Halfspace { normal: vec![0.0, -1.0], offset: 0.0 }
}

fn project(set: &dyn Constraint<f64>, mut point: Point) -> Point {
    set.project([2].into(), &mut point);
    point
}

/// Where both methods start. The nearest point of the upper half of the disk is [`NEAREST`]: what
/// is left, (0.4, -1), points out of both sets there.
pub const START: Point = [1.4, -1.0];

/// The projection of [`START`] on the intersection.
pub const NEAREST: Point = [1.0, 0.0];

/// The points of alternating projections, the start and then one a projection.
pub fn alternating(sweeps: usize) -> Vec<Point> {
    let mut points = vec![START];
    let mut x = START;
    let sets: [&dyn Constraint<f64>; 2] = [&DISK, &half_plane()];
    for _ in 0..sweeps {
        for set in sets {
            x = project(set, x);
            points.push(x);
        }
    }
    points
}

/// The points of Dykstra's algorithm: before each projection, what that set's last projection has
/// taken away is given back.
pub fn dykstra(sweeps: usize) -> Vec<Point> {
    let mut points = vec![START];
    let mut x = START;
    let mut corrections = [[0.0; 2]; 2];
    let sets: [&dyn Constraint<f64>; 2] = [&DISK, &half_plane()];
    for _ in 0..sweeps {
        for (set, correction) in sets.into_iter().zip(&mut corrections) {
            let y = [x[0] + correction[0], x[1] + correction[1]];
            x = project(set, y);
            *correction = [y[0] - x[0], y[1] - x[1]];
            points.push(x);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::distance;
    use morphograd::morphology::nn::sets::Intersection;

    #[test]
    fn the_points_after_whole_sweeps_are_those_of_the_library() {
        let points = dykstra(20);
        for sweeps in 1..=20 {
            let both =
                Intersection { tolerance: 0.0, sweeps, ..Intersection::of(DISK).and(half_plane()) };
            let mut point = START;
            both.project_with_proof([2].into(), &mut point);
            assert!(distance(&point, &points[2 * sweeps]) < 1e-12, "{sweeps}: {point:?}");
        }
    }

    #[test]
    fn only_dykstra_finds_the_nearest_point() {
        let [alternating, dykstra] =
            [alternating(2000), dykstra(2000)].map(|points| *points.last().unwrap());
        assert!(distance(&dykstra, &NEAREST) < 1e-3, "{dykstra:?}");
        assert!(distance(&alternating, &NEAREST) > 0.1, "{alternating:?}");
        let found = project(&Intersection::of(DISK).and(half_plane()), START);
        assert!(distance(&found, &NEAREST) < 1e-6, "{found:?}");
        assert!(alternating[0].hypot(alternating[1]) <= 1.0 + 1e-12 && alternating[1] >= 0.0);
    }
}
