//! The downloader against servers on this machine that behave as the network does: they refuse,
//! break off, lie and cannot resume.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::*;
use crate::data::FILES;

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Everything, also from an offset.
    Good,
    /// One byte is wrong.
    Corrupt,
    /// The first answer for a file breaks off in the middle, later ones are good.
    BreaksOff,
    /// Answers 404.
    Absent,
    /// Ignores the offset asked for.
    CannotResume,
    /// Announces nothing and sends ten times too much.
    TooLong,
}

/// What the servers deliver: four files; the images are big enough to break off in the middle.
fn content(name: &str) -> Vec<u8> {
    let n = if name.contains("images") { 300_000 } else { 500 };
    (0..n).map(|i| (i * i / 7 + name.len()) as u8).collect()
}

/// Starts a server; its address, and the list of requests it got (path and offset).
fn serve(manner: Manner) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&log);
    // The thread ends with the test process; every connection is answered and closed.
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that hangs up on what is too long is part of the test.
            let _ = answer(stream.unwrap(), manner, &requests);
        }
    });
    (address, log)
}

fn answer(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    let name = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let mut offset = 0;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            offset = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let first = {
        let mut log = log.lock().unwrap();
        log.push(format!("{name} {offset}"));
        log.iter().filter(|request| request.starts_with(&name)).count() == 1
    };
    let mut body = content(&name);
    let len = body.len();
    match manner {
        Manner::Absent => {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        Manner::TooLong => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            return (0..10).try_for_each(|_| stream.write_all(&body));
        }
        Manner::Corrupt => body[len / 2] ^= 1,
        Manner::CannotResume => offset = 0,
        Manner::Good | Manner::BreaksOff => {}
    }
    let status = if offset > 0 {
        format!("206 Partial Content\r\nContent-Range: bytes {offset}-{}/{len}", len - 1)
    } else {
        "200 OK".to_owned()
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        len - offset
    )?;
    let end = if manner == Manner::BreaksOff && first { len / 2 } else { len };
    stream.write_all(&body[offset..end])
}

fn entry(mirrors: &[&str]) -> Entry {
    let files = FILES.iter().map(|name| {
        let content = content(name);
        let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        FileEntry {
            name: (*name).to_owned(),
            bytes: content.len() as u64,
            sha256,
            content_sha256: None,
        }
    });
    Entry {
        name: "test".into(),
        title: "Test".into(),
        classes: vec![],
        mirrors: mirrors.iter().map(|mirror| (*mirror).to_owned()).collect(),
        files: files.collect(),
    }
}

/// Whether there is a curl to test with; says so where there is none.
#[expect(clippy::print_stderr, reason = "a test that cannot run must say so")]
fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: there is no curl on this machine, which this test needs");
    }
    found
}

/// Fetches into an empty folder from servers of these manners; checks that the result is complete
/// and that nothing else is there. Returns the requests that each server got for the training
/// images.
fn check(manners: &[Manner], last_is_used: bool) -> Vec<Vec<String>> {
    let servers: Vec<_> = manners.iter().map(|&manner| serve(manner)).collect();
    let mirrors: Vec<&str> = servers.iter().map(|(address, _)| address.as_str()).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let mut progress = |file: &str, done: u64, total: u64| {
        seen.push((file.to_owned(), done, total));
        GO_ON
    };
    let fetched = fetch(&entry(&mirrors), dir.path(), None, &mut progress).unwrap();
    for (file, name) in fetched.iter().zip(FILES) {
        assert_eq!(fs::read(&file.path).unwrap(), content(name));
        if last_is_used {
            assert_eq!(
                file.origin,
                Origin::Downloaded(format!("{}{name}", mirrors[mirrors.len() - 1]))
            );
        }
        let bytes = content(name).len() as u64;
        assert!(
            seen.contains(&(name.to_owned(), bytes, bytes)),
            "the end of {name} was not reported"
        );
    }
    assert!(seen.iter().all(|(_, done, total)| done <= total));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "something was left behind");
    let mut again = |_: &str, _: u64, _: u64| -> ControlFlow<()> {
        panic!("nothing has to be downloaded again")
    };
    let fetched = fetch(&entry(&mirrors), dir.path(), None, &mut again).unwrap();
    assert!(fetched.iter().all(|file| file.origin == Origin::AlreadyThere));
    servers
        .iter()
        .map(|(_, log)| {
            log.lock().unwrap().iter().filter(|line| line.starts_with(FILES[0])).cloned().collect()
        })
        .collect()
}

#[test]
fn a_good_mirror_delivers() {
    if has_curl() {
        assert_eq!(check(&[Manner::Good], true), [[format!("{} 0", FILES[0])]]);
    }
}

#[test]
fn the_next_mirror_helps_out() {
    if has_curl() {
        check(&[Manner::Absent, Manner::Corrupt, Manner::TooLong, Manner::Good], true);
    }
}

#[test]
fn a_transfer_that_broke_off_is_continued() {
    if has_curl() {
        let requests = check(&[Manner::BreaksOff], true);
        assert_eq!(requests, [[format!("{} 0", FILES[0]), format!("{} 150000", FILES[0])]]);
    }
}

