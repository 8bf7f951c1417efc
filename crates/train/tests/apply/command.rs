//! The command as a person meets it: files and folders, pictures, strips, and bad input.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use morphograd_image::{Depth, Limits, Picture, read, write};

/// What the command prints, in a folder of its own.
fn apply<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_morphograd"))
        .arg("apply")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str], message: &str) {
    let found = apply(folder, arguments).expect_err("an error");
    assert!(found.contains(message), "{arguments:?}: {found}");
}

fn grey(height: usize, width: usize) -> Picture {
    let pixels: Vec<u8> = (0..height * width).map(|i| (i * i % 251) as u8).collect();
    Picture::new([height, width], 1, pixels).unwrap()
}

/// A folder with a few images.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    write(&path.join("a.png"), &grey(20, 30)).unwrap();
    let wide = Picture::new([4, 4], 3, (0..48).map(|i| i * 1111).collect::<Vec<u16>>()).unwrap();
    write(&path.join("b.tif"), &wide.with_alpha(Some(vec![7u16; 16].into())).unwrap()).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Picture {
    read(path, Limits::default()).unwrap()
}

#[test]
fn one_operator_and_a_pipeline() {
    let (_folder, path) = folder();
    assert_eq!(
        apply(&path, &["dilation", "--element", "rectangle:1x3", "a.png", "c.png"]),
        Ok(String::new())
    );
    let (before, after) = (open(&path.join("a.png")), open(&path.join("c.png")));
    let (x, y) = (before.samples::<u8>().unwrap(), after.samples::<u8>().unwrap());
    assert_eq!(y[1], x[0].max(x[1]).max(x[2]));
    apply(&path, &["opening disk:1 | white-top-hat disk:2", "b.tif", "d.tif", "--show"]).unwrap();
    let after = open(&path.join("d.tif"));
    assert_eq!(after.header(), open(&path.join("b.tif")).header());
    let shown = open(&path.join("d.show.png"));
    assert_eq!((shown.size(), shown.channels(), shown.depth()), ([4, 16], 3, Depth::U8));
}

#[test]
fn many_files_and_folders() {
    let (_folder, path) = folder();
    fs::create_dir(path.join("more")).unwrap();
    for name in ["x.png", "y.pgm"] {
        write(&path.join("more").join(name), &grey(5, 5)).unwrap();
    }
    fs::write(path.join("more/notes.txt"), "no image").unwrap();
    let all = ["invert", "a.png", "b.tif", "more", "--out", "out/deep"];
    assert_eq!(apply(&path, &all), Ok("4 of 4 images done\n".to_owned()));
    for name in ["a.png", "b.tif", "x.png", "y.pgm"] {
        open(&path.join("out/deep").join(name));
    }
    // Nothing is replaced unless it may be.
    refused(&path, &all, "out/deep/a.png: there already; --force replaces it");
    apply(&path, &[&all[..], &["--force", "-q"]].concat()).unwrap();
    // One that fails is told, and the others follow.
    fs::write(path.join("more/bad.png"), &fs::read(path.join("a.png")).unwrap()[..99]).unwrap();
    let found = apply(&path, &["gradient", "more", "--out", "new", "--format", "tif"]).unwrap_err();
    assert!(found.contains("error: more/bad.png: expected a whole PNG file"), "{found}");
    assert_eq!(fs::read_dir(path.join("new")).unwrap().count(), 2);
    open(&path.join("new/x.tif"));
    let table = ["granulometry", "--element", "disk:2", "more/x.png", "a.png", "--out", "tables"];
    apply(&path, &table).unwrap();
    let text = fs::read_to_string(path.join("tables/a.csv")).unwrap();
    assert!(text.starts_with("element,channel,sum,lost\nnone,0,"), "{text}");
    assert_eq!(apply(&path, &["granulometry disk:2", "a.png"]), Ok(text));
}

#[test]
fn strips_of_files_are_the_whole_in_each_format_that_can() {
    let (_folder, path) = folder();
    for name in ["a.png", "b.tif"] {
        let ending = &name[2..];
        let (whole, tiled) = (format!("whole.{ending}"), format!("tiled.{ending}"));
        let pipeline = "closing disk:2 border=mirror | gradient";
        apply(&path, &[pipeline, name, &whole]).unwrap();
        apply(&path, &[pipeline, name, &tiled, "--tile", "3", "--limit", "1"]).unwrap();
        assert_eq!(open(&path.join(whole)), open(&path.join(tiled)));
    }
    let refused = |arguments: &[&str], message: &str| refused(&path, arguments, message);
    refused(
        &["h-maxima 9", "a.png", "c.png", "--tile", "4"],
        "`h-maxima`: connected pixels may be",
    );
    write(&path.join("e.pgm"), &grey(5, 5)).unwrap();
    let by_rows =
        "e.pgm: expected PNG without interlacing or TIFF, which are read by rows, found PGM";
    refused(&["invert", "e.pgm", "c.png", "--tile", "4"], by_rows);
    refused(
        &["invert", "a.png", "c.pgm", "--tile", "4"],
        "c.pgm: expected PNG or TIFF, which are written by rows, found PGM",
    );
    assert!(!path.join("c.pgm").exists() && !path.join("c.png").exists());
}

