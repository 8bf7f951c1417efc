//! The figures made of cells: learned filters, their outputs, confusion matrices. Filters are drawn
//! cell by cell so that each value can be read by pointing at it; outputs have too many pixels for
//! that and are embedded as images.

use super::palette;
use super::svg::{Anchor, Frame, Svg, text_width};
use crate::record::RunRecord;

const TILE: f64 = 88.0;
const GAP: f64 = 12.0;
const MARGIN: f64 = 16.0;
/// Tiles in a row; the tutorial's eight filters fit in one.
const PER_ROW: usize = 8;
/// Height a tile takes with the text above and below it.
const ROW: f64 = TILE + 48.0;

/// The learned structuring functions, red below 0 and blue above, on one symmetric scale for all of
/// them.
pub(super) fn filters(run: &RunRecord) -> String {
    let gallery = &run.filters;
    let count = gallery.images().len();
    let limit = gallery
        .data
        .iter()
        .filter(|value| value.is_finite())
        .fold(0.0_f64, |limit, value| limit.max(value.abs().into()));
    let scale = if limit > 0.0 { limit } else { 1.0 };
    let mut svg = Svg::new();
    for (index, image) in gallery.images().enumerate() {
        let tile = tile(index);
        svg.note(tile.x + TILE / 2.0, tile.y - 7.0, Anchor::Middle, &(index + 1).to_string());
        let (width, height) = (TILE / gallery.width as f64, TILE / gallery.height as f64);
        for (cell, &value) in image.iter().enumerate() {
            let (row, column) = (cell / gallery.width, cell % gallery.width);
            let frame = Frame {
                x: tile.x + column as f64 * width,
                y: tile.y + row as f64 * height,
                width,
                height,
            };
            let title = format!("filter {}, row {row}, column {column}: {value:.4}", index + 1);
            svg.cell(frame, &palette::diverging(f64::from(value) / scale), &title);
        }
        svg.outline(tile);
        svg.note(tile.x + TILE / 2.0, tile.y + TILE + 16.0, Anchor::Middle, &range(image));
    }
    let columns = count.clamp(1, PER_ROW) as f64;
    let right = MARGIN + columns * (TILE + GAP);
    bar(
        &mut svg,
        right + 6.0,
        tile(0).y,
        &|value| palette::diverging(2.0 * value - 1.0),
        [-scale, 0.0, scale].map(short),
    );
    let label = format!("Filters learned by {}, seed {}", run.variant, run.seed);
    svg.finish(right + 84.0, height(count), &label)
}

/// What the entries of the structuring functions won, from white to dark red by the square root of
/// their share of the filter's outputs (linear, the few wins of most would all look like none); a
/// cross is a dead entry.
pub(super) fn wins(run: &RunRecord) -> String {
    let gallery = &run.wins;
    let count = gallery.images().len();
    let mut svg = Svg::new();
    for (index, image) in gallery.images().enumerate() {
        let tile = tile(index);
        svg.note(tile.x + TILE / 2.0, tile.y - 7.0, Anchor::Middle, &(index + 1).to_string());
        let (width, height) = (TILE / gallery.width as f64, TILE / gallery.height as f64);
        let all: f64 = image.iter().map(|wins| f64::from(*wins)).sum();
        let share = |wins: f32| if all > 0.0 { f64::from(wins) / all } else { 0.0 };
        for (cell, &wins) in image.iter().enumerate() {
            let (row, column) = (cell / gallery.width, cell % gallery.width);
            let frame = Frame {
                x: tile.x + column as f64 * width,
                y: tile.y + row as f64 * height,
                width,
                height,
            };
            let title = format!(
                "filter {}, row {row}, column {column}: won {wins} of {all} outputs ({:.2} %)",
                index + 1,
                100.0 * share(wins)
            );
            svg.cell(frame, &palette::hot(share(wins).sqrt()), &title);
            if wins == 0.0 {
                let (x, y) = (frame.x + width / 2.0, frame.y + height / 2.0 + 4.0);
                svg.styled_text(
                    x,
                    y,
                    Anchor::Middle,
                    r##"fill="#8a8a8a" pointer-events="none""##,
                    "×",
                );
            }
        }
        svg.outline(tile);
        let dead = image.iter().filter(|wins| **wins == 0.0).count();
        let largest = image.iter().fold(0.0, |largest: f64, wins| share(*wins).max(largest));
        let text = format!("{dead} dead, {:.0} %", 100.0 * largest);
        svg.note(tile.x + TILE / 2.0, tile.y + TILE + 16.0, Anchor::Middle, &text);
    }
    let right = MARGIN + count.clamp(1, PER_ROW) as f64 * (TILE + GAP);
    bar(
        &mut svg,
        right + 6.0,
        tile(0).y,
        &palette::hot,
        ["0 %", "25 %", "100 %"].map(str::to_owned),
    );
    let label = format!("Wins of the entries of the filters of {}, seed {}", run.variant, run.seed);
    svg.finish(right + 84.0, height(count), &label)
}

