//! Runs of several trainings in one table and on one page.

use std::fs;

use super::{check_page, refused, told, train};

#[test]
fn runs_of_several_trainings_stand_in_one_table_and_on_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "none", "--constraint", "non-negative", "--out", "a"]);
    let b = ["--constraint", "none", "--lr", "0.001", "--optimizer", "sgd", "--seeds", "2"];
    train(at, &[&b[..], &["--out", "b"]].concat());

    let text = told(at, &["compare", "a", "b/none-seed1", "b/none-seed0", "--out", "out"]);
    let lines: Vec<&str> = text.lines().collect();
    let head = "run                   constraint    learning_rate  optimizer  seed  epochs";
    assert!(lines[1].starts_with(head), "{text}");
    for start in [
        "a/none-seed0          none          0.01           adam          0       1",
        "a/non-negative-seed0  non-negative  0.01           adam          0       1",
        "b/none-seed1          none          0.001          sgd           1       1",
    ] {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let found = lines.iter().any(|line| words(line).starts_with(&words(start)));
        assert!(found, "`{start}` is not in:\n{text}");
    }
    assert!(text.contains("Means over the seeds"), "{text}");

    let page = fs::read_to_string(at.join("out/report.html")).unwrap();
    let parts = [
        "<h2>Means over the seeds</h2>",
        "Validation accuracy",
        "none, learning_rate 0.01, adam",
        "non-negative, learning_rate 0.01, adam",
        "none, learning_rate 0.001, sgd, seed 1",
        "<h2>Filters</h2>",
        "one symmetric scale for all runs",
        "samples = 64",
        "b/none-seed1",
    ];
    check_page(&page, &parts);
    // A figure of the filters for each group, all on one scale: the ends of the bars are the same.
    let bars: Vec<String> = fs::read_dir(at.join("out/figures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("filters-"))
        .map(|path| {
            let svg = fs::read_to_string(path).unwrap();
            let texts = svg.split("</text>").filter_map(|text| text.rsplit('>').next());
            let texts: Vec<String> = texts.map(str::to_owned).collect();
            texts[texts.len() - 3..].join(" ")
        })
        .collect();
    assert_eq!(bars.len(), 3);
    assert!(bars.iter().all(|bar| *bar == bars[0]), "{bars:?}");

    // The numbers of the tables are those of metrics.json.
    let mut csv = csv::Reader::from_path(at.join("out/runs.csv")).unwrap();
    let head = csv.headers().unwrap().clone();
    let names = ["run", "constraint", "learning_rate", "optimizer", "seed", "epochs"];
    assert!(head.iter().take(6).eq(names), "{head:?}");
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(at.join(path)).unwrap()).unwrap()
    };
    let metrics = json("a/metrics.json");
    let best = head.iter().position(|name| name == "best_val_accuracy").unwrap();
    let rows: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(&rows[1][0], "a/non-negative-seed0");
    let value: f64 = rows[1][best].parse().unwrap();
    assert_eq!(value, metrics["runs"][1]["best_val_accuracy"].as_f64().unwrap());
    let table = json("out/table.json");
    assert_eq!(table["differs"], serde_json::json!(["constraint", "learning_rate", "optimizer"]));
    let group = &table["groups"][2];
    assert_eq!((&group["seeds"], &group["settings"]["optimizer"]), (&2.into(), &"sgd".into()));
    let losses: Vec<f64> =
        rows[2..].iter().map(|row| row[best + 2].parse::<f64>().unwrap()).collect();
    let mean = group["best_val_loss"]["mean"].as_f64().unwrap();
    assert!((mean - (losses[0] + losses[1]) / 2.0).abs() < 1e-12, "{losses:?} {mean}");
    let means = fs::read_to_string(at.join("out/means.csv")).unwrap();
    assert!(means.starts_with("constraint,learning_rate,optimizer,seeds,failed,epochs,epochs_min"));
}

