//! Images of any type, and a folder for their files.

use std::path::PathBuf;

use morphograd_image::{Depth, Header, Picture, Pixels};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder of its own, and the path of a file in it.
pub(crate) fn file(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn samples(depth: Depth, count: usize) -> BoxedStrategy<Pixels> {
    use prop::collection::vec;
    match depth {
        Depth::Bit => vec(any::<bool>(), count).prop_map(Pixels::Bit).boxed(),
        Depth::U8 => vec(any::<u8>(), count).prop_map(Pixels::U8).boxed(),
        Depth::U16 => vec(any::<u16>(), count).prop_map(Pixels::U16).boxed(),
        // Comparable ones, infinities and zeros of both signs included.
        Depth::F32 => vec(prop::num::f32::ANY.prop_filter("NaN", |x| !x.is_nan()), count)
            .prop_map(Pixels::F32)
            .boxed(),
    }
}

/// An image of this type.
pub(crate) fn picture(depth: Depth, channels: usize, alpha: bool) -> BoxedStrategy<Picture> {
    let size = (1..20usize, 1..20usize);
    size.prop_flat_map(move |(height, width)| {
        let opacities = samples(depth, height * width);
        let opacities = if alpha { opacities.prop_map(Some).boxed() } else { Just(None).boxed() };
        (Just([height, width]), samples(depth, height * width * channels), opacities)
    })
    .prop_map(move |(size, pixels, opacities)| {
        Picture::new(size, channels, pixels).unwrap().with_alpha(opacities).unwrap()
    })
    .boxed()
}

/// An image of any type.
pub(crate) fn any_picture() -> impl Strategy<Value = Picture> {
    let types = (prop::sample::select(&Depth::ALL[..]), any::<bool>(), any::<bool>());
    types.prop_flat_map(|(depth, rgb, alpha)| picture(depth, if rgb { 3 } else { 1 }, alpha))
}

/// A mask, two greys and a float image of 7 x 9 pixels, with a pattern.
pub(crate) fn examples() -> Vec<Picture> {
    let pattern = |i: usize| (i * 37 + i / 9 * 11) % 251;
    let size = [7, 9];
    let of = |channels: usize, pixels: Pixels| Picture::new(size, channels, pixels).unwrap();
    let all = |channels: usize| 0..7 * 9 * channels;
    vec![
        of(1, Pixels::Bit(all(1).map(|i| pattern(i) % 3 == 0).collect())),
        of(1, Pixels::U8(all(1).map(|i| pattern(i) as u8).collect())),
        of(3, Pixels::U8(all(3).map(|i| pattern(i) as u8).collect())),
        of(1, Pixels::U16(all(1).map(|i| (pattern(i) * 261) as u16).collect())),
        of(3, Pixels::U16(all(3).map(|i| (pattern(i) * 261) as u16).collect())),
        of(1, Pixels::F32(all(1).map(|i| pattern(i) as f32 / 7.0 - 9.0).collect())),
    ]
}

/// Whether a header has the type of another.
pub(crate) fn same_type(a: Header, b: Header) -> bool {
    Header { height: 0, width: 0, ..a } == Header { height: 0, width: 0, ..b }
}
