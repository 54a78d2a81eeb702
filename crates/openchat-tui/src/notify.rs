//! Notifications of the desktop that the terminal runs on: OSC 9 and OSC 777.

use std::process::Stdio;

use crate::passage::Passage;
use crate::words::{harmless_line, truncate};

/// Cells of a title or text; desktops cut longer ones.
const LONGEST: usize = 200;

/// The sequence for a notification with one text (iTerm2, Windows Terminal, Ghostty, kitty, WezTerm).
pub fn osc9(text: &str, passage: Passage) -> String {
    let text = field(text);
    // ConEmu and those after it read a number here as a command: `4;` is progress, `12` a prompt.
    let guard = if text.trim_start().starts_with(|c: char| c.is_ascii_digit()) { "· " } else { "" };
    passage.command(&format!("9;{guard}{text}"))
}

/// The sequence for a notification with title and text (foot, Ghostty, WezTerm, urxvt, VTE).
pub fn osc777(title: &str, body: &str, passage: Passage) -> String {
    passage.command(&format!("777;notify;{};{}", field(title), field(body)))
}

/// Tells the desktop of this very machine, where there is one. Who sits at another one, behind SSH, is reached by the
/// sequences. A desktop without `notify-send` tells nothing: the bell has rung.
pub(crate) fn desktop(title: &str, body: &str) {
    let is_here = std::env::var_os("SSH_CONNECTION").is_none();
    let has_desktop = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !is_here || !has_desktop {
        return;
    }
    let mut notifier = tokio::process::Command::new("notify-send");
    notifier.arg("--app-name=OpenChat").arg("--").arg(field(title)).arg(field(body));
    notifier.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut child) = notifier.spawn() {
        tokio::spawn(async move { child.wait().await });
    }
}

/// Words without what ends a sequence or, the semicolon, a field of it.
fn field(text: &str) -> String {
    truncate(&harmless_line(text), LONGEST).replace(';', ",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_as_terminals_read_them() {
        assert_eq!(osc9("Ada: hello", Passage::Direct), "\u{1b}]9;Ada: hello\u{1b}\\");
        assert_eq!(
            osc777("Ada", "hello", Passage::Tmux),
            "\u{1b}Ptmux;\u{1b}\u{1b}]777;notify;Ada;hello\u{1b}\u{1b}\\\u{1b}\\"
        );
    }

    #[test]
    fn words_are_no_commands() {
        assert_eq!(osc9("4;3;50", Passage::Direct), "\u{1b}]9;· 4,3,50\u{1b}\\");
        assert_eq!(osc9(" 12", Passage::Direct), "\u{1b}]9;·  12\u{1b}\\");
        assert_eq!(
            osc777("a;b", "\u{1b}\\\u{9c}\u{7}rm\n-rf;", Passage::Direct),
            "\u{1b}]777;notify;a,b;\u{fffd}\\\u{fffd}\u{fffd}rm -rf,\u{1b}\\"
        );
    }

    proptest! {
        #[test]
        fn no_words_end_a_sequence_early(title in any::<String>(), body in any::<String>()) {
            let sequence = osc777(&title, &body, Passage::Direct);
            let content = sequence.strip_prefix("\u{1b}]777;notify;").unwrap().strip_suffix("\u{1b}\\").unwrap();
            prop_assert!(!content.contains(char::is_control));
            prop_assert_eq!(content.matches(';').count(), 1);

            let sequence = osc9(&body, Passage::Direct);
            let content = sequence.strip_prefix("\u{1b}]9;").unwrap().strip_suffix("\u{1b}\\").unwrap();
            prop_assert!(!content.contains(|c: char| c.is_control() || c == ';'));
        }
    }
}
