//! Model files as text: what errors say, and that no text panics.

use std::fs;
use std::path::Path;

use morphograd::model::{
    CALLBACKS, CLIPS, ELEMENTS, ENFORCEMENTS, Entry, INITIALIZERS, LAYERS, LOSSES, METRICS,
    ModelFile, NOISES, OPTIMIZERS, REGULARIZERS, SCHEDULES, SETS, list,
};
use morphograd_morphology::nn::autodiff::Params;
use proptest::prelude::*;

/// Little memory, so that a test that draws large sizes stays fast.
const LIMIT: usize = 1 << 22;

fn error(text: &str) -> String {
    ModelFile::parse("m.toml", text).unwrap_err().to_string()
}

fn build(text: &str) -> Result<(), String> {
    let file = ModelFile::parse("m.toml", text).map_err(|error| error.to_string())?;
    let mut params = Params::new();
    let built = file.build_within(&mut params, 0, [28, 28, 1], 10, LIMIT);
    built.map(|_| ()).map_err(|error| error.to_string())
}

const DENSE: &str = "[[layer]]\ntype = \"Flatten\"\n\n[[layer]]\ntype = \"Dense\"\nname = \"d\"\n";

#[test]
fn errors_name_line_place_field_expected_found_and_suggestion() {
    let dense = |more: &str| error(&format!("{DENSE}{more}"));
    let unit = "m.toml:7: layer `d`: field `units`: expected a whole number from 1 to 1000000 or \
                \"classes\", found ";
    assert_eq!(dense("units = 0"), format!("{unit}0"));
    assert_eq!(dense("units = 1.5"), format!("{unit}1.5"));
    assert_eq!(dense("units = 99999999999999999999"), format!("{unit}99999999999999999999"));
    assert_eq!(dense("units = [2]"), format!("{unit}a list of 1"));
    assert_eq!(
        dense("unit = 3"),
        "m.toml:7: layer `d`: expected one of the fields units, activation, kernel, bias, name, \
         type, found `unit` (did you mean `units`?)"
    );
    assert_eq!(
        dense("activation = \"rleu\""),
        "m.toml:7: layer `d`: field `activation`: expected a word, one of linear, relu, sigmoid, \
         tanh, softmax, found \"rleu\" (did you mean `relu`?)"
    );
    let set = dense("units = 3\nkernel = { constraint = \"nonnegative\" }");
    let start = "m.toml:8: layer `d`: kernel: field `constraint`: expected a set, one of Affine, ";
    assert!(set.starts_with(start), "{set}");
    assert!(set.ends_with("found \"nonnegative\" (did you mean `NonNegative`?)"), "{set}");
    assert_eq!(
        dense("[layer.kernel.constraint]\ntype = \"Interval\"\nmin = \"low\"\n"),
        "m.toml:9: layer `d`: kernel: constraint `Interval`: field `min`: expected a number, found \
         \"low\""
    );
    let layer = error("[[layer]]\nname = \"a\"\n\n[[layer]]\ntype = \"conv2d\"\n");
    assert_eq!(layer, "m.toml:1: field `layer`: expected `type`, the name of a layer, found none");
    let layer = error("[[layer]]\ntype = \"conv2d\"\n");
    assert!(layer.starts_with("m.toml:2: field `type`: expected a layer, one of Activation, "));
    assert!(layer.ends_with("found \"conv2d\" (did you mean `Conv2d`?)"), "{layer}");
    let inside = "[[layer]]\ntype = \"Branches\"\nname = \"stem\"\n\n[[layer.branch]]\n\
                  type = \"Conv2d\"\nname = \"left\"\nfilters = -1\n";
    assert_eq!(
        error(inside),
        "m.toml:8: layer `stem.left`: field `filters`: expected a whole number from 1 to 1000000, \
         found -1"
    );
    let twice = format!("{DENSE}units = 2\n[[layer]]\ntype = \"Dense\"\nname = \"d\"\n");
    assert_eq!(
        error(&twice),
        "m.toml:8: field `name`: expected names that differ, found `d` twice"
    );
    assert!(error("").starts_with("m.toml:1: field `layer`: expected a list of tables"));
    assert!(error("layer = 3").starts_with("m.toml:1: field `layer`: expected a list of tables"));
    let noise = format!("{DENSE}[training]\nnoise = {{ type = \"Gaussian\" }}\n");
    assert_eq!(
        error(&noise),
        "m.toml:7: training: expected target = \"image\" or \"data\" for a noise, found target = \
         \"labels\""
    );
}

#[test]
fn a_run_is_called_as_its_file_but_not_as_a_published_one() {
    let name = |file: &str| ModelFile::parse(file, DENSE).unwrap().name();
    assert_eq!(name("models/mine.v2.toml"), "mine.v2");
    assert_eq!(name("non-positive.toml"), "non-positive-model");
}

