//! Every operator of the table runs on every type of pixels, and gives what the library's function
//! gives; alpha and type are kept.

use morphograd::apply::{OPERATORS, Operator, Output, Pipeline};
use morphograd_image::{Depth, Picture, Pixels, Sample, each, write};
use morphograd_morphology::nn::tensor::{Shape, Tensor, TensorRef};
use morphograd_morphology::pixels::{
    Extremum, distance, h_extrema, h_residue, reconstruction, regional_extrema,
};
use morphograd_morphology::sequential_filter::First;
use morphograd_morphology::*;

const SIZE: [usize; 2] = [23, 31];

/// The number of a sample that looks random, from 0 to 1.
fn number(i: usize) -> f64 {
    // Plateaus, so that there is something to be connected.
    let hash = (i / 3).wrapping_mul(2_654_435_761) % 1009;
    (hash as f64 / 1009.0 * 12.0).floor() / 12.0
}

fn picture(depth: Depth, channels: usize, alpha: bool) -> Picture {
    let count = SIZE[0] * SIZE[1];
    let shape = [SIZE[0], SIZE[1], channels];
    let tensor = Tensor::from_fn(shape, |i| number(i) as f32);
    let picture = Picture::from_tensor(tensor.view(), depth).unwrap();
    let opacities = Tensor::from_fn([SIZE[0], SIZE[1], 1], |i| number(i + 7) as f32);
    let opacities = Picture::from_tensor(opacities.view(), depth).unwrap().into_pixels();
    assert_eq!(opacities.len(), count);
    picture.with_alpha(alpha.then_some(opacities)).unwrap()
}

fn disk(radius: usize) -> Footprint {
    Footprint::try_from(&StructuringElement::disk(radius).unwrap()).unwrap()
}

fn as_f32<P: Sample>(samples: &[P]) -> Vec<f32> {
    samples.iter().map(|x| x.number() as f32).collect()
}

/// What the library computes of the samples, for the words of [`words`].
fn expected<P: Sample + Pixel>(operator: &Operator, shape: Shape, x: &[P], marker: &[P]) -> Vec<P> {
    let images = TensorRef { shape, data: x };
    let (border, eight) = (Border::Infinity, Connectivity::Eight);
    let white = P::nearest(P::DEPTH.white());
    let h = P::nearest(0.25 * P::DEPTH.white());
    let set = disk(2);
    let numbers = |y: &[f32]| y.iter().map(|y| P::nearest(f64::from(*y))).collect::<Vec<P>>();
    let mask = |y: Vec<bool>| {
        y.into_iter().map(|y| if y { white } else { P::default() }).collect::<Vec<P>>()
    };
    let x32 = as_f32(x);
    let m32 = as_f32(marker);
    let [x32, m32] = [&x32, &m32].map(|data| TensorRef { shape, data: &data[..] });
    let with_graph = |name: &str| {
        let y = evaluate([x32, m32], |graph, [x, m]| match name {
            "area-opening" => area_opening(graph, x, 9, eight),
            "area-closing" => area_closing(graph, x, 9, eight),
            "leveling" => leveling(graph, m, x, eight),
            _ => geodesic_dilation(graph, m, x, 3, eight),
        });
        numbers(y.unwrap().data())
    };
    let kernel = |radius| StructuringElement::disk(radius).unwrap().kernel::<f32>(shape.dims()[3]);
    match operator.name {
        "dilation" => flat_dilation(images, &set, border).unwrap(),
        "erosion" => flat_erosion(images, &set, border).unwrap(),
        "opening" => flat_opening(images, &set, border).unwrap(),
        "closing" => flat_closing(images, &set, border).unwrap(),
        "white-top-hat" => flat_white_top_hat(images, &set, border).unwrap(),
        "black-top-hat" => flat_black_top_hat(images, &set, border).unwrap(),
        "gradient" => flat_gradient(images, &set, border).unwrap(),
        "internal-gradient" => flat_internal_gradient(images, &set, border).unwrap(),
        "external-gradient" => flat_external_gradient(images, &set, border).unwrap(),
        "toggle" => {
            let window = StructuringElement::disk(2).unwrap().window();
            let y =
                evaluate([x32, kernel(2).view()], |graph, [x, w]| toggle2d(graph, x, w, window, 2));
            numbers(y.unwrap().data())
        }
        "hit-or-miss" => {
            // The origin, and the ends of a line of 5.
            let out = f32::NEG_INFINITY;
            let all = |entries: [f32; 5]| {
                let channels = shape.dims()[3];
                Tensor::from_fn([1, 5, channels], |i| entries[i / channels])
            };
            let (hit, miss) = (all([out, out, 0.0, out, out]), all([0.0, out, out, out, 0.0]));
            let window = nn::tensor::Window2d::new([1, 5]).same();
            let y = evaluate([x32, hit.view(), miss.view()], |graph, [x, hit, miss]| {
                hit_or_miss2d(graph, x, [hit, miss], window)
            });
            numbers(y.unwrap().data())
        }
        "alternating-sequential" => {
            let kernels = [kernel(1), kernel(2)];
            let windows = [1, 2].map(|r| StructuringElement::disk(r).unwrap().window());
            let inputs = [x32, kernels[0].view(), kernels[1].view()];
            let y = evaluate(inputs, |graph, [x, a, b]| {
                let family = [(a, windows[0]), (b, windows[1])];
                alternating_sequential2d(graph, x, &family, First::Closing)
            });
            numbers(y.unwrap().data())
        }
        "reconstruction" => reconstruction(shape, [marker, x], Extremum::Maximum, eight).unwrap(),
        "opening-by-reconstruction" => {
            let marker = flat_erosion(images, &set, border).unwrap();
            reconstruction(shape, [&marker, x], Extremum::Maximum, eight).unwrap()
        }
        "closing-by-reconstruction" => {
            let marker = flat_dilation(images, &set, border).unwrap();
            reconstruction(shape, [&marker, x], Extremum::Minimum, eight).unwrap()
        }
        "h-maxima" => h_extrema(shape, x, h, Extremum::Maximum, eight).unwrap(),
        "h-minima" => h_extrema(shape, x, h, Extremum::Minimum, eight).unwrap(),
        "h-convex" => h_residue(shape, x, h, Extremum::Maximum, eight).unwrap(),
        "h-concave" => h_residue(shape, x, h, Extremum::Minimum, eight).unwrap(),
        "regional-maxima" => mask(regional_extrema(shape, x, Extremum::Maximum, eight).unwrap()),
        "regional-minima" => mask(regional_extrema(shape, x, Extremum::Minimum, eight).unwrap()),
        "extended-maxima" => {
            let y = h_extrema(shape, x, h, Extremum::Maximum, eight).unwrap();
            mask(regional_extrema(shape, &y, Extremum::Maximum, eight).unwrap())
        }
        "extended-minima" => {
            let y = h_extrema(shape, x, h, Extremum::Minimum, eight).unwrap();
            mask(regional_extrema(shape, &y, Extremum::Minimum, eight).unwrap())
        }
        "area-opening" | "area-closing" | "leveling" | "geodesic-dilation" => {
            with_graph(operator.name)
        }
        "distance" => {
            let y: Vec<f32> = distance(shape, x, PixelDistance::Euclidean).unwrap();
            numbers(&y)
        }
        "threshold" => mask(x.iter().map(|x| x.number() >= 0.5 * P::DEPTH.white()).collect()),
        "invert" => x.iter().map(|x| P::nearest(P::DEPTH.white() - x.number())).collect(),
        other => panic!("an operator without a test: {other}"),
    }
}

