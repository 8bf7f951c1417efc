//! Colours. Lines get the Okabe-Ito palette, which stays distinct under the common kinds of colour
//! blindness; values get scales whose lightness follows them.

/// Colour of lines that follow the ink: black on paper, light on a dark page.
pub const BLACK: &str = "#000000";

/// A grey that shows on paper and on a dark page.
pub const GREY: &str = "#8a8a8a";

/// The colours of lines: those of Okabe and Ito that show on white, and two of Tol's that stay
/// distinct from them.
pub const COLOURS: [&str; 9] =
    [BLACK, "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#882255", "#999933"];

/// Colour of cells whose value is not finite.
pub const NOT_FINITE: &str = "#9e9e9e";

/// The [`COLOURS`] one after the other, then from the start again; 0 is black.
pub fn colour(position: usize) -> &'static str {
    COLOURS[position % COLOURS.len()]
}

/// Red at -1, near white at 0, blue at 1 (ColorBrewer's RdBu), and at the nearer end beyond.
pub fn diverging(value: f64) -> String {
    const STOPS: [u32; 11] = [
        0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3,
        0x2166ac, 0x053061,
    ];
    interpolate(&STOPS, f64::midpoint(value, 1.0))
}

/// White at 0 over yellow and red to a dark red at 1, by the square root of the share: linear, the
/// small shares would all look like none.
pub fn share(share: f64) -> String {
    hot(share.sqrt())
}

/// Whether white text is the more legible on [`share`].
pub(crate) fn share_is_dark(share: f64) -> bool {
    share.sqrt() > 0.7
}

/// The grey of a value from 0, black, to 1, white, and of the nearer end beyond.
pub fn grey(value: f64) -> String {
    interpolate(&[0x000000, 0xffffff], value)
}

/// `hot` turned over, so that counts stay legible and paper stays white.
pub(crate) fn hot(value: f64) -> String {
    const STOPS: [u32; 6] = [0xffffff, 0xfff3b2, 0xfecc5c, 0xfd8d3c, 0xe02a1d, 0x7a0019];
    interpolate(&STOPS, value)
}

fn interpolate(stops: &[u32], value: f64) -> String {
    if !value.is_finite() {
        return NOT_FINITE.to_owned();
    }
    let position = value.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let index = (position as usize).min(stops.len() - 2);
    let channel = |shift: u32| {
        let [low, high] =
            [stops[index], stops[index + 1]].map(|stop| f64::from((stop >> shift) & 255));
        (low + (high - low) * (position - index as f64)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(16), channel(8), channel(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diverging_scale_is_centred() {
        assert_eq!(
            [-1.0, 0.0, 1.0, 9.0].map(diverging),
            ["#67001f", "#f7f7f7", "#053061", "#053061"]
        );
        assert_eq!(diverging(f64::NAN), NOT_FINITE);
    }

    #[test]
    fn the_scale_of_shares_ends_where_it_should() {
        assert_eq!([0.0, 0.04, 1.0].map(share), ["#ffffff", "#fff3b2", "#7a0019"]);
        assert_eq!([0.0, 0.5, 2.0].map(grey), ["#000000", "#808080", "#ffffff"]);
    }
}
