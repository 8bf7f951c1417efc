//! The public interface of a crate as text, a line an item: what a reviewer reads when it changes.
//!
//! The one design choice: the source is read, not the compiler's output, so the text is the same
//! with every compiler. Items of a macro appear as the macro's call, and beside the
//! macro's name what of its definition is public.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Visibility};

/// Crates that are published, by folder.
pub const PUBLISHED: [&str; 10] =
    ["idx", "image", "tensor", "sets", "autodiff", "nn", "morphology", "plot", "testkit", "train"];

/// The file that holds the reviewed interface of a crate.
pub fn reviewed(root: &Path, folder: &str) -> PathBuf {
    root.join("crates").join(folder).join("api.txt")
}

/// The public items of a crate, sorted, a line each.
///
/// # Errors
/// If a file cannot be read, or is not Rust.
pub fn listing(root: &Path, folder: &str) -> io::Result<String> {
    let src = root.join("crates").join(folder).join("src");
    let mut lines = BTreeSet::new();
    file(&src.join("lib.rs"), &src, "", &mut lines)?;
    Ok(lines.into_iter().fold(String::new(), |text, line| text + &line + "\n"))
}

fn file(path: &Path, dir: &Path, module: &str, lines: &mut BTreeSet<String>) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let parsed = syn::parse_file(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    })?;
    items(&parsed.items, dir, module, lines)
}

fn items(items: &[Item], dir: &Path, module: &str, lines: &mut BTreeSet<String>) -> io::Result<()> {
    let mut add = |line: String| lines.insert(format!("{module}: {line}"));
    for item in items {
        match item {
            Item::Const(c) if is_public(&c.vis) => {
                let (name, ty) = (&c.ident, text(&c.ty));
                add(format!("const {name}: {ty}"));
            }
            Item::Fn(f) if is_public(&f.vis) => {
                add(text(&f.sig));
            }
            Item::Struct(s) if is_public(&s.vis) => {
                let (name, generics) = (&s.ident, text(&s.generics));
                add(format!("struct {name}{generics}"));
                fields(&s.fields, |field| add(format!("struct {name} {field}")));
            }
            Item::Enum(e) if is_public(&e.vis) => {
                let (name, generics) = (&e.ident, text(&e.generics));
                add(format!("enum {name}{generics}"));
                for variant in &e.variants {
                    let own = text(&variant.fields);
                    add(format!("enum {name} {} {own}", variant.ident).trim_end().to_owned());
                }
            }
            Item::Trait(t) if is_public(&t.vis) => {
                let (name, generics, bounds) = (&t.ident, text(&t.generics), text(&t.supertraits));
                add(format!("trait {name}{generics}: {bounds}"));
                for item in &t.items {
                    let signature = match item {
                        TraitItem::Fn(f) if f.default.is_some() => format!("{} {{}}", text(&f.sig)),
                        TraitItem::Fn(f) => text(&f.sig),
                        other => text(other),
                    };
                    add(format!("trait {name} {signature}"));
                }
            }
            Item::Type(t) if is_public(&t.vis) => {
                let (name, generics, ty) = (&t.ident, text(&t.generics), text(&t.ty));
                add(format!("type {name}{generics} = {ty}"));
            }
            Item::Use(u) if is_public(&u.vis) => {
                add(format!("use {}", text(&u.tree)));
            }
            Item::Impl(i) => {
                let (generics, of) = (text(&i.generics), text(&i.self_ty));
                if let Some((_, name, _)) = &i.trait_ {
                    add(format!("impl{generics} {} for {of}", text(name)));
                    continue;
                }
                for item in &i.items {
                    match item {
                        ImplItem::Fn(f) if is_public(&f.vis) => {
                            add(format!("impl{generics} {of} {}", text(&f.sig)));
                        }
                        ImplItem::Const(c) if is_public(&c.vis) => {
                            add(format!("impl {of} const {}: {}", c.ident, text(&c.ty)));
                        }
                        _ => (),
                    }
                }
            }
            // A call that makes items; the documentation within it is none of them.
            Item::Macro(m) if m.ident.is_none() => {
                let tokens = without_documentation(&text(&m.mac.tokens));
                add(format!("{}!({tokens})", text(&m.mac.path)));
            }
            Item::Macro(m) => {
                let name = m.ident.as_ref().expect("the others have none");
                let tokens = without_documentation(&text(&m.mac.tokens));
                public_parts(&tokens).for_each(|part| {
                    add(format!("macro {name}: {part}"));
                });
            }
            _ => (),
        }
    }
    for item in items {
        let Item::Mod(m) = item else { continue };
        if is_for_tests(&m.attrs) {
            continue;
        }
        let name = m.ident.to_string();
        let inner = if module.is_empty() { name.clone() } else { format!("{module}::{name}") };
        if is_public(&m.vis) {
            lines.insert(format!("{module}: mod {name}"));
        }
        match &m.content {
            Some((_, content)) => self::items(content, &dir.join(&name), &inner, lines)?,
            None => {
                let beside = dir.join(format!("{name}.rs"));
                let inside = dir.join(&name).join("mod.rs");
                let path = if beside.exists() { beside } else { inside };
                file(&path, &dir.join(&name), &inner, lines)?;
            }
        }
    }
    Ok(())
}

