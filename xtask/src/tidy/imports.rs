//! Which file of a crate imports which, and whether a chain of imports leads back.
//!
//! A name that a file takes through `lib.rs` counts as an import of the file that defines it. What
//! tests import does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files that import one another in a circle, each circle once, as paths within the crate's `src`.
pub(crate) fn circles(sources: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let texts: BTreeMap<&str, String> =
        sources.iter().map(|(file, text)| (file.as_str(), shipped(text))).collect();
    let modules: BTreeMap<Vec<String>, &str> =
        texts.keys().map(|file| (module(file), *file)).collect();
    let mut definitions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, text) in &texts {
        for name in text.lines().filter_map(defined) {
            definitions.entry(name).or_default().push(file);
        }
    }
    let edges: BTreeMap<&str, BTreeSet<&str>> = texts
        .iter()
        .filter(|(file, _)| !is_root(file))
        .map(|(file, text)| {
            let own = module(file);
            let mut targets: BTreeSet<&str> = paths(text)
                .iter()
                .filter_map(|path| resolve(path, &own, &modules, &definitions))
                .filter(|target| target != file && !is_root(target))
                .collect();
            targets.remove(file);
            (*file, targets)
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (*file, reachable(file, &edges))).collect();
    let mut circles = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for file in edges.keys() {
        if seen.contains(file) || !reach[file].contains(file) {
            continue;
        }
        let circle: Vec<&str> = reach[file]
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        seen.extend(&circle);
        circles.push(circle.into_iter().map(str::to_owned).collect());
    }
    circles
}

fn is_root(file: &str) -> bool {
    matches!(file, "lib.rs" | "main.rs")
}

/// `layers/conv2d.rs` → `layers::conv2d`.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let parts = Path::new(path).iter().map(|part| part.to_string_lossy().into_owned());
    if is_root(file) { Vec::new() } else { parts.collect() }
}

/// The text without comments, literals and test modules.
fn shipped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("#[cfg(test)]") {
            let block = rest.find('{').unwrap_or(rest.len());
            let statement = rest.find(';').map_or(rest.len(), |end| end + 1);
            let skipped =
                if statement < block { statement } else { block + matching(&rest[block..]) };
            rest = &rest[skipped..];
        } else if let Some(length) = literal(rest) {
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The length of the literal that the text begins with, if it begins with one that can hold braces
/// or quotes.
fn literal(text: &str) -> Option<usize> {
    if text.starts_with("'{'") || text.starts_with("'}'") || text.starts_with("'\"'") {
        return Some(3);
    }
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    raw_or_plain(text, hashes)
}

fn raw_or_plain(text: &str, hashes: usize) -> Option<usize> {
    let start = format!("r{}\"", "#".repeat(hashes));
    let end = format!("\"{}", "#".repeat(hashes));
    let body = text.strip_prefix(&start)?;
    Some(start.len() + body.find(&end)? + end.len())
}

/// The length of a block in braces that the text begins with.
fn matching(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(length) = literal(rest) {
            at += length;
            continue;
        }
        match rest.as_bytes()[0] {
            b'"' => at += string(rest),
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'/' if rest.starts_with("//") => at += rest.find('\n').unwrap_or(rest.len()) - 1,
            _ => (),
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    text.len()
}

/// The length of a string in quotes, without its last one.
fn string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// The name that a line at the margin defines.
fn defined(line: &str) -> Option<&str> {
    let hidden = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) "));
    let rest = hidden.or(line.strip_prefix("pub ")).unwrap_or(line);
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let kinds =
        ["struct ", "enum ", "trait ", "fn ", "type ", "const ", "static ", "macro_rules! "];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

/// Every path of the text: those of `use`, with their braces taken apart, and those that begin with
/// `crate::` or `super::` elsewhere.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut in_use = false;
    for line in text.lines() {
        let line = line.trim();
        let without = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) "));
        let body = without.or(line.strip_prefix("pub ")).unwrap_or(line);
        if let Some(rest) = body.strip_prefix("use ") {
            (in_use, statement) = (true, rest.to_owned());
        } else if in_use {
            statement.push_str(line);
        } else {
            found.extend(inline(line));
            continue;
        }
        if let Some(end) = statement.find(';') {
            expand(&statement[..end], &mut Vec::new(), &mut found);
            in_use = false;
        }
    }
    found
}

