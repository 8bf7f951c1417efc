//! Event files for TensorBoard: scalars, histograms of the weights and pictures of the filters, one
//! of each an epoch.
//!
//! The one design choice: two libraries carry the format, `prost` the messages and `crc32c` the
//! check sums; the crates that write event files are no longer kept. The messages are those of
//! `tensorflow/core/util/event.proto` and `framework/summary.proto`, with the fields that are used.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{Callback, CallbackError, EpochLog, Training};
use morphograd_morphology::nn::tensor::TensorRef;
use prost::Message;

use crate::recorder::violation;

/// Writes an event file into a folder while a training lasts; each training, and each time that it
/// goes on, begins a file of its own. `tensorboard --logdir` with that folder, or one above it,
/// shows them.
///
/// Tags are `loss/training`, `loss/validation` and so on for each metric, `learning_rate`,
/// `violation` (the largest distance of a parameter from its set), `weights/NAME` for a histogram
/// of the finite values of each parameter, and `filters` for the first kernel `[height, width, 1,
/// filters]`, red below 0 and blue above. The step is the epoch.
///
/// ```
/// use morphograd::morphology::nn::{Dense, MeanSquaredError, Optimizer, Sequential};
/// use morphograd::morphology::nn::{autodiff::Params, fit::Fit, optim::Adam, tensor::Tensor};
/// use morphograd::tensorboard::TensorBoard;
///
/// let folder = tempfile::tempdir()?;
/// let x = Tensor::from_fn([64, 1], |i| i as f32 / 64.0);
/// let mut params = Params::new();
/// let line = Sequential::new().add("dense", Dense { units: 1, ..Dense::default() });
/// let model = line.build_model(&mut params, 0, [1])?;
/// let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
/// let mut events = TensorBoard::new(folder.path());
/// Fit {
///     epochs: 3,
///     callbacks: vec![&mut events],
///     ..Fit::new(&model, &MeanSquaredError, &(&x, &x))
/// }
/// .run(&mut params, &mut optimizer)?;
/// let file = std::fs::read_dir(folder.path())?.next().unwrap()?.file_name();
/// assert!(file.to_str().unwrap().starts_with("events.out.tfevents."));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TensorBoard<'a> {
    /// Where the file is written.
    pub folder: PathBuf,
    /// Who is told of a file that cannot be written; the training goes on without it. Without
    /// anybody to tell, it ends with the error.
    pub failures: Option<&'a mut (dyn FnMut(io::Error) + Send)>,
    file: Option<BufWriter<File>>,
}

impl TensorBoard<'_> {
    /// A file in this folder, which is made if it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), failures: None, file: None }
    }

    fn begin(&self) -> io::Result<BufWriter<File>> {
        fs::create_dir_all(&self.folder)?;
        let seconds = now() as u64;
        let mut number = 0;
        let file = loop {
            let name = format!("events.out.tfevents.{seconds:010}.morphograd.{number}");
            match File::create_new(self.folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                other => break other?,
            }
        };
        let mut file = BufWriter::new(file);
        let version = Some("brain.Event:2".to_owned());
        write(&mut file, &Event { wall_time: now(), file_version: version, ..Event::default() })?;
        file.flush()?;
        Ok(file)
    }

    /// Does something with the file, if there is one; a failure is told, or is the error.
    fn with(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), CallbackError> {
        match (act(self), &mut self.failures) {
            (Ok(()), _) => Ok(()),
            (Err(error), failures) => {
                self.file = None;
                let folder = self.folder.display();
                let error = io::Error::new(error.kind(), format!("events in {folder}: {error}"));
                match failures {
                    Some(tell) => tell(error),
                    None => return Err(error.into()),
                }
                Ok(())
            }
        }
    }
}

