//! One number of every epoch, and what counts as an improvement of it.

use thiserror::Error;

use crate::fit::history::EpochLog;

/// Which of two numbers is the better one: Keras' `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The lower one, as of a loss.
    Lower,
    /// The higher one, as of an accuracy.
    Higher,
}

/// A number of every epoch that a callback watches, and the best one so far. NaN is never better.
///
/// ```
/// use morphograd_nn::fit::Monitor;
/// let mut monitor = Monitor { min_delta: 0.1, ..Monitor::highest("val_accuracy") };
/// assert_eq!([0.5, 0.55, 0.7].map(|value| monitor.improves(value)), [true, false, true]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Its name in the log: `loss`, `val_loss`, `val_accuracy`, ...
    pub name: String,
    /// Which numbers are better.
    pub better: Better,
    /// The least improvement that counts: `value + min_delta < best`, or
    /// `value - min_delta > best`.
    pub min_delta: f64,
    /// The best so far, infinite at first.
    pub best: f64,
}

/// A callback watches a number that no epoch has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{callback}: expected one of {known}, found `{name}`")]
pub struct UnknownMonitor {
    /// The callback.
    pub callback: &'static str,
    /// What it watches.
    pub name: String,
    /// What there is.
    pub known: String,
}

impl Monitor {
    /// The lower, the better.
    pub fn lowest(name: &str) -> Self {
        let best = f64::INFINITY;
        Self { name: name.to_owned(), better: Better::Lower, min_delta: 0.0, best }
    }

    /// The higher, the better.
    pub fn highest(name: &str) -> Self {
        let best = f64::NEG_INFINITY;
        Self { name: name.to_owned(), better: Better::Higher, min_delta: 0.0, best }
    }

    /// Takes the value of the next epoch; returns whether it is better than the best before.
    pub fn improves(&mut self, value: f64) -> bool {
        let improves = self.is_better(value, self.best);
        if improves {
            self.best = value;
        }
        improves
    }

    /// Whether a value is better than another by more than `min_delta`.
    pub fn is_better(&self, value: f64, than: f64) -> bool {
        match self.better {
            Better::Lower => value + self.min_delta < than,
            Better::Higher => value - self.min_delta > than,
        }
    }

    /// Forgets the best.
    pub fn reset(&mut self) {
        self.best = match self.better {
            Better::Lower => f64::INFINITY,
            Better::Higher => f64::NEG_INFINITY,
        };
    }

    /// The value of an epoch.
    ///
    /// # Errors
    /// If the epoch has none of this name.
    pub fn value(&self, callback: &'static str, log: &EpochLog) -> Result<f64, UnknownMonitor> {
        log.get(&self.name).ok_or_else(|| UnknownMonitor {
            callback,
            name: self.name.clone(),
            known: log.values.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", "),
        })
    }
}
