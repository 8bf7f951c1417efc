//! Words of `apply`: pipelines of operators, and structuring elements from files.

use morphograd::apply::{Element, Output, Pipeline};
use morphograd_image::Picture;

use super::input::{file, leads_away, within};

/// A pipeline is refused, or gives a picture of the same size and depth or a table, for pixels of
/// every depth.
pub(crate) fn pipeline(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Large elements are allowed, and take their time.
    let is_long = |digits: &str| digits.len() > 2;
    let large = text.contains(':') && text.split(|c: char| !c.is_ascii_digit()).any(is_long);
    if leads_away(text) || large {
        return;
    }
    let parsed = within(64 << 20, || Pipeline::parse(text, &[]));
    let Ok(pipeline) = parsed else { return };
    let _ = pipeline.rows();
    let levels = || (0..63u32).map(|i| i * 37 % 11);
    let pictures = [
        Picture::new([7, 9], 1, levels().map(|x| x as u8 * 20).collect::<Vec<_>>()),
        Picture::new([7, 9], 1, levels().map(|x| x as u16 * 5000).collect::<Vec<_>>()),
        Picture::new([7, 3], 3, levels().map(|x| x as f32 / 11.0).collect::<Vec<_>>()),
        Picture::new([7, 9], 1, levels().map(|x| x > 5).collect::<Vec<_>>()),
    ];
    for picture in pictures.map(|picture| picture.expect("as many pixels")) {
        match pipeline.run(&picture) {
            Ok(Output::Picture(found)) => {
                assert!(!pipeline.is_table() && !found.pixels().is_empty());
            }
            Ok(Output::Table(text)) => assert!(pipeline.is_table() && !text.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A file as an element: it has a support, and its reflection reflected is itself.
pub(crate) fn element(bytes: &[u8]) {
    let path = file("element", bytes);
    let text = path.to_str().expect("a temporary path is text");
    let most = (1 << 20) + 1024 * bytes.len();
    let is_image = bytes.first().is_some_and(|b| !matches!(b, b'#' | b'.' | b'[' | b'0'..=b'9'));
    let read = || Element::parse(text);
    let read = if is_image { read() } else { within(most, read) };
    let Ok(element) = read else { return };
    let shape = element.shape();
    assert!(shape.count() > 0, "expected a support");
    assert_eq!(shape.support().count(), shape.count());
    assert_eq!(shape.reflected().reflected(), *shape);
}
