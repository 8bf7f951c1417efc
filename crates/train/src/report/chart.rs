//! Line charts: axes with round ticks, curves that break where a value is missing, a legend below.
//! Nothing here knows what is drawn.

use super::svg::{Anchor, Frame, Stroke, Svg, text_width};

/// An axis with its range in data units.
pub(super) struct Axis {
    label: &'static str,
    min: f64,
    max: f64,
    logarithmic: bool,
    /// Where the ticks are; empty for round ones.
    marks: Vec<f64>,
}

/// One curve.
pub(super) struct Line<'a> {
    pub(super) points: Vec<(f64, f64)>,
    pub(super) stroke: Stroke<'a>,
    /// Shown on hover.
    pub(super) title: String,
}

/// One pair of axes with its curves.
pub(super) struct Panel<'a> {
    pub(super) frame: Frame,
    pub(super) title: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line<'a>>,
    /// Vertical lines from bottom to top.
    pub(super) verticals: Vec<(f64, Stroke<'a>)>,
    /// A range of the vertical axis to shade.
    pub(super) highlight: Option<(f64, f64)>,
}

impl Axis {
    /// Epochs from 1 to `last`; a single one stands in the middle.
    pub(super) fn epochs(last: usize) -> Self {
        let (min, max) = if last > 1 { (1.0, last as f64) } else { (0.0, 2.0) };
        Self { label: "epoch", min, max, logarithmic: false, marks: Vec::new() }
    }

    /// Exactly this range.
    pub(super) fn between(label: &'static str, min: f64, max: f64) -> Self {
        Self { label, min, max, logarithmic: false, marks: Vec::new() }
    }

    /// From `floor` to the next tick above the largest finite value.
    pub(super) fn above(
        label: &'static str,
        floor: f64,
        values: impl Iterator<Item = f64>,
    ) -> Self {
        let largest = values.filter(|value| value.is_finite()).fold(floor, f64::max);
        let max = if largest > floor { largest } else { floor + 1.0 };
        let step = tick_step(max - floor);
        Self {
            label,
            min: floor,
            max: floor + ((max - floor) / step - 1e-9).ceil() * step,
            logarithmic: false,
            marks: Vec::new(),
        }
    }

    /// Whole decades around the positive values.
    pub(super) fn logarithmic(label: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let logarithms = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (min, max) = logarithms
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| {
                (value.min(min), value.max(max))
            });
        let (min, max) = if min <= max { (min.floor(), max.ceil()) } else { (0.0, 1.0) };
        let (min, max) = (10_f64.powf(min), 10_f64.powf(max.max(min + 1.0)));
        Self { label, min, max, logarithmic: true, marks: Vec::new() }
    }

    /// Logarithmic, from the first to the last of these positive values, with ticks there and
    /// nowhere else.
    pub(super) fn at(label: &'static str, marks: Vec<f64>) -> Self {
        let min = marks.first().copied().unwrap_or(1.0);
        let max = marks.last().copied().filter(|last| *last > min).unwrap_or(2.0 * min);
        Self { label, min, max, logarithmic: true, marks }
    }

    /// Position along the axis: 0 at its start, 1 at its end; not finite for what has none.
    pub(super) fn position(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.min).log10() / (self.max / self.min).log10()
        } else {
            (value - self.min) / (self.max - self.min)
        }
    }

    /// Draws the axis under a frame, with its grid.
    pub(super) fn draw_under(&self, svg: &mut Svg, frame: Frame) {
        let bottom = frame.y + frame.height;
        for (tick, label) in self.ticks() {
            let x = frame.x + self.position(tick) * frame.width;
            svg.grid((x, frame.y), (x, bottom));
            svg.note(x, bottom + 17.0, Anchor::Middle, &label);
        }
        svg.note(frame.x + frame.width / 2.0, bottom + 35.0, Anchor::Middle, self.label);
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.marks.is_empty() {
            return self.marks.iter().map(|mark| (*mark, mark.to_string())).collect();
        }
        if self.logarithmic {
            let [first, last] = [self.min, self.max].map(|end| end.log10().round() as i32);
            let stride = usize::try_from((last - first) / 6 + 1).unwrap_or(1);
            return (first..=last)
                .step_by(stride)
                .map(|decade| (10_f64.powi(decade), decade_label(decade)))
                .collect();
        }
        let step = if self.label == "epoch" {
            tick_step(self.max - self.min).max(1.0)
        } else {
            tick_step(self.max - self.min)
        };
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.min / step - 1e-9).ceil();
        (0..)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= self.max + 1e-9 * step)
            .map(|tick| {
                let label = if !(1e-3..1e5).contains(&step) {
                    format!("{tick:.0e}")
                } else {
                    format!("{tick:.decimals$}")
                };
                (tick, label.replace('-', "−"))
            })
            .collect()
    }
}

