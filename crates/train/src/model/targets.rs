//! What a network learns: classes, images, or what else the data have.
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
use crate::data::{Augmented, DataError, Dataset};

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

/// What a network learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The classes of the images.
    Labels,
    /// The images themselves, or what a teacher makes of them.
    Image,
    /// What else the data have: an image for each, as a mask, or numbers.
    Data,
}

impl Target {
    /// Checks that the images have what is to be learned, that the network gives it, and that it
    /// changes with the images where these are augmented. `is_changed` says that they are.
    ///
    /// # Errors
    /// [`DataError::Counts`] with what was expected.
    pub(crate) fn check(
        self,
        dataset: &Dataset,
        model: &Model<f32>,
        is_changed: bool,
    ) -> Result<(), DataError> {
        let images = &dataset.train;
        let wrong = |expected: &str, found: String| {
            let (name, expected) = (dataset.name.clone(), expected.to_owned());
            Err(DataError::Counts { name, expected, found })
        };
        match (self, images.targets()) {
            (Self::Labels, _) if dataset.class_names.is_empty() => wrong(
                "data of classes, or a model file with another target under [training]",
                dataset.kind(),
            ),
            (Self::Labels | Self::Image, _) => Ok(()),
            (Self::Data, None) => {
                wrong("masks or numbers for a model file with target = \"data\"", dataset.kind())
            }
            (Self::Data, Some(targets)) => {
                let (shape, output) = (targets.shape(), model.output());
                let size = targets.image_shape().map(|shape| [shape[0], shape[1]]);
                if output.dims() != shape {
                    let expected = format!("a network that gives {shape:?} as its targets are");
                    wrong(&expected, format!("{:?}", output.dims()))
                } else if is_changed && size.is_some_and(|s| s != [images.height(), images.width()])
                {
                    let expected = "target images of the size of the images for --augment";
                    wrong(expected, format!("{shape:?}"))
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// What a training or a measurement takes: images with their classes, or with what else is to be
/// learned.
#[derive(Debug)]
pub enum Examples<'a> {
    /// With their classes.
    Classes(Augmented<'a>),
    /// With something else.
    Pairs(ImageTargets<'a>),
}

impl<'a> Examples<'a> {
    /// Those of a target, with a noise and a teacher that has been built. `purpose` keeps noises
    /// apart.
    pub fn new(
        (target, noise): (Target, Option<Noise>),
        teacher: Option<(&'a Model<f32>, &'a Params<f32>)>,
        images: Augmented<'a>,
        purpose: &'static str,
    ) -> Self {
        let goal = match target {
            Target::Labels => return Self::Classes(images),
            Target::Data => Goal::Data,
            Target::Image => teacher.map_or(Goal::Images, Goal::Teacher),
        };
        let seed = images.seed;
        Self::Pairs(ImageTargets { images, noise, seed, purpose, goal })
    }
}

impl DataSet<f32> for Examples<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Classes(images) => images.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    fn ahead(&self, examples: &[usize]) {
        let (Self::Classes(images) | Self::Pairs(ImageTargets { images, .. })) = self;
        images.ahead(examples);
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        match self {
            Self::Classes(images) => images.gather(graph, examples),
            Self::Pairs(pairs) => pairs.gather(graph, examples),
        }
    }
}

/// What is to come out of a network for an image.
#[derive(Debug, Clone, Copy)]
pub enum Goal<'a> {
    /// The image itself.
    Images,
    /// What a fixed network makes of the image.
    Teacher((&'a Model<f32>, &'a Params<f32>)),
    /// The target that the data have.
    Data,
}

/// Images, with noise or as they are, and what is to come out.
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
    /// What is learned.
    pub goal: Goal<'a>,
}

impl DataSet<f32> for ImageTargets<'_> {
    fn len(&self) -> usize {
        self.images.images.len()
    }

    fn ahead(&self, examples: &[usize]) {
        self.images.ahead(examples);
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let (mode, [height, width, channels]) = (graph.mode(), self.images.images.shape());
        let shape = Shape::from([examples.len(), height, width, channels]);
        let mut read = Ok(());
        let inputs = graph.input_with(shape, |pixels| {
            read = self.images.gather_pixels(mode, examples, pixels);
            let Some(noise) = self.noise else { return };
            for (image, i) in pixels.chunks_exact_mut(height * width * channels).zip(examples) {
                let mut stream = Stream::new(self.seed, self.purpose, *i as u64);
                noise.add(&mut stream, image);
            }
        });
        read?;
        read = Ok(());
        let targets = match self.goal {
            Goal::Images => graph.input_with(shape, |pixels| {
                read = self.images.gather_pixels(mode, examples, pixels);
            }),
            Goal::Data => {
                let one = self.images.images.targets().map_or(&[][..], |targets| targets.shape());
                let dims: Vec<usize> = [examples.len()].iter().chain(one).copied().collect();
                graph.input_with(Shape::new(&dims), |targets| {
                    read = self.images.gather_targets(mode, examples, targets);
                })
            }
            Goal::Teacher((teacher, params)) => {
                let mut pixels = vec![0.0; shape.len()];
                self.images.gather_pixels(mode, examples, &mut pixels)?;
                let mut tape = Tape::new();
                let mut own = tape.record(params, Mode::Eval);
                let x = own.input(TensorRef::new(shape, &pixels));
                let y = teacher.forward(&mut own, x)?;
                graph.input(own.value(y))
            }
        };
        read?;
        Ok(Batch::new(inputs, targets))
    }
}
