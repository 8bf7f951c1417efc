//! The arithmetic of sliding windows, shared by convolution, pooling and morphology, so that there
//! is one place where padding is decided. The rules are TensorFlow's.

use crate::ShapeError;

/// What happens where the window would leave the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Padding {
    /// Only positions where the whole window lies inside: output
    /// $\lfloor (n - k_\text{eff}) / s \rfloor + 1$.
    #[default]
    Valid,
    /// Output $\lceil n / s \rceil$; the image is padded evenly on both sides, an odd remainder at
    /// the end.
    Same,
    /// As [`Padding::Same`], with an odd remainder at the start: the mirror image.
    SameMirrored,
}

/// A window that slides over an image: `size` taps, `rates` pixels apart, moved by `strides`. Axes
/// are `[height, width]`.
///
/// Output position `i` covers the input positions $s\,i + r\,d - \text{before}$ for the taps
/// $d = 0, …, k-1$.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window2d {
    /// Number of taps.
    pub size: [usize; 2],
    /// Step between neighbouring windows, in pixels.
    pub strides: [usize; 2],
    /// Distance between neighbouring taps, in pixels (1: dense).
    pub rates: [usize; 2],
    /// Rule at the border.
    pub padding: Padding,
}

/// Where a window fits on an image of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Size of the output.
    pub output: [usize; 2],
    /// Pixels of padding before the first row and column.
    pub before: [usize; 2],
    /// Size of the padded image: the smallest that holds all windows and the whole image.
    pub padded: [usize; 2],
}

impl Default for Window2d {
    fn default() -> Self {
        Self::new([1, 1])
    }
}

impl Window2d {
    /// A dense window of `size` taps that moves by one pixel, with valid padding.
    ///
    /// ```
    /// use morphograd_tensor::{Padding, Window2d};
    /// let window = Window2d::new([5, 3]).strides([2, 2]).same();
    /// assert_eq!((window.strides, window.rates), ([2, 2], [1, 1]));
    /// assert_eq!(window.padding, Padding::Same);
    /// ```
    pub const fn new(size: [usize; 2]) -> Self {
        Self { size, strides: [1, 1], rates: [1, 1], padding: Padding::Valid }
    }

    /// Windows of `size` pixels side by side: the strides are the size. The usual pooling.
    pub const fn tiles(size: [usize; 2]) -> Self {
        Self::new(size).strides(size)
    }

    /// This window with other strides.
    #[must_use]
    pub const fn strides(self, strides: [usize; 2]) -> Self {
        Self { strides, ..self }
    }

    /// This window with other rates.
    #[must_use]
    pub const fn rates(self, rates: [usize; 2]) -> Self {
        Self { rates, ..self }
    }

    /// This window with another padding.
    #[must_use]
    pub const fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// This window with [`Padding::Same`].
    #[must_use]
    pub const fn same(self) -> Self {
        self.padding(Padding::Same)
    }

