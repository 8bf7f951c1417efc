//! Links: where one leads, and whether there is something. Files and anchors are looked up; an
//! address in the network is only read, because the check runs without one.

use std::path::{Component, Path, PathBuf};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// Into the network.
    External(&'a str),
    /// A place on the same page.
    Anchor(&'a str),
    /// A file of the repository, with a place in it or an empty text.
    File(PathBuf, &'a str),
}

/// Reads the target of a link on `page` (both paths are relative to the repository).
///
/// ```
/// use morphograd_book::link::{target, Target};
/// let found = target("docs/tutorial/first.md".as_ref(), "../../README.md#data");
/// assert_eq!(found, Target::File("README.md".into(), "data"));
/// ```
pub fn target<'a>(page: &Path, link: &'a str) -> Target<'a> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Target::External(link);
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return Target::Anchor(anchor);
    }
    let folder = page.parent().unwrap_or(Path::new(""));
    Target::File(normal(&folder.join(file)), anchor)
}

/// Whether an address is well-formed: `https`, a host, and nothing that would have to be escaped.
pub fn is_well_formed(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let known = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    host.contains('.')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
        && rest.chars().all(known)
}

/// `path` without `.` and `..`, as far as it stays within its first folder.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => (),
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The way from a file to another, both relative to one folder.
///
/// ```
/// use morphograd_book::link::relative;
/// assert_eq!(relative("a/b/c.html".as_ref(), "a/d.svg".as_ref()), "../d.svg");
/// ```
pub fn relative(from: &Path, to: &Path) -> String {
    let from: Vec<_> =
        from.parent().map(|folder| folder.components().collect()).unwrap_or_default();
    let to: Vec<_> = to.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down =
        to[shared..].iter().map(|component| component.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert!(is_well_formed("https://doi.org/10.1007/978-1-4419-8853-9"));
        for wrong in [
            "http://example.org",
            "https://",
            "https://local/x",
            "https://a.org/b c",
            "ftp://a.org",
        ] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }

    #[test]
    fn anchors_and_files_are_told_apart() {
        let page = Path::new("docs/a.md");
        assert_eq!(target(page, "#here"), Target::Anchor("here"));
        assert_eq!(target(page, "./b/c.md"), Target::File("docs/b/c.md".into(), ""));
        assert_eq!(target(page, "https://a.org#b"), Target::External("https://a.org#b"));
        assert_eq!(target(page, "../../outside"), Target::File("../outside".into(), ""));
    }
}
