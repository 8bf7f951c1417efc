//! Files of every type and format: written, read, cut off, changed, too large, of other programs.

mod broken;
mod foreign;
mod round_trip;
mod support;
