//! The tables of the documents say what the code says.

use morphograd_sets::*;

use super::table::sets;

/// The cells of the row on a set in a table of a document.
fn row<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let starts = [format!("| [`{name}`]("), format!("//! | [`{name}`] |")];
    let found = document.lines().find(|line| starts.iter().any(|start| line.starts_with(start)));
    let line = found.unwrap_or_else(|| panic!("expected a row on {name}"));
    // Bars within a formula are escaped.
    let cells = line.trim_start_matches("//! ").split(" | ").map(str::trim);
    cells.map(|cell| cell.trim_end_matches(" |")).collect()
}

#[test]
fn the_tables_of_the_documents_say_what_the_code_says() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/constraints.md"))
            .unwrap();
    for document in [&page, include_str!("../../src/lib.rs")] {
        for entry in sets() {
            // `Per` is as its set, an orthant one of the `Bounds`, decimals are a `Grid`, and
            // `Isotonic` is both orders.
            if ["Per", "orthant", "decimals"].contains(&entry.name)
                || entry.double().formula().starts_with("w_1 >=")
            {
                continue;
            }
            let row = row(document, entry.name);
            let yes = |cell: &str| cell.starts_with("yes") || cell.starts_with("if");
            assert_eq!(
                row[1].replace("\\|", "|"),
                format!("`{}`", entry.double().formula()),
                "{}",
                entry.name
            );
            assert_eq!(
                yes(row[2]),
                entry.double().kind() == Kind::Convex,
                "{} is convex",
                entry.name
            );
            let states = entry.double().capabilities(entry.shape);
            assert_eq!(yes(row[5]), states.metric, "{} has a metric", entry.name);
            assert_eq!(yes(row[6]), states.tangent, "{} has tangents", entry.name);
        }
        let maps: [(&str, &dyn Constraint<f32>); 4] = [
            ("UnitNorm", &UnitNorm::default()),
            ("MaxNorm", &MaxNorm::default()),
            ("MinMaxNorm", &MinMaxNorm::default()),
            ("RadialConstraint", &RadialConstraint),
        ];
        for (name, map) in maps {
            assert_eq!(
                row(document, name)[1].replace("\\|", "|"),
                format!("`{}`", map.formula()),
                "{name}"
            );
        }
    }
}

/// What the page lists of the sets for single ways to enforce, and methods.
#[test]
fn the_page_lists_the_sets_with_a_derivative_a_smooth_map_or_a_vertex() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/constraints.md"))
            .unwrap();
    let listed = |line: &str, name: &str| {
        let line = page.lines().find(|l| l.starts_with(line)).expect("a row of the page");
        line.contains(&format!("`{name}`"))
    };
    // An orthant is not bounded as other `Bounds` are, and decimals are a `Grid`.
    for entry in sets().iter().filter(|entry| !["Per", "orthant", "decimals"].contains(&entry.name))
    {
        let (set, name, states) =
            (entry.double(), entry.name, entry.double().capabilities(entry.shape));
        assert_eq!(listed("| the derivative of its", name), states.derivative, "{name}");
        assert_eq!(listed("| a vertex for a gradient |", name), states.linear, "{name}");
        let smooth = set.parametrization(entry.shape).is_some();
        assert_eq!(listed("| a smooth map into it |", name), smooth, "{name}");
    }
}
