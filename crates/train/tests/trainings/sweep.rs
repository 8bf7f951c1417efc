//! Sweeps: all combinations, the same bits for any number of jobs, and nothing done twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use morphograd::sweep::Sweep;

use super::{check_page, morphograd, refused, told};

const LISTS: &str = "\
# Two constraints, two ways to enforce them, two rates, two seeds.
constraint = [\"none\", \"non-negative\"]
enforcement = [\"projected-step\", \"penalty\"]
lr = [0.01, 0.001]
seed = [0, 1]
samples = 64
batch-size = 32
epochs = 1
";

/// The files of all runs, but for what has times in it.
fn results(sweep: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for run in fs::read_dir(sweep.join("runs")).unwrap().map(|entry| entry.unwrap()) {
        let name = run.file_name().into_string().unwrap();
        files.insert(format!("{name}/config"), fs::read(run.path().join("config.toml")).unwrap());
        let runs = fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().path());
        for own in runs.filter(|path| path.join("history.csv").is_file()) {
            let history = fs::read_to_string(own.join("history.csv")).unwrap();
            let without_seconds = history.lines().map(|line| line.rsplit_once(',').unwrap().0);
            files.insert(format!("{name}/history"), without_seconds.collect::<String>().into());
            let weights = fs::read(own.join("weights.safetensors")).unwrap();
            files.insert(format!("{name}/weights"), weights);
        }
    }
    files
}

#[test]
fn a_sweep_trains_every_combination_once_with_the_same_bits_for_any_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("rates.toml"), LISTS).unwrap();
    let text = told(at, &["sweep", "rates.toml"]);
    // Without a constraint there is nothing to enforce: 4 of 16 combinations are others.
    assert!(text.contains("12 runs, 1 at a time, on "), "{text}");
    let same = "Skipped: none, penalty, lr 0.01, seed 0: the same training as none, \
                projected-step, lr 0.01, seed 0";
    assert!(text.contains(same), "{text}");
    for part in ["12 of 12 runs are done.", "constraint", "learning_rate", "Report:  runs/rates"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let page = fs::read_to_string(at.join("runs/rates/report.html")).unwrap();
    check_page(&page, &["A sweep of trainings", "Means over the seeds", "non-negative, penalty"]);
    let table: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at.join("runs/rates/table.json")).unwrap())
            .unwrap();
    let groups = table["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 6);
    assert!(groups.iter().all(|group| group["seeds"] == 2 && group["failed"] == 0));
    let first = results(&at.join("runs/rates"));
    assert_eq!(first.len(), 3 * 12);

    // By options, three at a time.
    let options = [
        ["sweep", "--constraint", "none", "non-negative", "--enforcement", "projected-step"],
        ["--enforcement", "penalty", "--lr", "0.01", "0.001", "--samples=64"],
        ["--batch-size=32", "--epochs=1", "--seeds=2", "--jobs=3", "--threads=2", "--quiet"],
    ];
    let text = told(at, &[&options.concat()[..], &["--out", "options"]].concat());
    assert!(!text.contains("Done:") && text.contains("12 of 12 runs are done."), "{text}");
    assert_eq!(results(&at.join("options")), first);
    // The folder of a sweep is all of its runs.
    told(at, &["compare", "runs/rates", "--out", "compared"]);
    let page = fs::read_to_string(at.join("compared/report.html")).unwrap();
    check_page(&page, &["12 runs, read from their folders.", "Means over the seeds"]);
    // A run of a sweep is the run that `train` makes.
    let alone = ["train", "--constraint", "non-negative", "--enforcement", "penalty", "--lr"];
    let more = ["0.001", "--seed", "1", "--samples", "64", "--batch-size", "32", "--epochs", "1"];
    told(at, &[&alone[..], &more, &["--out", "alone"]].concat());
    let weights = "non-negative-by-penalty-seed1/weights.safetensors";
    let mut own = first.iter().filter(|(name, _)| {
        name.starts_with("non-negative-by-penalty-seed1-") && name.ends_with("/weights")
    });
    let alone = fs::read(at.join("alone").join(weights)).unwrap();
    assert!(own.any(|(_, weights)| *weights == alone));
}

