//! `docs/benchmarks.md` and its figures. The one design choice: sections between markers. Each
//! command writes its own section and leaves the rest as it is, so that times and growth need not
//! be measured on one day, and prose may stand between them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use morphograd_plot::{
    Axis as PlotAxis, BarChart, DotPlot, Line, LineChart, Panel, PanelGrid, Scale, Stroke, palette,
};

use crate::case::{seconds, three};
use crate::machine::Machine;
use crate::record::{Measured, PeerMeasured, Record, RecordError, write};
use crate::scaling::{Axis, Curve};

/// Writes the section on times with its figures; `docs` is the folder of the document. Returns the
/// files.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_times(docs: &Path, record: &Record) -> Result<Vec<PathBuf>, RecordError> {
    let shares = record
        .cases
        .iter()
        .filter_map(|case| Some((&*case.name, 100.0 * record.share(case)?)))
        .collect();
    let ratios: Vec<(&str, Vec<(&str, f64)>)> = record
        .cases
        .iter()
        .filter(|case| !case.peers.is_empty())
        .map(|case| {
            (&*case.name, case.peers.iter().map(|peer| (&*peer.peer, peer.ratio.median)).collect())
        })
        .collect();
    let label = "Share of the machine's limit that each case reaches";
    let axis = "percent of the machine's limit";
    let chart = BarChart { label, axis, max: 100.0, decimals: 0, bars: shares };
    let mut figures = vec![("bench-limits.svg", label, chart.svg())];
    if !ratios.is_empty() {
        let label = "Time of other libraries divided by ours";
        let axis = "their time / our time (right of the line: ours is faster)";
        figures.push(("bench-peers.svg", label, DotPlot { label, axis, rows: ratios }.svg()));
    }
    section(docs, "times", &times(record), &figures)
}

/// How cost grew.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// Where.
    pub machine: Machine,
    /// With which command.
    pub command: String,
    /// How many programs wanted to run in the minute before.
    pub load: Option<f64>,
    /// Seconds.
    pub times: Vec<Curve>,
    /// Bytes.
    pub memory: Vec<Curve>,
}

/// Writes the section on growth with its figures.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_growth(docs: &Path, growth: &Growth) -> Result<Vec<PathBuf>, RecordError> {
    let Growth { machine, command, load, times, memory } = growth;
    let load: Vec<_> = load.iter().map(|load| ("load before", load.to_string())).collect();
    let mut text = environment(machine, command, &load);
    for (title, curves) in [("Time", times), ("Peak memory", memory)] {
        let _ = write!(
            text,
            "\n### {title}\n\n| what grows | of | sizes | fitted exponent | expected \
             |\n|---|---|---|---|---|\n"
        );
        for axis in Axis::ALL {
            for curve in curves.iter().filter(|curve| curve.axis == axis) {
                let sizes: Vec<String> =
                    curve.points.iter().map(|(size, _)| size.to_string()).collect();
                let fitted =
                    curve.fitted().map_or_else(|| "—".to_owned(), |exponent| signed(exponent, 2));
                let (subject, name) = (&curve.subject, axis.names().1);
                let _ = writeln!(
                    text,
                    "| {name} | {subject} | {} | {fitted} | {} |",
                    sizes.join(", "),
                    signed(curve.expected, 0)
                );
            }
        }
    }
    let figure = |file, label, unit, curves| (file, label, powers(label, unit, curves));
    let figures = [
        figure("bench-time.svg", "Time against what grows", "seconds", times),
        figure("bench-memory.svg", "Peak memory against what grows", "bytes", memory),
    ];
    section(docs, "growth", &text, &figures)
}

/// A number with the minus that is typeset.
fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let zero = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
    if zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "−") }
}

/// A panel for each thing that grows, on logarithmic axes. Curves of one subject have one colour in
/// all of them.
fn powers(label: &str, unit: &str, curves: &[Curve]) -> String {
    let axes: Vec<(Axis, Vec<&Curve>)> = Axis::ALL
        .into_iter()
        .map(|axis| (axis, curves.iter().filter(|curve| curve.axis == axis).collect()))
        .filter(|(_, curves): &(_, Vec<_>)| !curves.is_empty())
        .collect();
    let mut subjects: Vec<&str> = Vec::new();
    for curve in axes.iter().flat_map(|(_, curves)| curves) {
        if !subjects.contains(&&*curve.subject) {
            subjects.push(&curve.subject);
        }
    }
    let line = |curve: &&Curve| {
        let position = subjects.iter().position(|subject| *subject == curve.subject).unwrap_or(0);
        let stroke = Stroke::solid(palette::colour(1 + position), 2.0);
        Line::new(&*curve.subject, curve.points.clone(), stroke)
    };
    let panel = |(axis, curves): &(Axis, Vec<&Curve>)| {
        let mut sizes: Vec<f64> =
            curves.iter().flat_map(|curve| curve.points.iter().map(|(size, _)| *size)).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let (title, size) = axis.names();
        let x = PlotAxis::new(size, Scale::Marks(sizes));
        let y = PlotAxis::new(unit, Scale::Logarithmic);
        Panel::new(title, x, y, curves.iter().map(line).collect())
    };
    let panels = axes.iter().map(panel).collect();
    LineChart::new(label, vec![PanelGrid::new(3, 220.0, panels)]).svg()
}

