//! An image and what became of it in one picture, to be looked at.

use morphograd_image::{Depth, Picture};

/// White columns between the two.
const GAP: usize = 8;

/// The two images side by side, in 8 bits: integers as shares of white, floats from the least
/// finite value of the image, which is black, to the largest. Alpha is left out.
///
/// # Panics
/// If the images have not the same height and number of channels, as those before and after a
/// pipeline have.
pub fn side_by_side(before: &Picture, after: &Picture) -> Picture {
    let (height, channels) = (before.size()[0], before.channels());
    assert_eq!((height, channels), (after.size()[0], after.channels()), "two images of one height");
    let [left, right] = [before, after].map(bytes);
    let row = |picture: &Picture| picture.size()[1] * channels;
    let gap = vec![255; GAP * channels];
    let mut pixels: Vec<u8> = Vec::new();
    for (left, right) in left.chunks_exact(row(before)).zip(right.chunks_exact(row(after))) {
        pixels.extend(left.iter().chain(&gap).chain(right));
    }
    let width = before.size()[1] + GAP + after.size()[1];
    Picture::new([height, width], channels, pixels).expect("rows of one length")
}

fn bytes(picture: &Picture) -> Vec<u8> {
    let numbers = picture.to_tensor::<f32>();
    let (mut black, mut white) = (0.0, 1.0);
    if picture.depth() == Depth::F32 {
        let finite = || numbers.data().iter().copied().filter(|x| x.is_finite());
        black = finite().fold(f32::INFINITY, f32::min);
        white = finite().fold(f32::NEG_INFINITY, f32::max);
    }
    let span = if white > black { white - black } else { 1.0 };
    // The cast saturates, and takes NaN to 0.
    numbers.data().iter().map(|x| ((x - black) / span * 255.0).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_span_their_finite_values() {
        let before = Picture::new([1, 2], 1, vec![0u16, 65_535]).unwrap();
        let after = Picture::new([1, 2], 1, vec![-1.0f32, 3.0]).unwrap();
        let both = side_by_side(&before, &after);
        let expected = [&[0, 255][..], &[255; GAP], &[0, 255]].concat();
        assert_eq!(both.samples::<u8>(), Some(&expected[..]));
        let flat = Picture::new([1, 2], 1, vec![f32::NAN, 7.0]).unwrap();
        let both = side_by_side(&before, &flat);
        assert_eq!(both.samples::<u8>().unwrap()[2 + GAP..], [0, 0]);
    }
}
