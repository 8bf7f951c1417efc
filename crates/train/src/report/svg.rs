//! A minimal SVG writer. Figures carry their colours as attributes, so that a saved file is
//! complete; what must change on a dark page also has a class (`paper`, `ink`, `soft`, `grid`,
//! `black`), and the report's style sheet overrides those.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Colour of lines that follow the ink: black on paper, light on a dark page.
pub(super) const BLACK: &str = "#000000";

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line looks.
#[derive(Clone, Copy)]
pub(super) struct Stroke<'a> {
    pub(super) colour: &'a str,
    pub(super) width: f64,
    pub(super) dash: &'a str,
    pub(super) opacity: f64,
}

impl<'a> Stroke<'a> {
    pub(super) fn solid(colour: &'a str, width: f64) -> Self {
        Self { colour, width, dash: "", opacity: 1.0 }
    }

    pub(super) fn dashed(self, dash: &'a str) -> Self {
        Self { dash, ..self }
    }

    pub(super) fn faint(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    fn attributes(&self) -> String {
        let mut text = format!(r#"stroke="{}" stroke-width="{}""#, self.colour, number(self.width));
        if self.colour == BLACK {
            text += r#" class="black""#;
        }
        if !self.dash.is_empty() {
            let _ = write!(text, r#" stroke-dasharray="{}""#, self.dash);
        }
        if self.opacity < 1.0 {
            let _ = write!(text, r#" stroke-opacity="{}""#, number(self.opacity));
        }
        text
    }
}

/// A rectangle in user units.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A figure being drawn.
pub(super) struct Svg {
    body: String,
}

impl Svg {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    /// The document: `label` is what a screen reader says in place of the figure.
    pub(super) fn finish(self, width: f64, height: f64, label: &str) -> String {
        let (w, h) = (number(width), number(height));
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

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, anchor, r##"fill="#1c1c1c" class="ink""##, text);
    }

    /// Smaller and greyer than [`Svg::text`].
    pub(super) fn note(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, anchor, r##"font-size="12" fill="#555555" class="soft""##, text);
    }

    /// `attributes` must be well-formed; `text` is escaped.
    pub(super) fn styled_text(
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
        let (x, y) = (number(x), number(y));
        let _ = writeln!(
            self.body,
            r#"<text x="{x}" y="{y}"{anchor} {attributes}>{}</text>"#,
            escape(text)
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke<'_>) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        let _ = writeln!(self.body, r#"<path d="M{x1} {y1}L{x2} {y2}" {}/>"#, stroke.attributes());
    }

    /// A thin line of the coordinate grid.
    pub(super) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        let _ = writeln!(
            self.body,
            r##"<path d="M{x1} {y1}L{x2} {y2}" stroke="#e4e4e4" stroke-width="1" class="grid"/>"##
        );
    }

    /// A curve through `points`, broken where one is not finite; a lone point becomes a dot.
    /// `title` shows on hover.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], stroke: Stroke<'_>, title: &str) {
        let mut path = String::new();
        let mut dots = String::new();
        for piece in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            if let [(x, y)] = piece {
                // A path of no length with round caps is a dot, and takes the curve's own
                // attributes.
                let _ = write!(dots, "M{} {}h0", number(*x), number(*y));
                continue;
            }
            for (index, (x, y)) in piece.iter().enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{} {}", number(*x), number(*y));
            }
        }
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", escape(title))
        };
        if !path.is_empty() {
            let attributes = stroke.attributes();
            let _ = writeln!(
                self.body,
                r#"<path d="{path}" fill="none" stroke-linejoin="round" {attributes}>{title}</path>"#
            );
        }
        if !dots.is_empty() {
            let attributes =
                Stroke { width: stroke.width.max(1.5) * 3.0, dash: "", ..stroke }.attributes();
            let _ = writeln!(
                self.body,
                r#"<path d="{dots}" fill="none" stroke-linecap="round" {attributes}>{title}</path>"#
            );
        }
    }

