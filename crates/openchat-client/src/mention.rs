//! Mentions: who is called by name in a text.

use openchat_protocol::UserName;

/// Whether `text` calls `name`: `@name` as a word of its own, whether its letters are written small or large.
///
/// A full stop or hyphen behind it ends the word unless it goes on after it: `@bob.` calls bob, `@bob.smith` does not.
pub fn mentions(text: &str, name: &UserName) -> bool {
    let (before, behind) = (text.split('@'), text.split('@').skip(1));
    before
        .zip(behind)
        .any(|(before, behind)| !before.ends_with(is_word) && begins_with_word(behind, name.as_str()))
}

fn begins_with_word(text: &str, word: &str) -> bool {
    let Some((begin, rest)) = text.split_at_checked(word.len()) else { return false };
    begin.eq_ignore_ascii_case(word) && !rest.trim_start_matches(['.', '-']).starts_with(is_word)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_called_as_a_word_of_its_own() {
        let bob = "bob".parse().unwrap();
        for text in [
            "@bob",
            "@Bob: look",
            "ask @BOB.",
            "(@bob)",
            "@alice, @bob!",
            "@bob...",
            "é @bob-",
            "@@bob",
            "@bo @bob\n",
        ] {
            assert!(mentions(text, &bob), "{text}");
        }
        for text in [
            "",
            "bob",
            "@",
            "@bo",
            "@bobby",
            "@bob2",
            "@bob_",
            "@bobé",
            "@bob.smith",
            "@bob-9",
            "at@bob",
            "_@bob",
            "@ bob",
            "@bö",
        ] {
            assert!(!mentions(text, &bob), "{text}");
        }
        assert!(mentions("hello @bob.smith.", &"bob.smith".parse().unwrap()));
    }
}
