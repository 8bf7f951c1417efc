//! The tables as text: everything that a model file can name, with its fields.

use std::fmt::Write;

use morphograd_morphology::nn::Weight;

use super::elements::ELEMENT;
use super::fields::{Entry, Field, Fields, Kind};
use super::layers::{LAYER, OPERATOR, PAIR_OPERATOR};
use super::sets::SET;
use super::source::Source;
use super::targets::NOISE;
use super::training::{CALLBACK, CLIP, LOSS, METRIC, OPTIMIZER, SCHEDULE, Training};
use super::weights::{ENFORCEMENT, INITIALIZER, REGULARIZER};

/// Everything a model file can name, with fields, what can stand in them, and defaults; or only
/// what a word stands in the name of, whatever its case.
///
/// ```
/// let text = morphograd::model::list(Some("conv2d"));
/// assert!(text.contains("Conv2d: a convolution\n"), "{text}");
/// assert!(text.contains("  filters      a whole number from 1 to 1000000 [1]\n"), "{text}");
/// ```
pub fn list(word: Option<&str>) -> String {
    let mut text = String::new();
    let word = word.map(str::to_lowercase);
    let word = word.as_deref();
    section(&mut text, "Layers", &LAYER, word);
    let parameter = "A parameter: a number or an initializer to start from, or a table";
    table(&mut text, parameter, word, |f| f.parameter(Weight::zeros()).is_ok());
    let function = "A structuring function: the same, and in its table";
    table(&mut text, function, word, |f| f.form().is_ok());
    section(&mut text, "Operators", &OPERATOR, word);
    section(&mut text, "Operators of two structuring functions", &PAIR_OPERATOR, word);
    section(&mut text, "Sets (constraint = …)", &SET, word);
    section(&mut text, "Ways to enforce (enforcement = …)", &ENFORCEMENT, word);
    section(&mut text, "Initializers (initializer = …)", &INITIALIZER, word);
    section(&mut text, "Regularizers (regularizer = …)", &REGULARIZER, word);
    section(&mut text, "Structuring elements", &ELEMENT, word);
    table(&mut text, "The table [training]", word, |f| Training::read(f).is_ok());
    section(&mut text, "Noise", &NOISE, word);
    section(&mut text, "Losses", &LOSS, word);
    section(&mut text, "Metrics", &METRIC, word);
    section(&mut text, "Optimizers", &OPTIMIZER, word);
    section(&mut text, "Schedules", &SCHEDULE, word);
    section(&mut text, "Bounds on gradients", &CLIP, word);
    section(&mut text, "Callbacks", &CALLBACK, word);
    text
}

fn section<V>(text: &mut String, title: &str, kind: &Kind<V>, word: Option<&str>) {
    let named = |name: &str| word.is_none_or(|word| name.to_lowercase().contains(word));
    let entries: Vec<&Entry<V>> = kind.entries.iter().filter(|entry| named(entry.name)).collect();
    let words: Vec<_> = kind.words.iter().filter(|entry| named(entry.name)).collect();
    if entries.is_empty() && words.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}\n");
    for entry in entries {
        let _ = writeln!(text, "{}: {}", entry.name, entry.about);
        write_fields(text, &entry.fields());
    }
    for word in words {
        let _ = writeln!(text, "{:?}: {}", word.name, word.about);
    }
    text.push('\n');
}

/// A table that is no choice, and its fields, if a word stands in its title.
fn table(text: &mut String, title: &str, word: Option<&str>, read: fn(&mut Fields<'_>) -> bool) {
    if word.is_some_and(|word| !title.to_lowercase().contains(word)) {
        return;
    }
    let source = Source { file: String::new(), text: String::new(), fields: Vec::new() };
    let mut fields = Fields::top(&source, 10);
    // Nothing is given, so nothing is wrong.
    assert!(read(&mut fields), "the defaults of `{title}` can be read");
    let _ = writeln!(text, "{title}\n");
    write_fields(text, &fields.into_seen());
    text.push('\n');
}

fn write_fields(text: &mut String, fields: &[Field]) {
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0).max(11);
    for Field { name, expected, default } in fields {
        let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        let _ = writeln!(text, "  {name:width$}  {expected}{default}");
    }
}
