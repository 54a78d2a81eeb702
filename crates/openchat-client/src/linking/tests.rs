//! Two ends over a post in memory: what each sends the other gets, after whoever stands between has looked at it.

use std::sync::Mutex;

use openchat_identity::linking::LinkingError;
use openchat_identity::{LinkCode, Password};
use openchat_protocol::{DeviceId, LinkSlot, MessageId, RoomId, ServerFingerprint, Timestamp, Uid};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::exchange::{Failed, Post, agree_known, agree_new};
use super::history::{Keeper, PAGE, Page, Source, give, is_wanted, keep, take, want_all, wanted};
use super::*;
use crate::error::ClientError;
use crate::event::{Delivery, Entry, Membership};
use crate::vault::{Change, Credentials, Notice, RoomRecord, Span, StoredLine, Vault, Write};

const SERVER: ServerFingerprint = ServerFingerprint([7; 32]);
const SLOT: LinkSlot = LinkSlot(123_456);

/// Sees the message with this number, and may alter it.
type Between = fn(usize, &mut Vec<u8>);

struct MemoryPost {
    to_other: mpsc::UnboundedSender<Vec<u8>>,
    from_other: mpsc::UnboundedReceiver<Vec<u8>>,
    sent: usize,
    between: Between,
}

impl Post for MemoryPost {
    async fn send(&mut self, mut message: Vec<u8>) -> Result<(), Failed> {
        (self.between)(self.sent, &mut message);
        self.sent += 1;
        // The other end may have given up.
        let _ = self.to_other.send(message);
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failed> {
        self.from_other.recv().await.ok_or(Failed::Superseded)
    }
}

fn posts(known: Between, new: Between) -> (MemoryPost, MemoryPost) {
    let (to_new, from_known) = mpsc::unbounded_channel();
    let (to_known, from_new) = mpsc::unbounded_channel();
    (
        MemoryPost { to_other: to_new, from_other: from_new, sent: 0, between: known },
        MemoryPost { to_other: to_known, from_other: from_known, sent: 0, between: new },
    )
}

fn nobody(_: usize, _: &mut Vec<u8>) {}

fn code(secret: &str) -> LinkCode {
    format!("{SLOT}-{secret}").parse().unwrap()
}

/// What the new device says comes back from the known one.
async fn exchange(
    (known_code, new_code): (&LinkCode, &LinkCode),
    (known, new): (Between, Between),
    text: &str,
) -> (Result<String, Failed>, Result<String, Failed>) {
    let (mut known, mut new) = posts(known, new);
    let known_end = async move {
        let mut talk = agree_known(&mut known, known_code, &SERVER).await?;
        let heard: String = talk.hear().await?;
        talk.say(&heard).await?;
        Ok(heard)
    };
    let new_end = async move {
        let mut talk = agree_new(&mut new, new_code, &SERVER).await?;
        talk.say(&text.to_owned()).await?;
        talk.hear().await
    };
    tokio::join!(known_end, new_end)
}

#[tokio::test]
async fn two_devices_with_one_code_say_things_of_any_length() {
    let code = code("abcdefgh");
    for length in [0, 1, 40_000, 1 << 20] {
        let text = "x".repeat(length);
        let (known, new) = exchange((&code, &code), (nobody, nobody), &text).await;
        assert_eq!(known.unwrap(), text);
        assert_eq!(new.unwrap(), text);
    }
}

#[tokio::test]
async fn another_code_is_a_guess_that_both_ends_notice() {
    let (right, wrong) = (code("abcdefgh"), code("abcdefgj"));
    let (known, new) = exchange((&right, &wrong), (nobody, nobody), "secret").await;
    assert!(matches!(known, Err(Failed::Guess)), "{known:?}");
    assert!(matches!(new, Err(Failed::Guess)), "{new:?}");
}

#[tokio::test]
async fn nothing_that_is_said_is_in_clear_and_nothing_can_be_altered() {
    let code = code("abcdefgh");
    let watch: Between = |_, message| assert!(!message.windows(6).any(|part| part == b"secret"));
    let (known, _) = exchange((&code, &code), (watch, watch), "secret").await;
    assert_eq!(known.unwrap(), "secret");
    // The first two messages of each end are those of the exchange.
    let flip: Between =
        |number, message| message.iter_mut().skip(1).take(1).for_each(|it| *it ^= u8::from(number == 0));
    let (known, new) = exchange((&code, &code), (flip, nobody), "secret").await;
    assert!(known.is_err() && new.is_err());
    let flip: Between =
        |number, message| message.iter_mut().take(1).for_each(|it| *it ^= u8::from(number == 1));
    let (known, _) = exchange((&code, &code), (nobody, flip), "secret").await;
    assert!(matches!(known, Err(Failed::Guess)), "{known:?}");
    let (_, new) = exchange((&code, &code), (flip, nobody), "secret").await;
    assert!(matches!(new, Err(Failed::Guess)), "{new:?}");
    let flip: Between =
        |number, message| message.iter_mut().take(1).for_each(|it| *it ^= u8::from(number == 2));
    let (known, _) = exchange((&code, &code), (nobody, flip), "secret").await;
    let altered = LinkingError::Altered.to_string();
    assert!(matches!(known, Err(Failed::ForGood(error)) if error.to_string().contains(&altered)));
}

const ROOM: RoomId = RoomId([7; 16]);
/// Two pages, and a little.
const LINES: u64 = 2 * PAGE as u64 + 10;

impl Source for Mutex<Vault> {
    async fn count(&self, after: Option<Place>) -> Result<u64, ClientError> {
        Ok(self.lock().unwrap().count_history(after)?)
    }

