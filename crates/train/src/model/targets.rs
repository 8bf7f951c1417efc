//! Images to images: what a network learns that gives an image.
//!
//! The one design choice: the noise of an image is a function of a seed and of its number, so every
//! epoch has the same pairs, and so has every number of threads.

use std::fmt::Debug;

use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape};
use morphograd_morphology::nn::fit::{Batch, DataSet};
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{Shape, ShapeError, TensorRef};
use morphograd_morphology::nn::{Layer, Model};

use super::fields::{Entry, Kind};
use crate::data::Augmented;

/// What noise can be.
pub const NOISE: Kind<Noise> = Kind { what: "a noise", entries: NOISES, words: &[] };

/// The noises.
pub const NOISES: &[Entry<Noise>] = &[
    Entry {
        name: "Gaussian",
        about: "normal numbers of a standard deviation, added to every pixel",
        read: |f| Ok(Noise::Gaussian { std: f.number("std", 0.1)? }),
    },
    Entry {
        name: "SaltAndPepper",
        about: "with a probability `share` a pixel is lost, and 0 or 1 instead",
        read: |f| Ok(Noise::SaltAndPepper { share: f.number("share", 0.1)? }),
    },
];

/// What is wrong with the images that a network gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Normal numbers of mean 0, added to every pixel.
    Gaussian {
        /// Their standard deviation; 1 is from black to white.
        std: f64,
    },
    /// Lost pixels: 0 or 1, equally likely.
    SaltAndPepper {
        /// The probability that a pixel is lost.
        share: f64,
    },
}

impl Noise {
    /// Adds the noise of one image.
    fn add(self, stream: &mut Stream, image: &mut [f32]) {
        match self {
            Self::Gaussian { std } => {
                image.iter_mut().for_each(|pixel| *pixel += (std * stream.normal()) as f32);
            }
            Self::SaltAndPepper { share } => {
                for pixel in image {
                    // Two numbers a pixel, so that a share moves no other pixel's number.
                    let (lost, value) = (stream.uniform() < share, stream.uniform() < 0.5);
                    if lost {
                        *pixel = f32::from(u8::from(value));
                    }
                }
            }
        }
    }
}

/// Images with noise as inputs, and what is to come out as targets: the images without it, or what
/// a fixed network, the teacher, makes of these.
#[derive(Debug)]
pub struct ImageTargets<'a> {
    /// The images.
    pub images: Augmented<'a>,
    /// The noise; none for inputs as they are.
    pub noise: Option<Noise>,
    /// What decides the noise, together with the number of an image.
    pub seed: u64,
    /// What the noise is for (`training`, `test`): the same image has another one in each.
    pub purpose: &'static str,
    /// The teacher with its parameters.
    pub teacher: Option<(&'a Model<f32>, &'a Params<f32>)>,
}

impl DataSet<f32> for ImageTargets<'_> {
    fn len(&self) -> usize {
        self.images.images.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let (mode, [height, width, channels]) = (graph.mode(), self.images.images.shape());
        let shape = Shape::from([examples.len(), height, width, channels]);
        let inputs = graph.input_with(shape, |pixels| {
            self.images.gather_pixels(mode, examples, pixels);
            let Some(noise) = self.noise else { return };
            for (image, i) in pixels.chunks_exact_mut(height * width * channels).zip(examples) {
                let mut stream = Stream::new(self.seed, self.purpose, *i as u64);
                noise.add(&mut stream, image);
            }
        });
        let Some((teacher, params)) = self.teacher else {
            let clean = |pixels: &mut [f32]| self.images.gather_pixels(mode, examples, pixels);
            return Ok(Batch::new(inputs, graph.input_with(shape, clean)));
        };
        let mut pixels = vec![0.0; shape.len()];
        self.images.gather_pixels(mode, examples, &mut pixels);
        let mut tape = Tape::new();
        let mut own = tape.record(params, Mode::Eval);
        let x = own.input(TensorRef::new(shape, &pixels));
        let y = teacher.forward(&mut own, x)?;
        Ok(Batch::new(inputs, graph.input(own.value(y))))
    }
}
