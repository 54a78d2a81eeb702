//! What a terminal sends for each key.

/// What xterm sends for a key.
pub(super) fn sequence(key: &str) -> Option<String> {
    if let Some(rest) = key.strip_prefix("alt+") {
        return match letter(rest) {
            Some(letter) => Some(format!("\x1b[1;3{letter}")),
            None => Some(format!("\x1b{}", sequence(rest)?)),
        };
    }
    if let Some(rest) = key.strip_prefix("ctrl+") {
        return match (letter(rest), rest.as_bytes()) {
            (Some(letter), _) => Some(format!("\x1b[1;5{letter}")),
            (None, [byte @ b'a'..=b'z']) => Some(char::from(byte - b'a' + 1).to_string()),
            _ => None,
        };
    }
    let sequence = match key {
        "enter" => "\r",
        "tab" => "\t",
        "esc" => "\x1b",
        "backspace" => "\x7f",
        "space" => " ",
        "pageup" => "\x1b[5~",
        "pagedown" => "\x1b[6~",
        "f1" => "\x1bOP",
        "f2" => "\x1bOQ",
        "f3" => "\x1bOR",
        "f4" => "\x1bOS",
        "f6" => "\x1b[17~",
        _ => match letter(key) {
            Some(letter) => return Some(format!("\x1b[{letter}")),
            None if key.chars().count() == 1 => key,
            None => return None,
        },
    };
    Some(sequence.to_owned())
}

/// The last letter of the sequences of the arrow keys and their like.
fn letter(key: &str) -> Option<char> {
    Some(match key {
        "up" => 'A',
        "down" => 'B',
        "right" => 'C',
        "left" => 'D',
        "end" => 'F',
        "home" => 'H',
        _ => return None,
    })
}
