//! `data`: the data sets beyond the embedded digits.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use morphograd::data::fetch::fetch;
use morphograd::data::{Colour, manifest, write_shards};

use super::data_arguments::{DataArguments, Size, size};
use super::{CommandResult, folder, on_ctrl_c, say};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Downloads a data set into datasets/NAME, or imports it from a folder
    ///
    /// Downloads are resumed, checked against their SHA-256, and moved into place when they are
    /// whole. The system's `curl` does the transfer.
    Fetch {
        /// mnist or fashion-mnist
        name: String,
        /// Import the files from this folder instead of downloading them
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Checks the files of a data set against their published size and SHA-256
    Verify {
        /// mnist, fashion-mnist or digits; all that are there by default
        names: Vec<String>,
        /// Look in this folder instead of datasets/NAME
        #[arg(long, value_name = "DIR", requires = "names")]
        dir: Option<PathBuf>,
    },
    /// Writes images of classes as shards, for data larger than memory
    ///
    /// Shards are safetensors files with the tensors `images` and `labels`; `train --data DIR`
    /// reads them from disk while it trains, with the result that the data in their first form
    /// have.
    Pack {
        /// Whatever `train --data` takes
        data: PathBuf,
        /// Folder for the shards
        out: PathBuf,
        /// Height and width of all images: 28, or 32x48
        #[arg(long, value_name = "SIZE", value_parser = size)]
        resize: Option<Size>,
        /// grey or rgb [default: rgb if an image is in colour]
        #[arg(long, value_name = "COLOUR")]
        colour: Option<Colour>,
        /// Mebibytes of a shard
        #[arg(long, value_name = "MIB", default_value_t = 64,
            value_parser = clap::value_parser!(u16).range(1..=4096))]
        shard: u16,
    },
}

pub(crate) fn main(command: &Command) -> CommandResult {
    match command {
        Command::Fetch { name, from } => {
            let entry = manifest::entry(name)?;
            let dir = folder("datasets").join(name);
            let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
                "{msg:26} {bar:30} {bytes:>10}/{total_bytes} {bytes_per_sec:>12} {eta}",
            )?);
            let interrupted = on_ctrl_c()?;
            let fetched = fetch(&entry, &dir, from.as_deref(), &mut |file, done, total| {
                bar.set_message(file.to_owned());
                bar.set_length(total);
                bar.set_position(done);
                match interrupted.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            bar.finish_and_clear();
            for file in fetched? {
                say(file);
            }
            say(format_args!("{name} is complete in {}", dir.display()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { names, dir } => verify(names, dir.as_ref()),
        Command::Pack { data, out, resize, colour, shard } => {
            let source = DataArguments::streamed(data.clone(), *resize, *colour);
            let (dataset, _) = source.load_for(None, false, false)?;
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images, {eta} left")?;
            let bar = ProgressBar::new(0).with_style(style);
            let written =
                write_shards(&dataset, out, usize::from(*shard) << 20, &mut |done, all| {
                    bar.set_length(all as u64);
                    bar.set_position(done as u64);
                });
            bar.finish_and_clear();
            written?;
            let (train, test) = (dataset.train.len(), dataset.test.len());
            say(format_args!("{train} training and {test} test images in {}", out.display()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(names: &[String], dir: Option<&PathBuf>) -> CommandResult {
    let entries = manifest::entries();
    let there = |name: &str| folder("datasets").join(name).is_dir();
    let names: Vec<String> = match names {
        [] => entries.iter().map(|entry| entry.name.clone()).filter(|name| there(name)).collect(),
        given => given.to_vec(),
    };
    if names.is_empty() {
        say(format_args!(
            "no data sets in {}; the embedded digits need none",
            folder("datasets").display()
        ));
    }
    let mut all_good = true;
    for name in &names {
        let entry = manifest::entry(name)?;
        let dir = dir.cloned().unwrap_or_else(|| folder("datasets").join(name));
        say(format_args!("{name} in {}", dir.display()));
        for check in manifest::verify(&entry, &dir) {
            all_good &= check.is_good();
            say(format_args!("  {check}"));
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
