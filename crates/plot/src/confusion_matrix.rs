//! Confusion matrices with their counts.

use crate::image_grid::{BAR, ColourBar, MARGIN};
use crate::palette;
use crate::svg::{Anchor, Frame, Svg};
use crate::text::text_width;

/// How often each class was taken for each: true classes as rows, predicted ones as columns. Colour
/// is the share of the row, as [`palette::share`].
///
/// ```
/// use morphograd_plot::ConfusionMatrix;
///
/// let counts: [&[u64]; 2] = [&[8, 2], &[1, 9]];
/// let names = ["cat".to_owned(), "dog".to_owned()];
/// let svg = ConfusionMatrix { label: "Cats and dogs", names: &names, counts: &counts }.svg();
/// assert!(svg.contains("<title>true cat, predicted dog: 2 of 10 (20.0 %)</title>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// The classes; one that has no name is called by its number.
    pub names: &'a [String],
    /// The rows, as many as there are classes, with a count for each class.
    pub counts: &'a [&'a [u64]],
}

const CELL: f64 = 46.0;

impl ConfusionMatrix<'_> {
    /// Draws it.
    pub fn svg(&self) -> String {
        let classes = self.counts.len();
        let name =
            |class: usize| self.names.get(class).map_or_else(|| class.to_string(), Clone::clone);
        let longest = (0..classes).map(|class| text_width(&name(class))).fold(0.0, f64::max);
        let slanted = longest > CELL;
        let left = 44.0 + longest;
        let top = if slanted { 46.0 + 0.71 * longest } else { 54.0 };
        let side = CELL * classes as f64;

        let mut svg = Svg::new();
        for (truth, counts) in self.counts.iter().enumerate() {
            let support: u64 = counts.iter().sum();
            for (predicted, &count) in counts.iter().enumerate() {
                let share = if support == 0 { 0.0 } else { count as f64 / support as f64 };
                let (x, y) = (left + predicted as f64 * CELL, top + truth as f64 * CELL);
                let title = format!(
                    "true {}, predicted {}: {count} of {support} ({:.1} %)",
                    name(truth),
                    name(predicted),
                    100.0 * share
                );
                let frame = Frame { x, y, width: CELL, height: CELL };
                svg.cell(frame, &palette::share(share), &title);
                let fill = match (count, palette::share_is_dark(share)) {
                    (0, _) => "#9a9a9a",
                    (_, true) => "#ffffff",
                    (_, false) => "#1c1c1c",
                };
                let attributes = format!(r#"fill="{fill}" pointer-events="none""#);
                let (x, y) = (x + CELL / 2.0, y + CELL / 2.0 + 4.5);
                svg.styled_text(x, y, Anchor::Middle, &attributes, &count.to_string());
            }
            let middle = (truth as f64 + 0.5) * CELL;
            svg.text(left - 8.0, top + middle + 4.5, Anchor::End, &name(truth));
            let (x, y) = (left + middle, top - 8.0);
            if slanted {
                let attributes = format!(
                    r##"fill="#1c1c1c" class="ink" transform="rotate(-45 {x:.0} {y:.0})""##
                );
                svg.styled_text(x, y, Anchor::Start, &attributes, &name(truth));
            } else {
                svg.text(x, y, Anchor::Middle, &name(truth));
            }
        }
        svg.outline(Frame { x: left, y: top, width: side, height: side });
        svg.note(left + side / 2.0, 20.0, Anchor::Middle, "predicted class");
        svg.upright_note(20.0, top + side / 2.0, "true class");
        ColourBar::Share.draw(&mut svg, left + side + 16.0, top);
        // A slanted name of the last class leans out over the colour bar.
        let right = BAR.max(if slanted { 0.71 * longest } else { 0.0 });
        svg.finish(left + side + right, top + side + MARGIN, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_slanted_and_missing_ones_are_numbers() {
        let counts: [&[u64]; 2] = [&[0, 0], &[0, 3]];
        let svg = |names: &[String]| ConfusionMatrix { label: "", names, counts: &counts }.svg();
        let long = svg(&["T-shirt/top".to_owned()]);
        assert_eq!(long.matches("rotate(-45").count(), 2);
        assert!(long.contains("true 1, predicted T-shirt/top: 0 of 3 (0.0 %)"));
        let short = svg(&[]);
        assert_eq!(short.matches("rotate(-45").count(), 0);
        assert!(short.contains("true 0, predicted 1: 0 of 0 (0.0 %)"));
        roxmltree::Document::parse(&long).unwrap();
    }
}
