//! A page as text: its events, its headings with their anchors, its links and formulas. Everything
//! that looks at a page looks at it through this parser, so what is checked is what is rendered.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The Markdown the book is written in: CommonMark with tables, footnotes and formulas between
/// dollars, as GitHub shows it.
pub fn events(text: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_MATH;
    Parser::new_ext(text, options)
}

/// Gives out the anchors of a page's headings, as GitHub does.
#[derive(Debug, Default)]
pub struct Anchors {
    given: Vec<String>,
}

impl Anchors {
    /// Lower case, words joined by hyphens, other punctuation left out; a second heading of one
    /// text gets `-1` and so on.
    ///
    /// ```
    /// let mut anchors = morphograd_book::page::Anchors::default();
    /// assert_eq!(anchors.of("Adam, and the metric"), "adam-and-the-metric");
    /// assert_eq!(anchors.of("Adam, and the metric"), "adam-and-the-metric-1");
    /// ```
    pub fn of(&mut self, heading: &str) -> String {
        let slug: String = heading
            .trim()
            .chars()
            .filter_map(|character| match character {
                ' ' | '-' => Some('-'),
                '_' => Some('_'),
                other if other.is_alphanumeric() => Some(other),
                _ => None,
            })
            .flat_map(char::to_lowercase)
            .collect();
        let earlier = self.given.iter().filter(|given| **given == slug).count();
        self.given.push(slug.clone());
        if earlier == 0 { slug } else { format!("{slug}-{earlier}") }
    }
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 for a title.
    pub level: usize,
    /// Its text, without marks.
    pub text: String,
    /// What a link to it ends in.
    pub anchor: String,
}

/// The headings of a page, in order.
pub fn headings(text: &str) -> Vec<Heading> {
    let mut anchors = Anchors::default();
    let mut headings = Vec::new();
    let mut open: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => open = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => {
                let text = open.take().unwrap_or_default();
                headings.push(Heading { level: level as usize, anchor: anchors.of(&text), text });
            }
            Event::Text(part) | Event::Code(part) | Event::InlineMath(part) => {
                if let Some(text) = &mut open {
                    *text += &part;
                }
            }
            _ => (),
        }
    }
    headings
}

/// Where links and images of a page lead, as written.
pub fn targets(text: &str) -> Vec<String> {
    events(text)
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.into_string())
            }
            _ => None,
        })
        .collect()
}

/// The formulas of a page, and whether each stands on a line of its own.
pub fn formulas(text: &str) -> Vec<(String, bool)> {
    events(text)
        .filter_map(|event| match event {
            Event::InlineMath(formula) => Some((formula.into_string(), false)),
            Event::DisplayMath(formula) => Some((formula.into_string(), true)),
            _ => None,
        })
        .collect()
}

/// Text for people: without code, formulas and HTML. A space stands where something was left out.
pub fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut in_code = false;
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(part) if !in_code => prose += &part,
            Event::SoftBreak | Event::HardBreak => prose.push(' '),
            // Something stands between the words here, which a reader sees and this text has not.
            Event::Code(_) | Event::InlineMath(_) | Event::DisplayMath(_) => prose += " · ",
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::TableCell | TagEnd::Item,
            ) => {
                prose += " · ";
            }
            _ => (),
        }
    }
    prose
}

/// Whether the page holds Rust that the tests are to compile.
pub fn has_rust(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("```rust"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_formulas_are_no_prose_and_no_links() {
        let page = "# T\n\nA `[code](x)` and \
            $[a](b)$.\n\n```rust\n[x](y)\n```\n\n[link](there.md#a) ![i](i.svg)\n";
        assert_eq!(targets(page), ["there.md#a", "i.svg"]);
        assert_eq!(formulas(page), [("[a](b)".to_owned(), false)]);
        assert!(!prose(page).contains("code") && !prose(page).contains('y'), "{}", prose(page));
    }

    #[test]
    fn headings_have_the_anchors_of_github() {
        let page = "# The `Sgd` rule\n\n## What's new?\n\n## What's new?\n";
        let anchors: Vec<String> =
            headings(page).into_iter().map(|heading| heading.anchor).collect();
        assert_eq!(anchors, ["the-sgd-rule", "whats-new", "whats-new-1"]);
    }
}
