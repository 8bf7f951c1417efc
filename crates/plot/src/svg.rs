//! The pen: a minimal SVG writer. Figures carry their colours as attributes, so that a saved file
//! is complete; what must change on a dark page also has a class (`paper`, `ink`, `soft`, `grid`,
//! `black`), which the style sheet of a page can override.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::palette::BLACK;
use crate::text::{coordinate, escape};

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke<'a> {
    /// Its colour, as SVG writes it. [`BLACK`] follows the ink of a page.
    pub colour: &'a str,
    /// Its width, in units of the figure.
    pub width: f64,
    /// Lengths of dashes and gaps, as SVG writes them; nothing for a solid line.
    pub dash: &'a str,
    /// From 0, which is not seen, to 1.
    pub opacity: f64,
}

impl<'a> Stroke<'a> {
    /// A solid line.
    pub fn solid(colour: &'a str, width: f64) -> Self {
        Self { colour, width, dash: "", opacity: 1.0 }
    }

    /// A thinner line in dashes, as bounds and references are drawn.
    pub fn dashed(colour: &'a str) -> Self {
        Self { dash: "6 3", ..Self::solid(colour, 1.6) }
    }

    fn attributes(&self) -> String {
        let (colour, width) = (escape(self.colour), coordinate(self.width));
        let mut text = format!(r#"stroke="{colour}" stroke-width="{width}""#);
        if self.colour == BLACK {
            text += r#" class="black""#;
        }
        if !self.dash.is_empty() {
            let _ = write!(text, r#" stroke-dasharray="{}""#, escape(self.dash));
        }
        if self.opacity < 1.0 {
            let _ = write!(text, r#" stroke-opacity="{}""#, coordinate(self.opacity));
        }
        text
    }
}

/// A rectangle in user units.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    fn numbers(self) -> [String; 4] {
        [self.x, self.y, self.width, self.height].map(coordinate)
    }

    fn attributes(self) -> String {
        let [x, y, width, height] = self.numbers();
        format!(r#"x="{x}" y="{y}" width="{width}" height="{height}""#)
    }
}

/// A figure being drawn.
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    pub(crate) fn new() -> Self {
        Self { body: String::new() }
    }

    /// The document: `label` is what a screen reader says in place of the figure.
    pub(crate) fn finish(self, width: f64, height: f64, label: &str) -> String {
        let (w, h) = (coordinate(width), coordinate(height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
             height=\"{h}\" role=\"img\" \
             aria-label=\"{}\" font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\" \
             font-size=\"13\">\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\" class=\"paper\"/>\n{}</svg>\n",
            escape(label),
            self.body
        )
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, anchor, r##"fill="#1c1c1c" class="ink""##, text);
    }

    /// Smaller and greyer than [`Svg::text`].
    pub(crate) fn note(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, anchor, r##"font-size="12" fill="#555555" class="soft""##, text);
    }

    /// A [`Svg::note`] that is read upwards, around its middle.
    pub(crate) fn upright_note(&mut self, x: f64, y: f64, text: &str) {
        let attributes = format!(
            r##"font-size="12" fill="#555555" class="soft" transform="rotate(-90 {x:.0} {y:.0})""##
        );
        self.styled_text(x, y, Anchor::Middle, &attributes, text);
    }

    /// `attributes` must be well-formed; `text` is escaped.
    pub(crate) fn styled_text(
        &mut self,
        x: f64,
        y: f64,
        anchor: Anchor,
        attributes: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y) = (coordinate(x), coordinate(y));
        let _ = writeln!(
            self.body,
            r#"<text x="{x}" y="{y}"{anchor} {attributes}>{}</text>"#,
            escape(text)
        );
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke<'_>) {
        self.segment(from, to, &stroke.attributes());
    }

    /// A thin line of the coordinate grid.
    pub(crate) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.segment(from, to, r##"stroke="#e4e4e4" stroke-width="1" class="grid""##);
    }

    fn segment(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(coordinate);
        let _ = writeln!(self.body, r#"<path d="M{x1} {y1}L{x2} {y2}" {attributes}/>"#);
    }

    /// A curve through `points`, broken where one is not finite; a lone point becomes a dot.
    /// `title` shows on hover.
    pub(crate) fn curve(&mut self, points: &[(f64, f64)], stroke: Stroke<'_>, title: &str) {
        let mut path = String::new();
        let mut dots = String::new();
        for piece in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            if let [(x, y)] = piece {
                // A path of no length with round caps is a dot, and takes the curve's own
                // attributes.
                let _ = write!(dots, "M{} {}h0", coordinate(*x), coordinate(*y));
                continue;
            }
            for (index, (x, y)) in piece.iter().enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{} {}", coordinate(*x), coordinate(*y));
            }
        }
        let dot = Stroke { width: stroke.width.max(1.5) * 3.0, dash: "", ..stroke };
        for (path, ends, stroke) in [(path, "linejoin", stroke), (dots, "linecap", dot)] {
            if path.is_empty() {
                continue;
            }
            let (attributes, title) = (stroke.attributes(), hover(title));
            let _ = writeln!(
                self.body,
                "<path d=\"{path}\" fill=\"none\" stroke-{ends}=\"round\" {attributes}>{title}\
                 </path>"
            );
        }
    }