#[test]
fn a_partial_file_of_an_earlier_run_is_continued_or_replaced() {
    if !has_curl() {
        return;
    }
    let name = FILES[0];
    for (manner, partial, expected) in [
        (Manner::Good, content(name)[..1000].to_vec(), vec!["1000"]),
        // Nothing to ask for: it was complete.
        (Manner::Good, content(name), vec![]),
        (Manner::Good, vec![1; 1000], vec!["1000", "0"]),
        (Manner::Good, vec![1; 999_999], vec!["0"]),
        (Manner::CannotResume, content(name)[..1000].to_vec(), vec!["1000", "0"]),
    ] {
        let (address, log) = serve(manner);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(format!("{name}.part")), partial).unwrap();
        fetch(&entry(&[&address]), dir.path(), None, &mut |_, _, _| GO_ON).unwrap();
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), content(name));
        let expected: Vec<String> =
            expected.iter().map(|offset| format!("{name} {offset}")).collect();
        let log: Vec<String> =
            log.lock().unwrap().iter().filter(|line| line.starts_with(name)).cloned().collect();
        assert_eq!(log, expected);
    }
}

#[test]
fn without_a_network_the_error_says_what_was_tried_and_what_to_do() {
    if !has_curl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (absent, _) = serve(Manner::Absent);
    // Bound and dropped: nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}/");
    let error = fetch(&entry(&[&closed, &absent]), dir.path(), None, &mut |_, _, _| GO_ON)
        .unwrap_err()
        .to_string();
    for part in
        [&closed, &absent, "404", "--from DIR", "--data digits", dir.path().to_str().unwrap()]
    {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_corrupt_file_never_gets_its_name() {
    if !has_curl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(Manner::Corrupt);
    let error =
        fetch(&entry(&[&address]), dir.path(), None, &mut |_, _, _| GO_ON).unwrap_err().to_string();
    assert!(error.contains("wrong content: expected 300000 bytes with SHA-256"), "{error}");
    assert!(!dir.path().exists(), "a folder in which nothing arrived is not left behind");
}

#[test]
fn without_curl_the_error_says_what_to_install() {
    let dir = tempfile::tempdir().unwrap();
    let entry = entry(&["http://127.0.0.1:9/"]);
    let error =
        fetch_with("no-such-program".as_ref(), &entry, dir.path(), None, &mut |_, _, _| GO_ON);
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot start `no-such-program` to download train-images"),
        "{error}"
    );
    assert!(error.contains("install curl") && error.contains("--from DIR"), "{error}");
}

#[test]
fn files_are_imported_from_a_folder() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = to.path().join("new");
    let import = || {
        fetch(&entry(&[]), &dir, Some(from.path()), &mut |_, _, _| GO_ON)
            .map_err(|error| error.to_string())
    };
    for name in &FILES[1..] {
        fs::write(from.path().join(name), content(name)).unwrap();
    }
    let source = from.path().join(FILES[0]);
    assert_eq!(import(), Err(format!("{}: the file is missing", source.display())));
    fs::write(&source, b"something else").unwrap();
    assert!(import().unwrap_err().contains("found 14 bytes with SHA-256"));
    assert!(!dir.join(FILES[0]).exists());
    fs::write(&source, content(FILES[0])).unwrap();
    let fetched = import().unwrap();
    assert_eq!(fetched[0].origin, Origin::Imported(source));
    assert!(manifest::verify(&entry(&[]), &dir).iter().all(FileCheck::is_good));
}

#[test]
fn an_unpacked_import_replaces_a_packed_file_that_is_wrong() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in FILES {
        fs::write(from.path().join(name.trim_end_matches(".gz")), content(name)).unwrap();
    }
    fs::write(to.path().join(FILES[0]), b"wrong").unwrap();
    fetch(&entry(&[]), to.path(), Some(from.path()), &mut |_, _, _| GO_ON).unwrap();
    assert!(manifest::verify(&entry(&[]), to.path()).iter().all(FileCheck::is_good));
}

#[test]
fn the_digits_are_not_downloaded() {
    let digits = manifest::entry("digits").unwrap();
    let error = fetch(&digits, Path::new("unused"), None, &mut |_, _, _| GO_ON).unwrap_err();
    assert!(matches!(error, FetchError::Generated { .. }));
}

#[test]
fn what_is_interrupted_ends_its_transfer_and_is_continued() {
    if !has_curl() {
        return;
    }
    // A server that accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", listener.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut looks = 0;
    let mut stop = |_: &str, _: u64, _: u64| {
        looks += 1;
        if looks < 3 { GO_ON } else { ControlFlow::Break(()) }
    };
    let error = fetch(&entry(&[&silent]), dir.path(), None, &mut stop).unwrap_err().to_string();
    assert!(error.ends_with("interrupted; the same command goes on"), "{error}");
    // The connection of a program that has ended is closed.
    let (mut stream, _) = listener.accept().unwrap();
    io::copy(&mut stream, &mut io::sink()).unwrap();
    let (good, _) = serve(Manner::Good);
    assert_eq!(fetch(&entry(&[&good]), dir.path(), None, &mut |_, _, _| GO_ON).unwrap().len(), 4);
}

#[test]
fn several_at_once_into_one_folder_all_succeed_and_load_each_file_once() {
    if !has_curl() {
        return;
    }
    let ((address, log), dir) = (serve(Manner::Good), tempfile::tempdir().unwrap());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                fetch(&entry(&[&address]), dir.path(), None, &mut |_, _, _| GO_ON).unwrap();
            });
        }
    });
    assert_eq!(log.lock().unwrap().len(), 4);
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 4, "something was left behind");
}
