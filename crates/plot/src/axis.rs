//! Axes: from a value to a position, with ticks that are round. A scale either has its range or is
//! fitted to what is drawn, so that no caller has to look for the largest value.

use crate::svg::{Anchor, Frame, Svg};

/// An axis of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis<'a> {
    /// What is written beside it.
    pub label: &'a str,
    /// Its range and ticks.
    pub scale: Scale,
}

impl<'a> Axis<'a> {
    /// An axis with this label and scale.
    pub fn new(label: &'a str, scale: Scale) -> Self {
        Self { label, scale }
    }
}

/// The range of an axis, and where its ticks are.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// Exactly this range, with about five round ticks. One that is empty or turned over has none.
    Linear {
        /// Its start.
        min: f64,
        /// Its end.
        max: f64,
    },
    /// From this value to the next round tick above the largest value that is drawn.
    Above(f64),
    /// The whole numbers of this range, with ticks at whole numbers only. A single number stands in
    /// the middle.
    Whole {
        /// The first number.
        first: usize,
        /// The last number.
        last: usize,
    },
    /// Logarithmic: whole decades around the positive values that are drawn.
    Logarithmic,
    /// Logarithmic, from the first to the last of these positive values, which grow, with ticks
    /// there and nowhere else.
    Marks(Vec<f64>),
}

/// A scale whose range is known.
pub(crate) struct Range<'a> {
    min: f64,
    max: f64,
    scale: &'a Scale,
}

impl Scale {
    /// The range for what is drawn.
    pub(crate) fn fit(&self, values: impl Iterator<Item = f64>) -> Range<'_> {
        let values = values.filter(|value| value.is_finite());
        let (min, max) = match *self {
            Self::Linear { min, max } => (min, max),
            Self::Above(floor) => {
                let largest = values.fold(floor, f64::max);
                let span = if largest > floor { largest - floor } else { 1.0 };
                let step = tick_step(span);
                (floor, floor + (span / step - 1e-9).ceil() * step)
            }
            Self::Whole { first, last } if last > first => (first as f64, last as f64),
            Self::Whole { first, .. } => (first as f64 - 1.0, first as f64 + 1.0),
            Self::Logarithmic => {
                let (min, max) = values
                    .filter(|value| *value > 0.0)
                    .map(f64::log10)
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| {
                        (value.min(min), value.max(max))
                    });
                let (min, max) = if min <= max { (min.floor(), max.ceil()) } else { (0.0, 1.0) };
                // A power beyond these would be 0 or infinite.
                let min = min.clamp(-300.0, 299.0);
                (10_f64.powf(min), 10_f64.powf(max.clamp(min + 1.0, 300.0)))
            }
            Self::Marks(ref marks) => {
                let min = marks.first().copied().unwrap_or(1.0);
                (min, marks.last().copied().filter(|last| *last > min).unwrap_or(2.0 * min))
            }
        };
        Range { min, max, scale: self }
    }
}

impl Range<'_> {
    /// Position along the axis: 0 at its start, 1 at its end; not finite for what has none.
    pub(crate) fn position(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Logarithmic | Scale::Marks(_) => {
                (value / self.min).log10() / (self.max / self.min).log10()
            }
            _ => (value - self.min) / (self.max - self.min),
        }
    }

    /// Position and label of each tick.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let ticks: Vec<(f64, String)> = match self.scale {
            Scale::Marks(marks) => marks.iter().map(|mark| (*mark, mark.to_string())).collect(),
            Scale::Logarithmic => {
                let [first, last] = [self.min, self.max].map(|end| end.log10().round() as i32);
                let stride = usize::try_from((last - first) / 6 + 1).unwrap_or(1);
                let decades = (first..=last).step_by(stride);
                decades.map(|decade| (10_f64.powi(decade), decade_label(decade))).collect()
            }
            Scale::Whole { .. } => self.round_ticks(tick_step(self.max - self.min).max(1.0)),
            _ => self.round_ticks(tick_step(self.max - self.min)),
        };
        let placed = ticks.into_iter().map(|(tick, label)| (self.position(tick), label));
        placed.filter(|(position, _)| position.is_finite()).collect()
    }

    /// The multiples of `step` in the range; there are at most six.
    fn round_ticks(&self, step: f64) -> Vec<(f64, String)> {
        let decimals = (-step.log10().floor()).clamp(0.0, 4.0) as usize;
        let first = (self.min / step - 1e-9).ceil();
        (0..6)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= self.max + 1e-9 * step)
            .map(|tick| {
                let label = if (1e-3..1e5).contains(&step) {
                    format!("{tick:.decimals$}")
                } else {
                    format!("{tick:.0e}")
                };
                (tick, label.replace('-', "−"))
            })
            .collect()
    }

    /// Draws the axis under a frame, with its grid.
    pub(crate) fn draw_under(&self, svg: &mut Svg, frame: Frame, label: &str) {
        let bottom = frame.y + frame.height;
        for (position, label) in self.ticks() {
            let x = frame.x + position * frame.width;
            svg.grid((x, frame.y), (x, bottom));
            svg.note(x, bottom + 17.0, Anchor::Middle, &label);
        }
        svg.note(frame.x + frame.width / 2.0, bottom + 35.0, Anchor::Middle, label);
    }

    /// Draws the axis left of a frame, with its grid.
    pub(crate) fn draw_beside(&self, svg: &mut Svg, frame: Frame) {
        let bottom = frame.y + frame.height;
        for (position, label) in self.ticks() {
            let y = bottom - position * frame.height;
            svg.grid((frame.x, y), (frame.x + frame.width, y));
            svg.note(frame.x - 7.0, y + 4.0, Anchor::End, &label);
        }
    }
}

