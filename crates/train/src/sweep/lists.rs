//! The lists of a sweep: options of `train` with the values that they take in turn, from a file or
//! from the command line.

use crate::model::{Data, FieldError, ModelError, Source};
use crate::registry::closest;

/// An option and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The long name of the option, without hyphens in front.
    pub name: String,
    /// Its values, as they are written on the command line.
    pub values: Vec<String>,
    /// The line of each in the file; empty if they stand on the command line.
    pub lines: Vec<usize>,
}

/// What a combination is called where no list has more than one value.
pub const ONLY: &str = "the only run";

/// All lists, in the order in which they are told: the last one changes first.
///
/// ```
/// use morphograd::sweep::Lists;
///
/// let text = "epochs = 3\nlr = [0.1, 0.01]\nseed = [0, 1]\n";
/// let lists = Lists::parse("lr.toml", text, &["epochs", "lr", "seed"])?;
/// let all = lists.combinations();
/// assert_eq!(all.len(), 4);
/// assert_eq!(all[1], [("epochs", "3"), ("lr", "0.1"), ("seed", "1")]);
/// let error = Lists::parse("lr.toml", "\nepoch = 1", &["epochs", "lr", "seed"]).unwrap_err();
/// let expected = "lr.toml:2: expected one of the options epochs, lr, seed, found `epoch` (did \
///                 you mean `epochs`?)";
/// assert_eq!(error.to_string(), expected);
/// # Ok::<(), morphograd::model::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists(pub Vec<List>);

impl Lists {
    /// Reads a TOML text; errors call it `file`. A key is the name of an option, its value a value
    /// of the option or a list of them.
    ///
    /// # Errors
    /// If it is no TOML, a key is none of `names`, a list is empty, holds a value twice, or holds
    /// something else than texts, numbers and flags.
    pub fn parse(file: &str, text: &str, names: &[&str]) -> Result<Self, ModelError> {
        let source = Source::parse(file, text)?;
        let wrong = |line, field: &str, expected: String, found: String, suggestion| FieldError {
            file: file.to_owned(),
            line,
            place: String::new(),
            field: field.to_owned(),
            expected,
            found,
            suggestion,
        };
        let mut lists = Vec::new();
        for item in &source.fields {
            let (key, line) = (&item.key, item.value.line);
            if !names.contains(&&key[..]) {
                let suggestion = closest(names.iter().copied(), key).map(str::to_owned);
                let expected = format!("one of the options {}", names.join(", "));
                let found = format!("`{key}`");
                return Err(Box::new(wrong(line, "", expected, found, suggestion)).into());
            }
            let items = match &item.value.data {
                Data::List(list) => &list[..],
                _ => std::slice::from_ref(&item.value),
            };
            let refuse = |line, expected: &str, found: String| {
                Box::new(wrong(line, key, expected.to_owned(), found, None))
            };
            if items.is_empty() {
                return Err(
                    refuse(line, "a value, or a list of them", "an empty list".into()).into()
                );
            }
            let mut list = List { name: key.clone(), values: Vec::new(), lines: Vec::new() };
            for value in items {
                let word = match &value.data {
                    Data::Text(text) => text.clone(),
                    Data::Whole(number) => number.to_string(),
                    Data::Number(number) => number.to_string(),
                    Data::Flag(flag) => flag.to_string(),
                    _ => {
                        let expected = "a text, a number, or a list of them";
                        return Err(refuse(value.line, expected, value.found()).into());
                    }
                };
                if list.values.contains(&word) {
                    let found = format!("{word} twice");
                    return Err(refuse(value.line, "each value once", found).into());
                }
                list.values.push(word);
                list.lines.push(value.line);
            }
            lists.push(list);
        }
        Ok(Self(lists))
    }

    /// The error that a value of a list is none of its option; `why` has what was expected and
    /// found.
    pub fn refused(file: &str, list: &List, value: usize, why: &str) -> String {
        match list.lines.get(value) {
            Some(line) => format!("{file}:{line}: field `{}`: {why}", list.name),
            None => format!("--{}: {why}", list.name),
        }
    }

