//! Footprints: sets of offsets of a pixel, kept as the runs of their rows.
//!
//! The one design choice: a run is a row of neighbouring offsets. The best pixel of every run of a
//! length is found at once for all runs of that length, so that a footprint costs what its runs
//! cost, not what its pixels cost.

use morphograd_nn::tensor::ShapeError;

use crate::elements::structuring_element::StructuringElement;

/// Neighbouring offsets in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// How far down from the pixel.
    pub(crate) row: isize,
    /// How far right from the pixel the first offset is.
    pub(crate) column: isize,
    /// Offsets in the run, at least 1.
    pub(crate) length: usize,
}

/// A flat structuring element: a set $B$ of offsets `[down, right]`, finite and not empty.
///
/// ```
/// use morphograd_morphology::{Footprint, StructuringElement};
/// let disk = Footprint::try_from(&StructuringElement::disk(2)?)?;
/// assert_eq!(disk.count(), 13);
/// // The pixel and its right neighbour.
/// let right = Footprint::new([1, 2], [0, 0], &[true, true])?;
/// assert_eq!(right, Footprint::rectangle([1, 2], [0, 0])?);
/// assert_eq!(right.reflected(), Footprint::rectangle([1, 2], [0, 1])?);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// Ordered; those of one row do not touch.
    runs: Vec<Run>,
}

/// Offsets further away than this are refused: the index arithmetic of images cannot overflow.
const FAR: usize = 1 << 24;

const NAME: &str = "footprint";

impl Footprint {
    /// The offsets where an array of `size`, row-major, is true. The position `origin` is that of
    /// the pixel itself; it may lie outside.
    ///
    /// # Errors
    /// If the number of entries is not that of the size, none is true, or an offset is $2^{24}$ or
    /// more.
    pub fn new(size: [usize; 2], origin: [isize; 2], is_in: &[bool]) -> Result<Self, ShapeError> {
        if size[0].checked_mul(size[1]) != Some(is_in.len()) {
            let found = format!("{} entries for size {size:?}", is_in.len());
            return Err(ShapeError::new(NAME, "one entry for each position", found));
        }
        let mut runs = Vec::new();
        for (row, entries) in is_in.chunks_exact(size[1].max(1)).enumerate() {
            let mut column = 0;
            for run in entries.chunk_by(|a, b| a == b) {
                if run[0] {
                    runs.push((row, column, run.len()));
                }
                column += run.len();
            }
        }
        Self::from_runs(origin, &runs)
    }

    /// A rectangle of `size`, of which the position `origin` is that of the pixel itself.
    ///
    /// # Errors
    /// If a size is 0 or an offset is $2^{24}$ or more.
    pub fn rectangle(size: [usize; 2], origin: [isize; 2]) -> Result<Self, ShapeError> {
        if size[0] > FAR {
            return Err(ShapeError::new(NAME, "offsets below 2^24", format!("{} rows", size[0])));
        }
        let rows = if size[1] == 0 { 0 } else { size[0] };
        Self::from_runs(origin, &(0..rows).map(|row| (row, 0, size[1])).collect::<Vec<_>>())
    }

    fn from_runs(origin: [isize; 2], runs: &[(usize, usize, usize)]) -> Result<Self, ShapeError> {
        if runs.is_empty() {
            return Err(ShapeError::new(NAME, "an offset", "none"));
        }
        let offset = |at: usize, axis: usize| (at as isize).saturating_sub(origin[axis]);
        let far = |at: isize| at.unsigned_abs() >= FAR;
        let run = |&(row, column, length): &(usize, usize, usize)| {
            let run = Run { row: offset(row, 0), column: offset(column, 1), length };
            if length > FAR || far(run.row) || far(run.column) || far(run.end() - 1) {
                let found = format!("{length} from [{}, {}] on", run.row, run.column);
                return Err(ShapeError::new(NAME, "offsets below 2^24", found));
            }
            Ok(run)
        };
        Ok(Self { runs: runs.iter().map(run).collect::<Result<_, _>>()? })
    }

