//! The mutation loop: a target on random changes of its inputs, without looking at coverage, for as
//! many executions as fit in the time. Prints how many there were.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, panic, process};

/// The most bytes of an input.
const LONGEST: usize = 4096;

/// More than this for one input is broken.
const SLOW: Duration = Duration::from_secs(10);

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [target, seconds, seed, work, folders @ ..] = &words[..] else {
        panic!("expected TARGET SECONDS SEED WORK FOLDER.., found {words:?}");
    };
    let run = morphograd_fuzz::target(target);
    let end = Instant::now() + Duration::from_secs(seconds.parse().expect("seconds"));
    let mut random = Random(seed.parse().expect("a seed"));
    let mut seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| read(folder)).collect();
    seeds.push(Vec::new());
    let work = Path::new(work);
    let (mut executions, mut input) = (0u64, Vec::new());
    while executions % 64 != 0 || Instant::now() < end {
        change(&mut input, &seeds, &mut random);
        let start = (executions % 64 == 0).then(Instant::now);
        let ended = panic::catch_unwind(|| run(&input));
        executions += 1;
        if ended.is_err() || start.is_some_and(|start| start.elapsed() > SLOW) {
            let path = broken(work, &input);
            fs::write(&path, &input).expect("the input that broke it can be written");
            eprintln!("broken by {}", path.display());
            println!("{executions}");
            process::exit(1);
        }
    }
    println!("{executions}");
}

/// A name that the same input has every time.
fn broken(work: &Path, input: &[u8]) -> PathBuf {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    work.join(format!("broken-{hash:016x}"))
}

fn read(folder: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an input can be read")).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Makes the next input: one of the seeds with one to six changes.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    input.clear();
    input.extend_from_slice(&seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(6) {
        let (at, n) = (random.below(input.len() + 1), input.len());
        match random.below(9) {
            0 if at < n => input[at] ^= 1 << random.below(8),
            1 if at < n => input[at] = random.next() as u8,
            // Numbers of two and four bytes, in both orders, at the edges of what they hold.
            2 | 3 => {
                let edges = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, u32::MAX];
                let number = match random.below(2) {
                    0 => edges[random.below(edges.len())],
                    _ => random.below(64) as u32,
                };
                let bytes =
                    if random.below(2) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
                for (place, byte) in input.iter_mut().skip(at).zip(bytes) {
                    *place = byte;
                }
            }
            4 => input.truncate(at),
            5 => {
                let to = (at + 1 + random.below(8)).min(n);
                input.drain(at.min(to)..to);
            }
            6 => {
                let more: Vec<u8> = (0..=random.below(8)).map(|_| random.next() as u8).collect();
                input.splice(at..at, more);
            }
            7 => {
                let from = random.below(n + 1);
                let piece = input[from..(from + random.below(64)).min(n)].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                input.truncate(at);
                input.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    input.truncate(LONGEST);
}
