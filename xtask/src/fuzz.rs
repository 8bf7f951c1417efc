//! Fuzzing: builds the targets of `fuzz/`, runs each for its share of the time, and tells what came
//! of it.
//!
//! The one design choice: no cargo-fuzz and no nightly compiler. Coverage is a pass of LLVM that
//! every compiler has, and libFuzzer comes from crates.io as source.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::{cargo, host, target_folder};

const HELP: &str = "\
Gives the parsers bytes that nobody vouches for, and looks whether they keep their promises.

Usage: cargo xtask fuzz [OPTIONS] [TARGET..]

Arguments:
  [TARGET..]     Programs of fuzz/src/bin [default: all]

Options:
  --minutes N    Time for all targets together, after the build [default: 10]
  --loop         Mutates the corpus without looking at coverage: faster, needs no C++ compiler
  --address      Builds with AddressSanitizer (not with --loop)
  --keep         Puts the inputs that add coverage into fuzz/corpus, the fewest and smallest
  --seed N       Seed of the random choices, for a run like an earlier one [default: by the clock]

What is found beyond the committed corpus stays in target/fuzz/NAME/corpus, for the next run. An
input that breaks a promise is in target/fuzz/NAME; once mended, put it into fuzz/regressions/NAME,
where the tests run it.";

/// The most bytes of an input.
const LONGEST: &str = "-max_len=4096";

/// The most bytes of a target's committed corpus: together less than 1 MiB.
const CORPUS: u64 = 48 * 1024;

struct Options {
    minutes: f64,
    without_coverage: bool,
    address: bool,
    keep: bool,
    seed: u64,
    targets: Vec<String>,
}

/// What came of a target.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    seconds: f64,
    executions: u64,
    edges: Option<(u64, u64)>,
    broken: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn main(root: &Path, arguments: &[OsString]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match options(root, arguments).and_then(|options| run(root, &options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(root: &Path, arguments: &[OsString]) -> Result<Options, String> {
    let clock = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_secs());
    let mut options = Options {
        minutes: 10.0,
        without_coverage: false,
        address: false,
        keep: false,
        seed: clock,
        targets: Vec::new(),
    };
    let known = targets(root)?;
    let mut words = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        match &word[..] {
            "--loop" => options.without_coverage = true,
            "--address" => options.address = true,
            "--keep" => options.keep = true,
            "--minutes" => {
                let given = words.next().unwrap_or_default();
                let minutes = given.parse().ok().filter(|n| (0.01..=1e6).contains(n));
                options.minutes = minutes
                    .ok_or_else(|| format!("--minutes: expected a number, found `{given}`"))?;
            }
            "--seed" => {
                let given = words.next().unwrap_or_default();
                let seed = given.parse();
                options.seed =
                    seed.map_err(|_| format!("--seed: expected a whole number, found `{given}`"))?;
            }
            name if known.iter().any(|known| known == name) => options.targets.push(word),
            other => {
                let known = known.join(", ");
                return Err(format!("expected an option or one of {known}, found `{other}`"));
            }
        }
    }
    if options.without_coverage && (options.address || options.keep) {
        return Err("--loop: expected neither --address nor --keep, found one of them".to_owned());
    }
    if options.targets.is_empty() {
        options.targets = known;
    }
    Ok(options)
}

/// The names of all targets.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/src/bin");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "mutate")
        .collect();
    names.sort();
    Ok(names)
}

fn run(root: &Path, options: &Options) -> Result<bool, String> {
    let programs = build(root, options)?;
    let share = Duration::from_secs_f64(60.0 * options.minutes / options.targets.len() as f64);
    println!(
        "{:<12} {:>8} {:>13} {:>10} {:>15} {:>7}",
        "target", "seconds", "executions", "a second", "edges", "broken"
    );
    let mut broken = Vec::new();
    for target in &options.targets {
        let work = work(root, target);
        let figures = if options.without_coverage {
            mutate(root, &programs, target, options.seed, share)?
        } else {
            fuzz(root, &programs, target, options.seed, share)?
        };
        let edges = figures.edges.map_or("-".to_owned(), |(from, to)| format!("{from} -> {to}"));
        println!(
            "{target:<12} {:>8.0} {:>13} {:>10.0} {edges:>15} {:>7}",
            figures.seconds,
            figures.executions,
            figures.executions as f64 / figures.seconds.max(1e-9),
            figures.broken.len()
        );
        broken.extend(figures.broken);
        if options.keep {
            keep(root, &programs, target, &work)?;
        }
    }
    for input in &broken {
        println!("broken by {}; what happened is in log.txt beside it", input.display());
    }
    Ok(broken.is_empty())
}

/// Where the runs of a target leave what they find.
fn work(root: &Path, target: &str) -> PathBuf {
    target_folder(root).join("fuzz").join(target)
}

