//! A case: something of ours whose time is measured. It is a value and no trait, so that a table of
//! cases can be read from top to bottom.

use serde::{Deserialize, Serialize};

/// What a case computes, how much that is, and how to run it. Adding one is one entry of a table in
/// [`cases`](crate::cases).
pub struct Case {
    /// How it is asked for, and what peers know it by.
    pub name: String,
    /// What it computes, in one line.
    pub what: String,
    /// How much that is; `None` where it is not known beforehand.
    pub work: Option<Work>,
    /// Whether the guard counts its instructions.
    pub counted: bool,
    /// Whether it takes minutes, so that it is run only when asked for.
    pub long: bool,
    /// Makes its data; `None` where it is measured in an interpreter with the Python package.
    pub prepare: Option<Prepare>,
}

/// Makes the data of a case; called once a run of the program, so it may take its time.
pub type Prepare = Box<dyn Fn() -> Run + Send + Sync>;

/// Computes it once more. Memory is that of the time before, as in a loop.
pub type Run = Box<dyn FnMut() + Send>;

impl Case {
    /// A case of a known amount of work.
    pub fn new(name: &str, what: impl Into<String>, work: Work, prepare: Prepare) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            work: Some(work),
            counted: false,
            long: false,
            prepare: Some(prepare),
        }
    }

    /// A case of the Python package, which a peer measures beside the other libraries.
    pub fn in_python(name: &str, what: &str) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            work: None,
            counted: false,
            long: false,
            prepare: None,
        }
    }

    /// Makes the data of a case in Rust.
    ///
    /// # Panics
    /// If it is one of the Python package.
    pub fn start(&self) -> Run {
        self.prepare.as_ref().expect("a case in Rust")()
    }

    /// A case whose instructions are counted too.
    #[must_use]
    pub fn counted(self) -> Self {
        Self { counted: true, ..self }
    }
}

/// An amount of work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// How many units.
    pub amount: f64,
    /// Of what.
    pub unit: Unit,
}

/// What work is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// One addition and one maximum: what a dilation does for each tap.
    MaxPlus,
    /// One addition or one multiplication.
    Flop,
    /// One byte that has to be read or written at least.
    Byte,
    /// One image through the network.
    Image,
}

impl Unit {
    /// A rate as a text: `12.3 G max-plus/s`.
    pub fn rate(self, per_second: f64) -> String {
        match self {
            Self::MaxPlus => format!("{} G max-plus/s", three(per_second / 1e9)),
            Self::Flop => format!("{} GFLOP/s", three(per_second / 1e9)),
            Self::Byte => format!("{} GB/s", three(per_second / 1e9)),
            Self::Image => format!("{} k images/s", three(per_second / 1e3)),
        }
    }
}

impl Work {
    /// So many of one unit.
    pub fn of(unit: Unit, amount: usize) -> Self {
        Self { amount: amount as f64, unit }
    }
}

/// A positive number to three digits: `0.123`, `12.3`, `1234`.
pub fn three(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Seconds as a text in a unit of their size: `1.23 ms`.
pub fn seconds(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v < 0.9995e-3 => (v * 1e6, "µs"),
        v if v < 0.9995 => (v * 1e3, "ms"),
        v => (v, "s"),
    };
    format!("{} {unit}", three(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [0.1234, 1.234, 12.34, 123.4, 1234.0].map(three),
            ["0.123", "1.23", "12.3", "123", "1234"]
        );
        assert_eq!(
            [1.5e-6, 1.5e-3, 0.9999, 61.0].map(seconds),
            ["1.50 µs", "1.50 ms", "1.00 s", "61.0 s"]
        );
        assert_eq!(Unit::Flop.rate(2.5e10), "25.0 GFLOP/s");
    }
}
