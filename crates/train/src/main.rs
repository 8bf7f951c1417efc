//! The `morphograd` command: everything that reads arguments, prints, or listens to Ctrl-C. The
//! work itself is the library's.

mod cli;

use std::process::ExitCode;

use morphograd::morphology::nn::ranks::Local;

fn main() -> ExitCode {
    cli::main(&Local)
}
