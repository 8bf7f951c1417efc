//! Data with classes: folders, tables, arrays; and what is wrong with them said by name.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use morphograd::data::{Colour, DataSettings, DataSource};

use super::*;

#[test]
fn a_folder_by_class_is_read_with_the_names_of_its_classes() {
    let dir = folder();
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!(data.class_names, ["across", "down"]);
    assert_eq!((data.train.len(), data.test.len(), data.train.shape()), (20, 6, [12, 10, 1]));
    // Every image is there once, with its label, and the first ones are of both classes.
    for (label, class) in ["across", "down"].into_iter().enumerate() {
        for n in 0..10 {
            let drawn = draw(class, n, [12, 10]).iter().map(|p| f32::from(*p) / 255.0).collect();
            let drawn: Vec<f32> = drawn;
            let found = (0..20).filter(|i| {
                data.train.labels()[*i] == label as u8 && numbers(&data.train, *i) == drawn
            });
            // Bars repeat every four images.
            assert!(found.count() >= 1, "{class} {n}");
        }
    }
    let first = &data.train.labels()[..6];
    assert!(first.contains(&0) && first.contains(&1), "{first:?}");
    let hidden = dir.path().join("train/across/.DS_Store");
    fs::write(hidden, "x").unwrap();
    assert_eq!(load(dir.path(), &DataSettings::default()).unwrap(), data);
}

#[test]
fn without_test_images_a_share_of_each_class_is_kept_and_said() {
    let dir = folder();
    fs::remove_dir_all(dir.path().join("test")).unwrap();
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (16, 4));
    assert!(data.note.contains("20 percent of each class for testing"), "{}", data.note);
    let settings = DataSettings { validation: Some(0.25), ..DataSettings::default() };
    let data = load(dir.path(), &settings).unwrap();
    assert_eq!((data.train.len(), data.watched().len(), data.test.len()), (12, 4, 4));
}

