//! A scan along a row by vectors. A step, $c \mapsto a \vee (k \wedge c)$ with the level $a$ and
//! the cap $k$ of a pixel and what the pixel before it hands on, $c$, looks sequential.
//!
//! The one design choice: steps compose to steps. Windows of 1, 2, 4, ... steps are composed for
//! all pixels at once until they are as wide as a block, and then block follows block.

use std::mem;

use crate::neighbourhood::connectivity::Connectivity;

/// Pixels of the widest block.
pub(crate) const BLOCK: usize = 16;

/// The steps of a row. Around it there is room for the widest block; the levels there are the
/// lowest, the caps the highest, so that a step from there changes nothing.
pub(crate) struct Steps<L> {
    levels: [Vec<L>; 2],
    caps: [Vec<L>; 2],
    width: usize,
    lowest: L,
}

impl<L: Copy + PartialOrd> Steps<L> {
    pub(crate) fn new(width: usize, [lowest, highest]: [L; 2]) -> Self {
        let room = BLOCK + width.next_multiple_of(BLOCK) + BLOCK;
        let [levels, caps] = [lowest, highest].map(|x| [(); 2].map(|()| vec![x; room]));
        Self { levels, caps, width, lowest }
    }

    /// The levels and the caps of the row, to be written before a scan.
    #[inline(always)]
    pub(crate) fn row(&mut self) -> (&mut [L], &mut [L]) {
        let row = BLOCK..BLOCK + self.width;
        (&mut self.levels[0][row.clone()], &mut self.caps[0][row])
    }

    /// Scans from left to right, or back, by blocks of `N` pixels: what each pixel hands on.
    #[inline(always)]
    pub(crate) fn scan<const N: usize, const BACK: bool>(&mut self) -> &[L] {
        let row = BLOCK..BLOCK + self.width;
        let [mut levels, mut levels_next] = self.levels.each_mut().map(|x| &mut x[..]);
        let [mut caps, mut caps_next] = self.caps.each_mut().map(|x| &mut x[..]);
        // The last block of the scan before may have gone beyond the row.
        levels[row.end..].fill(self.lowest);
        levels_next[row.end..].fill(self.lowest);
        let mut steps = 1;
        while steps < N {
            let before = if BACK { BLOCK + steps } else { BLOCK - steps };
            let window = levels[row.clone()].iter().zip(&caps[row.clone()]);
            let windows = window.zip(levels[before..].iter().zip(&caps[before..]));
            let next = levels_next[row.clone()].iter_mut().zip(&mut caps_next[row.clone()]);
            for ((level_next, cap_next), ((level, cap), (level_before, cap_before))) in
                next.zip(windows)
            {
                *level_next = larger(*level, smaller(*cap, *level_before));
                *cap_next = smaller(*cap, *cap_before);
            }
            mem::swap(&mut levels, &mut levels_next);
            mem::swap(&mut caps, &mut caps_next);
            steps *= 2;
        }
        let mut carried = [self.lowest; N];
        let blocks = self.width.div_ceil(N);
        for block in 0..blocks {
            let first = BLOCK + N * if BACK { blocks - 1 - block } else { block };
            let levels = &mut levels[first..first + N];
            let caps = &caps[first..first + N];
            for ((carried, level), cap) in carried.iter_mut().zip(&*levels).zip(caps) {
                *carried = larger(*level, smaller(*cap, *carried));
            }
            levels.copy_from_slice(&carried);
        }
        &levels[row]
    }
}

/// The neighbours in a framed row above or below: those of each pixel's left, middle and right. Of
/// four neighbours it is the middle one, three times.
#[inline(always)]
pub(crate) fn reach<L>(connectivity: Connectivity, framed: &[L], width: usize) -> [&[L]; 3] {
    match connectivity {
        Connectivity::Four => [&framed[1..=width]; 3],
        Connectivity::Eight => [&framed[..width], &framed[1..=width], &framed[2..width + 2]],
    }
}

/// Adds the positions, from `first` on, where something rare is true.
#[inline(always)]
pub(crate) fn collect(is: &[bool], first: usize, positions: &mut Vec<u32>) {
    for (first, some) in (first..).step_by(BLOCK).zip(is.chunks(BLOCK)) {
        if some.iter().fold(false, |any, is| any | is) {
            let found = (first..).zip(some).filter(|(_, is)| **is);
            positions.extend(found.map(|(p, _)| p as u32));
        }
    }
}

/// Of a number and NaN, in this order, the number.
#[inline(always)]
pub(crate) fn larger<L: Copy + PartialOrd>(a: L, b: L) -> L {
    if b > a { b } else { a }
}

#[inline(always)]
pub(crate) fn smaller<L: Copy + PartialOrd>(a: L, b: L) -> L {
    if b < a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_by_blocks_is_that_of_one_pixel_after_the_other() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for width in [1, 2, 7, 8, 9, 15, 16, 17, 40, 100] {
            let mut steps = Steps::new(width, [0, 255]);
            // Twice, so that what a scan leaves behind would be seen.
            for _ in 0..2 {
                let (levels, caps): (Vec<u8>, Vec<u8>) =
                    (0..width).map(|_| (random() / 2, random())).unzip();
                let expected = |order: &mut dyn Iterator<Item = usize>| {
                    let mut handed_on = vec![0; width];
                    let mut carried = 0;
                    for i in order {
                        carried = levels[i].max(caps[i].min(carried));
                        handed_on[i] = carried;
                    }
                    handed_on
                };
                let fill = |steps: &mut Steps<u8>| {
                    let row = steps.row();
                    row.0.copy_from_slice(&levels);
                    row.1.copy_from_slice(&caps);
                };
                fill(&mut steps);
                assert_eq!(steps.scan::<8, false>(), expected(&mut (0..width)));
                fill(&mut steps);
                assert_eq!(steps.scan::<16, false>(), expected(&mut (0..width)));
                fill(&mut steps);
                assert_eq!(steps.scan::<8, true>(), expected(&mut (0..width).rev()));
                fill(&mut steps);
                assert_eq!(steps.scan::<16, true>(), expected(&mut (0..width).rev()));
            }
        }
    }
}
