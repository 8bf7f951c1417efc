//! Getting the files of a data set into a folder: from its mirrors or from another folder, verified
//! before they get their names.
//!
//! The transfer itself is left to the system's `curl`, which has TLS, proxies, redirects and
//! resuming: an HTTP client with TLS compiled into the program would double the time of its first
//! build, for a command that most people run once.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::manifest::{self, Entry, FileCheck, FileEntry, FileState};

/// Attempts per mirror: a connection that breaks is taken up where it broke.
const ATTEMPTS: usize = 5;
/// How often a running transfer is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Exit codes of curl: the server cannot resume; it can, but not here.
const CANNOT_RESUME: [i32; 2] = [33, 36];
/// Exit codes of curl for a transfer that broke: too short, too slow, reset.
const BROKEN_OFF: [i32; 3] = [18, 28, 56];

/// Told while a file arrives: its name, the bytes that are there, the bytes of the whole. Breaking
/// ends the download; what has arrived stays.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64) -> ControlFlow<()>;

/// A file that is now in its place, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was there already, intact.
    AlreadyThere,
    /// Downloaded from this address.
    Downloaded(String),
    /// Copied from this file.
    Imported(PathBuf),
}

impl std::fmt::Display for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.origin {
            Origin::AlreadyThere => write!(f, "already there, intact"),
            Origin::Downloaded(url) => write!(f, "downloaded from {url}, intact"),
            Origin::Imported(path) => write!(f, "copied from {}, intact", path.display()),
        }
    }
}

/// A data set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The data set has no mirrors.
    #[error(
        "the data set `{name}` is not downloaded but drawn: `cargo xtask data generate` writes it"
    )]
    Generated {
        /// The data set.
        name: String,
    },
    /// A file could not be read, written, moved or made.
    #[error("{}: cannot {operation}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done.
        operation: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// A file to import is missing or damaged.
    #[error("{0}")]
    Import(Box<FileCheck>),
    /// There is no `curl`.
    #[error(
        "cannot start `{program}` to download {file}: {cause}; install curl, {}",
        advice(dataset, dir)
    )]
    NoCurl {
        /// What was to be started.
        program: String,
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
        /// The data set.
        dataset: String,
        /// The folder it was meant for.
        dir: PathBuf,
    },
    /// Somebody ended it.
    #[error("{file}: interrupted; the same command goes on")]
    Interrupted {
        /// The file.
        file: String,
    },
    /// No mirror delivered the file.
    #[error("cannot download {file}: {}; check the network, \
        {}", failures.join("; "), advice(dataset, dir))]
    NoMirror {
        /// The file.
        file: String,
        /// Every address that was tried, with what went wrong.
        failures: Vec<String>,
        /// The data set.
        dataset: String,
        /// The folder it was meant for.
        dir: PathBuf,
    },
}

fn advice(dataset: &str, dir: &Path) -> String {
    format!(
        "or put the four files into {} by hand, or import them with `cargo xtask data fetch \
         {dataset} --from DIR`, \
         or train on the embedded digits with `--data digits`",
        dir.display()
    )
}

