//! Text for people: what others wrote made harmless, times, and one line of history.

use anstyle::{AnsiColor, Style};
use openchat_client::{Alarm, ClientError, Delivery, Entry, Line, Person};
use openchat_protocol::{RoomName, Timestamp};
use time::OffsetDateTime;
use time::macros::format_description;

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

/// Others' words without what could steer a terminal or turn the reading order: control characters (C0, C1, DEL),
/// bidirectional controls, and invisible separators become `�`. Line breaks and tabs stay.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect()
}

fn is_steering(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// `#name`.
pub(crate) fn room(name: &RoomName) -> String {
    format!("#{name}")
}

/// Hours and minutes, UTC: the machine's zone cannot be read safely from a program with threads.
pub(crate) fn clock(moment: Timestamp) -> String {
    formatted(moment, format_description!("[hour]:[minute]"))
}

/// Day, hours and minutes, UTC.
pub(crate) fn day_and_clock(moment: Timestamp) -> String {
    formatted(moment, format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
}

fn formatted(moment: Timestamp, format: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
    i64::try_from(moment.as_seconds())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| "?".to_owned())
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
    let quiet = |words: String| styled(QUIET, format_args!("-- {words}"));
    let warning = |words: String| styled(WARNING, format_args!("!! {words}"));
    match entry {
        Entry::Newer { .. } => quiet(format!("{author} sent something that needs a newer OpenChat")),
        Entry::Created => quiet(format!("{author} made the room")),
        Entry::Joined { who } if who == author => quiet(format!("{who} joined")),
        Entry::Joined { who } => quiet(format!("{author} added {who}")),
        Entry::DeviceJoined { who } => quiet(format!("{who} has one more device here")),
        Entry::Left => quiet(format!("{author} left")),
        Entry::Removed { who } => quiet(format!("{author} removed {who}")),
        Entry::Rejoined => quiet(format!("{author} had lost the room's keys and came back with new ones")),
        Entry::Missing { count } => warning(format!("{count} of {author}'s messages never arrived")),
        Entry::Unreadable { reason } => {
            warning(format!("a record of {author} cannot be read: {}", harmless(reason)))
        }
        Entry::Diverged { reason } => {
            warning(format!("the server shows different histories of this room: {}", harmless(reason)))
        }
        // `Entry` may grow with the client.
        _ => quiet(format!("{author} did something that this version cannot show")),
    }
}

/// What could not be done in the background, and what helps.
pub(crate) fn trouble(why: &ClientError) -> String {
    let help = why.help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("!! {}{help}", harmless(&why.to_string()))
}

/// What an alarm means for the person who reads it.
pub(crate) fn alarm(alarm: &Alarm) -> String {
    match alarm {
        Alarm::LogDiverged { reason, .. } => {
            let reason = harmless(reason);
            format!(
                "the server's record of this room is not the one it showed before ({reason}); the room stands still"
            )
        }
        Alarm::Fork { by, sequence, .. } => {
            format!("the server shows {by} another history than you, from record {sequence} on")
        }
        Alarm::NameMoved { name, from, to } => {
            format!("the name {name} was {from}'s and is now {to}'s: ask them")
        }
        Alarm::EchoDiffers { sequence, .. } => {
            format!("record {sequence} stands under your name but is not what you sent")
        }
        Alarm::Clock { apart } => {
            // The nearest one: the answer was on its way for a moment.
            let minutes = (apart.as_secs() + 30) / 60;
            format!("your clock and the server's are {minutes} minutes apart: set the clock")
        }
        _ => "something is wrong that this version cannot describe".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for attack in
            ["\u{1b}[2J", "\u{9b}31m", "a\u{202e}b", "\u{7}", "\r", "\u{2066}", "\u{feff}", "\u{e0041}"]
        {
            assert!(!harmless(attack).chars().any(is_steering), "{attack:?}");
            assert!(harmless(attack).contains('\u{fffd}'), "{attack:?}");
        }
        assert_eq!(harmless("Grüße 👋🏽 שלום\n\tx"), "Grüße 👋🏽 שלום\n\tx");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(clock(Timestamp(1_800_000_000_000)), "08:00");
        assert_eq!(day_and_clock(Timestamp(1_800_000_000_000)), "2027-01-15 08:00 UTC");
    }
}
