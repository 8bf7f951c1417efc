//! Image grids: images and heat maps of one size, side by side. A heat map is drawn cell by cell so
//! that each value can be read by pointing at it; an image has too many pixels for that and is
//! embedded as one.

use crate::palette;
use crate::svg::{Anchor, Frame, Svg};
use crate::text::short;

pub(crate) const TILE: f64 = 88.0;
pub(crate) const MARGIN: f64 = 16.0;
/// Room right of what a colour bar stands beside.
pub(crate) const BAR: f64 = 84.0;
const GAP: f64 = 12.0;
/// Height a tile takes with the text above and below it.
const ROW: f64 = TILE + 48.0;

/// Images and heat maps in rows.
///
/// ```
/// use morphograd_plot::{Cell, ColourBar, ImageGrid, Tile, palette};
///
/// let values = [-1.0, 0.0, 0.5, 1.0];
/// let heat_map = Tile::heat_map("weights", 2, &values, |_, _, value| {
///     Cell::new(palette::diverging(value), format!("{value:.4}"))
/// });
/// let grid = ImageGrid {
///     label: "A kernel, and an image",
///     columns: 2,
///     lead: None,
///     tiles: vec![heat_map, Tile::image("digit", 2, &values, [-1.0, 1.0])],
///     colours: Some(ColourBar::Diverging { limit: 1.0 }),
/// };
/// let svg = grid.svg();
/// assert!(svg.contains("<title>0.5000</title>") && svg.contains(">−1.00 … 1.00</text>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ImageGrid<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// Tiles in a row; at least 1.
    pub columns: usize,
    /// A tile in a column of its own, left of the first.
    pub lead: Option<Tile>,
    /// The tiles, row by row.
    pub tiles: Vec<Tile>,
    /// What the colours mean.
    pub colours: Option<ColourBar>,
}

/// One picture of a grid. It is drawn as a square.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// What stands above it.
    pub name: String,
    /// What stands below it.
    pub note: String,
    /// Cells or pixels in a row.
    pub width: usize,
    /// What is in it.
    pub content: TileContent,
}

/// What is in a tile, row by row. What does not fill a row is left out.
#[derive(Debug, Clone, PartialEq)]
pub enum TileContent {
    /// Cells of one colour each.
    Cells(Vec<Cell>),
    /// Greys, from 0 for black to 255 for white.
    Pixels(Vec<u8>),
}

/// One cell of a heat map.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Its colour, as SVG writes it.
    pub fill: String,
    /// Shown on hover.
    pub title: String,
    /// Whether it is crossed out.
    pub cross: bool,
}

impl Cell {
    /// A cell that is not crossed out.
    pub fn new(fill: impl Into<String>, title: impl Into<String>) -> Self {
        Self { fill: fill.into(), title: title.into(), cross: false }
    }
}

/// A vertical bar with all colours of a scale and its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColourBar {
    /// [`palette::diverging`] from -limit to limit.
    Diverging {
        /// The value whose blue is the darkest.
        limit: f64,
    },
    /// [`palette::share`] from none to all.
    Share,
    /// [`palette::grey`].
    Grey {
        /// The value that is black.
        black: f64,
        /// The value that is white.
        white: f64,
    },
}

impl Tile {
    /// A heat map with its range below. `cell` is told row, column and value.
    pub fn heat_map(
        name: impl Into<String>,
        width: usize,
        values: &[f64],
        cell: impl Fn(usize, usize, f64) -> Cell,
    ) -> Self {
        let cells = values.iter().enumerate();
        let cells = cells.map(|(i, &value)| cell(i / width, i % width, value)).collect();
        let content = TileContent::Cells(cells);
        Self { name: name.into(), note: range(values), width, content }
    }

    /// An image, from the value that is black to the one that is white, with its range below. What
    /// is beyond them has the nearer grey, and what is not a number is black.
    pub fn image(
        name: impl Into<String>,
        width: usize,
        values: &[f64],
        [black, white]: [f64; 2],
    ) -> Self {
        let span = if white > black { white - black } else { 1.0 };
        // The cast saturates and takes what is not a number to 0.
        let grey = |value: &f64| ((value - black) / span * 255.0).round() as u8;
        let content = TileContent::Pixels(values.iter().map(grey).collect());
        Self { name: name.into(), note: range(values), width, content }
    }

    /// An image on its own scale: black at its least finite value, white at its largest. One of a
    /// single value is black.
    pub fn scaled_image(name: impl Into<String>, width: usize, values: &[f64]) -> Self {
        Self::image(name, width, values, extremes(values).unwrap_or([0.0, 1.0]))
    }

    fn draw(&self, svg: &mut Svg, frame: Frame) {
        let middle = frame.x + TILE / 2.0;
        svg.note(middle, frame.y - 7.0, Anchor::Middle, &self.name);
        match &self.content {
            TileContent::Pixels(pixels) if pixels.len() < self.width.max(1) => {}
            TileContent::Pixels(pixels) => {
                let title = format!("{}: values in {}", self.name, self.note);
                svg.image(frame, self.width, pixels, &title);
            }
            TileContent::Cells(cells) => self.draw_cells(svg, frame, cells),
        }
        svg.outline(frame);
        svg.note(middle, frame.y + TILE + 16.0, Anchor::Middle, &self.note);
    }

