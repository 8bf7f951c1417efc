//! Whether all ranks do the same: what they start from, and what they have.

use crate::ranks::communicator::{Communicator, RankError, all_gather};

/// Compares texts between ranks: of each pair the first is what it is, the second what this rank
/// has. All ranks name the same things in the same order.
///
/// ```
/// use morphograd_nn::ranks::{Local, agree};
/// agree(&Local, &[("version", "1"), ("config", "epochs = 3\nseed = 4")])?;
/// # Ok::<(), morphograd_nn::ranks::RankError>(())
/// ```
///
/// # Errors
/// If a rank has another text: the first line that differs, and which ranks have which. Or if a
/// rank has ended.
pub fn agree(communicator: &dyn Communicator, facts: &[(&str, &str)]) -> Result<(), RankError> {
    if communicator.size() == 1 {
        return Ok(());
    }
    for (what, text) in facts {
        let texts = gather(communicator, text)?;
        if texts.iter().all(|other| *other == texts[0]) {
            continue;
        }
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let texts: Vec<Vec<String>> = texts.iter().map(|text| lines(text)).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let line = |text: &Vec<String>, i: usize| text.get(i).cloned().unwrap_or_default();
        let differs = |i: &usize| texts.iter().any(|text| line(text, *i) != line(&texts[0], *i));
        let first = (0..longest).find(differs).unwrap_or(0);
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for (rank, text) in texts.iter().enumerate() {
            let (line, rank) = (line(text, first), rank.to_string());
            match groups.iter_mut().find(|(of, _)| *of == line) {
                Some((_, ranks)) => ranks.push(rank),
                None => groups.push((line, vec![rank])),
            }
        }
        let group = |(line, ranks): &(String, Vec<String>)| {
            let plural = if ranks.len() == 1 { "" } else { "s" };
            format!("`{line}` on rank{plural} {}", ranks.join(", "))
        };
        let found: Vec<String> = groups.iter().map(group).collect();
        return Err(RankError::Differ { what: (*what).to_owned(), found: found.join(" and ") });
    }
    Ok(())
}

/// Whether something holds on any rank.
///
/// # Errors
/// If a rank has ended.
///
/// ```
/// use morphograd_nn::ranks::{Local, any};
/// assert!(!any(&Local, false)?);
/// # Ok::<(), morphograd_nn::ranks::RankError>(())
/// ```
pub fn any(communicator: &dyn Communicator, holds: bool) -> Result<bool, RankError> {
    Ok(all_gather(communicator, &[u8::from(holds)])?.contains(&1))
}

/// The texts of all ranks.
fn gather(communicator: &dyn Communicator, text: &str) -> Result<Vec<String>, RankError> {
    let lengths = all_gather(communicator, &(text.len() as u64).to_le_bytes())?;
    let (lengths, _) = lengths.as_chunks::<8>();
    let lengths: Vec<usize> =
        lengths.iter().map(|bytes| u64::from_le_bytes(*bytes) as usize).collect();
    let longest = lengths.iter().max().copied().unwrap_or(0).max(1);
    let mut own = text.as_bytes().to_vec();
    own.resize(longest, 0);
    let all = all_gather(communicator, &own)?;
    let texts = all.chunks_exact(longest).zip(lengths);
    Ok(texts.map(|(text, n)| String::from_utf8_lossy(&text[..n]).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::threads::Threads;
    use std::thread;

    fn agreed(texts: [&'static str; 4]) -> Vec<Result<(), String>> {
        thread::scope(|scope| {
            let all: Vec<_> = (Threads::ranks(4).into_iter().zip(texts))
                .map(|(rank, text)| {
                    scope.spawn(move || {
                        agree(&rank, &[("version", "1"), ("config", text)])
                            .map_err(|error| error.to_string())
                    })
                })
                .collect();
            all.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn what_differs_is_named_on_every_rank() {
        let (a, b) = ("seed = 0\nepochs = 3", "seed = 0\nepochs = 4\nlr = 1");
        assert_eq!(agreed([a; 4]), vec![Ok(()); 4]);
        let expected = "ranks: expected one config on all ranks, found `epochs = 3` on ranks \
                        0, 1, 3 and `epochs = 4` on rank 2";
        assert_eq!(agreed([a, a, b, a]), vec![Err(expected.to_owned()); 4]);
        let expected = "ranks: expected one config on all ranks, found `` on rank 0 and `seed = \
                        0` on ranks 1, 2, 3";
        assert_eq!(agreed(["", a, a, a]), vec![Err(expected.to_owned()); 4]);
    }
}