impl Panel<'_> {
    pub(super) fn draw(&self, svg: &mut Svg) {
        let Frame { x: left, y: top, width, height } = self.frame;
        let (right, bottom) = (left + width, top + height);
        let place = |(x, y): (f64, f64)| {
            (left + self.x.position(x) * width, bottom - self.y.position(y) * height)
        };

        self.x.draw_under(svg, self.frame);
        for (tick, label) in self.y.ticks() {
            let (_, y) = place((self.x.min, tick));
            svg.grid((left, y), (right, y));
            svg.note(left - 7.0, y + 4.0, Anchor::End, &label);
        }
        if let Some((low, high)) = self.highlight {
            let [(_, low), (_, high)] = [low, high].map(|value| place((self.x.min, value)));
            svg.shade(Frame { y: high, height: low - high, ..self.frame });
        }
        // A curve along the edge of its range must show in its full width.
        let room = Frame { x: left - 2.0, y: top - 2.0, width: width + 4.0, height: height + 4.0 };
        svg.outline(self.frame);
        svg.clipped(room, |svg| {
            for &(x, stroke) in &self.verticals {
                let (x, _) = place((x, self.y.min));
                svg.line((x, top), (x, bottom), stroke);
            }
            for line in &self.lines {
                let points: Vec<(f64, f64)> = line.points.iter().copied().map(place).collect();
                svg.curve(&points, line.stroke, &line.title);
            }
        });
        svg.text(left, top - 9.0, Anchor::Start, self.title);
        if !self.y.label.is_empty() {
            let (x, y) = (left - 44.0, top + height / 2.0);
            let attributes = format!(
                r##"font-size="12" fill="#555555" class="soft" transform="rotate(-90 {x:.0} {y:.0})""##
            );
            svg.styled_text(x, y, Anchor::Middle, &attributes, self.y.label);
        }
    }
}

/// Draws a legend from (x, y) on, wrapped at `width`; returns the height it took.
pub(super) fn legend(
    svg: &mut Svg,
    x: f64,
    y: f64,
    width: f64,
    entries: &[(String, Stroke<'_>)],
) -> f64 {
    const SAMPLE: f64 = 28.0;
    const LINE: f64 = 20.0;
    let (mut at_x, mut at_y) = (x, y);
    for (label, stroke) in entries {
        let needed = SAMPLE + 6.0 + text_width(label) + 18.0;
        if at_x > x && at_x + needed > x + width {
            at_x = x;
            at_y += LINE;
        }
        svg.line((at_x, at_y), (at_x + SAMPLE, at_y), *stroke);
        svg.text(at_x + SAMPLE + 6.0, at_y + 4.5, Anchor::Start, label);
        at_x += needed;
    }
    at_y - y + LINE
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

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Axis::between("", 0.88, 0.95)), ["0.88", "0.90", "0.92", "0.94"]);
        assert_eq!(
            labels(&Axis::above("", 0.0, [2.27, f64::NAN].into_iter())),
            ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]
        );
        assert_eq!(labels(&Axis::epochs(79)), ["20", "40", "60"]);
        assert_eq!(labels(&Axis::epochs(1)), ["0", "1", "2"]);
        assert_eq!(
            labels(&Axis::logarithmic("", [3e-5, 0.0, 0.2].into_iter())),
            ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01", "0.1", "1"]
        );
        assert_eq!(labels(&Axis::at("", vec![1.0, 2.0, 12.0])), ["1", "2", "12"]);
    }

    #[test]
    fn axes_without_values_still_have_a_range() {
        for axis in [
            Axis::above("", 0.0, std::iter::empty()),
            Axis::above("", 0.5, [0.5].into_iter()),
            Axis::logarithmic("", [0.0, f64::INFINITY].into_iter()),
            Axis::at("", vec![1.0, 4.0]),
        ] {
            assert!(axis.max > axis.min && axis.ticks().len() >= 2);
        }
    }
}
