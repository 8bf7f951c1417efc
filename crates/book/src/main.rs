//! The `morphograd-book` command, which `cargo xtask book` starts: builds the book, checks it, or
//! computes its figures.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to a person")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use morphograd::data::{DataSource, Search};
use morphograd_book::api;
use morphograd_book::book::Book;
use morphograd_book::figures;

/// Builds the book in docs/ as HTML, without a network
#[derive(Debug, Parser)]
#[command(name = "cargo xtask book", bin_name = "cargo xtask book", version)]
struct Arguments {
    /// Check links, spelling, formulas and the table of contents instead
    #[arg(long, conflicts_with_all = ["figures", "out"])]
    check: bool,
    /// Compute the book's figures instead, into docs/images
    #[arg(long, conflicts_with = "out")]
    figures: bool,
    /// Write the public interface of each crate instead, into its api.txt, to be reviewed
    #[arg(long, conflicts_with_all = ["check", "figures", "out"])]
    api: bool,
    /// Where the book goes, a folder in the repository
    #[arg(long, value_name = "DIR", default_value = "target/book")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let root = env::var_os("MORPHOGRAD_ROOT").map_or_else(|| PathBuf::from("."), PathBuf::from);
    if arguments.api {
        for folder in api::PUBLISHED {
            fs::write(api::reviewed(&root, folder), api::listing(&root, folder)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.figures {
        return draw(&root).map(|()| ExitCode::SUCCESS);
    }
    let book = Book::read(&root)?;
    if arguments.check {
        let problems = book.check();
        problems.iter().for_each(|problem| eprintln!("book: {problem}"));
        if !problems.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
        println!("book: {} pages in order", book.pages().count());
        return Ok(ExitCode::SUCCESS);
    }
    let pages = book.write(&arguments.out)?;
    println!(
        "{} pages; open {}",
        pages.len(),
        root.join(&arguments.out).join("index.html").display()
    );
    Ok(ExitCode::SUCCESS)
}

fn draw(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut all = figures::computed();
    eprintln!("training, about a minute ...");
    all.extend(figures::trained(&root.join("target"))?);
    let named = env::var_os("MORPHOGRAD_DATA").map(PathBuf::from);
    let datasets = root.join("datasets");
    let search = Search { option: None, environment: named.as_deref(), datasets: &datasets };
    let mnist = DataSource::find(&search)?.load()?;
    if mnist.name == "mnist" {
        eprintln!("training on MNIST, about four minutes ...");
        all.push(figures::enforced(mnist, &root.join("target"))?);
    } else {
        eprintln!("enforcement.svg stays as it is, for it shows MNIST: {}", mnist.note);
    }
    for (name, figure) in all {
        let path = root.join("docs/images").join(name);
        fs::write(&path, figure).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
