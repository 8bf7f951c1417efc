//! Elements and pipelines from text: what is understood, and what is refused with which words.

use std::fs;
use std::path::Path;

use morphograd::apply::{Element, Pipeline};
use morphograd_image::{Picture, write};
use morphograd_morphology::StructuringElement;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::checkpoint;
use morphograd_morphology::nn::tensor::Tensor;

fn shape(text: &str) -> StructuringElement {
    Element::parse(text).unwrap().shape().clone()
}

fn text(element: &str) -> String {
    Element::parse(element).unwrap_err().to_string()
}

#[test]
fn shapes_are_those_of_the_generators() {
    type E = StructuringElement;
    let all = [
        ("disk:5", E::disk(5)),
        ("square:3", E::square(3)),
        ("rectangle:3x7", E::rectangle(3, 7)),
        ("diamond:4", E::diamond(4)),
        ("cross:2", E::cross(2)),
        ("line:15@30", E::line(15, 30.0)),
        ("line:15", E::line(15, 0.0)),
        ("line:9@-22.5", E::line(9, -22.5)),
        ("octagon:3x2", E::octagon(3, 2)),
        ("parabola:5@1.5", E::quadratic([5, 5], 1.5)),
    ];
    for (word, expected) in all {
        assert_eq!(shape(word), expected.unwrap(), "{word}");
    }
    let frame = shape("frame:4");
    let around = StructuringElement::square(2).unwrap();
    assert_eq!((frame.size(), frame.count()), ([4, 4], 12));
    assert!(around.support().all(|(offset, _)| frame.entry(offset).is_none()));
    let family = |text: &str| {
        let family = Element::parse(text).unwrap().family().unwrap();
        family.iter().map(|element| element.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(family("disk:3"), ["disk:1", "disk:2", "disk:3"]);
    assert_eq!(family("square:7"), ["square:3", "square:5", "square:7"]);
    assert_eq!(family("square:4"), ["square:2", "square:4"]);
    let error = Element::parse("line:5").unwrap().family().unwrap_err().to_string();
    let expected = "element: expected the largest of a family (disk, square, diamond), found ";
    assert_eq!(error, format!("{expected}`line:5`"));
    assert!(Element::parse("square:1").unwrap().family().is_err());
    // Each of them fits into memory, all of them do not.
    let error = Element::parse("disk:1000").unwrap().family().unwrap_err().to_string();
    assert!(error.contains("at most 2^26 positions, all elements together, found"), "{error}");
}

#[test]
fn what_is_no_element_is_refused_with_a_suggestion() {
    assert!(text("sqare:3").ends_with("found `sqare:3` (did you mean `square`?)"));
    assert!(text("qqq").ends_with("a file or the folder of a run, found `qqq`"), "{}", text("qqq"));
    assert_eq!(text("disk:big"), "element: expected disk:R, found `disk:big`");
    assert_eq!(text("disk"), "element: expected disk:R, found `disk`");
    assert_eq!(text("rectangle:3"), "element: expected rectangle:HxW, found `rectangle:3`");
    assert_eq!(text("disk:9999"), "disk: expected a radius of at most 2048, found 9999");
    assert_eq!(text("square:-1"), "element: expected square:N, found `square:-1`");
}

#[test]
fn files_are_sets_and_functions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tee = Picture::new([2, 3], 1, vec![9u8, 9, 9, 0, 1, 0]).unwrap();
    write(Path::new(&path("tee.png")), &tee).unwrap();
    let expected = StructuringElement::new(
        [2, 3],
        [0, 1],
        &[0.0, 0.0, 0.0, f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY],
    );
    assert_eq!(shape(&path("tee.png")), expected.unwrap());
    fs::write(path("tee.txt"), "###\n.#.\n").unwrap();
    assert_eq!(shape(&path("tee.txt")), shape(&path("tee.png")));
    // As elements are printed, with the origin in brackets.
    let line = StructuringElement::line(7, 30.0).unwrap().translated([1, 0]).unwrap();
    fs::write(path("line.txt"), line.to_string()).unwrap();
    assert_eq!(shape(&path("line.txt")), line);
    fs::write(path("slope.txt"), "-1.5 [0] -inf\n2 . 0\n").unwrap();
    let out = f64::NEG_INFINITY;
    let slope = StructuringElement::new([2, 3], [0, 1], &[-1.5, 0.0, out, 2.0, out, 0.0]).unwrap();
    assert_eq!(shape(&path("slope.txt")), slope);

    for (content, message) in [
        ("##\n###\n", ":2: expected 2 entries as above, found 3"),
        ("1 two\n", ":1: expected #, . or a number, found `two`"),
        ("[0] [1]\n", ":1: expected one origin in brackets, found a second, `[1]`"),
        ("nan 1\n", "structuring element: expected entries that are numbers or -inf, found NaN at"),
        ("", "structuring element: expected an entry above -inf, found none"),
        ("...\n", "structuring element: expected an entry above -inf, found none"),
    ] {
        fs::write(path("wrong.txt"), content).unwrap();
        let found = text(&path("wrong.txt"));
        assert!(found.contains(message), "{content:?}: {found}");
    }
    let colours = Picture::new([1, 1], 3, vec![1u8, 2, 3]).unwrap();
    write(Path::new(&path("rgb.png")), &colours).unwrap();
    assert!(
        text(&path("rgb.png")).contains("expected a grey image of the set, found 1 x 1, 8 bit RGB")
    );
    let bytes = fs::read(path("tee.png")).unwrap();
    fs::write(path("cut.png"), &bytes[..30]).unwrap();
    assert!(text(&path("cut.png")).contains("cut.png: expected a whole PNG file"));
}

#[test]
fn a_learned_kernel_is_a_filter_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("none-seed0");
    fs::create_dir(&run).unwrap();
    let kernel = Tensor::from_fn([3, 3, 1, 2], |i| i as f32 / 100.0 - 0.09);
    let save = |name: &str, kernel: &Tensor<f32>, run: &Path| {
        let mut params = Params::new();
        params.add(name, kernel.clone(), None).unwrap();
        checkpoint::save(&params, run.join("weights.safetensors")).unwrap();
    };
    save("dilation2d.kernel", &kernel, &run);
    let place = folder.path().display().to_string();
    let second: Vec<f64> = kernel.data().iter().skip(1).step_by(2).map(|w| f64::from(*w)).collect();
    let expected = StructuringElement::new([3, 3], [1, 1], &second).unwrap();
    assert_eq!(shape(&format!("{place}#1")), expected);
    assert_eq!(shape(&format!("{place}/none-seed0#1")), expected);
    assert!(text(&place).contains("expected the number of a filter, #0 to #1, found none"));
    assert!(text(&format!("{place}#2")).contains("#0 to #1, found #2"));
    assert!(text(&format!("{place}#x")).contains("expected the number of a filter behind #"));

    // Its numbers are parts of white.
    let picture = Picture::new([3, 3], 1, vec![0u8, 0, 0, 0, 100, 0, 0, 0, 0]).unwrap();
    let pipeline = Pipeline::parse(&format!("dilation {place}#1"), &[]).unwrap();
    let morphograd::apply::Output::Picture(found) = pipeline.run(&picture).unwrap() else {
        panic!("an image")
    };
    // The entry at the opposite side of each pixel, in 255ths, added to the pixel in the middle.
    let entry = |i: usize| 100.0 + 255.0 * second[8 - i];
    let expected: Vec<u8> = (0..9).map(|i| entry(i).round() as u8).collect();
    assert_eq!(found.samples::<u8>(), Some(&expected[..]));

    let other = folder.path().join("other-seed0");
    fs::create_dir(&other).unwrap();
    save("conv.kernel", &kernel, &other);
    let two = text(&place);
    assert!(
        two.contains("expected one training with weights.safetensors, found none-seed0, other")
    );
    let named = text(&format!("{place}/other-seed0#0"));
    assert!(named.contains("expected a kernel `dilation2d.kernel`, found conv.kernel"), "{named}");
    fs::write(other.join("weights.safetensors"), "short").unwrap();
    assert!(text(&format!("{place}/other-seed0")).contains("a complete safetensors file"));
    let empty = tempfile::tempdir().unwrap();
    assert!(text(&empty.path().display().to_string()).ends_with("weights.safetensors, found none"));
}