#[test]
fn sizes_and_colours_are_those_asked_for() {
    let dir = folder();
    let settings =
        DataSettings { resize: Some([6, 5]), colour: Some(Colour::Rgb), ..DataSettings::default() };
    let data = load(dir.path(), &settings).unwrap();
    assert_eq!((data.train.shape(), data.test.shape()), ([6, 5, 3], [6, 5, 3]));
    assert!(numbers(&data.train, 0).chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    // One image in colour makes all of them so, the test images too.
    let path = dir.path().join("train/down/colour.png");
    save(&path, [12, 10], 3, vec![7u8; 360]);
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!((data.train.shape(), data.test.shape()), ([12, 10, 3], [12, 10, 3]));
    let mnist = DataSettings { resize: Some([14, 14]), ..DataSettings::default() };
    let digits = mnist.load(&DataSource::Embedded { why: String::new() }, None).unwrap();
    assert_eq!(digits.train.shape(), [14, 14, 1]);
}

#[test]
fn sixteen_bits_and_floats_keep_their_values() {
    let dir = folder();
    save(&dir.path().join("train/down/a.png"), [12, 10], 1, vec![65535u16 / 3; 120]);
    save(&dir.path().join("train/down/b.tif"), [12, 10], 1, vec![0.123f32; 120]);
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    let has = |value: f32| (0..22).any(|i| numbers(&data.train, i).iter().all(|x| *x == value));
    assert!(has((65535 / 3) as f32 / 65535.0) && has(0.123));
    let path = dir.path().join("train/down/c.tif");
    save(&path, [12, 10], 1, vec![f32::NAN; 120]);
    let error = error(dir.path());
    assert!(
        error.contains("c.tif") && error.contains("finite") && error.contains("NaN"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_with_a_folder_is_said_with_the_file() {
    let with = |change: &dyn Fn(&Path), words: &[&str]| {
        let dir = folder();
        change(dir.path());
        let error = error(dir.path());
        for word in words {
            assert!(error.contains(word), "`{word}` in: {error}");
        }
    };
    with(
        &|dir| fs::create_dir(dir.join("train/empty")).unwrap(),
        &["empty", "a folder without images"],
    );
    with(
        &|dir| fs::remove_dir_all(dir.join("train/down")).unwrap(),
        &["2 to 256 folders", "found 1"],
    );
    with(
        &|dir| fs::write(dir.join("train/down/notes.txt"), "x").unwrap(),
        &["notes.txt", "images only"],
    );
    with(
        &|dir| fs::create_dir_all(dir.join("test/third")).unwrap(),
        &["third", "a class of the training images (across, down)"],
    );
    with(
        &|dir| save(&dir.join("train/down/x.png"), [5, 5], 1, vec![0u8; 25]),
        &["x.png", "12x10", "5x5", "--resize"],
    );
    with(
        &|dir| {
            let whole = fs::read(dir.join("train/down/0.png")).unwrap();
            fs::write(dir.join("train/down/0.png"), &whole[..whole.len() / 2]).unwrap();
        },
        &["0.png"],
    );
    with(&|dir| fs::write(dir.join("train/down/0.tif"), "no image").unwrap(), &["0.tif"]);
    with(
        &|dir| {
            fs::remove_dir_all(dir.join("test")).unwrap();
            save(&dir.join("test/down/0.png"), [6, 5], 1, vec![0u8; 30]);
        },
        &["the test images of", "12x10x1 as the training images have", "found 6x5x1"],
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_read() {
    use std::os::unix::ffi::OsStrExt;
    let dir = folder();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.png");
    let path = dir.path().join("train/down").join(name);
    fs::copy(dir.path().join("train/down/0.png"), &path).unwrap();
    assert_eq!(load(dir.path(), &DataSettings::default()).unwrap().train.len(), 21);
}

#[test]
fn a_table_of_files_is_read() {
    let dir = folder();
    let table = dir.path().join("table.csv");
    let mut text = "path,label,split\n".to_owned();
    for (label, class) in [("2", "across"), ("10", "down")] {
        for n in 0..10 {
            let split = if n < 7 { "train" } else { "test" };
            text += &format!("train/{class}/{n}.png,{label},{split}\n");
        }
    }
    fs::write(&table, &text).unwrap();
    let data = load(&table, &DataSettings::default()).unwrap();
    // Numbers are in the order of their values.
    assert_eq!(data.class_names, ["2", "10"]);
    assert_eq!((data.train.len(), data.test.len()), (14, 6));
    for (from, to, word) in [
        ("split", "part", "the columns path, label"),
        (",test", ",later", "`later` in line 9"),
        ("0.png", "no.png", "no.png"),
        (",2,train", ",2,test", "none of 2"),
    ] {
        fs::write(&table, text.replace(from, to)).unwrap();
        let error = error(&table);
        assert!(error.contains(word), "`{word}` in: {error}");
    }
}

#[test]
fn arrays_are_read_from_a_folder_and_from_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..6 * 4 * 5).map(|i| (i * 7 % 256) as u8).collect();
    let labels: Vec<u8> = [0i64, 1, 2, 0, 1, 2].iter().flat_map(|y| y.to_le_bytes()).collect();
    let files = [
        ("x_train", npy("|u1", "(6, 4, 5)", &pixels)),
        ("y_train", npy("<i8", "(6,)", &labels)),
        ("x_test", npy("|u1", "(2, 4, 5)", &pixels[..40])),
        ("y_test", npy("<i8", "(2,)", &labels[..16])),
    ];
    for (name, bytes) in &files {
        fs::write(dir.path().join(name).with_extension("npy"), bytes).unwrap();
    }
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.train.shape()), (6, 2, [4, 5, 1]));
    assert_eq!((data.train.labels(), data.class_names.len()), (&[0, 1, 2, 0, 1, 2][..], 3));
    assert_eq!(data.train.levels(1).next(), Some(f64::from(pixels[20])));

    let archive: PathBuf = dir.path().join("set.npz");
    let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    for (name, bytes) in &files {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    let packed = load(&archive, &DataSettings::default()).unwrap();
    assert_eq!((packed.train.len(), packed.test.labels()), (6, data.test.labels()));
    assert!(packed.test.levels(1).eq(data.test.levels(1)));

    let lies = [
        ("x_train", npy("|O", "(6, 4, 5)", &pixels), "Python objects"),
        ("x_train", npy("|u1", "(6, 4, 500000)", &pixels), "the numbers of an array"),
        ("x_train", npy("|u1", "(120,)", &pixels), "[count, height, width]"),
        ("y_train", npy("<i8", "(3,)", &labels[..24]), "6 targets"),
        ("y_train", npy("<f8", "(6,)", &labels), "targets of shape [1] as in training, found none"),
        ("y_train", npy("<i8", "(6,)", &[0xff; 48]), "classes from 0 to 255"),
    ];
    for (name, bytes, word) in lies {
        let path = dir.path().join(name).with_extension("npy");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = error(dir.path());
        assert!(error.contains(word), "`{word}` in: {error}");
        fs::write(&path, whole).unwrap();
    }
    fs::write(&archive, "PK no archive").unwrap();
    assert!(error(&archive).contains("set.npz"), "{}", error(&archive));
}

/// The path of a newcomer: draw, train, ask about a new file, measure.
#[test]
fn two_folders_of_drawings_become_a_network_that_knows_a_new_one() {
    let dir = folder();
    for class in ["across", "down"] {
        for n in 10..40 {
            let path = dir.path().join("train").join(class).join(format!("{n}.png"));
            save(&path, [12, 10], 1, draw(class, n, [12, 10]));
        }
    }
    let model = dir.path().join("bars.toml");
    fs::write(
        &model,
        "[[layer]]\ntype = \"Dilation2d\"\nfilters = 4\nsize = 3\n\n[[layer]]\ntype = \
         \"MaxPool2d\"\n\n[[layer]]\ntype = \"Flatten\"\n\n[[layer]]\ntype = \"Dense\"\nunits = \
         \"classes\"\n\n[training]\nepochs = 15\nbatch_size = 8\nlearning_rate = 0.01\n",
    )
    .unwrap();
    let command = |arguments: &[&str]| told(dir.path(), arguments);
    let text = command(&[
        "train",
        "--data",
        ".",
        "--model",
        "bars.toml",
        "--validation",
        "0.2",
        "--augment",
        "shift:1",
        "--out",
        "bars",
    ]);
    assert!(text.contains("16 validation images, 6 test images"), "{text}");
    assert!(text.contains("across") && text.contains("down"), "{text}");

    let new = dir.path().join("new.png");
    save(
        &new,
        [24, 20],
        1,
        draw("across", 3, [12, 10])
            .chunks(10)
            .flat_map(|row| {
                let row: Vec<u8> = row.iter().flat_map(|p| [*p; 2]).collect();
                [row.clone(), row].concat()
            })
            .collect::<Vec<u8>>(),
    );
    let line = command(&["predict", "bars", "new.png"]);
    assert!(line.starts_with("new.png  across"), "{line}");
    let json: serde_json::Value =
        serde_json::from_str(&command(&["predict", "bars", "new.png", "--format", "json"]))
            .unwrap();
    let sum: f64 =
        json["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9 && json["class"] == "across", "{json}");
    let csv = command(&["predict", "bars", "new.png", "--format", "csv"]);
    assert!(csv.starts_with("image,class,across,down\nnew.png,across,"), "{csv}");

    let text = command(&["evaluate", "bars", "--data", "."]);
    assert!(text.contains("accuracy 1.0000") && text.contains("across"), "{text}");
    // The settings of the run make the same run again.
    command(&["train", "--data", ".", "--config", "bars/config.toml", "--out", "again"]);
    let weights = |run: &str| {
        let folder = fs::read_dir(dir.path().join(run)).unwrap();
        let run = folder.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
        fs::read(run.join("weights.safetensors")).unwrap()
    };
    assert_eq!(weights("bars"), weights("again"));
}

#[test]
fn a_network_of_images_writes_images_and_overwrites_none() {
    let dir = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/opening_denoiser.toml");
    let noisy = dir.path().join("noisy.png");
    save(&noisy, [28, 28], 1, draw("down", 0, [28, 28]));
    let small = ["--samples", "64", "--epochs", "1", "--quiet", "--out", "run"];
    let train = [&["train", "--data", "digits", "--model", model.to_str().unwrap()][..], &small];
    told(dir.path(), &train.concat());
    told(dir.path(), &["predict", "run", "noisy.png", "--out", "clean"]);
    let clean = fs::read(dir.path().join("clean/noisy.png")).unwrap();
    // A network whose layers slide takes an image of another size as it is.
    save(&dir.path().join("large.png"), [40, 33], 1, draw("down", 0, [40, 33]));
    let text = told(dir.path(), &["predict", "run", "large.png", "--out", "clean"]);
    assert!(text.contains("clean/large.png (40x33)"), "{text}");
    // Neither the result of before nor the image itself is replaced.
    let before = fs::read(&noisy).unwrap();
    for out in ["clean", "."] {
        let error = refused(dir.path(), &["predict", "run", "noisy.png", "--out", out]);
        assert!(error.contains("there already"), "{error}");
    }
    assert_eq!(fs::read(dir.path().join("clean/noisy.png")).unwrap(), clean);
    assert_eq!(fs::read(&noisy).unwrap(), before);
    let error = refused(dir.path(), &["predict", "run", "noisy.png"]);
    assert!(error.contains("--out DIR"), "{error}");
}
