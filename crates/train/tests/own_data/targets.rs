//! Data with masks or numbers: folders of pairs, tables, arrays; what a network learns of them; and
//! what is wrong said by name.

use morphograd::data::{Augmentation, Augmented, Pixels as Values, Targets};
use morphograd_morphology::nn::autodiff::Mode;

use super::*;

const SIZE: [usize; 2] = [12, 10];

/// A bright square on a dark ground with bright dots, and the mask of the square.
fn scene(number: usize) -> [Vec<u8>; 2] {
    let (top, left) = (1 + number % 7, 1 + number * 3 % 5);
    let is_inside = |i: usize| {
        (top..top + 4).contains(&(i / SIZE[1])) && (left..left + 4).contains(&(i % SIZE[1]))
    };
    let all = 0..SIZE[0] * SIZE[1];
    let dot = |i: usize| (i * 37 + number * 11).is_multiple_of(23);
    let image = all.clone().map(|i| if is_inside(i) || dot(i) { 220 } else { 30 }).collect();
    [image, all.map(|i| if is_inside(i) { 255 } else { 0 }).collect()]
}

/// A folder of pairs: 40 scenes to train and 8 to test.
pub(super) fn pairs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (part, numbers) in [("train", 0..40), ("test", 40..48)] {
        for number in numbers {
            let [image, mask] = scene(number);
            let path = dir.path().join(part);
            save(&path.join(format!("images/{number}.png")), SIZE, 1, image);
            save(&path.join(format!("masks/{number}.tif")), SIZE, 1, mask);
        }
    }
    dir
}

fn targets(images: &Images) -> &Targets {
    images.targets().unwrap()
}

fn target(images: &Images, index: usize) -> Vec<f32> {
    let mut out = vec![0.0; targets(images).size()];
    targets(images).gather(&[index], &mut out).unwrap();
    out
}

/// Whether every scene is among the images, with its own mask.
fn are_scenes(images: &Images, numbers_of: std::ops::Range<usize>) -> bool {
    let fraction = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect()
    };
    let mut expected: Vec<_> = numbers_of.map(|n| scene(n).map(fraction)).collect();
    for i in 0..images.len() {
        let pair = [numbers(images, i), target(images, i)];
        let Some(at) = expected.iter().position(|other| *other == pair) else { return false };
        expected.swap_remove(at);
    }
    expected.is_empty()
}

#[test]
fn a_folder_of_pairs_keeps_every_image_with_its_mask() {
    let dir = pairs();
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert!(data.class_names.is_empty());
    assert!(data.note.contains("target images of shape [12, 10, 1]"), "{}", data.note);
    assert!(are_scenes(&data.train, 0..40) && are_scenes(&data.test, 40..48));
    let half = DataSettings { resize: Some([6, 5]), ..DataSettings::default() };
    let data = load(dir.path(), &half).unwrap();
    assert_eq!((data.train.shape(), targets(&data.train).shape()), ([6, 5, 1], &[6, 5, 1][..]));
    let held = DataSettings { validation: Some(0.25), ..DataSettings::default() };
    let data = load(dir.path(), &held).unwrap();
    assert_eq!((data.train.len(), data.watched().len()), (30, 10));
    fs::remove_dir_all(dir.path().join("test")).unwrap();
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (32, 8));
    assert!(data.note.contains("20 percent of the images for testing"), "{}", data.note);
}

#[test]
fn masks_move_with_their_images() {
    let dir = pairs();
    let images = load(dir.path(), &DataSettings::default()).unwrap().train;
    let augmentation: Augmentation = "shift:2,rotation:20,flip,elastic:1".parse().unwrap();
    // The same pixels as images and as targets are changed alike.
    let pixels: Vec<f32> = (0..images.len()).flat_map(|i| numbers(&images, i)).collect();
    let same = Targets::new("the same".into(), &images.shape(), Values::F32(pixels)).unwrap();
    let images = images.with_targets(same).unwrap();
    let augmented = Augmented { images: &images, augmentation, seed: 4 };
    let [mut a, mut b] = [(); 2].map(|()| vec![0.0; 3 * images.size()]);
    for mode in [Mode::Train { step: 7 }, Mode::Eval] {
        augmented.gather_pixels(mode, &[3, 0, 17], &mut a).unwrap();
        augmented.gather_targets(mode, &[3, 0, 17], &mut b).unwrap();
        assert_eq!(a, b);
    }
}

