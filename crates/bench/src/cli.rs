//! The command line: what can be asked for, and how it is told.
#![expect(clippy::print_stderr, reason = "the one place that speaks to a person")]

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use morphograd_bench::case::Case;
use morphograd_bench::cases::{groups, processors};
use morphograd_bench::document::{self, Growth};
use morphograd_bench::instructions::{Counts, TOLERANCE, Verdict, count, run_counted};
use morphograd_bench::machine::{self, Machine};
use morphograd_bench::measure;
use morphograd_bench::peer::Peer;
use morphograd_bench::record::{Record, compare, read_json, write_json};
use morphograd_bench::scaling::{self, run_point};
use morphograd_bench::table;

/// Measures what ours costs, beside the machine's limits and other libraries
///
/// Without names, everything is measured but what takes minutes.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", version)]
struct Arguments {
    /// Only these cases: a name, or a word that names contain
    #[arg(value_name = "CASE")]
    words: Vec<String>,
    /// Print the names of the cases and what they compute
    #[arg(long)]
    list: bool,
    /// Threads, of ours and of the peers [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Samples of each case
    #[arg(
        long,
        value_name = "N",
        default_value_t = 15,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    samples: u16,
    /// Interpreter of an environment with other libraries, to be measured in turns with ours; may
    /// be repeated
    #[arg(long, value_name = "PYTHON")]
    peers: Vec<PathBuf>,
    /// The whole tutorial too, which takes minutes
    #[arg(long)]
    tutorial: bool,
    /// Measure how time and memory grow with each size instead, and fit exponents
    #[arg(
        long,
        conflicts_with_all = ["peers", "tutorial", "save", "against", "words", "instructions"]
    )]
    scaling: bool,
    /// Only print: leave docs/benchmarks.md as it is, which a measurement of everything writes
    /// otherwise
    #[arg(long)]
    print: bool,
    /// Count the instructions of the main kernels instead, and fail where there are more than in
    /// the repository's file; needs valgrind
    #[arg(long, conflicts_with_all = ["peers", "tutorial", "save", "against", "threads"])]
    instructions: bool,
    /// With --instructions: write the counts into the repository's file
    #[arg(long, requires = "instructions")]
    renew: bool,
    /// What valgrind is started with
    #[arg(long, hide = true, value_name = "CASE")]
    count: Option<String>,
    /// What the processes whose memory is measured are started with
    #[arg(long, hide = true, value_name = "POINT")]
    memory: Option<String>,
    /// Keep the measurement in a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Put what is measured into a measurement that was kept, and write docs/benchmarks.md from
    /// both
    #[arg(long, value_name = "FILE", conflicts_with_all = ["print", "scaling", "instructions"])]
    into: Option<PathBuf>,
    /// Compare with a measurement that was kept
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

type CommandResult = Result<ExitCode, Box<dyn Error + Send + Sync>>;

