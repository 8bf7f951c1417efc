//! The command as a person runs it: what it says, and what it complains of.
#![allow(dead_code, reason = "no test needs all of it")]

use std::path::Path;
use std::process::{Command, Output};

/// The command in a folder of its own, as if nothing else of the project were there.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_morphograd"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("MORPHOGRAD_DATA")
        .env_remove("MORPHOGRAD_ROOT");
    command
}

pub(crate) fn morphograd(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// What a command that succeeds says.
#[track_caller]
pub(crate) fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = morphograd(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that fails says of it.
#[track_caller]
pub(crate) fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = morphograd(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}
