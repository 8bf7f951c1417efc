//! What a training left behind, as a comparison reads it: figures and histories.

use morphograd::history::read_history;
use morphograd::metrics::Metrics;

use super::input::{file, within};

/// `metrics.json`: what is read is written, and read again as the same.
pub(crate) fn metrics(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = within((1 << 16) + 256 * text.len(), || Metrics::read(text));
    let Ok(metrics) = read else { return };
    // NaN differs from itself: texts are compared.
    let written = metrics.json();
    let again = Metrics::read(&written).expect("what was written can be read");
    assert_eq!(again.json(), written);
    assert_eq!(again.runs.len(), metrics.runs.len());
}

/// `history.csv`: a record for each line behind the first, with a value for each column.
pub(crate) fn history(bytes: &[u8]) {
    let path = file("history.csv", bytes);
    // A cell of one byte becomes a number with its name.
    let head = bytes.split(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
    let most = (1 << 16) + 256 * bytes.len() + 2 * head * bytes.len();
    let Ok(epochs) = within(most, || read_history(&path)) else { return };
    let text = std::str::from_utf8(bytes).expect("what was read is text");
    assert_eq!(epochs.len(), text.lines().count() - 1);
    assert!(epochs.windows(2).all(|pair| pair[0].metrics.len() == pair[1].metrics.len()));
}
