//! Figures of the max-plus chapters: a signal, its dilation and erosion, and what opening and
//! closing leave.

use morphograd::morphology::nn::tensor::{Padding, ShapeError, Tensor, Window2d};
use morphograd::morphology::{closing2d, dilation2d, erosion2d, evaluate, opening2d};
use morphograd::report::{LinePlot, PlotLine, Scale, line_plots};

use super::Figure;

const LENGTH: usize = 96;
const SIZE: usize = 9;

pub(super) fn figures() -> Vec<Figure> {
    vec![("signal.svg", signal().expect("shapes that fit"))]
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
    let window = Window2d { size: [1, SIZE], padding: Padding::Same, ..Window2d::default() };
    let (x, w) = (image.view(), kernel.view());
    let dilated = evaluate([x, w], |graph, [x, w]| dilation2d(graph, x, w, window))?;
    let eroded = evaluate([x, w], |graph, [x, w]| erosion2d(graph, x, w, window))?;
    let opened = evaluate([x, w], |graph, [x, w]| opening2d(graph, x, w, window))?;
    let closed = evaluate([x, w], |graph, [x, w]| closing2d(graph, x, w, window))?;
    let line = |name, tensor: &Tensor<f64>, colour, dashed| PlotLine {
        name,
        points: tensor.data().iter().enumerate().map(|(i, y)| (i as f64, *y)).collect(),
        colour,
        dashed,
    };
    let plot = |title, lines| LinePlot {
        title,
        x: ("", Scale::Linear { min: 0.0, max: (LENGTH - 1) as f64 }),
        y: ("", Scale::Linear { min: 0.1, max: 1.1 }),
        lines,
    };
    let plots = [
        plot(
            "Dilation and erosion",
            vec![
                line("dilation", &dilated, 2, false),
                line("erosion", &eroded, 1, false),
                line("signal", &image, 0, true),
            ],
        ),
        plot(
            "Closing and opening",
            vec![
                line("closing", &closed, 4, false),
                line("opening", &opened, 3, false),
                line("signal", &image, 0, true),
            ],
        ),
    ];
    Ok(line_plots(
        "A signal between its erosion and its dilation, and between its opening and its closing",
        &plots,
    ))
}
