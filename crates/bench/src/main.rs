//! The `morphograd-bench` command, which `cargo xtask bench` starts: arguments in, lines and files
//! out. The work is the library's.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