    async fn rooms(&self) -> Result<Vec<PastRoom>, ClientError> {
        Ok(self.lock().unwrap().past_rooms()?)
    }

    async fn lines(&self, after: Option<Place>) -> Result<Vec<PastLine>, ClientError> {
        Ok(self.lock().unwrap().past(after, PAGE)?)
    }
}

impl Keeper for Mutex<Vault> {
    async fn keep(&self, page: Page) -> Result<(), ClientError> {
        Ok(keep(&mut self.lock().unwrap(), &page)?)
    }
}

fn credentials() -> Credentials {
    Credentials {
        host: "chat.example".into(),
        port: 7440,
        server: SERVER,
        root: vec![1].into(),
        name: "alice".parse().unwrap(),
        device: DeviceId { uid: Uid([1; 16]), did: Did([3; 10]) },
        identity_key: vec![1].into(),
        device_key: vec![1].into(),
        chain: Vec::new(),
        enrolled: true,
        devices: None,
    }
}

fn vault() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let first = Change::from_iter([Write::Credentials(Box::new(credentials()))]);
    let vault = Vault::create(folder.path(), &Password::new("a password of the tests"), &first).unwrap();
    (folder, vault)
}

/// A room with so many lines of Bob's.
fn fill(vault: &mut Vault) {
    let record = RoomRecord::new(ROOM, "lobby".parse().unwrap(), true, Membership::Member);
    let mut change = Change::from_iter([Write::Room(Box::new(record))]);
    for sequence in 1..=LINES {
        let message = MessageId(u128::from(sequence).to_be_bytes());
        let entry = Entry::Text { message, text: format!("line {sequence}"), delivery: Delivery::Sent };
        let (time, author) = (Timestamp(sequence), Uid([2; 16]));
        let notice = Notice::of(&entry, author, &credentials());
        change.push(Write::Line(StoredLine { room: ROOM, sequence, part: 0, time, author, entry, notice }));
    }
    change.push(Write::Read(ROOM, LINES - 3));
    vault.apply(&change).unwrap();
}

/// What one link brings; it breaks after so many messages of the known device. How far both were told that it came.
async fn transfer(known: &Mutex<Vault>, new: &Mutex<Vault>, breaks_after: usize) -> (u64, u64) {
    let code = code("abcdefgh");
    let (mut known_post, new_post) = posts(nobody, nobody);
    let mut new_post = Breaking { post: new_post, left: breaks_after };
    let (mut given, mut taken) = (0, 0);
    let known_end = async {
        let mut talk = agree_known(&mut known_post, &code, &SERVER).await?;
        let wanted = talk.hear().await?;
        let mut tell = |step| {
            if let LinkStep::History { done, .. } = step {
                given = done;
            }
        };
        give(&mut talk, known, wanted, &mut tell).await
    };
    let new_end = async {
        let mut talk = agree_new(&mut new_post, &code, &SERVER).await?;
        let wanted = wanted(&new.lock().unwrap()).map_err(ClientError::from)?;
        talk.say(&wanted).await?;
        let mut tell = |step| {
            if let LinkStep::History { done, .. } = step {
                taken = done;
            }
        };
        let outcome = take(&mut talk, new, &mut tell).await;
        // As when the program ends.
        drop(new_post);
        outcome
    };
    let (_, outcome) = tokio::join!(known_end, new_end);
    assert_eq!(outcome.is_ok(), breaks_after == usize::MAX);
    (given, taken)
}

/// A post that breaks.
struct Breaking {
    post: MemoryPost,
    left: usize,
}

impl Post for Breaking {
    async fn send(&mut self, message: Vec<u8>) -> Result<(), Failed> {
        self.post.send(message).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failed> {
        self.left = self.left.checked_sub(1).ok_or(Failed::Superseded)?;
        self.post.receive().await
    }
}

#[tokio::test]
async fn the_history_comes_over_and_goes_on_after_a_break_where_it_was() {
    let ((_one, mut known), (_other, mut new)) = (vault(), vault());
    fill(&mut known);
    new.apply(&Change::from_iter([want_all()])).unwrap();
    let (known, new) = (Mutex::new(known), Mutex::new(new));
    // Two messages of the exchange, and some of the first page or two.
    let (_, taken) = transfer(&known, &new, 4).await;
    assert!(taken > 0 && taken < LINES, "{taken}");
    assert!(is_wanted(&new.lock().unwrap()).unwrap(), "it is known that something is missing");
    let (given, rest) = transfer(&known, &new, usize::MAX).await;
    assert_eq!((given, rest), (LINES - taken, LINES - taken), "nothing comes twice");
    let limit = u32::try_from(2 * LINES).unwrap();
    assert!(!is_wanted(&new.lock().unwrap()).unwrap());
    let lines = new.lock().unwrap().history(ROOM, Span::Newest, limit).unwrap();
    let expected = known.lock().unwrap().history(ROOM, Span::Newest, limit).unwrap();
    assert_eq!(lines, expected);
    let overview = &new.lock().unwrap().rooms().unwrap()[0];
    assert_eq!((overview.name.as_str(), overview.membership), ("lobby", Membership::Left));
    assert_eq!(overview.unread, 3, "what was read on one device is read on the other");
    // All of it once more changes nothing.
    transfer(&known, &new, usize::MAX).await;
    assert_eq!(new.lock().unwrap().history(ROOM, Span::Newest, limit).unwrap(), expected);
}
