//! Structuring elements: functions on the offsets of a pixel, and their algebra.
//!
//! The one design choice: an element is the function, not the array. It is kept trimmed to the box
//! of its support, offsets are counted from the origin, and what is off the support is $-\infty$
//! itself; two elements are equal when they dilate every image alike.

use std::fmt;

use morphograd_nn::tensor::{Real, ShapeError, Tensor, Window2d};

/// A structuring function $w : \mathbb{Z}^2 \to \mathbb{R} \cup \{-\infty\}$ with a support that is
/// finite and not empty. Offsets are `[down, right]` from the origin. Flat elements are 0 on their
/// support.
///
/// $$\delta_w(x)_i = \max_d x_{i+d} + w_d, \qquad \varepsilon_w(x)_i = \min_d x_{i-d} - w_d.$$
/// Generators: [`disk`](Self::disk), [`line`](Self::line) and others. Source: J. Serra, *Image
/// Analysis and Mathematical Morphology* (1982).
///
/// ```
/// use morphograd_morphology::{
///     StructuringElement, dilation2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::TensorRef,
/// };
/// // The pixel, and its right neighbour lowered by 1.
/// let right = StructuringElement::new([1, 2], [0, 0], &[0.0, -1.0])?;
/// assert_eq!(
///     (right.size(), right.entry([0, 1]), right.entry([0, -1])),
///     ([1, 2], Some(-1.0), None)
/// );
///
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 4, 1], &[0.0, 5.0, 0.0, 0.0]));
/// let kernel = right.kernel::<f32>(1);
/// assert_eq!(kernel.data(), [f32::NEG_INFINITY, 0.0, -1.0]);
/// let kernel = graph.input(kernel.view());
/// let y = dilation2d(&mut graph, x, kernel, right.window())?;
/// assert_eq!(graph.value(y).data, [4.0, 5.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StructuringElement {
    /// Offset of the first entry of the box.
    first: [isize; 2],
    size: [usize; 2],
    /// Row-major; every border of the box meets the support.
    entries: Vec<f64>,
}

/// Positions in the largest window, 512 MiB of `f64`: a mistyped offset is an error, and does not
/// take all memory.
const MAX_WINDOW: usize = 1 << 26;

impl StructuringElement {
    /// An element from an array of `size` entries, row-major, of which that at `origin` belongs to
    /// the pixel itself; the origin may lie outside. Entries of $-\infty$ are off the support.
    ///
    /// # Errors
    /// If the number of entries is not that of the size, an entry is NaN or $+\infty$, all are
    /// $-\infty$, or the [`window`](Self::window) would have more than 2²⁶ positions.
    pub fn new(size: [usize; 2], origin: [isize; 2], entries: &[f64]) -> Result<Self, ShapeError> {
        if size[0].checked_mul(size[1]) != Some(entries.len()) {
            let found = format!("{} entries for size {size:?}", entries.len());
            return Err(ShapeError::new(NAME, "one entry for each position", found));
        }
        // Saturating: an offset so far away is refused below.
        let offset = |n: usize| {
            let at = [n / size[1], n % size[1]].map(|at| at as isize);
            [0, 1].map(|axis| at[axis].saturating_sub(origin[axis]))
        };
        Self::from_offsets(entries.iter().enumerate().map(|(n, w)| (offset(n), *w)))
    }

    /// An element from offsets and their entries. Of several entries for one offset the largest
    /// counts.
    ///
    /// # Errors
    /// If an entry is NaN or $+\infty$, there is none above $-\infty$, or the
    /// [`window`](Self::window) would have more than 2²⁶ positions.
    pub fn from_offsets(
        support: impl IntoIterator<Item = ([isize; 2], f64)>,
    ) -> Result<Self, ShapeError> {
        let mut all = Vec::new();
        for (offset, w) in support {
            if w.is_nan() || w == f64::INFINITY {
                let found = format!("{w} at offset {offset:?}");
                return Err(ShapeError::new(NAME, "entries that are numbers or -inf", found));
            }
            if w > f64::NEG_INFINITY {
                all.push((offset, w));
            }
        }
        let Some(&(mut first, _)) = all.first() else {
            return Err(ShapeError::new(NAME, "an entry above -inf", "none"));
        };
        let mut last = first;
        for (offset, _) in &all {
            for axis in 0..2 {
                first[axis] = first[axis].min(offset[axis]);
                last[axis] = last[axis].max(offset[axis]);
            }
        }
        let mut element = Self::empty(first, last)?;
        for (offset, w) in all {
            element.raise(offset, w);
        }
        Ok(element)
    }

