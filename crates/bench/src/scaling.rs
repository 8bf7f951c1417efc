//! How cost grows with the work: a table of series, each a computation with one size that grows,
//! and the exponent that theory expects.
//!
//! Times are taken in turns over the points of a series, so that a slow minute bends no curve.
//! Memory is the peak of a process of its own for each point, less that of one that computes
//! nothing.

use std::io;
use std::path::Path;
use std::process::Command;

use morphograd::morphology::{MaxPlus, dilation2d};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::cases::morphology::Filters;
use crate::cases::{Pass, flat, layers, morphology, processors, tutorial};
use crate::fit::exponent;
use crate::measure::pool;
use crate::sample::{Quartiles, Sampler};

/// A computation and the size of it that grows.
pub struct Series {
    /// What is computed.
    pub subject: &'static str,
    /// What grows.
    pub axis: Axis,
    /// The sizes.
    pub sizes: Vec<usize>,
    /// The case of a size.
    pub case: fn(usize) -> Case,
    /// The exponent of the time.
    pub time: f64,
    /// The exponent of the memory; `None` where it is not measured.
    pub memory: Option<f64>,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Axis {
    /// Images of a batch.
    Batch,
    /// Filters.
    Filters,
    /// The side of the kernel; the output keeps its size.
    Kernel,
    /// Channels.
    Channels,
    /// The side of the image.
    Image,
    /// Threads; the work stays.
    Threads,
}

impl Axis {
    /// All, in the order of the figures.
    pub const ALL: [Self; 6] =
        [Self::Batch, Self::Filters, Self::Kernel, Self::Channels, Self::Image, Self::Threads];

    /// A title, and the name of an axis.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Batch => ("Batch", "images"),
            Self::Filters => ("Filters", "filters"),
            Self::Kernel => ("Kernel size", "side of the kernel"),
            Self::Channels => ("Channels", "channels"),
            Self::Image => ("Image size", "side of the output"),
            Self::Threads => ("Threads", "threads"),
        }
    }
}

/// The sizes that stay while another grows.
#[derive(Debug, Clone, Copy)]
struct Base {
    batch: usize,
    output: usize,
    channels: usize,
    filters: usize,
    side: usize,
}

const BASE: Base = Base { batch: 16, output: 64, channels: 2, filters: 8, side: 5 };

impl Base {
    fn with(axis: Axis, size: usize) -> Self {
        match axis {
            Axis::Batch => Self { batch: size, ..BASE },
            Axis::Filters => Self { filters: size, ..BASE },
            Axis::Kernel => Self { side: size, ..BASE },
            Axis::Channels => Self { channels: size, batch: 4, ..BASE },
            Axis::Image => Self { output: size, ..BASE },
            Axis::Threads => Self { batch: 64, ..BASE },
        }
    }

    fn images(self) -> [usize; 4] {
        let image = self.output + self.side - 1;
        [self.batch, image, image, self.channels]
    }

    fn dilation(self, pass: Pass) -> Case {
        let Self { filters, side, .. } = self;
        morphology::case::<MaxPlus>(
            "dilation",
            Filters { images: self.images(), filters, side },
            pass,
        )
    }

    fn convolution(self) -> Case {
        layers::convolution("convolution", self.images(), self.filters, self.side, Pass::Forward)
    }
}

/// All series.
pub fn series() -> Vec<Series> {
    macro_rules! by_filters {
        ($axis:ident, $sizes:expr, $time:expr, $memory:expr) => {
            [
                Series {
                    subject: "dilation",
                    axis: Axis::$axis,
                    sizes: $sizes,
                    case: |size| Base::with(Axis::$axis, size).dilation(Pass::Forward),
                    time: $time,
                    memory: $memory,
                },
                Series {
                    subject: "dilation with gradients",
                    axis: Axis::$axis,
                    sizes: $sizes,
                    case: |size| Base::with(Axis::$axis, size).dilation(Pass::Gradient),
                    time: $time,
                    memory: $memory,
                },
                Series {
                    subject: "convolution",
                    axis: Axis::$axis,
                    sizes: $sizes,
                    case: |size| Base::with(Axis::$axis, size).convolution(),
                    time: $time,
                    memory: $memory,
                },
            ]
        };
    }
    let threads = threads(processors());
    let mut series = Vec::new();
    series.extend(by_filters!(Batch, vec![8, 16, 32, 64, 128], 1.0, Some(1.0)));
    series.extend(by_filters!(Filters, vec![8, 16, 32, 64, 128], 1.0, Some(1.0)));
    series.extend(by_filters!(Kernel, vec![3, 5, 7, 11, 17], 2.0, Some(0.0)));
    series.extend(by_filters!(Channels, vec![8, 16, 32, 64, 128], 1.0, Some(1.0)));
    series.extend(by_filters!(Image, vec![32, 64, 128, 256], 2.0, Some(2.0)));
    series.extend(by_filters!(Threads, threads.clone(), -1.0, None));
    series.extend([
        Series {
            subject: "flat dilation",
            axis: Axis::Kernel,
            sizes: vec![3, 5, 7, 11, 17, 33],
            case: |side| flat::case("flat dilation", "dilation", dilation2d, 1024, side),
            time: 0.0,
            memory: Some(0.0),
        },
        Series {
            subject: "flat dilation",
            axis: Axis::Image,
            sizes: vec![256, 512, 1024, 2048],
            case: |image| flat::case("flat dilation", "dilation", dilation2d, image, 5),
            time: 2.0,
            memory: Some(2.0),
        },
        Series {
            subject: "training step",
            axis: Axis::Batch,
            sizes: vec![8, 16, 32, 64, 128],
            case: |batch| tutorial::step("step", batch),
            time: 1.0,
            memory: None,
        },
        Series {
            subject: "training step",
            axis: Axis::Threads,
            sizes: threads,
            case: |_| tutorial::step("step", 128),
            time: -1.0,
            memory: None,
        },
    ]);
    series
}