/// One digit and the outputs of the filters on it, each from black at its least value to white at
/// its largest.
pub(super) fn outputs(run: &RunRecord) -> String {
    let mut svg = Svg::new();
    let named =
        run.digit.images().take(1).map(|image| (&run.digit, image, "input".to_owned())).chain(
            run.feature_maps
                .images()
                .enumerate()
                .map(|(index, image)| (&run.feature_maps, image, format!("filter {}", index + 1))),
        );
    for (position, (gallery, image, name)) in named.enumerate() {
        // The input stands in a column of its own, left of the first filter.
        let tile = if position == 0 { tile(0) } else { beside(tile(position - 1)) };
        svg.note(tile.x + TILE / 2.0, tile.y - 7.0, Anchor::Middle, &name);
        svg.image(
            tile,
            gallery.width,
            &greys(image),
            &format!("{name}: values in {}", range(image)),
        );
        svg.outline(tile);
        svg.note(tile.x + TILE / 2.0, tile.y + TILE + 16.0, Anchor::Middle, &range(image));
    }
    let maps = run.feature_maps.images().len();
    let width = 2.0 * MARGIN - GAP + (maps.clamp(1, PER_ROW) + 1) as f64 * (TILE + GAP);
    svg.finish(
        width,
        height(maps),
        &format!("Filter outputs of {}, seed {}", run.variant, run.seed),
    )
}