/// Builds the programs and gives their folder. They are built for a named target, so that build
/// scripts and macros are left as they are.
fn build(root: &Path, options: &Options) -> Result<PathBuf, String> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let has_compiler = || {
        let mut version = Command::new(&compiler);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    if !options.without_coverage && !cfg!(windows) && !has_compiler() {
        return Err(format!(
            "expected a C++ compiler for libFuzzer, found none as `{}`; install one (Debian: \
             apt install g++, macOS: xcode-select --install), or use --loop",
            compiler.display()
        ));
    }
    let host = host()?;
    let kind = match (options.without_coverage, options.address) {
        (true, _) => "loop",
        (_, true) => "address",
        _ => "coverage",
    };
    let folder = target_folder(root).join("fuzz/build").join(kind);
    let mut flags = String::new();
    if !options.without_coverage {
        flags += "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
                  -Cllvm-args=-sanitizer-coverage-level=4 \
                  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                  -Cllvm-args=-sanitizer-coverage-pc-table \
                  -Cllvm-args=-sanitizer-coverage-trace-compares \
                  -Cllvm-args=-simplifycfg-branch-fold-threshold=0";
    }
    let mut cargo = cargo();
    if options.address {
        flags += " -Zsanitizer=address";
        cargo.env("RUSTC_BOOTSTRAP", "1"); // a stable compiler's own runtime of the sanitizer
    }
    eprintln!("compiling the targets ...");
    cargo.args(["build", "--release", "--quiet", "--manifest-path"]);
    cargo.arg(root.join("fuzz/Cargo.toml"));
    if options.without_coverage {
        cargo.args(["--bin", "mutate"]);
    } else {
        cargo.args(options.targets.iter().flat_map(|target| ["--bin", target]));
    }
    cargo.args(["--target", &host, "--target-dir"]).arg(&folder);
    cargo.env("RUSTFLAGS", flags.trim());
    match cargo.status() {
        Ok(status) if status.success() => Ok(folder.join(host).join("release")),
        Ok(status) => Err(format!("expected cargo to build fuzz/, found it ended with {status}")),
        Err(error) => Err(format!("expected cargo to build fuzz/, found {error}")),
    }
}

/// A program of a target, with its temporary files in memory where the system has a folder for it.
fn program(programs: &Path, name: &str) -> Command {
    let mut program = Command::new(programs.join(name));
    if Path::new("/dev/shm").is_dir() {
        program.env("TMPDIR", "/dev/shm");
    }
    program.env("RAYON_NUM_THREADS", "1").env("RUST_BACKTRACE", "1");
    program
}

/// libFuzzer on a target. It ends at the first input that breaks something, and is started again.
fn fuzz(
    root: &Path,
    programs: &Path,
    target: &str,
    seed: u64,
    share: Duration,
) -> Result<Figures, String> {
    let work = work(root, target);
    let found = work.join("corpus");
    let log = work.join("log.txt");
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let before = inputs(&work);
    let (start, mut figures, mut text) = (Instant::now(), Figures::default(), String::new());
    while let Some(left) = share.checked_sub(start.elapsed()).filter(|left| left.as_secs() > 0) {
        let output = program(programs, target)
            .arg(&found)
            .args(committed(root, target))
            .arg(format!("-max_total_time={}", left.as_secs()))
            .arg(format!("-seed={}", (seed + figures.broken.len() as u64) % (1 << 32)))
            .arg(format!("-artifact_prefix={}/", work.display()))
            .args([LONGEST, "-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"])
            .args(["-malloc_limit_mb=1024", "-detect_leaks=0", "-verbosity=1"])
            .stdout(Stdio::null())
            .output()
            .map_err(|error| format!("expected {target} to start, found {error}"))?;
        let run = String::from_utf8_lossy(&output.stderr).into_owned();
        figures.executions += executions(&run);
        figures.edges = merged(figures.edges, edges(&run));
        text += &run;
        fs::write(&log, &text).map_err(|error| format!("{}: {error}", log.display()))?;
        figures.broken = inputs(&work);
        figures.broken.retain(|input| !before.contains(input));
        if output.status.success() {
            break;
        }
        if figures.broken.len() >= 5 || executions(&run) == 0 {
            if figures.broken.is_empty() {
                let last = text.lines().last().unwrap_or_default();
                return Err(format!("expected {target} to run, found `{last}`; {}", log.display()));
            }
            break;
        }
    }
    figures.seconds = start.elapsed().as_secs_f64();
    Ok(figures)
}

/// The mutation loop on a target.
fn mutate(
    root: &Path,
    programs: &Path,
    target: &str,
    seed: u64,
    share: Duration,
) -> Result<Figures, String> {
    let work = work(root, target);
    let log = work.join("log.txt");
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let before = inputs(&work);
    let start = Instant::now();
    let output = program(programs, "mutate")
        .args([target, &share.as_secs().max(1).to_string(), &seed.to_string()])
        .arg(&work)
        .args(committed(root, target))
        .output()
        .map_err(|error| format!("expected mutate to start, found {error}"))?;
    fs::write(&log, &output.stderr).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut broken = inputs(&work);
    broken.retain(|input| !before.contains(input));
    if !output.status.success() && broken.is_empty() {
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("expected mutate to run {target}, found {problem}"));
    }
    let executions = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
    Ok(Figures { seconds: start.elapsed().as_secs_f64(), executions, edges: None, broken })
}