    /// A filled rectangle; `title` shows on hover.
    pub(crate) fn cell(&mut self, frame: Frame, fill: &str, title: &str) {
        let (frame, fill, title) = (frame.attributes(), escape(fill), hover(title));
        let _ = writeln!(
            self.body,
            "<rect {frame} fill=\"{fill}\" shape-rendering=\"crispEdges\">{title}</rect>"
        );
    }

    pub(crate) fn outline(&mut self, frame: Frame) {
        let frame = frame.attributes();
        let look = r##"fill="none" stroke="#8a8a8a" stroke-width="1" class="outline""##;
        let _ = writeln!(self.body, "<rect {frame} {look}/>");
    }

    /// A region tinted so that grid and curves show through.
    pub(crate) fn shade(&mut self, frame: Frame) {
        let frame = frame.attributes();
        let _ = writeln!(self.body, r##"<rect {frame} fill="#8a8a8a" fill-opacity="0.2"/>"##);
    }

    /// What `draw` draws, cut off at `frame`. A nested document clips without needing an id, which
    /// would have to be unique in a page.
    pub(crate) fn clipped(&mut self, frame: Frame, draw: impl FnOnce(&mut Self)) {
        let (outside, inside) = (frame.attributes(), frame.numbers().join(" "));
        let _ = writeln!(self.body, r#"<svg {outside} viewBox="{inside}">"#);
        draw(self);
        self.body += "</svg>\n";
    }

    /// A grey image, black at 0 and white at 255, in hard-edged pixels; `title` shows on hover.
    pub(crate) fn image(&mut self, frame: Frame, columns: usize, pixels: &[u8], title: &str) {
        let (frame, title) = (frame.attributes(), escape(title));
        let data = BASE64_STANDARD.encode(png(columns, pixels));
        let _ = writeln!(
            self.body,
            "<image {frame} preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{data}\"><title>{title}</title></image>"
        );
    }
}

/// The child that shows on hover.
fn hover(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

/// Pixels are enlarged in the file too: programs that smooth images then keep the edges hard.
const ENLARGE: usize = 4;

/// An 8-bit grey PNG.
fn png(columns: usize, pixels: &[u8]) -> Vec<u8> {
    let side = |pixels: usize| u32::try_from(pixels * ENLARGE).expect("a small image");
    let mut enlarged = Vec::with_capacity(pixels.len() * ENLARGE * ENLARGE);
    for row in pixels.chunks_exact(columns) {
        let line: Vec<u8> = row.iter().flat_map(|&grey| [grey; ENLARGE]).collect();
        (0..ENLARGE).for_each(|_| enlarged.extend_from_slice(&line));
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(columns), side(pixels.len() / columns));
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    // Lines that repeat compress best as they are. The level is named, so that another release of
    // the library writes the same bytes.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_deflate_compression(png::DeflateCompression::Level(6));
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(&enlarged)?;
            writer.finish()
        })
        .expect("writing to memory");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_breaks_at_what_is_not_finite() {
        let mut svg = Svg::new();
        let nan = f64::NAN;
        svg.curve(
            &[(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 4.0), (4.0, nan)],
            Stroke::solid("#123456", 2.0),
            "",
        );
        assert!(
            svg.body.contains(r#"d="M0 1L1 2""#) && svg.body.contains(r#"d="M3 4h0""#),
            "{}",
            svg.body
        );
        assert!(!svg.body.contains("NaN"));
    }

    #[test]
    fn a_png_holds_its_pixels() {
        let file = png(2, &[0, 255, 7, 9]);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (8, 8));
        let [top, bottom] = [[[0; 4], [255; 4]], [[7; 4], [9; 4]]].map(|line| line.concat());
        assert_eq!(pixels, [vec![top; 4], vec![bottom; 4]].concat().concat());
    }
}
