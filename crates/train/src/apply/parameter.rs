//! What an operator can be told: a table of parameters, and the values that one operator was given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use morphograd_image::{Depth, Sample};
use morphograd_morphology::{Border, Connectivity};

use crate::apply::element::Element;
use crate::apply::error::ApplyError;
use crate::registry::{UnknownName, closest};

/// Something that operators can be told.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name: in a pipeline `name=value`, as an option `--name value`.
    pub name: &'static str,
    /// What the value is, for the help.
    pub value: &'static str,
    /// What it is, for the help.
    pub about: &'static str,
    /// The value where none is given; nothing where one has to be given.
    pub default: Option<&'static str>,
}

/// All parameters. An operator names those that it takes.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "element",
        value: "ELEMENT",
        about: "structuring element: a shape, a file, or the folder of a run",
        default: Some("square:3"),
    },
    Parameter {
        name: "miss",
        value: "ELEMENT",
        about: "the pixels that have to be lower",
        default: None,
    },
    Parameter {
        name: "border",
        value: "RULE",
        about: "what lies outside: infinity (nothing), replicate, reflect, mirror, periodic, or \
            constant:LEVEL",
        default: Some("infinity"),
    },
    Parameter {
        name: "h",
        value: "LEVEL",
        about: "a height, in grey levels or as a share of white such as 8%",
        default: None,
    },
    Parameter {
        name: "level",
        value: "LEVEL",
        about: "a value, in grey levels or as a share of white such as 50%",
        default: Some("50%"),
    },
    Parameter {
        name: "area",
        value: "PIXELS",
        about: "the smallest number of pixels that stays",
        default: None,
    },
    Parameter {
        name: "marker",
        value: "FILE",
        about: "an image of the same size and type",
        default: None,
    },
    Parameter {
        name: "by",
        value: "WORD",
        about: "dilation, from below, or erosion, from above",
        default: Some("dilation"),
    },
    Parameter {
        name: "connectivity",
        value: "N",
        about: "4 or 8 neighbours of a pixel",
        default: Some("8"),
    },
    Parameter { name: "steps", value: "N", about: "how often", default: Some("1") },
    Parameter {
        name: "first",
        value: "WORD",
        about: "closing or opening: which of the two begins",
        default: Some("closing"),
    },
    Parameter {
        name: "to",
        value: "WORD",
        about: "set (the pixels that are not 0) or background (those that are)",
        default: Some("set"),
    },
    Parameter {
        name: "metric",
        value: "WORD",
        about: "euclidean, chessboard or taxicab",
        default: Some("euclidean"),
    },
    Parameter {
        name: "depth",
        value: "WORD",
        about: "same (rounded, at most white) or float",
        default: Some("same"),
    },
];

/// A number of grey levels, or a share of white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Level {
    /// As the pixels are.
    Levels(f64),
    /// From 0 for none to 1 for white.
    Share(f64),
}

impl Level {
    /// The level as a pixel.
    ///
    /// # Errors
    /// If levels of an integer type are no whole number in its range.
    pub(crate) fn pixel<P: Sample>(self, name: &str) -> Result<P, ApplyError> {
        let white = P::DEPTH.white();
        match self {
            Self::Share(share) => Ok(P::nearest(share * white)),
            Self::Levels(x) if P::DEPTH == Depth::F32 => Ok(P::nearest(x)),
            Self::Levels(x) if x.fract() == 0.0 && (0.0..=white).contains(&x) => Ok(P::nearest(x)),
            Self::Levels(x) => {
                let depth = P::DEPTH;
                let expected = format!(
                    "a whole number from 0 to {white} for {depth} pixels, or a share such as 8%"
                );
                Err(ApplyError::new(name, expected, x.to_string()))
            }
        }
    }
}

