//! Where a measurement was made, and with what: the lines that a table of times means nothing
//! without.

use std::fs;
use std::path::Path;
use std::process::Command;

use morphograd::morphology::nn::tensor::simd::level;
use serde::{Deserialize, Serialize};

use crate::cases::processors;

/// The machine and the versions of a measurement. It says nothing of users, hosts and paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of its cores this program may use.
    pub cores: usize,
    /// The vector instructions that our kernels use.
    pub instructions: String,
    /// The operating system and the architecture.
    pub system: String,
    /// The compiler.
    pub rustc: String,
    /// Our version and commit.
    pub morphograd: String,
}

impl Machine {
    /// This machine; `root` is the repository.
    pub fn here(root: &Path) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let commit = first_line(Command::new("git").arg("-C").arg(root).args([
            "rev-parse",
            "--short",
            "HEAD",
        ]));
        let changed = first_line(Command::new("git").arg("-C").arg(root).args([
            "status",
            "--porcelain",
            "--untracked-files=no",
        ]));
        let morphograd = match (commit, changed) {
            (Some(commit), Some(_)) => format!("{version} ({commit}, with changes)"),
            (Some(commit), None) => format!("{version} ({commit})"),
            (None, _) => version.to_owned(),
        };
        Self {
            processor: processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: processors(),
            instructions: level().to_owned(),
            system: format!("{}, {}", std::env::consts::OS, std::env::consts::ARCH),
            rustc: rustc(),
            morphograd,
        }
    }
}

/// The compiler's version, by the compiler that cargo uses here.
pub fn rustc() -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    first_line(Command::new(compiler).arg("--version"))
        .unwrap_or_else(|| "unknown rustc".to_owned())
}

/// How many programs wanted to run in the last minute, as Linux tells.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The first line of what a program prints, if it prints one.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// The name of the first processor in Linux' list.
fn processor(list: &str) -> String {
    let name = list
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name");
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_the_system_names_it() {
        let list = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n\nprocessor\t: 1\nmodel \
            name\t: Another\n";
        assert_eq!(processor(list), "Some CPU @ 2 GHz");
        assert_eq!(processor("Features : fp"), "unknown processor");
    }
}
