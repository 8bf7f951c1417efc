//! A page as HTML: MathML for its formulas, links that lead to the other pages, a table of contents
//! beside it. A page loads its style sheet and its figures from its own folder and nothing from a
//! network; there are no scripts.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Tag, TagEnd};

use crate::formula::mathml;
use crate::link::{Target, relative, target};
use crate::page::{Anchors, events, headings};
use crate::summary::{Line, paths};

/// What a page has to know about the book it is in. Paths are relative to the repository, but for
/// those of the summary, which are relative to `docs`.
#[derive(Debug)]
pub struct Context<'a> {
    /// The table of contents.
    pub summary: &'a [Line],
    /// Where the book is written.
    pub out: &'a Path,
}

/// The folder of the book's pages.
pub const DOCS: &str = "docs";

/// The style sheet.
pub const STYLE: &str = include_str!("book.css");

/// The whole page `path` (relative to `docs`) with this text.
///
/// # Errors
/// The formulas that are none, each with what the parser says.
pub fn page(context: &Context<'_>, path: &str, text: &str) -> Result<String, Vec<String>> {
    let body = body(context, path, text)?;
    let title =
        headings(text).into_iter().next().map_or_else(|| path.to_owned(), |heading| heading.text);
    let root = relative(Path::new(path), Path::new("book.css"));
    let file = |other: &str| relative(Path::new(path), Path::new(&html_name(other)));
    let all: Vec<&str> = paths(context.summary).collect();
    let position = all.iter().position(|other| *other == path);
    let neighbour = |offset: isize, arrow: &str, class: &str| {
        let other = position.and_then(|i| i.checked_add_signed(offset)).and_then(|i| all.get(i));
        other.map_or_else(String::new, |other| {
            let title = chapter_title(context.summary, other);
            let label = if class == "next" {
                format!("{title} {arrow}")
            } else {
                format!("{arrow} {title}")
            };
            format!("<a class=\"{class}\" href=\"{}\">{}</a>", escape(&file(other)), escape(&label))
        })
    };
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} – morphograd</title>\n<link rel=\"stylesheet\" href=\"{}\">\n</head>\n<body>\n\
         <nav class=\"contents\">\n{}</nav>\n<main>\n{body}\
         <footer>{}{}</footer>\n</main>\n</body>\n</html>\n",
        escape(&title),
        escape(&root),
        contents(context.summary, path),
        neighbour(-1, "←", "previous"),
        neighbour(1, "→", "next"),
    ))
}

/// The name of a page's file in the book.
///
/// ```
/// use morphograd_book::html::html_name;
/// assert_eq!(["a/b.md", "README.md"].map(html_name), ["a/b.html", "index.html"]);
/// ```
pub fn html_name(path: &str) -> String {
    let stem = path.strip_suffix(".md").unwrap_or(path);
    match stem.strip_suffix("README") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => format!("{folder}index.html"),
        _ => format!("{stem}.html"),
    }
}

/// The end of a proof stays on the line of its last word, and an error on that of its number.
fn glued(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Text(text) if text.contains(['∎', '±']) => {
            Event::Text(text.replace(" ∎", "\u{a0}∎").replace(" ± ", "\u{a0}±\u{a0}").into())
        }
        other => other,
    }
}

/// Whether a line may end here.
fn breaks(c: char) -> bool {
    c.is_whitespace() && c != '\u{a0}'
}