fn fields(fields: &Fields, mut add: impl FnMut(String) -> bool) {
    for (i, field) in fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
        let name = field.ident.as_ref().map_or_else(|| i.to_string(), ToString::to_string);
        add(format!("{name}: {}", text(&field.ty)));
    }
}

/// The heads of the public items and fields in the definition of a macro.
fn public_parts(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("pub ").filter(|(at, _)| text[..*at].ends_with(' ')).map(|(at, _)| {
        let (mut depth, mut before) = (0, ' ');
        let end = text[at..].find(|c| {
            match c {
                '(' | '<' | '[' => depth += 1,
                '>' if before == '-' => (),
                ')' | '>' | ']' => depth -= 1,
                _ => (),
            }
            before = c;
            depth == 0 && matches!(c, ',' | ';' | '{') || depth < 0
        });
        text[at..].split_at(end.unwrap_or(text.len() - at)).0.trim()
    })
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.to_token_stream().to_string().contains("test")
    })
}

/// Tokens as they are written, nearly.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" :", ":"),
        (" ;", ";"),
        (" . ", "."),
        ("' ", "'"),
        ("# ", "#"),
        ("[ ", "["),
        (" ]", "]"),
    ] {
        text = text.replace(from, to);
    }
    text
}

fn without_documentation(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find("#[doc =") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // The literal, whose quotes are escaped, and the bracket behind it.
        let mut inside = false;
        let end = rest.char_indices().zip(rest.chars().skip(1)).find_map(|((at, c), next)| {
            if next == '"' && c != '\\' {
                inside = !inside;
            }
            (c == ']' && !inside && at > "#[doc =".len()).then_some(at + 1)
        });
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_reviewed_interfaces_are_those_of_the_code() {
        for folder in PUBLISHED {
            let reviewed = fs::read_to_string(reviewed(&root(), folder)).unwrap_or_default();
            let listing = listing(&root(), folder).unwrap();
            let different: Vec<&str> = listing
                .lines()
                .filter(|line| !reviewed.lines().any(|known| known == *line))
                .chain(reviewed.lines().filter(|line| !listing.lines().any(|new| new == *line)))
                .collect();
            assert!(
                different.is_empty(),
                "crates/{folder}/api.txt: review these lines and run `cargo xtask book --api`:\n{}",
                different.join("\n")
            );
        }
    }

    #[test]
    fn what_is_public_is_listed_and_nothing_else() {
        let source = "
            /// A struct.
            pub struct S<T> { pub a: Vec<T>, b: u8 }
            struct Hidden;
            pub(crate) fn inner() {}
            pub fn f(x: &[f32]) -> Option<f32> { x.first().copied() }
            impl<T> S<T> { pub fn new() -> Self { todo() } fn own(&self) {} }
            impl Clone for S<u8> { fn clone(&self) -> Self { todo() } }
            pub mod inside { pub const N: usize = 3; }
            #[cfg(test)] mod tests { pub fn t() {} }
        ";
        let parsed = syn::parse_file(source).unwrap();
        let mut lines = BTreeSet::new();
        items(&parsed.items, Path::new(""), "", &mut lines).unwrap();
        let expected = [
            ": fn f(x: &[f32]) -> Option<f32>",
            ": impl Clone for S<u8>",
            ": impl<T> S<T> fn new() -> Self",
            ": mod inside",
            ": struct S a: Vec<T>",
            ": struct S<T>",
            "inside: const N: usize",
        ];
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), expected);
    }
}