    /// Nothing but $-\infty$ in a box from the offset `first` to `last`. Checked before memory is
    /// taken: the box, the origin and their window are small enough to compute with.
    fn empty(first: [isize; 2], last: [isize; 2]) -> Result<Self, ShapeError> {
        let side = |axis: usize| {
            let reach = first[axis].unsigned_abs().max(last[axis].unsigned_abs());
            reach.saturating_mul(2).saturating_add(1)
        };
        if side(0).saturating_mul(side(1)) > MAX_WINDOW {
            let expected = "a window around the origin of at most 2^26 positions";
            let found = format!("offsets from {first:?} to {last:?}");
            return Err(ShapeError::new(NAME, expected, found));
        }
        let size = [0, 1].map(|axis| last[axis].abs_diff(first[axis]) + 1);
        Ok(Self { first, size, entries: vec![f64::NEG_INFINITY; size[0] * size[1]] })
    }

    /// The offset of the last entry of the box.
    fn last(&self) -> [isize; 2] {
        [0, 1].map(|axis| self.first[axis] + self.size[axis] as isize - 1)
    }

    /// Height and width of the smallest box around the support.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The position of the origin in that box; outside when it is negative or not below the size.
    pub fn origin(&self) -> [isize; 2] {
        self.first.map(|first| -first)
    }

    /// The entry at an offset from the origin; `None` off the support.
    pub fn entry(&self, offset: [isize; 2]) -> Option<f64> {
        let w = self.entries[self.position(offset)?];
        (w > f64::NEG_INFINITY).then_some(w)
    }

