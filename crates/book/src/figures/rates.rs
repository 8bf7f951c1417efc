//! A figure for each theorem about rates: what was measured, the bound (dashed, in the same
//! colour), and the slopes of both in the legend.

use morphograd_plot::{Axis, Line, Panel, Scale};

use super::{Figure, chart, dashed, solid};
use crate::experiment::noise_floor::{self, Way};
use crate::experiment::{Rate, alternatives, metric, nonconvex, smooth, stochastic, subgradient};

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
        ("noise-floor.svg", floor()),
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

fn logarithmic(label: &str) -> Axis<'_> {
    Axis::new(label, Scale::Logarithmic)
}

/// The steps from 0 on.
fn steps(last: u64) -> Axis<'static> {
    Axis::new("step k", Scale::Linear { min: 0.0, max: last as f64 })
}

fn power(title: &str, y: &str, rate: &Rate) -> String {
    let [measured, bound] = rate.exponents(FROM);
    let names = [format!("measured: slope {measured:.2}"), format!("bound: slope {bound:.2}")];
    let lines = pair(rate, [&names[0], &names[1]], 1);
    let panel = Panel::new(title, logarithmic("step k"), logarithmic(y), lines);
    chart(&format!("{title}: {}, {}", names[0], names[1]).replace('−', "-"), vec![panel])
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
    let (x, y) = (logarithmic("step k"), logarithmic("f(w) − f(w*)"));
    let panel = Panel::new(title, x, y, lines.collect());
    let label = format!("{title}: {}, {}", names[0][0], names[1][0]);
    chart(&label.replace('−', "-"), vec![panel])
}

fn linear(rate: &Rate) -> String {
    let [measured, bound] = rate.factors(50.0);
    let names = [
        format!("measured: factor {measured:.4} a step"),
        format!("bound: factor {bound:.4} a step"),
    ];
    let lines = pair(rate, [&names[0], &names[1]], 1);
    let title = "Distance to the solution, strongly convex";
    let panel = Panel::new(title, steps(400), logarithmic("‖w − w*‖"), lines);
    chart(&format!("Distance to the solution: {}, {}", names[0], names[1]), vec![panel])
}

fn stochastic() -> String {
    let constant = [0.4, 0.1, 0.025].map(|step| stochastic::constant(step, 2000));
    let falling = stochastic::falling(2000);
    let [measured, bound] = falling.exponents(FROM);
    let last =
        [format!("step 1/(μ(k + κ)): slope {measured:.2}"), format!("bound: slope {bound:.2}")];
    let lines = constant.iter().zip(1..).flat_map(|(rate, i)| pair(rate, [&rate.name, ""], i));
    let panel = |title, y, lines| Panel::new(title, logarithmic("step k"), logarithmic(y), lines);
    let panels = vec![
        panel("Constant step", "mean of ‖w − w*‖²", lines.collect()),
        panel("Step of one over k", "", pair(&falling, [&last[0], &last[1]], 4)),
    ];
    chart("Mean square distance to the solution with noise, and the bounds (dashed)", panels)
}

fn floor() -> String {
    let ways = [
        (Way::Constant, "constant step"),
        (Way::Falling, "falling step"),
        (Way::Averaged, "falling step, averaged gradient"),
    ];
    let floors = ways.map(|(way, name)| (name, noise_floor::run(way, 10_000)));
    let panel = |title, y, points: fn(&noise_floor::Floor) -> &Vec<(f64, f64)>| {
        let lines = floors.iter().zip(1..);
        let lines = lines.map(|((name, floor), i)| solid(name, points(floor).clone(), i));
        Panel::new(title, logarithmic("step k"), logarithmic(y), lines.collect())
    };
    let panels = vec![
        panel("Of the fixed step 1/(2L)", "mean of ‖G‖²", |floor| &floor.fixed),
        panel("Of the step's own length", "", |floor| &floor.own),
    ];
    chart("Mean square of the gradient mapping with noise, for three ways to step", panels)
}

fn adam() -> String {
    const STEPS: u64 = 1000;
    let line = |name, mut points: Vec<(f64, f64)>, colour| {
        points.retain(|(_, gap)| *gap > 1e-12);
        solid(name, points, colour)
    };
    let lines = vec![
        line("projected gradient", metric::gradient(STEPS), 1),
        line("Adam, then the Euclidean projection", metric::adam(STEPS), 2),
        line("Adam, then the projection in its metric", metric::adam_in_metric(STEPS), 3),
    ];
    let panel = Panel::new("Gap on a plane", steps(STEPS), logarithmic("f(w) − f(w*)"), lines);
    chart(
        "Adam with the Euclidean projection does not move; projected gradient and Adam in its own \
         metric converge",
        vec![panel],
    )
}

fn penalty() -> String {
    let distances = alternatives::penalty();
    let slope = distances.exponents(1.0);
    let values = alternatives::reparametrized(1000);
    let [measured, _] = values.exponents(FROM);
    let names = [
        format!("distance to the set: slope {:.2}", slope[0]),
        format!("bound M/ρ: slope {:.2}", slope[1]),
        format!("weight w = exp(θ): slope {measured:.2}"),
        "1/(ηk + 1/w₀)".to_owned(),
    ];
    let panel = |title, x, lines| Panel::new(title, logarithmic(x), logarithmic(""), lines);
    let panels = vec![
        panel("Penalty: minimizers", "weight ρ", pair(&distances, [&names[0], &names[1]], 1)),
        panel(
            "Reparametrization: a weight that should be 0",
            "step k",
            pair(&values, [&names[2], &names[3]], 2),
        ),
    ];
    chart(
        "How far penalized minimizers are from the set, and how slowly a reparametrized weight \
         reaches 0",
        panels,
    )
}

/// The measurement and its bound.
fn pair(rate: &Rate, [measured, bound]: [&str; 2], colour: usize) -> Vec<Line<'static>> {
    vec![dashed(bound, rate.bound.clone(), colour), solid(measured, rate.measured.clone(), colour)]
}
