//! Text for people as lines: styles, and one line of history.

use anstyle::{AnsiColor, Style};
use openchat_client::{ClientError, Delivery, Entry, Line, Person, Trust};
use openchat_protocol::RoomName;
use openchat_tui::phrases;
pub(crate) use openchat_tui::phrases::{alarm, clock, day_and_clock};
pub(crate) use openchat_tui::words::harmless;
use openchat_tui::words::width;

/// For names, announcements, warnings, and what is of lesser weight.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();
pub(crate) const WARNING: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const TITLE: Style = Style::new().bold();

/// `text` in a style; `anstream` drops the style where it cannot be shown.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `#name`.
pub(crate) fn room(name: &RoomName) -> String {
    format!("#{name}")
}

/// One line of history as it is printed. Words may span several lines: the others are indented.
pub(crate) fn line(line: &Line) -> String {
    let clock = styled(QUIET, clock(line.time));
    let author = &line.author;
    match &line.entry {
        Entry::Text { text, delivery, .. } => {
            let words = harmless(text).replace('\n', "\n        ");
            format!("{clock} {}{}  {words}{}", mark(author), styled(NAME, author), delivery_mark(delivery))
        }
        entry => format!("{clock} {}", announcement(author, entry)),
    }
}

/// `text` broken between words for a terminal of `columns`. What goes on is set in, so that nothing that was said begins a
/// line of its own. A word that is longer than a line, such as a link, stays whole: it is copied as one.
pub(crate) fn wrapped(text: &str, columns: usize) -> String {
    text.split('\n').map(|line| wrapped_line(line, columns)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, columns: usize) -> String {
    /// Columns before what goes on.
    const INDENT: usize = 8;
    let cells = |part: &str| width(&anstream::adapter::strip_str(part).to_string());
    if cells(line) <= columns {
        return line.to_owned();
    }
    let leading = line.chars().take_while(|c| *c == ' ').count();
    let indent = leading.max(INDENT).min(columns / 2);
    let (mut out, mut used, mut has_words) = (String::new(), 0, false);
    for piece in line.split_inclusive(' ') {
        let word = cells(piece.trim_end_matches(' '));
        if has_words && used + word > columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            (used, has_words) = (indent, false);
        }
        has_words |= word > 0;
        out.push_str(piece);
        used += cells(piece);
    }
    out
}

/// Before the name of an author: what the key rests on. Names are letters, and what was said begins after them.
fn mark(author: &Person) -> String {
    match author.trust {
        Trust::Mine => String::new(),
        _ => format!("{} ", trust_sign(author)),
    }
}

/// What the key of `person` rests on, as one sign.
pub(crate) fn trust_sign(person: &Person) -> String {
    let style = match person.trust {
        Trust::Compared | Trust::Invited => GOOD,
        Trust::FirstUse | Trust::Mine => QUIET,
        Trust::Changed => WARNING,
    };
    styled(style, phrases::trust_sign(person.trust))
}

/// What the key of `person` rests on, in words, to follow others.
pub(crate) fn trust(person: &Person) -> String {
    format!(" · {}", phrases::trust(person.trust))
}

/// What is said of a message that is not simply sent.
fn delivery_mark(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Sent => String::new(),
        Delivery::Pending => styled(QUIET, "  (waiting to be sent)"),
        Delivery::Failed { reason } => styled(WARNING, format_args!("  (not sent: {})", harmless(reason))),
    }
}

/// What happened in a room, in words.
fn announcement(author: &Person, entry: &Entry<Person>) -> String {
    match phrases::announcement(author, entry) {
        (words, false) => styled(QUIET, format_args!("-- {words}")),
        (words, true) => styled(WARNING, format_args!("!! {words}")),
    }
}

/// What could not be done in the background, and what helps.
pub(crate) fn trouble(why: &ClientError) -> String {
    let help = why.help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("!! {}{help}", harmless(&why.to_string()))
}

#[cfg(test)]
mod tests {
    use openchat_client::Trust;
    use openchat_protocol::{MessageId, RoomId, Timestamp, Uid};

    use super::*;

    fn said(trust: Trust, text: &str) -> String {
        let author = Person { uid: Uid([1; 16]), name: Some("eve".parse().unwrap()), trust };
        let entry =
            Entry::Text { message: MessageId([2; 16]), text: text.to_owned(), delivery: Delivery::Sent };
        let line =
            Line { room: RoomId([3; 16]), sequence: Some(1), part: 0, time: Timestamp(0), author, entry };
        anstream::adapter::strip_str(&super::line(&line)).to_string()
    }

    #[test]
    fn what_a_key_rests_on_stands_before_the_name() {
        for (trust, sign) in
            [(Trust::Compared, "✓"), (Trust::Invited, "•"), (Trust::FirstUse, "?"), (Trust::Changed, "!")]
        {
            assert_eq!(said(trust, "hi"), format!("00:00 {sign} eve  hi"));
        }
        assert_eq!(said(Trust::Mine, "hi"), "00:00 eve  hi");
    }

    #[test]
    fn lines_are_broken_between_words_and_links_not_at_all() {
        let said = styled(NAME, "bob") + "  a word and another one, which goes on";
        let broken = anstream::adapter::strip_str(&wrapped(&said, 20)).to_string();
        assert_eq!(broken, "bob  a word and\n        another one,\n        which goes\n        on");
        assert_eq!(wrapped("short\n  as it is", 20), "short\n  as it is");
        let link = format!("openchat://{}", "x".repeat(40));
        assert_eq!(wrapped(&link, 20), link);
        assert_eq!(wrapped(&format!("see {link} now"), 20), format!("see\n        {link}\n        now"));
        for columns in 0..9 {
            assert!(wrapped("a few words", columns).split_whitespace().eq(["a", "few", "words"]));
        }
    }

    #[test]
    fn no_name_and_no_text_can_imitate_it() {
        let line = said(Trust::FirstUse, "x\n00:00 ✓ bob  hi\r\x1b[1A✓ bob  hi");
        let signed: Vec<_> = line.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(signed, ["00:00 ? eve  x"], "what was said begins no line of its own");
        assert!(!line.contains(['\r', '\x1b']), "{line:?}");
        for name in ["✓", "✓bob", "? bob", "• bob", "!bob"] {
            assert!(name.parse::<openchat_protocol::UserName>().is_err(), "{name}");
        }
    }
}
