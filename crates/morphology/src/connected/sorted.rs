//! Pixels from the lowest to the highest, those of one level in raster order: a counting sort, by
//! one digit of their keys after the other from the last one on.
//!
//! The one design choice: digits are wide and those that all pixels share are skipped, so that the
//! pixels move once where they have 8 bits and twice where they have 16.

use crate::connected::order::Order;
use crate::connected::selection::Frame;

/// Bits of a digit. The counts of one fit into a first-level cache.
const BITS: usize = 11;

/// Orders the positions of the pixels of a framed plane. The two buffers hold as many positions as
/// the frame has, or more; the result is in one of them.
pub(crate) fn ascending<'a, P, O: Order<P>>(
    frame: Frame,
    levels: &[O::Level],
    order: &O,
    [mut to, mut from]: [&'a mut [u32]; 2],
) -> &'a [u32] {
    let digits = (8 * size_of::<O::Level>()).div_ceil(BITS);
    let digit = |p: usize, d: usize| (order.key(levels[p]) >> (d * BITS)) as usize % (1 << BITS);
    let mut counts = vec![[0u32; 1 << BITS]; digits];
    let mut n = 0;
    for p in frame.pixels() {
        for (d, counts) in counts.iter_mut().enumerate() {
            counts[digit(p, d)] += 1;
        }
        from[n] = p as u32;
        n += 1;
    }
    for (d, counts) in counts.iter_mut().enumerate() {
        if counts.contains(&(n as u32)) {
            continue;
        }
        let mut before = 0;
        for count in counts.iter_mut() {
            before += std::mem::replace(count, before);
        }
        for p in &from[..n] {
            let place = &mut counts[digit(*p as usize, d)];
            to[*place as usize] = *p;
            *place += 1;
        }
        (to, from) = (from, to);
    }
    &from[..n]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connected::order::{Extremum, OfPixels};
    use crate::connected::selection::Planes;
    use crate::neighbourhood::pixel::Pixel;

    /// As the sort of the standard library, which is stable.
    fn check<P: Pixel>(pixel: impl Fn(u32) -> P) {
        let mut state = 1u32;
        for [height, width] in [[1, 1], [3, 5], [20, 31]] {
            let planes = Planes::new("sort", [1, height, width, 1].into()).unwrap();
            let frame = planes.frame;
            for extremum in [Extremum::Maximum, Extremum::Minimum] {
                let order = OfPixels(extremum);
                let levels: Vec<P::Level> = (0..frame.len())
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        Order::<P>::level(&order, pixel(state >> 8))
                    })
                    .collect();
                let mut expected: Vec<u32> = frame.pixels().map(|p| p as u32).collect();
                expected.sort_by(|p, q| {
                    let [p, q] = [p, q].map(|p| levels[*p as usize]);
                    p.partial_cmp(&q).expect("levels that compare")
                });
                let [mut a, mut b] = [(); 2].map(|()| vec![0; frame.len()]);
                let found = ascending::<P, _>(frame, &levels, &order, [&mut a, &mut b]);
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn pixels_come_in_the_order_of_their_levels_and_of_the_image() {
        check(|x| x as u8);
        check(|_| 7u8);
        check(|x| x % 3 == 0);
        check(|x| x as u16);
        check(|x| (x as i16) % 300);
        check(|x| u64::MAX - u64::from(x % 50) * u64::from(x));
        check(|x| f64::from(x) * 1e-3 - 8000.0);
        check(|x| [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 3.0][x as usize % 5]);
    }
}