/// Powers of two up to the number of processors, and that number.
fn threads(processors: usize) -> Vec<usize> {
    let mut threads: Vec<usize> = (0..).map(|i| 1 << i).take_while(|n| *n < processors).collect();
    threads.push(processors);
    threads
}

/// What a series resulted in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What was computed.
    pub subject: String,
    /// What grew.
    pub axis: Axis,
    /// Size, and seconds or bytes.
    pub points: Vec<(f64, f64)>,
    /// The exponent that theory expects.
    pub expected: f64,
}

impl Curve {
    /// The exponent that fits.
    pub fn fitted(&self) -> Option<f64> {
        exponent(&self.points)
    }
}

/// Measures the times of a series: medians of so many samples.
pub fn times(series: &Series, threads: usize, samples: usize) -> Curve {
    let pools: Vec<_> = series
        .sizes
        .iter()
        .map(|size| pool(if series.axis == Axis::Threads { *size } else { threads }))
        .collect();
    let mut samplers: Vec<Sampler> = series
        .sizes
        .iter()
        .zip(&pools)
        .map(|(size, pool)| pool.install(|| Sampler::new((series.case)(*size).start())))
        .collect();
    let mut seconds = vec![Vec::new(); series.sizes.len()];
    for _ in 0..samples.max(1) {
        for ((sampler, pool), seconds) in samplers.iter_mut().zip(&pools).zip(&mut seconds) {
            seconds.push(pool.install(|| sampler.sample()));
        }
    }
    let medians = seconds.iter().map(|seconds| Quartiles::of(seconds).median);
    Curve {
        subject: series.subject.to_owned(),
        axis: series.axis,
        points: series.sizes.iter().map(|size| *size as f64).zip(medians).collect(),
        expected: series.time,
    }
}

/// Why the memory of a process is not known.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Its process failed.
    #[error("the process of {point}: {source}")]
    Process {
        /// Of which size.
        point: String,
        /// Why.
        source: io::Error,
    },
    /// It did not say.
    #[error(
        "the process of {point}: expected its peak memory, found `{found}` (it is read from \
         /proc/self/status of Linux)"
    )]
    Unknown {
        /// Of which size.
        point: String,
        /// What it said.
        found: String,
    },
}

/// Measures the peak memory of a series, unless nothing is expected of it. `program` is this
/// program, which is started for each point with the option `--memory`.
///
/// # Errors
/// If a process fails, or the system does not tell its peak.
pub fn memory(
    series: &Series,
    program: &Path,
    threads: usize,
) -> Result<Option<Curve>, MemoryError> {
    let Some(expected) = series.memory else { return Ok(None) };
    let nothing = child_memory(program, NOTHING, threads)?;
    let mut points = Vec::new();
    for size in &series.sizes {
        let bytes = child_memory(program, &point(series, *size), threads)?;
        points.push((*size as f64, bytes.saturating_sub(nothing) as f64));
    }
    Ok(Some(Curve { subject: series.subject.to_owned(), axis: series.axis, points, expected }))
}

/// The name of the point that computes nothing.
const NOTHING: &str = "nothing";

fn point(series: &Series, size: usize) -> String {
    format!("{}/{:?}/{size}", series.subject, series.axis)
}

fn child_memory(program: &Path, point: &str, threads: usize) -> Result<u64, MemoryError> {
    let output = Command::new(program)
        .args(["--memory", point, "--threads", &threads.to_string()])
        .output()
        .map_err(|source| MemoryError::Process { point: point.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().map_err(|_| MemoryError::Unknown { point: point.to_owned(), found: text })
}

/// What such a process does: computes its point twice and returns its own peak in bytes; `None`
/// where there is no such point or the system does not tell.
pub fn run_point(name: &str, threads: usize) -> Option<u64> {
    let pool = pool(threads);
    if name != NOTHING {
        let series = series();
        let mut points =
            series.iter().flat_map(|series| series.sizes.iter().map(move |size| (series, *size)));
        let (series, size) = points.find(|(series, size)| point(series, *size) == name)?;
        pool.install(|| {
            let mut run = (series.case)(size).start();
            run();
            run();
        });
    }
    peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmHWM: 123 kB` of /proc/self/status: the most memory that was resident.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_what_linux_says() {
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn points_have_names_of_their_own_and_sizes_grow() {
        let series = series();
        let mut names: Vec<String> =
            series.iter().flat_map(|s| s.sizes.iter().map(|size| point(s, *size))).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(series.iter().all(|series| series.sizes.is_sorted()));
    }

    #[test]
    fn threads_double_up_to_all() {
        assert_eq!([1, 2, 6].map(threads), [vec![1], vec![1, 2], vec![1, 2, 4, 6]]);
    }
}
