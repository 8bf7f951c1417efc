//! Tools that watch memory and threads, over the tests of the crates that have kernels.
//!
//! The one design choice: no nightly compiler. The runtimes of the sanitizers come with the stable
//! one, which takes their flag where `RUSTC_BOOTSTRAP` is set.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::{cargo, host, target_folder};

const HELP: &str = "\
Runs the tests of tensor, autodiff, sets, nn and morphology under a tool.

Usage: cargo xtask sanitize <TOOL> [-- OPTIONS OF CARGO TEST]

Tools:
  address   AddressSanitizer and LeakSanitizer: memory out of bounds, after its end, or lost
  thread    ThreadSanitizer: data races. The standard library is not instrumented unless rust-src
            is there, so races are told only where the topmost function is none of the standard
            library, rayon or crossbeam
  memcheck  Valgrind, with kernels at AVX2, for it has no AVX-512: memory out of bounds or not
            initialized, in the libraries' code too
  miri      Miri, of a nightly compiler: all of Rust's rules, on kernels without intrinsics, slowly

Address and thread need x86-64 or aarch64 with Linux or macOS; memcheck needs Valgrind.";

/// The crates with kernels, and those that run them on threads.
const PACKAGES: [&str; 5] = ["tensor", "autodiff", "sets", "nn", "morphology"];

/// Without rust-src the standard library's own locks are seen as races.
const SUPPRESSIONS: &str = "race_top:std::\nrace_top:core::\nrace_top:alloc::\n\
    race_top:rayon_core\nrace_top:rayon::\nrace_top:crossbeam\nrace_top:test::\n\
    race_top:__rust\nrace_top:_rdl_\nrace_top:memcpy\nrace_top:free\n";

/// Tests that a fault of Valgrind fails: its `vcmpneq` of AVX2 takes NaN as equal to itself.
const NAN_IN_VALGRIND: &str = "the_values_are_those_of_the_general_computation";

/// Runs the command.
pub(crate) fn main(root: &Path, arguments: &[OsString]) -> ExitCode {
    let (tool, rest) = match arguments {
        [] => ("", &[][..]),
        [tool, rest @ ..] => (tool.to_str().unwrap_or_default(), rest),
    };
    let rest = match rest {
        [first, rest @ ..] if first == "--" => rest,
        [] => &[],
        [other, ..] => {
            eprintln!(
                "error: expected `--` and options of cargo test, found `{}`",
                other.display()
            );
            return ExitCode::FAILURE;
        }
    };
    let status = match tool {
        "address" => address(root, rest),
        "thread" => thread(root, rest),
        "memcheck" => memcheck(root, rest),
        "miri" => miri(root, rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => Err(format!("expected a tool, found `{other}`\n\n{HELP}")),
    };
    match status {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn address(root: &Path, rest: &[OsString]) -> Result<bool, String> {
    let mut cargo = sanitized(root, "address", &host()?, "")?;
    cargo.args(rest);
    finish(cargo)
}

fn thread(root: &Path, rest: &[OsString]) -> Result<bool, String> {
    let (host, folder) = (host()?, target_folder(root).join("sanitize"));
    let list = folder.join("thread.supp");
    let whole = has_source()?;
    let text = if whole { "" } else { SUPPRESSIONS };
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&list, text));
    written.map_err(|error| format!("{}: {error}", list.display()))?;
    let mut cargo = sanitized(root, "thread", &host, "-Cunsafe-allow-abi-mismatch=sanitizer")?;
    if whole {
        cargo.arg("-Zbuild-std");
    } else {
        eprintln!(
            "the standard library is not instrumented (rustup component add rust-src): races \
             whose topmost function is of it, of rayon or of crossbeam are not told"
        );
    }
    cargo.env("TSAN_OPTIONS", format!("suppressions={} halt_on_error=0", list.display()));
    cargo.args(rest);
    finish(cargo)
}

/// The tests with a sanitizer. They are built for a named target, so that build scripts and macros
/// are left as they are, into a folder of their own, so that no other build is thrown away.
fn sanitized(root: &Path, name: &str, host: &str, more: &str) -> Result<Command, String> {
    let supported = ["x86_64-unknown-linux", "aarch64-unknown-linux", "-apple-darwin"];
    if !supported.iter().any(|part| host.contains(part)) {
        return Err(format!("expected Linux or macOS on x86-64 or aarch64, found {host}"));
    }
    let mut cargo = tests(root, name, host);
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTFLAGS", format!("-Zsanitizer={name} {more}").trim());
    Ok(cargo)
}

/// `cargo test` of the packages, for a target, in the folder of a tool.
fn tests(root: &Path, name: &str, host: &str) -> Command {
    let mut cargo = cargo();
    cargo.current_dir(root).args(["test", "--lib", "--tests"]);
    cargo.args(PACKAGES.iter().flat_map(|name| ["-p".to_owned(), format!("morphograd-{name}")]));
    cargo.args(["--target", host, "--target-dir"]);
    cargo.arg(target_folder(root).join("sanitize").join(name));
    cargo
}

fn memcheck(root: &Path, rest: &[OsString]) -> Result<bool, String> {
    has("valgrind", "apt install valgrind")?;
    let host = host()?;
    let mut cargo = tests(root, "memcheck", &host);
    let runner = host.to_uppercase().replace(['-', '.'], "_");
    cargo.env(
        format!("CARGO_TARGET_{runner}_RUNNER"),
        "valgrind --quiet --error-exitcode=9 --leak-check=no --fair-sched=yes",
    );
    cargo.env("RUSTFLAGS", "--cfg morphograd_level=\"avx2\"");
    // Each case of a property takes 30 times as long.
    cargo.env("PROPTEST_CASES", "4").env("RAYON_NUM_THREADS", "2");
    cargo.args(rest);
    if !rest.iter().any(|word| word == "--") {
        cargo.arg("--");
    }
    eprintln!("left out, for Valgrind's own fault with NaN: {NAN_IN_VALGRIND}");
    cargo.args(["--skip", NAN_IN_VALGRIND]);
    finish(cargo)
}

fn miri(root: &Path, rest: &[OsString]) -> Result<bool, String> {
    let mut version = cargo();
    version.args(["miri", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        return Err("expected Miri, found none in this compiler; `rustup toolchain install \
                    nightly --component miri,rust-src`, then `cargo +nightly xtask sanitize miri`"
            .to_owned());
    }
    let mut cargo = cargo();
    cargo.current_dir(root).args(["miri", "test", "--lib", "-p", "morphograd-tensor"]);
    cargo.arg("--target-dir").arg(target_folder(root).join("sanitize/miri"));
    cargo.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "4");
    cargo.args(rest);
    finish(cargo)
}

/// Whether the source of the standard library is there, to be built anew.
fn has_source() -> Result<bool, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).args(["--print", "sysroot"]).output();
    let told = told.map_err(|error| format!("expected rustc, found {error}"))?;
    let sysroot = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    Ok(Path::new(&sysroot).join("lib/rustlib/src/rust/library/std").is_dir())
}

fn has(program: &str, advice: &str) -> Result<(), String> {
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    match version.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("expected the program {program}, found none ({advice})")),
    }
}

fn finish(mut cargo: Command) -> Result<bool, String> {
    let status = cargo.status().map_err(|error| format!("expected cargo, found {error}"))?;
    Ok(status.success())
}