fn body(context: &Context<'_>, path: &str, text: &str) -> Result<String, Vec<String>> {
    let here = Path::new(DOCS).join(path);
    let mut wrong = Vec::new();
    let mut anchors = headings(text).into_iter().map(|heading| heading.anchor);
    let mut code: Option<(bool, String)> = None;
    let mut shown = Vec::new();
    let mut events = events(text).map(glued).peekable();
    while let Some(event) = events.next() {
        let mut formula = |latex: &str, display| match mathml(latex, display) {
            Ok(text) => Event::InlineHtml(text.into()),
            Err(error) => {
                wrong.push(format!("formula `{}`: {error}", latex.trim()));
                Event::Text("".into())
            }
        };
        let event = match event {
            Event::InlineMath(latex) => {
                let math = formula(&latex, false);
                match events.peek_mut() {
                    Some(Event::Text(next)) if !next.starts_with(breaks) => {
                        shown.push(Event::InlineHtml("<span class=\"unbroken\">".into()));
                        shown.push(math);
                        let end = next.find(breaks).unwrap_or(next.len());
                        shown.push(Event::Text(next[..end].to_owned().into()));
                        *next = next[end..].to_owned().into();
                        Event::InlineHtml("</span>".into())
                    }
                    _ => math,
                }
            }
            Event::DisplayMath(latex) => formula(&latex, true),
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let id = anchors.next().map(CowStr::from);
                Event::Start(Tag::Heading { level, id, classes, attrs })
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = address(context, path, &here, &dest_url).into();
                Event::Start(Tag::Link { link_type, dest_url, title, id })
            }
            Event::Code(code) => {
                Event::InlineHtml(format!("<code>{}</code>", breakable(&code)).into())
            }
            Event::Start(Tag::Table(alignments)) => {
                shown.push(Event::Html("<div class=\"table\">".into()));
                Event::Start(Tag::Table(alignments))
            }
            Event::End(TagEnd::Table) => {
                shown.push(Event::End(TagEnd::Table));
                Event::Html("</div>\n".into())
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let is_rust =
                    matches!(&kind, CodeBlockKind::Fenced(info) if info.starts_with("rust"));
                code = Some((is_rust, String::new()));
                continue;
            }
            Event::Text(part) if code.is_some() => {
                if let Some((_, text)) = &mut code {
                    *text += &part;
                }
                continue;
            }
            Event::End(TagEnd::CodeBlock) => {
                let (is_rust, text) = code.take().unwrap_or_default();
                let text = if is_rust { visible(&text) } else { text };
                Event::Html(
                    format!("<pre><code>{}</code></pre>\n", highlight(&text, is_rust)).into(),
                )
            }
            other => other,
        };
        shown.push(event);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, shown.into_iter());
    Ok(html)
}

/// A link's address in the book. Other pages of the book become pages; what lies elsewhere in the
/// repository is reached there.
fn address(context: &Context<'_>, path: &str, here: &Path, link: &str) -> String {
    let Target::File(file, anchor) = target(here, link) else { return link.to_owned() };
    let inside = file.strip_prefix(DOCS).ok().and_then(Path::to_str);
    let mut address = match inside {
        Some(inside) if paths(context.summary).any(|other| other == inside) => {
            relative(Path::new(path), Path::new(&html_name(inside)))
        }
        Some(inside) if !inside.ends_with(".md") => return link.to_owned(),
        _ => relative(&context.out.join(path), &file),
    };
    if !anchor.is_empty() {
        address = format!("{address}#{anchor}");
    }
    address
}