impl Callback<f32> for TensorBoard<'_> {
    fn on_train_begin(&mut self, _: &mut Training<'_, f32>) -> Result<(), CallbackError> {
        self.with(|this| {
            this.file = Some(this.begin()?);
            Ok(())
        })
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        self.with(|this| {
            let Some(file) = &mut this.file else { return Ok(()) };
            let summary = Some(Summary { value: values(log, training.params) });
            let (wall_time, step) = (now(), log.epoch as i64);
            write(file, &Event { wall_time, step, summary, ..Event::default() })?;
            file.flush()
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

impl std::fmt::Debug for TensorBoard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorBoard").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// All that is told of an epoch.
fn values(log: &EpochLog, params: &Params<f32>) -> Vec<Value> {
    let scalar = |tag: String, value: f64| Value { tag, kind: Some(Kind::Simple(value as f32)) };
    let mut all: Vec<Value> = log
        .values
        .iter()
        .map(|(name, value)| match name.strip_prefix("val_") {
            Some(name) => scalar(format!("{name}/validation"), *value),
            None => scalar(format!("{name}/training"), *value),
        })
        .collect();
    all.push(scalar("learning_rate".to_owned(), log.learning_rate));
    all.push(scalar("violation".to_owned(), violation(params)));
    for id in params.ids() {
        let histogram = Histogram::of(params.value(id).data);
        let tag = format!("weights/{}", params.name(id));
        all.extend(
            histogram.map(|histogram| Value { tag, kind: Some(Kind::Histogram(histogram)) }),
        );
    }
    let mut kernels = params.ids().map(|id| params.value(id));
    if let Some(image) = kernels.find_map(filters) {
        all.push(Value { tag: "filters".to_owned(), kind: Some(Kind::Image(image)) });
    }
    all
}

/// Pixels of an entry of a filter, and between two filters.
const CELL: usize = 8;
const GAP: usize = 2;

/// The filters of a kernel beside each other, if they are pictures.
fn filters(kernel: TensorRef<'_, f32>) -> Option<Image> {
    let &[height, width, 1, filters] = kernel.shape.dims() else { return None };
    if height * width < 2 || filters == 0 {
        return None;
    }
    let finite = kernel.data.iter().filter(|w| w.is_finite());
    let limit = finite.fold(0.0f32, |limit, w| limit.max(w.abs())).max(f32::MIN_POSITIVE);
    let [tall, wide] = [height * CELL, filters * (width * CELL + GAP) - GAP];
    let mut pixels = vec![255u8; tall * wide * 3];
    for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let (y, x) = (i / wide, i % wide);
        let (filter, x) = (x / (width * CELL + GAP), x % (width * CELL + GAP));
        if x >= width * CELL {
            continue; // between two filters
        }
        let weight = kernel.data[((y / CELL) * width + x / CELL) * filters + filter];
        let share = (weight / limit).clamp(-1.0, 1.0);
        let pale = (255.0 * (1.0 - share.abs())).round() as u8;
        let colour = if share < 0.0 { [255, pale, pale] } else { [pale, pale, 255] };
        pixel.copy_from_slice(&if weight.is_finite() { colour } else { [128; 3] });
    }
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, wide as u32, tall as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    // Pixels of that size can always be written into memory.
    written.ok()?;
    Some(Image { height: tall as i32, width: wide as i32, colorspace: 3, encoded })
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Writes a record as TensorFlow does: its length, the masked check sum of the length, the bytes,
/// and theirs.
fn write(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(&bytes)?;
    out.write_all(&masked(&bytes).to_le_bytes())
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 4, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "4")]
    Image(Image),
    #[prost(message, tag = "5")]
    Histogram(Histogram),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3 is RGB.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(double, tag = "1")]
    min: f64,
    #[prost(double, tag = "2")]
    max: f64,
    #[prost(double, tag = "3")]
    num: f64,
    #[prost(double, tag = "4")]
    sum: f64,
    #[prost(double, tag = "5")]
    sum_squares: f64,
    /// The upper bound of each bucket.
    #[prost(double, repeated, tag = "6")]
    bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    bucket: Vec<f64>,
}

/// Buckets of a histogram, of one width.
const BUCKETS: usize = 30;

impl Histogram {
    /// Of the finite values, if there are any.
    fn of(values: &[f32]) -> Option<Self> {
        let finite = || values.iter().filter(|w| w.is_finite()).map(|w| f64::from(*w));
        let (min, max) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
        let buckets = if max > min { BUCKETS } else { 1 };
        let width = (max - min) / buckets as f64;
        let mut bucket = vec![0.0; buckets];
        for value in finite() {
            let place = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
            bucket[place.min(buckets - 1)] += 1.0;
        }
        let limit = |i: usize| if i == buckets { max } else { min + i as f64 * width };
        Some(Self {
            min,
            max,
            num: finite().count() as f64,
            sum: finite().sum(),
            sum_squares: finite().map(|value| value * value).sum(),
            bucket_limit: (1..=buckets).map(limit).collect(),
            bucket,
        })
    }
}

#[cfg(test)]
mod tests {
    use morphograd_morphology::nn::tensor::Tensor;

    use super::*;

