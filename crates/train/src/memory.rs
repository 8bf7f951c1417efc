//! How much memory a training may take: what is larger is refused before any of it is taken.

use morphograd_morphology::nn::Model;

/// The most bytes of all parameters: with their gradients and the state of an optimizer four times
/// as many are taken.
pub const MAX_PARAMETERS: usize = 1 << 30;

/// The most bytes of the outputs of all layers for one batch, which are kept for the gradient.
pub const MAX_OUTPUTS: usize = 1 << 34;

/// The bytes of the outputs of all layers for a batch of so many inputs, with their gradients;
/// saturated.
pub fn outputs(model: &Model<f32>, batch_size: usize) -> usize {
    let shapes = std::iter::once(model.input()).chain(model.entries().iter().map(|e| e.output));
    let numbers = shapes.fold(0usize, |sum, shape| {
        let size = shape.dims().iter().try_fold(1usize, |size, n| size.checked_mul(*n));
        sum.saturating_add(size.unwrap_or(usize::MAX))
    });
    numbers.saturating_mul(batch_size).saturating_mul(2 * size_of::<f32>())
}
