//! What watches a training from epoch to epoch: early stopping and the plateau schedule, with the
//! semantics of Keras 3. State machines on one number an epoch; they know nothing of models.

/// Stops when a quantity has not fallen for a while.
///
/// An epoch improves if its value is strictly below the best so far. The first epoch can never stop
/// the training.
///
/// ```
/// use morphograd::callbacks::{EarlyStopping, Verdict};
/// let mut stopping = EarlyStopping::new(2);
/// let verdicts: Vec<_> = [1.0, 0.9, 0.9, 0.95].map(|loss| stopping.observe(loss)).into();
/// assert_eq!(verdicts, [Verdict::Improved, Verdict::Improved, Verdict::Waiting, Verdict::Stop]);
/// ```
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    patience: usize,
    best: f64,
    epochs: usize,
    wait: usize,
}

/// What [`EarlyStopping`] makes of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The lowest value so far: the weights to keep.
    Improved,
    /// No improvement, but patience is left.
    Waiting,
    /// Patience is exhausted.
    Stop,
}

impl EarlyStopping {
    /// Stops after `patience` epochs in a row without improvement.
    pub fn new(patience: usize) -> Self {
        Self { patience, best: f64::INFINITY, epochs: 0, wait: 0 }
    }

    /// Takes the value of the next epoch.
    pub fn observe(&mut self, value: f64) -> Verdict {
        self.epochs += 1;
        if value < self.best {
            (self.best, self.wait) = (value, 0);
            return Verdict::Improved;
        }
        self.wait += 1;
        if self.wait >= self.patience && self.epochs > 1 { Verdict::Stop } else { Verdict::Waiting }
    }
}

/// Lowers the learning rate when a quantity stops falling.
///
/// An epoch improves if its value plus `min_delta` is strictly below the best so far. After
/// `patience` epochs without improvement the rate is multiplied by `factor` and the count starts
/// again; the best value stays.
///
/// ```
/// use morphograd::callbacks::ReduceLrOnPlateau;
/// let mut plateau = ReduceLrOnPlateau { patience: 2, ..ReduceLrOnPlateau::default() };
/// let rates: Vec<_> = [1.0, 1.0, 1.0, 1.0, 1.0].map(|loss| plateau.observe(loss, 0.01)).into();
/// assert_eq!(rates, [0.01, 0.01, 0.005, 0.01, 0.005]);
/// ```
#[derive(Debug, Clone)]
pub struct ReduceLrOnPlateau {
    /// Factor of each reduction.
    pub factor: f64,
    /// Epochs without improvement before a reduction.
    pub patience: usize,
    /// The least improvement that counts.
    pub min_delta: f64,
    /// The rate never falls below this.
    pub min_rate: f64,
    /// Lowest value so far.
    pub best: f64,
    /// Epochs since the last improvement or reduction.
    pub wait: usize,
}

impl Default for ReduceLrOnPlateau {
    /// The tutorial's: factor 0.5, patience 3, `min_delta` 1e-4.
    fn default() -> Self {
        Self {
            factor: 0.5,
            patience: 3,
            min_delta: 1e-4,
            min_rate: 0.0,
            best: f64::INFINITY,
            wait: 0,
        }
    }
}

impl ReduceLrOnPlateau {
    /// Takes the value of the next epoch and the rate it was trained with; returns the rate of the
    /// epoch after.
    pub fn observe(&mut self, value: f64, rate: f64) -> f64 {
        if value + self.min_delta < self.best {
            (self.best, self.wait) = (value, 0);
            return rate;
        }
        self.wait += 1;
        if self.wait < self.patience {
            return rate;
        }
        self.wait = 0;
        (rate * self.factor).max(self.min_rate)
    }
}