    /// The offsets of the support and their entries, in raster order.
    pub fn support(&self) -> impl Iterator<Item = ([isize; 2], f64)> + '_ {
        let width = self.size[1];
        let offset = move |n: usize| {
            [self.first[0] + (n / width) as isize, self.first[1] + (n % width) as isize]
        };
        let all = self.entries.iter().enumerate();
        all.filter(|(_, w)| **w > f64::NEG_INFINITY).map(move |(n, w)| (offset(n), *w))
    }

    /// The number of offsets in the support, at least 1: what a dilation by the element costs at
    /// each pixel.
    pub fn count(&self) -> usize {
        self.support().count()
    }

    /// Whether every entry on the support is 0: the dilation is then the maximum over a set of
    /// pixels.
    pub fn is_flat(&self) -> bool {
        self.support().all(|(_, w)| w == 0.0)
    }

    /// The element $\check w_d = w_{-d}$: what a library that mirrors its kernels calls $w$.
    /// Dilation by it is dual to the erosion by $w$, $\varepsilon_w(x) = -\delta_{\check w}(-x)$.
    #[must_use]
    pub fn reflected(&self) -> Self {
        let first = [0, 1].map(|axis| 1 - self.size[axis] as isize - self.first[axis]);
        Self { first, size: self.size, entries: self.entries.iter().rev().copied().collect() }
    }

    /// The element moved down and right, $d \mapsto w_{d - \text{by}}$.
    ///
    /// # Errors
    /// If its [`window`](Self::window) would have more than 2²⁶ positions.
    pub fn translated(&self, by: [isize; 2]) -> Result<Self, ShapeError> {
        let moved = |at: [isize; 2]| [0, 1].map(|axis| at[axis].saturating_add(by[axis]));
        let empty = Self::empty(moved(self.first), moved(self.last()))?;
        Ok(Self { entries: self.entries.clone(), ..empty })
    }

    /// The sum of Minkowski in the max-plus algebra, $(a \oplus b)_d = \max_e a_e + b_{d-e}$, for
    /// which $\delta_a \circ \delta_b = \delta_{a \oplus b}$ and likewise for erosions.
    /// Commutative, associative. Cost: the product of the two [`count`](Self::count)s. A sum beyond
    /// the largest `f64` stays there.
    ///
    /// # Errors
    /// If its [`window`](Self::window) would have more than 2²⁶ positions.
    ///
    /// ```
    /// use morphograd_morphology::StructuringElement;
    /// let (row, column) =
    ///     (StructuringElement::rectangle(1, 5)?, StructuringElement::rectangle(3, 1)?);
    /// assert_eq!(row.dilated_by(&column)?, StructuringElement::rectangle(3, 5)?);
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    pub fn dilated_by(&self, other: &Self) -> Result<Self, ShapeError> {
        let add = |a: [isize; 2], b: [isize; 2]| [a[0] + b[0], a[1] + b[1]];
        let mut sum = Self::empty(add(self.first, other.first), add(self.last(), other.last()))?;
        for (d, a) in self.support() {
            for (e, b) in other.support() {
                sum.raise(add(d, e), (a + b).clamp(f64::MIN, f64::MAX));
            }
        }
        Ok(sum)
    }

    /// The greatest element whose dilation by `other` stays below this one,
    /// $(a \ominus b)_d = \min_e a_{d+e} - b_e$; `None` if it has no support.
    /// $(a \ominus b) \oplus b = a$ exactly when `other` can be split off.
    ///
    /// ```
    /// use morphograd_morphology::StructuringElement;
    /// let (octagon, square) =
    ///     (StructuringElement::octagon(3, 2)?, StructuringElement::square(3)?);
    /// assert_eq!(octagon.eroded_by(&square), Some(StructuringElement::diamond(2)?));
    /// assert_eq!(square.eroded_by(&octagon), None);
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    #[must_use]
    pub fn eroded_by(&self, other: &Self) -> Option<Self> {
        let range = |axis: usize| {
            let from = self.first[axis] - other.first[axis];
            from..from + self.size[axis] as isize - other.size[axis] as isize + 1
        };
        let greatest = |d: [isize; 2]| {
            other.support().try_fold(f64::MAX, |least, (e, b)| {
                self.entry([d[0] + e[0], d[1] + e[1]]).map(|a| least.min(a - b))
            })
        };
        let offsets = range(0).flat_map(|dy| range(1).map(move |dx| [dy, dx]));
        Self::from_offsets(offsets.filter_map(|d| Some((d, greatest(d)?)))).ok()
    }

    /// Smaller elements whose successive dilations are the dilation by this one, exactly: their sum
    /// of Minkowski is the element. One element, itself, if none are found.
    ///
    /// - What is separable, flat or not (rectangle, parabola), becomes a row and a column: $m n$
    ///   entries become $m + n$.
    /// - From other flat elements crosses and squares of 3 x 3 are split off as long as that saves
    ///   entries: a diamond of radius $r$ becomes $r$ crosses, an octagon crosses, a row and a
    ///   column (X. Zhuang, R. M. Haralick, *Morphological structuring element decomposition*,
    ///   1986).
    ///
    /// For the elements of the generators but the random one the successive dilations agree up to
    /// the border of an image; for an element in general a path through the pixels outside is lost
    /// there.
    ///
    /// ```
    /// use morphograd_morphology::StructuringElement;
    /// let disk = StructuringElement::octagon(7, 4)?;
    /// let parts = disk.decompose();
    /// assert_eq!((disk.count(), parts.iter().map(|part| part.count()).sum::<usize>()), (185, 34));
    /// let sum = parts[1..].iter().try_fold(parts[0].clone(), |sum, part| sum.dilated_by(part))?;
    /// assert_eq!(sum, disk);
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    #[must_use]
    pub fn decompose(&self) -> Vec<Self> {
        if let Some(parts) = self.separated() {
            return parts.into();
        }
        let (mut parts, mut rest) = (Vec::new(), self.clone());
        if self.is_flat() {
            let cross = [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]].map(|d| (d, 0.0));
            let square = [-1, 0, 1].map(|dy| [-1, 0, 1].map(|dx| ([dy, dx], 0.0)));
            for small in [cross.to_vec(), square.concat()] {
                let small = Self::from_offsets(small).expect("an element");
                let split = |rest: &Self| {
                    if rest.separated().is_some() {
                        return None;
                    }
                    let smaller = rest.eroded_by(&small)?;
                    let saves = smaller.count() + small.count() < rest.count();
                    (saves && smaller.dilated_by(&small).as_ref() == Ok(rest)).then_some(smaller)
                };
                while let Some(smaller) = split(&rest) {
                    parts.push(small.clone());
                    rest = smaller;
                }
            }
        }
        match rest.separated() {
            Some(row_and_column) => parts.extend(row_and_column),
            None => parts.push(rest),
        }
        parts
    }

    /// The element as a kernel `[kh, kw, channels]` for [`dilation2d`](crate::dilation2d) and
    /// [`erosion2d`](crate::erosion2d), the same for every channel, $-\infty$ off the support. The
    /// size is the smallest odd one that has the origin in its centre, that of
    /// [`window`](Self::window).
    ///
    /// Entries off the support never win in either operator, at a finite pixel, and their gradient
    /// is 0 wherever some pixel of the support lies in the image.
    pub fn kernel<T: Real>(&self, channels: usize) -> Tensor<T> {
        let size = self.window().size;
        let mut kernel = Tensor::zeros([size[0], size[1], channels]);
        self.write(size, T::neg_infinity(), kernel.data_mut());
        kernel
    }

    /// The element as a kernel `[kh, kw, channels]` of a size that is given. The origin lies at
    /// $\lfloor (k - 1) / 2 \rfloor$, where a window with same padding and stride 1 has the pixel
    /// itself.
    ///
    /// # Errors
    /// If the support does not fit in the kernel, or it would have more than 2²⁶ positions.
    pub fn kernel_within<T: Real>(
        &self,
        size: [usize; 2],
        channels: usize,
    ) -> Result<Tensor<T>, ShapeError> {
        self.fits(size)?;
        if size[0].saturating_mul(size[1]) > MAX_WINDOW {
            let expected = "a kernel of at most 2^26 positions";
            return Err(ShapeError::new(NAME, expected, format!("size {size:?}")));
        }
        let mut kernel = Tensor::zeros([size[0], size[1], channels]);
        self.write(size, T::neg_infinity(), kernel.data_mut());
        Ok(kernel)
    }

    /// The window of [`kernel`](Self::kernel): same padding, which keeps the size of the image.
    pub fn window(&self) -> Window2d {
        let (first, last) = (self.first, self.last());
        let reach = |axis: usize| first[axis].unsigned_abs().max(last[axis].unsigned_abs());
        let size = [2 * reach(0) + 1, 2 * reach(1) + 1];
        Window2d::new(size).same()
    }

    /// # Errors
    /// If the support does not lie in a kernel of this size.
    pub(crate) fn fits(&self, size: [usize; 2]) -> Result<(), ShapeError> {
        let last = self.last();
        if position(size, self.first).is_some() && position(size, last).is_some() {
            return Ok(());
        }
        let found = format!("offsets from {:?} to {last:?}", self.first);
        Err(ShapeError::new(NAME, format!("a support within a kernel of size {size:?}"), found))
    }

    /// Overwrites a kernel `[kh, kw, …]` with the part of the element that lies in it, and
    /// `outside` elsewhere.
    pub(crate) fn write<T: Real>(&self, size: [usize; 2], outside: T, value: &mut [T]) {
        value.fill(outside);
        let rest = value.len() / (size[0] * size[1]).max(1);
        for (offset, w) in self.support() {
            if let Some(position) = position(size, offset) {
                // A finite entry stays finite in every precision.
                let w = T::of(w).max(T::min_value()).min(T::max_value());
                value[position * rest..][..rest].fill(w);
            }
        }
    }

    /// A row and a column whose sum of Minkowski is the element, if there are.
    fn separated(&self) -> Option<[Self; 2]> {
        // The peak nearest to the origin: parts that go away from it and come back would lose
        // pixels at the border of an image.
        let distance = |d: [isize; 2]| d[0].unsigned_abs() + d[1].unsigned_abs();
        let peak = self.support().reduce(|peak, next| {
            let nearer = next.1 == peak.1 && distance(next.0) < distance(peak.0);
            if next.1 > peak.1 || nearer { next } else { peak }
        });
        let (at, top) = peak.expect("a support is not empty");
        let row = self.support().filter(|(d, _)| d[0] == at[0]);
        let column = self.support().filter(|(d, _)| d[1] == at[1]);
        let row = Self::from_offsets(row).ok()?;
        let column = Self::from_offsets(column.map(|(d, w)| ([d[0] - at[0], 0], w - top))).ok()?;
        let saves = row.count() + column.count() < self.count();
        (saves && row.dilated_by(&column).as_ref() == Ok(self)).then_some([row, column])
    }

    /// Replaces the entry at an offset in the box by a larger one.
    fn raise(&mut self, offset: [isize; 2], w: f64) {
        let position = self.position(offset).expect("an offset in the box");
        self.entries[position] = self.entries[position].max(w);
    }

    fn position(&self, offset: [isize; 2]) -> Option<usize> {
        let from = |axis: usize| usize::try_from(offset[axis].checked_sub(self.first[axis])?).ok();
        let at = [from(0)?, from(1)?];
        (at[0] < self.size[0] && at[1] < self.size[1]).then(|| at[0] * self.size[1] + at[1])
    }
}

