//! Which data, and what becomes of them: options that several commands share.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use morphograd::data::{Augmentation, Colour, DataSettings, DataSource, Dataset, Search};

use super::{Failure, folder};

/// Height and width.
pub(super) type Size = [usize; 2];

/// Reads 5, or 3x7 for height and width.
pub(super) fn size(text: &str) -> Result<Size, String> {
    let wrong = || format!("expected a size such as 5 or 3x7, found `{text}`");
    let number = |part: &str| {
        part.trim().parse::<usize>().ok().filter(|n| (1..=1 << 30).contains(n)).ok_or_else(wrong)
    };
    match text.split_once(['x', ',']) {
        Some((height, width)) => Ok([number(height)?, number(width)?]),
        None => number(text).map(|n| [n, n]),
    }
}

/// Which data.
#[derive(Debug, Default, Args)]
pub(crate) struct DataArguments {
    /// Data: a folder with train/<class>/ and perhaps test/<class>/ of images; an .npz or a folder
    /// with x_train, y_train, x_test, y_test; a .csv with path, label and perhaps split; a folder
    /// with the four IDX files; or the name of a data set in datasets/ [default: mnist if it is
    /// there, else digits]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// Height and width of all images: 28, or 32x48
    #[arg(long, value_name = "SIZE", value_parser = size)]
    resize: Option<Size>,
    /// grey or rgb [default: rgb if an image is in colour]
    #[arg(long, value_name = "COLOUR")]
    colour: Option<Colour>,
    /// Share of the training images to watch while training, so that the schedule does not see the
    /// test images [default: the test images are watched]
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Mebibytes of images to hold in memory; larger data are read from their files while training,
    /// with the same result (packed files have to be unpacked for that) [default: 1024]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(0..1 << 40))]
    in_memory: Option<u64>,
    /// Changes of the images a step learns from: shift:PIXELS, rotation:DEGREES, elastic:PIXELS,
    /// flip, flip-vertical, with commas between them
    #[arg(long, value_name = "CHANGES")]
    augment: Option<Augmentation>,
}

/// The part of a `config.toml` that is about data.
#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default)]
    data: DataSettings,
}

impl DataArguments {
    /// Nothing but which data, if not those of a configuration.
    pub(crate) fn only(data: Option<PathBuf>) -> Self {
        Self { data, ..Self::default() }
    }

    /// Which data the options say.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.data.clone()
    }

    /// Data that stay in their files, if that is possible.
    pub(crate) fn streamed(data: PathBuf, resize: Option<Size>, colour: Option<Colour>) -> Self {
        Self { data: Some(data), resize, colour, in_memory: Some(0), ..Self::default() }
    }

    /// The options, and where they say nothing the text of an earlier configuration.
    pub(crate) fn settings(&self, config: Option<&str>) -> Result<DataSettings, toml::de::Error> {
        let earlier = match config {
            Some(text) => toml::from_str::<Settings>(text)?.data,
            None => DataSettings::default(),
        };
        Ok(DataSettings {
            // Named anew, the data may be others.
            path: if self.data.is_some() { None } else { earlier.path },
            sha256: None,
            resize: self.resize.or(earlier.resize),
            colour: self.colour.or(earlier.colour),
            validation: self.validation.or(earlier.validation),
            augment: self.augment.or(earlier.augment),
            in_memory: self.in_memory.map(|megabytes| megabytes << 20),
        })
    }

    /// The data that the options say, and where they say nothing an earlier configuration. A
    /// training that goes on needs those that it began with.
    pub(crate) fn load_for(
        &self,
        config: Option<&str>,
        goes_on: bool,
        quiet: bool,
    ) -> Result<(Dataset, DataSettings), Failure> {
        let began_with = match config {
            Some(text) => toml::from_str::<Settings>(text)?.data.sha256,
            None => None,
        };
        let mut settings = self.settings(config)?;
        let dataset = self.load(&mut settings, quiet)?;
        let found = settings.sha256.as_deref().unwrap_or_default();
        match began_with.filter(|began_with| goes_on && began_with != found) {
            None => Ok((dataset, settings)),
            Some(expected) => Err(format!(
                "{}: expected the data that the training began with, with check sum {expected}, \
                 found {found}; name them with --data",
                dataset.note
            )
            .into()),
        }
    }

    /// Finds and reads the data, and says in the settings which they are; a bar shows how far the
    /// files are read.
    pub(crate) fn load(
        &self,
        settings: &mut DataSettings,
        quiet: bool,
    ) -> Result<Dataset, morphograd::data::DataError> {
        let environment = env::var_os("MORPHOGRAD_DATA").map(PathBuf::from);
        let datasets = folder("datasets");
        let search = Search {
            option: self.data.as_deref().or(settings.path.as_deref().map(Path::new)),
            environment: environment.as_deref(),
            datasets: &datasets,
        };
        let source = DataSource::find(&search)?;
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template("Reading {bar:30} {pos}/{len} images, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let progress = |done: usize, total: usize| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        };
        let dataset = settings.load(&source, Some(&progress));
        bar.finish_and_clear();
        let dataset = dataset?;
        *settings = settings.clone().of(&source, &dataset)?;
        Ok(dataset)
    }
}
