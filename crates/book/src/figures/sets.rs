//! Figures of sets in the plane: points and their projections, and the paths of alternating
//! projections and of Dykstra's algorithm. The projections are those of the library; only the
//! outlines are drawn by hand.

use std::f64::consts::PI;

use morphograd::morphology::nn::sets::{
    Constraint, Halfspace, Isotonic, L1Ball, L2Ball, LInfBall, Simplex,
};
use morphograd_plot::{Axis, Line, Panel, Scale};

use super::{Figure, chart, dashed, solid};
use crate::experiment::distance;
use crate::experiment::dykstra::{NEAREST, Point, START, alternating, dykstra};

pub(super) fn figures() -> Vec<Figure> {
    vec![("dykstra.svg", paths()), ("projections.svg", projections())]
}

/// The unit circle.
fn circle() -> Vec<Point> {
    (0..=120).map(|i| f64::from(i) * PI / 60.0).map(|t| [t.cos(), t.sin()]).collect()
}

/// A set, what it is called, and its boundary.
type Outlined = (&'static str, Box<dyn Constraint<f64>>, Vec<Point>);

/// Twelve points around six sets, each with a line to its projection.
fn projections() -> String {
    let sets: [Outlined; 6] = [
        (
            "Simplex: x, y ≥ 0, x + y = 1",
            Box::new(Simplex { sum: 1.0 }),
            vec![[0.0, 1.0], [1.0, 0.0]],
        ),
        (
            "L1Ball: |x| + |y| ≤ 1",
            Box::new(L1Ball { radius: 1.0 }),
            vec![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]],
        ),
        ("L2Ball: x² + y² ≤ 1", Box::new(L2Ball { radius: 1.0 }), circle()),
        (
            "LInfBall: |x|, |y| ≤ 1",
            Box::new(LInfBall { radius: 1.0 }),
            vec![[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]],
        ),
        (
            "Halfspace: x + 2y ≤ 1",
            Box::new(Halfspace { normal: vec![1.0, 2.0], offset: 1.0 }),
            vec![[-2.05, 1.525], [2.05, -0.525]],
        ),
        ("Isotonic: x ≤ y", Box::new(Isotonic::NonDecreasing), vec![[-1.6, -1.6], [1.6, 1.6]]),
    ];
    let range = |half: f64| Axis::new("", Scale::Linear { min: -half, max: half });
    let panel = |(title, set, outline): &Outlined| {
        let mut lines = vec![dashed("boundary of the set", pairs(outline), 0)];
        for angle in (0..12).map(|i| (f64::from(i) + 0.3) * PI / 6.0) {
            let point = [1.5 * angle.cos(), 1.5 * angle.sin()];
            let mut image = point;
            set.project([2].into(), &mut image);
            if image != point {
                lines.push(solid("", pairs(&[point, image]), 1));
            }
            lines.push(solid("point", pairs(&[point]), 1));
            lines.push(solid("its projection", pairs(&[image]), 2));
        }
        Panel::new(title, range(2.05), range(1.6), lines)
    };
    let panels = sets.iter().map(panel).collect();
    chart("Points of the plane and their projections on six convex sets", panels)
}

fn paths() -> String {
    let (pocs, nearest) = (alternating(8), dykstra(8));
    let lines = vec![
        dashed("the sets", pairs(&circle()), 0),
        dashed("", pairs(&[[0.0, 0.0], [2.0, 0.0]]), 0),
        solid("alternating projections", pairs(&pocs), 2),
        solid("Dykstra's algorithm", pairs(&nearest), 1),
        solid("", pairs(&pocs[pocs.len() - 1..]), 2),
        solid("", pairs(&[START]), 0),
    ];
    let x = Axis::new("", Scale::Linear { min: 0.3, max: 1.7 });
    let y = Axis::new("", Scale::Linear { min: -1.05, max: 0.0427 });
    let plane = Panel::new("A disk and the half-plane above 0", x, y, lines);
    let curve = |name, points: &[Point], colour| -> Line<'_> {
        let far = points.iter().enumerate();
        solid(name, far.map(|(k, point)| (k as f64, distance(point, &NEAREST))).collect(), colour)
    };
    let lines =
        vec![curve("alternating projections", &pocs, 2), curve("Dykstra's algorithm", &nearest, 1)];
    let x = Axis::new("projections", Scale::Linear { min: 0.0, max: 16.0 });
    let y = Axis::new("", Scale::Logarithmic);
    let distances = Panel::new("Distance to the nearest point of both", x, y, lines);
    chart("Alternating projections stop at another point than the nearest", vec![plane, distances])
}

fn pairs(points: &[Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (*point).into()).collect()
}
