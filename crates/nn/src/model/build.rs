//! What a description of a layer is: plain data that is built into a layer.
//!
//! The one design choice: building knows the shape of what comes in, so no size is written twice.
//! Building declares parameters and computes nothing; applying computes and declares nothing.

use std::any::type_name;
use std::fmt;

use morphograd_autodiff::tensor::{Real, Shape};

use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// The description of a layer, before it has parameters.
pub trait Build<T: Real>: 'static {
    /// Declares the parameters for an input of the given shape (without the batch axis).
    ///
    /// # Errors
    /// If the description does not fit the input, or a parameter cannot be declared.
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError>;

    /// The name of its type, `Conv2d` for instance.
    fn kind(&self) -> &'static str {
        short_name::<Self>()
    }
}

/// A description of any type, to be kept beside others: what containers hold.
pub struct Description<T> {
    kind: &'static str,
    build: BuildOnce<T>,
}

type BuildOnce<T> =
    Box<dyn FnOnce(&mut Builder<'_, T>, Shape) -> Result<Box<dyn Layer<T>>, BuildError>>;

impl<T: Real> Description<T> {
    /// Hides the type of a description.
    pub fn new<S: Build<T>>(description: S) -> Self {
        let kind = description.kind();
        let build = |builder: &mut Builder<'_, T>, input| description.build(builder, input);
        Self { kind, build: Box::new(build) }
    }
}

impl<T: Real> Build<T> for Description<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        (self.build)(builder, input)
    }

    /// That of what it describes.
    fn kind(&self) -> &'static str {
        self.kind
    }
}

impl<T> fmt::Debug for Description<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}

/// `morphograd_nn::layers::conv2d::Conv2d<f32>` → `Conv2d`.
fn short_name<S: ?Sized>() -> &'static str {
    let full = type_name::<S>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}
