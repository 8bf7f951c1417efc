//! Trainings on several processes: finds MPI, builds `morphograd-mpi` and starts it; and the check
//! that any number of processes gives the same bytes, and that they end together.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const HELP: &str = "\
Trains on 1, 2, 4 and 8 processes of this machine and compares the weights; then checks that all
processes end when one dies, and that processes with other data or settings are refused.

Usage: cargo xtask mpi

To train: cargo xtask train --processes N --shards S";

/// What has to be installed.
const PACKAGES: &str = "install MPI and libclang: on Debian and Ubuntu `apt install libopenmpi-dev \
    openmpi-bin libclang-dev`, on macOS `brew install open-mpi llvm`";

/// The number after `--processes`, and the other arguments; none if there is no such option.
pub(crate) fn processes(arguments: &[OsString]) -> Option<(Result<usize, String>, Vec<OsString>)> {
    const OPTION: &str = "--processes";
    let is_option = |text: &str| text == OPTION || text.starts_with("--processes=");
    let at = arguments.iter().position(|argument| argument.to_str().is_some_and(is_option))?;
    let mut rest = arguments.to_vec();
    let option = rest.remove(at).into_string().unwrap_or_default();
    let value = match option.split_once('=') {
        Some((_, value)) => value.to_owned(),
        None if at < rest.len() => rest.remove(at).to_string_lossy().into_owned(),
        None => String::new(),
    };
    let number = value.parse::<usize>().ok().filter(|n| n.is_power_of_two());
    let wrong = || format!("{OPTION}: expected a power of two, found `{value}`");
    Some((number.ok_or_else(wrong), rest))
}

