//! The tables and figures of the experiment.

use morphograd_plot::{Axis, Line, LineChart, Panel, PanelGrid, Scale, Stroke, palette};
use serde_json::Value;

use crate::common::study::{summary, text};
use crate::common::{Outcome, figure};
use crate::networks::{Arm, Network};
use crate::pruning::SHARES;

/// The runs of a network.
type Of<'a> = dyn Fn(&Arm) -> Vec<&'a Value> + 'a;

/// Test accuracy, beside what was published.
pub(crate) fn networks(arms: &[Arm], of: &Of<'_>, data: &str) {
    println!("\nTest accuracy of the best validation epoch on {data}:");
    println!("{:24} {:>10} {:>4} {:>16} {:>16}", "", "parameters", "runs", "here", "published");
    for arm in arms {
        let found = of(arm);
        let parameters = found.first().and_then(|run| run["parameters"].as_u64()).unwrap_or(0);
        let (here, runs) = summary(&numbers(&found, |run| &run["test"]));
        let published = arm.published.map_or_else(String::new, text);
        println!("{:24} {parameters:>10} {runs:>4} {here:>16} {published:>16}", arm.name);
    }
}

/// What is inside the networks that mix, after the epochs that were looked at.
pub(crate) fn diagnosis(arms: &[Arm], of: &Of<'_>) {
    println!("\nMorphological layers of the hybrid networks, first seed, mean of the five layers:");
    println!("{:24} {:>6} {:>10} {:>10} {:>13}", "", "epoch", "inputs", "matrix", "entries used");
    for arm in arms.iter().filter(|arm| arm.network == Network::Hybrid) {
        for look in
            of(arm).first().and_then(|run| run["diagnosis"].as_array()).into_iter().flatten()
        {
            let mean = |name: &str| {
                let layers = look["layers"].as_array().map_or(&[][..], Vec::as_slice);
                let sum: f64 = layers.iter().filter_map(|layer| layer[name].as_f64()).sum();
                sum / layers.len() as f64
            };
            let (inputs, matrix, used) = (mean("inputs"), mean("matrix"), mean("used"));
            let epoch = &look["epoch"];
            println!("{:24} {epoch:>6} {inputs:>10.2} {matrix:>10.3} {used:>13.3}", arm.name);
        }
    }
}

/// A way of pruning a network: its name, where the runs have it, what was published.
type Way = (&'static str, &'static str, fn(&Value) -> &Value, Option<[f64; 6]>);

const WAYS: [Way; 4] = [
    (
        "MLP, smallest |w| to 0",
        "MLP",
        |run| &run["pruned"]["zero"],
        Some([0.7193, 0.5852, 0.3820, 0.1719, 0.1151, 0.0988]),
    ),
    (
        "MPM, smallest |w| to 0",
        "MPM",
        |run| &run["pruned"]["zero"],
        Some([0.9359, 0.9302, 0.9221, 0.9088, 0.7865, 0.6437]),
    ),
    ("MPM, farthest left out", "MPM", |run| &run["pruned"]["infinity"]["distance"], None),
    ("MPM, fewest wins left out", "MPM", |run| &run["pruned"]["infinity"]["wins"], None),
];

/// Test accuracy by the share of entries that are pruned.
pub(crate) fn pruning(arms: &[Arm], of: &Of<'_>) {
    println!("\nTest accuracy by the share of the entries that are pruned:");
    let header: String = SHARES.iter().map(|share| format!(" {share:>15}")).collect();
    println!("{:28}{header}", "");
    for (name, arm, way, published) in WAYS {
        let Some(arm) = arms.iter().find(|other| other.name == arm) else { continue };
        let found = of(arm);
        let cell = |i: usize| summary(&numbers(&found, |run| &way(run)[i])).0;
        let cells: String = (0..SHARES.len()).map(|i| format!(" {:>15}", cell(i))).collect();
        println!("{name:28}{cells}");
        if let Some(published) = published {
            let cells: String = published.iter().map(|x| format!(" {x:>15.4}")).collect();
            println!("{:28}{cells}", "   published");
        }
    }
}

/// Validation accuracy by epoch, and test accuracy by what is pruned.
pub(crate) fn figures(arms: &[Arm], of: &Of<'_>, epochs: usize) -> Outcome<()> {
    let curve = |arm: &Arm| -> Vec<(f64, f64)> {
        let found = of(arm);
        let point = |epoch: usize| {
            let values = numbers(&found, |run| &run["validation"][epoch]);
            (!values.is_empty()).then(|| (epoch as f64 + 1.0, mean(&values)))
        };
        (0..epochs).map_while(point).collect()
    };
    let panel = |title, names: &[&str]| {
        let chosen = arms.iter().filter(|arm| names.contains(&arm.name));
        let lines = (1..).zip(chosen).map(|(colour, arm)| {
            Line::new(arm.name, curve(arm), Stroke::solid(palette::colour(colour), 2.0))
        });
        let range = Scale::Linear { min: 1.0, max: epochs as f64 };
        let whole = Scale::Linear { min: 0.0, max: 1.0 };
        Panel::new(title, Axis::new("epoch", range), Axis::new("", whole), lines.collect())
    };
    let panels = vec![
        panel("What a network is made of", &["MLP", "MP", "Act-DEP, λ = 1/2", "MPM", "RMPM"]),
        panel(
            "A dense layer before each",
            &[
                "hybrid, batch 64",
                "hybrid, batch 640",
                "hybrid, batch 6400",
                "hybrid, batch 64, rate 0.0001",
            ],
        ),
    ];
    let label = "Validation accuracy of deep morphological networks";
    let grids = vec![PanelGrid::new(2, 300.0, panels)];
    figure("deep", &LineChart { width: 900.0, ..LineChart::new(label, grids) }.svg())?;

    let mut lines = Vec::new();
    for (colour, (name, arm, way, _)) in (1..).zip(WAYS) {
        let Some(arm) = arms.iter().find(|other| other.name == arm) else { continue };
        let found = of(arm);
        let point = |(i, share): (usize, &f64)| {
            let values = numbers(&found, |run| &way(run)[i]);
            (!values.is_empty()).then(|| (*share, mean(&values)))
        };
        let points = SHARES.iter().enumerate().map_while(point).collect();
        lines.push(Line::new(name, points, Stroke::solid(palette::colour(colour), 2.0)));
    }
    let x = Axis::new("share of the entries", Scale::Linear { min: 0.85, max: 0.975 });
    let y = Axis::new("", Scale::Linear { min: 0.0, max: 1.0 });
    let panel = Panel::new("Test accuracy after pruning", x, y, lines);
    let grids = vec![PanelGrid::new(1, 320.0, vec![panel])];
    let label = "Test accuracy by the share of pruned entries";
    figure("pruning", &LineChart { width: 700.0, ..LineChart::new(label, grids) }.svg())
}

/// A number of every run that has it.
fn numbers(runs: &[&Value], of: impl Fn(&Value) -> &Value) -> Vec<f64> {
    runs.iter().filter_map(|run| of(run).as_f64()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
