//! The `morphograd` command.
fn main() {}
