//! The arithmetic of sliding windows, shared by convolution, pooling and morphology, so that there
//! is one place where padding is decided. The rules are TensorFlow's.

use std::ops::Range;

use crate::{Shape, ShapeError};

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

/// The taps of a window on images of one size: which pixel is under which tap. `axis` 0 is the
/// rows, 1 the columns; window `[i, j]` is the one of output row `i` and column `j`. Every method
/// is a few operations on integers.
///
/// ```
/// use morphograd_tensor::{Taps2d, Window2d};
/// let window = Window2d::new([3, 3]).same();
/// let taps = Taps2d::new("blur", window, [1, 5, 5, 2].into())?;
/// // The window of the upper left pixel: its first row and column of taps are outside.
/// assert_eq!((taps.inside(0, 0), taps.covered(0, 0)), (1..3, 0..2));
/// assert_eq!((taps.pixel([0, 0], 2), taps.pixel([0, 0], 5)), (None, Some(1)));
/// // That of the pixel in row 1 and column 2 begins at row 0 and column 1.
/// assert_eq!((taps.whole([0, 0]), taps.whole([1, 2])), (None, Some(1)));
/// # Ok::<(), morphograd_tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taps2d {
    /// The window.
    pub window: Window2d,
    /// Where it fits.
    pub extent: Extent,
    /// Number of images.
    pub batch: usize,
    /// Height and width of an image, in pixels.
    pub image: [usize; 2],
    /// Numbers of a pixel.
    pub channels: usize,
    /// Pixels from the first tap to the last, both counted.
    reach: [usize; 2],
}

impl Taps2d {
    /// The taps on an input of shape `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// If the input has another rank or the window does not fit ([`Window2d::extent`]), in the name
    /// of `operation`.
    pub fn new(
        operation: &'static str,
        window: Window2d,
        input: Shape,
    ) -> Result<Self, ShapeError> {
        let &[batch, height, width, channels] = input.dims() else {
            return Err(ShapeError::new(operation, IMAGES, format!("shape {input}")));
        };
        let image = [height, width];
        let extent = window.extent(image).map_err(|error| ShapeError { operation, ..error })?;
        let reach = [0, 1].map(|axis| (window.size[axis] - 1) * window.rates[axis] + 1);
        Ok(Self { window, extent, batch, image, channels, reach })
    }

    /// As [`Taps2d::new`], for an operation that needs a channel.
    ///
    /// # Errors
    /// Those of [`Taps2d::new`], and if there are no channels.
    pub fn with_channels(
        operation: &'static str,
        window: Window2d,
        input: Shape,
    ) -> Result<Self, ShapeError> {
        let [_, _, _, (1..)] = input.dims() else {
            let expected = format!("{IMAGES}, at least 1 channel");
            return Err(ShapeError::new(operation, expected, format!("shape {input}")));
        };
        Self::new(operation, window, input)
    }

    /// The shape of an output with so many channels.
    pub fn output(&self, channels: usize) -> Shape {
        [self.batch, self.extent.output[0], self.extent.output[1], channels].into()
    }

    /// Windows on one image, which are the pixels of its output.
    #[inline(always)]
    pub fn windows(&self) -> usize {
        self.extent.output[0] * self.extent.output[1]
    }

    /// Numbers of one image.
    #[inline(always)]
    pub fn image_len(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    /// Where the numbers of a pixel begin in its image.
    #[inline(always)]
    pub fn offset(&self, row: usize, column: usize) -> usize {
        (row * self.image[1] + column) * self.channels
    }

    /// The row or column of the padded image under a tap of window `i`.
    #[inline(always)]
    pub fn padded_at(&self, axis: usize, i: usize, tap: usize) -> usize {
        i * self.window.strides[axis] + tap * self.window.rates[axis]
    }

    /// The row or column of the image at one of the padded image; negative before the first.
    #[inline(always)]
    pub fn from_padded(&self, axis: usize, at: usize) -> isize {
        at.wrapping_sub(self.extent.before[axis]) as isize
    }

    /// The row or column of the image under a tap of window `i`; `None` outside.
    #[inline(always)]
    pub fn along(&self, axis: usize, i: usize, tap: usize) -> Option<usize> {
        // A negative number is a huge one without a sign, which the comparison refuses too.
        let at = self.from_padded(axis, self.padded_at(axis, i, tap)) as usize;
        (at < self.image[axis]).then_some(at)
    }

    /// The pixel (row-major, without channels) under a tap (row-major) of a window; `None` outside.
    #[inline(always)]
    pub fn pixel(&self, [i, j]: [usize; 2], tap: usize) -> Option<usize> {
        let columns = self.window.size[1];
        let (y, x) = (self.along(0, i, tap / columns)?, self.along(1, j, tap % columns)?);
        Some(y * self.image[1] + x)
    }

    /// The first pixel (row-major, without channels) of a window that lies inside as a whole;
    /// `None` for another.
    #[inline(always)]
    pub fn whole(&self, [i, j]: [usize; 2]) -> Option<usize> {
        let (y, x) = (self.along(0, i, 0)?, self.along(1, j, 0)?);
        let fits = self.reach[0] <= self.image[0] - y && self.reach[1] <= self.image[1] - x;
        fits.then_some(y * self.image[1] + x)
    }

    /// The taps of window `i` that lie inside along an axis. If there are none, the empty range is
    /// where they would be: the taps before it are before the image, the others behind.
    #[inline(always)]
    pub fn inside(&self, axis: usize, i: usize) -> Range<usize> {
        let (size, rate, before) =
            (self.window.size[axis], self.window.rates[axis], self.extent.before[axis]);
        let first_at = |pixel: usize| {
            let distance = pixel.saturating_sub(self.padded_at(axis, i, 0));
            // Dense windows are spared the division.
            (if rate == 1 { distance } else { distance.div_ceil(rate) }).min(size)
        };
        first_at(before)..first_at(before + self.image[axis])
    }

    /// The rows or columns of the image between the first and the last tap of window `i`: never
    /// none. At rate 1 they are those under its taps.
    #[inline(always)]
    pub fn covered(&self, axis: usize, i: usize) -> Range<usize> {
        let (start, before) = (self.padded_at(axis, i, 0), self.extent.before[axis]);
        start.saturating_sub(before)..(start + self.reach[axis] - before).min(self.image[axis])
    }
}

/// What a window slides over.
const IMAGES: &str = "an input of shape [batch, height, width, channels]";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    fn axis() -> impl Strategy<Value = [usize; 4]> {
        (1..9usize, 1..5usize, 1..5usize, 1..4usize).prop_map(|(n, k, s, r)| [n, k, s, r])
    }

