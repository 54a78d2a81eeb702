//! What happened, in words for people: announcements, alarms, states, times.

use openchat_client::{
    Alarm, Basis, Comparing, ConnectionState, Entry, EpochChanged, InviteFault, Outcome, OwnDevice, Person,
    RoomDetails, RoomSuite, RoomTrust, Trust, TrustChange,
};
use openchat_protocol::{ServerFingerprint, Timestamp, UserName};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::words::harmless;

/// Hours and minutes, UTC: the machine's zone cannot be read safely from a program with threads.
pub fn clock(moment: Timestamp) -> String {
    formatted(moment, format_description!("[hour]:[minute]"))
}

/// The day, UTC: `Wednesday 25 November 2026`.
pub fn day(moment: Timestamp) -> String {
    formatted(moment, format_description!("[weekday] [day padding:none] [month repr:long] [year]"))
}

/// Day, hours and minutes, UTC.
pub fn day_and_clock(moment: Timestamp) -> String {
    formatted(moment, format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
}

fn formatted(moment: Timestamp, format: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
    i64::try_from(moment.as_seconds())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| "?".to_owned())
}

/// How long something has gone on, once that is worth a word: `12 s`, `3 min`.
pub fn age(since: Timestamp, now: Timestamp) -> Option<String> {
    match now.0.checked_sub(since.0)? / 1000 {
        0 => None,
        seconds if seconds < 60 => Some(format!("{seconds} s")),
        seconds if seconds < 60 * 60 => Some(format!("{} min", seconds / 60)),
        seconds => Some(format!("{} h", seconds / (60 * 60))),
    }
}

/// What happened in a room, and whether it needs care.
pub fn announcement(author: &Person, entry: &Entry<Person>) -> (String, bool) {
    let quiet = |words: String| (words, false);
    let warning = |words: String| (words, true);
    match entry {
        Entry::Newer { .. } => quiet(format!("{author} sent something that needs a newer OpenChat")),
        Entry::Created => quiet(format!("{author} made the room")),
        Entry::Joined { who } if who.uid == author.uid => quiet(format!("{who} joined")),
        Entry::Joined { who } => quiet(format!("{author} added {who}")),
        Entry::DeviceJoined { who } => quiet(format!("{who} has one more device here")),
        Entry::Left => quiet(format!("{author} left")),
        Entry::Removed { who } => quiet(format!("{author} removed {who}")),
        Entry::Rejoined => quiet(format!("{author} had lost the room's keys and came back with new ones")),
        Entry::Missing { count } => warning(format!("{count} of {author}'s messages never arrived")),
        Entry::Unreadable { reason } => {
            warning(format!("a record of {author} cannot be read: {}", harmless(reason)))
        }
        Entry::Diverged { reason } => warning(format!(
            "the server is said to show different histories of this room: {}",
            harmless(reason)
        )),
        Entry::Trust { name, change, .. } => trust_change(name, *change),
        // `Entry` may grow with the client.
        _ => quiet(format!("{author} did something that this version cannot show")),
    }
}

/// A device of this user, in one row.
pub fn device(device: &OwnDevice) -> String {
    let rooms = match device.rooms {
        1 => "1 room".to_owned(),
        many => format!("{many} rooms"),
    };
    let this = if device.is_this { "  (this one)" } else { "" };
    format!("{}  in {rooms}{this}", device.did)
}

/// What an alarm means for the person who reads it.
pub fn alarm(alarm: &Alarm) -> String {
    match alarm {
        Alarm::LogDiverged { reason, .. } => format!(
            "the server's record of a room is not the one it showed before ({}); the room stands still",
            harmless(reason)
        ),
        Alarm::Fork { by, sequence, .. } => {
            format!("{by} says that the server shows another history than yours, from record {sequence} on")
        }
        Alarm::NameMoved { name, from, to } => {
            format!("the name {name} was {from}'s and is now {to}'s: ask them")
        }
        Alarm::EchoDiffers { sequence, .. } => {
            format!("record {sequence} stands under your name but is not what you sent")
        }
        Alarm::KeyLogForked { .. }
        | Alarm::KeyLogRolledBack { .. }
        | Alarm::KeyLogFrozen { .. }
        | Alarm::KeyLogBroken { .. }
        | Alarm::OwnKeys { .. }
        | Alarm::NameWanted { .. }
        | Alarm::GhostDevice { .. } => key_log(alarm),
        Alarm::ServerRestored { until: Some(until) } => format!(
            "the host has restored an older copy of the server: your program gives back what it has lost, and what you write \
             waits until {} UTC",
            clock(*until)
        ),
        Alarm::ServerRestored { until: None } => {
            "the host has restored an older copy of the server: what nobody has \
             given back is lost there"
                .to_owned()
        }
        Alarm::LogSetBack { .. } => {
            "the server has less of this room than you have read: its database was set back. What \
             you write waits until its host says so"
                .to_owned()
        }
        Alarm::Clock { apart } => {
            // The nearest one: the answer was on its way for a moment.
            let minutes = (apart.as_secs() + 30) / 60;
            format!("your clock and the server's are {minutes} minutes apart: set the clock")
        }
        Alarm::Invite { by, fault, .. } => invite_fault(by, *fault),
        _ => "something is wrong that this version cannot describe".to_owned(),
    }
}

