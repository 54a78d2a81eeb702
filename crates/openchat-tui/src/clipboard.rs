//! The clipboard of the machine that the terminal runs on (OSC 52), over SSH too.

use data_encoding::BASE64;

use crate::passage::Passage;

/// Bytes of text that are put into the clipboard at most; terminals drop longer sequences without a word.
pub const LIMIT: usize = 100_000;

/// Why text cannot be put into the clipboard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClipboardError {
    /// More than [`LIMIT`].
    #[error(
        "{bytes} bytes are too many for the terminal's clipboard, which takes {LIMIT}: copy less at a time"
    )]
    TooLong {
        /// How long the text is.
        bytes: usize,
    },
}

/// The sequence that puts `text`, as it is, into the clipboard. No content can end it early: it travels as base64.
///
/// # Errors
/// When the text is longer than [`LIMIT`] bytes.
pub fn osc52(text: &str, passage: Passage) -> Result<String, ClipboardError> {
    if text.len() > LIMIT {
        return Err(ClipboardError::TooLong { bytes: text.len() });
    }
    Ok(passage.command(&format!("52;c;{}", BASE64.encode(text.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_as_terminals_read_them() {
        assert_eq!(osc52("hi", Passage::Direct).unwrap(), "\u{1b}]52;c;aGk=\u{1b}\\");
        assert_eq!(
            osc52("hi", Passage::Tmux).unwrap(),
            "\u{1b}Ptmux;\u{1b}\u{1b}]52;c;aGk=\u{1b}\u{1b}\\\u{1b}\\"
        );
    }

    #[test]
    fn what_terminals_drop_is_an_error() {
        assert!(osc52(&"x".repeat(LIMIT), Passage::Direct).is_ok());
        let error = osc52(&"x".repeat(LIMIT + 1), Passage::Direct).unwrap_err();
        assert_eq!(error, ClipboardError::TooLong { bytes: LIMIT + 1 });
    }

    proptest! {
        #[test]
        fn the_clipboard_gets_the_text_and_nothing_ends_it_early(text in any::<String>()) {
            let sequence = osc52(&text, Passage::Direct).unwrap();
            let content = sequence.strip_prefix("\u{1b}]52;c;").unwrap().strip_suffix("\u{1b}\\").unwrap();
            prop_assert!(!content.contains(char::is_control));
            prop_assert_eq!(BASE64.decode(content.as_bytes()).unwrap(), text.as_bytes());
        }
    }
}