/// The lines that say where and with what.
fn environment(machine: &Machine, command: &str, more: &[(&str, String)]) -> String {
    let Machine { processor, cores, instructions, system, rustc, morphograd } = machine;
    let mut text = format!(
        "| | |\n|---|---|\n| processor | {processor}, {cores} cores, {instructions}; {system} |\n\
         | versions | morphograd {morphograd}, {rustc} |\n| command | `{command}` |\n"
    );
    for (name, value) in more {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

fn times(record: &Record) -> String {
    let mut more = Vec::new();
    if !record.versions.is_empty() {
        let versions: Vec<String> =
            record.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        more.push(("others", versions.join(", ")));
    }
    more.extend(record.load.map(|load| ("load before", load.to_string())));
    more.push(("threads", record.threads.to_string()));
    more.extend(record.limits.iter().map(|limits| ("limit", limits.line())));
    let mut text = environment(&record.machine, &record.command, &more);
    let mut group = "";
    for case in &record.cases {
        if case.group != group {
            group = &case.group;
            let _ = write!(
                text,
                "\n### {group}\n\n| case | what | time | rate | of the limit | their time / ours \
                 |\n|---|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(text, "{}", row(record, case));
    }
    text
}

fn row(record: &Record, case: &Measured) -> String {
    let q = case.seconds;
    let time = format!("{} ({} to {})", seconds(q.median), seconds(q.low), seconds(q.high));
    let rate = match (case.work, case.rate()) {
        (Some(work), Some(rate)) => work.unit.rate(rate),
        _ => "—".to_owned(),
    };
    let share = record
        .share(case)
        .map_or_else(|| "—".to_owned(), |share| format!("{:.0} %", 100.0 * share));
    let ratio = |peer: &PeerMeasured| {
        let r = peer.ratio;
        format!("{} {} ({} to {})", peer.peer, three(r.median), three(r.low), three(r.high))
    };
    let mut peers: Vec<String> = case.peers.iter().map(ratio).collect();
    peers.extend(
        case.lacks.iter().map(|(peer, reason)| format!("{peer}: {}", reason.replace('|', "/"))),
    );
    let peers = if peers.is_empty() { "—".to_owned() } else { peers.join("<br>") };
    format!("| `{}` | {} | {time} | {rate} | {share} | {peers} |", case.name, case.what)
}

/// Replaces a section of the document, and writes its figures, which stand at the section's end.
fn section(
    docs: &Path,
    name: &str,
    text: &str,
    figures: &[(&str, &str, String)],
) -> Result<Vec<PathBuf>, RecordError> {
    let path = docs.join("benchmarks.md");
    let old = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "# Benchmarks\n".to_owned(),
        result => {
            result.map_err(|source| RecordError::Io { what: "read", path: path.clone(), source })?
        }
    };
    let mut text = text.to_owned();
    let mut written = vec![path.clone()];
    for (file, label, svg) in figures {
        let _ = write!(text, "\n![{label}](images/{file})\n");
        let figure = docs.join("images").join(file);
        write(&figure, svg)?;
        written.push(figure);
    }
    write(&path, &replaced(&old, name, &text))?;
    Ok(written)
}

/// The document with another text between the markers of a section; a section that is not there is
/// added at the end.
fn replaced(document: &str, name: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let new = format!("{open}\n\n{}\n\n{close}", text.trim());
    let found = document.find(&open).and_then(|start| {
        let end = start + document[start..].find(&close)? + close.len();
        Some((start, end))
    });
    match found {
        Some((start, end)) => format!("{}{new}{}", &document[..start], &document[end..]),
        None => format!("{}\n\n{new}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn a_section_is_replaced_and_the_rest_is_kept() {
        let old = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n";
        let new = replaced(old, "a", "new\n");
        assert_eq!(new, "before\n<!-- a -->\n\nnew\n\n<!-- /a -->\nafter\n");
        assert_eq!(replaced(&new, "a", "new"), new);
        assert_eq!(replaced("x\n", "b", "new"), "x\n\n<!-- b -->\n\nnew\n\n<!-- /b -->\n");
    }

    #[test]
    fn the_document_has_every_case_and_both_sections() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = record(&[("first", 0.5), ("second", 0.25)]);
        record.cases[1].lacks.push(("morphocore".into(), "a | reason".into()));
        write_times(folder.path(), &record).unwrap();
        let curves = [Curve {
            subject: "dilation".into(),
            axis: Axis::Batch,
            points: vec![(1.0, 1.0), (2.0, 2.0)],
            expected: 1.0,
        }];
        let growth = Growth {
            machine: record.machine.clone(),
            command: "command".into(),
            load: record.load,
            times: curves.to_vec(),
            memory: curves.to_vec(),
        };
        let files = write_growth(folder.path(), &growth).unwrap();
        assert_eq!(files.len(), 3);
        let text = fs::read_to_string(folder.path().join("benchmarks.md")).unwrap();
        for expected in [
            "| `first` | something | 500 ms (375 ms to 625 ms) | 2.00 G max-plus/s | 1 % | \
             PyTorch 3.00 (2.25 to 3.75) |",
            "<br>morphocore: a / reason |",
            "| others | PyTorch 2 |",
            "| images | dilation | 1, 2 | 1.00 | 1 |",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        for name in ["bench-limits.svg", "bench-peers.svg", "bench-time.svg", "bench-memory.svg"] {
            let svg = fs::read_to_string(folder.path().join("images").join(name)).unwrap();
            roxmltree::Document::parse(&svg).unwrap();
            assert!(text.contains(name));
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!([-0.001, -1.0, 0.5].map(|x| signed(x, 2)), ["0.00", "−1.00", "0.50"]);
    }
}