/// What the log of keys has shown.
fn key_log(alarm: &Alarm) -> String {
    match alarm {
        Alarm::KeyLogForked { by, evidence } => {
            let who = by.as_ref().map_or_else(String::new, |by| format!(" (to {by}, too)"));
            let proof = match evidence {
                Some(file) => format!("the proof is {} in your profile's folder: keep it", harmless(file)),
                None => "it has left unproven for a day what it had shown".to_owned(),
            };
            format!(
                "THE SERVER HAS SHOWN DIFFERENT KEY RECORDS TO DIFFERENT PEOPLE{who}; {proof}. \
                 Nobody new is believed: talk to the host over another channel"
            )
        }
        Alarm::KeyLogRolledBack { known, shown } => format!(
            "the server had {known} key records and shows {shown}: its database was set back, or it hides some. \
             Messages wait"
        ),
        Alarm::KeyLogFrozen { .. } => {
            "the server's key records have stood still for two days: what it says of keys \
             may be out of date"
                .to_owned()
        }
        Alarm::KeyLogBroken { reason } => {
            format!("the server's key records are not proven ({}); messages wait", harmless(reason))
        }
        Alarm::OwnKeys { reason } => format!(
            "THE SERVER'S KEY RECORDS SAY SOMETHING OF YOU THAT YOU HAVE NOT DONE: {}. Tell your friends over another \
             channel",
            harmless(reason)
        ),
        Alarm::NameWanted { until, objected: false, .. } => format!(
            "SOMEBODY ASKS FOR YOUR NAME with another key, by a link of the host's, and gets it at {}. If it is not you: \
             /veto in a chat, or openchat recovery veto, and tell the host",
            day_and_clock(*until)
        ),
        Alarm::NameWanted { approved: false, .. } => {
            "somebody asks for your name with another key, and you have objected: the host decides".to_owned()
        }
        Alarm::NameWanted { until, .. } => format!(
            "THE HOST HAS DECIDED THAT YOUR NAME GOES TO ANOTHER KEY, although you had objected, at {}",
            day_and_clock(*until)
        ),
        Alarm::GhostDevice { who, .. } => format!(
            "a device is in the keys of a room under {who}'s name that is not in {who}'s list of devices; nothing is \
             said there while it is. Ask {who} over another channel"
        ),
        _ => String::new(),
    }
}

/// The connection in a word or two, and whether all is well.
pub fn connection(state: &ConnectionState) -> (String, bool) {
    match state {
        ConnectionState::Online => ("online".to_owned(), true),
        ConnectionState::Connecting => ("connecting".to_owned(), false),
        ConnectionState::Offline { why, .. } => (format!("offline: {}", harmless(&why.to_string())), false),
        ConnectionState::Ended(_) => ("ended".to_owned(), false),
    }
}

/// One column before a name. No name and no text can stand there.
pub fn trust_sign(trust: Trust) -> &'static str {
    match trust {
        Trust::Compared => "✓",
        Trust::Invited => "•",
        Trust::FirstUse => "?",
        Trust::Changed => "!",
        Trust::Mine => " ",
    }
}

/// What a key rests on.
pub fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Compared => "you compared codes",
        Trust::Invited => "known by an invite, proven at both ends",
        Trust::FirstUse => "first use: only the server says whose key it is",
        Trust::Changed => "KEY CHANGED: the server gives this name to two keys",
        Trust::Mine => "you",
    }
}

/// What a key rests on, and since when.
pub fn basis(basis: Basis, first_seen: Timestamp) -> String {
    let words = trust(basis.into());
    let since = match basis {
        Basis::Compared { at } | Basis::Invited { at } => at,
        Basis::FirstUse => first_seen,
    };
    format!("{words} ({})", day_and_clock(since))
}