#[test]
fn the_same_settings_are_told_apart_by_their_folder_and_other_data_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "none", "--out", "first"]);
    train(at, &["--constraint", "none", "--out", "second"]);
    let text = told(at, &["compare", "first", "second"]);
    assert!(text.contains("run                folder  seed"), "{text}");
    assert!(at.join("runs/compare/report.html").is_file());

    // Other data: here by name alone.
    let metrics = at.join("second/metrics.json");
    let other = fs::read_to_string(&metrics).unwrap().replace("\"digits\"", "\"letters\"");
    fs::write(&metrics, other).unwrap();
    let text = told(at, &["compare", "first", "second"]);
    assert!(text.contains("The runs are on different data (digits, letters)"), "{text}");
    let page = fs::read_to_string(at.join("runs/compare-2/report.html")).unwrap();
    check_page(&page, &["The runs are on different data (digits, letters)", "letters"]);

    // Filters of other sizes are not drawn on one scale, and this is said.
    train(at, &["--constraint", "none", "--kernel", "3", "--out", "third"]);
    told(at, &["compare", "first", "third", "--out", "sizes"]);
    let page = fs::read_to_string(at.join("sizes/report.html")).unwrap();
    let said = "Not shown: expected filters of one shape, found 8 of 5 x 5 and, in \
                third/none-seed0, 8 of 3 x 3.";
    check_page(&page, &[said]);
}

const DENOISER: &str = "\
[[layer]]
type = \"Morphological2d\"
operator = \"opening2d\"
size = 3
padding = \"same\"

[training]
target = \"image\"
metrics = [\"Psnr\"]
";

#[test]
fn what_is_no_run_and_what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    train(at, &["--constraint", "none", "--out", "in/a"]);
    let compare = |runs: &[&str]| refused(at, &[&["compare"], runs].concat());
    let expected = "expected the folder of a training, with metrics.json and config.toml, or of \
                    one of its runs, found ";
    for (run, found) in [
        ("nowhere", "nothing"),
        ("in/a/metrics.json", "a file"),
        ("in", "the folders of trainings in it: a; name them"),
        ("in/a/figures", "a folder that the metrics.json above it does not know"),
    ] {
        assert_eq!(compare(&["in/a", run]), format!("error: {run}: {expected}{found}\n"));
    }
    assert_eq!(compare(&["in/a"]), "error: expected two runs or more, found 1\n");
    let twice = compare(&["in/a", "in/../in/a/none-seed0"]);
    assert!(twice.ends_with("expected each run once, found it twice\n"), "{twice}");

    fs::write(at.join("denoiser.toml"), DENOISER).unwrap();
    train(at, &["--model", "denoiser.toml", "--out", "b"]);
    let kinds = compare(&["in/a", "b"]);
    let expected = "expected runs that learn classes, or runs that learn images, found \
                    in/a/none-seed0 with classes and b/denoiser-seed0 without";
    assert!(kinds.contains(expected), "{kinds}");
    // Runs that learn images are compared by their loss and their metrics.
    train(at, &["--model", "denoiser.toml", "--out", "c", "--lr", "0.1"]);
    let text = told(at, &["compare", "b", "c", "--out", "images"]);
    assert!(text.contains("val_psnr") && !text.contains("accuracy"), "{text}");
    let page = fs::read_to_string(at.join("images/report.html")).unwrap();
    check_page(&page, &["Validation loss", "val_psnr"]);

    // Damage is named.
    let damaged = |file: &str, text: &str| {
        let path = at.join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let error = compare(&["b", "c"]);
        fs::write(&path, whole).unwrap();
        error
    };
    let error = damaged("b/metrics.json", "{}");
    assert!(error.contains("b/metrics.json: expected the metrics of a training"), "{error}");
    let error = damaged("b/config.toml", "epochs = 1");
    assert!(error.contains("b/config.toml: "), "{error}");
    let error = damaged("b/denoiser-seed0/history.csv", "epoch,loss\n1,2\n");
    assert!(error.contains("history.csv:1: expected epoch,loss,accuracy"), "{error}");
    assert!(!at.join("runs").exists());
}
