//! Spelling: words that are known to be misspelt, from the list that the `typos` tool keeps, and
//! words written twice. A list of mistakes needs no dictionary of names and formulas; what it does
//! not know it lets pass.

use std::collections::BTreeSet;

/// What is wrong with the prose of a page (see [`crate::page::prose`]), but for the words that the
/// project allows.
///
/// ```
/// use morphograd_book::spelling::mistakes;
/// let found = mistakes("Teh gradient of the the loss", &Default::default());
/// assert_eq!(found, ["`Teh`: expected `the`", "`the the`: a word written twice"]);
/// ```
pub fn mistakes(prose: &str, allowed: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for word in prose.split(|character: char| !character.is_alphabetic() && character != '\'') {
        let word = word.trim_matches('\'');
        let lower = word.to_lowercase();
        if word.len() < 3 || allowed.contains(&lower) {
            continue;
        }
        if let Some(corrections) = typos_dict::WORD.find(&(&lower[..]).into()) {
            let known: Vec<String> = corrections.iter().map(|word| format!("`{word}`")).collect();
            let expected =
                if known.is_empty() { "another word".to_owned() } else { known.join(" or ") };
            found.push(format!("`{word}`: expected {expected}"));
        }
    }
    let tokens: Vec<&str> = prose.split_whitespace().collect();
    for pair in tokens.windows(2) {
        let is_word = pair[0].chars().all(char::is_alphabetic);
        if is_word && pair[0] == pair[1] && !allowed.contains(&pair[0].to_lowercase()) {
            found.push(format!("`{} {}`: a word written twice", pair[0], pair[1]));
        }
    }
    found
}

/// The words of a list, one a line; what follows `#` is a reason.
pub fn word_list(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_words_pass() {
        let allowed = word_list("Teh # a name\n\n");
        assert_eq!(mistakes("Teh gradient", &allowed), Vec::<String>::new());
    }

    #[test]
    fn names_and_repeated_numbers_pass() {
        assert_eq!(
            mistakes("Dykstra's erosion, 1 1, x · x", &BTreeSet::new()),
            Vec::<String>::new()
        );
    }
}