    /// A filled rectangle; `title` shows on hover.
    pub(super) fn cell(&mut self, frame: Frame, fill: &str, title: &str) {
        let Frame { x, y, width, height } = frame;
        let [x, y, width, height] = [x, y, width, height].map(number);
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", escape(title))
        };
        let _ = writeln!(
            self.body,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" shape-rendering="crispEdges">{title}</rect>"#
        );
    }

    pub(super) fn outline(&mut self, frame: Frame) {
        let Frame { x, y, width, height } = frame;
        let [x, y, width, height] = [x, y, width, height].map(number);
        let _ = writeln!(
            self.body,
            r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="#8a8a8a" stroke-width="1" class="outline"/>"##
        );
    }

    /// A region tinted so that grid and curves show through.
    pub(super) fn shade(&mut self, frame: Frame) {
        let Frame { x, y, width, height } = frame;
        let [x, y, width, height] = [x, y, width, height].map(number);
        let _ = writeln!(
            self.body,
            r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#8a8a8a" fill-opacity="0.2"/>"##
        );
    }

    /// What `draw` draws, cut off at `frame`. A nested document clips without needing an id, which
    /// would have to be unique in a page.
    pub(super) fn clipped(&mut self, frame: Frame, draw: impl FnOnce(&mut Self)) {
        let Frame { x, y, width, height } = frame;
        let [x, y, width, height] = [x, y, width, height].map(number);
        let _ = writeln!(
            self.body,
            r#"<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{x} {y} {width} {height}">"#
        );
        draw(self);
        self.body += "</svg>\n";
    }

    /// A grey image, black at 0 and white at 255, in hard-edged pixels; `title` shows on hover.
    pub(super) fn image(&mut self, frame: Frame, columns: usize, pixels: &[u8], title: &str) {
        let Frame { x, y, width, height } = frame;
        let [x, y, width, height] = [x, y, width, height].map(number);
        let data = base64(&png(columns, pixels));
        let _ = writeln!(
            self.body,
            r#"<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{data}"><title>{}</title></image>"#,
            escape(title)
        );
    }
}

/// `text` as XML character data or attribute value. Control characters, which XML forbids, become
/// U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Width of `text` in user units at the figures' font size: an estimate, fonts differ.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.9
}

/// A coordinate, to a hundredth of a unit.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// Pixels are enlarged in the file too: programs that smooth images then keep the edges hard.
const ENLARGE: usize = 4;

/// An 8-bit grey PNG.
fn png(columns: usize, pixels: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in pixels.chunks_exact(columns) {
        // Each line opens with its filter, 0 for none.
        let line: Vec<u8> =
            std::iter::once(0).chain(row.iter().flat_map(|&grey| [grey; ENLARGE])).collect();
        (0..ENLARGE).for_each(|_| lines.extend_from_slice(&line));
    }
    let side =
        |pixels: usize| u32::try_from(pixels * ENLARGE).expect("a small image").to_be_bytes();
    let mut header = Vec::new();
    header.extend_from_slice(&side(columns));
    header.extend_from_slice(&side(pixels.len() / columns));
    // Bit depth 8, colour type 0 (grey), and the only compression, filter and interlace methods
    // there are.
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let data =
        encoder.write_all(&lines).and_then(|()| encoder.finish()).expect("writing to memory");

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, contents) in [(b"IHDR", &header), (b"IDAT", &data), (b"IEND", &Vec::new())] {
        file.extend_from_slice(
            &u32::try_from(contents.len()).expect("a small image").to_be_bytes(),
        );
        let mut checksum = Crc::new();
        checksum.update(kind);
        checksum.update(contents);
        file.extend_from_slice(kind);
        file.extend_from_slice(contents);
        file.extend_from_slice(&checksum.sum().to_be_bytes());
    }
    file
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |group, (i, &byte)| group | u32::from(byte) << (16 - 8 * i));
        for digit in 0..4 {
            // n bytes fill n + 1 digits.
            let value = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() {
                char::from(ALPHABET[value as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded: Vec<String> =
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())).into();
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [1.0, 0.125, -0.001, 12.5, 1234.0].map(number),
            ["1", "0.12", "0", "12.5", "1234"]
        );
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            escape("<a href='x'>&\"\u{1b}\n"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\n"
        );
    }

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
        use std::io::Read as _;
        let file = png(2, &[0, 255, 7, 9]);
        assert_eq!(&file[16..24], [0, 0, 0, 8, 0, 0, 0, 8]);
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(&file[41..41 + length]).read_to_end(&mut lines).unwrap();
        assert_eq!(lines.len(), 8 * 9);
        assert_eq!(lines[..9], [0, 0, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(lines[7 * 9..], [0, 7, 7, 7, 7, 9, 9, 9, 9]);
        // The checksum every PNG ends with.
        assert_eq!(file[file.len() - 4..], [0xae, 0x42, 0x60, 0x82]);
    }
}
