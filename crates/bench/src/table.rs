//! Records as lines for a terminal.

use std::fmt::Write as _;

use crate::case::{seconds, three};
use crate::instructions::Verdict;
use crate::record::{Change, Measured, Record};
use crate::scaling::Curve;

/// Columns of a case's name.
const NAME: usize = 28;

/// The line of a case, and one for each of its peers.
pub fn case(record: &Record, case: &Measured) -> String {
    let rate = match (case.work, case.rate()) {
        (Some(work), Some(rate)) => work.unit.rate(rate),
        _ => String::new(),
    };
    let share =
        record.share(case).map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share));
    let mut text =
        format!("{:NAME$} {:>10}  {rate:>20}  {share:>5}", case.name, seconds(case.seconds.median));
    for peer in &case.peers {
        let ratio = peer.ratio;
        let _ = write!(
            text,
            "\n  {:width$} {:>10}  x {} ({} to {})",
            peer.peer,
            seconds(peer.seconds.median),
            three(ratio.median),
            three(ratio.low),
            three(ratio.high),
            width = NAME - 2
        );
    }
    for (peer, reason) in &case.lacks {
        let _ = write!(text, "\n  {peer:width$} {reason}", width = NAME - 2);
    }
    text
}

/// The lines of a comparison with an earlier record.
pub fn changes(changes: &[Change], only: &[String]) -> String {
    let mut text = format!("{:48} now / then\n", "");
    for change in changes {
        let verdict = match change.ratio {
            _ if !change.clear => "",
            ratio if ratio > 1.0 => "slower",
            _ => "faster",
        };
        let _ = writeln!(text, "{:48} {:>10}  {verdict}", change.name, three(change.ratio));
    }
    for name in only {
        let _ = writeln!(text, "{name:48} only in one of the two");
    }
    text
}

/// The line of a curve: its exponent and its last point.
pub fn curve(quantity: &str, curve: &Curve) -> String {
    let fitted =
        curve.fitted().map_or_else(|| "none".to_owned(), |exponent| format!("{exponent:.2}"));
    let last = curve.points.last().map_or(0.0, |(_, last)| *last);
    let last =
        if quantity == "memory" { format!("{} MB", three(last / 1e6)) } else { seconds(last) };
    let (subject, expected, name) = (&curve.subject, curve.expected, curve.axis.names().1);
    format!(
        "{subject:24} {name:20} {quantity:8} exponent {fitted:>6}, expected {expected:>2}; at the \
         end {last}"
    )
}

/// The line of a count.
pub fn count(name: &str, now: u64, verdict: Verdict) -> String {
    let verdict = match verdict {
        Verdict::Same(change) => format!("{:+.2} %", 100.0 * change),
        Verdict::Dearer(change) => format!("{:+.2} %  DEARER", 100.0 * change),
        Verdict::Cheaper(change) => format!("{:+.2} %  cheaper: --renew keeps it", 100.0 * change),
        Verdict::New => "not in the file: --renew adds it".to_owned(),
    };
    format!("{name:NAME$} {now:>14}  {verdict}")
}
