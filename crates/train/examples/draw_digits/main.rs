//! Draws the embedded digits: the data set with which training and every test run without a
//! download. `cargo xtask data generate` starts this program. The same bytes come out on every
//! machine: a fixed generator of random integers, and no floating-point operation but + - * / and
//! sqrt, which IEEE 754 rounds in one way only (`sin` and `exp` come from a library that differs
//! between systems).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to a person")]

mod glyphs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use morphograd::data::{DataError, FILES};
use morphograd_idx::{Idx, IdxData};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use glyphs::{HANDS, Stroke};

/// Draws the embedded digits again: the same files, bit for bit
#[derive(Debug, Parser)]
#[command(name = "cargo xtask data generate", bin_name = "cargo xtask data generate")]
struct Arguments {
    /// Where to put them
    #[arg(
        long,
        value_name = "DIR",
        default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/digits")
    )]
    out: PathBuf,
}

fn main() -> ExitCode {
    match generate(&Arguments::parse().out) {
        Ok(paths) => {
            paths.iter().for_each(|path| println!("{}", path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Number of training images.
const TRAIN_IMAGES: usize = 4096;
/// Number of test images, as many as MNIST has.
const TEST_IMAGES: usize = 10_000;
/// Height and width of an image in pixels.
const SIDE: usize = 28;

// What makes the digits hard to tell apart; as they are, classifiers that see 1,024 images do about
// as well as on MNIST. Lengths are in units of half the height of a digit, unless they say pixels.
// After a change, write the files anew (`cargo xtask data generate`) and copy into the manifest the
// sizes and check sums that its failing test prints.

const SEED: u64 = 0x6d6f_7270_686f_6772;
/// Deviation of every point of a stroke, independently: the unsteady hand.
const JITTER: f64 = 0.065;
/// Deviation of the corners of a coarse grid that carries the digit along: the elastic deformation.
const ELASTIC: f64 = 0.115;
/// Deviation of the slant (shear of x by y).
const SLANT: f64 = 0.2;
/// Deviation of the rotation, as the tangent of half the angle.
const ROTATION: f64 = 0.065;
/// Half the height of a digit in pixels: smallest, largest.
const SIZE: [f64; 2] = [8.2, 10.6];
/// Width over height, relative to the table: smallest, largest.
const ASPECT: [f64; 2] = [0.75, 1.25];
/// Largest shift of the centre in pixels, both ways on both axes.
const SHIFT: f64 = 1.5;
/// Half the width of the stroke in pixels: smallest, largest.
const PEN: [f64; 2] = [0.85, 1.8];
/// How much the pen thins out or swells between the ends of a stroke, at most, as a share of its
/// width.
const PRESSURE: f64 = 0.35;
/// Darkest ink: smallest, largest.
const INK: [f64; 2] = [0.7, 1.0];
/// Largest share of the ink that a pixel loses to the grain of the paper.
const GRAIN: f64 = 0.3;
/// Share of the images that a band wipes clean, and half the width of that band in pixels:
/// smallest, largest.
const WIPE: f64 = 0.2;
const WIPE_WIDTH: [f64; 2] = [0.6, 1.4];
/// Share of the images with a stray mark.
const STRAY: f64 = 0.2;
/// Number of greys beside black: few, so that the files stay small.
const GREYS: f64 = 15.0;

/// Segments between two points of a curve.
const CURVE_STEPS: usize = 6;

/// Draws the data set and writes its four files to `dir` (made if it is missing), each complete
/// before it gets its name. The paths, in the order of [`FILES`]. Takes about a second in a release
/// build.
fn generate(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    fs::create_dir_all(dir).map_err(|cause| DataError::Folder { path: dir.to_owned(), cause })?;
    let mut paths = Vec::new();
    for (array, name) in arrays(TRAIN_IMAGES, TEST_IMAGES).iter().zip(FILES) {
        let path = dir.join(name);
        morphograd_idx::write(&path, array)?;
        paths.push(path);
    }
    Ok(paths)
}

/// The first images of both splits, in the order of [`FILES`]: training images and labels, test
/// images and labels. An image depends on its split and position only.
fn arrays(n_train: usize, n_test: usize) -> [Idx; 4] {
    let [[train_images, train_labels], [test_images, test_labels]] = [(0, n_train), (1, n_test)]
        .map(|(split, n)| {
            let mut pixels = vec![0; n * SIDE * SIDE];
            let labels: Vec<u8> = pixels
                .chunks_exact_mut(SIDE * SIDE)
                .zip(0..)
                .map(|(image, i)| draw(split << 32 | i, image))
                .collect();
            let images = Idx::new(vec![n, SIDE, SIDE], IdxData::U8(pixels));
            [images, Idx::new(vec![n], IdxData::U8(labels))]
                .map(|array| array.expect("one element per position"))
        });
    [train_images, train_labels, test_images, test_labels]
}

/// Draws image number `index` on a black background; returns its digit.
fn draw(index: u64, image: &mut [u8]) -> u8 {
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(SEED ^ index));
    let digit = random.below(10);
    let hands = HANDS[digit];
    let glyph = hands[random.below(hands.len())];

    let place = Placement::random(&mut random);
    let pen = random.between(PEN);
    let mut canvas = Canvas { ink: [0.0; SIDE * SIDE] };
    for stroke in glyph {
        let points: Vec<[f64; 2]> =
            flatten(stroke, &mut random).into_iter().map(|point| place.apply(point)).collect();
        let swell = random.symmetric(PRESSURE);
        let n = (points.len() - 1) as f64;
        for (i, ends) in points.windows(2).enumerate() {
            let along = (i as f64 + 0.5) / n * 2.0 - 1.0;
            canvas.segment(ends[0], ends[1], pen * (1.0 + swell * along));
        }
    }
    if random.chance(WIPE) {
        let direction = random.direction();
        let half_width = random.between(WIPE_WIDTH);
        let centre = [14.0 + random.symmetric(6.0), 14.0 + random.symmetric(6.0)];
        canvas.wipe(centre, direction, half_width);
    }
    if random.chance(STRAY) {
        let start = [4.0 + 20.0 * random.unit(), 4.0 + 20.0 * random.unit()];
        let direction = random.direction();
        let length = random.between([1.5, 4.5]);
        let end = [start[0] + length * direction[0], start[1] + length * direction[1]];
        canvas.segment(start, end, pen * 0.8);
    }
    let ink = random.between(INK);
    for (pixel, &coverage) in image.iter_mut().zip(&canvas.ink) {
        // No ink, no grain: the background stays black.
        if coverage > 0.0 {
            let value = coverage * ink * (1.0 - GRAIN * random.unit());
            *pixel = ((value * GREYS + 0.5).floor() * (255.0 / GREYS)) as u8;
        }
    }
    digit as u8
}

/// The points of a stroke, shaken, and joined by short segments where it is a curve: a Catmull-Rom
/// spline.
fn flatten(stroke: &Stroke, random: &mut Random) -> Vec<[f64; 2]> {
    let (Stroke::Line(points) | Stroke::Curve(points)) = stroke;
    let points: Vec<[f64; 2]> = points
        .iter()
        .map(|&[x, y]| [x + JITTER * random.normal(), y + JITTER * random.normal()])
        .collect();
    if matches!(stroke, Stroke::Line(_)) {
        // Cut up as well, so that the elastic deformation bends it.
        let cut = |ends: &[[f64; 2]]| {
            let [from, to] = [ends[0], ends[1]];
            (0..CURVE_STEPS).map(move |i| mix(from, to, i as f64 / CURVE_STEPS as f64))
        };
        let last = points[points.len() - 1];
        return points.windows(2).flat_map(cut).chain([last]).collect();
    }
    let last = points.len() - 1;
    let at = |i: isize| points[i.clamp(0, last as isize) as usize];
    let mut curve = Vec::with_capacity(last * CURVE_STEPS + 1);
    for i in 0..last as isize {
        let [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
        for step in 0..CURVE_STEPS {
            let t = step as f64 / CURVE_STEPS as f64;
            let axis = |k: usize| {
                let slope = c[k] - a[k];
                let bend = 2.0 * a[k] - 5.0 * b[k] + 4.0 * c[k] - d[k];
                let twist = 3.0 * (b[k] - c[k]) + d[k] - a[k];
                b[k] + 0.5 * t * (slope + t * (bend + t * twist))
            };
            curve.push([axis(0), axis(1)]);
        }
    }
    curve.push(points[last]);
    curve
}

/// Where and how a digit stands on the canvas.
struct Placement {
    size: f64,
    aspect: f64,
    slant: f64,
    /// Cosine and sine of the rotation.
    rotation: [f64; 2],
    centre: [f64; 2],
    /// Displacements of the corners of a grid over [-1.5, 1.5] x [-1.5, 1.5].
    grid: [[[f64; 2]; 4]; 4],
}

impl Placement {
    fn random(random: &mut Random) -> Self {
        // The rational parametrization of the circle: no sine needed.
        let tangent = ROTATION * random.normal();
        let scale = 1.0 / (1.0 + tangent * tangent);
        Placement {
            size: random.between(SIZE),
            aspect: random.between(ASPECT),
            slant: -SLANT * random.normal(),
            rotation: [(1.0 - tangent * tangent) * scale, 2.0 * tangent * scale],
            centre: [14.0 + random.symmetric(SHIFT), 14.0 + random.symmetric(SHIFT)],
            grid: [[(); 4]; 4]
                .map(|row| row.map(|()| [ELASTIC * random.normal(), ELASTIC * random.normal()])),
        }
    }

    /// From the coordinates of the glyph to pixels.
    fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [dx, dy] = self.displacement([x, y]);
        let (x, y) = (x + dx, y + dy);
        let (x, y) = (x * self.aspect + self.slant * y, y);
        let [cos, sin] = self.rotation;
        let (x, y) = (cos * x - sin * y, sin * x + cos * y);
        [self.centre[0] + self.size * x, self.centre[1] + self.size * y]
    }

    /// The elastic deformation: smooth between the corners of the grid.
    fn displacement(&self, point: [f64; 2]) -> [f64; 2] {
        let [(column, u), (row, v)] = point.map(|coordinate| {
            let position = (coordinate + 1.5).clamp(0.0, 2.999);
            let cell = position.floor();
            let t = position - cell;
            (cell as usize, t * t * (3.0 - 2.0 * t))
        });
        let [above, below] =
            [row, row + 1].map(|row| mix(self.grid[row][column], self.grid[row][column + 1], u));
        mix(above, below, v)
    }
}

/// Ink per pixel, in [0, 1]. The centre of pixel (row, column) is at (column + 0.5, row + 0.5).
struct Canvas {
    ink: [f64; SIDE * SIDE],
}

impl Canvas {
    /// Draws a segment with round ends. The coverage of a pixel falls from 1 to 0 over one pixel at
    /// the rim of the pen.
    fn segment(&mut self, from: [f64; 2], to: [f64; 2], radius: f64) {
        let reach = radius + 0.5;
        let range = |axis: usize| {
            let (low, high) = (from[axis].min(to[axis]) - reach, from[axis].max(to[axis]) + reach);
            low.max(0.0) as usize..(high.max(0.0) as usize + 1).min(SIDE)
        };
        for row in range(1) {
            for column in range(0) {
                let pixel = [column as f64 + 0.5, row as f64 + 0.5];
                let distance = distance_to_segment(pixel, from, to);
                let coverage = (reach - distance).clamp(0.0, 1.0);
                let ink = &mut self.ink[row * SIDE + column];
                *ink = ink.max(coverage);
            }
        }
    }

    /// Takes the ink off a band through `centre` along the unit vector `direction`.
    fn wipe(&mut self, centre: [f64; 2], direction: [f64; 2], half_width: f64) {
        for (i, ink) in self.ink.iter_mut().enumerate() {
            let (x, y) = ((i % SIDE) as f64 + 0.5 - centre[0], (i / SIDE) as f64 + 0.5 - centre[1]);
            let distance = (x * direction[1] - y * direction[0]).abs();
            *ink *= (distance - half_width + 0.5).clamp(0.0, 1.0);
        }
    }
}

fn distance_to_segment(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let projection = (point[0] - from[0]) * along[0] + (point[1] - from[1]) * along[1];
    let t = if length > 0.0 { (projection / length).clamp(0.0, 1.0) } else { 0.0 };
    let nearest = mix(from, to, t);
    let (x, y) = (point[0] - nearest[0], point[1] - nearest[1]);
    (x * x + y * y).sqrt()
}

fn mix(a: [f64; 2], b: [f64; 2], t: f64) -> [f64; 2] {
    [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]
}

/// Random numbers from the top bits of the generator, exact in binary.
struct Random(Xoshiro256PlusPlus);

impl Random {
    /// Uniform in [0, 1): a multiple of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in [-bound, bound).
    fn symmetric(&mut self, bound: f64) -> f64 {
        self.between([-bound, bound])
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..n; the bias of at most n / 2^32 does not matter here.
    fn below(&mut self, n: usize) -> usize {
        (((self.0.next_u64() >> 32) * n as u64) >> 32) as usize
    }

    /// Nearly normal, mean 0 and deviation 1, never beyond 3.5: a sum of four uniform numbers,
    /// whose deviation is 1 / sqrt(3).
    fn normal(&mut self) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// A unit vector; not quite uniform in its angle.
    fn direction(&mut self) -> [f64; 2] {
        let tangent = self.symmetric(1.0);
        let scale = 1.0 / (1.0 + tangent * tangent);
        let [cos, sin] = [(1.0 - tangent * tangent) * scale, 2.0 * tangent * scale];
        if self.chance(0.5) { [cos, sin] } else { [-sin, cos] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_byte_for_byte_what_is_drawn() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/digits");
        let dir = tempfile::tempdir().unwrap();
        let paths = generate(&dir.path().join("new")).unwrap();
        assert_eq!(paths.len(), FILES.len());
        for path in paths {
            let name = path.file_name().unwrap();
            let [drawn, there] = [&path, &committed.join(name)].map(|file| fs::read(file).unwrap());
            assert!(drawn == there, "{} differs from what is drawn", name.display());
        }
    }

    #[test]
    fn an_image_depends_on_its_position_only_and_every_digit_comes_up() {
        let [images, labels, ..] = arrays(100, 1);
        let [more_images, more_labels, ..] = arrays(1000, 1);
        let (IdxData::U8(images), IdxData::U8(more_images)) = (images.data(), more_images.data())
        else {
            panic!("pixels are bytes");
        };
        assert_eq!(images[..], more_images[..images.len()]);
        let (IdxData::U8(labels), IdxData::U8(more_labels)) = (labels.data(), more_labels.data())
        else {
            panic!("labels are bytes");
        };
        assert_eq!(labels[..], more_labels[..labels.len()]);
        for digit in 0..10 {
            let count = more_labels.iter().filter(|&&label| label == digit).count();
            assert!((70..130).contains(&count), "{count} of 1000 images show a {digit}");
        }
        // Every image has ink, and most of each is background.
        for image in more_images.chunks_exact(SIDE * SIDE) {
            let inked = image.iter().filter(|&&pixel| pixel > 0).count();
            assert!((15..400).contains(&inked), "{inked} pixels with ink");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = generate(&file.join("below")).unwrap_err();
        assert!(error.to_string().contains("cannot make the folder"), "{error}");
    }
}
