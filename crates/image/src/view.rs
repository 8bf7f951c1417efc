//! Pixels that belong to somebody else, slices and buffers of the `image` crate, without a copy.

use image::{ImageBuffer, Pixel};
use morphograd_tensor::{Shape, ShapeError, TensorRef};

use crate::picture::Picture;
use crate::pixels::Sample;

/// A borrowed image of samples of any type, its channels side by side. Nothing is copied, neither
/// into a view nor out of it.
///
/// ```
/// use morphograd_image::View;
/// use morphograd_image::image::{ImageBuffer, Luma};
/// let buffer = ImageBuffer::<Luma<u8>, _>::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
/// let view = View::from(&buffer);
/// assert_eq!((view.size, view.channels), ([2, 3], 1));
/// let images = view.images(); // what operators on pixels take
/// assert_eq!(images.shape.dims(), [1, 2, 3, 1]);
/// assert!(std::ptr::eq(images.data, buffer.as_raw().as_slice()));
/// let again = view.buffer::<Luma<u8>>().unwrap();
/// assert_eq!(again.get_pixel(2, 1), &Luma([6]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View<'a, T> {
    /// Height and width.
    pub size: [usize; 2],
    /// Samples of a pixel.
    pub channels: usize,
    /// The samples, row by row.
    pub data: &'a [T],
}

impl<'a, T> View<'a, T> {
    /// A slice as an image.
    ///
    /// # Errors
    /// If it has not as many samples as height, width and channels say.
    pub fn new(size: [usize; 2], channels: usize, data: &'a [T]) -> Result<Self, ShapeError> {
        let shape = Shape::from([size[0], size[1], channels]).countable("view")?;
        if shape.len() != data.len() {
            let expected = format!("{} samples for shape {shape}", shape.len());
            return Err(ShapeError::new("view", expected, data.len().to_string()));
        }
        Ok(Self { size, channels, data })
    }

    /// One image `[1, height, width, channels]`, as the operators on pixels take it.
    pub fn images(self) -> TensorRef<'a, T> {
        let shape = Shape::from([1, self.size[0], self.size[1], self.channels]);
        TensorRef { shape, data: self.data }
    }

    /// A buffer of the `image` crate on the same samples; `None` if its pixels have another number
    /// of channels, or a side is 2³² or more.
    pub fn buffer<P: Pixel<Subpixel = T>>(self) -> Option<ImageBuffer<P, &'a [T]>> {
        let [height, width] = self.size.map(u32::try_from);
        if usize::from(P::CHANNEL_COUNT) != self.channels {
            return None;
        }
        ImageBuffer::from_raw(width.ok()?, height.ok()?, self.data)
    }
}

impl<'a, P: Pixel> From<&'a ImageBuffer<P, Vec<P::Subpixel>>> for View<'a, P::Subpixel> {
    fn from(buffer: &'a ImageBuffer<P, Vec<P::Subpixel>>) -> Self {
        let size = [buffer.height() as usize, buffer.width() as usize];
        Self { size, channels: usize::from(P::CHANNEL_COUNT), data: buffer.as_raw() }
    }
}

impl<'a, P: Pixel> From<&ImageBuffer<P, &'a [P::Subpixel]>> for View<'a, P::Subpixel> {
    fn from(buffer: &ImageBuffer<P, &'a [P::Subpixel]>) -> Self {
        let size = [buffer.height() as usize, buffer.width() as usize];
        Self { size, channels: usize::from(P::CHANNEL_COUNT), data: buffer.as_raw() }
    }
}

impl Picture {
    /// The colours as a view, if they are of this type.
    pub fn view<T: Sample>(&self) -> Option<View<'_, T>> {
        let data = self.samples()?;
        Some(View { size: self.size(), channels: self.channels(), data })
    }
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgb};

    use super::*;

    #[test]
    fn a_view_of_the_wrong_length_or_pixel_is_refused() {
        let data = [0u8; 6];
        assert_eq!(
            View::new([2, 2], 1, &data).unwrap_err().to_string(),
            "view: expected 4 samples for shape [2, 2, 1], found 6"
        );
        let view = View::new([1, 2], 3, &data).unwrap();
        assert!(view.buffer::<Luma<u8>>().is_none());
        let buffer = view.buffer::<Rgb<u8>>().unwrap();
        assert_eq!(View::from(&buffer), view);
        assert!(std::ptr::eq(View::from(&buffer).data, &data[..]));
    }
}
