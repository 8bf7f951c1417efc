//! A figure for each theorem about rates: what was measured, the bound (dashed, in the same
//! colour), and the slopes of both in the legend.

use morphograd::report::{LinePlot, PlotLine, Scale, line_plots};

use super::Figure;
use crate::experiment::{Rate, alternatives, metric, nonconvex, smooth, stochastic, subgradient};

const LOG: Scale = Scale::Logarithmic;

pub(super) fn figures() -> Vec<Figure> {
    vec![
        (
            "rate-convex.svg",
            power("Gap of projected gradient", "f(w) − f(w*)", &smooth::convex(10_000)),
        ),
        ("rate-accelerated.svg", accelerated()),
        ("rate-strongly-convex.svg", linear(&smooth::strongly_convex(400))),
        (
            "rate-subgradient.svg",
            power(
                "Smallest gap of the projected subgradient method",
                "f(w) − f(w*)",
                &subgradient::convex(10_000),
            ),
        ),
        ("rate-stochastic.svg", stochastic()),
        (
            "rate-nonconvex.svg",
            power(
                "Smallest gradient mapping",
                "norm of the gradient mapping",
                &nonconvex::gradient_mapping(10_000),
            ),
        ),
        ("adam-and-the-projection.svg", adam()),
        (
            "rate-frank-wolfe.svg",
            power(
                "Gap of the method of Frank and Wolfe",
                "f(w) − f(w*)",
                &alternatives::frank_wolfe(800),
            ),
        ),
        ("penalty-and-reparametrization.svg", penalty()),
    ]
}

/// Slopes are fitted from here on: before, constants matter more than the rate.
const FROM: f64 = 30.0;

fn power(title: &str, y: &'static str, rate: &Rate) -> String {
    let [measured, bound] = rate.exponents(FROM);
    let names = [format!("measured: slope {measured:.2}"), format!("bound: slope {bound:.2}")];
    let plot = LinePlot {
        title,
        x: ("step k", LOG),
        y: (y, LOG),
        lines: pair(rate, [&names[0], &names[1]], 1),
    };
    line_plots(&format!("{title}: {}, {}", names[0], names[1]).replace('−', "-"), &[plot])
}

fn accelerated() -> String {
    let rates = smooth::accelerated(1000);
    let names: Vec<[String; 2]> = rates
        .iter()
        .map(|rate| {
            let [measured, bound] = rate.exponents(FROM);
            [
                format!("{}: slope {measured:.2}", rate.name),
                format!("bounds of both: slope {bound:.2}"),
            ]
        })
        .collect();
    let title = "Gap of the accelerated methods";
    let lines = rates.iter().zip(&names).enumerate();
    let lines = lines.flat_map(|(i, (rate, names))| {
        // Bounds of one slope have one entry in the legend.
        pair(rate, [&names[0], if i == 0 { &names[1] } else { "" }], i + 1)
    });
    let plot =
        LinePlot { title, x: ("step k", LOG), y: ("f(w) − f(w*)", LOG), lines: lines.collect() };
    line_plots(&format!("{title}: {}, {}", names[0][0], names[1][0]).replace('−', "-"), &[plot])
}

fn linear(rate: &Rate) -> String {
    let [measured, bound] = rate.factors(50.0);
    let names = [
        format!("measured: factor {measured:.4} a step"),
        format!("bound: factor {bound:.4} a step"),
    ];
    let plot = LinePlot {
        title: "Distance to the solution, strongly convex",
        x: ("step k", Scale::Linear { min: 0.0, max: 400.0 }),
        y: ("‖w − w*‖", LOG),
        lines: pair(rate, [&names[0], &names[1]], 1),
    };
    line_plots(&format!("Distance to the solution: {}, {}", names[0], names[1]), &[plot])
}

fn stochastic() -> String {
    let constant = [0.4, 0.1, 0.025].map(|step| stochastic::constant(step, 2000));
    let falling = stochastic::falling(2000);
    let [measured, bound] = falling.exponents(FROM);
    let names: Vec<String> = constant.iter().map(|rate| rate.name.clone()).collect();
    let last =
        [format!("step 1/(μ(k + κ)): slope {measured:.2}"), format!("bound: slope {bound:.2}")];
    let mut lines = Vec::new();
    for (i, (rate, name)) in constant.iter().zip(&names).enumerate() {
        lines.extend(pair(rate, [name, ""], i + 1));
    }
    let scale = |label| (label, LOG);
    let plots = [
        LinePlot {
            title: "Constant step",
            x: scale("step k"),
            y: scale("mean of ‖w − w*‖²"),
            lines,
        },
        LinePlot {
            title: "Step of one over k",
            x: scale("step k"),
            y: scale(""),
            lines: pair(&falling, [&last[0], &last[1]], 4),
        },
    ];
    line_plots("Mean square distance to the solution with noise, and the bounds (dashed)", &plots)
}

fn adam() -> String {
    const STEPS: u64 = 1000;
    let line = |name, points: Vec<(f64, f64)>, colour| PlotLine {
        name,
        points: points.into_iter().filter(|(_, gap)| *gap > 1e-12).collect(),
        colour,
        dashed: false,
    };
    let lines = vec![
        line("projected gradient", metric::gradient(STEPS), 1),
        line("Adam, then the Euclidean projection", metric::adam(STEPS), 2),
        line("Adam, then the projection in its metric", metric::adam_in_metric(STEPS), 3),
    ];
    let x = ("step k", Scale::Linear { min: 0.0, max: STEPS as f64 });
    let plot = LinePlot { title: "Gap on a plane", x, y: ("f(w) − f(w*)", LOG), lines };
    line_plots(
        "Adam with the Euclidean projection does not move; projected gradient and Adam in its own \
         metric converge",
        &[plot],
    )
}

fn penalty() -> String {
    let distances = alternatives::penalty();
    let slope = distances.exponents(1.0);
    let values = alternatives::reparametrized(1000);
    let [measured, _] = values.exponents(FROM);
    let names = [
        format!("distance to the set: slope {:.2}", slope[0]),
        format!("bound 2M/ρ: slope {:.2}", slope[1]),
        format!("weight w = exp(θ): slope {measured:.2}"),
        "1/(ηk + 1/w₀)".to_owned(),
    ];
    let plots = [
        LinePlot {
            title: "Penalty: minimizers",
            x: ("weight ρ", LOG),
            y: ("", LOG),
            lines: pair(&distances, [&names[0], &names[1]], 1),
        },
        LinePlot {
            title: "Reparametrization: a weight that should be 0",
            x: ("step k", LOG),
            y: ("", LOG),
            lines: pair(&values, [&names[2], &names[3]], 2),
        },
    ];
    line_plots(
        "How far penalized minimizers are from the set, and how slowly a reparametrized weight \
         reaches 0",
        &plots,
    )
}

/// The measurement and its bound.
fn pair<'a>(rate: &Rate, names: [&'a str; 2], colour: usize) -> Vec<PlotLine<'a>> {
    vec![
        PlotLine { name: names[1], points: rate.bound.clone(), colour, dashed: true },
        PlotLine { name: names[0], points: rate.measured.clone(), colour, dashed: false },
    ]
}
