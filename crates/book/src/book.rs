//! The book as a whole: its pages read, checked and written. What is checked is the pages' source,
//! so that a mistake is found at the page it stands on, whether or not the book is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::html::{self, Context, DOCS, STYLE, html_name};
use crate::link::{Target, is_well_formed, target};
use crate::page;
use crate::spelling::{mistakes, word_list};
use crate::summary::{self, Line};

/// The book, and the documents beside it that are checked with it. Paths are relative to the
/// repository.
#[derive(Debug)]
pub struct Book {
    root: PathBuf,
    summary: Vec<Line>,
    /// Pages of the book and other documents, by path.
    documents: BTreeMap<PathBuf, String>,
    allowed: BTreeSet<String>,
}

/// Why there is no book.
#[derive(Debug, Error)]
pub enum BookError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Pages that are wrong, each line with the page it stands on.
    #[error("{}", .0.join("\n"))]
    Pages(Vec<String>),
}

/// Documents outside of `docs` that are checked too.
const BESIDE: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "datasets/README.md"];

impl Book {
    /// Reads the book of the repository at `root`.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(root: &Path) -> Result<Self, BookError> {
        let read = |path: &Path| {
            fs::read_to_string(root.join(path))
                .map_err(|source| BookError::File { path: path.to_owned(), source })
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in files(&root.join(DOCS))
            .map_err(|source| BookError::File { path: DOCS.into(), source })?
        {
            if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path.strip_prefix(root).unwrap_or(&path).to_owned());
            }
        }
        paths.extend(BESIDE.iter().map(PathBuf::from).filter(|path| root.join(path).exists()));
        let crates = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
        paths.extend(
            crates.map(|entry| Path::new("crates").join(entry.file_name()).join("README.md")),
        );
        let mut documents = BTreeMap::new();
        for path in paths {
            let text = read(&path)?;
            documents.insert(path, text);
        }
        let summary = summary::lines(&read(&Path::new(DOCS).join("SUMMARY.md"))?);
        let words = Path::new(DOCS).join("words.txt");
        let allowed =
            if root.join(&words).exists() { word_list(&read(&words)?) } else { BTreeSet::new() };
        Ok(Self { root: root.to_owned(), summary, documents, allowed })
    }

    /// Everything that is wrong: links to nothing, misspelt words, formulas that are none, pages
    /// without a line in the summary, and figures that no page shows. One line each, with the page.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (path, text) in &self.documents {
            let mut report =
                |problem: String| problems.push(format!("{}: {problem}", path.display()));
            let is_summary = path.ends_with("SUMMARY.md"); // whose links are looked at below
            for link in page::targets(text).into_iter().filter(|_| !is_summary) {
                if let Some(problem) = self.link_problem(path, &link) {
                    report(format!("link `{link}`: {problem}"));
                }
            }
            for (formula, display) in page::formulas(text) {
                if let Err(error) = crate::formula::mathml(&formula, display) {
                    report(format!("formula `{}`: {error}", formula.trim()));
                }
            }
            mistakes(&page::prose(text), &self.allowed).into_iter().for_each(&mut report);
        }
        problems.extend(self.summary_problems());
        problems
    }

    /// Writes the book into the folder `out` of the repository and returns the paths of its pages.
    /// What was there of an older book and is not written again stays.
    ///
    /// # Errors
    /// All formulas that are wrong, or the first file that cannot be written.
    pub fn write(&self, out: &Path) -> Result<Vec<PathBuf>, BookError> {
        let context = Context { summary: &self.summary, out };
        let mut wrong = Vec::new();
        let mut pages = Vec::new();
        for path in summary::paths(&self.summary) {
            let source = Path::new(DOCS).join(path);
            let Some(text) = self.documents.get(&source) else {
                wrong.push(format!("SUMMARY.md: expected the page {path}, found no such file"));
                continue;
            };
            match html::page(&context, path, text) {
                Ok(page) => pages.push((out.join(html_name(path)), page)),
                Err(errors) => {
                    wrong.extend(
                        errors.into_iter().map(|error| format!("{}: {error}", source.display())),
                    );
                }
            }
        }
        if !wrong.is_empty() {
            return Err(BookError::Pages(wrong));
        }
        for (path, text) in &pages {
            self.put(path, text.as_bytes())?;
        }
        self.put(&out.join("book.css"), STYLE.as_bytes())?;
        let images = self.root.join(DOCS).join("images");
        for path in
            files(&images).map_err(|source| BookError::File { path: images.clone(), source })?
        {
            let bytes =
                fs::read(&path).map_err(|source| BookError::File { path: path.clone(), source })?;
            let name = path.strip_prefix(self.root.join(DOCS)).unwrap_or(&path);
            self.put(&out.join(name), &bytes)?;
        }
        Ok(pages.into_iter().map(|(path, _)| path).collect())
    }

    /// The pages in the order of the summary, with their text.
    pub fn pages(&self) -> impl Iterator<Item = (&str, &str)> {
        summary::paths(&self.summary)
            .filter_map(|path| Some((path, &self.documents.get(&Path::new(DOCS).join(path))?[..])))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), BookError> {
        let file = self.root.join(path);
        let folder = file.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, bytes))
            .map_err(|source| BookError::File { path: path.to_owned(), source })
    }

    fn link_problem(&self, page: &Path, link: &str) -> Option<String> {
        let has =
            |text: &str, anchor: &str| page::headings(text).iter().any(|h| h.anchor == anchor);
        match target(page, link) {
            Target::External(address)
                if address.starts_with("mailto:") || is_well_formed(address) =>
            {
                None
            }
            Target::External(_) => {
                Some("expected an address that begins with https:// and a host".to_owned())
            }
            Target::Anchor(anchor) if has(&self.documents[page], anchor) => None,
            Target::Anchor(_) => Some("expected a heading of this page, found none".to_owned()),
            Target::File(file, _) if !self.root.join(&file).exists() => {
                Some(format!("expected the file {}, found none", file.display()))
            }
            Target::File(file, anchor) if !anchor.is_empty() => match self.documents.get(&file) {
                Some(text) if has(text, anchor) => None,
                _ => Some(format!("expected a heading of {}, found none", file.display())),
            },
            Target::File(..) => None,
        }
    }

    fn summary_problems(&self) -> Vec<String> {
        let listed: Vec<&str> = summary::paths(&self.summary).collect();
        let mut problems = Vec::new();
        for (i, path) in listed.iter().enumerate() {
            if !self.documents.contains_key(&Path::new(DOCS).join(path)) {
                problems
                    .push(format!("docs/SUMMARY.md: expected the page {path}, found no such file"));
            }
            if listed[..i].contains(path) {
                problems.push(format!("docs/SUMMARY.md: {path} is there twice"));
            }
        }
        for path in self.documents.keys() {
            let Some(name) = path.strip_prefix(DOCS).ok().and_then(Path::to_str) else { continue };
            if name != "SUMMARY.md" && !listed.contains(&name) {
                problems.push(format!("{}: not in docs/SUMMARY.md", path.display()));
            }
        }
        let shown: BTreeSet<PathBuf> = self
            .documents
            .iter()
            .flat_map(|(path, text)| page::targets(text).into_iter().map(move |link| (path, link)))
            .filter_map(|(path, link)| match target(path, &link) {
                Target::File(file, _) => Some(file),
                _ => None,
            })
            .collect();
        for path in files(&self.root.join(DOCS).join("images")).unwrap_or_default() {
            let name = path.strip_prefix(&self.root).unwrap_or(&path);
            if !shown.contains(name) {
                problems.push(format!("{}: shown on no page", name.display()));
            }
        }
        problems
    }
}

