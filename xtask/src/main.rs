//! The project's chores, on the standard library only, so that `cargo xtask` compiles in a second.
//! It finds the repository, and hands over to cargo or to the release build of the `morphograd`
//! command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to a person")]

mod fuzz;
mod mpi;
mod python;
mod sanitize;
mod tidy;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
The chores of morphograd.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  train   Trains the tutorial's network and shows the result (cargo xtask train --help)
  sweep   Trains with all combinations of lists of settings (cargo xtask sweep --help)
  compare Shows runs of earlier trainings side by side (cargo xtask compare --help)
  report  Writes the results of a training again (cargo xtask report --help)
  apply   Applies morphological operators to image files (cargo xtask apply --help)
  data    Fetches, checks or regenerates data sets (cargo xtask data --help)
  model   Checks a model file, or lists what one can name (cargo xtask model --help)
  predict Says of image files what a trained network makes of them (cargo xtask predict --help)
  evaluate Measures a trained network on data (cargo xtask evaluate --help)
  bench   Measures kernels, training and prediction (cargo xtask bench --help)
  book    Builds the book, checks it, or draws its figures (cargo xtask book --help)
  test    Runs every test of the workspace, examples in the documentation included; with
          --level avx2 or --level baseline first, kernels choose no wider vectors
  fuzz    Gives the parsers bytes that nobody vouches for (cargo xtask fuzz --help)
  sanitize Runs the kernels' tests under a tool for memory or threads (cargo xtask sanitize --help)
  mpi     Checks trainings on several processes (cargo xtask mpi --help)
  python  Builds the Python package and runs its tests (cargo xtask python --help)
  tidy    Checks what the compiler does not: dependency arrows, file headers, stray words
  help    Prints this";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<_> = arguments.collect();
    let root = root();
    match command.to_str() {
        Some("data") if rest.first().is_some_and(|first| first == "generate") => {
            let mut cargo = cargo();
            cargo.args(["run", "--release", "--quiet", "--package", "morphograd"]);
            cargo.args(["--example", "draw_digits", "--"]).args(&rest[1..]);
            hand_over(cargo)
        }
        Some("train") => match mpi::processes(&rest) {
            None => release(&root, "morphograd", Some(&command), rest),
            Some((Ok(n), rest)) => mpi::train(&root, n, &rest),
            Some((Err(error), _)) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        Some(
            "sweep" | "compare" | "report" | "apply" | "data" | "model" | "predict" | "evaluate",
        ) => release(&root, "morphograd", Some(&command), rest),
        Some("bench") => release(&root, "morphograd-bench", None, rest),
        Some("book") => release(&root, "morphograd-book", None, rest),
        Some("test") => test(&root, &rest),
        Some("fuzz") => fuzz::main(&root, &rest),
        Some("sanitize") => sanitize::main(&root, &rest),
        Some("mpi") => mpi::main(&root, &rest),
        Some("python") => python::main(&root, &rest),
        Some("tidy") => tidy::main(&root),
        Some("" | "help" | "--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("error: unknown command `{}`\n\n{HELP}", command.display());
            ExitCode::FAILURE
        }
    }
}

/// Every test, at the widest vectors of this machine or at a level. A level is built into a folder
/// of its own: it is a `cfg`, for libraries read no environment.
fn test(root: &Path, rest: &[OsString]) -> ExitCode {
    let mut cargo = cargo();
    cargo.args(["test", "--workspace"]);
    let rest = match rest {
        [option, level, rest @ ..] if option == "--level" => {
            if level != "avx2" && level != "baseline" {
                let found = level.display();
                eprintln!("error: --level: expected avx2 or baseline, found `{found}`");
                return ExitCode::FAILURE;
            }
            let level = level.to_string_lossy();
            cargo.env("RUSTFLAGS", format!("--cfg morphograd_level=\"{level}\""));
            cargo.arg("--target-dir").arg(target_folder(root).join("level").join(&*level));
            rest
        }
        rest => rest,
    };
    hand_over({
        cargo.args(rest);
        cargo
    })
}

/// The release build of a program of ours, with its subcommand if it has one.
fn release(
    root: &Path,
    package: &str,
    command: Option<&OsString>,
    arguments: Vec<OsString>,
) -> ExitCode {
    let mut cargo = cargo();
    cargo.args(["run", "--release", "--quiet", "--package", package, "--"]);
    cargo.args(command).args(arguments).env("MORPHOGRAD_ROOT", root);
    if !root.join("target/release").join(package).exists() {
        eprintln!("compiling {package}, once ...");
    }
    hand_over(cargo)
}

/// The repository: the folder above this crate.
fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The folder that cargo builds into.
fn target_folder(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

/// Cargo on this workspace, from whichever folder the user stands in.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` set for this program is not meant for the next.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The compiler's name for this machine.
fn host() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(&rustc).arg("-vV").output();
    let told = told.map_err(|error| format!("expected rustc, found {error}"))?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("expected the host of rustc, found {text:?}"))
}

/// Becomes the other program where the system can do that, so that Ctrl-C and the exit code are the
/// other program's.
fn hand_over(mut command: Command) -> ExitCode {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let error = command.exec();
        eprintln!("error: cannot start {}: {error}", command.get_program().display());
        ExitCode::FAILURE
    }
    #[cfg(not(unix))]
    match command.status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", command.get_program().display());
            ExitCode::FAILURE
        }
    }
}
