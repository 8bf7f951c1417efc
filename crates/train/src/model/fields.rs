//! The reader of fields: it hands out each field by name, type and default, and refuses what nobody
//! asked for.
//!
//! The one design choice: a field is declared by being read. The reader remembers name, type and
//! default of what it was asked for, so the help, the list of known fields in an error, and the
//! file itself cannot differ.

use std::fmt::Display;

use super::error::{FieldError, ModelError};
use super::source::{Data, Item, Source, Value};
use crate::registry::{Named, closest};

/// The largest whole number of a model file.
const MAX_WHOLE: usize = 1_000_000;

/// Something a file can name: `type = "…"` and its fields, or the name alone.
#[derive(Debug, Clone, Copy)]
pub struct Entry<V> {
    /// The name, that of the documentation.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// Makes one of its fields.
    pub read: fn(&mut Fields<'_>) -> Result<V, ModelError>,
}

/// All that can stand in one place.
#[derive(Debug, Clone, Copy)]
pub struct Kind<V: 'static> {
    /// What it is, with its article: `an optimizer`.
    pub what: &'static str,
    /// Entries by their names in the documentation.
    pub entries: &'static [Entry<V>],
    /// The words of the command line, which have no fields.
    pub words: &'static [Named<V>],
}

/// A field that an entry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What can stand there.
    pub expected: String,
    /// What holds where it is not given.
    pub default: String,
}

/// The fields of one table of a file, while they are read.
#[derive(Debug)]
pub struct Fields<'a> {
    pub(crate) source: &'a Source,
    items: &'a [Item],
    place: String,
    line: usize,
    /// The classes of the data.
    pub(crate) classes: usize,
    /// Whether nothing is read, but only what could be is asked for.
    describing: bool,
    seen: Vec<Field>,
}

/// What reading gives.
pub(crate) type Read<V> = Result<V, ModelError>;

impl<V> Entry<V> {
    /// The fields, in the order in which they are documented.
    pub fn fields(&self) -> Vec<Field> {
        let source = Source { file: String::new(), text: String::new(), fields: Vec::new() };
        let mut fields = Fields { describing: true, ..Fields::top(&source, 10) };
        // What is made of the defaults is of no interest, and neither is what is missing for it.
        let _ = (self.read)(&mut fields);
        fields.seen
    }
}

impl<'a> Fields<'a> {
    /// The fields at the top of a file.
    pub(crate) fn top(source: &'a Source, classes: usize) -> Self {
        let items = &source.fields;
        let (place, seen) = (String::new(), Vec::new());
        Self { source, items, place, line: 1, classes, describing: false, seen }
    }

    /// The fields of a table inside.
    fn inside(&self, place: String, line: usize, items: &'a [Item]) -> Self {
        Self {
            source: self.source,
            items,
            place,
            line,
            classes: self.classes,
            describing: false,
            seen: Vec::new(),
        }
    }

    /// Whether only the fields are asked for, and values do not matter.
    pub(crate) fn is_describing(&self) -> bool {
        self.describing
    }

