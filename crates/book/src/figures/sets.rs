//! Figures of sets in the plane: the paths of alternating projections and of Dykstra's algorithm.

use std::f64::consts::PI;

use morphograd::report::{LinePlot, PlotLine, Scale, line_plots};

use super::Figure;
use crate::experiment::distance;
use crate::experiment::dykstra::{NEAREST, Point, START, alternating, dykstra};

pub(super) fn figures() -> Vec<Figure> {
    vec![("dykstra.svg", paths())]
}

fn paths() -> String {
    let line = |name, points: &[Point], colour, dashed| PlotLine {
        name,
        points: points.iter().map(|[x, y]| (*x, *y)).collect(),
        colour,
        dashed,
    };
    let circle: Vec<Point> =
        (0..=120).map(|i| f64::from(i) * PI / 60.0).map(|t| [t.cos(), t.sin()]).collect();
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
    let curve =
        |name, points: &[Point], colour| PlotLine { name, points: far(points), colour, dashed: false };
    let distances = LinePlot {
        title: "Distance to the nearest point of both",
        x: ("projections", Scale::Linear { min: 0.0, max: 16.0 }),
        y: ("", Scale::Logarithmic),
        lines: vec![curve("alternating projections", &pocs, 2), curve("Dykstra's algorithm", &nearest, 1)],
    };
    line_plots("Alternating projections stop at another point than the nearest", &[plane, distances])
}
