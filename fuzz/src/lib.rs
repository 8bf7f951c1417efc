//! The targets: what each parser of foreign bytes has to keep, for whatever bytes.
//!
//! The one design choice: a target is a function of bytes. libFuzzer calls it (`bin/`), the mutation
//! loop calls it (`bin/mutate.rs`), and an ordinary test includes this file and calls it with every
//! input in `corpus/` and `regressions/` (`crates/book/tests/fuzz.rs`, the book being the crate that
//! stands on all others).

#[path = "../../crates/morphology/tests/suite/definition.rs"]
mod definition;
mod geometry;
mod images;
mod input;
mod learned;
mod numbers;
mod pages;
mod pipeline;
mod results;
mod settings;
mod tables;

use morphograd::morphology;

/// A target: it panics where something is not as promised.
pub type Target = fn(&[u8]);

/// Every target with its name: that of its program in `bin/` and of its folders of inputs.
pub const TARGETS: &[(&str, Target)] = &[
    ("idx", numbers::idx),
    ("labelled", numbers::labelled),
    ("checkpoint", learned::checkpoint),
    ("saved_model", learned::saved_model),
    ("backup", learned::backup),
    ("npy", tables::npy),
    ("npz", tables::npz),
    ("shards", tables::shards),
    ("table", tables::table),
    ("model", settings::model),
    ("config", settings::config),
    ("sweep", settings::sweep),
    ("metrics", results::metrics),
    ("history", results::history),
    ("pipeline", pipeline::pipeline),
    ("element", pipeline::element),
    ("png", images::png),
    ("tiff", images::tiff),
    ("jpeg", images::jpeg),
    ("pnm", images::pnm),
    ("book", pages::book),
    ("geometry", geometry::geometry),
];

/// The target of a name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("expected the name of a target, found `{name}`")).1
}