/// The folders of committed inputs.
fn committed(root: &Path, target: &str) -> impl Iterator<Item = PathBuf> {
    ["corpus", "regressions"]
        .map(|kind| root.join("fuzz").join(kind).join(target))
        .into_iter()
        .filter(|folder| folder.is_dir())
}

/// The inputs that broke something: libFuzzer's names, and `broken-` of the loop.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let is_input = |path: &PathBuf| {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        ["crash-", "timeout-", "oom-", "broken-"].iter().any(|start| name.starts_with(start))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_input).collect();
    all.sort();
    all
}

/// How many inputs were run, by libFuzzer's last word, or by its last line if it had none.
fn executions(log: &str) -> u64 {
    let said = log.lines().rev().find_map(|line| {
        line.strip_prefix("stat::number_of_executed_units:")
            .or_else(|| line.strip_prefix('#')?.split_whitespace().next())
    });
    said.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// The edges that the corpus covers at the start and at the end.
fn edges(log: &str) -> Option<(u64, u64)> {
    let cov = |line: &str| line.split_once(" cov: ")?.1.split_whitespace().next()?.parse().ok();
    let first = log.lines().filter(|line| line.contains("INITED")).find_map(cov)?;
    Some((first, log.lines().rev().find_map(cov).unwrap_or(first)))
}

fn merged(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some((from, a)), Some((_, b))) => Some((from, a.max(b))),
        (one, other) => one.or(other),
    }
}

/// Writes the committed corpus anew: of the inputs of now and those found, the smallest that cover
/// what all cover, as far as there is room.
fn keep(root: &Path, programs: &Path, target: &str, work: &Path) -> Result<(), String> {
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let fewest = work.join("fewest");
    let _ = fs::remove_dir_all(&fewest);
    fs::create_dir_all(&fewest).map_err(io(&fewest))?;
    let corpus = root.join("fuzz/corpus").join(target);
    let mut merge = program(programs, target);
    merge.args(["-merge=1", "-detect_leaks=0", LONGEST]).arg(&fewest).arg(work.join("corpus"));
    merge.args(committed(root, target)).stdout(Stdio::null()).stderr(Stdio::null());
    let status = merge.status().map_err(|error| format!("expected a merge, found {error}"))?;
    if !status.success() {
        return Err(format!("expected {target} to merge its corpus, found it ended with {status}"));
    }
    let mut files: Vec<(u64, PathBuf)> = fs::read_dir(&fewest)
        .map_err(io(&fewest))?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.path())))
        .collect();
    files.sort();
    let _ = fs::remove_dir_all(&corpus);
    fs::create_dir_all(&corpus).map_err(io(&corpus))?;
    let (mut room, all, mut kept) = (CORPUS, files.len(), 0);
    for (size, path) in files {
        let Some(left) = room.checked_sub(size) else { break };
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, corpus.join(name)).map_err(io(&path))?;
        (room, kept) = (left, kept + 1);
    }
    println!("{:<12} kept {kept} of {all} inputs in {}", "", corpus.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: seed corpus: files: 2\n#3\tINITED cov: 858 ft: 900 corp: 2/30b\n\
        #4096\tpulse  cov: 900 ft: 990 corp: 9/300b lim: 4096 exec/s: 2048 rss: 60Mb\n\
        #5000\tDONE   cov: 969 ft: 999 corp: 10/310b\nDone 5000 runs in 1 second(s)\n";

    #[test]
    fn figures_are_read_from_the_log_of_the_fuzzer() {
        assert_eq!((executions(LOG), edges(LOG)), (5000, Some((858, 969))));
        let said = format!("{LOG}stat::number_of_executed_units: 5001\nstat::peak_rss_mb: 60\n");
        assert_eq!(executions(&said), 5001);
        assert_eq!((executions(""), edges("")), (0, None));
        assert_eq!(merged(edges(LOG), Some((969, 970))), Some((858, 970)));
    }

    #[test]
    fn what_is_no_option_and_no_target_is_refused_by_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let given =
            |words: &[&str]| options(root, &words.iter().map(OsString::from).collect::<Vec<_>>());
        let all = given(&["--minutes", "0.5"]).unwrap();
        assert_eq!(all.minutes, 0.5);
        assert!(all.targets.len() >= 20 && !all.targets.contains(&"mutate".to_owned()));
        assert_eq!(given(&["idx"]).unwrap().targets, ["idx"]);
        for (words, expected) in [
            (&["idy"][..], "found `idy`"),
            (&["--minutes", "no"], "--minutes: expected a number, found `no`"),
            (&["--loop", "--keep"], "--loop: expected neither"),
        ] {
            let error = given(words).err().unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }
}
