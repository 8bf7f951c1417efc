//! The operators in words and pictures: what `apply --list` tells.

use morphograd_image::Sample as _;
use morphograd_image::{Picture, each, write};
use morphograd_plot::{ImageGrid, Tile};

use crate::apply::element::GENERATORS;
use crate::apply::error::ApplyError;
use crate::apply::operator::{Operator, Output};
use crate::apply::parameter::PARAMETERS;
use crate::apply::pipeline::Pipeline;
use crate::apply::table::OPERATORS;

/// Every operator with its parameters, every parameter and every shape, a line or two each.
pub fn list() -> String {
    let mut text = String::from("Operators, with their parameters in the order of their values:\n");
    for operator in OPERATORS {
        text += &format!("  {}\n      {}\n", operator.usage(), operator.about);
        if !operator.aliases.is_empty() {
            text += &format!("      also: {}\n", operator.aliases.join(", "));
        }
    }
    text += "\nEach channel is on its own, alpha stays as it is, and so does the bit depth.\n";
    text += "\nParameters:\n";
    for parameter in PARAMETERS {
        let default = parameter.default.map_or(String::new(), |value| format!(" [{value}]"));
        let head = format!("{}={}", parameter.name, parameter.value);
        text += &format!("  {head:17} {}{default}\n", parameter.about);
    }
    text += "\nElements:\n";
    for generator in GENERATORS {
        let head = format!("{}:{}", generator.name, generator.form);
        text += &format!("  {head:17} {}\n", generator.about);
    }
    text += "  FILE              an image whose pixels that are not 0 are the set, or a text file \
        with rows\n                    of # and . or of numbers\n  RUN#FILTER        a kernel \
        that `train` has learned, from the folder of a run\n";
    text
}

/// The side of the picture that operators are shown on.
const SIDE: usize = 44;

/// A small scene: discs, lines, holes and specks on a slope, the same on every machine.
fn scene() -> Picture {
    let disc = |y: f64, x: f64, at: [f64; 2], radius: f64| (y - at[0]).hypot(x - at[1]) <= radius;
    let value = |i: usize| {
        let (row, column) = (i / SIDE, i % SIDE);
        let (y, x) = (row as f64, column as f64);
        let slope = 30.0 + 1.2 * x;
        let scene = if disc(y, x, [13.0, 13.0], 9.0) {
            if disc(y, x, [12.0, 11.0], 2.5) { 70.0 } else { 200.0 - 5.0 * (x - 13.0).abs() }
        } else if disc(y, x, [31.0, 31.0], 6.0) {
            150.0 + 10.0 * (31.0 - y)
        } else if disc(y, x, [9.0, 34.0], 3.0) {
            235.0
        } else if (27..29).contains(&row) && (4..22).contains(&column) {
            180.0
        } else if row == column + 16 && (18..40).contains(&row) {
            140.0
        } else if disc(y, x, [38.0, 8.0], 3.0) {
            10.0
        } else {
            slope
        };
        // A few specks of both signs, by a rule.
        match (row * 31 + column * 57) % 97 {
            0 => 255,
            1 => 0,
            _ => scene.clamp(0.0, 255.0).round() as u8,
        }
    };
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(value).collect();
    Picture::new([SIDE, SIDE], 1, pixels).expect("a sample for each pixel")
}

/// Where the operators that grow a marker begin: the scene, lowered and eroded.
const MARKER: &str = "erosion disk:3";

/// A figure with the scene and, of each operator that gives an image, what it makes of the scene.
///
/// # Errors
/// If the marker, which is a file for a moment, cannot be written, or an example of the table is
/// wrong.
pub fn contact_sheet() -> Result<String, ApplyError> {
    let scene = scene();
    let folder = std::env::temp_dir().join(format!("morphograd-{}", std::process::id()));
    let refused = |error: std::io::Error| {
        ApplyError::new(folder.display().to_string(), "a folder for the marker", error.to_string())
    };
    std::fs::create_dir_all(&folder).map_err(refused)?;
    let marker = folder.join("marker.png");
    let figure = picture_of(&Pipeline::parse(MARKER, &[])?, &scene)
        .and_then(|eroded| Ok(write(&marker, &eroded)?))
        .and_then(|()| sheet(&scene, &marker.display().to_string()));
    std::fs::remove_dir_all(&folder).map_err(refused)?;
    figure
}

fn sheet(scene: &Picture, marker: &str) -> Result<String, ApplyError> {
    let mut tiles = Vec::new();
    for operator in OPERATORS.iter().filter(|operator| !operator.is_table()) {
        let with_marker = operator.parameters.contains(&"marker");
        let options = if with_marker { &[("marker", marker)][..] } else { &[] };
        let pipeline = format!("{} {}", operator.name, operator.example);
        let result = picture_of(&Pipeline::parse(&pipeline, options)?, scene)?;
        let value = operator.example.split(' ').next().unwrap_or_default();
        let note = if with_marker { "a marker" } else { value };
        tiles.push(tile(operator.name, note, &result));
    }
    let lead = Some(tile("the image", "", scene));
    let label = "A small scene, and what each operator makes of it";
    Ok(ImageGrid { label, columns: 6, lead, tiles, colours: None }.svg())
}

fn picture_of(pipeline: &Pipeline, picture: &Picture) -> Result<Picture, ApplyError> {
    match pipeline.run(picture)? {
        Output::Picture(picture) => Ok(picture),
        Output::Table(_) => Err(ApplyError::new("pipeline", "an image", "a table")),
    }
}

/// From the darkest to the brightest value.
fn tile(name: &str, note: &str, picture: &Picture) -> Tile {
    let values: Vec<f64> =
        each!(picture.pixels(), samples => samples.iter().map(|x| x.number()).collect());
    let image = Tile::scaled_image(short(name), picture.size()[1], &values);
    Tile { note: note.to_owned(), ..image }
}

/// A name that fits above a tile.
fn short(name: &str) -> String {
    [
        ("-by-reconstruction", " by rec."),
        ("alternating-sequential", "alternating"),
        ("al-gradient", "al grad."),
        ("-dilation", " dil."),
        ("al-maxima", "al max."),
        ("al-minima", "al min."),
        ("ed-maxima", "ed max."),
        ("ed-minima", "ed min."),
    ]
    .iter()
    .fold(name.to_owned(), |name, (long, short)| name.replace(long, short))
}

/// A page with the figure and the list.
///
/// # Errors
/// As [`contact_sheet`].
pub fn page() -> Result<String, ApplyError> {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let row = |operator: &Operator| {
        let (usage, about) = (escape(&operator.usage()), escape(operator.about));
        format!("<tr><td><code>{usage}</code></td><td>{about}</td></tr>\n")
    };
    let rows: String = OPERATORS.iter().map(row).collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Operators of \
         morphograd apply</title>\n<style>{STYLE}</style>\n<h1>Operators of <code>apply</code></h1>\
         \n{}\n<table>\n{rows}</table>\n<pre>{}</pre>\n</html>\n",
        contact_sheet()?,
        escape(list().split_once("\nEach").map_or("", |(_, rest)| rest)),
    ))
}

const STYLE: &str = "body{font-family:Helvetica,Arial,sans-serif;max-width:60em;margin:2em auto;\
    padding:0 1em}svg{max-width:100%;height:auto}td{padding:.2em 1em .2em 0;vertical-align:top}\
    @media (prefers-color-scheme:dark){body{background:#16181b;color:#e6e6e3}\
    svg .paper{fill:#16181b}svg .ink{fill:#e6e6e3}svg .soft{fill:#a3a6aa}}";
