//! The people of a run: accounts made by invite as `openchat join` makes them, in one database that every round uses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use openchat_e2ee::{Content, Device, RoomPolicy, Suite};
use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::tls::{self, ClientTls, MachineClock};
use openchat_identity::{DeviceKey, IdentityKey, InviteLink, InviteToken, TrustAnchor};
use openchat_protocol::account::{CreateInvite, EnrolDevice, Register};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::{DeviceId, Did, MessageId, Request, Response, RoomId, ServerFingerprint, Timestamp};

use tokio::time::{Instant, sleep};

use super::session::Session;
use crate::text;

/// Accounts that one invite can make.
const INVITED: usize = 1_000;
/// From listening to the first line.
const PRINTING: Duration = Duration::from_secs(10);
/// Registrations under way at once.
const AT_ONCE: usize = 16;
/// Where the room's identifier stands in an MLS PrivateMessage (RFC 9420 §6).
const ROOM_AT: usize = 5;

/// Somebody with an account and one device.
pub(crate) struct Person {
    pub(crate) device: DeviceId,
    pub(crate) key: DeviceKey,
    pub(crate) tls: ClientTls,
}

/// All accounts, and a sealed message.
pub(crate) struct Town {
    /// The server's folder, if it is a process of its own.
    home: PathBuf,
    people: Vec<Person>,
    sealed: Vec<u8>,
}

impl Town {
    /// Starts a server with an empty database in `home`, and makes `count` accounts there.
    pub(crate) async fn found(home: &Path, count: usize) -> Result<Self, String> {
        std::fs::create_dir_all(home).map_err(|error| error.to_string())?;
        let process = super::serve(home).await?;
        let link = invite(&home.join("log")).await?;
        let town = Self::of(process.address, link.server, &link.token, count).await?;
        Ok(Self { home: home.to_owned(), ..town })
    }

    /// Makes `count` accounts on a server without any; `token` is for the first.
    pub(crate) async fn of(
        address: SocketAddr,
        server: ServerFingerprint,
        token: &InviteToken,
        count: usize,
    ) -> Result<Self, String> {
        let door = Door { address, server };
        let (first, chain, anchor) = door.register(0, token).await?;
        let sealed = sealed(&first, &chain, anchor)?;
        super::check_length(sealed.len())?;
        let mut session = Session::log_in(address, &first).await?;
        let mut people = vec![first];
        while people.len() < count {
            let token = InviteToken::generate();
            let expires = Timestamp::now().plus(Duration::from_secs(3600));
            let invite =
                CreateInvite { hash: token.redeem_hash(), expires, uses: INVITED as u32, room: None };
            session.ask(Request::CreateInvite(invite)).await?;
            let numbers = people.len()..count.min(people.len() + INVITED);
            let joining = stream::iter(numbers).map(|number| door.register(number, &token));
            let joined: Vec<_> = joining.buffered(AT_ONCE).try_collect().await?;
            people.extend(joined.into_iter().map(|(person, ..)| person));
        }
        Ok(Self { home: PathBuf::new(), people, sealed })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.home
    }

    pub(super) fn person(&self, number: usize) -> &Person {
        &self.people[number % self.people.len()]
    }

    /// A message of [`text::LENGTH`] characters, sealed as for `room`.
    pub(super) fn sealed(&self, room: RoomId) -> Vec<u8> {
        let mut sealed = self.sealed.clone();
        sealed[ROOM_AT..ROOM_AT + RoomId::LENGTH].copy_from_slice(room.as_bytes());
        sealed
    }
}

/// The link in what a new server prints, which may be a moment after it listens.
async fn invite(log: &Path) -> Result<InviteLink, String> {
    let until = Instant::now() + PRINTING;
    let line = loop {
        let said = std::fs::read_to_string(log).map_err(|error| error.to_string())?;
        match said.split_inclusive('\n').find(|line| line.starts_with('{') && line.ends_with('\n')) {
            Some(line) => break line.to_owned(),
            None if Instant::now() > until => return Err(format!("the server said: {said}")),
            None => sleep(Duration::from_millis(20)).await,
        }
    };
    let ready: serde_json::Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    let link = ready["invite"].as_str().ok_or_else(|| format!("no invite: {line}"))?;
    link.parse().map_err(|error| format!("the invite: {error}"))
}

/// A real message with a real key of a real room.
fn sealed(person: &Person, chain: &[Vec<u8>], anchor: TrustAnchor) -> Result<Vec<u8>, String> {
    let key = DeviceKey::from_pkcs8(&person.key.to_pkcs8()).map_err(|error| error.to_string())?;
    let device = Device::new(key, chain, anchor).map_err(|error| error.to_string())?;
    let policy = RoomPolicy::listed("bench".parse().expect("a name"), person.device.uid);
    let made = device.create_room(RoomId(random()), policy, Suite::Hybrid, Timestamp::now());
    let (mut group, _) = made.map_err(|error| error.to_string())?;
    let content = Content::text(MessageId(random()), 1, None, "x".repeat(text::LENGTH));
    group.seal(&content).map_err(|error| error.to_string())
}

struct Door {
    address: SocketAddr,
    server: ServerFingerprint,
}

impl Door {
    /// An account and its device, as `openchat join` makes them, without their files.
    async fn register(
        &self,
        number: usize,
        token: &InviteToken,
    ) -> Result<(Person, Vec<Vec<u8>>, TrustAnchor), String> {
        let stranger =
            tls::client_config(self.server, None, Arc::new(MachineClock)).map_err(|it| it.to_string())?;
        let (mut session, _) = Session::greet(self.address, &stranger).await?;
        let identity = IdentityKey::generate();
        let register = Register {
            name: format!("person-{number}").parse().expect("a name"),
            csr: identity.sign_csr(&self.server).into(),
            redeem: Some(token.redeem().to_vec().into()),
        };
        let Response::Registered(registered) = session.ask(Request::Register(register)).await? else {
            return Err("no account".to_owned());
        };
        let key = DeviceKey::generate();
        let device = DeviceId { uid: identity.uid(), did: Did(random()) };
        let certificate = issue_device_certificate(&identity, key.public_key(), device.did, Timestamp::now());
        let chain =
            vec![certificate, registered.identity_certificate.into(), registered.issuing_certificate.into()];
        let listed = ListedDevice { did: device.did, key: key_hash(&key.public_point()) };
        let list = Some(device_list::sign(&identity, &self.server, 1, vec![listed]));
        let enrol = EnrolDevice { chain: chain.iter().cloned().map(Into::into).collect(), list };
        session.ask(Request::EnrolDevice(enrol)).await?;
        let anchor = super::anchor(&session.link, &stranger)?;
        let tls = tls::client_config(self.server, Some((&key, chain.clone())), Arc::new(MachineClock));
        let tls = tls.map_err(|error| error.to_string())?;
        Ok((Person { device, key, tls }, chain, anchor))
    }
}

/// Random bytes, as identifiers have them.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    // Any good source will do: this is the one that the provider of TLS has.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut bytes = [0; N];
    provider.secure_random.fill(&mut bytes).expect("randomness");
    bytes
}
