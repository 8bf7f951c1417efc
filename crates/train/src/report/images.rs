//! The figures of one run that are made of cells: learned filters, their wins and their outputs,
//! and the confusion matrix.

use morphograd_plot::{Cell, ColourBar, ConfusionMatrix, ImageGrid, Tile, palette};

use crate::record::RunRecord;

/// Tiles in a row; the tutorial's eight filters fit in one.
const COLUMNS: usize = 8;

/// The learned structuring functions, red below 0 and blue above, on one symmetric scale for all of
/// them.
pub(super) fn filters(run: &RunRecord) -> String {
    let gallery = &run.filters;
    let limit = gallery
        .data
        .iter()
        .filter(|value| value.is_finite())
        .fold(0.0_f64, |limit, value| limit.max(value.abs().into()));
    let scale = if limit > 0.0 { limit } else { 1.0 };
    let tiles = gallery.images().zip(1..).map(|(image, filter)| {
        Tile::heat_map(filter.to_string(), gallery.width, &wide(image), |row, column, value| {
            let title = format!("filter {filter}, row {row}, column {column}: {value:.4}");
            Cell::new(palette::diverging(value / scale), title)
        })
    });
    ImageGrid {
        label: &format!("Filters learned by {}, seed {}", run.variant, run.seed),
        columns: COLUMNS,
        lead: None,
        tiles: tiles.collect(),
        colours: Some(ColourBar::Diverging { limit: scale }),
    }
    .svg()
}

/// What the entries of the structuring functions won, from white to dark red by their share of the
/// filter's outputs; a cross is a dead entry.
pub(super) fn wins(run: &RunRecord) -> String {
    let gallery = &run.wins;
    let tiles = gallery.images().zip(1..).map(|(image, filter)| {
        let wins = wide(image);
        let all: f64 = wins.iter().sum();
        let share = |wins: f64| if all > 0.0 { wins / all } else { 0.0 };
        let dead = wins.iter().filter(|wins| **wins == 0.0).count();
        let largest = wins.iter().fold(0.0, |largest: f64, wins| share(*wins).max(largest));
        let cell = |row, column, wins| {
            let title = format!(
                "filter {filter}, row {row}, column {column}: won {wins} of {all} outputs \
                 ({:.2} %)",
                100.0 * share(wins)
            );
            Cell { cross: wins == 0.0, ..Cell::new(palette::share(share(wins)), title) }
        };
        let note = format!("{dead} dead, {:.0} %", 100.0 * largest);
        Tile { note, ..Tile::heat_map(filter.to_string(), gallery.width, &wins, cell) }
    });
    ImageGrid {
        label: &format!("Wins of the entries of the filters of {}, seed {}", run.variant, run.seed),
        columns: COLUMNS,
        lead: None,
        tiles: tiles.collect(),
        colours: Some(ColourBar::Share),
    }
    .svg()
}

/// One digit and the outputs of the filters on it, each from black at its least value to white at
/// its largest.
pub(super) fn outputs(run: &RunRecord) -> String {
    let (digit, maps) = (&run.digit, &run.feature_maps);
    let lead = digit.images().next();
    let tiles = maps.images().zip(1..).map(|(image, filter)| {
        Tile::scaled_image(format!("filter {filter}"), maps.width, &wide(image))
    });
    ImageGrid {
        label: &format!("Filter outputs of {}, seed {}", run.variant, run.seed),
        columns: COLUMNS,
        lead: lead.map(|image| Tile::scaled_image("input", digit.width, &wide(image))),
        tiles: tiles.collect(),
        colours: None,
    }
    .svg()
}

/// The confusion matrix with its counts.
pub(super) fn confusion(run: &RunRecord, names: &[String]) -> String {
    let counts: Vec<&[u64]> = run.confusion.rows().collect();
    let label = &format!("Confusion matrix of {}, seed {}", run.variant, run.seed);
    ConfusionMatrix { label, names, counts: &counts }.svg()
}

fn wide(image: &[f32]) -> Vec<f64> {
    image.iter().copied().map(f64::from).collect()
}
