//! The book's figures, all of them: computed by the experiments of this crate, or drawn from a
//! training of the tutorial's network. A test compares what stands in `docs/images` with what is
//! computed now.

mod rates;
mod sets;
mod signals;
mod tutorial;

use std::path::Path;

use morphograd::apply::contact_sheet;
use morphograd::data::Dataset;
use morphograd::run::RunError;
use morphograd_plot::{Line, LineChart, Panel, PanelGrid, Stroke, palette};

/// A figure's file name in `docs/images`, and its SVG.
pub type Figure = (&'static str, String);

/// The figures that take no training, in seconds.
pub fn computed() -> Vec<Figure> {
    let mut figures = rates::figures();
    figures.extend(sets::figures());
    figures.extend(signals::figures());
    figures.push(("operators.svg", contact_sheet().expect("the examples of the table")));
    figures.push(("published.svg", tutorial::published()));
    figures
}

/// The figures of the tutorial: its four runs, trained on the embedded digits. Their files go into
/// a new folder in `base`.
///
/// # Errors
/// If the folder cannot be written into.
pub fn trained(base: &Path) -> Result<Vec<Figure>, RunError> {
    tutorial::trained(base)
}

/// The figure of the ways to enforce a constraint: thirty runs on a data set, which its page takes
/// to be MNIST.
///
/// # Errors
/// If the data cannot be used or the folder cannot be written into.
pub fn enforced(dataset: Dataset, base: &Path) -> Result<Figure, RunError> {
    tutorial::enforced(dataset, base)
}

/// Two panels in a row; one alone is not drawn wider than it has to be to be read.
fn chart(label: &str, panels: Vec<Panel<'_>>) -> String {
    let columns = panels.len().min(2);
    let grids = vec![PanelGrid::new(columns, 320.0, panels)];
    let chart = LineChart::new(label, grids);
    if columns == 1 { LineChart { width: 700.0, ..chart }.svg() } else { chart.svg() }
}

/// What was computed, in a colour by its number: 0 is black.
fn solid(name: &str, points: Vec<(f64, f64)>, colour: usize) -> Line<'static> {
    Line::new(name, points, Stroke::solid(palette::colour(colour), 2.2))
}

/// What it is compared with.
fn dashed(name: &str, points: Vec<(f64, f64)>, colour: usize) -> Line<'static> {
    Line::new(name, points, Stroke::dashed(palette::colour(colour)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not a number, and the numbers.
    fn parts(svg: &str) -> (String, Vec<f64>) {
        let mut words = String::new();
        let mut numbers = Vec::new();
        for token in svg.split_inclusive(|c: char| !c.is_ascii_digit() && !".-".contains(c)) {
            let number = token.trim_end_matches(|c: char| !c.is_ascii_digit() && !".-".contains(c));
            match number.parse() {
                Ok(value) => numbers.push(value),
                Err(_) => words += number,
            }
            words += &token[number.len()..];
        }
        (words, numbers)
    }

    #[test]
    fn the_figures_in_the_book_are_those_of_the_code() {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
        for (name, svg) in computed() {
            let there = std::fs::read_to_string(images.join(name)).unwrap_or_else(|error| {
                panic!("{name}: {error}; run `cargo xtask book --figures`")
            });
            let ((words, numbers), (old_words, old_numbers)) = (parts(&svg), parts(&there));
            assert!(words == old_words, "{name}: differs; run `cargo xtask book --figures`");
            // Logarithms and cosines differ between systems in their last digits, which a
            // coordinate of two decimals can show.
            let far =
                numbers.iter().zip(&old_numbers).find(|(new, old)| (*new - *old).abs() > 0.25);
            assert!(
                numbers.len() == old_numbers.len() && far.is_none(),
                "{name}: {far:?}; run `cargo xtask book --figures`"
            );
        }
    }
}
