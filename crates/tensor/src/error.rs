//! The one error of shapes: it names the operation, what it expected, what it found, and the layer
//! in which it happened.

use std::fmt;

/// Shapes (or a configuration) that an operation cannot accept.
///
/// ```
/// use morphograd_tensor::ShapeError;
/// let error = ShapeError::new("conv2d", "an input of rank 4", "rank 2").within("stem");
/// assert_eq!(error.to_string(), "stem: conv2d: expected an input of rank 4, found rank 2");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// The operation that refused.
    pub operation: &'static str,
    /// What it can accept.
    pub expected: String,
    /// What it was given.
    pub found: String,
    /// Dotted path of the layer, empty outside a model.
    pub path: String,
}

impl ShapeError {
    /// An error outside any layer.
    pub fn new(
        operation: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { operation, expected: expected.into(), found: found.into(), path: String::new() }
    }

    /// The same error, seen from the layer `name` that contains the operation.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.path =
            if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}: expected {}, found {}", self.operation, self.expected, self.found)
    }
}

impl std::error::Error for ShapeError {}