pub(crate) fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> CommandResult {
    if arguments.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &arguments.count {
        let groups = groups();
        let case = groups.iter().flat_map(|group| &group.cases).find(|case| case.name == *name);
        run_counted(case.ok_or_else(|| format!("no case is called {name}"))?);
        return Ok(ExitCode::SUCCESS);
    }
    let threads = arguments.threads.map_or_else(processors, usize::from);
    if let Some(point) = &arguments.memory {
        let bytes =
            run_point(point, threads).ok_or("no such point, or a system that does not tell")?;
        say(bytes);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.scaling {
        return scale(arguments, threads);
    }
    if arguments.instructions {
        return guard(arguments);
    }
    // Read before anything is measured: a wrong name should not cost minutes.
    let then = arguments.against.as_deref().map(Record::read).transpose()?;
    let kept = arguments.into.as_deref().map(Record::read).transpose()?;
    let record = measure_all(arguments, threads)?;
    if let Some(then) = then {
        let (changes, only) = compare(&record, &then);
        say(format_args!("\n{}", table::changes(&changes, &only)));
    }
    if let Some(path) = &arguments.save {
        record.write(path)?;
    }
    if let (Some(path), Some(kept)) = (&arguments.into, kept) {
        let groups = groups();
        let names: Vec<&str> =
            groups.iter().flat_map(|group| &group.cases).map(|case| &*case.name).collect();
        let both = kept.with_later(record, &names)?;
        both.write(path)?;
        written(&document::write_times(&root().join("docs"), &both)?);
    } else if arguments.words.is_empty() && !arguments.print {
        written(&document::write_times(&root().join("docs"), &record)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    for group in groups() {
        say(format_args!("\n{}", group.title));
        for case in group.cases {
            say(format_args!("  {:26} {}", case.name, case.what));
        }
    }
}

/// Measures how time and memory grow.
fn scale(arguments: &Arguments, threads: usize) -> CommandResult {
    let program = env::current_exe()?;
    let (machine, load) = (Machine::here(&root()), machine::load());
    let mut growth =
        Growth { machine, command: command(), load, times: Vec::new(), memory: Vec::new() };
    warn(load, growth.machine.cores);
    for series in scaling::series() {
        let curve = scaling::times(&series, threads, usize::from(arguments.samples));
        say(table::curve("time", &curve));
        growth.times.push(curve);
        if let Some(curve) = scaling::memory(&series, &program, threads)? {
            say(table::curve("memory", &curve));
            growth.memory.push(curve);
        }
    }
    if !arguments.print {
        written(&document::write_growth(&root().join("docs"), &growth)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// A measurement beside other programs is not refused, but nobody should be misled by it.
fn warn(load: Option<f64>, cores: usize) {
    if let Some(load) = load.filter(|load| *load > 0.25 * cores as f64) {
        eprintln!(
            "warning: other programs are running (load {load}): times will be too long, those of \
             other libraries most of all"
        );
    }
}

fn written(files: &[PathBuf]) {
    for file in files {
        say(format_args!("wrote {}", file.strip_prefix(root()).unwrap_or(file).display()));
    }
}

/// Counts the instructions of the main kernels, and compares or renews.
fn guard(arguments: &Arguments) -> CommandResult {
    let path = root().join("crates/bench/instructions.json");
    let before: Counts = if path.exists() { read_json(&path)? } else { Counts::default() };
    let mut now = Counts::new();
    if !arguments.renew && before.rustc != now.rustc {
        say(format_args!(
            "the file was written with {}, this is {}: a few counts may differ",
            before.rustc, now.rustc
        ));
    }
    let program = env::current_exe()?;
    let mut passes = true;
    let groups = groups();
    let counted: Vec<&Case> =
        groups.iter().flat_map(|group| &group.cases).filter(|case| case.counted).collect();
    let names: Vec<&str> = counted.iter().map(|case| &*case.name).collect();
    let chosen = chosen(&names, &arguments.words)?;
    for case in counted.iter().filter(|case| chosen.contains(&&*case.name)) {
        let count = count(&program, &case.name)?;
        let verdict = Verdict::of(count, before.instructions.get(&case.name).copied());
        passes &= verdict.passes();
        say(table::count(&case.name, count, verdict));
        now.instructions.insert(case.name.clone(), count);
    }
    if arguments.renew {
        let mut renewed = if arguments.words.is_empty() { Counts::new() } else { before };
        renewed.rustc = now.rustc;
        renewed.instructions.extend(now.instructions);
        write_json(&path, &renewed)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.words.is_empty() {
        for name in before.instructions.keys().filter(|name| !now.instructions.contains_key(*name))
        {
            passes = false;
            say(format_args!("{name:28} is in the file and no longer counted: --renew removes it"));
        }
    }
    if !passes {
        return Err(format!(
            "more instructions than in crates/bench/instructions.json by over {:.0} %, or other \
             cases; \
             where that is meant, `cargo xtask bench --instructions --renew` writes the file anew",
            100.0 * TOLERANCE
        )
        .into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures the cases that were asked for, and prints each as soon as it is known.
fn measure_all(
    arguments: &Arguments,
    threads: usize,
) -> Result<Record, Box<dyn Error + Send + Sync>> {
    let groups = groups();
    let names: Vec<&str> =
        groups.iter().flat_map(|group| &group.cases).map(|case| &*case.name).collect();
    let chosen = chosen(&names, &arguments.words)?;
    let wanted = |case: &&Case| chosen.contains(&&*case.name) && (!case.long || arguments.tutorial);
    if !groups.iter().flat_map(|group| &group.cases).any(|case| wanted(&case)) {
        return Err("the whole tutorial takes minutes: add --tutorial".into());
    }
    let pool = measure::pool(threads);
    let start = |python: &PathBuf| Peer::start(python, &root(), pool.current_num_threads());
    let mut peers = arguments.peers.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut record = Record {
        machine: Machine::here(&root()),
        command: command(),
        load: machine::load(),
        threads: pool.current_num_threads(),
        limits: measure::limits(&pool),
        versions: peers.iter().flat_map(|peer| peer.versions.clone()).collect(),
        cases: Vec::new(),
    };
    warn(record.load, record.machine.cores);
    for limits in &record.limits {
        say(format_args!("the machine's limit, {}", limits.line()));
    }
    let samples = usize::from(arguments.samples);
    for group in &groups {
        let cases: Vec<_> = group.cases.iter().filter(wanted).collect();
        if !cases.is_empty() {
            say(format_args!("\n{}", group.title));
        }
        for case in cases {
            match measure::case(&pool, &mut peers, group.title, case, samples)? {
                Ok(measured) => {
                    say(table::case(&record, &measured));
                    record.cases.push(measured);
                }
                Err(reason) => say(format_args!("{:28} {reason}", case.name)),
            }
        }
    }
    Ok(record)
}

/// The names that are asked for. A word that is a name means that one; any other word means all
/// names that contain it.
fn chosen<'a>(names: &[&'a str], words: &[String]) -> Result<Vec<&'a str>, String> {
    let meant = |word: &String, name: &str| {
        if names.contains(&&**word) { name == word } else { name.contains(&**word) }
    };
    if let Some(word) = words.iter().find(|word| !names.iter().any(|name| meant(word, name))) {
        return Err(format!(
            "no case here has `{word}` in its name; `cargo xtask bench --list` prints all"
        ));
    }
    let wanted = |name: &&&str| words.is_empty() || words.iter().any(|word| meant(word, name));
    Ok(names.iter().filter(wanted).copied().collect())
}

/// The repository, as `cargo xtask` found it, else the current folder.
fn root() -> PathBuf {
    env::var_os("MORPHOGRAD_ROOT").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// The command as a reader can repeat it: files are theirs, so paths are left out.
fn command() -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or_default().to_owned();
        let inline = argument.contains('=');
        let placeholder = match &*name {
            "--peers" => Some("PYTHON"),
            "--save" | "--against" | "--into" => Some("FILE"),
            _ => None,
        };
        match placeholder {
            None => words.push(argument),
            Some(placeholder) => {
                if !inline {
                    arguments.next();
                }
                words.push(format!("{name} {placeholder}"));
            }
        }
    }
    words.join(" ")
}

/// Prints a line. A reader that has gone (`| head`) is no reason to fail.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_means_one_case_and_a_part_means_many() {
        let names = ["step", "dilation", "dilation-gradient"];
        let chosen = |words: &[&str]| {
            chosen(&names, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[]).unwrap(), names);
        assert_eq!(chosen(&["dilation"]).unwrap(), ["dilation"]);
        assert_eq!(chosen(&["dilat", "step"]).unwrap(), names);
        assert!(chosen(&["erosion"]).unwrap_err().contains("`erosion`"));
    }
}
