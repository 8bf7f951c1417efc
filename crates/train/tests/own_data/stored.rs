//! Data that stay in their files are the data in memory, to the bit, in every form.

use morphograd_idx::{Idx, IdxData};

use super::*;

/// Loads as much as possible from files, and nothing.
fn both(path: &Path, settings: &DataSettings) -> [Dataset; 2] {
    [Some(0), None]
        .map(|in_memory| load(path, &DataSettings { in_memory, ..settings.clone() }).unwrap())
}

/// Checks that two data sets have the same numbers in the same order.
#[track_caller]
fn check(path: &Path, settings: &DataSettings) {
    let [stored, whole] = both(path, settings);
    assert!(stored.train.is_stored() && !whole.train.is_stored());
    assert_eq!(stored.sha256().unwrap(), whole.sha256().unwrap());
    for (a, b) in [(&stored.train, &whole.train), (&stored.test, &whole.test)] {
        assert_eq!((a.len(), a.shape(), a.labels()), (b.len(), b.shape(), b.labels()));
        assert_eq!(a.white(), b.white());
        let order: Vec<usize> = (0..a.len()).rev().chain([0, 0, a.len() / 2]).collect();
        // Read ahead or not: the same.
        for is_ahead in [false, true] {
            let batches = |images: &Images| {
                let mut all = Vec::new();
                let mut batches = order.chunks(4).peekable();
                while let Some(batch) = batches.next() {
                    if let (Some(next), true) = (batches.peek(), is_ahead) {
                        images.read_ahead(next);
                    }
                    let mut out = vec![9.0; batch.len() * images.size()];
                    images.gather_pixels(batch, &mut out).unwrap();
                    all.extend(out.iter().map(|x| x.to_bits()));
                    if let Some(targets) = images.targets() {
                        let mut out = vec![9.0; batch.len() * targets.size()];
                        targets.gather(batch, &mut out).unwrap();
                        all.extend(out.iter().map(|x| x.to_bits()));
                    }
                }
                all
            };
            assert_eq!(batches(a), batches(b));
        }
        assert!(a.levels(1).eq(b.levels(1)));
        let taken = a.take(2).unwrap();
        assert_eq!(numbers(&taken, 1), numbers(b, 1));
    }
}

/// As they are, and in another size, split.
#[track_caller]
fn check_prepared(path: &Path) {
    check(path, &DataSettings::default());
    let (resize, validation) = (Some([7, 9]), Some(0.25));
    check(path, &DataSettings { resize, validation, ..DataSettings::default() });
}

fn idx(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let sets = [("train", 24, [12, 10]), ("t10k", 8, [12, 10])];
    for (part, count, [height, width]) in sets {
        let pixels: Vec<u8> = (0..count)
            .flat_map(|n| draw(if n % 2 == 0 { "across" } else { "down" }, n, [height, width]))
            .collect();
        let labels = (0..count).map(|n| (n % 2) as u8).collect();
        let write = |name: &str, dims: Vec<usize>, data: Vec<u8>| {
            let array = Idx::new(dims, IdxData::U8(data)).unwrap();
            morphograd_idx::write(dir.join(format!("{part}-{name}-ubyte")), &array).unwrap();
        };
        write("images-idx3", vec![count, height, width], pixels);
        write("labels-idx1", vec![count], labels);
    }
}

#[test]
fn idx_files() {
    let dir = tempfile::tempdir().unwrap();
    idx(dir.path());
    check_prepared(dir.path());
}

#[test]
fn folders_of_images_in_bytes_and_in_more() {
    check_prepared(folder().path());
    let dir = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for n in 0..6u16 {
            let pixels: Vec<u16> = (0..120).map(|i| i * 500 + n * 17).collect();
            save(
                &dir.path().join("train").join(class).join(format!("{n}.tif")),
                [12, 10],
                1,
                pixels,
            );
        }
    }
    check_prepared(dir.path());
}

