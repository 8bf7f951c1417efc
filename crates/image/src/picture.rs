//! An image: its size, its pixels, and its opacities kept aside.

use std::borrow::Cow;
use std::ops::Range;

use morphograd_tensor::{Real, ShapeError, Tensor, TensorRef};

use crate::depth::Depth;
use crate::each;
use crate::header::Header;
use crate::pixels::{Pixels, Sample};

/// An image as a file has it, of 1, 8 or 16 bits or floats, grey or RGB. The opacities (alpha) of
/// the pixels are kept aside, so that no operator takes them for a colour.
///
/// ```
/// use morphograd_image::{Depth, Picture};
/// let picture = Picture::new([2, 2], 1, vec![0u8, 51, 102, 255])?;
/// let tensor = picture.to_tensor::<f32>();
/// assert_eq!((tensor.shape().dims(), tensor.data()[1]), (&[2, 2, 1][..], 0.2));
/// let finer = Picture::from_tensor(tensor.view(), Depth::U16)?;
/// assert_eq!(finer.samples::<u16>(), Some(&[0, 13_107, 26_214, 65_535][..]));
/// # Ok::<(), morphograd_tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    header: Header,
    pixels: Pixels,
    alpha: Option<Pixels>,
}

const NAME: &str = "picture";

impl Picture {
    /// An image of `[height, width]` pixels of 1 channel (grey) or 3 (red, green, blue), row by
    /// row, without alpha.
    ///
    /// # Errors
    /// If the number of channels is another, a side is 0, or the number of samples is not the
    /// product of the three.
    pub fn new(
        [height, width]: [usize; 2],
        channels: usize,
        pixels: impl Into<Pixels>,
    ) -> Result<Self, ShapeError> {
        let pixels = pixels.into();
        if channels != 1 && channels != 3 {
            let expected = "1 channel for grey or 3 for RGB";
            return Err(ShapeError::new(NAME, expected, channels.to_string()));
        }
        if height == 0 || width == 0 {
            let found = format!("{height} x {width}");
            return Err(ShapeError::new(NAME, "at least 1 x 1 pixels", found));
        }
        let count = height.checked_mul(width).and_then(|count| count.checked_mul(channels));
        if count != Some(pixels.len()) {
            let expected = format!("a sample for each of {height} x {width} x {channels}");
            return Err(ShapeError::new(NAME, expected, pixels.len().to_string()));
        }
        let header = Header { height, width, channels, depth: pixels.depth(), alpha: false };
        Ok(Self { header, pixels, alpha: None })
    }

    /// The same image with an opacity for each pixel, or with none.
    ///
    /// # Errors
    /// If there are not as many opacities as pixels, or they are of another type.
    pub fn with_alpha(self, alpha: Option<Pixels>) -> Result<Self, ShapeError> {
        let count = self.header.height * self.header.width;
        if let Some(alpha) = &alpha
            && (alpha.len(), alpha.depth()) != (count, self.header.depth)
        {
            let expected = format!("{count} opacities of {}", self.header.depth);
            let found = format!("{} of {}", alpha.len(), alpha.depth());
            return Err(ShapeError::new(NAME, expected, found));
        }
        let header = Header { alpha: alpha.is_some(), ..self.header };
        Ok(Self { header, alpha, ..self })
    }

    /// From samples in which the opacity, if the header has one, follows the colours.
    pub(crate) fn from_samples(header: Header, samples: Pixels) -> Self {
        debug_assert_eq!(samples.len(), header.height * header.width * header.samples());
        let (pixels, alpha) = if header.alpha {
            let (pixels, alpha) = samples.split_last(header.samples());
            (pixels, Some(alpha))
        } else {
            (samples, None)
        };
        Self { header, pixels, alpha }
    }

