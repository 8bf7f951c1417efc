//! What one does with trainings: go on, start from earlier weights, compare, sweep.

#[path = "../support/command.rs"]
mod command;
mod compare;
mod resume;
mod sweep;
mod weights;

use std::path::Path;

use command::{command, morphograd, refused, told};

/// A short training; what it says.
#[track_caller]
fn train(folder: &Path, more: &[&str]) -> String {
    let tiny = ["train", "--samples", "64", "--epochs", "1", "--batch-size", "32"];
    told(folder, &[&tiny, more].concat())
}

/// Checks that a page is well-formed, loads nothing and has these parts.
#[track_caller]
fn check_page(page: &str, parts: &[&str]) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(page, options).expect("well-formed");
    for node in document.descendants() {
        assert!(!["script", "link", "iframe"].contains(&node.tag_name().name()));
        assert!(node.attributes().all(|attribute| !attribute.value().contains("NaN")));
    }
    assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("://"));
    for part in parts {
        assert!(page.contains(part), "`{part}` is not in the page");
    }
}