#[test]
fn bad_input_is_told_with_the_file_and_leaves_nothing() {
    let (_folder, path) = folder();
    let before = fs::read_dir(&path).unwrap().count();
    let refused = |arguments: &[&str], message: &str| refused(&path, arguments, message);
    refused(&["invert", "none.png", "c.png"], "error: none.png: cannot open: ");
    refused(&["invert", "a.png"], "expected the image and the file to write, or --out DIR");
    refused(&["invert", ".", "c.png"], ".: expected --out DIR for the images of a folder");
    refused(&["invert", "a.png", "c.gif"], "c.gif: expected a name with the ending of PNG, TIFF");
    refused(
        &["invert", "b.tif", "c.jpg"],
        "c.jpg: JPEG holds 8 bit grey or RGB, found 4 x 4, 16 bit",
    );
    refused(&["invert", "a.png", "b.tif"], "b.tif: there already; --force replaces it");
    refused(&["invert", "a.png", "a.png", "--out", "o"], "o/a.png: two images would be written");
    refused(&["openin", "a.png", "c.png"], "unknown operator `openin` (did you mean `opening`?)");
    refused(&["opening dsk:3", "a.png", "c.png"], "found `dsk:3` (did you mean `disk`?)");
    refused(&["opening", "--area", "3", "a.png", "c.png"], "that opening takes, found --area");
    refused(&["h-maxima 300", "a.png", "c.png"], "a.png: h-maxima: h: expected a whole number");
    refused(
        &["reconstruction", "--marker", "b.tif", "a.png", "c.png"],
        "a.png: reconstruction: marker b.tif: expected an image as the other, 20 x 30, 8 bit grey, \
         found 4 x 4, 16 bit RGB",
    );
    refused(&["leveling none.png", "a.png", "c.png"], "none.png: cannot open: ");
    refused(&["invert", "a.png", "c.png", "--limit", "0"], "expected at most 0 bytes of pixels");
    refused(&[], "required arguments were not provided");
    let bytes = fs::read(path.join("b.tif")).unwrap();
    fs::write(path.join("cut.tif"), &bytes[..bytes.len() / 2]).unwrap();
    refused(&["invert", "cut.tif", "c.tif"], "error: cut.tif: expected a whole TIFF file");
    fs::write(path.join("huge.pgm"), "P5 20000 20000 255\n").unwrap();
    refused(&["invert", "huge.pgm", "c.pgm"], "20000 x 20000, 8 bit grey: 400000000 bytes");
    // The two that were written here, and the folder of `--out`, which is made before the names.
    assert_eq!(fs::read_dir(&path).unwrap().count(), before + 3);
}

#[cfg(unix)]
#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, path) = folder();
    let odd = OsStr::from_bytes(b"\xff\xfe.png");
    fs::rename(path.join("a.png"), path.join(odd)).unwrap();
    apply(&path, &[OsStr::new("invert"), odd, OsStr::new("c.png")]).unwrap();
    apply(&path, &["invert", ".", "--out", "out"].map(OsStr::new)).unwrap();
    assert_eq!(open(&path.join("out").join(odd)), open(&path.join("c.png")));
}

#[test]
fn the_list_and_its_pictures() {
    let (_folder, path) = folder();
    let list = apply(&path, &["--list"]).unwrap();
    assert!(list.contains("  opening [element=square:3] [border=infinity]\n"), "{list}");
    assert_eq!(apply(&path, &["--pictures", "list.html"]), Ok(String::new()));
    assert!(fs::read_to_string(path.join("list.html")).unwrap().contains("<svg "));
    apply(&path, &["--list", "--pictures", "list.svg"]).unwrap();
    assert!(fs::read_to_string(path.join("list.svg")).unwrap().starts_with("<svg "));
    refused(&path, &["--pictures", "list.txt"], "list.txt: expected .html or .svg");
    let help = apply(&path, &["--help"]).unwrap();
    for part in ["--element <ELEMENT>", "white-top-hat, ", "--tile <N>", "apply gradient photo"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
