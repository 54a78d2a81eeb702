use openchat_protocol::{DeviceId, Did};
use rustls::{ClientConnection, NamedGroup, ServerConnection};

use super::*;
use crate::drafts::{NOW, World};
use crate::ecdsa::KeyPair;
use crate::profile::Profile;
use crate::{Authority, IdentityKey, device};

/// A clock that stands still.
#[derive(Debug)]
struct Clock(Timestamp);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.0.as_seconds())))
    }
}

fn clock(at: Timestamp) -> Arc<dyn TimeProvider> {
    Arc::new(Clock(at))
}

fn later(days: u64) -> Timestamp {
    NOW.plus(std::time::Duration::from_secs(days * 86400))
}

struct Link {
    client: ClientConnection,
    server: ServerConnection,
}

impl Link {
    fn new(client: &ClientTls, server: Arc<ServerConfig>) -> Self {
        let client = ClientConnection::new(Arc::clone(&client.config), client.server_name()).unwrap();
        Self { client, server: ServerConnection::new(server).unwrap() }
    }

    /// Carries bytes until both ends have nothing more to say. Returns what the client and what the server complain of:
    /// one of them about the other, which learns of it by an alert.
    fn run(&mut self) -> (Option<Error>, Option<Error>) {
        let mut failures = (None, None);
        loop {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            while self.client.wants_write() {
                self.client.write_tls(&mut up).unwrap();
            }
            while self.server.wants_write() {
                self.server.write_tls(&mut down).unwrap();
            }
            if up.is_empty() && down.is_empty() {
                return failures;
            }
            while !up.is_empty() {
                let taken = self.server.read_tls(&mut up.as_slice()).unwrap();
                up.drain(..taken);
                failures.1 = failures.1.or(self.server.process_new_packets().err());
            }
            while !down.is_empty() {
                let taken = self.client.read_tls(&mut down.as_slice()).unwrap();
                down.drain(..taken);
                failures.0 = failures.0.or(self.client.process_new_packets().err());
            }
        }
    }
}

/// A server with its authority, and a device of Alice.
struct Setting {
    authority: Authority,
    device: DeviceKey,
    id: DeviceId,
    chain: Vec<Vec<u8>>,
}

impl Setting {
    fn new() -> Self {
        let authority = Authority::create(NOW).unwrap();
        let (alice, device) = (IdentityKey::generate(), DeviceKey::generate());
        let issued = authority.issue_identity(&alice.sign_csr(&authority.fingerprint()), NOW).unwrap();
        let id = DeviceId { uid: alice.uid(), did: Did([1; 10]) };
        let certificate = device::issue_device_certificate(&alice, device.public_key(), id.did, NOW);
        let chain = vec![certificate, issued.certificate, authority.issuing_certificate().to_vec()];
        Self { authority, device, id, chain }
    }

    fn server(&self, now: Timestamp) -> Arc<ServerConfig> {
        self.accept(now).0
    }

    fn accept(&self, now: Timestamp) -> (Arc<ServerConfig>, Shown) {
        let leaf = self.authority.issue_server_leaf(now);
        let tls = ServerTls::new(leaf, self.authority.anchor().clone(), clock(now)).unwrap();
        tls.accept().unwrap()
    }

    fn client(&self, now: Timestamp) -> ClientTls {
        let device = Some((&self.device, self.chain.clone()));
        client_config(self.authority.fingerprint(), device, clock(now)).unwrap()
    }

    fn connect(&self) -> Link {
        self.connect_and_show().0
    }

    fn connect_and_show(&self) -> (Link, Shown) {
        let (server, shown) = self.accept(NOW);
        let mut link = Link::new(&self.client(NOW), server);
        assert_eq!(link.run(), (None, None));
        (link, shown)
    }
}