    /// All samples of a pixel side by side, the opacity last.
    pub(crate) fn joined(&self) -> Cow<'_, Pixels> {
        match &self.alpha {
            Some(alpha) => Cow::Owned(self.pixels.join(self.header.channels, alpha)),
            None => Cow::Borrowed(&self.pixels),
        }
    }

    /// A copy of some rows.
    ///
    /// # Panics
    /// If they are none, or not in the image.
    #[must_use]
    pub fn rows(&self, rows: Range<usize>) -> Self {
        assert!(!rows.is_empty(), "a picture has rows");
        let part = |pixels: &Pixels, row: usize| pixels.part(rows.start * row..rows.end * row);
        let width = self.header.width;
        Self {
            header: self.header.rows(rows.len()),
            pixels: part(&self.pixels, width * self.header.channels),
            alpha: self.alpha.as_ref().map(|alpha| part(alpha, width)),
        }
    }

    /// Adds the rows of another image of the same width and type below.
    ///
    /// # Errors
    /// If width or type are others.
    pub fn append(&mut self, below: Self) -> Result<(), ShapeError> {
        let expected = self.header.rows(below.header.height);
        if below.header != expected {
            let (expected, found) = (expected.to_string(), below.header.to_string());
            return Err(ShapeError::new(NAME, expected, found));
        }
        self.header.height += below.header.height;
        self.pixels.append(below.pixels);
        if let (Some(alpha), Some(more)) = (&mut self.alpha, below.alpha) {
            alpha.append(more);
        }
        Ok(())
    }

    /// The same image with other colours, of the same size and number of channels, and its alpha.
    ///
    /// # Errors
    /// If there are not as many samples, or they are of another type and the image has alpha.
    pub fn with_pixels(&self, pixels: impl Into<Pixels>) -> Result<Self, ShapeError> {
        Self::new(self.size(), self.channels(), pixels)?.with_alpha(self.alpha.clone())
    }

    /// Size and type.
    pub fn header(&self) -> Header {
        self.header
    }

    /// `[height, width]`.
    pub fn size(&self) -> [usize; 2] {
        [self.header.height, self.header.width]
    }

    /// 1 for grey, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.header.channels
    }

    /// The type of the samples.
    pub fn depth(&self) -> Depth {
        self.header.depth
    }

    /// The colours, row by row.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The colours, without a copy.
    pub fn into_pixels(self) -> Pixels {
        self.pixels
    }

    /// The opacities, row by row, if the image has them.
    pub fn alpha(&self) -> Option<&Pixels> {
        self.alpha.as_ref()
    }

    /// The colours as samples of a type, if they are of that type.
    pub fn samples<T: Sample>(&self) -> Option<&[T]> {
        T::of(&self.pixels)
    }

    /// The colours as numbers `[height, width, channels]`: every sample divided by
    /// [`Depth::white`], so that integers lie between 0 and 1; floats as they are. The quotient is
    /// taken in double precision. Alpha is left out.
    pub fn to_tensor<T: Real>(&self) -> Tensor<T> {
        let white = self.header.depth.white();
        let Header { height, width, channels, .. } = self.header;
        each!(&self.pixels, samples => {
            Tensor::from_fn([height, width, channels], |i| T::of(samples[i].number() / white))
        })
    }

    /// Numbers `[height, width, channels]` as an image, the inverse of
    /// [`to_tensor`](Self::to_tensor): every number times [`Depth::white`]. For integers the
    /// nearest one, halves away from zero, and what is beyond the range becomes its end; a mask is
    /// true from one half on; floats stay as they are.
    ///
    /// # Errors
    /// If the shape has not three axes with 1 or 3 channels, or a number that is to be an integer
    /// is NaN.
    pub fn from_tensor<T: Real>(
        tensor: TensorRef<'_, T>,
        depth: Depth,
    ) -> Result<Self, ShapeError> {
        let &[height, width, channels] = tensor.shape.dims() else {
            let found = format!("shape {}", tensor.shape);
            return Err(ShapeError::new(NAME, "numbers [height, width, channels]", found));
        };
        if depth != Depth::F32
            && let Some(at) = tensor.data.iter().position(|x| x.is_nan())
        {
            let found = format!("NaN at element {at}");
            return Err(ShapeError::new(NAME, format!("numbers for {depth} samples"), found));
        }
        fn all<S: Sample, T: Real>(data: &[T]) -> Pixels {
            let white = S::DEPTH.white();
            S::wrap(data.iter().map(|x| S::nearest(x.f64() * white)).collect())
        }
        let pixels = match depth {
            Depth::Bit => all::<bool, T>(tensor.data),
            Depth::U8 => all::<u8, T>(tensor.data),
            Depth::U16 => all::<u16, T>(tensor.data),
            Depth::F32 => all::<f32, T>(tensor.data),
        };
        Self::new([height, width], channels, pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        let text = |result: Result<Picture, ShapeError>| result.unwrap_err().to_string();
        assert_eq!(
            text(Picture::new([2, 3], 2, vec![0u8; 12])),
            "picture: expected 1 channel for grey or 3 for RGB, found 2"
        );
        assert_eq!(
            text(Picture::new([2, 3], 3, vec![0u8; 17])),
            "picture: expected a sample for each of 2 x 3 x 3, found 17"
        );
        assert_eq!(
            text(Picture::new([0, 3], 1, Vec::<f32>::new())),
            "picture: expected at least 1 x 1 pixels, found 0 x 3"
        );
        let picture = Picture::new([1, 2], 1, vec![0u8; 2]).unwrap();
        assert_eq!(
            text(picture.with_alpha(Some(vec![0u16; 2].into()))),
            "picture: expected 2 opacities of 8 bit, found 2 of 16 bit"
        );
        let tensor = Tensor::from_vec([1, 1, 1], vec![f32::NAN]).unwrap();
        assert_eq!(
            text(Picture::from_tensor(tensor.view(), Depth::U8)),
            "picture: expected numbers for 8 bit samples, found NaN at element 0"
        );
        assert!(Picture::from_tensor(tensor.view(), Depth::F32).is_ok());
    }

    #[test]
    fn numbers_beyond_the_range_become_its_ends() {
        let tensor = Tensor::from_vec([1, 4, 1], vec![-0.5, 0.5, 1.0, 7.0]).unwrap();
        let picture = |depth| Picture::from_tensor::<f64>(tensor.view(), depth).unwrap();
        assert_eq!(picture(Depth::U8).pixels(), &Pixels::U8(vec![0, 128, 255, 255]));
        assert_eq!(picture(Depth::Bit).pixels(), &Pixels::Bit(vec![false, true, true, true]));
        assert_eq!(picture(Depth::F32).pixels(), &Pixels::F32(vec![-0.5, 0.5, 1.0, 7.0]));
    }

    #[test]
    fn an_image_is_cut_and_put_together() {
        let picture = Picture::new([3, 2], 1, vec![1u8, 2, 3, 4, 5, 6]).unwrap();
        let picture = picture.with_alpha(Some(vec![9u8, 8, 7, 6, 5, 4].into())).unwrap();
        let mut top = picture.rows(0..1);
        assert_eq!((top.pixels(), top.size()), (&Pixels::U8(vec![1, 2]), [1, 2]));
        top.append(picture.rows(1..3)).unwrap();
        assert_eq!(top, picture);
        let other = Picture::new([1, 2], 1, vec![0u8; 2]).unwrap();
        assert_eq!(
            top.append(other).unwrap_err().to_string(),
            "picture: expected 1 x 2, 8 bit grey with alpha, found 1 x 2, 8 bit grey"
        );
    }

    #[test]
    fn every_integer_sample_comes_back_from_a_tensor_of_single_precision() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let picture = Picture::new([256, 256], 1, all).unwrap();
        let back = Picture::from_tensor(picture.to_tensor::<f32>().view(), Depth::U16).unwrap();
        assert_eq!(back, picture);
    }
}