    /// The field, if it is given, and that there is such a field.
    pub(crate) fn value(
        &mut self,
        name: &'static str,
        expected: impl Display,
        default: impl Display,
    ) -> Option<&'a Value> {
        let field = Field { name, expected: expected.to_string(), default: default.to_string() };
        self.seen.push(field);
        self.items.iter().find(|item| item.key == name).map(|item| &item.value)
    }

    /// What was asked for.
    pub(crate) fn into_seen(self) -> Vec<Field> {
        self.seen
    }

    /// Whether a field is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.key == name)
    }

    /// The error that another thing was expected in a field.
    pub(crate) fn wrong(&self, name: &str, value: &Value, expected: impl Display) -> ModelError {
        self.error(value.line, name, expected.to_string(), value.found(), None)
    }

    /// The error that a field is missing.
    pub(crate) fn missing(&self, name: &str, expected: impl Display) -> ModelError {
        self.error(self.line, name, expected.to_string(), "none".to_owned(), None)
    }

    /// The error that the fields together make no sense.
    pub(crate) fn conflict(&self, expected: impl Display, found: impl Display) -> ModelError {
        self.error(self.line, "", expected.to_string(), found.to_string(), None)
    }

    fn error(
        &self,
        line: usize,
        field: &str,
        expected: String,
        found: String,
        suggestion: Option<String>,
    ) -> ModelError {
        let (file, place) = (self.source.file.clone(), self.place.clone());
        let field = field.to_owned();
        Box::new(FieldError { file, line, place, field, expected, found, suggestion }).into()
    }

    /// The error that a name is not known.
    fn unknown<'n>(
        &self,
        name: &str,
        line: usize,
        what: &str,
        word: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) -> ModelError {
        let names: Vec<&str> = known.clone().collect();
        let suggestion = closest(known, word).map(str::to_owned);
        let expected = format!("{what}, one of {}", names.join(", "));
        self.error(line, name, expected, format!("{word:?}"), suggestion)
    }

    /// Refuses what was not asked for.
    pub(crate) fn finish(self) -> Read<()> {
        let known = |key: &str| self.seen.iter().any(|field| field.name == key);
        let Some(item) = self.items.iter().find(|item| !known(&item.key)) else { return Ok(()) };
        let names: Vec<&str> = self.seen.iter().map(|field| field.name).collect();
        let expected = match names[..] {
            [] => "no field".to_owned(),
            _ => format!("one of the fields {}", names.join(", ")),
        };
        let suggestion = closest(names.iter().copied(), &item.key).map(str::to_owned);
        Err(self.error(item.value.line, "", expected, format!("`{}`", item.key), suggestion))
    }

    /// A whole number in a range.
    pub fn whole(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
        default: usize,
    ) -> Read<usize> {
        let (least, most) = (*range.start(), *range.end());
        let expected = format!("a whole number from {least} to {most}");
        let Some(value) = self.value(name, &expected, default) else { return Ok(default) };
        whole(value, range).ok_or_else(|| self.wrong(name, value, expected))
    }

    /// How many there are, at least one.
    pub fn count(&mut self, name: &'static str, default: usize) -> Read<usize> {
        self.whole(name, 1..=MAX_WHOLE, default)
    }

    /// A count that may be left open.
    pub(crate) fn optional_count(&mut self, name: &'static str) -> Read<Option<usize>> {
        let expected = format!("a whole number from 1 to {MAX_WHOLE}");
        let Some(value) = self.value(name, &expected, "that of the command") else {
            return Ok(None);
        };
        whole(value, 1..=MAX_WHOLE).map(Some).ok_or_else(|| self.wrong(name, value, expected))
    }

    /// How many outputs there are: a number, or `"classes"`, as many as the data have.
    pub fn units(&mut self, name: &'static str, default: usize) -> Read<usize> {
        let expected = format!("a whole number from 1 to {MAX_WHOLE} or \"classes\"");
        match self.value(name, &expected, default) {
            None => Ok(default),
            Some(Value { data: Data::Text(word), .. }) if word == "classes" => Ok(self.classes),
            Some(value) => {
                whole(value, 1..=MAX_WHOLE).ok_or_else(|| self.wrong(name, value, expected))
            }
        }
    }

    /// A number; an infinity too, but not NaN.
    pub fn number(&mut self, name: &'static str, default: f64) -> Read<f64> {
        let Some(value) = self.value(name, "a number", default) else { return Ok(default) };
        number(value).ok_or_else(|| self.wrong(name, value, "a number"))
    }

    /// A number that has to be given.
    pub(crate) fn required_number(&mut self, name: &'static str) -> Read<f64> {
        match self.value(name, "a number", "has to be given") {
            Some(value) => number(value).ok_or_else(|| self.wrong(name, value, "a number")),
            None if self.describing => Ok(1.0),
            None => Err(self.missing(name, "a number")),
        }
    }

    /// True or false.
    pub fn flag(&mut self, name: &'static str, default: bool) -> Read<bool> {
        match self.value(name, "true or false", default) {
            None => Ok(default),
            Some(Value { data: Data::Flag(flag), .. }) => Ok(*flag),
            Some(value) => Err(self.wrong(name, value, "true or false")),
        }
    }

    /// A text that may be missing.
    pub(crate) fn text(&mut self, name: &'static str, default: &str) -> Read<Option<String>> {
        match self.value(name, "a text", default) {
            None => Ok(None),
            Some(Value { data: Data::Text(text), .. }) => Ok(Some(text.clone())),
            Some(value) => Err(self.wrong(name, value, "a text")),
        }
    }

    /// Lengths of `N` axes: a number for all of them, or a list.
    pub fn lengths<const N: usize>(
        &mut self,
        name: &'static str,
        most: usize,
        default: [usize; N],
    ) -> Read<[usize; N]> {
        let expected = format!("a whole number from 1 to {most}, or a list of {N}");
        let shown = format!("{default:?}");
        let Some(value) = self.value(name, &expected, shown) else { return Ok(default) };
        let read = |value: &Value| whole(value, 1..=most);
        let lengths = match &value.data {
            Data::List(list) if list.len() == N => {
                let all: Option<Vec<usize>> = list.iter().map(read).collect();
                all.and_then(|all| all.try_into().ok())
            }
            _ => read(value).map(|n| [n; N]),
        };
        lengths.ok_or_else(|| self.wrong(name, value, expected))
    }

    /// A list of whole numbers.
    pub(crate) fn wholes(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
        default: Vec<usize>,
    ) -> Read<Vec<usize>> {
        let expected = format!("a list of whole numbers from {} to {}", range.start(), range.end());
        let shown = format!("{default:?}");
        let Some(value) = self.value(name, &expected, shown) else { return Ok(default) };
        let all = match &value.data {
            Data::List(list) => list.iter().map(|item| whole(item, range.clone())).collect(),
            _ => None,
        };
        all.ok_or_else(|| self.wrong(name, value, expected))
    }

    /// A list of numbers that has to be given, not empty.
    pub(crate) fn numbers(&mut self, name: &'static str) -> Read<Vec<f64>> {
        let expected = "a list of numbers";
        let Some(value) = self.value(name, expected, "has to be given") else {
            return if self.describing { Ok(vec![1.0]) } else { Err(self.missing(name, expected)) };
        };
        let all: Option<Vec<f64>> = match &value.data {
            Data::List(list) => list.iter().map(number).collect(),
            _ => None,
        };
        all.filter(|all| !all.is_empty()).ok_or_else(|| self.wrong(name, value, expected))
    }

    /// A list of lists of numbers that has to be given: rows of one length, not empty.
    pub(crate) fn rows(&mut self, name: &'static str) -> Read<Vec<Vec<f64>>> {
        let expected = "a list of rows, lists of numbers of one length";
        let Some(value) = self.value(name, expected, "has to be given") else {
            let described = Ok(vec![vec![1.0, 1.0]]);
            return if self.describing { described } else { Err(self.missing(name, expected)) };
        };
        let row = |value: &Value| match &value.data {
            Data::List(list) => list.iter().map(number).collect::<Option<Vec<f64>>>(),
            _ => None,
        };
        let rows: Option<Vec<Vec<f64>>> = match &value.data {
            Data::List(list) => list.iter().map(row).collect(),
            _ => None,
        };
        let even = |rows: &Vec<Vec<f64>>| {
            let length = rows.first().map_or(0, Vec::len);
            length > 0 && rows.iter().all(|row| row.len() == length)
        };
        rows.filter(even).ok_or_else(|| self.wrong(name, value, expected))
    }

    /// One of a few words.
    pub fn word<V: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        words: &'static [(&'static str, V)],
        default: V,
    ) -> Read<V> {
        let names = words.iter().map(|(word, _)| *word);
        let all: Vec<&str> = names.clone().collect();
        let shown = words.iter().find(|(_, v)| *v == default).map_or("", |(word, _)| *word);
        let expected = format!("one of {}", all.join(", "));
        match self.value(name, &expected, shown) {
            None => Ok(default),
            Some(Value { data: Data::Text(word), line }) => {
                let found = words.iter().find(|(known, _)| known == word);
                found
                    .map(|(_, v)| *v)
                    .ok_or_else(|| self.unknown(name, *line, "a word", word, names))
            }
            Some(value) => Err(self.wrong(name, value, expected)),
        }
    }

    /// One thing of a kind: its name, or a table with its `type` and its fields. None where the
    /// field is not given.
    pub fn choice<V>(
        &mut self,
        name: &'static str,
        kind: &Kind<V>,
        default: impl Display,
    ) -> Read<Option<V>> {
        let value = self.value(name, kind.what, default);
        value.map(|value| self.one(name, value, kind)).transpose()
    }

    /// A list of things of a kind; None where the field is not given.
    pub(crate) fn choices<V>(
        &mut self,
        name: &'static str,
        kind: &Kind<V>,
        default: impl Display,
    ) -> Read<Option<Vec<V>>> {
        let expected = format!("a list, each of it {}", kind.what);
        match self.value(name, &expected, default) {
            None => Ok(None),
            Some(Value { data: Data::List(list), .. }) => {
                list.iter().map(|value| self.one(name, value, kind)).collect::<Read<_>>().map(Some)
            }
            Some(value) => Err(self.wrong(name, value, expected)),
        }
    }

    /// One thing of a kind, from its value.
    pub(crate) fn one<V>(&self, name: &str, value: &'a Value, kind: &Kind<V>) -> Read<V> {
        let place = self.place_of(name);
        let expected = || format!("{}: a name, or a table with its `type`", kind.what);
        match &value.data {
            Data::Text(word) => {
                let named = kind.words.iter().find(|named| {
                    named.name == word.as_str() || named.aliases.contains(&word.as_str())
                });
                match named {
                    Some(named) => Ok((named.make)()),
                    None => self.entry(name, value.line, word, &[], place, kind),
                }
            }
            Data::Table(items) => {
                let key = items.iter().find(|item| item.key == "type");
                let Some(Item { value: Value { data: Data::Text(word), line }, .. }) = key else {
                    return Err(self.wrong(name, value, expected()));
                };
                self.entry(name, *line, word, items, place, kind)
            }
            _ => Err(self.wrong(name, value, expected())),
        }
    }

    fn entry<V>(
        &self,
        name: &str,
        line: usize,
        word: &str,
        items: &'a [Item],
        place: String,
        kind: &Kind<V>,
    ) -> Read<V> {
        let entries = kind.entries.iter().map(|entry| entry.name);
        let names = entries.chain(kind.words.iter().map(|named| named.name));
        let entry = kind
            .entries
            .iter()
            .find(|entry| entry.name == word)
            .ok_or_else(|| self.unknown(name, line, kind.what, word, names))?;
        let place = format!("{place} `{}`", entry.name);
        self.inside(place, line, items).complete(|fields| (entry.read)(fields))
    }

    /// Reads a table that is no choice: `read` hands out its fields.
    pub(crate) fn table<V>(
        &self,
        name: &str,
        value: &'a Value,
        items: &'a [Item],
        read: impl FnOnce(&mut Self) -> Read<V>,
    ) -> Read<V> {
        let mut fields = self.inside(self.place_of(name), value.line, items);
        let made = read(&mut fields)?;
        fields.finish()?;
        Ok(made)
    }

    /// Reads all fields of something with a type, the key `type` included.
    fn complete<V>(mut self, read: impl FnOnce(&mut Self) -> Read<V>) -> Read<V> {
        let made = read(&mut self)?;
        // Behind the fields, so that the help of an unknown one begins with what it has.
        self.value("type", "the name", "");
        self.finish()?;
        Ok(made)
    }

    /// The entries of a list of layers: each with its name, or the name that it has by default, and
    /// the line where it begins.
    pub(crate) fn named_list<V>(
        &mut self,
        name: &'static str,
        title: &str,
        kind: &Kind<V>,
        default_name: fn(&str) -> String,
    ) -> Read<Vec<(String, usize, V)>> {
        let expected = format!("a list of tables, [[…{name}]], each of them {}", kind.what);
        let list = match self.value(name, &expected, "has to be given") {
            Some(Value { data: Data::List(list), .. }) => list,
            Some(value) => return Err(self.wrong(name, value, expected)),
            None if self.describing => return Ok(Vec::new()),
            None => return Err(self.missing(name, expected)),
        };
        let mut all: Vec<(String, usize, V)> = Vec::new();
        for value in list {
            let Data::Table(items) = &value.data else {
                return Err(self.wrong(name, value, expected));
            };
            let item = |key| items.iter().find(|item| item.key == key).map(|item| &item.value);
            let entry = match item("type") {
                Some(Value { data: Data::Text(word), line }) => {
                    let names = kind.entries.iter().map(|entry| entry.name);
                    let found = kind.entries.iter().find(|entry| entry.name == word.as_str());
                    found.ok_or_else(|| self.unknown("type", *line, kind.what, word, names))?
                }
                Some(value) => return Err(self.wrong("type", value, kind.what)),
                None => {
                    let expected = format!("`type`, the name of {}", kind.what);
                    return Err(self.error(value.line, name, expected, "none".to_owned(), None));
                }
            };
            let taken = |name: &str| all.iter().any(|(other, ..)| other == name);
            let own = match item("name") {
                Some(value) => match &value.data {
                    Data::Text(own) if is_name(own) => own.clone(),
                    _ => {
                        let expected = "a name of letters, digits, `_` and `-`";
                        return Err(self.wrong("name", value, expected));
                    }
                },
                None => {
                    let base = default_name(entry.name);
                    let numbered = (1..).map(|n| format!("{base}_{n}"));
                    let mut names = std::iter::once(base.clone()).chain(numbered);
                    names.find(|name| !taken(name)).unwrap_or(base)
                }
            };
            if taken(&own) {
                let expected = "names that differ".to_owned();
                let found = format!("`{own}` twice");
                return Err(self.error(value.line, "name", expected, found, None));
            }
            let path = match self.place.strip_suffix('`') {
                Some(outside) if self.place.starts_with(title) => format!("{outside}.{own}`"),
                _ => format!("{title} `{own}`"),
            };
            let fields = self.inside(path, value.line, items);
            let made = fields.complete(|fields| {
                let made = (entry.read)(fields)?;
                fields.value("name", "a name", "");
                Ok(made)
            })?;
            all.push((own, value.line, made));
        }
        Ok(all)
    }

    fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}: {name}", self.place) }
    }
}

/// Names become paths of parameters, with dots between them.
fn is_name(text: &str) -> bool {
    let valid = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= 100 && text.chars().all(valid)
}

fn whole(value: &Value, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
    let Data::Whole(number) = value.data else { return None };
    usize::try_from(number).ok().filter(|n| range.contains(n))
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    match value.data {
        Data::Whole(number) => Some(number as f64),
        Data::Number(number) => Some(number).filter(|number| !number.is_nan()),
        _ => None,
    }
}
