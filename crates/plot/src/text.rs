//! Text in figures: escaped, measured, and numbers that are short enough to stand in one.

/// `text` as XML character data or attribute value. Control characters, which XML forbids, become
/// U+FFFD.
///
/// ```
/// assert_eq!(morphograd_plot::escape("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
/// ```
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Width of `text` in user units at the figures' font size: an estimate, fonts differ.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.9
}

/// A coordinate, to a hundredth of a unit.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// A value to read: two decimals, or one digit where those would be all zero or too many.
pub(crate) fn short(value: f64) -> String {
    let text = if value == 0.0 {
        "0".to_owned()
    } else if value.abs() < 0.005 || value.abs() >= 1000.0 {
        format!("{value:.0e}")
    } else {
        format!("{value:.2}")
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            escape("<a href='x'>&\"\u{1b}\n"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\n"
        );
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(
            [1.0, 0.125, -0.001, 12.5, 1234.0].map(coordinate),
            ["1", "0.12", "0", "12.5", "1234"]
        );
    }

    #[test]
    fn values_are_short() {
        assert_eq!(
            [0.0, 0.25, -1.5, 0.0004, -12345.0].map(short),
            ["0", "0.25", "−1.50", "4e−4", "−1e4"]
        );
    }
}
