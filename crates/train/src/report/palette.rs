//! Colours. Constraints get the Okabe-Ito palette, which stays distinct under the common kinds of
//! colour blindness, by name and not by position: a constraint has one colour in every figure of
//! every report.

use super::svg::BLACK;
use crate::record::{ExperimentRecord, Variant};

const KNOWN: [(&str, &str); 6] = [
    ("none", BLACK),
    ("non-negative", "#0072b2"),
    ("non-positive", "#d55e00"),
    ("non-positive-increasing", "#009e73"),
    ("lattice", "#e69f00"),
    ("lattice-zero-centre", "#cc79a7"),
];

/// For the others: the palette's last colour that shows on white and two of Tol's that stay
/// distinct from it.
const OTHERS: [&str; 3] = ["#56b4e9", "#882255", "#999933"];

/// Colour of cells whose value is not finite.
pub(super) const NOT_FINITE: &str = "#9e9e9e";

/// The colour of a variant in this experiment. One without a colour of its own takes the next that
/// no other has, in the order in which they appear, and then from the start again.
pub(super) fn of(variant: &Variant, experiment: &ExperimentRecord) -> &'static str {
    let known = |variant: &Variant| {
        let own =
            |(name, _): &&(&str, &str)| variant.is_projected_step() && *name == variant.constraint;
        KNOWN.iter().find(own).map(|(_, colour)| *colour)
    };
    known(variant).unwrap_or_else(|| {
        let (mut taken, mut others) = (Vec::new(), Vec::new());
        for run in &experiment.runs {
            match known(&run.variant) {
                Some(colour) => taken.push(colour),
                None if others.contains(&&run.variant) => {}
                None => others.push(&run.variant),
            }
        }
        let all = OTHERS.into_iter().chain(KNOWN.map(|(_, colour)| colour));
        let left: Vec<&str> = all.filter(|colour| !taken.contains(colour)).collect();
        let position = others.iter().position(|other| *other == variant).unwrap_or(0);
        left[position % left.len()]
    })
}

/// The colours one after the other, for what is no constraint; then from the start again.
pub(super) fn nth(position: usize) -> &'static str {
    let position = position % (KNOWN.len() + OTHERS.len());
    KNOWN.get(position).map_or_else(|| OTHERS[position - KNOWN.len()], |(_, colour)| colour)
}

/// Red at -1, near white at 0, blue at 1 (ColorBrewer's RdBu, as the tutorial shows its filters).
pub(super) fn diverging(value: f64) -> String {
    const STOPS: [u32; 11] = [
        0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3,
        0x2166ac, 0x053061,
    ];
    interpolate(&STOPS, f64::midpoint(value, 1.0))
}

/// White at 0 over yellow and red to a dark red at 1: `hot` turned over, so that counts stay
/// legible and paper stays white.
pub(super) fn hot(value: f64) -> String {
    const STOPS: [u32; 6] = [0xffffff, 0xfff3b2, 0xfecc5c, 0xfd8d3c, 0xe02a1d, 0x7a0019];
    interpolate(&STOPS, value)
}

/// Whether white text is the more legible on [`hot`] of `value`.
pub(super) fn hot_is_dark(value: f64) -> bool {
    value > 0.7
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
    fn the_hot_scale_ends_where_it_should() {
        assert_eq!([0.0, 0.2, 1.0].map(hot), ["#ffffff", "#fff3b2", "#7a0019"]);
    }
}
