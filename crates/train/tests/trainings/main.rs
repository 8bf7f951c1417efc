//! What one does with several trainings: start from earlier weights, compare, sweep.

mod compare;
mod sweep;
mod weights;

use std::path::Path;
use std::process::{Command, Output};

/// The command in a folder of its own, as if nothing else of the project were there.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_morphograd"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("MORPHOGRAD_DATA")
        .env_remove("MORPHOGRAD_ROOT");
    command
}

fn morphograd(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// What a command that succeeds says.
#[track_caller]
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = morphograd(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that fails says of it.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = morphograd(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

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