#[test]
fn pipelines_that_mean_nothing_are_refused_by_name() {
    let text = |text: &str, options: &[(&str, &str)]| {
        Pipeline::parse(text, options).unwrap_err().to_string()
    };
    for (pipeline, message) in [
        ("", "pipeline: expected an operator, found nothing"),
        ("invert | ", "pipeline: expected an operator, found nothing beside a `|`"),
        ("opning disk:3", "unknown operator `opning` (did you mean `opening`?), expected one of "),
        ("opening size=3", "unknown parameter `size`, expected one of element, border"),
        ("opening elment=disk:3", "unknown parameter `elment` (did you mean `element`?)"),
        ("opening disk:3 element=disk:2", "opening: element: expected one value, found a second"),
        ("invert 3", "invert: values: expected at most 0, found `3`"),
        ("h-maxima", "h-maxima: h: expected h=LEVEL, a height, in grey levels or as a share of"),
        ("h-maxima big", "h-maxima: h: expected a number, or a share such as 8%, found `big`"),
        ("h-maxima 3 6", "h-maxima: connectivity: expected 4 or 8, found `6`"),
        ("area-opening 0", "area-opening: area: expected a whole number, at least 1, found `0`"),
        ("dilation border=none", "dilation: border: expected infinity, replicate, reflect, "),
        ("distance metric=l1", "distance: metric: expected euclidean or chessboard or taxicab"),
        ("toggle parabola:3@1", "toggle: element: expected a flat element, found `parabola:3@1`"),
        ("granulometry disk:2 | invert", "expected nothing behind `granulometry`, which gives a"),
    ] {
        let found = text(pipeline, &[]);
        assert!(found.contains(message), "{pipeline}: {found}");
    }
    let found = text("invert | gradient", &[("area", "3")]);
    assert_eq!(found, "pipeline: expected an option that invert or gradient takes, found --area");
}

#[test]
fn options_are_for_all_operators_that_are_not_told_otherwise() {
    let picture = Picture::new([1, 7], 1, vec![0u8, 0, 9, 0, 0, 5, 0]).unwrap();
    let run = |text: &str, options: &[(&str, &str)]| {
        let pipeline = Pipeline::parse(text, options).unwrap();
        let morphograd::apply::Output::Picture(found) = pipeline.run(&picture).unwrap() else {
            panic!("an image")
        };
        found
    };
    let told = run("dilation line:5 | erosion element=line:3", &[]);
    assert_eq!(run("dilation line:5 | erosion", &[("element", "line:3")]), told);
    assert_eq!(run("dilate line:5|erode line:3", &[]), told);
}
