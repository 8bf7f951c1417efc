//! Pipelines: operators one after the other, from one line of words.

use std::fmt;

use morphograd_image::Picture;

use crate::apply::error::ApplyError;
use crate::apply::operator::{Operator, Output, Reach, Stage};
use crate::apply::parameter::{PARAMETERS, Settings};
use crate::apply::table::OPERATORS;
use crate::registry::{UnknownName, closest};

/// Operators that are applied one after the other.
///
/// `opening disk:3 | white-top-hat element=disk:7 border=mirror`: operators stand between bars,
/// each with values for its parameters, in their order or by name.
///
/// ```
/// use morphograd::apply::{Output, Pipeline};
/// use morphograd_image::Picture;
/// let pipeline = Pipeline::parse("dilation rectangle:1x3 | invert", &[])?;
/// let picture = Picture::new([1, 4], 1, vec![0u8, 0, 0, 200])?;
/// let Output::Picture(found) = pipeline.run(&picture)? else { panic!("no table") };
/// assert_eq!(found.samples::<u8>(), Some(&[255, 255, 55, 55][..]));
/// let error = Pipeline::parse("openin disk:3", &[]).err().unwrap().to_string();
/// assert!(error.starts_with("unknown operator `openin` (did you mean `opening`?)"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pipeline {
    stages: Vec<(&'static Operator, Stage)>,
}

impl Pipeline {
    /// A pipeline from its text. `options` are values for parameters, each for all operators that
    /// take it and are not told otherwise.
    ///
    /// # Errors
    /// If a name is unknown, a value is none of its parameter, one is missing, an option is for no
    /// operator, or something follows an operator that gives a table.
    pub fn parse(text: &str, options: &[(&str, &str)]) -> Result<Self, ApplyError> {
        let mut stages: Vec<(&'static Operator, Stage)> = Vec::new();
        let mut used = vec![false; options.len()];
        for words in text.split('|') {
            let mut words = words.split_whitespace();
            let Some(name) = words.next() else {
                let found = if text.trim().is_empty() { "nothing" } else { "nothing beside a `|`" };
                return Err(ApplyError::new("pipeline", "an operator", found));
            };
            if let Some((table, _)) = stages.last().filter(|(operator, _)| operator.is_table()) {
                let expected = format!("nothing behind `{}`, which gives a table", table.name);
                return Err(ApplyError::new("pipeline", expected, format!("`{name}`")));
            }
            let operator = Operator::find(name)?;
            let stage = operator
                .settings(words, options, &mut used)
                .and_then(|settings| (operator.make)(&settings))
                .map_err(|error| error.within(operator.name))?;
            stages.push((operator, stage));
        }
        if let Some(at) = used.iter().position(|used| !used) {
            let names: Vec<&str> = stages.iter().map(|(operator, _)| operator.name).collect();
            let expected = format!("an option that {} takes", names.join(" or "));
            return Err(ApplyError::new("pipeline", expected, format!("--{}", options[at].0)));
        }
        Ok(Self { stages })
    }

    /// Applies the operators.
    ///
    /// # Errors
    /// If a value means nothing for pixels of this type, or a marker does not fit.
    pub fn run(&self, picture: &Picture) -> Result<Output, ApplyError> {
        let mut stages = self.stages.iter();
        let run = |(operator, stage): &(&Operator, Stage), picture: &Picture| {
            (stage.run)(picture).map_err(|error| error.within(operator.name))
        };
        let first = stages.next().expect("a pipeline has an operator");
        let mut output = run(first, picture)?;
        for stage in stages {
            let Output::Picture(picture) = &output else { unreachable!("a table is the last") };
            output = run(stage, picture)?;
        }
        Ok(output)
    }

    /// How far the pipeline looks, up and down: the sum of its operators' reaches.
    ///
    /// # Errors
    /// If an operator may look at the whole image; the error names it and the reason.
    pub fn rows(&self) -> Result<usize, ApplyError> {
        let mut rows: usize = 0;
        for (operator, stage) in &self.stages {
            match stage.reach {
                Reach::Rows(reach) => rows = rows.saturating_add(reach),
                Reach::Whole(reason) => {
                    let expected = "operators that look at rows nearby, to be applied in strips";
                    let found = format!("`{}`: {reason}", operator.name);
                    return Err(ApplyError::new("pipeline", expected, found));
                }
            }
        }
        Ok(rows)
    }

    /// Whether it gives a table.
    pub fn is_table(&self) -> bool {
        self.stages.last().is_some_and(|(operator, _)| operator.is_table())
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|(operator, _)| operator.name)).finish()
    }
}

impl Operator {
    /// The operator of a name.
    ///
    /// # Errors
    /// If there is none, with a suggestion.
    pub fn find(name: &str) -> Result<&'static Self, ApplyError> {
        let named = |operator: &&Self| operator.name == name || operator.aliases.contains(&name);
        OPERATORS.iter().find(named).ok_or_else(|| {
            let names = OPERATORS.iter().flat_map(|o| std::iter::once(&o.name).chain(o.aliases));
            let known: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
            let (found, known) = (name.to_owned(), known.join(", "));
            let suggestion = closest(names.copied(), name);
            UnknownName { kind: "operator", found, suggestion, known }.into()
        })
    }

    /// Whether it gives a table, not an image.
    pub fn is_table(&self) -> bool {
        self.name == "granulometry"
    }

    /// The settings that words and options tell.
    fn settings<'a>(
        &self,
        words: impl Iterator<Item = &'a str>,
        options: &[(&str, &str)],
        used: &mut [bool],
    ) -> Result<Settings, ApplyError> {
        let mut settings = Settings::new(self.parameters);
        for word in words {
            let named = word.split_once('=').filter(|(name, _)| {
                let letters = |c: char| c.is_ascii_lowercase() || c == '-';
                !name.is_empty() && name.chars().all(letters)
            });
            let (name, value) = match named {
                Some((name, value)) => (name, value),
                None => {
                    let free = self.parameters.iter().find(|name| !settings.has(name));
                    let free = free.ok_or_else(|| {
                        let count = self.parameters.len();
                        ApplyError::new("values", format!("at most {count}"), format!("`{word}`"))
                    })?;
                    (*free, word)
                }
            };
            if settings.has(name) {
                let found = format!("a second, `{value}`");
                return Err(ApplyError::new(name, "one value", found));
            }
            settings.set(name, value)?;
        }
        for ((name, value), used) in options.iter().zip(used) {
            if self.parameters.contains(name) {
                *used = true;
                if !settings.has(name) {
                    settings.set(name, value)?;
                }
            }
        }
        Ok(settings)
    }

    /// How it is written, with its parameters: `h-maxima h=LEVEL [connectivity=8]`.
    pub fn usage(&self) -> String {
        let parameters = self.parameters.iter().map(|name| {
            let found = PARAMETERS.iter().find(|parameter| parameter.name == *name);
            let parameter = found.expect("a parameter of the table");
            match parameter.default {
                Some(default) => format!(" [{name}={default}]"),
                None => format!(" {name}={}", parameter.value),
            }
        });
        std::iter::once(self.name.to_owned()).chain(parameters).collect()
    }
}