#[test]
fn layers_that_do_not_fit_are_told_with_the_line_of_the_layer() {
    let dense = build("\n[[layer]]\ntype = \"Dense\"\n").unwrap_err();
    assert!(dense.starts_with("m.toml:2: dense: expected "), "{dense}");
    let disk = "{ type = \"Support\", element = { type = \"Disk\", radius = 2 } }";
    let set = build(&format!("{DENSE}kernel = {{ constraint = {disk} }}\n")).unwrap_err();
    assert!(set.starts_with("m.toml:4: parameter `d.kernel`: "), "{set}");
    let way = "enforcement = \"reparametrization\"";
    let way = format!("{DENSE}kernel = {{ constraint = \"OrthonormalColumns\", {way} }}\n");
    assert!(build(&way).unwrap_err().starts_with("m.toml:4: "), "{:?}", build(&way));
}

#[test]
fn absurd_sizes_are_refused_with_the_number_of_bytes_before_memory_is_taken() {
    let text = format!("{DENSE}units = 1000000\n");
    let file = ModelFile::parse("m.toml", &text).unwrap();
    let built = file.build(&mut Params::new(), 0, [28, 28, 1], 10);
    assert_eq!(
        built.unwrap_err().to_string(),
        "m.toml:4: d.kernel: parameter: expected a parameter of at most 1073741824 bytes, found \
         shape [784, 1000000], 3136000000 bytes"
    );
    // Outputs count too.
    let text = "[[layer]]\ntype = \"Conv2d\"\nfilters = 100000\npadding = \"same\"\n";
    let file = ModelFile::parse("m.toml", text).unwrap();
    let model = file.build(&mut Params::new(), 0, [28, 28, 1], 10).unwrap();
    assert_eq!(
        file.fits(&model, 128).unwrap_err().to_string(),
        "m.toml:1: expected outputs and gradients of at most 17179869184 bytes a batch, found \
         80282402816 bytes for a batch of 128"
    );
    assert!(file.fits(&model, 2).is_ok());
}

#[test]
fn every_layer_by_its_name_alone_is_built_or_refused_by_name() {
    let mut built = 0;
    for entry in LAYERS {
        for before in ["", "[[layer]]\ntype = \"Flatten\"\n"] {
            let text = format!("{before}[[layer]]\ntype = \"{}\"\n", entry.name);
            match build(&text) {
                Ok(()) => built += 1,
                Err(error) => assert!(error.starts_with("m.toml:"), "{error}"),
            }
        }
    }
    assert!(built >= LAYERS.len(), "{built}");
}

/// Names differ and stand in order, and fields can be listed.
fn check<V>(entries: &[Entry<V>]) {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    for entry in entries {
        assert!(!entry.about.is_empty(), "{}", entry.name);
        let fields = entry.fields();
        let mut seen: Vec<_> = fields.iter().map(|field| field.name).collect();
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count, "{}: {fields:?}", entry.name);
        assert!(fields.iter().all(|field| !field.expected.is_empty()));
    }
}

#[test]
fn every_table_is_in_order_and_says_what_it_has() {
    check(LAYERS);
    check(SETS);
    check(ENFORCEMENTS);
    check(INITIALIZERS);
    check(REGULARIZERS);
    check(ELEMENTS);
    check(LOSSES);
    check(METRICS);
    check(OPTIMIZERS);
    check(SCHEDULES);
    check(CALLBACKS);
    check(CLIPS);
    check(NOISES);
    let text = list(None);
    for name in ["ScaleConv2d", "KSparsePolytope", "\"lattice\"", "HeNormal", "restore_best"] {
        assert!(text.contains(name), "{name}");
    }
    assert_eq!(list(Some("no such thing")), "");
}

#[test]
fn every_set_can_be_named_with_a_set_for_each_filter_or_as_a_member() {
    let needed = |name: &str| match name {
        "Affine" => "matrix = [[1, 1]], sums = [0],",
        "Bounds" => "shape = [2], min = [0, 0], max = [1, 1],",
        "Halfspace" | "Hyperplane" => "normal = [1, 2],",
        "Intersection" => "sets = [\"NonNegative\", { type = \"L2Ball\", radius = 2 }],",
        "Polyhedron" => "matrix = [[1, 1]], bounds = [0],",
        "Support" => "element = \"Disk\",",
        _ => "",
    };
    for set in SETS {
        for per in ["", "per = \"filter\"", "per = \"channel\"", "per = [0]"] {
            let table = format!("{{ type = \"{}\", {} {per} }}", set.name, needed(set.name));
            let member = format!("{{ type = \"Intersection\", sets = [{table}] }}");
            for constraint in [table, member] {
                let text = format!("{DENSE}kernel = {{ constraint = {constraint} }}\n");
                ModelFile::parse("m.toml", &text).unwrap();
            }
        }
    }
}