/// The words of an operator in the test.
fn words(operator: &Operator) -> String {
    let values = operator.parameters.iter().filter_map(|name| match *name {
        "element" if operator.name == "hit-or-miss" => Some("element=square:1"),
        "element" => Some("element=disk:2"),
        "h" => Some("h=25%"),
        "area" => Some("area=9"),
        "steps" if operator.name == "toggle" => Some("steps=2"),
        "steps" => Some("steps=3"),
        _ => None,
    });
    std::iter::once(operator.name).chain(values).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_operator_is_the_function_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let miss = folder.path().join("miss.txt");
    std::fs::write(&miss, "#...#\n").unwrap();
    let miss = miss.display().to_string();
    for depth in Depth::ALL {
        for (channels, alpha) in [(1, false), (3, true)] {
            let picture = picture(depth, channels, alpha);
            let shape = Shape::from([1, SIZE[0], SIZE[1], channels]);
            // A marker below the image and elsewhere above.
            let eroded = Pipeline::parse("erosion disk:3 | invert", &[]).unwrap();
            let Output::Picture(marker) = eroded.run(&picture).unwrap() else { panic!() };
            let marker = marker.with_alpha(None).unwrap();
            let path = folder.path().join("marker.tif");
            let storable = depth != Depth::Bit || channels == 1;
            if storable {
                write(&path, &marker).unwrap();
            }
            let path = path.display().to_string();
            for operator in OPERATORS.iter().filter(|operator| !operator.is_table()) {
                let mut options = Vec::new();
                if operator.parameters.contains(&"miss") {
                    options.push(("miss", &*miss));
                }
                if operator.parameters.contains(&"marker") {
                    if !storable {
                        continue;
                    }
                    options.push(("marker", &*path));
                }
                let pipeline = Pipeline::parse(&words(operator), &options).unwrap();
                let Output::Picture(found) = pipeline.run(&picture).unwrap() else {
                    panic!("{}: a table", operator.name)
                };
                assert_eq!(found.header(), picture.header(), "{}", operator.name);
                assert_eq!(found.alpha(), picture.alpha(), "{}", operator.name);
                let expected: Pixels = match (picture.pixels(), marker.pixels()) {
                    (Pixels::Bit(x), Pixels::Bit(m)) => expected(operator, shape, x, m).into(),
                    (Pixels::U8(x), Pixels::U8(m)) => expected(operator, shape, x, m).into(),
                    (Pixels::U16(x), Pixels::U16(m)) => expected(operator, shape, x, m).into(),
                    (Pixels::F32(x), Pixels::F32(m)) => expected(operator, shape, x, m).into(),
                    _ => unreachable!(),
                };
                assert!(found.pixels() == &expected, "{}: {depth}, {channels}", operator.name);
            }
        }
    }
}

