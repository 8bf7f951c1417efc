//! Other libraries, measured by a server in Python (`peers/peer.py`) in an environment of its own:
//! one JSON request a line, one JSON answer a line. It stays alive between requests, so that what
//! is timed is neither its start nor its first call.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

/// A server that was started.
#[derive(Debug)]
pub struct Peer {
    python: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Names and versions of the libraries it has.
    pub versions: BTreeMap<String, String>,
}

/// Why a peer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It did not start, or it is gone.
    #[error(
        "{python}: {what}: expected the interpreter of an environment with numpy and one of the \
         libraries; \
         crates/bench/README.md says how to make one: {source}"
    )]
    Gone {
        /// The interpreter.
        python: String,
        /// When.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It has none of the libraries.
    #[error(
        "{0}: has none of the libraries; crates/bench/README.md says how to make an environment"
    )]
    Empty(String),
    /// It said something else than the protocol has.
    #[error("{python}: expected {expected}, found `{found}`")]
    Answer {
        /// The interpreter.
        python: String,
        /// What it should have said.
        expected: &'static str,
        /// What it said.
        found: String,
    },
}

#[derive(Serialize)]
struct Request<'a> {
    case: &'a str,
    samples: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Greeting {
    versions: BTreeMap<String, String>,
}

/// What a peer says to a request.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Seconds of each sample, by each of its ways to do the case. Empty where it has none.
    pub seconds: BTreeMap<String, Vec<f64>>,
    /// Ways that did not work, and why.
    pub lacks: BTreeMap<String, String>,
}

impl Peer {
    /// Starts the server; `root` is the repository.
    ///
    /// # Errors
    /// If there is no such interpreter, or it has none of the libraries.
    pub fn start(python: &Path, root: &Path, threads: usize) -> Result<Self, PeerError> {
        let name = python.display().to_string();
        let gone = |what| move |source| PeerError::Gone { python: name.clone(), what, source };
        let mut child = Command::new(python)
            .arg(root.join("crates/bench/peers/peer.py"))
            .args(["--threads", &threads.to_string()])
            .arg("--digits")
            .arg(root.join("crates/train/datasets/digits"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Libraries chat there.
            .stderr(Stdio::null())
            .spawn()
            .map_err(gone("cannot be started"))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let python = python.display().to_string();
        let mut peer = Self { python, child, requests, answers, versions: BTreeMap::new() };
        let line = peer.line()?;
        let greeting: Greeting = peer.parse("a greeting with versions", &line)?;
        if greeting.versions.is_empty() {
            return Err(PeerError::Empty(peer.python.clone()));
        }
        peer.versions = greeting.versions;
        Ok(peer)
    }

    /// Measures a case. The first request for a case warms up, too.
    ///
    /// # Errors
    /// If the peer is gone or out of order. That it does not have the case is no error.
    pub fn sample(&mut self, case: &str, samples: usize) -> Result<Answer, PeerError> {
        let request =
            serde_json::to_string(&Request { case, samples }).expect("a text and a number") + "\n";
        let sent = match &mut self.requests {
            Some(requests) => {
                requests.write_all(request.as_bytes()).and_then(|()| requests.flush())
            }
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        sent.map_err(|source| self.gone(source))?;
        let line = self.line()?;
        self.parse("seconds of samples", &line)
    }

    fn line(&mut self) -> Result<String, PeerError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(self.gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line),
            Err(source) => Err(self.gone(source)),
        }
    }

    fn gone(&self, source: io::Error) -> PeerError {
        PeerError::Gone { python: self.python.clone(), what: "ended", source }
    }

    fn parse<'a, V: Deserialize<'a>>(
        &self,
        expected: &'static str,
        line: &'a str,
    ) -> Result<V, PeerError> {
        serde_json::from_str(line).map_err(|_| PeerError::Answer {
            python: self.python.clone(),
            expected,
            found: line.trim().to_owned(),
        })
    }
}

impl Drop for Peer {
    /// A peer ends with its input.
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_strictly() {
        let answer: Answer = serde_json::from_str(
            r#"{"seconds": {"PyTorch": [0.5, 0.25]}, "lacks": {"morphocore": "why"}}"#,
        )
        .unwrap();
        assert_eq!(
            (answer.seconds["PyTorch"].clone(), &*answer.lacks["morphocore"]),
            (vec![0.5, 0.25], "why")
        );
        assert!(serde_json::from_str::<Answer>(r#"{"error": "all is lost"}"#).is_err());
    }

    #[test]
    fn an_interpreter_that_is_not_there_is_an_error_with_advice() {
        let error =
            Peer::start(Path::new("no/such/python"), Path::new("."), 1).unwrap_err().to_string();
        assert!(
            error.contains("no/such/python: cannot be started") && error.contains("README.md"),
            "{error}"
        );
    }
}