/// Trains on several processes of this machine.
pub(crate) fn train(root: &Path, n: usize, arguments: &[OsString]) -> ExitCode {
    match Launcher::new(root) {
        Ok(launcher) => {
            let mut command = launcher.on(n);
            command.arg(&launcher.program).arg("train");
            // Together as many threads as there are cores; the result does not depend on it.
            let is_threads = |a: &OsString| a.to_string_lossy().starts_with("--threads");
            if !arguments.iter().any(is_threads) {
                command.arg("--threads").arg((launcher.cores / n).max(1).to_string());
            }
            command.args(arguments);
            crate::hand_over(command)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the check.
pub(crate) fn main(root: &Path, arguments: &[OsString]) -> ExitCode {
    if let Some(argument) = arguments.first() {
        if argument == "--help" || argument == "-h" {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        eprintln!("error: unknown argument `{}`\n\n{HELP}", argument.display());
        return ExitCode::FAILURE;
    }
    match Launcher::new(root).and_then(|launcher| launcher.check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What starts processes, and the program that they run.
struct Launcher {
    root: PathBuf,
    program: PathBuf,
    target: PathBuf,
    cores: usize,
    /// Open MPI starts no more processes than cores, unless it is asked to.
    is_open_mpi: bool,
}

impl Launcher {
    /// Builds the program.
    fn new(root: &Path) -> Result<Self, String> {
        let version = |program: &str| {
            Command::new(program)
                .arg("--version")
                .output()
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                .map_err(|error| format!("cannot start {program}: {error}; {PACKAGES}"))
        };
        version("mpicc")?;
        let is_open_mpi = version("mpirun")?.contains("Open MPI");
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = root.join(target); // which may be relative
        let program = target.join("release/morphograd-mpi");
        if !program.exists() {
            eprintln!("compiling morphograd-mpi, once ...");
        }
        let mut cargo = crate::cargo();
        cargo.args(["build", "--release", "--quiet", "--manifest-path"]);
        cargo.arg(root.join("crates/mpi/Cargo.toml")).arg("--target-dir").arg(&target);
        let status = cargo.status().map_err(|error| format!("cannot start cargo: {error}"))?;
        if !status.success() {
            return Err(format!(
                "morphograd-mpi cannot be built; if mpi.h or libclang is not found, {PACKAGES}"
            ));
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { root: root.to_owned(), program, target, cores, is_open_mpi })
    }

    /// `mpirun` for so many processes; the program is still to be named.
    fn on(&self, n: usize) -> Command {
        let mut command = Command::new("mpirun");
        command.env("MORPHOGRAD_ROOT", &self.root);
        if self.is_open_mpi && n > self.cores {
            // Processes that wait then let others run.
            command.args(["--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]);
        }
        command.arg("-n").arg(n.to_string());
        command
    }

    fn check(&self) -> Result<(), String> {
        let folder = self.target.join("mpi-check");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        let result = self.checks(&folder);
        if result.is_ok() {
            fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        result
    }

    fn checks(&self, folder: &Path) -> Result<(), String> {
        let weights = |out: &Path| {
            let path = out.join("none-seed0/weights.safetensors");
            fs::read(&path).map_err(at(&path))
        };
        let out = folder.join("alone");
        let mut alone = Command::new(&self.program);
        done("one process without mpirun", &run(self.train(&mut alone, &out, "3", &[]))?)?;
        let expected = weights(&out)?;
        for n in [1, 2, 4, 8] {
            let out = folder.join(n.to_string());
            let mut command = self.on(n);
            let output = run(self.train(command.arg(&self.program), &out, "3", &[]))?;
            done(&format!("{n} processes"), &output)?;
            if weights(&out)? != expected {
                return Err(format!("{n} processes: expected the weights of one, found others"));
            }
            println!("mpi: {n} processes leave the weights of one, byte for byte");
        }
        self.refused("config", folder, [&["--seed", "0"], &["--seed", "1"]])?;
        let data = [0, 1].map(|pixel| folder.join(format!("data-{pixel}")));
        for (pixel, folder) in (0..).zip(&data) {
            images(folder, pixel).map_err(at(folder))?;
        }
        let [first, second] = data.each_ref().map(|path| path.to_str().unwrap_or_default());
        self.refused("data set", folder, [&["--data", first], &["--data", second]])?;
        self.killed(&folder.join("killed"))
    }

    /// The arguments of a short training.
    fn train<'c>(
        &self,
        command: &'c mut Command,
        out: &Path,
        epochs: &str,
        more: &[&str],
    ) -> &'c mut Command {
        command.env("MORPHOGRAD_ROOT", &self.root).args(["train", "--quiet", "--threads", "1"]);
        command.args(["--constraint", "none", "--shards", "8", "--epochs", epochs, "--samples"]);
        command.args(["250", "--batch-size", "60"]).arg("--out").arg(out);
        if !more.contains(&"--data") {
            command.arg("--data").arg(self.root.join("datasets/digits"));
        }
        command.args(more)
    }

    /// Two processes that differ in this have to say so, and to fail.
    fn refused(&self, what: &str, folder: &Path, options: [&[&str]; 2]) -> Result<(), String> {
        let mut command = self.on(1);
        if self.is_open_mpi && self.cores < 2 {
            command.arg("--oversubscribe");
        }
        let out = folder.join("refused");
        self.train(command.arg(&self.program), &out, "1", options[0]);
        command.args([":", "-n", "1"]).arg(&self.program);
        let output = run(self.train(&mut command, &out, "1", options[1]))?;
        let told = String::from_utf8_lossy(&output.stderr);
        let expected = format!("ranks: expected one {what}");
        if output.status.success() || !told.contains(&expected) {
            return Err(format!("other {what}: expected `{expected}`, found {told}"));
        }
        println!("mpi: a process with another {what} is refused");
        Ok(())
    }

    /// One of four processes is killed; the others have to end, with an error.
    fn killed(&self, out: &Path) -> Result<(), String> {
        let mut command = self.on(4);
        self.train(command.arg(&self.program), out, "100000", &["--lr", "0.0001"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("cannot start mpirun: {error}"))?;
        let history = out.join("none-seed0/history.csv");
        let lines = || fs::read_to_string(&history).map_or(0, |text| text.lines().count());
        let in_time = |limit: u64, holds: &mut dyn FnMut() -> bool| {
            let start = Instant::now();
            while !holds() {
                if start.elapsed() > Duration::from_secs(limit) {
                    return false;
                }
                thread::sleep(Duration::from_millis(50));
            }
            true
        };
        let began = in_time(120, &mut || lines() > 2);
        let parent = child.id().to_string();
        let ranks = run(Command::new("pgrep").args(["-P", &parent]))?;
        let ranks = String::from_utf8_lossy(&ranks.stdout).into_owned();
        let last = ranks.lines().last().filter(|_| began);
        let killed = match last {
            Some(pid) => run(Command::new("kill").args(["-9", pid]))?.status.success(),
            None => false,
        };
        let start = Instant::now();
        let ended = killed && in_time(60, &mut || matches!(child.try_wait(), Ok(Some(_))));
        if !ended {
            // Ours, and of no use any more.
            let _ = child.kill();
            let found = if killed { "processes that wait" } else { "no process to kill" };
            return Err(format!("a process killed: expected the end of all, found {found}"));
        }
        let status = child.wait().map_err(|error| format!("mpirun: {error}"))?;
        if status.success() {
            return Err("a process killed: expected an exit code, found success".to_owned());
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("mpi: {seconds:.1} s after one process was killed all have ended: {status}");
        Ok(())
    }
}

/// 300 images for training and 100 for tests, all of one grey, as IDX files.
fn images(folder: &Path, pixel: u8) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (part, n) in [("train", 300_u32), ("t10k", 100)] {
        let sizes = |sizes: &[u32]| sizes.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mut images = [&[0, 0, 8, 3][..], &sizes(&[n, 28, 28])].concat();
        images.resize(images.len() + n as usize * 28 * 28, pixel);
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images)?;
        let labels = (0..n).map(|label| (label % 10) as u8).collect::<Vec<u8>>();
        let labels = [&[0, 0, 8, 1][..], &sizes(&[n]), &labels].concat();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<Output, String> {
    command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))
}

fn done(what: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what}: expected a training, found {}: {told}", output.status))
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}
