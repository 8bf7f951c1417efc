//! An image in strips: a pipeline that looks at rows nearby is applied to some rows at a time, with
//! the rows above and below that it needs. The result is that of the whole image, and never more
//! than a strip with its neighbours is in memory.

use morphograd_image::{Header, Picture};

use crate::apply::error::ApplyError;
use crate::apply::operator::Output;
use crate::apply::pipeline::Pipeline;

/// The rows that a pipeline makes of rows that are read from above.
///
/// ```
/// use morphograd::apply::{Output, Pipeline, Strips};
/// use morphograd_image::Picture;
/// let pipeline = Pipeline::parse("opening disk:2 | gradient", &[])?;
/// let pixels: Vec<u16> = (0..600).map(|i| i * 79 % 251).collect();
/// let picture = Picture::new([30, 20], 1, pixels)?;
/// let mut read = 0;
/// let mut strips = Strips::new(&pipeline, picture.header(), |count| {
///     read += count;
///     Ok(picture.rows(read - count..read))
/// })?;
/// let mut found = strips.next(8)?;
/// while found.size()[0] < 30 {
///     found.append(strips.next(8.min(30 - found.size()[0]))?)?;
/// }
/// assert_eq!(Output::Picture(found), pipeline.run(&picture)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Strips<'a, F> {
    pipeline: &'a Pipeline,
    header: Header,
    source: F,
    reach: usize,
    /// Rows that were read and are still needed, the first of which is `first`.
    ready: Option<Picture>,
    first: usize,
    /// Rows that were given out.
    done: usize,
}

impl<'a, F: FnMut(usize) -> Result<Picture, ApplyError>> Strips<'a, F> {
    /// Strips of the image of a header, whose next rows `source` gives when told how many.
    ///
    /// # Errors
    /// If the pipeline may look at the whole image.
    pub fn new(pipeline: &'a Pipeline, header: Header, source: F) -> Result<Self, ApplyError> {
        let reach = pipeline.rows()?;
        Ok(Self { pipeline, header, source, reach, ready: None, first: 0, done: 0 })
    }

    /// The next `count` rows of the result.
    ///
    /// # Errors
    /// Those of the source and of the operators.
    ///
    /// # Panics
    /// If there are not as many, or `count` is 0.
    pub fn next(&mut self, count: usize) -> Result<Picture, ApplyError> {
        let last = self.done + count;
        assert!(count > 0 && last <= self.header.height, "rows of the image");
        let (from, to) = (
            self.done.saturating_sub(self.reach),
            last.saturating_add(self.reach).min(self.header.height),
        );
        let read = self.first + self.ready.as_ref().map_or(0, |ready| ready.size()[0]);
        let kept = self.ready.take().filter(|_| from < read);
        let mut kept = kept.map(|ready| ready.rows(from - self.first..read - self.first));
        self.first = from;
        if to > read {
            let more = (self.source)(to - read)?;
            match &mut kept {
                Some(kept) => kept.append(more)?,
                None => kept = Some(more),
            }
        }
        let ready = kept.expect("at least one row");
        let output = self.pipeline.run(&ready)?;
        let Output::Picture(picture) = output else { unreachable!("a table looks at the whole") };
        let top = self.done - self.first;
        self.ready = Some(ready);
        self.done = last;
        Ok(picture.rows(top..top + count))
    }
}