    /// The events of a file, each with its check sums.
    fn events(bytes: &[u8]) -> Vec<Event> {
        let (mut rest, mut all) = (bytes, Vec::new());
        while !rest.is_empty() {
            let (length, after) = rest.split_at(8);
            let (sum, after) = after.split_at(4);
            assert_eq!(sum, masked(length).to_le_bytes());
            let (event, after) =
                after.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (sum, after) = after.split_at(4);
            assert_eq!(sum, masked(event).to_le_bytes());
            all.push(Event::decode(event).unwrap());
            rest = after;
        }
        all
    }

    #[test]
    fn the_first_record_is_that_of_tensorflow_byte_for_byte() {
        // What its writers begin a file with, at this time.
        let version = Some("brain.Event:2".to_owned());
        let event = Event { wall_time: 1_600_000_000.0, file_version: version, ..Event::default() };
        let mut bytes = Vec::new();
        write(&mut bytes, &event).unwrap();
        assert_eq!(bytes[..8], 24u64.to_le_bytes());
        let expected = b"\x09\0\0\0\0\x84\xd7\xd7\x41\x1a\x0dbrain.Event:2";
        assert_eq!(bytes[12..36], expected[..]);
        // The check of the format: CRC-32C of "123456789", masked.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(events(&bytes), [event]);
    }

    #[test]
    fn an_epoch_has_its_scalars_histograms_and_filters() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = Params::new();
        let kernel = Tensor::from_fn([2, 3, 1, 2], |i| i as f32 - 6.0);
        params.add("dilation.kernel", kernel, None).unwrap();
        params
            .add("bias", Tensor::from_vec([2], vec![f32::NEG_INFINITY, 1.0]).unwrap(), None)
            .unwrap();
        let log = EpochLog {
            epoch: 4,
            values: vec![("loss".to_owned(), 0.5), ("val_accuracy".to_owned(), 0.75)],
            learning_rate: 0.01,
            seconds: 1.0,
        };
        let mut file = TensorBoard::new(folder.path()).begin().unwrap();
        let summary = Some(Summary { value: values(&log, &params) });
        write(&mut file, &Event { step: 4, summary, ..Event::default() }).unwrap();
        drop(file);
        // One of its own for another one.
        drop(TensorBoard::new(folder.path()).begin().unwrap());
        let files: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        let longest =
            files.iter().map(|file| fs::read(file).unwrap()).max_by_key(Vec::len).unwrap();
        let events = events(&longest);
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        let value = &events[1].summary.as_ref().unwrap().value;
        let tags: Vec<&str> = value.iter().map(|value| &value.tag[..]).collect();
        let expected = [
            "loss/training",
            "accuracy/validation",
            "learning_rate",
            "violation",
            "weights/dilation.kernel",
            "weights/bias",
            "filters",
        ];
        assert_eq!((events[1].step, &tags[..]), (4, &expected[..]));
        assert_eq!(value[1].kind, Some(Kind::Simple(0.75)));
        let Some(Kind::Histogram(kernel)) = &value[4].kind else { panic!("a histogram") };
        assert_eq!((kernel.min, kernel.max, kernel.num, kernel.sum), (-6.0, 5.0, 12.0, -6.0));
        assert_eq!(kernel.bucket.iter().sum::<f64>(), 12.0);
        assert_eq!((kernel.bucket_limit.len(), kernel.bucket_limit[29]), (30, 5.0));
        let Some(Kind::Histogram(bias)) = &value[5].kind else { panic!("a histogram") };
        assert_eq!((bias.num, &bias.bucket[..]), (1.0, &[1.0][..]));
        let Some(Kind::Image(image)) = &value[6].kind else { panic!("an image") };
        assert_eq!((image.height, image.width), (16, 2 * 24 + 2));
        let mut reader = png::Decoder::new(io::Cursor::new(&image.encoded)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        // The first entry of the first filter is -6, of the second -5; between them it is white.
        assert_eq!(pixels[..3], [255, 0, 0]);
        assert_eq!(pixels[26 * 3..26 * 3 + 3], [255, 43, 43]);
        assert_eq!(pixels[24 * 3..24 * 3 + 3], [255; 3]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_or_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let inside = folder.path().join("file/inside");
        let mut told = Vec::new();
        let mut tell = |error: io::Error| told.push(error.to_string());
        let mut quiet = TensorBoard::new(&inside);
        quiet.failures = Some(&mut tell);
        quiet.with(|this| this.begin().map(drop)).unwrap();
        assert!(told[0].starts_with("events in "), "{told:?}");
        let mut strict = TensorBoard::new(&inside);
        assert!(strict.with(|this| this.begin().map(drop)).is_err());
    }
}