/// A Rust example without the lines that rustdoc hides.
fn visible(code: &str) -> String {
    let hidden = |line: &str| line.trim() == "#" || line.trim_start().starts_with("# ");
    code.lines().filter(|line| !hidden(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Code in a sentence. It may be broken behind the parts of a long name, but not behind the sign of
/// a number or of an option, nor before an index.
fn breakable(code: &str) -> String {
    let several = code.contains(' ');
    let words = code.split(' ').map(|word| {
        let mut html = escape(word);
        if word.contains('-') && (several || word.starts_with('-')) {
            return format!("<span class=\"unbroken\">{html}</span>");
        }
        for end in ["_", "::", "/"] {
            if end != "_" || !several || word.len() > 16 {
                html = html.replace(end, &format!("{end}<wbr>"));
            }
        }
        html
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Comments, strings and keywords of Rust in `<span>`s; other code as it is.
fn highlight(code: &str, is_rust: bool) -> String {
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "continue", "dyn", "else", "enum", "false", "fn", "for", "if",
        "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self",
        "Self", "static", "struct", "true", "type", "use", "where", "while",
    ];
    if !is_rust {
        return escape(code);
    }
    let mut html = String::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let (class, length) = if rest.starts_with("//") {
            ("comment", rest.find('\n').unwrap_or(rest.len()))
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            ("string", end.map_or(rest.len(), |end| end + 2))
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (if KEYWORDS.contains(&&rest[..end]) { "keyword" } else { "" }, end)
        } else {
            ("", first.len_utf8())
        };
        let (token, after) = rest.split_at(length);
        if class.is_empty() {
            html += &escape(token);
        } else {
            html += &format!("<span class=\"{class}\">{}</span>", escape(token));
        }
        rest = after;
    }
    html
}

fn contents(summary: &[Line], path: &str) -> String {
    let mut html = String::from("<p class=\"name\">morphograd</p>\n");
    for line in summary {
        match line {
            Line::Part(title) => html += &format!("<p class=\"part\">{}</p>\n", escape(title)),
            Line::Chapter { depth, title, path: other } => {
                let current = if other == path { " aria-current=\"page\"" } else { "" };
                let file = relative(Path::new(path), Path::new(&html_name(other)));
                html += &format!(
                    "<a class=\"depth{depth}\" href=\"{}\"{current}>{}</a>\n",
                    escape(&file),
                    escape(title)
                );
            }
        }
    }
    html
}

fn chapter_title(summary: &[Line], path: &str) -> String {
    let found = summary.iter().find_map(|line| match line {
        Line::Chapter { title, path: other, .. } if other == path => Some(title.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where a page that is only looked at for its anchors has them.
pub fn anchors(text: &str) -> Vec<String> {
    let mut given = Anchors::default();
    headings(text).into_iter().map(|heading| given.of(&heading.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::lines;

    fn render(path: &str, text: &str) -> Result<String, Vec<String>> {
        let summary = lines("# S\n\n- [One](a/one.md)\n- [Two](two.md)\n");
        page(&Context { summary: &summary, out: Path::new("target/book") }, path, text)
    }

    #[test]
    fn links_lead_to_pages_and_files() {
        let html = render(
            "a/one.md",
            "# One\n\n[two](../two.md#x) [code](../../crates/nn/src/optim/adam.rs) \
             ![i](../images/i.svg)\n",
        )
        .unwrap();
        for expected in [
            "href=\"../two.html#x\"",
            "href=\"../../../crates/nn/src/optim/adam.rs\"",
            "src=\"../images/i.svg\"",
        ] {
            assert!(html.contains(expected), "{expected}: {html}");
        }
        assert!(html.contains("<h1 id=\"one\">"), "{html}");
    }

    #[test]
    fn hidden_lines_of_examples_are_hidden_and_code_is_escaped() {
        let html = render(
            "two.md",
            "# T\n\n```rust\nlet a = 1 < 2; // \"x\"\n# hidden();\n#[derive(Debug)]\n```\n",
        )
        .unwrap();
        assert!(!html.contains("hidden") && html.contains("#[derive(Debug)]"), "{html}");
        assert!(
            html.contains("1 &lt; 2")
                && html.contains("<span class=\"comment\">// &quot;x&quot;</span>")
        );
    }

    #[test]
    fn a_long_name_may_be_broken_behind_its_parts() {
        let html = render("two.md", "# T\n\nSee `nn::a_b` and `x < 1`.\n").unwrap();
        assert!(
            html.contains("<code>nn::<wbr>a_<wbr>b</code>")
                && html.contains("<code>x &lt; 1</code>"),
            "{html}"
        );
    }

    #[test]
    fn an_option_a_formula_in_code_and_the_end_of_a_proof_are_not_broken() {
        let html =
            render("two.md", "# T\n\n`train --data x`, `w_i >= -inf`: $x = 0$. ∎\n").unwrap();
        assert!(
            html.contains("<code>train <span class=\"unbroken\">--data</span> x</code>")
                && html.contains("<code>w_i &gt;= <span class=\"unbroken\">-inf</span></code>")
                && html.contains("</math>.\u{a0}∎</span>"),
            "{html}"
        );
    }

    #[test]
    fn a_wrong_formula_is_named() {
        let errors = render("two.md", "# T\n\nText $\\frac{1}$ and $x$.\n").unwrap_err();
        assert_eq!(errors, ["formula `\\frac{1}`: expected a token"]);
    }

    #[test]
    fn a_formula_and_what_is_written_right_after_it_stay_on_one_line() {
        let html =
            render("two.md", "# T\n\nFor $x$, of $L$-smooth functions and $y$ all.\n").unwrap();
        assert!(
            html.contains("</math>,</span> of") && html.contains("</math>-smooth</span> functions"),
            "{html}"
        );
        assert!(html.contains("</math> all."), "{html}");
    }

    #[test]
    fn a_dollar_in_code_and_a_price_are_no_formulas() {
        let html = render("two.md", "# T\n\nIt costs 5 $ or `$x$`.\n").unwrap();
        assert!(!html.contains("<math"), "{html}");
    }
}