#[test]
fn masks() {
    check(targets::pairs().path(), &DataSettings::default());
}

#[test]
fn arrays() {
    for (descr, bytes) in [("|u1", 1), ("<u2", 2), (">f4", 4)] {
        let dir = tempfile::tempdir().unwrap();
        for (part, count) in [("train", 8), ("test", 4)] {
            let data: Vec<u8> = (0..count * 30 * bytes).map(|i| (i * 37 % 113) as u8).collect();
            let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
            let path = |name: &str| dir.path().join(format!("{name}_{part}.npy"));
            fs::write(path("x"), npy(descr, &format!("({count}, 5, 6)"), &data)).unwrap();
            fs::write(path("y"), npy("|u1", &format!("({count},)"), &labels)).unwrap();
        }
        check(dir.path(), &DataSettings::default());
    }
}

#[test]
fn shards_are_the_data_that_were_packed() {
    let (at, first) = (tempfile::tempdir().unwrap(), folder());
    let (from, to) = (first.path().to_str().unwrap(), at.path().join("shards"));
    let to = to.to_str().unwrap();
    let text = told(at.path(), &["data", "pack", from, to, "--resize", "16x12"]);
    assert!(text.contains("20 training and 6 test images"), "{text}");
    check_prepared(Path::new(to));
    let resize = Some([16, 12]);
    let whole = load(first.path(), &DataSettings { resize, ..DataSettings::default() }).unwrap();
    let packed = load(Path::new(to), &DataSettings::default()).unwrap();
    assert_eq!(packed.sha256().unwrap(), whole.sha256().unwrap());
    assert_eq!(packed.class_names, ["across", "down"]);
    let again = refused(at.path(), &["data", "pack", from, to]);
    assert!(again.contains("expected a new file that can be written, found one that is there"));

    // Several of them, and what is none.
    let dataset = load(first.path(), &DataSettings::default()).unwrap();
    let several = at.path().join("several");
    morphograd::data::write_shards(&dataset, &several, 7 * 120, &mut |_, _| {}).unwrap();
    assert_eq!(fs::read_dir(&several).unwrap().count(), 3 + 1);
    check_prepared(&several);
    let second = several.join("train-00001.safetensors");
    let bytes = fs::read(&second).unwrap();
    for cut in [0, 5, 40, bytes.len() - 1] {
        fs::write(&second, &bytes[..cut]).unwrap();
        let error = error(&several);
        assert!(error.contains("train-00001.safetensors: expected a shard"), "{error}");
    }
}

#[test]
fn a_training_from_files_has_the_weights_of_one_in_memory() {
    let at = tempfile::tempdir().unwrap();
    idx(&at.path().join("data"));
    let train = |out: &str, more: &[&str]| {
        let all = ["train", "--data", "data", "--resize", "20x16", "--constraint", "none"];
        let rest = ["--epochs", "3", "--batch-size", "5", "--augment", "shift:1", "--out", out];
        told(at.path(), &[&all[..], &rest, more].concat());
        fs::read(at.path().join(out).join("none-seed0/weights.safetensors")).unwrap()
    };
    let whole = train("whole", &[]);
    assert_eq!(train("stored", &["--in-memory", "0"]), whole);
    assert_eq!(train("one", &["--in-memory", "0", "--threads", "1"]), whole);
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    idx(dir.path());
    let [stored, _] = both(dir.path(), &DataSettings::default());
    let file = dir.path().join("train-images-idx3-ubyte");
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1000).unwrap();
    let mut out = vec![0.0; 2 * 120];
    stored.train.gather_pixels(&[0, 1], &mut out).unwrap();
    for is_ahead in [false, true] {
        if is_ahead {
            stored.train.read_ahead(&[1, 20]);
        }
        let error = stored.train.gather_pixels(&[1, 20], &mut out).unwrap_err().to_string();
        assert!(error.contains("train-images-idx3-ubyte: expected 120 bytes from"), "{error}");
    }
}
