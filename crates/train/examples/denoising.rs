//! A denoiser that learns from one photograph, beside a median filter on another one:
//! `models/mixed_denoiser.toml`, trained on pieces of the first with noise. The figure is in
//! `docs/cookbook/images.md`.
//!
//! Run with `cargo run --release -p morphograd --example denoising -- TRAIN.png TEST.png`. The
//! figure is of `coins.png` and `camera.png`, which `scikit-image` brings along
//! (`skimage.data.coins()`, `skimage.data.camera()`).
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use std::path::{Path, PathBuf};

use clap::Parser;
use common::{Outcome, Printer, figure, results};
use morphograd::data::{Augmentation, Augmented, Images, Pixels, files};
use morphograd::model::{Examples, ModelFile, Noise, Target};
use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::fit::{DataSet, Fit};
use morphograd_morphology::nn::{Layer, Optimizer};
use morphograd_plot::{ImageGrid, Tile};
use serde_json::json;

/// What is learned from and what is measured on.
#[derive(Debug, Parser)]
struct Options {
    /// The photograph that is learned from
    train: PathBuf,
    /// The photograph that is cleaned
    test: PathBuf,
    /// Epochs
    #[arg(long, default_value_t = 60)]
    epochs: usize,
    /// Row and column where the part of the figure begins
    #[arg(long, num_args = 2, default_values_t = [100, 210])]
    part: Vec<usize>,
}

/// Side of the pieces, and how far one is from the next.
const PIECE: usize = 48;
const STEP: usize = 16;
/// Side of the part of the figure.
const PART: usize = 96;

const NOISES: [(&str, Noise); 2] = [
    ("salt and pepper, 10 %", Noise::SaltAndPepper { share: 0.1 }),
    ("Gaussian, 0.1", Noise::Gaussian { std: 0.1 }),
];

fn main() -> Outcome<()> {
    let options = Options::parse();
    let photograph = Photograph::read(&options.test)?;
    let pieces = Photograph::read(&options.train)?.pieces()?;
    let whole = [photograph.height, photograph.width, 1];
    let pixels = Pixels::F32(photograph.pixels.clone());
    let whole = Images::new("the photograph".into(), whole, pixels, vec![0])?;
    let text = include_str!("../../../models/mixed_denoiser.toml");
    let file = ModelFile::parse("mixed_denoiser.toml", text)?;
    let (mut rows, mut tiles) = (Vec::new(), Vec::new());
    for (name, noise) in NOISES {
        println!("Noise: {name}");
        let mut params = Params::new();
        let model = file.build(&mut params, 0, [PIECE, PIECE, 1], 1)?;
        let training = file.training()?;
        let pairs = |images, purpose| {
            let augmentation = Augmentation::default();
            let images = Augmented { images, augmentation, seed: 0 };
            Examples::new((Target::Image, Some(noise)), None, images, purpose)
        };
        let mut optimizer = Optimizer::new(&params, training.rule, training.rate);
        Fit {
            epochs: options.epochs,
            batch_size: training.batch_size.unwrap_or(32),
            callbacks: vec![&mut Printer],
            ..Fit::new(&model, &*training.loss, &pairs(&pieces, "training noise"))
        }
        .run(&mut params, &mut optimizer)?;

        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = pairs(&whole, "test noise").gather(&mut graph, &[0])?.inputs[0];
        let y = model.forward(&mut graph, x)?;
        let (noisy, learned) = (graph.value(x).data, graph.value(y).data);
        let medians = [3, 5].map(|side| photograph.medians(noisy, side));
        let images: [(&str, &[f32]); 4] = [
            ("noisy", noisy),
            ("median 3 x 3", &medians[0]),
            ("median 5 x 5", &medians[1]),
            ("learned", learned),
        ];
        let psnr = images.map(|(_, image)| photograph.psnr(image));
        for ((label, image), psnr) in images.into_iter().zip(psnr) {
            let part = photograph.part(image, &options.part);
            let tile = Tile::image(label, PART, &part, [0.0, 1.0]);
            tiles.push(Tile { note: format!("{psnr:.2} dB"), ..tile });
        }
        rows.push((name, psnr));
    }
    println!("\nPSNR in dB               noisy  median 3 x 3  median 5 x 5  learned");
    for (name, psnr) in &rows {
        println!("{name:22}{:8.2}{:14.2}{:14.2}{:9.2}", psnr[0], psnr[1], psnr[2], psnr[3]);
    }
    let columns = ["noisy", "median 3 x 3", "median 5 x 5", "learned"];
    let row = |(name, psnr): &(&str, [f64; 4])| json!({ "noise": name, "psnr": psnr });
    let rows: Vec<_> = rows.iter().map(row).collect();
    results("denoising", &json!({ "columns": columns, "rows": rows }))?;
    let label = "A photograph with noise, by medians and by the learned filters";
    let grid = ImageGrid { label, columns: 4, lead: None, tiles, colours: None };
    figure("denoising", &grid.svg())
}

/// A grey image; 1 is white.
struct Photograph {
    height: usize,
    width: usize,
    pixels: Vec<f32>,
}

impl Photograph {
    fn read(path: &Path) -> Outcome<Self> {
        let header = morphograd_image::inspect(path)?;
        let [height, width] = [header.height, header.width];
        if height < PART || width < PART {
            let expected = format!("at least {PART} x {PART} pixels");
            let name = path.display();
            return Err(format!("{name}: expected {expected}, found {height} x {width}").into());
        }
        Ok(Self { height, width, pixels: files::read_one(path, [height, width, 1])? })
    }

    fn pieces(&self) -> Outcome<Images> {
        let mut pixels = Vec::new();
        for top in (0..=self.height - PIECE).step_by(STEP) {
            for left in (0..=self.width - PIECE).step_by(STEP) {
                for row in top..top + PIECE {
                    pixels.extend_from_slice(&self.pixels[row * self.width + left..][..PIECE]);
                }
            }
        }
        let count = pixels.len() / (PIECE * PIECE);
        let shape = [PIECE, PIECE, 1];
        Ok(Images::new("the pieces".into(), shape, Pixels::F32(pixels), vec![0; count])?)
    }

    /// The median of every window; outside of the image is its nearest pixel.
    fn medians(&self, image: &[f32], side: usize) -> Vec<f32> {
        let reach = side / 2;
        let mut window = vec![0.0; side * side];
        (0..image.len())
            .map(|i| {
                for (k, out) in window.iter_mut().enumerate() {
                    let near = |at: usize, shift: usize, n: usize| {
                        (at + shift).saturating_sub(reach).min(n - 1)
                    };
                    let row = near(i / self.width, k / side, self.height);
                    *out = image[row * self.width + near(i % self.width, k % side, self.width)];
                }
                *window.select_nth_unstable_by(side * side / 2, f32::total_cmp).1
            })
            .collect()
    }

    fn psnr(&self, image: &[f32]) -> f64 {
        let squares = image.iter().zip(&self.pixels).map(|(a, b)| f64::from(a - b).powi(2));
        -10.0 * (squares.sum::<f64>() / image.len() as f64).log10()
    }

    /// A square, as near to a place as it can be.
    fn part(&self, image: &[f32], place: &[usize]) -> Vec<f64> {
        let (top, left) = (place[0].min(self.height - PART), place[1].min(self.width - PART));
        (0..PART * PART)
            .map(|i| f64::from(image[(top + i / PART) * self.width + left + i % PART]))
            .collect()
    }
}
