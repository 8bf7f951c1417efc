//! Figures of sets in the plane: points and their projections, and the paths of alternating
//! projections and of Dykstra's algorithm. The projections are those of the library; only the
//! outlines are drawn by hand.

use std::f64::consts::PI;

use morphograd::morphology::nn::autodiff::sets::Constraint;
use morphograd::morphology::nn::sets::{Halfspace, Isotonic, L1Ball, L2Ball, LInfBall, Simplex};
use morphograd::report::{LinePlot, PlotLine, Scale, line_plots};

use super::Figure;
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
    let dot = |name, point: Point, colour| PlotLine {
        name,
        points: vec![point.into()],
        colour,
        dashed: false,
    };
    let panels: Vec<_> = sets
        .iter()
        .map(|(title, set, outline)| {
            let outline = outline.iter().map(|point| (*point).into()).collect();
            let mut lines = vec![PlotLine {
                name: "boundary of the set",
                points: outline,
                colour: 0,
                dashed: true,
            }];
            for angle in (0..12).map(|i| (f64::from(i) + 0.3) * PI / 6.0) {
                let point = [1.5 * angle.cos(), 1.5 * angle.sin()];
                let mut image = point;
                set.project([2].into(), &mut image);
                if image != point {
                    let points = vec![point.into(), image.into()];
                    lines.push(PlotLine { name: "", points, colour: 1, dashed: false });
                }
                lines.push(dot("point", point, 1));
                lines.push(dot("its projection", image, 2));
            }
            LinePlot {
                title,
                x: ("", Scale::Linear { min: -2.05, max: 2.05 }),
                y: ("", Scale::Linear { min: -1.6, max: 1.6 }),
                lines,
            }
        })
        .collect();
    line_plots("Points of the plane and their projections on six convex sets", &panels)
}

fn paths() -> String {
    let line = |name, points: &[Point], colour, dashed| PlotLine {
        name,
        points: points.iter().map(|[x, y]| (*x, *y)).collect(),
        colour,
        dashed,
    };
    let circle = circle();
    let (pocs, nearest) = (alternating(8), dykstra(8));
    let plane = LinePlot {
        title: "A disk and the half-plane above 0",
        x: ("", Scale::Linear { min: 0.3, max: 1.7 }),
        y: ("", Scale::Linear { min: -1.05, max: 0.0427 }),
        lines: vec![
            line("the sets", &circle, 0, true),
            line("", &[[0.0, 0.0], [2.0, 0.0]], 0, true),
            line("alternating projections", &pocs, 2, false),
            line("Dykstra's algorithm", &nearest, 1, false),
            line("", &pocs[pocs.len() - 1..], 2, false),
            line("", &[START], 0, false),
        ],
    };
    let far = |points: &[Point]| -> Vec<(f64, f64)> {
        points.iter().enumerate().map(|(k, point)| (k as f64, distance(point, &NEAREST))).collect()
    };
    let curve = |name, points: &[Point], colour| PlotLine {
        name,
        points: far(points),
        colour,
        dashed: false,
    };
    let distances = LinePlot {
        title: "Distance to the nearest point of both",
        x: ("projections", Scale::Linear { min: 0.0, max: 16.0 }),
        y: ("", Scale::Logarithmic),
        lines: vec![
            curve("alternating projections", &pocs, 2),
            curve("Dykstra's algorithm", &nearest, 1),
        ],
    };
    line_plots(
        "Alternating projections stop at another point than the nearest",
        &[plane, distances],
    )
}