/// Draws the element: `#` for 0 in flat ones and the entries in others, `.` off the support,
/// brackets around the origin.
///
/// ```
/// use morphograd_morphology::StructuringElement;
/// assert_eq!(StructuringElement::diamond(1)?.to_string(), " .  #  . \n # [#] # \n .  #  . ");
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
impl fmt::Display for StructuringElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flat = self.is_flat();
        let text = |offset| match self.entry(offset) {
            None => ".".to_owned(),
            Some(_) if flat => "#".to_owned(),
            Some(w) => format!("{w}"),
        };
        let width = self.support().map(|(d, _)| text(d).len()).max().unwrap_or(1);
        // The origin is drawn too when it lies outside the box.
        let range = |axis: usize| self.first[axis].min(0)..=self.last()[axis].max(0);
        for dy in range(0) {
            if dy > *range(0).start() {
                f.write_str("\n")?;
            }
            for dx in range(1) {
                let (open, close) = if [dy, dx] == [0, 0] { ('[', ']') } else { (' ', ' ') };
                write!(f, "{open}{:>width$}{close}", text([dy, dx]))?;
            }
        }
        Ok(())
    }
}

/// The position of the centre in a kernel axis of `n` entries: where a window with same padding and
/// stride 1 has the pixel itself.
pub(crate) fn centre(n: usize) -> usize {
    n.saturating_sub(1) / 2
}

/// The offset from the centre of a position (row-major, without channels) in a kernel.
pub(crate) fn offset(size: [usize; 2], position: usize) -> [isize; 2] {
    let at = [position / size[1], position % size[1]];
    [0, 1].map(|axis| at[axis] as isize - centre(size[axis]) as isize)
}

/// The position in a kernel of an offset from its centre.
fn position(size: [usize; 2], offset: [isize; 2]) -> Option<usize> {
    let at = [0, 1]
        .map(|axis| centre(size[axis]).checked_add_signed(offset[axis]).unwrap_or(usize::MAX));
    (at[0] < size[0] && at[1] < size[1]).then(|| at[0] * size[1] + at[1])
}

const NAME: &str = "structuring element";