/// What the keys of a room's people rest on; nothing while nobody else is there.
pub fn room_trust(room: RoomTrust) -> Option<String> {
    let weakest = room.weakest()?;
    let parts = [
        (room.compared, "compared"),
        (room.invited, "by invite"),
        (room.first_use, "first use"),
        (room.changed, "KEY CHANGED"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let stopped = if room.is_stopped { "; your messages wait until you decide" } else { "" };
    Some(format!("{} {}{stopped}", trust_sign(weakest), parts.join(", ")))
}

fn trust_change(name: &UserName, change: TrustChange) -> (String, bool) {
    match change {
        TrustChange::Invited => {
            (format!("{name}'s key is proven: both of you have the link of the invite"), false)
        }
        TrustChange::Compared => (format!("{name}'s key is proven: you compared codes"), false),
        TrustChange::Changed => {
            (format!("the server says that {name} has another key now: ask them, then /accept {name}"), true)
        }
        TrustChange::Stopped => (
            format!(
                "the server says that {name}, whose key you had checked, has another key now: your messages here wait \
                 until you compare (/verify {name}) or take it (/accept {name})"
            ),
            true,
        ),
        TrustChange::Reset => (
            format!(
                "the name {name} belongs to another key now, by a reset: the account was lost, says the host; compare \
                 (/verify {name}) to be sure who it is"
            ),
            true,
        ),
        TrustChange::Accepted => (format!("you took the new key of {name}; nobody has checked it yet"), true),
    }
}

fn invite_fault(by: &Person, fault: InviteFault) -> String {
    match fault {
        InviteFault::Forged => format!(
            "{by} uses one of your invites and cannot prove to have its link: the server may have put somebody else \
             in the place of your friend"
        ),
        InviteFault::Twice => {
            format!("{by} has the link of an invite that somebody else came by: it was passed on, or stolen")
        }
        InviteFault::OtherRoom => {
            format!("the server has led {by} to another room than the invite was for")
        }
        InviteFault::OtherName => {
            format!("{by} came by an invite under another name than the server now says")
        }
    }
}

/// How far a comparison with somebody is, and whether it needs care.
pub fn comparing(with: &Person, stage: Comparing) -> (String, bool) {
    let who = match with.trust {
        Trust::Changed => format!("{with} (KEY CHANGED)"),
        _ => with.to_string(),
    };
    match stage {
        Comparing::Waiting => (format!("waiting for {who}: they write /verify and your name"), false),
        Comparing::Asked => (format!("{who} wants to compare keys with you: /verify {with}"), false),
        Comparing::Code(code) => (
            format!(
                "{who} sees the code {code} too, if nobody stands between you. Ask them by voice or face to face, \
                 not here; then /verify {with} yes, or no"
            ),
            false,
        ),
        Comparing::Ended(Outcome::Same) => (format!("you and {who} saw the same code"), false),
        Comparing::Ended(Outcome::Differs) => (
            format!(
                "the codes differ: somebody may stand between you and {with}. Say nothing secret; tell the host"
            ),
            true,
        ),
        Comparing::Ended(Outcome::SaidToDiffer) => (
            format!(
                "{who} says that the codes differ: somebody may stand between you. Say nothing secret; ask {with} by \
                 voice, and tell the host"
            ),
            true,
        ),
        Comparing::Ended(Outcome::Cancelled) => (format!("{with} has called the comparison off"), true),
        Comparing::Ended(Outcome::TimedOut) => {
            (format!("the comparison with {with} took too long: begin again"), true)
        }
        Comparing::Ended(Outcome::Broken) => (
            format!("{with}'s program broke the rules of the comparison: somebody may stand between you"),
            true,
        ),
    }
}

/// How a room is encrypted.
pub fn suite(suite: RoomSuite) -> &'static str {
    match suite {
        RoomSuite::PostQuantum => "post-quantum (X-Wing, AES-256-GCM, P-384)",
        RoomSuite::Interoperable => "P-384 (MLS suite 7)",
    }
}

/// What is known of a room and who is in it, on a server with this fingerprint.
pub fn room(details: &RoomDetails, listed: bool, server: &ServerFingerprint) -> Vec<String> {
    let open_to = match listed {
        true => "everybody with an account here, the host included; coming in is announced",
        false => "whom members add",
    };
    let mut rows = vec![
        format!("encryption   MLS (RFC 9420), {}", suite(details.suite)),
        format!("keys         epoch {}: new ones whenever somebody comes or goes", details.epoch),
        format!("open to      {open_to}"),
        format!("server       {server}"),
        "             compare it with a friend: who sees another one talks to another server".to_owned(),
        String::new(),
    ];
    rows.extend(details.members.iter().map(|member| {
        let role = match (member.is_me, member.is_admin) {
            (true, true) => " (you, administrator)",
            (true, false) => " (you)",
            (false, true) => " (administrator)",
            (false, false) => "",
        };
        let devices = member.devices.len();
        let devices = if devices == 1 { "1 device".to_owned() } else { format!("{devices} devices") };
        let (sign, rests_on) = (trust_sign(member.person.trust), trust(member.person.trust));
        let rests_on = if member.is_me { String::new() } else { format!(" · {rests_on}") };
        format!("{sign} {}{role} · {devices}{rests_on} · identity {}", member.person, member.person.uid)
    }));
    rows.push(String::new());
    rows.push(
        "? the server said whose name it is when you first met; from then on it stays. • and ✓ rest on more: /verify NAME".to_owned(),
    );
    rows
}

/// Instead of the steps of a room's keys, when there are none.
pub const NO_EPOCHS: &str = "The keys have not changed since you came.";

/// One step of a room's keys.
pub fn epoch(changed: &EpochChanged) -> String {
    let devices = |count: usize| if count == 1 { "1 device".to_owned() } else { format!("{count} devices") };
    let what = match (changed.joined.len(), changed.removed.len()) {
        (0, 0) => "new keys".to_owned(),
        (joined, 0) => format!("{} came in", devices(joined)),
        (0, removed) => format!("{} went out", devices(removed)),
        (joined, removed) => format!("{} came in, {} went out", devices(joined), devices(removed)),
    };
    match changed.epoch.checked_sub(1) {
        Some(before) => format!("epoch {before} → {}: {what}, signed by {}", changed.epoch, changed.by),
        None => format!("epoch 0: {what}, signed by {}", changed.by),
    }
}

/// After an objection to another key for the own name.
pub const OBJECTED: &str =
    "Your objection is in the log of keys: the name stays yours unless the host decides otherwise.";

/// What is to be done when the history of another device came to an end too early.
pub const HISTORY_BROKE_OFF: &str =
    "/link on the other one, and openchat join LINK here, when this has ended: it goes on where it was";

/// Somebody has entered the rendezvous of a link with another code.
pub fn wrong_code(left: u8) -> String {
    match left {
        0 => "somebody has tried another code; that was the last try".to_owned(),
        1 => "somebody has tried another code; one try is left".to_owned(),
        _ => format!("somebody has tried another code; {left} tries are left"),
    }
}

/// In how many rooms a new device is.
pub fn rooms_reached(reached: usize, all: usize) -> String {
    match reached < all {
        true => {
            format!("it is in {reached} of your {all} rooms; the others follow when both devices are online")
        }
        false => format!("it is in {reached} of your {all} rooms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        let at = |seconds: u64| Timestamp(1_800_000_000_000 + seconds * 1000);
        let told = |seconds| age(at(0), at(seconds));
        assert_eq!(told(0), None);
        assert_eq!(told(59).as_deref(), Some("59 s"));
        assert_eq!(told(200).as_deref(), Some("3 min"));
        assert_eq!(told(7_300).as_deref(), Some("2 h"));
        assert_eq!(age(at(9), at(0)), None, "a clock that was set back");
    }

    #[test]
    fn who_comes_in_alone_is_added_by_nobody_whatever_their_key_rests_on() {
        let bob =
            |uid, trust| Person { uid: openchat_protocol::Uid([uid; 16]), name: "bob".parse().ok(), trust };
        let joined = |author, who| announcement(&bob(author, Trust::FirstUse), &Entry::Joined { who }).0;
        assert_eq!(joined(1, bob(1, Trust::Invited)), "bob joined");
        assert_eq!(joined(2, bob(1, Trust::FirstUse)), "bob added bob");
    }

    #[test]
    fn times_are_utc() {
        let moment = Timestamp(1_800_000_000_000);
        assert_eq!(clock(moment), "08:00");
        assert_eq!(day(moment), "Friday 15 January 2027");
        assert_eq!(day_and_clock(moment), "2027-01-15 08:00 UTC");
        assert_eq!(clock(Timestamp(u64::MAX)), "?");
    }
}
