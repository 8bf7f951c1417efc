//! What the compiler does not check: the arrows between the crates, headers, sizes, stray words,
//! and that the documents agree with one another. Reads files, changes nothing.

mod imports;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The only dependencies between our crates that are allowed; ARCHITECTURE.md gives the reasons.
const ARROWS: &[(&str, &[&str])] = &[
    ("idx", &[]),
    ("image", &["tensor"]),
    ("plot", &[]),
    ("tensor", &[]),
    ("sets", &["tensor"]),
    ("autodiff", &["sets", "tensor"]),
    ("nn", &["autodiff"]),
    ("morphology", &["nn"]),
    ("train", &["idx", "image", "morphology", "plot"]),
    ("testkit", &["autodiff"]),
    ("bench", &["train", "plot"]),
    ("book", &["train", "idx", "image", "plot"]),
];

/// Folders of packages that are workspaces of their own, and may take what others need: that for
/// MPI, which stands on train, and that for Python, on morphology.
const OUTSIDE: &[&str] = &["mpi", "python"];

/// Files that may contain `unsafe`: the GEMM call, the dispatch of vector instructions, and these
/// instructions.
const UNSAFE: &[&str] = &[
    "crates/tensor/src/real.rs",
    "crates/tensor/src/gemm.rs",
    "crates/tensor/src/level.rs",
    "crates/tensor/src/simd.rs",
    "crates/tensor/src/vector.rs",
];

/// More than this is more than one concept.
const LARGEST_FILE: u64 = 28 * 1024;

/// Two files side by side hold lines of this length. Formulas and tables in comments may be longer.
const LONGEST_LINE: usize = 100;

/// Runs every check and prints what is wrong.
pub(crate) fn main(root: &Path) -> ExitCode {
    let problems = check(root);
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if problems.is_empty() {
        println!("tidy: everything in order");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    arrows(root, &mut problems);
    for folder in ["crates", "xtask", "docs"] {
        for path in files(&root.join(folder)) {
            file(root, &path, &mut problems);
        }
    }
    imports(root, &mut problems);
    documents(root, &mut problems);
    problems
}

/// No file of a crate imports another that leads back to it.
fn imports(root: &Path, problems: &mut Vec<String>) {
    for (folder, _) in ARROWS {
        let src = root.join("crates").join(folder).join("src");
        let sources: BTreeMap<String, String> = files(&src)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "rs"))
            .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
            .map(|path| {
                let name = path.strip_prefix(&src).unwrap_or(&path).to_string_lossy();
                (name.replace('\\', "/"), fs::read_to_string(&path).unwrap_or_default())
            })
            .collect();
        for circle in imports::circles(&sources) {
            let files = circle.join(", ");
            problems.push(format!("crates/{folder}/src: files that import one another: {files}"));
        }
    }
}

/// Every crate is in the list, and depends on nothing else of ours; `testkit` is for tests only.
fn arrows(root: &Path, problems: &mut Vec<String>) {
    let mut folders: Vec<String> = fs::read_dir(root.join("crates"))
        .map(|entries| {
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    folders.sort();
    for folder in folders {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
            if !OUTSIDE.contains(&&folder[..]) {
                problems.push(format!(
                    "crates/{folder}: a crate without its arrows in xtask/src/tidy.rs"
                ));
            }
            continue;
        };
        let manifest = root.join("crates").join(&folder).join("Cargo.toml");
        for (section, dependency) in
            dependencies(&fs::read_to_string(&manifest).unwrap_or_default())
        {
            let target = if dependency == "morphograd" { "train" } else { &dependency };
            let ours = target == "train" || target.starts_with("morphograd-");
            let target = target.strip_prefix("morphograd-").unwrap_or(target);
            if !ours {
                continue;
            }
            let for_tests = section == "dev-dependencies" && target == "testkit";
            if !for_tests && !allowed.contains(&target) {
                problems.push(format!(
                    "crates/{folder}: [{section}] {dependency} is not an arrow of the design"
                ));
            }
        }
    }
    let own = fs::read_to_string(root.join("xtask/Cargo.toml")).unwrap_or_default();
    for (section, dependency) in dependencies(&own) {
        problems.push(format!(
            "xtask: [{section}] {dependency}: xtask stands on the standard library only"
        ));
    }
}

/// The (section, name) of every dependency in a manifest, as far as our manifests' plain style
/// goes.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            found.push((section.clone(), name.trim().to_owned()));
        }
    }
    found
}

