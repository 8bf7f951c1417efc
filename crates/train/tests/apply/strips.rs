//! A pipeline in strips gives what it gives on the whole image, whatever the strips, borders and
//! elements.

use morphograd::apply::{ApplyError, OPERATORS, Output, Pipeline, Strips};
use morphograd_image::{Picture, Pixels};
use proptest::prelude::*;

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..4usize).prop_map(|r| format!("disk:{r}")),
        (1..5usize, 1..6usize).prop_map(|(h, w)| format!("rectangle:{h}x{w}")),
        (1..8usize, 0..180u32).prop_map(|(l, angle)| format!("line:{l}@{angle}")),
        (1..4usize, 0..3usize).prop_map(|(m, n)| format!("octagon:{m}x{n}")),
        Just("parabola:5@0.2".to_owned()),
    ]
}

fn operator() -> impl Strategy<Value = String> {
    let borders = &["infinity", "replicate", "reflect", "mirror", "constant:40%"][..];
    let by_element = &[
        "dilation",
        "erosion",
        "opening",
        "closing",
        "white-top-hat",
        "black-top-hat",
        "gradient",
        "internal-gradient",
        "external-gradient",
    ][..];
    let border = || prop::sample::select(borders.to_vec());
    prop_oneof![
        4 => (prop::sample::select(by_element.to_vec()), element(), border())
            .prop_map(|(name, element, border)| format!("{name} {element} border={border}")),
        1 => (1..3usize, border()).prop_map(|(steps, border)| {
            format!("toggle cross:1 steps={steps} border={border}")
        }),
        1 => border().prop_map(|border| {
            format!("hit-or-miss line:3@90 miss=line:5 border={border}")
        }),
        1 => (1..3usize, border()).prop_map(|(size, border)| {
            format!("alternating-sequential diamond:{size} border={border}")
        }),
        1 => Just("threshold 40%".to_owned()),
        1 => Just("invert".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn strips_are_the_whole(
        operators in prop::collection::vec(operator(), 1..4),
        (height, width) in (1..40usize, 1..12usize),
        rows in 1..12usize,
        seed in any::<u32>(),
        depth in 0..3usize,
        channels in prop::sample::select(vec![1usize, 3]),
    ) {
        let value = |i: usize| {
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 9 & 0xff
        };
        let all = 0..height * width * channels;
        let pixels: Pixels = match depth {
            0 => all.map(|i| value(i) as u8).collect::<Vec<_>>().into(),
            1 => all.map(|i| (value(i) * 257) as u16).collect::<Vec<_>>().into(),
            _ => all.map(|i| value(i) as f32 / 255.0).collect::<Vec<_>>().into(),
        };
        let picture = Picture::new([height, width], channels, pixels).unwrap();
        let pipeline = Pipeline::parse(&operators.join(" | "), &[]).unwrap();
        let Output::Picture(whole) = pipeline.run(&picture).unwrap() else { unreachable!() };
        let mut read = 0;
        let mut strips = Strips::new(&pipeline, picture.header(), |count| {
            read += count;
            Ok(picture.rows(read - count..read))
        }).unwrap();
        let mut found: Option<Picture> = None;
        let mut done = 0;
        while done < height {
            let count = rows.min(height - done);
            let strip = strips.next(count).unwrap();
            done += count;
            match &mut found {
                Some(found) => found.append(strip).unwrap(),
                None => found = Some(strip),
            }
        }
        prop_assert_eq!(found.unwrap(), whole, "{:?}", operators);
    }
}

#[test]
fn what_may_look_at_everything_is_refused_with_the_reason() {
    let text = |text: &str, options: &[(&str, &str)]| {
        Pipeline::parse(text, options).unwrap().rows().map_err(|error| error.to_string())
    };
    assert_eq!(
        text("opening disk:2 | h-maxima 8%", &[]).unwrap_err(),
        "pipeline: expected operators that look at rows nearby, to be applied in strips, found \
         `h-maxima`: connected pixels may be anywhere in the image"
    );
    let periodic = text("dilation border=periodic", &[]).unwrap_err();
    assert!(periodic.ends_with("a periodic border joins the first row and the last"), "{periodic}");
    assert_eq!(text("opening disk:3 | gradient rectangle:5x1 | invert", &[]), Ok(2 * 3 + 2));
    // Every operator either states its rows or a reason.
    for operator in OPERATORS {
        let all = [("h", "8%"), ("area", "3"), ("marker", "x.png"), ("miss", "line:3")];
        let options: Vec<_> =
            all.into_iter().filter(|(name, _)| operator.parameters.contains(name)).collect();
        let element = if operator.parameters.contains(&"element") { "disk:2" } else { "" };
        let rows = text(&format!("{} {element}", operator.name), &options);
        let connected = ["h-", "reg", "ext", "area", "lev", "geo", "dist", "rec", "gran"];
        let whole = operator.name.contains("by-reconstruction")
            || connected.iter().any(|start| {
                operator.name.starts_with(start) && operator.name != "external-gradient"
            });
        assert_eq!(rows.is_err(), whole, "{}: {rows:?}", operator.name);
    }
}

#[test]
fn an_error_of_the_source_is_handed_on() {
    let pipeline = Pipeline::parse("invert", &[]).unwrap();
    let header = Picture::new([4, 4], 1, vec![0u8; 16]).unwrap().header();
    let broken = |_| -> Result<Picture, ApplyError> {
        let path = std::path::Path::new("no such file.png");
        Err(morphograd_image::read(path, morphograd_image::Limits::default()).unwrap_err().into())
    };
    let error = Strips::new(&pipeline, header, broken).unwrap().next(2).unwrap_err();
    assert!(error.to_string().starts_with("no such file.png: cannot open"), "{error}");
}
