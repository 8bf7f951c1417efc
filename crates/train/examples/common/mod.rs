//! What the examples share: the data, as the command finds them, and contact sheets. A sheet has one grey scale for all of its tiles, so
//! that they can be compared by eye.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use morphograd::data::{DataSource, Dataset, Images, Search};
use morphograd_morphology::nn::tensor::Tensor;

/// What an example may end with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The data that `MORPHOGRAD_DATA` names (a folder, `mnist`, `fashion-mnist`), else MNIST if it is in `datasets/`, else the embedded digits.
pub(crate) fn dataset() -> Outcome<Dataset> {
    let environment = env::var_os("MORPHOGRAD_DATA").map(PathBuf::from);
    let datasets = PathBuf::from("datasets");
    let search = Search { option: None, environment: environment.as_deref(), datasets: &datasets };
    let dataset = DataSource::find(&search)?.load()?;
    println!("Data: {}", dataset.note);
    Ok(dataset)
}

/// The images of a range as `[batch, height, width, 1]`, from 0 (black) to `white`.
pub(crate) fn images(images: &Images, range: std::ops::Range<usize>, white: f64) -> Tensor<f64> {
    let shape = [range.len(), images.height(), images.width(), 1];
    let pixels: Vec<u8> = range.flat_map(|i| images.pixels(i)).copied().collect();
    Tensor::from_fn(shape, |i| f64::from(pixels[i]) * white / 255.0)
}

/// One picture of a sheet.
pub(crate) struct Tile {
    /// Written above it.
    pub(crate) label: String,
    /// Pixels in a row.
    pub(crate) width: usize,
    /// The pixels, row by row.
    pub(crate) values: Vec<f64>,
}

/// Writes `runs/examples/<name>.svg`: the tiles in rows of `columns`, black at `black` and white at `white`; minus infinity is red.
pub(crate) fn sheet(name: &str, columns: usize, [black, white]: [f64; 2], tiles: &[Tile]) -> Outcome<()> {
    const SIDE: f64 = 96.0;
    const CELL: [f64; 2] = [SIDE + 12.0, SIDE + 28.0];
    let mut body = String::new();
    for (n, tile) in tiles.iter().enumerate() {
        let (left, top) = (12.0 + (n % columns) as f64 * CELL[0], 22.0 + (n / columns) as f64 * CELL[1]);
        let pixel = SIDE / tile.width as f64;
        let middle = left + SIDE / 2.0;
        let (label, base) = (&tile.label, top - 6.0);
        writeln!(body, r#"<text x="{middle}" y="{base}" text-anchor="middle">{label}</text>"#)?;
        for (row, values) in tile.values.chunks(tile.width).enumerate() {
            let colours: Vec<String> = values.iter().map(|v| colour((v - black) / (white - black))).collect();
            let mut from = 0;
            // Neighbours of one colour are one rectangle: most of a digit is background.
            for run in colours.chunk_by(|a, b| a == b) {
                let (x, y) = (left + from as f64 * pixel, top + row as f64 * pixel);
                let (w, fill) = (run.len() as f64 * pixel, &run[0]);
                writeln!(body, r#"<path d="M{x:.2} {y:.2}h{w:.2}v{pixel:.2}h-{w:.2}z" fill="{fill}"/>"#)?;
                from += run.len();
            }
        }
    }
    let size = [12.0 + columns as f64 * CELL[0], 8.0 + tiles.len().div_ceil(columns) as f64 * CELL[1]];
    let [w, h] = size;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" font-family=\"sans-serif\" font-size=\"11\" \
         shape-rendering=\"crispEdges\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    );
    save(name, &svg)
}

/// Writes `runs/examples/<name>.svg`.
pub(crate) fn save(name: &str, svg: &str) -> Outcome<()> {
    let path = PathBuf::from("runs/examples").join(name).with_extension("svg");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, svg)?;
    println!("Figure: {}", path.display());
    Ok(())
}

fn colour(share: f64) -> String {
    if share == f64::NEG_INFINITY {
        return "#b03a2e".to_owned();
    }
    let grey = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
    format!("#{grey:02x}{grey:02x}{grey:02x}")
}
