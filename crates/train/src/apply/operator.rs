//! What an operator is: a name, what it can be told, and what it does to an image.

use morphograd_image::{Picture, Pixels, Sample};
use morphograd_morphology::nn::tensor::{Shape, TensorRef};

use crate::apply::error::ApplyError;
use crate::apply::parameter::{BorderRule, Settings};

/// An operator of the table.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    /// The name, as written in a pipeline.
    pub name: &'static str,
    /// Names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The parameters that it takes; a value without a name is for the first that has none.
    pub parameters: &'static [&'static str],
    /// Settings that show it on a small image.
    pub example: &'static str,
    pub(crate) make: fn(&Settings) -> Result<Stage, ApplyError>,
}

/// How far an operator looks, up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A pixel depends on no rows further away.
    Rows(usize),
    /// It may depend on every pixel, for this reason.
    Whole(&'static str),
}

impl Reach {
    /// The reach of an operator by elements outside whose border this rule holds.
    pub(crate) fn rows(rows: usize, border: BorderRule) -> Self {
        if border.wraps() {
            Self::Whole("a periodic border joins the first row and the last")
        } else {
            Self::Rows(rows)
        }
    }
}

/// What an operator gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An image, to which the next operator can be applied.
    Picture(Picture),
    /// Numbers, as comma-separated values with a line of names.
    Table(String),
}

type Run = dyn Fn(&Picture) -> Result<Output, ApplyError> + Send + Sync;

/// An operator with its settings.
pub(crate) struct Stage {
    pub(crate) run: Box<Run>,
    pub(crate) reach: Reach,
}

impl Stage {
    /// A stage that makes an image of an image.
    pub(crate) fn new(
        reach: Reach,
        run: impl Fn(&Picture) -> Result<Picture, ApplyError> + Send + Sync + 'static,
    ) -> Self {
        Self { run: Box::new(move |picture| run(picture).map(Output::Picture)), reach }
    }
}

/// The image with pixels of the same type in place of its own.
pub(crate) fn replaced<P>(picture: &Picture, pixels: Vec<P>) -> Result<Picture, ApplyError>
where
    Pixels: From<Vec<P>>,
{
    Ok(picture.with_pixels(pixels)?)
}

/// One image `[1, height, width, channels]` of the samples.
pub(crate) fn images<'a, P: Sample>(picture: &Picture, samples: &'a [P]) -> TensorRef<'a, P> {
    TensorRef { shape: shape(picture), data: samples }
}

pub(crate) fn shape(picture: &Picture) -> Shape {
    let [height, width] = picture.size();
    Shape::from([1, height, width, picture.channels()])
}

/// The samples as floats, which hold 16 bits exactly.
pub(crate) fn floats<P: Sample>(samples: &[P]) -> Vec<f32> {
    samples.iter().map(|sample| sample.number() as f32).collect()
}

/// The nearest samples of numbers, of the type of others.
pub(crate) fn nearest<P: Sample>(_like: &[P], numbers: &[f32]) -> Vec<P> {
    numbers.iter().map(|x| P::nearest(f64::from(*x))).collect()
}