/// `a::{b, c::d}` → `a::b` and `a::c::d`.
fn expand(tree: &str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty());
        found.push(prefix.iter().cloned().chain(parts.map(str::to_owned)).collect());
        return;
    };
    let depth = prefix.len();
    let before = tree[..open].split("::").map(str::trim).filter(|part| !part.is_empty());
    prefix.extend(before.map(str::to_owned));
    let inside = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut level, mut start) = (0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => level += 1,
            '}' => level -= 1,
            ',' if level == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&inside[start..at], prefix, found);
                }
                start = at + 1;
            }
            _ => (),
        }
    }
    prefix.truncate(depth);
}

fn inline(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in line.match_indices(start) {
            let inside_word = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let path: String = line[at..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || "_:".contains(*c))
                .collect();
            if !inside_word && !line[..at].ends_with("::") {
                found.push(path.split("::").filter(|p| !p.is_empty()).map(str::to_owned).collect());
            }
        }
    }
    found
}

/// The file that a path of the module `own` leads to.
fn resolve<'a>(
    path: &[String],
    own: &[String],
    modules: &BTreeMap<Vec<String>, &'a str>,
    definitions: &BTreeMap<&str, Vec<&'a str>>,
) -> Option<&'a str> {
    let (mut at, mut rest) = (own.to_vec(), path);
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        // A child of this module, or a crate.
        first => {
            at.push(first.to_owned());
            modules.get(&at)?;
            rest = &path[1..];
        }
    }
    let folder = |at: &[String]| modules.keys().any(|module| module.starts_with(at));
    while let Some(part) = rest.first() {
        let next: Vec<String> = at.iter().cloned().chain([part.clone()]).collect();
        if !folder(&next) {
            break;
        }
        (at, rest) = (next, &rest[1..]);
    }
    let defining = rest.first().and_then(|name| definitions.get(name.as_str()));
    let inside = |file: &&&str| module(file).starts_with(&at);
    let by_name = defining.and_then(|files| files.iter().find(inside).or(files.first()).copied());
    let by_module = modules.get(&at).copied().filter(|file| !is_root(file));
    // A name that is handed on is that of the file which defines it.
    let own_name = by_module.filter(|file| defining.is_none_or(|files| files.contains(file)));
    own_name.or(by_name).or(by_module)
}

/// The files that a chain of imports leads to; the file itself only in a circle.
fn reachable<'a>(start: &str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = edges.get(start).into_iter().flatten().copied().collect();
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(edges.get(file).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        circles(
            &files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect(),
        )
    }

    #[test]
    fn a_circle_is_found_whichever_way_the_names_are_written() {
        let a = ("a.rs", "use crate::{wing::b::B, x};\npub struct A;\n");
        let lib = ("lib.rs", "mod a;\npub mod wing { pub mod b; pub use b::B; }\npub use a::A;\n");
        for b in [
            "use crate::a::A;\npub struct B;\n",
            "use crate::A;\npub struct B;\n",
            "use super::super::a;\npub struct B;\n",
            "pub struct B(crate::a::A);\n",
            "use crate::{\n    a::{self, A},\n};\npub struct B;\n",
        ] {
            assert_eq!(of(&[a, lib, ("wing/b.rs", b)]), [["a.rs", "wing/b.rs"]], "{b}");
        }
    }

    #[test]
    fn tests_comments_and_arrows_of_one_direction_are_no_circle() {
        let a = ("a.rs", "use crate::B;\npub struct A;\n");
        for b in [
            "pub struct B;\n",
            "// use crate::A;\npub struct B;\n",
            "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}\n",
            "pub struct B;\n#[cfg(test)]\nuse crate::A;\n",
            "use morphograd_tensor::A;\npub struct B;\n",
        ] {
            assert!(of(&[a, ("b.rs", b)]).is_empty(), "{b}");
        }
    }

    #[test]
    fn a_parent_and_its_child_are_files_too() {
        let parent = ("p.rs", "mod c;\nuse c::C;\npub struct P;\n");
        assert_eq!(of(&[parent, ("p/c.rs", "use super::P;\npub struct C;\n")]).len(), 1);
        assert!(of(&[parent, ("p/c.rs", "pub struct C;\n")]).is_empty());
    }
}