    /// As many of the runs as there are different ones.
    pub(crate) fn of_runs(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable();
        runs.dedup();
        Self { runs }
    }

    /// The set $\check B = \{-d : d \in B\}$.
    #[must_use]
    pub fn reflected(&self) -> Self {
        let turn = |run: &Run| Run { row: -run.row, column: 1 - run.end(), ..*run };
        Self { runs: self.runs.iter().rev().map(turn).collect() }
    }

    /// The number of offsets.
    pub fn count(&self) -> usize {
        self.runs.iter().map(|run| run.length).sum()
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The first offsets and one past the last ones of the smallest box, `[rows, columns]`.
    pub(crate) fn bounds(&self) -> [(isize, isize); 2] {
        let least = |f: fn(&Run) -> isize| self.runs.iter().map(f).min().expect("not empty");
        let most = |f: fn(&Run) -> isize| self.runs.iter().map(f).max().expect("not empty");
        [(least(|r| r.row), most(|r| r.row) + 1), (least(|r| r.column), most(Run::end))]
    }

    /// Whether it is all of that box.
    pub(crate) fn is_rectangle(&self) -> bool {
        let [(top, bottom), (left, right)] = self.bounds();
        self.runs.len() as isize == bottom - top
            && self.runs.iter().all(|run| run.column == left && run.end() == right)
    }
}

impl Run {
    fn end(&self) -> isize {
        self.column.saturating_add(self.length as isize)
    }
}

/// The support of a flat element.
impl TryFrom<&StructuringElement> for Footprint {
    type Error = ShapeError;

    fn try_from(element: &StructuringElement) -> Result<Self, ShapeError> {
        if !element.is_flat() {
            return Err(ShapeError::new(NAME, "a flat element", format!("\n{element}")));
        }
        let (size, origin) = (element.size(), element.origin());
        let mut is_in = vec![false; size[0] * size[1]];
        for (offset, _) in element.support() {
            let at = [0, 1].map(|axis| (offset[axis] + origin[axis]) as usize);
            is_in[at[0] * size[1] + at[1]] = true;
        }
        Self::new(size, origin, &is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_have_several_runs() {
        let comb = Footprint::new([1, 5], [0, 2], &[true, false, true, true, false]).unwrap();
        let run = |column, length| Run { row: 0, column, length };
        assert_eq!(comb.runs(), [run(-2, 1), run(0, 2)]);
        assert_eq!(comb.reflected().runs(), [run(-1, 2), run(2, 1)]);
        assert_eq!(
            (comb.count(), comb.bounds(), comb.is_rectangle()),
            (3, [(0, 1), (-2, 2)], false)
        );
        assert!(Footprint::rectangle([3, 4], [9, -2]).unwrap().is_rectangle());
    }

    #[test]
    fn what_is_no_footprint_is_refused() {
        let text = |result: Result<Footprint, ShapeError>| result.unwrap_err().to_string();
        assert_eq!(
            text(Footprint::new([2, 2], [0, 0], &[true])),
            "footprint: expected one entry for each position, found 1 entries for size [2, 2]"
        );
        let none = "footprint: expected an offset, found none";
        assert_eq!(text(Footprint::new([1, 2], [0, 0], &[false; 2])), none);
        assert_eq!(text(Footprint::rectangle([3, 0], [0, 0])), none);
        assert_eq!(text(Footprint::new([3, 0], [0, 0], &[])), none);
        for (size, origin) in [
            ([1, usize::MAX], [0, 0]),
            ([usize::MAX, 1], [0, 0]),
            ([1, 1], [isize::MIN, 0]),
            ([1, 1], [0, isize::MAX]),
            ([1, 1 << 24], [0, -1]),
        ] {
            let found = text(Footprint::rectangle(size, origin));
            assert!(found.starts_with("footprint: expected offsets below 2^24, found"), "{found}");
        }
        let parabola = StructuringElement::new([1, 2], [0, 0], &[0.0, -1.0]).unwrap();
        assert!(Footprint::try_from(&parabola).unwrap_err().to_string().contains("a flat element"));
    }
}