#[test]
fn a_structuring_function_is_rounded_and_kept_in_the_range_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slope.txt");
    std::fs::write(&path, "-30.4 [20.4] -inf\n").unwrap();
    let text = |name: &str| format!("{name} {}", path.display());
    let run = |name: &str, pixels: Pixels| {
        let picture = Picture::new([1, 4], 1, pixels).unwrap();
        let Output::Picture(found) =
            Pipeline::parse(&text(name), &[]).unwrap().run(&picture).unwrap()
        else {
            panic!("no image")
        };
        found.into_pixels()
    };
    let x = vec![10u8, 250, 3, 100];
    // max(x[i-1] - 30.4, x[i] + 20.4)
    assert_eq!(run("dilation", x.clone().into()), Pixels::U8(vec![30, 255, 220, 120]));
    // min(x[i+1] + 30.4, x[i] - 20.4)
    assert_eq!(run("erosion", x.into()), Pixels::U8(vec![0, 33, 0, 80]));
    // In floats nothing is rounded, and no difference is cut off.
    let x = vec![10.0f32, 250.0, 3.0, 100.0];
    assert_eq!(run("dilation", x.into()), Pixels::F32(vec![30.4, 270.4, 219.6, 120.4]));
}

#[test]
fn granulometry_is_a_table_of_sums() {
    let picture = Picture::new([1, 8], 1, vec![0u8, 1, 0, 1, 1, 1, 0, 0]).unwrap();
    let pipeline = Pipeline::parse("granulometry square:5", &[]).unwrap();
    let Output::Table(table) = pipeline.run(&picture).unwrap() else { panic!("an image") };
    let rows = ["element,channel,sum,lost", "none,0,4,0", "square:3,0,3,1", "square:5,0,0,3", ""];
    assert_eq!(table, rows.join("\n"));
}

#[test]
fn floats_may_be_not_a_number() {
    for operator in OPERATORS.iter().filter(|o| !o.parameters.contains(&"marker")) {
        let mut pixels: Vec<f32> = (0..SIZE[0] * SIZE[1]).map(|i| number(i) as f32).collect();
        pixels[100] = f32::NAN;
        pixels[300] = f32::INFINITY;
        let picture = Picture::new(SIZE, 1, pixels).unwrap();
        let options: &[(&str, &str)] =
            if operator.parameters.contains(&"miss") { &[("miss", "line:5")] } else { &[] };
        Pipeline::parse(&words(operator), options).unwrap().run(&picture).unwrap();
    }
}

#[test]
fn the_list_tells_everything_and_the_examples_of_the_table_run() {
    let list = morphograd::apply::list();
    for operator in OPERATORS {
        assert!(list.contains(&operator.usage()) && list.contains(operator.about));
        assert!(operator.about.len() < 100, "one sentence: {}", operator.about);
    }
    let sheet = morphograd::apply::contact_sheet().unwrap();
    roxmltree::Document::parse(&sheet).unwrap();
    assert_eq!(sheet.matches("<image ").count(), OPERATORS.len()); // the scene for the table
    assert_eq!(sheet, morphograd::apply::contact_sheet().unwrap());
    let page = morphograd::apply::page().unwrap();
    assert!(OPERATORS.iter().all(|operator| page.contains(&operator.usage())), "{page}");
}

#[test]
fn depths_that_a_value_cannot_have_are_refused() {
    let run = |text: &str, depth| {
        Pipeline::parse(text, &[])
            .and_then(|pipeline| pipeline.run(&picture(depth, 1, false)))
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        run("h-maxima 300", Depth::U8).unwrap_err(),
        "h-maxima: h: expected a whole number from 0 to 255 for 8 bit pixels, or a share such as \
         8%, found 300"
    );
    assert!(run("h-maxima 0.5", Depth::U16).is_err());
    assert!(run("h-maxima 300", Depth::U16).is_ok() && run("h-maxima 0.5", Depth::F32).is_ok());
    // Distances as floats are another type, which alpha has not.
    let text = "distance depth=float";
    let Output::Picture(found) = run(text, Depth::U8).unwrap() else { panic!("an image") };
    assert_eq!(found.depth(), Depth::F32);
    let error = Pipeline::parse(text, &[]).unwrap().run(&picture(Depth::U8, 1, true)).unwrap_err();
    assert!(error.to_string().starts_with("distance: depth: expected an image without alpha"));
    // No pixel of the set: the largest value there is.
    let black = Picture::new([1, 3], 1, vec![0u8; 3]).unwrap();
    let Output::Picture(far) = Pipeline::parse("distance", &[]).unwrap().run(&black).unwrap()
    else {
        panic!("an image")
    };
    each!(far.pixels(), samples => assert!(samples.iter().all(|x| x.number() == 255.0)));
}