fn file(root: &Path, path: &Path, problems: &mut Vec<String>) {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !matches!(extension, "rs" | "md" | "toml" | "py") {
        return;
    }
    let Ok(text) = fs::read_to_string(path) else {
        problems.push(format!("{name}: not UTF-8 text"));
        return;
    };
    if extension == "rs" {
        if !text.starts_with("//!") && !text.starts_with("#![doc") {
            problems.push(format!(
                "{name}: expected a first line `//! ...` that says what the file is"
            ));
        }
        if text.len() as u64 > LARGEST_FILE {
            problems.push(format!(
                "{name}: {} bytes, expected at most {LARGEST_FILE}: one concept a file",
                text.len()
            ));
        }
        let is_tidy = name == "xtask/src/tidy.rs";
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{name}:{}", number + 1);
            if !is_tidy
                && ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("]
                    .iter()
                    .any(|w| line.contains(w))
            {
                problems.push(format!("{}: left to do: {}", place(), line.trim()));
            }
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe =
                ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word));
            if !is_tidy
                && is_unsafe
                && !UNSAFE.contains(&name.as_str())
                && !name.contains("/tests/")
            {
                problems.push(format!("{}: unsafe outside {}", place(), UNSAFE.join(", ")));
            }
        }
    }
    for (number, line) in text.lines().enumerate() {
        let comment =
            line.trim_start().strip_prefix("//").map(|c| c.trim_start_matches(['/', '!']));
        let may_be_long =
            comment.is_some_and(|c| c.contains("$$") || c.trim_start().starts_with('|'));
        let is_code = matches!(extension, "rs" | "py");
        if is_code && line.chars().count() > LONGEST_LINE && !may_be_long {
            let place = format!("{name}:{}", number + 1);
            problems.push(format!("{place}: a line of more than {LONGEST_LINE} characters"));
        }
        if line.ends_with([' ', '\t']) {
            problems.push(format!("{name}:{}: white space at the end of the line", number + 1));
        }
    }
}

/// The documents that a reader relies on are there and agree.
fn documents(root: &Path, problems: &mut Vec<String>) {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        ".ci/run",
    ] {
        if read(name).is_empty() {
            problems.push(format!("{name}: expected at the top of the repository, found nothing"));
        }
    }
    let readme = read("README.md");
    for command in ["cargo xtask train", "cargo xtask test"] {
        if !readme.contains(command) {
            problems.push(format!("README.md: does not say `{command}`"));
        }
    }
    if !read(".ci/run").contains("cargo xtask test") {
        problems.push(
            ".ci/run: does not run the README's own test command `cargo xtask test`".to_owned(),
        );
    }
    for (folder, _) in ARROWS {
        let text = read(&format!("crates/{folder}/README.md"));
        if !text.contains("```rust") {
            problems
                .push(format!("crates/{folder}/README.md: expected an example in a ```rust block"));
        }
        if !read(&format!("crates/{folder}/src/lib.rs")).contains("include_str!(\"../README.md\")")
        {
            problems.push(format!(
                "crates/{folder}/src/lib.rs: does not include its README, so the example is not \
                 compiled"
            ));
        }
        if !readme.contains(&format!("crates/{folder}")) {
            problems.push(format!("README.md: does not say what crates/{folder} is for"));
        }
        if !read("ARCHITECTURE.md").contains(&format!("crates/{folder}")) {
            problems.push(format!("ARCHITECTURE.md: does not mention crates/{folder}"));
        }
    }
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> =
        fs::read_dir(folder).map(|e| e.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_symlink() || path.file_name().is_some_and(|name| name == "target") {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(check(root), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_arrow_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nmorphograd-nn.workspace = \
            true\nrayon = \"1\"\n[lints]\nworkspace = true\n";
        let expected = [("dependencies", "morphograd-nn"), ("dependencies", "rayon")];
        assert_eq!(dependencies(manifest), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));

        let root = std::env::temp_dir().join(format!("tidy-{}", std::process::id()));
        fs::create_dir_all(root.join("crates/tensor")).unwrap();
        fs::write(root.join("crates/tensor/Cargo.toml"), manifest).unwrap();
        let mut problems = Vec::new();
        arrows(&root, &mut problems);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            problems,
            ["crates/tensor: [dependencies] morphograd-nn is not an arrow of the design"]
        );
    }
}
