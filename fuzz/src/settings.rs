//! Texts that say what is trained: model files, settings, lists of settings.

use std::sync::OnceLock;

use morphograd::data::Dataset;
use morphograd::model::ModelFile;
use morphograd::morphology::nn::autodiff::Params;
use morphograd::settings::Settings;
use morphograd::sweep::Lists;

use super::input::{leads_away, within};

/// The most bytes of parameters that a target builds.
const PARAMETERS: usize = 1 << 20;

/// What a text becomes: values with their names and lines, twice.
fn most(text: &str) -> usize {
    (1 << 20) + 1024 * text.len()
}

/// A model file: what is read can be read again, and is built or refused.
pub(crate) fn model(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(file) = within(most(text), || ModelFile::parse("model.toml", text)) else { return };
    assert_eq!(file.text(), text);
    file.network(10).expect("what was read has layers");
    file.training().expect("what was read has a training");
    assert!(!file.name().is_empty());
    let _ = within(most(text) + 16 * PARAMETERS, || {
        file.build_within(&mut Params::new(), 0, [12, 12, 1], 10, PARAMETERS).map(drop)
    });
}

/// A `config.toml`: what is read is written, and read again as the same; checking it never fails
/// otherwise than by an error.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(settings) = within(most(text), || Settings::read(text)) else { return };
    let written = settings.text();
    let again = Settings::read(&written).expect("what was written can be read");
    // NaN differs from itself: texts are compared.
    assert_eq!(again.text(), written);
    if let Ok(variants) = settings.variants()
        && let Some(variant) = variants.first()
    {
        assert!(settings.of_run(variant, 0).iter().any(|(name, _)| name == "seed"));
    }
    // Weights to start from are a path.
    if !leads_away(&written.replace("\\n", "")) {
        static DIGITS: OnceLock<Dataset> = OnceLock::new();
        let digits = DIGITS.get_or_init(|| Dataset::embedded("embedded".to_owned()));
        let _ = settings.validate(digits);
    }
}

/// Lists of a sweep: what is read is written, and read again as the same; every combination has a
/// value of each list.
pub(crate) fn sweep(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let names = ["constraint", "epochs", "lr", "seed", "samples"];
    let Ok(lists) = within(most(text), || Lists::parse("s.toml", text, &names)) else { return };
    let again = Lists::parse("again.toml", &lists.text(), &names).expect("what was written");
    let plain = |lists: &Lists| {
        let mut all: Vec<_> = lists.0.iter().map(|l| (l.name.clone(), l.values.clone())).collect();
        all.sort();
        all
    };
    assert_eq!(plain(&again), plain(&lists));
    let count = lists.0.iter().try_fold(1usize, |all, list| all.checked_mul(list.values.len()));
    if count.is_some_and(|count| count <= 1000) {
        let all = lists.combinations();
        assert_eq!(Some(all.len()), count);
        for one in &all {
            assert_eq!(one.len(), lists.0.len());
            // A value that is no text at all is refused by its option.
            let has_text = one.iter().all(|(_, value)| !value.is_empty());
            assert!(!has_text || !lists.label(one).is_empty(), "{one:?}");
        }
    }
}