/// The page of the cookbook shows a file as it is, and others that are files too.
#[test]
fn the_files_of_the_cookbook_are_models() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/cookbook/model.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    let shown = fs::read_to_string(root.join("models/t3_morphological_layer.toml")).unwrap();
    assert_eq!(blocks[0], shown);
    for block in blocks {
        build(block).unwrap_or_else(|error| panic!("{error}:\n{block}"));
    }
}

/// A model file of the repository.
fn models() -> impl Strategy<Value = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let texts: Vec<String> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    prop::sample::select(texts)
}

/// Things a file may say in place of others; no set that takes minutes to project a matrix on, such
/// as `Concave`.
fn token() -> impl Strategy<Value = String> {
    let words = [
        "0",
        "1",
        "2",
        "3",
        "7",
        "-1",
        "0.5",
        "-0.0",
        "1e300",
        "nan",
        "inf",
        "-inf",
        "true",
        "false",
        "\"\"",
        "\"classes\"",
        "\"same\"",
        "\"filter\"",
        "\"all-max\"",
        "\"quadratic\"",
        "[]",
        "[1]",
        "[3, 5]",
        "[0, 0]",
        "{}",
        "{ type = \"Rank\" }",
        "{ type = \"Simplex\" }",
        "{ type = \"Disk\", radius = 3 }",
        "{ constraint = \"SupNormalized\" }",
        "\"NonNegative\"",
        "{ constraint = { type = \"L1Ball\", per = [1, 1], radius = -2 } }",
        "{ initializer = { type = \"Normal\", std = inf }, regularizer = \"L2\" }",
        "{ constraint = \"Simplex\", enforcement = \"penalty\" }",
        "99999",
        "1000000",
        "4096",
        "{ frozen = true, support = [\"Disk\", \"Cross\"] }",
        "\"Sequential\"",
        "\"Residual\"",
        "\"Flatten\"",
        "\"GlobalMaxPool\"",
        "\"ScaleSpace2d\"",
        "\"Dense\"",
        "\"Pad2d\"",
        "\"LasryLions2d\"",
        "\"MaxPlusDense\"",
        "\"AreaOpening\"",
        "\"Separable3d\"",
    ];
    prop::sample::select(words.map(str::to_owned).to_vec())
}

/// A field that some layer has, by name.
fn field() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = LAYERS
        .iter()
        .flat_map(Entry::fields)
        .map(|field| field.name.to_owned())
        .filter(|name| name != "name")
        .collect();
    names.sort();
    names.dedup();
    prop::sample::select(names)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        let _ = build(&text);
    }

    #[test]
    fn no_soup_of_the_format_panics(
        parts in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "[[layer]]\n", "[[layer.branch]]\n", "[[layer.body]]\n", "[layer.kernel]\n",
                    "[training]\n", "[[training.teacher]]\n", "type = ", "name = ", " = ", "\n",
                    "kernel = ", "size = ", "filters = ", "units = ", "bias = ", "loss = ",
                ]).prop_map(str::to_owned),
                token(),
                token().prop_map(|token| format!("{token}\n")),
                field().prop_map(|field| format!("{field} = ")),
            ],
            0..40,
        )
    ) {
        let _ = build(&parts.concat());
    }

    /// Values are replaced by others, so that most of the file stays a model.
    #[test]
    fn no_changed_model_panics(
        text in models(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), token()), 1..4),
    ) {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, token) in changes {
            let line = at.get_mut(&mut lines[..]);
            if let Some((key, _)) = line.split_once('=') {
                *line = format!("{key}= {token}");
            }
        }
        let _ = build(&lines.join("\n"));
    }

    /// Fields that a layer may have are added, with any value.
    #[test]
    fn no_added_field_panics(
        layer in prop::sample::select(LAYERS.iter().map(|entry| entry.name).collect::<Vec<_>>()),
        fields in prop::collection::btree_map(field(), token(), 0..5),
    ) {
        let line = |(name, value): (&String, &String)| format!("{name} = {value}\n");
        let fields: String = fields.iter().map(line).collect();
        for before in ["", "[[layer]]\ntype = \"Flatten\"\n"] {
            let _ = build(&format!("{before}[[layer]]\ntype = \"{layer}\"\n{fields}"));
        }
    }

    /// Bytes are cut out, doubled or changed anywhere.
    #[test]
    fn no_damaged_file_panics(
        text in models(),
        at in any::<prop::sample::Index>(),
        length in 0usize..60,
        put in prop::sample::select(vec![
            "", "[", "]", "\"", "=", "{", "}", ".", "\n", "9", "\u{e9}",
        ]),
    ) {
        let mut damaged: Vec<char> = text.chars().collect();
        let start = at.index(damaged.len());
        let end = (start + length).min(damaged.len());
        damaged.splice(start..end, put.chars());
        let _ = build(&damaged.into_iter().collect::<String>());
    }
}