/// What one operator was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    allowed: &'static [&'static str],
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Nothing yet, for an operator that takes these parameters.
    pub(crate) fn new(allowed: &'static [&'static str]) -> Self {
        Self { allowed, values: BTreeMap::new() }
    }

    /// Tells a parameter.
    ///
    /// # Errors
    /// If the operator has no such parameter.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ApplyError> {
        let Some(name) = self.allowed.iter().find(|allowed| **allowed == name) else {
            return Err(UnknownName {
                kind: "parameter",
                found: name.to_owned(),
                suggestion: closest(self.allowed.iter().copied(), name),
                known: self.allowed.join(", "),
            }
            .into());
        };
        self.values.insert(name, value.to_owned());
        Ok(())
    }

    /// Whether the parameter was told.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value of a parameter, or what it is by default.
    fn text(&self, name: &'static str) -> Result<&str, ApplyError> {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
        let parameter = parameter.expect("a parameter of the table");
        let given = self.values.get(name).map(String::as_str).or(parameter.default);
        given.ok_or_else(|| {
            let expected = format!("{name}={}, {}", parameter.value, parameter.about);
            ApplyError::new(name, expected, "none")
        })
    }

    fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T, ApplyError> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            ApplyError::new(name, words.join(" or "), format!("`{text}`"))
        })
    }

    pub(crate) fn element(&self, name: &'static str) -> Result<Element, ApplyError> {
        Element::parse(self.text(name)?)
    }

    pub(crate) fn border(&self) -> Result<BorderRule, ApplyError> {
        let text = self.text("border")?;
        if let Some(level) = text.strip_prefix("constant:") {
            return Ok(BorderRule::Constant(level_of("border", level)?));
        }
        let words = [
            ("infinity", Border::Infinity),
            ("replicate", Border::Replicate),
            ("reflect", Border::Reflect),
            ("mirror", Border::Mirror),
            ("periodic", Border::Periodic),
        ];
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, border)| BorderRule::Rule(*border)).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let expected = format!("{} or constant:LEVEL", words.join(", "));
            ApplyError::new("border", expected, format!("`{text}`"))
        })
    }

    pub(crate) fn level(&self, name: &'static str) -> Result<Level, ApplyError> {
        level_of(name, self.text(name)?)
    }

    pub(crate) fn count(&self, name: &'static str) -> Result<usize, ApplyError> {
        let text = self.text(name)?;
        text.parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| ApplyError::new(name, "a whole number, at least 1", format!("`{text}`")))
    }

    pub(crate) fn connectivity(&self) -> Result<Connectivity, ApplyError> {
        self.word("connectivity", &[("4", Connectivity::Four), ("8", Connectivity::Eight)])
    }

    pub(crate) fn path(&self, name: &'static str) -> Result<PathBuf, ApplyError> {
        self.text(name).map(PathBuf::from)
    }

    /// One of two or three words.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, ApplyError> {
        self.word(name, words)
    }
}

fn level_of(name: &str, text: &str) -> Result<Level, ApplyError> {
    let (number, share) = match text.strip_suffix('%') {
        Some(number) => (number, true),
        None => (text, false),
    };
    match number.parse::<f64>() {
        Ok(x) if x.is_finite() && share => Ok(Level::Share(x / 100.0)),
        Ok(x) if x.is_finite() => Ok(Level::Levels(x)),
        _ => Err(ApplyError::new(name, "a number, or a share such as 8%", format!("`{text}`"))),
    }
}

/// What lies outside an image, before its type is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BorderRule {
    Rule(Border),
    Constant(Level),
}

impl BorderRule {
    /// The border for pixels of a type.
    pub(crate) fn of<P: Sample>(self) -> Result<Border, ApplyError> {
        match self {
            Self::Rule(border) => Ok(border),
            Self::Constant(level) => Ok(Border::Constant(level.pixel::<P>("border")?.number())),
        }
    }

    /// Whether rows far away count at the border.
    pub(crate) fn wraps(self) -> bool {
        self == Self::Rule(Border::Periodic)
    }
}