/// The confusion matrix with its counts, true classes as rows. Colour follows the square root of
/// the share of the row: linear, the few errors of a good classifier would all look like none.
pub(super) fn confusion(run: &RunRecord, class_names: &[String]) -> String {
    const CELL: f64 = 46.0;
    let classes = run.confusion.classes();
    let name =
        |class: usize| class_names.get(class).map_or_else(|| class.to_string(), Clone::clone);
    let longest = (0..classes).map(|class| text_width(&name(class))).fold(0.0, f64::max);
    let slanted = longest > CELL;
    let left = 44.0 + longest;
    let top = if slanted { 46.0 + 0.71 * longest } else { 54.0 };
    let side = CELL * classes as f64;

    let mut svg = Svg::new();
    for (truth, counts) in run.confusion.rows().enumerate() {
        let support: u64 = counts.iter().sum();
        for (predicted, &count) in counts.iter().enumerate() {
            let share = if support == 0 { 0.0 } else { count as f64 / support as f64 };
            let frame = Frame {
                x: left + predicted as f64 * CELL,
                y: top + truth as f64 * CELL,
                width: CELL,
                height: CELL,
            };
            let title = format!(
                "true {}, predicted {}: {count} of {support} ({:.1} %)",
                name(truth),
                name(predicted),
                100.0 * share
            );
            svg.cell(frame, &palette::hot(share.sqrt()), &title);
            let fill = match (count, palette::hot_is_dark(share.sqrt())) {
                (0, _) => "#9a9a9a",
                (_, true) => "#ffffff",
                (_, false) => "#1c1c1c",
            };
            let attributes = format!(r#"fill="{fill}" pointer-events="none""#);
            svg.styled_text(
                frame.x + CELL / 2.0,
                frame.y + CELL / 2.0 + 4.5,
                Anchor::Middle,
                &attributes,
                &count.to_string(),
            );
        }
        svg.text(left - 8.0, top + (truth as f64 + 0.5) * CELL + 4.5, Anchor::End, &name(truth));
        let (x, y) = (left + (truth as f64 + 0.5) * CELL, top - 8.0);
        if slanted {
            let attributes =
                format!(r##"fill="#1c1c1c" class="ink" transform="rotate(-45 {x:.0} {y:.0})""##);
            svg.styled_text(x, y, Anchor::Start, &attributes, &name(truth));
        } else {
            svg.text(x, y, Anchor::Middle, &name(truth));
        }
    }
    svg.outline(Frame { x: left, y: top, width: side, height: side });
    svg.note(left + side / 2.0, 20.0, Anchor::Middle, "predicted class");
    let attributes = format!(
        r##"font-size="12" fill="#555555" class="soft" transform="rotate(-90 20 {:.0})""##,
        top + side / 2.0
    );
    svg.styled_text(20.0, top + side / 2.0, Anchor::Middle, &attributes, "true class");
    let ends = ["0 %", "25 %", "100 %"].map(str::to_owned);
    bar(&mut svg, left + side + 16.0, top, &palette::hot, ends);
    let label = format!("Confusion matrix of {}, seed {}", run.variant, run.seed);
    // A slanted name of the last class leans out over the colour bar.
    let right = 84.0_f64.max(if slanted { 0.71 * longest } else { 0.0 });
    svg.finish(left + side + right, top + side + MARGIN, &label)
}

fn tile(index: usize) -> Frame {
    Frame {
        x: MARGIN + (index % PER_ROW) as f64 * (TILE + GAP),
        y: MARGIN + 14.0 + (index / PER_ROW) as f64 * ROW,
        width: TILE,
        height: TILE,
    }
}

fn beside(tile: Frame) -> Frame {
    Frame { x: tile.x + TILE + GAP, ..tile }
}

fn height(tiles: usize) -> f64 {
    MARGIN + tiles.div_ceil(PER_ROW).max(1) as f64 * ROW
}

/// A vertical colour bar as high as a tile, with the labels of its bottom, middle and top.
fn bar(svg: &mut Svg, x: f64, y: f64, colour: &dyn Fn(f64) -> String, labels: [String; 3]) {
    const STEPS: u32 = 44;
    let step = TILE / f64::from(STEPS);
    for index in 0..STEPS {
        let value = (f64::from(index) + 0.5) / f64::from(STEPS);
        let top = y + TILE - f64::from(index + 1) * step;
        svg.cell(Frame { x, y: top, width: 14.0, height: step }, &colour(value), "");
    }
    svg.outline(Frame { x, y, width: 14.0, height: TILE });
    for (label, at) in labels.iter().zip([1.0, 0.5, 0.0]) {
        svg.note(x + 20.0, y + at * TILE + 4.0, Anchor::Start, label);
    }
}

/// Grey levels from 0 at the least finite value to 255 at the largest; a constant image is black.
fn greys(image: &[f32]) -> Vec<u8> {
    let (low, high) = extremes(image).unwrap_or((0.0, 1.0));
    let span = if high > low { high - low } else { 1.0 };
    // The cast saturates and takes what is not a number to 0.
    image.iter().map(|&value| ((f64::from(value) - low) / span * 255.0).round() as u8).collect()
}

fn extremes(image: &[f32]) -> Option<(f64, f64)> {
    let finite = || image.iter().copied().filter(|value| value.is_finite());
    Some((finite().reduce(f32::min)?.into(), finite().reduce(f32::max)?.into()))
}

fn range(image: &[f32]) -> String {
    extremes(image).map_or_else(
        || "not finite".to_owned(),
        |(low, high)| format!("{} … {}", short(low), short(high)),
    )
}

/// Two decimals, or two digits where those would all be zero.
fn short(value: f64) -> String {
    let text = if value == 0.0 {
        "0".to_owned()
    } else if value.abs() < 0.005 || value.abs() >= 1000.0 {
        format!("{value:.0e}")
    } else {
        format!("{value:.2}")
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_span_the_finite_values() {
        assert_eq!(greys(&[-1.0, 0.0, 1.0, f32::NAN, f32::INFINITY]), [0, 128, 255, 0, 255]);
        assert_eq!(greys(&[3.0, 3.0]), [0, 0]);
    }

    #[test]
    fn values_are_short() {
        assert_eq!(
            [0.0, 0.25, -1.5, 0.0004, -12345.0].map(short),
            ["0", "0.25", "−1.50", "4e−4", "−1e4"]
        );
    }
}