#[test]
fn both_ends_know_each_other() {
    let setting = Setting::new();
    let (link, shown) = setting.connect_and_show();
    let member = shown.member(&link.server).unwrap();
    assert_eq!(member.device(), setting.id);
    assert_eq!(member.device_key(), &setting.device.public_point());
    let anchor = setting.client(NOW).anchor(&link.client, NOW).unwrap();
    assert_eq!(anchor.root_certificate(), setting.authority.root_certificate());
    assert_eq!(link.server.alpn_protocol(), Some(ALPN));
    assert_eq!(link.client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = link.client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(link.server.server_name(), None, "no name is sent in clear");
    assert_eq!(setting.server(NOW).send_tls13_tickets, 0);
    assert_eq!(link.client.tls13_tickets_received(), 0);
}

#[test]
fn the_binding_is_one_per_channel() {
    let setting = Setting::new();
    let (one, other) = (setting.connect(), setting.connect());
    let binding = channel_binding(&one.client).unwrap();
    assert_eq!(channel_binding(&one.server).unwrap(), binding);
    assert_ne!(channel_binding(&other.client).unwrap(), binding);
}

#[test]
fn a_client_without_certificate_is_nobody() {
    let setting = Setting::new();
    let client = client_config(setting.authority.fingerprint(), None, clock(NOW)).unwrap();
    let (server, shown) = setting.accept(NOW);
    let mut link = Link::new(&client, server);
    assert_eq!(link.run(), (None, None));
    assert_eq!(shown.member(&link.server), None);
}

#[test]
fn a_member_is_known_after_its_own_handshake_and_by_no_other() {
    let (setting, other) = (Setting::new(), Setting::new());
    let (link, shown) = setting.connect_and_show();
    let (elsewhere, shown_elsewhere) = other.connect_and_show();
    assert_eq!(shown.member(&elsewhere.server), None, "another chain than the one that was verified");
    assert_eq!(shown_elsewhere.member(&link.server), None);
    let (server, unfinished) = setting.accept(NOW);
    let begun = Link::new(&setting.client(NOW), server);
    assert_eq!(unfinished.member(&begun.server), None);
}

/// Attack 1: somebody in the network takes the server's place.
#[test]
fn another_server_is_told_apart_and_told_nothing() {
    let (setting, other) = (Setting::new(), Setting::new());
    let mut link = Link::new(&setting.client(NOW), other.server(NOW));
    let (client, server) = link.run();
    let client = client.unwrap();
    assert_eq!(other_fingerprint(&client), Some(other.authority.fingerprint()));
    assert!(!is_about_dates(&client));
    assert!(matches!(server, Some(Error::AlertReceived(_))), "{server:?}");
    assert_eq!(link.server.peer_certificates(), None, "who asks stays unknown");
}

/// Attack 11: Mallory certifies Alice.
#[test]
fn a_user_is_no_server() {
    let world = World::new();
    let key = KeyPair::generate();
    let below_identity = |it: &mut crate::drafts::Draft| it.issuer = world.mallory.public().uid().to_string();
    let leaf = world.make(Profile::Server, &key, &world.mallory, below_identity);
    let mallory = world.identity(&world.mallory, |_| {});
    for chain in [
        vec![leaf.clone(), mallory.clone(), world.root(|_| {})],
        vec![leaf.clone(), mallory.clone(), world.issuing(|_| {}), world.root(|_| {})],
        vec![leaf.clone(), world.issuing(|_| {}), world.root(|_| {})],
        vec![leaf.clone()],
    ] {
        let leaf = ServerLeaf { chain, key_pkcs8: key.to_pkcs8().to_vec().into() };
        let (server, _) = ServerTls::new(leaf, world.anchor.clone(), clock(NOW)).unwrap().accept().unwrap();
        let client = client_config(world.anchor.fingerprint(), None, clock(NOW)).unwrap();
        let (client, _) = Link::new(&client, server).run();
        assert!(trust_error(&client.unwrap()).is_some());
    }
}

#[test]
fn a_member_of_another_server_is_refused() {
    let (setting, other) = (Setting::new(), Setting::new());
    let pin = setting.authority.fingerprint();
    let stranger = client_config(pin, Some((&other.device, other.chain.clone())), clock(NOW)).unwrap();
    let (client, server) = Link::new(&stranger, setting.server(NOW)).run();
    assert_eq!(trust_error(&server.unwrap()).map(TrustError::rule), Some(Rule::Issuer));
    assert!(matches!(client, Some(Error::AlertReceived(_))), "{client:?}");
}

#[test]
fn both_ends_learn_that_dates_are_to_blame() {
    let setting = Setting::new();
    for (client_time, server_time) in [(NOW, later(91)), (later(800), NOW), (Timestamp(0), NOW)] {
        let client = setting.client(client_time);
        let (client, server) = Link::new(&client, setting.server(server_time)).run();
        assert!(is_about_dates(&client.unwrap()), "{client_time:?} {server_time:?}");
        assert!(server.is_some());
    }
}

/// Attack 2: a login is relayed.
#[test]
fn a_relayed_login_proves_nothing() {
    let setting = Setting::new();
    let (near, far) = (setting.connect(), setting.connect());
    let fingerprint = setting.authority.fingerprint();
    let nonce = [7; 32];
    let exporter = channel_binding(&near.client).unwrap();
    let proof = crate::challenge::sign(&setting.device, &fingerprint, setting.id, &nonce, &exporter);
    let verify = |link: &Link| {
        let exporter = channel_binding(&link.server).unwrap();
        let point = setting.device.public_point();
        crate::challenge::verify(&point, &fingerprint, setting.id, &nonce, &exporter, &proof)
    };
    assert_eq!(verify(&near), Ok(()));
    assert!(verify(&far).is_err());
}
