//! The client library against a real server in this process: enrolment, connections that break, servers that are others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openchat_client::{
    Access, Alarm, ClientError, ClientHandle, ConnectionState, Delivery, Enrolled, Entry, ErrorKind, Event,
    Events, RoomSuite, Span,
};
use openchat_identity::{Authority, InviteLink, InviteToken, Password};
use openchat_protocol::{RoomId, Timestamp};
use openchat_server::{Config, Running, Server};
use openchat_store::invite::NewInvite;
use openchat_store::{SqliteStore, Store};
use openchat_tests::binary::PASSWORD;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that can be stopped and started again at its place, and folders for its users.
struct Place {
    folder: TempDir,
    running: Option<Running>,
    store: Arc<SqliteStore>,
    address: SocketAddr,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("server.db")).unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut place = Self { folder, running: None, store, address };
        place.start().await;
        place
    }

    fn authority(&self) -> Authority {
        Authority::open_or_create(&self.folder.path().join("authority"), Timestamp::now()).unwrap()
    }

    async fn start(&mut self) {
        let mut config = Config::new(self.folder.path());
        config.listen = self.address;
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let running = Server::start(&config, self.authority(), store).await.unwrap();
        self.address = running.addr();
        self.running = Some(running);
    }

    async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    /// A link that the server itself makes.
    async fn invite(&self) -> InviteLink {
        let token = InviteToken::generate();
        let now = Timestamp::now();
        let (hash, expires) = (token.redeem_hash(), now.plus(Duration::from_secs(3600)));
        let invite = NewInvite { hash, creator: None, expires, uses: 1, room: None };
        self.store.create_invite(invite, now).await.unwrap();
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        let server = self.running.as_ref().unwrap().fingerprint();
        InviteLink { host, port, server, inviter: None, token }
    }

    fn profile(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn client(&self, name: &str) -> (ClientHandle, Events) {
        enrol(&self.profile(name), &self.invite().await, name).await.unwrap();
        let (client, events) = open(&self.profile(name)).await.unwrap();
        client.online().await.unwrap();
        (client, events)
    }
}

async fn enrol(folder: &Path, link: &InviteLink, name: &str) -> Result<Enrolled, ClientError> {
    let (folder, link, name) = (folder.to_owned(), link.clone(), name.parse().unwrap());
    let enrolment =
        spawn_blocking(move || openchat_client::enrol(&folder, &link, &name, &Password::new(PASSWORD)));
    enrolment.await.unwrap()
}

async fn open(folder: &Path) -> Result<(ClientHandle, Events), ClientError> {
    let folder = folder.to_owned();
    spawn_blocking(move || openchat_client::open(&folder, &Password::new(PASSWORD))).await.unwrap()
}

async fn wait_for<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("the event in time")
}

async fn wait_for_text(events: &mut Events, wanted: &str) {
    wait_for(events, |event| match event {
        Event::Line(line) => matches!(line.entry, Entry::Text { text, .. } if text == wanted).then_some(()),
        _ => None,
    })
    .await;
}

async fn wait_for_end(events: &mut Events) -> ClientError {
    wait_for(events, |event| match event {
        Event::Connection(ConnectionState::Ended(why)) => Some(why),
        _ => None,
    })
    .await
}

