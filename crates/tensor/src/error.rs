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
    /// Dotted path of the layer, empty outside a model. Where the layer is named after the
    /// operation, the message says the name once.
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
        let layer = self.path.rsplit('.').next().unwrap_or_default();
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if layer != self.operation {
            write!(f, "{}: ", self.operation)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for ShapeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_named_after_its_operation_is_said_once() {
        let error = ShapeError::new("dilation2d", "a kernel", "none");
        let says = |error: ShapeError| error.to_string();
        assert_eq!(says(error.clone()), "dilation2d: expected a kernel, found none");
        let error = error.within("dilation2d");
        assert_eq!(says(error.clone()), "dilation2d: expected a kernel, found none");
        assert_eq!(says(error.within("stem")), "stem.dilation2d: expected a kernel, found none");
    }
}