/// The step 1, 2 or 5 times a power of ten that gives about five ticks.
fn tick_step(range: f64) -> f64 {
    let raw = range / 5.0;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
    steps.into_iter().find(|step| raw <= step * 1.000_001).unwrap_or(steps[3])
}

fn decade_label(decade: i32) -> String {
    if (-2..=3).contains(&decade) {
        return format!("{}", 10_f64.powi(decade));
    }
    let digits = decade.to_string();
    let raised: String = digits
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
        })
        .collect();
    format!("10{raised}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, values: &[f64]) -> Vec<String> {
        scale.fit(values.iter().copied()).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Scale::Linear { min: 0.88, max: 0.95 }, &[]),
            ["0.88", "0.90", "0.92", "0.94"]
        );
        assert_eq!(
            labels(&Scale::Above(0.0), &[2.27, f64::NAN]),
            ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]
        );
        assert_eq!(labels(&Scale::Whole { first: 1, last: 79 }, &[]), ["20", "40", "60"]);
        assert_eq!(labels(&Scale::Whole { first: 1, last: 1 }, &[]), ["0", "1", "2"]);
        assert_eq!(
            labels(&Scale::Logarithmic, &[3e-5, 0.0, 0.2]),
            ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01", "0.1", "1"]
        );
        assert_eq!(labels(&Scale::Marks(vec![1.0, 2.0, 12.0]), &[]), ["1", "2", "12"]);
    }

    #[test]
    fn axes_without_values_still_have_a_range() {
        let cases: [(Scale, &[f64]); 4] = [
            (Scale::Above(0.0), &[]),
            (Scale::Above(0.5), &[0.5]),
            (Scale::Logarithmic, &[0.0, f64::INFINITY]),
            (Scale::Marks(vec![1.0, 4.0]), &[]),
        ];
        for (scale, values) in cases {
            let range = scale.fit(values.iter().copied());
            assert!(range.max > range.min && range.ticks().len() >= 2, "{scale:?}");
        }
    }

    #[test]
    fn odd_ranges_have_finite_ticks_or_none() {
        let scales = [
            Scale::Linear { min: 1.0, max: 1.0 },
            Scale::Linear { min: 2.0, max: 1.0 },
            Scale::Linear { min: 0.0, max: f64::INFINITY },
            Scale::Linear { min: f64::NAN, max: 1.0 },
            // One apart, where doubles are 16 apart.
            Scale::Linear { min: 1e17, max: 1e17 + 16.0 },
            Scale::Above(f64::MAX),
            Scale::Logarithmic,
            Scale::Marks(vec![-1.0, 0.0]),
            Scale::Marks(Vec::new()),
        ];
        for scale in scales {
            let range = scale.fit([f64::MIN_POSITIVE * 1e-10, f64::MAX].into_iter());
            let ticks = range.ticks();
            assert!(ticks.len() < 10, "{scale:?}");
            assert!(ticks.iter().all(|(position, _)| position.is_finite()), "{scale:?}");
        }
    }
}
