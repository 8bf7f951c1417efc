//! Curves of accuracy, for the examples that compare models. Examples that draw some include this
//! file beside `common`.

use std::fmt::Write as _;

use crate::common::{Outcome, figure};

/// A name and points from left to right.
pub(crate) type Curve<'a> = (&'a str, Vec<(f64, f64)>);

/// Writes `runs/examples/<name>.svg`: shares between 0 and 1 over what `label` says, which ranges
/// over the `ticks`.
pub(crate) fn chart(name: &str, label: &str, ticks: &[f64], curves: &[Curve<'_>]) -> Outcome<()> {
    const COLOURS: [&str; 4] = ["#1f6fb4", "#b03a2e", "#2e8b57", "#6b4fa0"];
    let (left, top, width, height) = (60.0, 24.0, 480.0, 260.0);
    let (right, bottom) = (left + width, top + height);
    let range = |ends: Option<&f64>| ends.copied().unwrap_or_default();
    let (low, high) = (range(ticks.first()), range(ticks.last()));
    let at = |(x, y): (f64, f64)| (left + (x - low) / (high - low) * width, bottom - y * height);
    let mut body = String::new();
    for tick in ticks {
        let (x, label) = (at((*tick, 0.0)).0, bottom + 16.0);
        writeln!(body, r##"<path d="M{x} {top}V{bottom}" stroke="#dddddd"/>"##)?;
        writeln!(body, r#"<text x="{x}" y="{label}" text-anchor="middle">{tick}</text>"#)?;
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = at((low, share)).1;
        writeln!(body, r##"<path d="M{left} {y}H{right}" stroke="#dddddd"/>"##)?;
        writeln!(
            body,
            r#"<text x="{}" y="{}" text-anchor="end">{share}</text>"#,
            left - 6.0,
            y + 4.0
        )?;
    }
    let (middle, below) = (left + width / 2.0, bottom + 36.0);
    writeln!(body, r#"<text x="{middle}" y="{below}" text-anchor="middle">{label}</text>"#)?;
    writeln!(body, r#"<text x="{left}" y="14">test accuracy</text>"#)?;
    for ((name, curve), colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<_> = curve.iter().map(|p| at(*p)).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let line = line.join(" ");
        writeln!(
            body,
            r#"<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        )?;
        for (x, y) in &points {
            writeln!(body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)?;
        }
        if let Some((x, y)) = points.last() {
            writeln!(
                body,
                r#"<text x="{}" y="{}" fill="{colour}">{name}</text>"#,
                x + 8.0,
                y + 4.0
            )?;
        }
    }
    figure(
        name,
        &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"330\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"680\" height=\"330\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        ),
    )
}