#[test]
fn what_is_done_is_skipped_and_what_is_not_finished_is_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = "constraint = \"none\"\nseed = [0, 1]\nsamples = 64\nepochs = 1\n";
    fs::write(at.join("s.toml"), text).unwrap();
    told(at, &["sweep", "s.toml"]);
    let runs = || {
        let entries = fs::read_dir(at.join("runs/s/runs")).unwrap();
        let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let first = results(&at.join("runs/s"));
    let [zero, one] = &runs()[..] else { panic!("two runs") };
    // As if the second had been killed while it was trained.
    let part = one.with_file_name(format!("{}.part", one.file_name().unwrap().to_str().unwrap()));
    fs::rename(one, &part).unwrap();
    fs::remove_file(part.join("metrics.json")).unwrap();
    let before = fs::metadata(zero.join("metrics.json")).unwrap().modified().unwrap();
    let text = told(at, &["sweep", "s.toml"]);
    let said = format!("Skipped: seed 0: it is done, in {}", relative(at, zero));
    assert!(text.contains(&said), "{text}");
    let said = "Again:   seed 1: it was not finished, and goes on from its last state";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("2 of 2 runs are done; done before and skipped: 1."), "{text}");
    assert_eq!(results(&at.join("runs/s")), first);
    assert_eq!(fs::metadata(zero.join("metrics.json")).unwrap().modified().unwrap(), before);

    // Other settings never meet old results; an option goes before the file.
    let text = told(at, &["sweep", "s.toml", "--epochs", "2"]);
    assert!(text.contains("Not of this sweep, and not counted: runs/s/runs/none-seed0-"), "{text}");
    assert!(text.contains("2 of 2 runs are done.") && !text.contains("Skipped"), "{text}");
    assert_eq!(runs().len(), 4);
    // What was swept can be swept again from the folder.
    let text = told(at, &["sweep", "runs/s/sweep.toml", "--out", "runs/s"]);
    assert!(text.contains("2 of 2 runs are done; done before and skipped: 2."), "{text}");

    fs::create_dir(at.join("full")).unwrap();
    fs::write(at.join("full/old.txt"), "x").unwrap();
    let error = refused(at, &["sweep", "s.toml", "--out", "full"]);
    assert!(error.contains("full: expected a new or empty folder, or that of an earlier sweep"));
}

fn relative(at: &Path, path: &Path) -> String {
    path.strip_prefix(at).unwrap().display().to_string()
}

#[test]
fn a_run_that_fails_is_told_and_loses_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let options = [
        ["sweep", "--constraint", "concave", "non-negative", "--enforcement", "reparametrization"],
        ["--optimizer", "sgd", "--lr", "0.01", "1e30", "--samples=64"],
        ["--epochs=1", "--batch-size=32", "--seed=0", "--jobs=2", "--out", "out"],
    ];
    for again in [false, true] {
        let output = morphograd(at, &options.concat());
        assert!(!output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let said = "expected a set with a smooth parametrization, found Concave";
        assert_eq!(text.matches(said).count(), 4, "{text}");
        // That of the loss is a result like others, and not computed again.
        assert_eq!(text.matches("the loss was not finite, see out/runs/").count(), 2, "{text}");
        assert!(text.contains("1 of 4 runs are done"), "{text}");
        assert!(text.contains("failed: 3"), "{text}");
        assert_eq!(text.contains("done before and skipped: 2"), again, "{text}");
    }
    let page = fs::read_to_string(at.join("out/report.html")).unwrap();
    check_page(&page, &["<h2>Failed</h2>", "found Concave", "the loss was not finite"]);
    let csv = fs::read_to_string(at.join("out/runs.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.contains("failed: ")).count(), 3, "{csv}");
}

const MODEL: &str = "\
[[layer]]
type = \"Conv2d\"
filters = 2
size = 3

[[layer]]
type = \"GlobalMaxPool\"

[[layer]]
type = \"Dense\"
units = \"classes\"

[training]
epochs = 1
samples = 64
";

#[test]
fn model_files_are_swept_as_any_option_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("two.toml"), MODEL).unwrap();
    fs::write(at.join("three.toml"), MODEL.replace("filters = 2", "filters = 3")).unwrap();
    let sweep = "model = [\"two.toml\", \"three.toml\"]\nbatch-size = [32, 64]\nseeds = 2\n";
    fs::write(at.join("models.toml"), sweep).unwrap();
    let text = told(at, &["sweep", "models.toml", "--jobs", "2", "--out", "out"]);
    assert!(text.contains("Done:    model two.toml, batch-size 32, seed 1, in out/"), "{text}");
    let means = fs::read_to_string(at.join("out/means.csv")).unwrap();
    assert!(means.starts_with("model,batch_size,seeds,"), "{means}");
    assert_eq!(means.lines().count(), 5);
    let page = fs::read_to_string(at.join("out/report.html")).unwrap();
    check_page(&page, &["three, batch_size 64", "expected filters of one shape"]);
}

