//! What the pages say of the code by name: that every set has a derivation, and that the tests they
//! point to exist.

use std::fs;
use std::path::Path;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_set_is_in_the_table_of_derivations() {
    let (reference, derivations) =
        (page("constraints.md"), page("projected-gradient/convex-sets.md"));
    let sections = ["## The sets of `morphograd-sets`", "## The sets of `morphograd-morphology`"];
    let mut found = 0;
    for section in sections {
        let text = reference.split(section).nth(1).expect(section);
        let text = text.split("\n## ").next().unwrap_or_default();
        for set in text.lines().filter_map(|line| line.strip_prefix("| [`")?.split('`').next()) {
            found += 1;
            // `Per` is a product of sets, and no row of the table.
            let named = derivations.lines().any(|line| {
                (line.starts_with('|') || set == "Per") && line.contains(&format!("`{set}`"))
            });
            assert!(named, "{set} has no derivation");
        }
    }
    assert!(found > 30, "{found} sets");
}

#[test]
fn every_test_that_a_law_names_exists() {
    let laws = page("max-plus/constraints.md");
    let tests: String = [
        "book/tests/meaning.rs",
        "morphology/tests/suite/properties.rs",
        "morphology/tests/suite/support.rs",
    ]
    .map(|file| fs::read_to_string(root().join("crates").join(file)).unwrap())
    .concat();
    // A name of a test is a sentence.
    let is_name = |word: &&str| {
        word.matches('_').count() > 3 && word.chars().all(|c| c == '_' || c.is_ascii_lowercase())
    };
    let names: Vec<&str> = laws.split('`').filter(is_name).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("fn {name}(")), "{name}");
    }
}
