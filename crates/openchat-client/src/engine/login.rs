//! The login: greeting, proof of the device key, and what follows from being connected again.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_e2ee::Suite;
use openchat_identity::{DeviceKey, Validity, challenge};
use openchat_protocol::account::{Account, Greeting, Hello, LoggedIn, Login};
use openchat_protocol::{PROTOCOL_VERSION, Refusal, RefusalCode, Request, Timestamp};

use super::Engine;
use super::core::Core;
use super::room::Room;
use super::session::{Link, Purpose, Session};
use super::step::{HangUp, Step};
use crate::enrol::chain;
use crate::error::ClientError;
use crate::event::{Alarm, ConnectionState, Event, Membership};
use crate::vault::Write;

/// Clocks that are further apart than this are a danger to certificates.
const CLOCKS: Duration = Duration::from_secs(300);

impl Engine {
    /// There is a connection to the pinned server; `exporter` is its channel binding (RFC 9266).
    pub fn handle_connected(&mut self, exporter: [u8; 32], now: Timestamp) -> Step {
        self.cx.now = now;
        self.cx.session = Session::connected(exporter, now);
        self.cx.greet();
        self.finish()
    }

    /// The connection is gone.
    pub fn handle_lost(&mut self, now: Timestamp) -> Step {
        self.cx.now = now;
        let lost = self.cx.session.lost();
        for ticket in lost.iter().filter_map(Purpose::ticket) {
            self.cx.answer(ticket, Err(super::core::offline()));
        }
        self.cx.people.handle_lost(&mut self.cx.out.events);
        self.cx.give_up_wanted(&super::core::offline());
        self.cx.log.handle_lost();
        self.rooms.values_mut().for_each(Room::handle_lost);
        self.catching_up = false;
        self.finish()
    }

    pub(super) fn handle_greeting(&mut self, greeting: &Greeting) {
        let cx = &mut self.cx;
        let apart = greeting.time.since(cx.now).max(cx.now.since(greeting.time));
        if apart > CLOCKS {
            cx.emit(Event::Alarm(Alarm::Clock { apart }));
        }
        cx.session.incarnation = Some(greeting.incarnation);
        cx.session.address = greeting.address.clone();
        cx.note_life(greeting.takes_back);
        let Ok(nonce) = <[u8; 32]>::try_from(greeting.nonce.as_slice()) else {
            return cx.breaks_protocol("its login nonce has not 32 bytes");
        };
        let server = cx.credentials.server;
        if greeting.server != server {
            return cx.breaks_protocol("its greeting names another server than its certificate");
        }
        match DeviceKey::from_pkcs8(&cx.credentials.device_key) {
            Ok(key) => {
                let signature = challenge::sign(&key, &server, cx.me(), &nonce, &cx.session.exporter);
                cx.ask(Request::Login(Login { signature: signature.into() }), Purpose::Login);
            }
            Err(error) => cx.fail(&error),
        }
    }

    pub(super) fn handle_logged_in(&mut self, logged_in: &LoggedIn) {
        let cx = &mut self.cx;
        if logged_in.device != cx.me() {
            return cx.breaks_protocol("it takes this device for another one");
        }
        cx.session.link = Link::Up;
        cx.emit(Event::Connection(ConnectionState::Online));
        self.cx.log.handle_login(self.cx.now);
        self.cx.follow_log();
        self.note_own_name(logged_in);
        for count in &logged_in.key_packages {
            if let Some(suite) = Suite::from_id(count.suite) {
                self.cx.count_key_packages(suite, count.one_time);
            }
        }
        self.cx.refill_key_packages();
        self.catching_up = true;
        self.welcomes_due = true;
        for room in self.rooms.values_mut() {
            let known = logged_in.rooms.iter().any(|joined| joined.room == room.id());
            if room.record.membership == Membership::Creating && known {
                room.created(&mut self.cx);
            }
            room.progress(&mut self.cx);
        }
    }

    fn note_own_name(&mut self, logged_in: &LoggedIn) {
        let cx = &mut self.cx;
        if cx.credentials.name != logged_in.name {
            cx.credentials.name = logged_in.name.clone();
            cx.write(Write::Credentials(Box::new(cx.credentials.clone())));
        }
        let me = cx.me().uid;
        if cx.people.names.name(me) != Some(&logged_in.name) {
            cx.learn_names([me]);
        }
    }

    /// Whether connecting again could help against this refusal of a greeting or a login.
    pub(super) fn login_refused(&mut self, refusal: &Refusal) {
        self.cx.out.hang_up = Some(hang_up(refusal));
    }

    /// The server knows a new certificate of this device. Leaves of rooms carry it from their next commit on.
    pub fn handle_renewed(&mut self, chain: Vec<ByteVec>, now: Timestamp) -> Step {
        self.cx.now = now;
        self.take_chain(chain);
        self.finish()
    }

    /// Another device of this user has had the identity renewed: this one's certificate hangs below the new one as well,
    /// for it is the same key.
    pub(super) fn adopt_identity(&mut self, account: &Account) {
        let Some((device, identity, above)) = self.cx.credentials.certificates() else { return };
        let ends = |identity: &[u8], above: &[u8]| {
            let verified = self.cx.anchor.verify_identity(identity, above, Validity::Ignored);
            verified.map_or(Timestamp(0), |identity| identity.expires())
        };
        let Account { identity_certificate, issuing_certificate, .. } = account;
        if ends(identity_certificate, issuing_certificate) > ends(identity, &above) {
            self.take_chain(chain(device.to_vec(), identity_certificate.clone(), issuing_certificate));
        }
    }

    fn take_chain(&mut self, chain: Vec<ByteVec>) {
        self.cx.credentials.chain = chain;
        match super::device(&self.cx.credentials, &self.cx.anchor) {
            Ok(device) => {
                self.cx.device = device;
                self.cx.write(Write::Credentials(Box::new(self.cx.credentials.clone())));
                self.rooms.values_mut().for_each(|room| room.reload(&mut self.cx));
            }
            Err(error) => self.cx.emit(Event::Trouble(error)),
        }
    }

    /// How many records this user knows to be right under the own name: that of the next certificate is one more.
    pub fn own_names(&self) -> u32 {
        self.cx.own_names()
    }
}

impl Core {
    pub(super) fn greet(&mut self) {
        let hello = Hello { version: PROTOCOL_VERSION, oldest_version: PROTOCOL_VERSION };
        self.ask(Request::Hello(hello), Purpose::Hello);
    }
}

/// How a connection ends that the server refuses to go on with.
pub(super) fn hang_up(refusal: &Refusal) -> HangUp {
    use RefusalCode as Code;
    let error = ClientError::from(refusal.clone());
    match refusal.code {
        Some(
            Code::Version
            | Code::AccountUnknown
            | Code::AccountDisabled
            | Code::DeviceRevoked
            | Code::Unsupported,
        ) => HangUp::ForGood(error),
        _ => HangUp::Again(error),
    }
}
