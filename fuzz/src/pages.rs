//! The book: a page, its formulas, and a table of contents.

use std::path::Path;

use morphograd_book::html::{Context, page};
use morphograd_book::page::{formulas, headings, prose, targets};
use morphograd_book::{formula, spelling, summary};

/// A page becomes HTML or is refused, and a formula that is none is refused by name. MathML is
/// well-formed, so that a page cannot be broken by a formula.
pub(crate) fn book(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines = summary::lines(text);
    let context = Context { summary: &lines, out: Path::new("out") };
    let _ = page(&context, "page.md", text);
    let _ = (headings(text), targets(text));
    let _ = spelling::mistakes(&prose(text), &Default::default());
    for (latex, display) in formulas(text) {
        if let Ok(mathml) = formula::mathml(&latex, display) {
            let problem = roxmltree::Document::parse(&mathml).err();
            assert!(problem.is_none(), "{latex}: expected XML, found {problem:?} in {mathml}");
        }
    }
}