    /// The number of taps.
    pub fn taps(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The window of the adjoint at stride 1: position `i` covers `p` here exactly where `p` covers
    /// `i` there. Differs from this one only for same padding and an even reach. Of a window with
    /// strides there is no adjoint of this form, and it is left as it is.
    #[must_use]
    pub fn adjoint(self) -> Self {
        let padding = match self.padding {
            _ if self.strides != [1, 1] => self.padding,
            Padding::Valid => Padding::Valid,
            Padding::Same => Padding::SameMirrored,
            Padding::SameMirrored => Padding::Same,
        };
        Self { padding, ..self }
    }

    /// The extent on an image of `[height, width]` pixels.
    ///
    /// # Errors
    /// If a size, stride or rate is 0, the image is empty, or (with valid padding) the window is
    /// larger than the image.
    ///
    /// ```
    /// use morphograd_tensor::Window2d;
    /// let window = Window2d::new([3, 2]).strides([2, 2]).same();
    /// let extent = window.extent([5, 5])?;
    /// assert_eq!((extent.output, extent.before, extent.padded), ([3, 3], [1, 0], [7, 6]));
    /// # Ok::<(), morphograd_tensor::ShapeError>(())
    /// ```
    pub fn extent(&self, image: [usize; 2]) -> Result<Extent, ShapeError> {
        let mut extent = Extent { output: [0; 2], before: [0; 2], padded: image };
        for axis in 0..2 {
            let (n, k, s, r) = (image[axis], self.size[axis], self.strides[axis], self.rates[axis]);
            if k == 0 || s == 0 || r == 0 || n == 0 {
                return Err(ShapeError::new(
                    "window",
                    "sizes, strides, rates and an image of at least 1",
                    format!(
                        "size {:?}, strides {:?}, rates {:?}, image {image:?}",
                        self.size, self.strides, self.rates
                    ),
                ));
            }
            // Saturating: a window so large that its reach overflows is larger than any image, and
            // refused below.
            let reach = (k - 1).saturating_mul(r).saturating_add(1);
            match self.padding {
                Padding::Valid if reach > n => {
                    return Err(ShapeError::new(
                        "window",
                        format!("a window no larger than the image {image:?}, or same padding"),
                        format!("size {:?} at rates {:?}", self.size, self.rates),
                    ));
                }
                Padding::Valid => extent.output[axis] = (n - reach) / s + 1,
                Padding::Same | Padding::SameMirrored => {
                    extent.output[axis] = n.div_ceil(s);
                    let span = ((extent.output[axis] - 1) * s).saturating_add(reach);
                    let missing = span.saturating_sub(n);
                    if missing > 1 << 24 {
                        return Err(ShapeError::new(
                            "window",
                            "a window whose padding fits in memory",
                            format!("size {:?} at rates {:?}", self.size, self.rates),
                        ));
                    }
                    extent.before[axis] = if self.padding == Padding::Same {
                        missing / 2
                    } else {
                        missing - missing / 2
                    };
                    extent.padded[axis] = n + missing;
                }
            }
        }
        Ok(extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: usize, stride: usize, rate: usize, padding: Padding) -> Window2d {
        Window2d { size: [size; 2], strides: [stride; 2], rates: [rate; 2], padding }
    }

    #[test]
    fn the_rules_are_those_of_tensorflow() {
        for (n, k, s, r) in (1..12).flat_map(|n| {
            (1..6).flat_map(move |k| (1..4).flat_map(move |s| (1..3).map(move |r| (n, k, s, r))))
        }) {
            let reach = (k - 1) * r + 1;
            match window(k, s, r, Padding::Valid).extent([n, n]) {
                Ok(extent) => assert_eq!(extent.output[0], (n - reach + 1).div_ceil(s)),
                Err(_) => assert!(reach > n),
            }
            let extent = window(k, s, r, Padding::Same).extent([n, n]).unwrap();
            let mirrored = window(k, s, r, Padding::SameMirrored).extent([n, n]).unwrap();
            let total = ((extent.output[0] - 1) * s + reach).saturating_sub(n);
            assert_eq!((mirrored.output, mirrored.before[0]), (extent.output, total - total / 2));
            assert_eq!((extent.output[0], extent.before[0]), (n.div_ceil(s), total / 2));
            assert!((extent.output[0] - 1) * s + reach <= extent.padded[0]);
        }
    }

    #[test]
    fn a_window_larger_than_the_image_is_refused_by_name() {
        let error = window(31, 1, 1, Padding::Valid).extent([28, 28]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "window: expected a window no larger than the image [28, 28], or same padding, found \
             size [31, 31] at rates [1, 1]"
        );
        assert!(window(usize::MAX, 1, 1, Padding::Same).extent([4, 4]).is_err());
        assert!(window(3, 0, 1, Padding::Same).extent([4, 4]).is_err());
        assert!(window(3, 1, 1, Padding::Same).extent([0, 4]).is_err());
    }
}