#[test]
fn what_is_no_sweep_is_refused_with_line_and_suggestion_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let cases = [
        ("\nconstraints = [\"none\"]", "s.toml:2: expected one of the options constraint, data, "),
        ("\nconstraints = [\"none\"]", "found `constraints` (did you mean `constraint`?)"),
        (
            "lr = [0.1,\n  \"many\"]",
            "s.toml:2: field `lr`: expected a value of `train --lr`, found",
        ),
        (
            "constraint = [\"none\",\n\n \"non-postive\"]",
            "s.toml:3: field `constraint`: unknown constraint `non-postive` (did you mean \
             `non-positive`?)",
        ),
        ("out = \"x\"", "found `out`"),
        ("quiet = true", "found `quiet`"),
        ("seed = [1]\nseeds = 2", "s.toml:2: field `seeds`: expected seed or seeds, found both"),
        ("seeds = [2, 3]", "field `seeds`: expected one number, found a list"),
        ("seeds = 0", "s.toml:1: field `seeds`: expected a value of `train --seeds`, found \"0\""),
        ("lr = 0.1\nlr = 0.2", "s.toml:2: expected TOML, found "),
        ("model = \"none.toml\"", "none.toml: "),
        ("model = \"s.toml\"\nfilters = 3", "cannot be used with"),
        ("data = \"nowhere\"", "nowhere"),
    ];
    for (text, expected) in cases {
        fs::write(at.join("s.toml"), text).unwrap();
        let error = refused(at, &["sweep", "s.toml"]);
        assert!(error.contains(expected), "{text}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
    }
    let error = refused(at, &["sweep", "--lr", "fast"]);
    assert!(error.contains("--lr: expected a value of `train --lr`, found \"fast\""), "{error}");
    let error = refused(at, &["sweep"]);
    assert!(error.contains("expected FILE, or options of `train`"), "{error}");
    assert!(!at.join("runs").exists());
}

#[test]
fn two_sweeps_do_not_work_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let first = Sweep::open(&at.join("out"), "seed = 0\n").unwrap();
    let arguments = ["sweep", "--seed=0", "--constraint=none", "--samples=64", "--epochs=1"];
    let again = [&arguments[..], &["--batch-size=64", "--out", "out"]].concat();
    let error = refused(at, &again);
    assert!(error.contains("out: expected a folder that no other training writes into, found one"));
    drop(first);
    let text = told(at, &again);
    assert!(text.contains("1 of 1 runs are done."), "{text}");
}

/// Whatever `train` takes with a value can be listed, but for what is not about one run.
#[test]
fn the_options_are_those_of_train() {
    let folder = tempfile::tempdir().unwrap();
    let options = |command: &str| {
        let help = told(folder.path(), &[command, "--help"]);
        let options = help.lines().filter_map(|line| {
            let at = line.find("--")?;
            let (name, rest) = line[at + 2..].split_once(' ')?;
            let is_option = line[..at].trim().len() <= 3 && rest.starts_with('<');
            is_option.then(|| name.to_owned())
        });
        let mut all: Vec<String> = options.collect();
        all.sort();
        all
    };
    let mut train = options("train");
    assert!(train.contains(&"augment".to_owned()) && train.len() > 18, "{train:?}");
    // Of one training, or of a sweep.
    train.retain(|name| !["backup", "collect", "resume"].contains(&&name[..]));
    train.push("jobs".to_owned());
    train.sort();
    assert_eq!(options("sweep"), train);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_sweep_which_is_gone_on_with_later() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let lists = "epochs = [1, 100000]\nconstraint = \"none\"\nseed = [0, 1, 2]\nsamples = 64\n";
    fs::write(at.join("s.toml"), lists).unwrap();
    let arguments = ["sweep", "s.toml", "--jobs", "2", "--out", "out"];
    let mut child = super::command(at, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The runs of one epoch come first: seed is the faster list.
    assert!(lines.any(|line| line.starts_with("Done:")), "no run");
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(!child.wait().unwrap().success());
    let open = "not finished (the same command goes on with them): ";
    assert!(rest.iter().any(|line| line.contains(open)), "{rest:?}");
    // Only what is finished counts.
    let means = fs::read_to_string(at.join("out/means.csv")).unwrap();
    assert!(!means.contains("100000"), "{means}");
    let text = told(at, &["sweep", "s.toml", "--epochs", "1", "--out", "out"]);
    assert!(text.contains("3 of 3 runs are done; done before and skipped: "), "{text}");
}
