//! The text of a model file as values that know their lines.
//!
//! The one design choice: TOML is read by the `toml` crate, and what it gives is turned once into
//! owned values in the order of the file. Size and depth are limited here, so nothing behind has to
//! fear either.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{FieldError, ModelError};

/// The most bytes of a model file.
const MAX_BYTES: usize = 1 << 20;

/// How deep tables and lists may lie in one another: a layer in a layer takes two levels.
const MAX_DEPTH: usize = 40;

/// A file that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name, for errors.
    pub(crate) file: String,
    /// Its text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) fields: Vec<Item>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) value: Value,
}

/// A value and the line where it begins, from 1.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) line: usize,
    pub(crate) data: Data,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    List(Vec<Value>),
    Table(Vec<Item>),
    /// What no field is: a date, or a number that no type holds.
    Other(String),
}

impl Value {
    /// The value as an error tells it.
    pub(crate) fn found(&self) -> String {
        match &self.data {
            Data::Text(text) => format!("{text:?}"),
            Data::Whole(number) => number.to_string(),
            Data::Number(number) => number.to_string(),
            Data::Flag(flag) => flag.to_string(),
            Data::List(list) => format!("a list of {}", list.len()),
            Data::Table(_) => "a table".to_owned(),
            Data::Other(text) => text.clone(),
        }
    }
}

impl Source {
    /// Reads a text.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, ModelError> {
        let refuse = |line, expected: String, found: String| FieldError {
            file: file.to_owned(),
            line,
            place: String::new(),
            field: String::new(),
            expected,
            found,
            suggestion: None,
        };
        if text.len() > MAX_BYTES {
            let expected = format!("a file of at most {MAX_BYTES} bytes");
            return Err(Box::new(refuse(1, expected, text.len().to_string())).into());
        }
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| lines.at(&span));
            Box::new(refuse(line, "TOML".to_owned(), error.message().replace('\n', ", ")))
        })?;
        let fields = items(table.get_ref(), &lines, 0).map_err(|TooDeep { line }| {
            let expected = format!("tables and lists inside one another at most {MAX_DEPTH} deep");
            Box::new(refuse(line, expected, "more".to_owned()))
        })?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), fields })
    }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let behind = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(behind.map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, span: &Range<usize>) -> usize {
        self.0.partition_point(|start| *start <= span.start)
    }
}

struct TooDeep {
    line: usize,
}

fn items(table: &DeTable<'_>, lines: &Lines, depth: usize) -> Result<Vec<Item>, TooDeep> {
    let mut items = Vec::with_capacity(table.len());
    for (key, of_key) in table {
        items.push((
            key.span().start,
            Item { key: key.get_ref().to_string(), value: value(of_key, lines, depth + 1)? },
        ));
    }
    // The crate sorts by name.
    items.sort_by_key(|(start, _)| *start);
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

fn value(spanned: &Spanned<DeValue<'_>>, lines: &Lines, depth: usize) -> Result<Value, TooDeep> {
    let line = lines.at(&spanned.span());
    if depth > MAX_DEPTH {
        return Err(TooDeep { line });
    }
    let data = match spanned.get_ref() {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Data::Other(number.to_string()), Data::Whole),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Data::Other(number.to_string()), Data::Number)
        }
        DeValue::Boolean(flag) => Data::Flag(*flag),
        DeValue::Datetime(date) => Data::Other(date.to_string()),
        DeValue::Array(list) => {
            let values = list.iter().map(|item| value(item, lines, depth + 1));
            Data::List(values.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Data::Table(items(table, lines, depth)?),
    };
    Ok(Value { line, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_the_order_and_the_lines_of_the_file() {
        let source = Source::parse("m", "b = 1\n\na = [\n  1.5,\n  inf]\n[t]\nc = true\n").unwrap();
        let keys = source.fields.iter().map(|item| (&item.key[..], item.value.line));
        assert_eq!(keys.collect::<Vec<_>>(), [("b", 1), ("a", 3), ("t", 6)]);
        let Data::List(list) = &source.fields[1].value.data else { panic!("a list") };
        assert_eq!((list[1].line, list[1].found()), (5, "inf".to_owned()));
    }

    #[test]
    fn what_is_no_toml_too_deep_or_too_long_is_refused_by_line() {
        let error = |text: &str| Source::parse("m.toml", text).unwrap_err().to_string();
        assert!(error("a = 1\nb = = 2\n").starts_with("m.toml:2: expected TOML, found "));
        let deep = format!("\na = {}1{}", "[".repeat(41), "]".repeat(41));
        let expected = "m.toml:2: expected tables and lists inside one another at most 40 deep, \
                        found more";
        assert_eq!(error(&deep), expected);
        for opening in ["[", "{a=", "a.", "[[a.", "[a."] {
            let deep = format!("a = {}", opening.repeat(100_000));
            assert!(error(&deep).starts_with("m.toml:1: expected "), "{opening}");
            assert!(error(&opening.repeat(100_000)).starts_with("m.toml:1: expected "));
        }
        assert!(error(&"#".repeat(2 << 20)).ends_with("at most 1048576 bytes, found 2097152"));
    }
}