/// All files below a folder, in order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
    }

    #[test]
    fn the_book_is_in_order() {
        assert_eq!(Book::read(root()).unwrap().check(), Vec::<String>::new());
    }

    #[test]
    fn the_book_loads_nothing_from_a_network_and_runs_no_script() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::read(root()).unwrap();
        let book = Book { root: folder.path().to_owned(), ..book };
        fs::create_dir_all(folder.path().join("docs/images")).unwrap();
        let pages = book.write(Path::new("target/book")).unwrap();
        assert!(pages.len() > 5);
        for path in pages {
            let html = fs::read_to_string(folder.path().join(&path)).unwrap();
            assert!(!html.contains("<script"), "{}", path.display());
            for attribute in ["src=\"", "<link rel=\"stylesheet\" href=\"", "url("] {
                for rest in html.split(attribute).skip(1) {
                    let address = rest.split(['"', ')']).next().unwrap();
                    assert!(!address.contains("//"), "{}: {address}", path.display());
                }
            }
            assert!(
                !html.contains('$') || html.contains("<code>"),
                "{}: a formula was left",
                path.display()
            );
        }
        assert!(!STYLE.contains("http") && !STYLE.contains("@import") && !STYLE.contains("url("));
    }

    #[test]
    fn every_example_is_compiled() {
        let included = include_str!("pages.rs");
        for (path, text) in Book::read(root()).unwrap().pages() {
            let is_included = included.contains(&format!("../../../docs/{path}\""));
            assert_eq!(
                page::has_rust(text),
                is_included,
                "docs/{path}: expected in crates/book/src/pages.rs where there is Rust, and only \
                 there"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_page() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("docs/SUMMARY.md", "# Summary\n\n- [A](a.md)\n- [Gone](gone.md)\n");
        put(
            "docs/a.md",
            "# A title\n\n[a](#a-title), [a](#no), [a](b.md#b), [a](b.md#no), [a](none.md), \
             [a](http://a.org), teh $x_$\n",
        );
        put("docs/b.md", "# B\n");
        put("docs/images/unused.svg", "<svg/>");
        let problems = Book::read(folder.path()).unwrap().check();
        let expected = [
            "docs/a.md: link `#no`: expected a heading of this page, found none",
            "docs/a.md: link `b.md#no`: expected a heading of docs/b.md, found none",
            "docs/a.md: link `none.md`: expected the file docs/none.md, found none",
            "docs/a.md: link `http://a.org`: expected an address that begins with https:// and a \
             host",
            "docs/a.md: formula `x_`: expected a token",
            "docs/a.md: `teh`: expected `the`",
            "docs/SUMMARY.md: expected the page gone.md, found no such file",
            "docs/b.md: not in docs/SUMMARY.md",
            "docs/images/unused.svg: shown on no page",
        ];
        let mut found = problems;
        found.sort();
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(found, expected);
    }
}