    fn padding() -> impl Strategy<Value = Padding> {
        prop_oneof![Just(Padding::Valid), Just(Padding::Same), Just(Padding::SameMirrored)]
    }

    proptest! {
        #[test]
        fn taps_are_where_counting_finds_them(axes in [axis(), axis()], padding in padding()) {
            let of = |what: usize| axes.map(|axis| axis[what]);
            let window = Window2d { size: of(1), strides: of(2), rates: of(3), padding };
            let (image, [rows, columns]) = (of(0), window.size);
            let found = Taps2d::new("test", window, [2, image[0], image[1], 3].into());
            prop_assert_eq!(found.is_ok(), window.extent(image).is_ok());
            let Ok(taps) = found else { return Ok(()) };
            let Extent { output, before, .. } = taps.extent;
            prop_assert_eq!(taps.output(7), [2, output[0], output[1], 7].into());
            prop_assert_eq!(taps.windows(), (0..output[0]).flat_map(|_| 0..output[1]).count());
            // Where a tap is, by the definition; and whether that is in the image.
            let at = |axis: usize, i: usize, d: usize| {
                (i * window.strides[axis] + d * window.rates[axis]) as isize
                    - before[axis] as isize
            };
            let is_inside = |axis: usize, at: isize| (0..image[axis] as isize).contains(&at);
            for axis in 0..2 {
                for i in 0..output[axis] {
                    let all = (0..window.size[axis]).map(|d| at(axis, i, d)).collect::<Vec<_>>();
                    let inside = taps.inside(axis, i);
                    for (d, at) in all.iter().copied().enumerate() {
                        prop_assert_eq!(taps.from_padded(axis, taps.padded_at(axis, i, d)), at);
                        let expected = is_inside(axis, at).then_some(at as usize);
                        prop_assert_eq!(taps.along(axis, i, d), expected);
                        prop_assert_eq!(inside.contains(&d), expected.is_some());
                        prop_assert_eq!(d < inside.start, at < 0);
                    }
                    prop_assert!(inside.end <= window.size[axis]);
                    let between = (all[0]..=all[all.len() - 1]).filter(|at| is_inside(axis, *at));
                    let between = between.map(|at| at as usize).collect::<Vec<_>>();
                    prop_assert_eq!(taps.covered(axis, i).collect::<Vec<_>>(), between);
                }
            }
            // The pixels of an image in order.
            let pixels = (0..image[0]).flat_map(|y| (0..image[1]).map(move |x| [y, x]));
            let pixels = pixels.collect::<Vec<_>>();
            prop_assert_eq!(taps.image_len(), 3 * pixels.len());
            for (n, [y, x]) in pixels.iter().copied().enumerate() {
                prop_assert_eq!(taps.offset(y, x), 3 * n);
            }
            for [i, j] in (0..output[0]).flat_map(|i| (0..output[1]).map(move |j| [i, j])) {
                let under = |(d, e): (usize, usize)| {
                    let under = [at(0, i, d), at(1, j, e)];
                    pixels.iter().position(|pixel| pixel.map(|at| at as isize) == under)
                };
                let expected = (0..rows).flat_map(|d| (0..columns).map(move |e| (d, e)));
                let expected = expected.map(under).collect::<Vec<_>>();
                for (tap, pixel) in expected.iter().enumerate() {
                    prop_assert_eq!(taps.pixel([i, j], tap), *pixel);
                }
                let whole = expected.iter().all(Option::is_some).then(|| expected[0].unwrap());
                prop_assert_eq!(taps.whole([i, j]), whole);
            }
        }
    }

    #[test]
    fn what_is_no_image_is_refused_in_the_name_of_the_operation() {
        let window = window(3, 1, 1, Padding::Valid);
        let error = |shape: &[usize]| {
            Taps2d::with_channels("blur", window, Shape::new(shape)).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[4, 4, 1]),
            "blur: expected an input of shape [batch, height, width, channels], at least 1 \
             channel, found shape [4, 4, 1]"
        );
        assert!(error(&[1, 4, 4, 0]).ends_with("at least 1 channel, found shape [1, 4, 4, 0]"));
        assert!(error(&[1, 2, 4, 1]).starts_with("blur: expected a window no larger than"));
        assert!(Taps2d::new("blur", window, [1, 4, 4, 0].into()).is_ok());
        assert!(Taps2d::new("blur", window, [4, 4, 1].into()).is_err());
    }
}