/// Puts the four files of a data set into `dir` (made if it is missing): from the folder `from` if
/// there is one, else from the mirrors, one after the other. Files that are there and intact stay
/// as they are. What arrived of an interrupted download stays as `NAME.part` and is continued the
/// next time. A file gets its name only after its size and SHA-256 have been checked.
///
/// # Errors
/// [`FetchError`]. Files that were fetched before the error stay.
pub fn fetch(
    entry: &Entry,
    dir: &Path,
    from: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Vec<Fetched>, FetchError> {
    fetch_with("curl".as_ref(), entry, dir, from, progress)
}

fn fetch_with(
    program: &OsStr,
    entry: &Entry,
    dir: &Path,
    from: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Vec<Fetched>, FetchError> {
    if entry.mirrors.is_empty() && from.is_none() {
        return Err(FetchError::Generated { name: entry.name.clone() });
    }
    fs::create_dir_all(dir).map_err(io_error(dir, "make the folder"))?;
    let fetch_one = |file: &FileEntry| {
        let there = manifest::check(&manifest::locate(dir, &file.name), file);
        if there.is_good() {
            return Ok(Fetched { path: there.path, origin: Origin::AlreadyThere });
        }
        match from {
            Some(from) => import(file, from, dir),
            None => Download { program, entry, file, dir, progress: &mut *progress }.run(),
        }
    };
    let fetched = entry.files.iter().map(fetch_one).collect();
    // A folder in which nothing arrived would look like a data set that lost its files. It is left
    // alone if it holds anything.
    let _ = fs::remove_dir(dir);
    fetched
}

/// Copies a file and verifies the copy.
fn import(file: &FileEntry, from: &Path, dir: &Path) -> Result<Fetched, FetchError> {
    let source = manifest::locate(from, &file.name);
    let name = source.file_name().expect("locate joins a name");
    let (path, part) = (dir.join(name), dir.join(format!("{}.import.tmp", file.name)));
    let before = manifest::check(&source, file);
    if !before.is_good() {
        return Err(FetchError::Import(Box::new(before)));
    }
    fs::copy(&source, &part).map_err(io_error(&part, "copy to this file"))?;
    let copied = manifest::check(&part, file);
    if !copied.is_good() {
        let _ = fs::remove_file(&part);
        return Err(FetchError::Import(Box::new(copied)));
    }
    // An unpacked file must not stay in the shadow of a packed one that is wrong: `fetch` found
    // that none here is good.
    let packed = dir.join(&file.name);
    if packed != path && packed.exists() {
        fs::remove_file(&packed).map_err(io_error(&packed, "remove the wrong file"))?;
    }
    fs::rename(&part, &path).map_err(io_error(&path, "move the file into place"))?;
    Ok(Fetched { path, origin: Origin::Imported(source) })
}

/// The download of one file.
struct Download<'a> {
    program: &'a OsStr,
    entry: &'a Entry,
    file: &'a FileEntry,
    dir: &'a Path,
    progress: Progress<'a>,
}

/// How a transfer failed.
enum Failure {
    /// It could not even begin.
    NoCurl(io::Error),
    /// The exit code of curl, if it has one, and what it said.
    Curl(Option<i32>, String),
    /// The server sent more than there should be.
    TooLong,
    /// Somebody ended it.
    Interrupted,
}

impl Download<'_> {
    fn run(mut self) -> Result<Fetched, FetchError> {
        let (path, part) =
            (self.dir.join(&self.file.name), self.dir.join(format!("{}.part", self.file.name)));
        // Another process may be at it; when it is done there is nothing left to do.
        let lock = File::options().create(true).append(true).open(&part);
        let lock = lock.map_err(io_error(&part, "open the partial file"))?;
        lock.lock().map_err(io_error(&part, "lock the partial file"))?;
        if manifest::check(&path, self.file).is_good() {
            return Ok(Fetched { path, origin: Origin::AlreadyThere });
        }
        let fetched = self.try_mirrors(&path, &part);
        if length(&part) == 0 {
            let _ = fs::remove_file(&part);
        }
        fetched
    }

    fn try_mirrors(&mut self, path: &Path, part: &Path) -> Result<Fetched, FetchError> {
        let mut failures = Vec::new();
        for mirror in &self.entry.mirrors {
            let url = format!("{mirror}{}", self.file.name);
            match self.try_mirror(&url, part)? {
                Ok(()) => {
                    fs::rename(part, path).map_err(io_error(path, "move the file into place"))?;
                    let path = path.to_owned();
                    return Ok(Fetched { path, origin: Origin::Downloaded(url) });
                }
                Err(reason) => failures.push(format!("{url}: {reason}")),
            }
        }
        Err(FetchError::NoMirror {
            file: self.file.name.clone(),
            failures,
            dataset: self.entry.name.clone(),
            dir: self.dir.to_owned(),
        })
    }

    /// Completes `part` from one mirror. The outer error ends everything, the inner one is the
    /// reason to try the next mirror.
    fn try_mirror(&mut self, url: &str, part: &Path) -> Result<Result<(), String>, FetchError> {
        let mut reason = String::new();
        for _ in 0..ATTEMPTS {
            let before = length(part);
            // A whole file may be left from a run that was stopped before it could be checked.
            let failure =
                if before >= self.file.bytes { None } else { self.transfer(url, part).err() };
            let remove =
                || fs::remove_file(part).map_err(io_error(part, "remove the partial file"));
            match failure {
                None => match manifest::check(part, self.file) {
                    check if check.state == FileState::Published => return Ok(Ok(())),
                    check => {
                        remove()?;
                        reason = check.to_string();
                        // A download that was continued gets a second chance from the start.
                        if before == 0 {
                            break;
                        }
                    }
                },
                Some(Failure::NoCurl(cause)) => {
                    return Err(FetchError::NoCurl {
                        program: self.program.to_string_lossy().into_owned(),
                        file: self.file.name.clone(),
                        cause,
                        dataset: self.entry.name.clone(),
                        dir: self.dir.to_owned(),
                    });
                }
                Some(Failure::Interrupted) => {
                    return Err(FetchError::Interrupted { file: self.file.name.clone() });
                }
                Some(Failure::TooLong) => {
                    remove()?;
                    reason = format!("it sends more than the {} bytes expected", self.file.bytes);
                    if before == 0 {
                        break;
                    }
                }
                Some(Failure::Curl(code, message)) => {
                    reason = message;
                    let code = code.unwrap_or(0);
                    if CANNOT_RESUME.contains(&code) && before > 0 {
                        remove()?;
                    } else if !(BROKEN_OFF.contains(&code) && length(part) > before) {
                        break;
                    }
                }
            }
        }
        Ok(Err(reason))
    }

    /// Runs curl once, from the end of `part`.
    fn transfer(&mut self, url: &str, part: &Path) -> Result<(), Failure> {
        // A proxy would look for a server of this machine on its own.
        let no_proxy: &[&str] =
            if url.starts_with("http://127.0.0.1") { &["--noproxy", "127.0.0.1"] } else { &[] };
        let mut curl = Command::new(self.program)
            // Settings of the user could send the file elsewhere. Proxies are found in the
            // environment.
            .arg("--disable")
            .args(no_proxy)
            .args(["--fail", "--location", "--silent", "--show-error", "--proto", "=http,https"])
            // Half a minute below 100 bytes a second is a dead connection.
            .args(["--connect-timeout", "20", "--speed-limit", "100", "--speed-time", "30"])
            .args(["--continue-at", "-", "--url", url, "--output"])
            .arg(part)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failure::NoCurl)?;
        let total = self.file.bytes;
        let status = loop {
            let status = curl.try_wait();
            let done = length(part);
            let flow = (self.progress)(&self.file.name, done.min(total), total);
            match status {
                Ok(None) if flow.is_break() => {
                    // Otherwise it would go on alone.
                    let _ = curl.kill();
                    let _ = curl.wait();
                    return Err(Failure::Interrupted);
                }
                Ok(None) if done > total => {
                    // Whether it died of this or on its own, it is too long.
                    let _ = curl.kill();
                    let _ = curl.wait();
                    return Err(Failure::TooLong);
                }
                Ok(None) => thread::sleep(POLL),
                Ok(Some(status)) => break status,
                Err(cause) => return Err(Failure::NoCurl(cause)),
            }
        };
        if status.success() {
            return Ok(());
        }
        let mut message = String::new();
        if let Some(mut stderr) = curl.stderr.take() {
            // A message that cannot be read leaves the exit code.
            let _ = stderr.read_to_string(&mut message);
        }
        let message = message.trim();
        let message = if message.is_empty() {
            format!("curl ended with {status}")
        } else {
            message.to_owned()
        };
        Err(Failure::Curl(status.code(), message))
    }
}

/// Length of a file; 0 where there is none.
fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

fn io_error(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |cause| FetchError::Io { path, operation, cause }
}

#[cfg(test)]
mod tests;
