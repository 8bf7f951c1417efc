//! Alternating projections against Dykstra's algorithm on two sets in the plane: both find a point of the intersection, and only the second
//! finds the nearest.

/// A point of the plane.
pub type Point = [f64; 2];

/// Projection on the unit disk.
fn disk([x, y]: Point) -> Point {
    let norm = x.hypot(y);
    if norm > 1.0 { [x / norm, y / norm] } else { [x, y] }
}

/// Projection on the upper half-plane.
fn half_plane([x, y]: Point) -> Point {
    [x, y.max(0.0)]
}

/// Where both methods start. The nearest point of the upper half of the disk is [`NEAREST`]: what is left, (0.4, -1), points out of both
/// sets there.
pub const START: Point = [1.4, -1.0];

/// The projection of [`START`] on the intersection.
pub const NEAREST: Point = [1.0, 0.0];

/// The points of alternating projections, the start and then one a projection.
pub fn alternating(sweeps: usize) -> Vec<Point> {
    let mut points = vec![START];
    let mut x = START;
    for _ in 0..sweeps {
        for project in [disk, half_plane] {
            x = project(x);
            points.push(x);
        }
    }
    points
}

/// The points of Dykstra's algorithm: before each projection, what that set's last projection has taken away is given back.
pub fn dykstra(sweeps: usize) -> Vec<Point> {
    let mut points = vec![START];
    let mut x = START;
    let mut corrections = [[0.0; 2]; 2];
    for _ in 0..sweeps {
        for (project, correction) in [disk, half_plane].into_iter().zip(&mut corrections) {
            let y = [x[0] + correction[0], x[1] + correction[1]];
            x = project(y);
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

    #[test]
    fn only_dykstra_finds_the_nearest_point() {
        let [alternating, dykstra] = [alternating(2000), dykstra(2000)].map(|points| *points.last().unwrap());
        assert!(distance(&dykstra, &NEAREST) < 1e-3, "{dykstra:?}");
        assert!(distance(&alternating, &NEAREST) > 0.1, "{alternating:?}");
        assert!(alternating[0].hypot(alternating[1]) <= 1.0 + 1e-12 && alternating[1] >= 0.0);
    }
}
