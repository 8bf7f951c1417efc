//! The Python package: builds its wheel, installs it into a virtual environment below `target`,
//! and runs its tests.
//!
//! The one design choice: everything but Rust and Python comes from pip into that environment,
//! maturin too, so a fresh machine needs nothing else and nothing of the user's is touched.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
Builds the Python package, installs it into target/python and runs its tests.

Usage: cargo xtask python [--frameworks] [-- PYTEST-OPTIONS]

Options:
  --frameworks  Also installs scikit-image, PyTorch, Keras, TensorFlow, JAX, morphocore and
                kornia (3 GB or more) and runs the tests with them

Needs Python 3.11 or newer as `python3`, or as what the environment variable PYTHON names.";

/// Runs the command.
pub(crate) fn main(root: &Path, arguments: &[OsString]) -> ExitCode {
    let (mut frameworks, mut pytest) = (false, &[][..]);
    for (n, argument) in arguments.iter().enumerate() {
        match argument.to_str() {
            Some("--frameworks") => frameworks = true,
            Some("--") => {
                pytest = &arguments[n + 1..];
                break;
            }
            Some("--help" | "-h") => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("error: unknown argument `{}`\n\n{HELP}", argument.display());
                return ExitCode::FAILURE;
            }
        }
    }
    match run(root, frameworks, pytest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, frameworks: bool, pytest: &[OsString]) -> Result<(), String> {
    let package = root.join("crates/python");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = root.join(target); // which may be relative
    let (venv, wheels) = (target.join("python/venv"), target.join("python/wheels"));
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    let python = venv.join(folder).join("python");
    if !python.with_extension(env::consts::EXE_EXTENSION).exists() {
        let system = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        call("make a virtual environment", Command::new(&system).args(["-m", "venv"]).arg(&venv))?;
    }
    let pip = |what: &str, arguments: &[&str]| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "--disable-pip-version-check"]);
        call(what, pip.args(arguments).current_dir(&package))
    };
    pip("install the tests' packages", &["install", "--quiet", "-r", "tests/requirements.txt"])?;
    if frameworks {
        let list = "tests/requirements-frameworks.txt";
        pip("install the frameworks", &["install", "--quiet", "-r", list])?;
        let list = "tests/requirements-peers.txt";
        pip("install the peers", &["install", "--quiet", "--no-deps", "-r", list])?;
    }
    // What was built before may have another name, and one wheel is to be found.
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    }
    let to = wheels.to_string_lossy();
    let mut build = Command::new(&python);
    build.args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", &to, "."]);
    build.args(["--disable-pip-version-check"]);
    // maturin's own build stays where the next call finds it.
    build.current_dir(&package).env("CARGO_TARGET_DIR", target.join("python/build"));
    call("build the wheel", &mut build)?;
    let wheel = fs::read_dir(&wheels)
        .ok()
        .and_then(|entries| entries.flatten().map(|entry| entry.path()).next())
        .ok_or_else(|| format!("{}: expected a wheel, found none", wheels.display()))?;
    let path = wheel.to_string_lossy();
    pip("install the wheel", &["install", "--quiet", "--force-reinstall", "--no-deps", &path])?;
    println!("{}", wheel.display());
    let mut tests = Command::new(&python);
    // From the folder of the tests, so that the installed package is imported, not the sources.
    tests.args(["-m", "pytest", "-rs", "-p", "no:cacheprovider"]).args(pytest);
    call("pass the tests", tests.current_dir(package.join("tests")))
}

/// Runs a program and waits for it.
fn call(what: &str, command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("expected to {what}, found {program} ended with {status}")),
        Err(error) => Err(format!("expected to {what}, found {program} does not start: {error}")),
    }
}
