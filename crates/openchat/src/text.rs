//! Text for people as lines: styles, and one line of history.

use anstyle::{AnsiColor, Style};
use openchat_client::{ClientError, Delivery, Entry, Line, Person};
use openchat_protocol::RoomName;
use openchat_tui::phrases;
pub(crate) use openchat_tui::phrases::{alarm, clock, day_and_clock};
pub(crate) use openchat_tui::words::harmless;

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
            format!("{clock} {}  {words}{}", styled(NAME, author), delivery_mark(delivery))
        }
        entry => format!("{clock} {}", announcement(author, entry)),
    }
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