    fn draw_cells(&self, svg: &mut Svg, frame: Frame, cells: &[Cell]) {
        let rows = cells.chunks_exact(self.width.max(1));
        let (width, height) = (TILE / self.width as f64, TILE / rows.len() as f64);
        for (row, cells) in rows.enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let (x, y) = (frame.x + column as f64 * width, frame.y + row as f64 * height);
                svg.cell(Frame { x, y, width, height }, &cell.fill, &cell.title);
                if cell.cross {
                    let (x, y) = (x + width / 2.0, y + height / 2.0 + 4.0);
                    let attributes = r##"fill="#8a8a8a" pointer-events="none""##;
                    svg.styled_text(x, y, Anchor::Middle, attributes, "×");
                }
            }
        }
    }
}

impl ImageGrid<'_> {
    /// Draws it.
    pub fn svg(&self) -> String {
        let columns = self.columns.max(1);
        let lead = usize::from(self.lead.is_some());
        let mut svg = Svg::new();
        if let Some(tile) = &self.lead {
            tile.draw(&mut svg, frame(0, 0));
        }
        for (index, tile) in self.tiles.iter().enumerate() {
            tile.draw(&mut svg, frame(index / columns, lead + index % columns));
        }
        let widest = lead + self.tiles.len().clamp(1, columns);
        let mut right = MARGIN + widest as f64 * (TILE + GAP);
        if let Some(bar) = &self.colours {
            bar.draw(&mut svg, right + 6.0, frame(0, 0).y);
            right += BAR;
        } else {
            right += MARGIN - GAP;
        }
        let rows = self.tiles.len().div_ceil(columns).max(1);
        svg.finish(right, MARGIN + rows as f64 * ROW, self.label)
    }
}

impl ColourBar {
    /// The colour of a height, 0 at the bottom and 1 at the top.
    fn colour(self, height: f64) -> String {
        match self {
            Self::Diverging { .. } => palette::diverging(2.0 * height - 1.0),
            Self::Share => palette::hot(height),
            Self::Grey { .. } => palette::grey(height),
        }
    }

    /// What stands at the bottom, in the middle and at the top.
    fn labels(self) -> [String; 3] {
        match self {
            Self::Diverging { limit } => [-limit, 0.0, limit].map(short),
            Self::Share => ["0 %", "25 %", "100 %"].map(str::to_owned),
            Self::Grey { black, white } => [black, f64::midpoint(black, white), white].map(short),
        }
    }

    /// Draws it as high as a tile.
    pub(crate) fn draw(self, svg: &mut Svg, x: f64, y: f64) {
        const STEPS: u32 = 44;
        let step = TILE / f64::from(STEPS);
        for index in 0..STEPS {
            let height = (f64::from(index) + 0.5) / f64::from(STEPS);
            let top = y + TILE - f64::from(index + 1) * step;
            let frame = Frame { x, y: top, width: 14.0, height: step };
            svg.cell(frame, &self.colour(height), "");
        }
        svg.outline(Frame { x, y, width: 14.0, height: TILE });
        for (label, at) in self.labels().iter().zip([1.0, 0.5, 0.0]) {
            svg.note(x + 20.0, y + at * TILE + 4.0, Anchor::Start, label);
        }
    }
}

fn frame(row: usize, column: usize) -> Frame {
    Frame {
        x: MARGIN + column as f64 * (TILE + GAP),
        y: MARGIN + 14.0 + row as f64 * ROW,
        width: TILE,
        height: TILE,
    }
}

/// The least and the largest finite value.
fn extremes(values: &[f64]) -> Option<[f64; 2]> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    Some([finite().reduce(f64::min)?, finite().reduce(f64::max)?])
}

fn range(values: &[f64]) -> String {
    extremes(values).map_or_else(
        || "not finite".to_owned(),
        |[low, high]| format!("{} … {}", short(low), short(high)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_span_the_finite_values() {
        let greys = |values: &[f64]| Tile::scaled_image("", 1, values).content;
        let odd = [-1.0, 0.0, 1.0, f64::NAN, f64::INFINITY];
        assert_eq!(greys(&odd), TileContent::Pixels(vec![0, 128, 255, 0, 255]));
        assert_eq!(greys(&[3.0, 3.0]), TileContent::Pixels(vec![0, 0]));
    }

    #[test]
    fn tiles_wrap_and_the_lead_has_a_column_of_its_own() {
        let tile = |name: &str| Tile::image(name, 2, &[0.0, 0.25, 0.75, 1.0], [0.0, 1.0]);
        let tiles = ["a", "b", "c"].map(tile).into();
        let lead = Some(tile("lead"));
        let svg = ImageGrid { label: "", columns: 2, lead, tiles, colours: None }.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let corners: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "image")))
            .map(|node| ["x", "y"].map(|name| node.attribute(name).unwrap()))
            .collect();
        assert_eq!(corners, [["16", "30"], ["116", "30"], ["216", "30"], ["116", "166"]]);
        assert_eq!(document.root_element().attribute("width"), Some("320"));
    }

    #[test]
    fn a_cell_can_be_crossed_out_and_empty_tiles_are_drawn() {
        let cell = |_, _, value| Cell { cross: value == 0.0, ..Cell::new("#ffffff", "") };
        let empty = [Tile::image("", 3, &[], [0.0, 1.0]), Tile::heat_map("", 3, &[], cell)];
        let mut tiles = vec![Tile::heat_map("", 2, &[0.0, 1.0, 2.0, 0.0], cell)];
        tiles.extend(empty);
        let svg = ImageGrid { label: "", columns: 8, lead: None, tiles, colours: None }.svg();
        assert_eq!(svg.matches('×').count(), 2);
        assert_eq!(svg.matches(">not finite</text>").count(), 2);
        roxmltree::Document::parse(&svg).unwrap();
    }
}
