//! Six programs of at most 40 lines, a file each; `cargo run --release --example NAME` runs one.
