//! The table of contents: `SUMMARY.md` in the format of mdBook, of which the book uses titles,
//! links and nested lists. Whoever prefers mdBook's own pages can run `mdbook build docs`.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

/// A line of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The title of a part.
    Part(String),
    /// A chapter.
    Chapter {
        /// How deep it is nested, 0 for none.
        depth: usize,
        /// Its title.
        title: String,
        /// Its file, relative to the summary.
        path: String,
    },
}

/// The lines of a summary, in order.
///
/// ```
/// use morphograd_book::summary::{Line, lines};
/// let found =
///     lines("# Summary\n\n# One\n\n- [First](one/first.md)\n    - [Second](one/second.md)\n");
/// assert_eq!(found[0], Line::Part("One".to_owned()));
/// let Line::Chapter { depth, title, path } = &found[2] else { panic!() };
/// assert_eq!((*depth, &title[..], &path[..]), (1, "Second", "one/second.md"));
/// ```
pub fn lines(summary: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut depth, mut text, mut target) = (0_usize, String::new(), None);
    for event in Parser::new(summary) {
        match event {
            Event::Start(Tag::List(_)) => depth += 1,
            Event::End(TagEnd::List(_)) => depth -= 1,
            Event::Start(Tag::Heading { .. }) => text.clear(),
            Event::Start(Tag::Link { dest_url, .. }) => {
                text.clear();
                target = Some(dest_url.into_string());
            }
            Event::Text(part) | Event::Code(part) => text += &part,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) if text != "Summary" => {
                lines.push(Line::Part(text.clone()));
            }
            Event::End(TagEnd::Link) => {
                let path = target.take().unwrap_or_default();
                lines.push(Line::Chapter {
                    depth: depth.saturating_sub(1),
                    title: text.clone(),
                    path,
                });
            }
            _ => (),
        }
    }
    lines
}

/// The chapters' files, in order.
pub fn paths(lines: &[Line]) -> impl Iterator<Item = &str> {
    lines.iter().filter_map(|line| match line {
        Line::Part(_) => None,
        Line::Chapter { path, .. } => Some(&path[..]),
    })
}