#[test]
fn what_is_wrong_with_pairs_is_said_with_the_file() {
    let with = |change: &dyn Fn(&Path), words: &[&str]| {
        let dir = pairs();
        change(dir.path());
        let error = error(dir.path());
        for word in words {
            assert!(error.contains(word), "`{word}` in: {error}");
        }
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    with(&|d| remove(&d.join("train/masks/7.tif")), &["images/7.png", "an image of that name"]);
    with(&|d| remove(&d.join("test/images/41.png")), &["masks/41.tif", "an image of that name"]);
    with(&|d| save(&d.join("train/masks/7.png"), SIZE, 1, vec![0u8; 120]), &["7.tif", "7.png too"]);
    with(&|d| save(&d.join("train/masks/7.tif"), [3, 3], 1, vec![0u8; 9]), &["7.tif", "3x3"]);
    with(&|d| fs::remove_dir_all(d.join("test/masks")).unwrap(), &["masks or targets"]);
    with(&|d| fs::write(d.join("train/images/notes.txt"), "x").unwrap(), &["notes.txt"]);
}

#[test]
fn a_table_may_have_targets_or_values() {
    let dir = pairs();
    let table = dir.path().join("table.csv");
    let rows: String =
        (0..40).map(|n| format!("train/images/{n}.png,train/masks/{n}.tif\n")).collect();
    fs::write(&table, format!("path,target\n{rows}")).unwrap();
    let data = load(&table, &DataSettings::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (32, 8));
    assert_eq!(targets(&data.train).shape(), [12, 10, 1]);

    let rows: String = (0..40).map(|n| format!("train/images/{n}.png,{}.5\n", n % 7)).collect();
    fs::write(&table, format!("path,value\n{rows}")).unwrap();
    let data = load(&table, &DataSettings::default()).unwrap();
    assert_eq!((targets(&data.train).shape(), data.class_names.len()), (&[1][..], 0));
    for i in 0..data.train.len() {
        let image = numbers(&data.train, i);
        let is_of =
            |n: usize| numbers_of(n) == image && target(&data.train, i) == [(n % 7) as f32 + 0.5];
        assert!((0..40).any(is_of));
    }
    for (text, word) in [
        ("path,value\ntrain/images/0.png,inf\n", "inf in line 2"),
        ("path,value\ntrain/images/0.png,\n", "none in line 2"),
        ("path,value,label\ntrain/images/0.png,1,a\n", "label and value"),
        ("path\ntrain/images/0.png\n", "one column of label, target, value, found none"),
    ] {
        fs::write(&table, text).unwrap();
        assert!(error(&table).contains(word), "`{word}` in: {}", error(&table));
    }
}

fn numbers_of(number: usize) -> Vec<f32> {
    scene(number)[0].iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

#[test]
fn arrays_of_floats_are_numbers_and_arrays_of_images_are_images() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: Vec<u8>| {
        fs::write(dir.path().join(name).with_extension("npy"), bytes).unwrap();
    };
    let pixels: Vec<u8> = (0..120).map(|i| (i * 7 % 256) as u8).collect();
    let floats: Vec<u8> = (0..12).flat_map(|i| (i as f32 / 4.0 - 1.0).to_le_bytes()).collect();
    put("x_train", npy("|u1", "(6, 4, 5)", &pixels));
    put("y_train", npy("<f4", "(6, 2)", &floats));
    put("x_test", npy("|u1", "(2, 4, 5)", &pixels[..40]));
    put("y_test", npy("<f4", "(2, 2)", &floats[..16]));
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!(target(&data.train, 5), [1.5, 1.75]);
    assert_eq!((targets(&data.test).kind(), data.test.len()), ("numbers", 2));
    put("y_test", npy("<f4", "(2,)", &floats[..8]));
    assert!(error(dir.path()).contains("targets of shape [2] as in training, found [1]"));
    put("y_train", npy("|u1", "(6, 4, 5)", &pixels));
    put("y_test", npy("|u1", "(2, 4, 5)", &pixels[..40]));
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!(target(&data.train, 3), numbers(&data.train, 3));
    put("y_test", npy("<f4", "(2, 1, 1, 1, 2)", &floats[..16]));
    assert!(error(dir.path()).contains("floats [count] or [count, n], or images"));
}

/// A network that finds the square among the dots, and one that says how bright an image is.
#[test]
fn networks_learn_masks_and_numbers_from_files() {
    let dir = pairs();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write(
        "mask.toml",
        "[[layer]]\ntype = \"Morphological2d\"\noperator = \"opening2d\"\nsize = 3\n\
         padding = \"same\"\n\n[[layer]]\ntype = \"Conv2d\"\nfilters = 1\nsize = 1\n\n\
         [training]\ntarget = \"data\"\nloss = \"BinaryCrossEntropy\"\nepochs = 40\n\
         batch_size = 8\nlearning_rate = 0.1\n\
         metrics = [{ type = \"IntersectionOverUnion\", threshold = 0 }]\n",
    );
    let train = ["train", "--data", ".", "--model", "mask.toml", "--quiet", "--out", "mask"];
    told(dir.path(), &train);
    let text = told(dir.path(), &["evaluate", "mask", "--data", "."]);
    let iou = text.split("iou ").nth(1).and_then(|rest| rest.trim().parse::<f64>().ok()).unwrap();
    assert!(iou > 0.9, "{text}");
    told(dir.path(), &["predict", "mask", "test/images/41.png", "--out", "found"]);
    let found =
        morphograd_image::read(&dir.path().join("found/41.png"), Default::default()).unwrap();
    let (found, mask) = (found.to_tensor::<f32>(), &scene(41)[1]);
    let agreed = found.data().iter().zip(mask);
    let agreed = agreed.filter(|(y, t)| (**y > 0.5) == (**t > 0)).count();
    assert!(agreed >= 118, "{agreed} of 120");

    let rows: String = (0..40)
        .map(|n| {
            let image = numbers_of(n);
            let mean = image.iter().sum::<f32>() / image.len() as f32;
            format!("train/images/{n}.png,{mean}\n")
        })
        .collect();
    write("means.csv", &format!("path,value\n{rows}"));
    write(
        "mean.toml",
        "[[layer]]\ntype = \"GlobalAveragePool\"\n\n[[layer]]\ntype = \"Dense\"\nunits = 1\n\n\
         [training]\ntarget = \"data\"\nepochs = 300\nbatch_size = 8\nlearning_rate = 0.02\n",
    );
    let train =
        ["train", "--data", "means.csv", "--model", "mean.toml", "--quiet", "--out", "mean"];
    told(dir.path(), &train);
    let text = told(dir.path(), &["predict", "mean", "test/images/41.png", "--format", "csv"]);
    let value: f32 = text.trim().rsplit(',').next().unwrap().parse().unwrap();
    let image = numbers_of(41);
    let mean = image.iter().sum::<f32>() / image.len() as f32;
    assert!((value - mean).abs() < 0.02, "{value}, expected {mean}");

    // What does not fit says what does.
    let error = refused(dir.path(), &["train", "--data", ".", "--out", "no"]);
    assert!(error.contains("found target images"), "{error}");
    let digits = ["train", "--data", "digits", "--model", "mean.toml", "--out", "no"];
    let error = refused(dir.path(), &digits);
    assert!(error.contains("found 10 classes"), "{error}");
    let wrong = ["train", "--data", ".", "--model", "mean.toml", "--out", "no"];
    let error = refused(dir.path(), &wrong);
    assert!(error.contains("gives [12, 10, 1] as its targets are"), "{error}");
    let error = refused(dir.path(), &["evaluate", "mask", "--data", "digits"]);
    assert!(error.contains("found 10 classes"), "{error}");
}

/// Images without anything else: what a denoiser learns from.
#[test]
fn a_folder_of_images_alone_trains_a_network_of_images() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..10 {
        save(&dir.path().join(format!("train/{number}.png")), SIZE, 1, scene(number)[0].clone());
    }
    let data = load(dir.path(), &DataSettings::default()).unwrap();
    assert!(data.class_names.is_empty() && data.train.targets().is_none());
    assert_eq!((data.train.len(), data.test.len()), (8, 2));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/opening_denoiser.toml");
    let model = model.to_str().unwrap();
    let train = ["train", "--data", ".", "--model", model, "--epochs", "2", "--batch-size", "4"];
    told(dir.path(), &[&train[..], &["--quiet", "--out", "run"]].concat());
    let text = told(dir.path(), &["evaluate", "run", "--data", "."]);
    assert!(text.contains("psnr "), "{text}");
    let error = refused(dir.path(), &["train", "--data", ".", "--out", "no"]);
    assert!(error.contains("expected data of classes"), "{error}");
    fs::create_dir(dir.path().join("train/class")).unwrap();
    assert!(super::error(dir.path()).contains("2 to 256 folders"), "{}", super::error(dir.path()));
}