    /// Puts a list in the place of one of the same name, or behind the others.
    pub fn set(&mut self, list: List) {
        match self.0.iter_mut().find(|other| other.name == list.name) {
            Some(other) => *other = list,
            None => self.0.push(list),
        }
    }

    /// The list of an option.
    pub fn get(&self, name: &str) -> Option<&List> {
        self.0.iter().find(|list| list.name == name)
    }

    /// Every combination of a value of each list: name and value.
    pub fn combinations(&self) -> Vec<Vec<(&str, &str)>> {
        self.0.iter().fold(vec![Vec::new()], |all, list| {
            let with = |value| {
                let name = &list.name[..];
                move |mut one: Vec<_>| {
                    one.push((name, value));
                    one
                }
            };
            all.into_iter()
                .flat_map(|one| list.values.iter().map(move |value| with(&value[..])(one.clone())))
                .collect()
        })
    }

    /// What a combination is called: the values of the lists that have more than one.
    pub fn label(&self, combination: &[(&str, &str)]) -> String {
        const PLAIN: [&str; 5] = ["constraint", "enforcement", "optimizer", "start", "data"];
        let listed = |name: &str| self.get(name).is_some_and(|list| list.values.len() > 1);
        let parts = combination.iter().filter(|(name, _)| listed(name));
        let parts: Vec<String> = parts
            .map(|(name, value)| match PLAIN.contains(name) {
                true => (*value).to_owned(),
                false => format!("{name} {value}"),
            })
            .collect();
        if parts.is_empty() { ONLY.to_owned() } else { parts.join(", ") }
    }

    /// The text of a file with these lists.
    ///
    /// # Panics
    /// Never: lists of texts can always be written.
    pub fn text(&self) -> String {
        let table: toml::Table = self
            .0
            .iter()
            .map(|list| {
                let values = list.values.iter().map(|value| value.as_str().into()).collect();
                (list.name.clone(), toml::Value::Array(values))
            })
            .collect();
        toml::to_string(&table).expect("lists of texts always serialize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["constraint", "epochs", "lr", "seed"];

    #[test]
    fn what_is_no_list_of_values_is_refused_with_its_line() {
        let cases = [
            ("lr = 1\nlr = 2", "s.toml:2: expected TOML, found duplicate key"),
            (
                "\nconstrant = \"none\"",
                "s.toml:2: expected one of the options constraint, epochs, lr, seed, found \
                 `constrant` (did you mean `constraint`?)",
            ),
            (
                "lr = []",
                "s.toml:1: field `lr`: expected a value, or a list of them, found an empty",
            ),
            (
                "lr = [0.1,\n 0.1]",
                "s.toml:2: field `lr`: expected each value once, found 0.1 twice",
            ),
            ("lr = [[1]]", "expected a text, a number, or a list of them, found a list of 1"),
            ("[lr]\na = 1", "expected a text, a number, or a list of them, found a table"),
        ];
        for (text, expected) in cases {
            let error = Lists::parse("s.toml", text, &NAMES).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_later_list_takes_the_place_of_an_earlier_one_and_the_text_is_read_again() {
        let text = "constraint = [\"none\", \"lattice\"]\nlr = 0.5\nseed = [3, 4]";
        let mut lists = Lists::parse("s.toml", text, &NAMES).unwrap();
        let (name, values) = ("lr".to_owned(), vec!["1".to_owned(), "0.25".to_owned()]);
        lists.set(List { name, values, lines: Vec::new() });
        let all = lists.combinations();
        assert_eq!(all.len(), 8);
        assert_eq!(all[3], [("constraint", "none"), ("lr", "0.25"), ("seed", "4")]);
        assert_eq!(lists.label(&all[3]), "none, lr 0.25, seed 4");
        let again = Lists::parse("again", &lists.text(), &NAMES).unwrap();
        assert_eq!(again.combinations(), all);
    }
}