async fn texts(client: &ClientHandle, room: RoomId) -> Vec<String> {
    let lines = client.history(room, Span::Newest, 1000).await.unwrap();
    let text =
        |entry| if let Entry::Text { text, delivery, .. } = entry { Some((text, delivery)) } else { None };
    let texts = lines.into_iter().filter_map(|line| text(line.entry));
    texts
        .map(|(text, delivery)| if delivery == Delivery::Sent { text } else { format!("({text})") })
        .collect()
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again_and_nothing_is_lost() {
    let mut place = Place::new().await;
    let (alice, mut alice_hears) = place.client("alice").await;
    let (bob, mut bob_hears) = place.client("bob").await;
    let lobby =
        alice.create_room("lobby".parse().unwrap(), Access::Listed, RoomSuite::default()).await.unwrap();
    assert_eq!(bob.join_room("lobby".parse().unwrap()).await.unwrap(), lobby);
    alice.send(lobby, "one".into()).await.unwrap();
    wait_for_text(&mut bob_hears, "one").await;

    place.stop().await;
    alice.send(lobby, "two".into()).await.unwrap();
    wait_for(&mut alice_hears, |event| match event {
        Event::Connection(ConnectionState::Offline { .. }) => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(texts(&alice, lobby).await, ["one", "(two)"]);
    place.start().await;
    wait_for_text(&mut bob_hears, "two").await;
    bob.send(lobby, "three".into()).await.unwrap();
    wait_for_text(&mut alice_hears, "three").await;
    assert_eq!(texts(&alice, lobby).await, ["one", "two", "three"]);
    assert_eq!(texts(&bob, lobby).await, texts(&alice, lobby).await);
}

#[tokio::test]
async fn a_profile_is_used_by_one_and_readable_without_a_connection() {
    let mut place = Place::new().await;
    let (alice, _) = place.client("alice").await;
    let lobby =
        alice.create_room("lobby".parse().unwrap(), Access::Listed, RoomSuite::default()).await.unwrap();
    let sealed = alice.seal(lobby, b"secret".to_vec().into()).await.unwrap();
    assert_eq!(open(&place.profile("alice")).await.unwrap_err().kind(), ErrorKind::InUse);
    alice.stop().await;
    place.stop().await;

    let (alice, _) = open(&place.profile("alice")).await.unwrap();
    assert_eq!(alice.room(&"lobby".parse().unwrap()).await.unwrap().room, lobby);
    assert_eq!(alice.profile().await.unwrap().name.as_str(), "alice");
    assert_eq!(alice.open_sealed(lobby, sealed, None).await.unwrap().as_slice(), b"secret");
    alice.send(lobby, "later".into()).await.unwrap();
    assert_eq!(texts(&alice, lobby).await, ["(later)"]);
    let offline = alice.list_rooms().await.unwrap_err();
    assert_eq!(offline.kind(), ErrorKind::Network);
}

#[tokio::test]
async fn an_enrolment_goes_on_where_it_broke_off() {
    let mut place = Place::new().await;
    let (folder, link) = (place.profile("alice"), place.invite().await);
    place.stop().await;
    let error = enrol(&folder, &link, "alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!folder.join("private.pem").exists(), "nobody has heard of it");

    place.start().await;
    enrol(&folder, &link, "alice").await.unwrap();
    let key = std::fs::read(folder.join("private.pem")).unwrap();
    // As if the crash had come after the registration.
    for file in ["vault.db", "vault.key"] {
        std::fs::remove_file(folder.join(file)).unwrap();
    }
    enrol(&folder, &link, "alice").await.unwrap();
    assert_eq!(std::fs::read(folder.join("private.pem")).unwrap(), key);
    let again = enrol(&folder, &link, "alice").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Usage, "it is whole now");
    let (alice, _) = open(&folder).await.unwrap();
    alice.online().await.unwrap();

    let used = enrol(&place.profile("mallory"), &link, "mallory").await.unwrap_err();
    assert_eq!(used.kind(), ErrorKind::Refused, "{used}");
}

#[tokio::test]
async fn another_server_at_the_same_place_gets_nothing() {
    let mut place = Place::new().await;
    let (alice, _) = place.client("alice").await;
    alice.stop().await;
    place.stop().await;
    std::fs::remove_dir_all(place.folder.path().join("authority")).unwrap();
    place.start().await;

    let (alice, mut events) = open(&place.profile("alice")).await.unwrap();
    assert_eq!(wait_for_end(&mut events).await.kind(), ErrorKind::OtherServer);
    assert_eq!(alice.online().await.unwrap_err().kind(), ErrorKind::OtherServer);
}

#[tokio::test]
async fn who_is_locked_out_is_told_at_once_and_does_not_try_again() {
    let place = Place::new().await;
    let (alice, mut events) = place.client("alice").await;
    let device = alice.profile().await.unwrap().device;
    place.running.as_ref().unwrap().set_disabled(device.uid, true).await.unwrap();
    assert_eq!(wait_for_end(&mut events).await.kind(), ErrorKind::LockedOut);
    alice.stop().await;
    let (_alice, mut events) = open(&place.profile("alice")).await.unwrap();
    assert_eq!(wait_for_end(&mut events).await.kind(), ErrorKind::LockedOut);
}

#[tokio::test]
async fn what_does_not_speak_openchat_is_recognised() {
    let mut place = Place::new().await;
    let link = place.invite().await;
    place.stop().await;
    let listener = TcpListener::bind(place.address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The peer may be gone before it has read this.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.9\r\n").await;
        }
    });
    let error = enrol(&place.profile("alice"), &link, "alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_listener_that_sleeps_is_told_and_misses_nothing_on_disk() {
    let place = Place::new().await;
    let (alice, mut sleeper) = place.client("alice").await;
    let lobby =
        alice.create_room("lobby".parse().unwrap(), Access::Listed, RoomSuite::default()).await.unwrap();
    let mut awake = alice.events();
    for number in 0..1500 {
        alice.send(lobby, number.to_string()).await.unwrap();
    }
    wait_for(&mut awake, |event| match event {
        Event::Lagged(_) | Event::Alarm(Alarm::LogDiverged { .. }) => panic!("{event:?}"),
        Event::Line(line) => {
            matches!(line.entry, Entry::Text { text, delivery: Delivery::Sent, .. } if text == "1499")
                .then_some(())
        }
        _ => None,
    })
    .await;
    wait_for(&mut sleeper, |event| matches!(event, Event::Lagged(_)).then_some(())).await;
    let all = alice.history(lobby, Span::Newest, 10_000).await.unwrap();
    assert_eq!(all.len(), 1501, "and that it was created");
}
