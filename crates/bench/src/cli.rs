//! The command line: what can be asked for, and how it is told.
#![expect(clippy::print_stderr, reason = "the one place that speaks to a person")]

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use morphograd_bench::cases::{groups, processors};
use morphograd_bench::document;
use morphograd_bench::instructions::{Counts, TOLERANCE, Verdict, count, run_counted};
use morphograd_bench::machine::Machine;
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
    /// Only the cases whose names contain one of these words
    #[arg(value_name = "CASE")]
    words: Vec<String>,
    /// Print the names of the cases and what they compute
    #[arg(long)]
    list: bool,
    /// Threads, of ours and of the peers [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Samples of each case
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    samples: u16,
    /// Interpreter of an environment with other libraries, to be measured in turns with ours; may be repeated
    #[arg(long, value_name = "PYTHON")]
    peers: Vec<PathBuf>,
    /// The whole tutorial too, which takes minutes
    #[arg(long)]
    tutorial: bool,
    /// Measure how time and memory grow with each size instead, and fit exponents
    #[arg(long, conflicts_with_all = ["peers", "tutorial", "save", "against", "words", "instructions"])]
    scaling: bool,
    /// Only print: leave docs/benchmarks.md as it is, which a measurement of everything writes otherwise
    #[arg(long)]
    print: bool,
    /// Count the instructions of the main kernels instead, and fail where there are more than in the repository's file; needs valgrind
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
        let bytes = run_point(point, threads).ok_or("no such point, or a system that does not tell")?;
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
    let record = measure_all(arguments, threads)?;
    if let Some(then) = then {
        let (changes, only) = compare(&record, &then);
        say(format_args!("\n{}", table::changes(&changes, &only)));
    }
    if let Some(path) = &arguments.save {
        record.write(path)?;
    }
    if arguments.words.is_empty() && !arguments.print {
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
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for series in scaling::series() {
        let curve = scaling::times(&series, threads, usize::from(arguments.samples));
        say(table::curve("time", &curve));
        times.push(curve);
        if let Some(curve) = scaling::memory(&series, &program, threads)? {
            say(table::curve("memory", &curve));
            memory.push(curve);
        }
    }
    if !arguments.print {
        let machine = Machine::here(&root());
        written(&document::write_growth(&root().join("docs"), &machine, &command(), &times, &memory)?);
    }
    Ok(ExitCode::SUCCESS)
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
    let wanted =
        |name: &str| arguments.words.is_empty() || arguments.words.iter().any(|word| name.contains(&**word));
    for case in
        groups().iter().flat_map(|group| &group.cases).filter(|case| case.counted && wanted(&case.name))
    {
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
        for name in before.instructions.keys().filter(|name| !now.instructions.contains_key(*name)) {
            passes = false;
            say(format_args!("{name:28} is in the file and no longer counted: --renew removes it"));
        }
    }
    if !passes {
        return Err(format!(
            "more instructions than in crates/bench/instructions.json by over {:.0} %, or other cases; \
             where that is meant, `cargo xtask bench --instructions --renew` writes the file anew",
            100.0 * TOLERANCE
        )
        .into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures the cases that were asked for, and prints each as soon as it is known.
fn measure_all(arguments: &Arguments, threads: usize) -> Result<Record, Box<dyn Error + Send + Sync>> {
    let wanted = |name: &str, long: bool| {
        if arguments.words.is_empty() {
            !long || arguments.tutorial
        } else {
            arguments.words.iter().any(|word| name.contains(&**word)) || long && arguments.tutorial
        }
    };
    let groups = groups();
    let names: Vec<&str> = groups.iter().flat_map(|group| &group.cases).map(|case| &*case.name).collect();
    if let Some(word) = arguments.words.iter().find(|word| !names.iter().any(|name| name.contains(&***word)))
    {
        return Err(
            format!("no case has `{word}` in its name; `cargo xtask bench --list` prints them").into()
        );
    }
    let pool = measure::pool(threads);
    let start = |python: &PathBuf| Peer::start(python, &root(), pool.current_num_threads());
    let mut peers = arguments.peers.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut record = Record {
        machine: Machine::here(&root()),
        command: command(),
        threads: pool.current_num_threads(),
        limits: measure::limits(&pool),
        versions: peers.iter().flat_map(|peer| peer.versions.clone()).collect(),
        cases: Vec::new(),
    };
    for limits in &record.limits {
        say(format_args!("the machine's limit, {}", limits.line()));
    }
    let samples = usize::from(arguments.samples);
    for group in &groups {
        let cases: Vec<_> = group.cases.iter().filter(|case| wanted(&case.name, case.long)).collect();
        if !cases.is_empty() {
            say(format_args!("\n{}", group.title));
        }
        for case in cases {
            let measured = measure::case(&pool, &mut peers, group.title, case, samples)?;
            say(table::case(&record, &measured));
            record.cases.push(measured);
        }
    }
    Ok(record)
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
            "--save" | "--against" => Some("FILE"),
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
