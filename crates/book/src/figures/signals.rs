//! Figures of the max-plus chapters: a signal, its dilation and erosion, what opening and closing
//! leave, and a kernel that is found from images.

use morphograd::morphology::nn::tensor::{ShapeError, Tensor, Window2d};
use morphograd::morphology::{closing2d, dilation2d, erosion2d, evaluate, opening2d};
use morphograd_plot::{Axis, Line, Panel, Scale};

use super::{Figure, chart, dashed, solid};
use crate::experiment::identification::{Loss, Problem};

const LENGTH: usize = 96;
const SIZE: usize = 9;

pub(super) fn figures() -> Vec<Figure> {
    vec![
        ("signal.svg", signal().expect("shapes that fit")),
        ("identification.svg", identification()),
    ]
}

fn identification() -> String {
    const STEPS: u64 = 5000;
    let problem = Problem::new();
    let start = || Tensor::zeros([5, 5, 1]);
    let (_, proof) = problem.best();
    let squares = problem.trained(Loss::MeanSquare, start(), STEPS);
    let largest = problem.trained(Loss::Largest, start(), STEPS);
    let bound = vec![(1.0, proof.error), (STEPS as f64, proof.error)];
    let lines = vec![
        solid("trained on the mean square", squares, 1),
        solid("trained on the largest error", largest, 2),
        dashed("the least there is", bound, 0),
    ];
    let x = Axis::new("step k", Scale::Logarithmic);
    let y = Axis::new("largest error so far", Scale::Logarithmic);
    let title = "A kernel found from an image";
    chart(title, vec![Panel::new(title, x, y, lines)])
}

fn signal() -> Result<String, ShapeError> {
    let image = Tensor::<f64>::from_fn([1, 1, LENGTH, 1], |i| {
        let t = i as f64 / LENGTH as f64;
        let peak = |at: f64, width: f64| (-((t - at) / width).powi(2)).exp();
        0.5 + 0.25 * peak(0.2, 0.09) - 0.3 * peak(0.55, 0.12) + 0.35 * peak(0.38, 0.012)
            - 0.25 * peak(0.75, 0.014)
            + 0.2 * peak(0.9, 0.05)
    });
    // A parabola with its top at 0: the result is never below the signal.
    let radius = (SIZE / 2) as f64;
    let kernel =
        Tensor::<f64>::from_fn([1, SIZE, 1], |i| -0.08 * ((i as f64 - radius) / radius).powi(2));
    let window = Window2d::new([1, SIZE]).same();
    let (x, w) = (image.view(), kernel.view());
    let dilated = evaluate([x, w], |graph, [x, w]| dilation2d(graph, x, w, window))?;
    let eroded = evaluate([x, w], |graph, [x, w]| erosion2d(graph, x, w, window))?;
    let opened = evaluate([x, w], |graph, [x, w]| opening2d(graph, x, w, window))?;
    let closed = evaluate([x, w], |graph, [x, w]| closing2d(graph, x, w, window))?;
    let points = |tensor: &Tensor<f64>| {
        tensor.data().iter().enumerate().map(|(i, y)| (i as f64, *y)).collect()
    };
    let panel = |title, results: [(&str, &Tensor<f64>, usize); 2]| {
        let results = results.map(|(name, tensor, colour)| solid(name, points(tensor), colour));
        let mut lines: Vec<Line<'_>> = results.into();
        lines.push(dashed("signal", points(&image), 0));
        let x = Axis::new("", Scale::Linear { min: 0.0, max: (LENGTH - 1) as f64 });
        let y = Axis::new("", Scale::Linear { min: 0.1, max: 1.1 });
        Panel::new(title, x, y, lines)
    };
    let panels = vec![
        panel("Dilation and erosion", [("dilation", &dilated, 2), ("erosion", &eroded, 1)]),
        panel("Closing and opening", [("closing", &closed, 4), ("opening", &opened, 3)]),
    ];
    Ok(chart(
        "A signal between its erosion and its dilation, and between its opening and its closing",
        panels,
    ))
}
