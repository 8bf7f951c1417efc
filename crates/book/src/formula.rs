//! Formulas: LaTeX in, MathML out, which browsers draw without scripts and without fonts from a
//! network. A formula that is wrong is an error here and never a red word on a page.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::event::{Content, Event};
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, RenderConfig, Storage};

/// The formula as a `<math>` element, on a line of its own if `display`.
///
/// # Errors
/// What the parser says, in one line, if it is not a formula.
///
/// ```
/// use morphograd_book::formula::mathml;
/// assert!(mathml(r"\frac{L}{2k}", false).unwrap().contains("<mfrac>"));
/// assert_eq!(
///     mathml(r"x_{1", false).unwrap_err(),
///     "unbalanced group found, expected it to be closed with `}`"
/// );
/// // XML cannot hold it.
/// let error = mathml("a\u{1b}", false).unwrap_err();
/// assert_eq!(error, r"expected text, found the control character '\u{1b}'");
/// ```
pub fn mathml(latex: &str, display: bool) -> Result<String, String> {
    if let Some(found) = latex.chars().find(|c| c.is_control() && !['\t', '\n', '\r'].contains(c)) {
        return Err(format!("expected text, found the control character {found:?}"));
    }
    let storage = Storage::new();
    let mut events = Vec::new();
    for event in Parser::new(latex, &storage) {
        // The first line is the message; the rest draws where it stands.
        let event = event.map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.strip_prefix("parsing error: ").unwrap_or(line).to_owned()
        })?;
        // The library writes the names of operators as they are.
        if let Event::Content(Content::Function(name)) = &event
            && name.contains(['<', '&'])
        {
            return Err(format!("expected the name of an operator, found `{name}`"));
        }
        events.push(event);
    }
    let display_mode = if display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut text = String::new();
    push_mathml(&mut text, events.into_iter().map(Ok::<_, std::convert::Infallible>), config)
        .map_err(|error| error.to_string())?;
    Ok(well_formed(&text))
}

/// What the library leaves to the leniency of browsers, or gets wrong: the space before a named
/// operator has to stand before its scripts, or it counts as what they belong to.
fn well_formed(mathml: &str) -> String {
    const SPACE: &str = r#"<mspace width="0.1667em" />"#;
    let mut mathml = mathml.to_owned();
    for scripts in ["msub", "msup", "msubsup", "munder", "mover", "munderover"] {
        mathml = mathml.replace(&format!("<{scripts}>{SPACE}"), &format!("{SPACE}<{scripts}>"));
    }
    mathml
        .replace("\"minsize", "\" minsize")
        .replace("><</", ">&lt;</")
        .replace(">></", ">&gt;</")
        .replace(">&</", ">&amp;</")
        .replace("&nbsp;", "\u{a0}")
        // Bars are fences here, never relations, for which browsers take them.
        .replace("stretchy=\"false\">|</mo>", "stretchy=\"false\" lspace=\"0\" rspace=\"0\">|</mo>")
        .replace("stretchy=\"false\">‖</mo>", "stretchy=\"false\" lspace=\"0\" rspace=\"0\">‖</mo>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_book_uses_is_drawn() {
        for latex in [
            r"\lVert w - P_C(w) \rVert_2^2 \le \langle u, v \rangle",
            r"\arg\min_{v \in C} \tfrac12 \lVert v - w \rVert^2",
            r"η \nabla f(w) \vee \bigvee_{i=1}^n \oplus \delta_w \dashv \varepsilon_w",
            r"\begin{aligned} a &< b \\ c &> d \end{aligned}",
            r"\begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}",
            r"\mathbb{R}^n \to \mathbb{R} \cup \{-\infty\}, \quad \overline{\operatorname{co}}",
        ] {
            mathml(latex, true).unwrap_or_else(|error| panic!("{latex}: {error}"));
        }
    }

    #[test]
    fn what_is_drawn_is_well_formed() {
        let text = mathml(r"a < b \text{ if } c > d, \bigl( x \bigr)", false).unwrap();
        assert!(text.contains("<mo>&lt;</mo>") && text.contains("<mo>&gt;</mo>"), "{text}");
        assert!(!text.contains("\"minsize") && !text.contains("&nbsp;"), "{text}");
    }

    /// Elements that are told apart by their position: a child too many shifts the others.
    fn check(latex: &str) {
        let text = mathml(latex, false).unwrap_or_else(|error| panic!("{latex}: {error}"));
        let document = roxmltree::Document::parse(&text)
            .unwrap_or_else(|error| panic!("{latex}: {error}: {text}"));
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let expected = match node.tag_name().name() {
                "mfrac" | "msub" | "msup" | "munder" | "mover" | "mroot" => 2,
                "msubsup" | "munderover" => 3,
                _ => continue,
            };
            let found = node.children().filter(roxmltree::Node::is_element).count();
            assert_eq!(found, expected, "{latex}: children of {}: {text}", node.tag_name().name());
        }
    }

    #[test]
    fn scripts_belong_to_their_operators() {
        for latex in [
            r"a \min_j b",
            r"a + \sup_{z} b",
            r"2 \operatorname{dist}^2 x",
            r"\tfrac12 \arg\min_{v \in C} v",
        ] {
            check(latex);
        }
    }

    #[test]
    fn every_formula_of_the_book_is_well_formed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let book = crate::book::Book::read(&root).unwrap();
        let formulas = book.pages().flat_map(|(_, text)| crate::page::formulas(text));
        assert!(formulas.map(|(latex, _)| check(&latex)).count() > 100);
    }

    #[test]
    fn a_wrong_formula_is_an_error() {
        for (latex, message) in [
            (r"\nosuchcommand x", "unknown primitive command found"),
            (r"\frac{1}", "expected a token"),
            (r"\operatorname{a & b}", "expected the name of an operator, found `a & b`"),
            ("a\u{1b}", "the control character"),
            (r"\left( x", "expected"),
            (r"a & b", "alignment not allowed in current environment"),
            (r"\begin{aligned} x", "expected"),
        ] {
            let error = mathml(latex, false).unwrap_err();
            assert!(error.contains(message) || message == "expected", "{latex}: {error}");
        }
    }
}
