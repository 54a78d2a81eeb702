//! Proofs: nobody is believed to be somebody, and no device to be somebody's, before the log of keys says so.

use aws_lc_rs::digest::{SHA256, digest};
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{DeviceKey, IdentityKey, PublicKey, Validity, renewal};
use openchat_protocol::account::{Account, AccountSelector};
use openchat_protocol::device_list::{DeviceList, ListedDevice, SignedDeviceList};
use openchat_protocol::give_back::Disclosed;
use openchat_protocol::key_log::{Prove, Proven};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Request, Uid};
use openchat_transparency::auditor::Found;
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{Body, Leaf, Lookup, NameState, Opening, Subject, Violation};

use super::Engine;
use super::core::Core;
use super::key_log::Standing;
use super::room::Room;
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Event};
use crate::vault::{LoggedPerson, OwnLabels, ProvenPerson, Write};

const OTHERWISE: &str = "its log of keys says something else";
const ANOTHER_CERTIFICATE: &str = "it has another certificate under your name";
/// Devices of one person that are remembered as revoked: until they are removed everywhere.
const REVOKED: usize = 64;

impl Engine {
    /// The log is as it should be, or more is known of somebody: rooms may go on.
    pub(super) fn handle_log_news(&mut self) {
        for (ticket, room, name, aim) in std::mem::take(&mut self.cx.log.wanted) {
            self.identify(ticket, room, name, aim);
        }
        for room in self.rooms.values_mut() {
            room.vouch(&mut self.cx);
            room.progress(&mut self.cx);
        }
    }

    /// Who `uid` is, as asked for by [`Core::ask_proof`].
    pub(super) fn handle_proof(&mut self, uid: Uid, proven: &Proven) {
        let from = self.cx.log.proof_from.remove(&uid);
        if from.is_some_and(|from| from != self.cx.log.known_size()) {
            // It goes on from a head that is no longer the newest one known.
            return self.cx.ask_proof(uid);
        }
        let checked = match proven.account.uid == uid {
            true => self.cx.check_proven(proven),
            false => Err(ClientError::new(ErrorKind::Protocol, "the server proved who somebody else is")),
        };
        let retired = self.cx.log.people.get(&uid).is_some_and(|person| person.retired);
        let account = (checked.is_ok() && !retired).then_some(&proven.account);
        if checked.is_ok() && retired {
            self.cx.note_reset(uid, &proven.account.name);
        }
        let named = checked.unwrap_or_else(|error| {
            self.cx.log.in_vain.insert(uid);
            if uid == self.cx.me().uid {
                self.cx.own_is_not_proven(proven, &error);
            } else if self.cx.log.is_news(&error.to_string()) {
                self.cx.emit(Event::Trouble(error));
            }
            None
        });
        self.cx.handle_name(uid, account);
        self.settle_devices(uid);
        if let Some(account) = account.filter(|account| account.uid == self.cx.me().uid) {
            self.cx.settle_own(proven, named.as_ref());
            self.adopt_identity(account);
        }
        self.handle_log_news();
    }

    /// Devices of `uid` in the keys of rooms, held against the list that was proven just now.
    pub(super) fn settle_devices(&mut self, uid: Uid) {
        let Some(person) = self.cx.log.people.get(&uid).filter(|person| person.version > 0) else {
            self.cx.log.in_vain.insert(uid);
            return;
        };
        let is_listed = |member: &openchat_e2ee::Member| {
            person.devices.contains(&ListedDevice { did: member.device.did, key: member.key })
        };
        let rosters = self.rooms.values().flat_map(|room| room.roster());
        let ghosts = rosters.filter(|member| member.device.uid == uid && !is_listed(member));
        self.cx.log.ghosts.extend(ghosts.map(|member| member.device).collect::<Vec<_>>());
    }
}

impl Room {
    /// Whether every device in this room's keys is in its user's list, by a log that is as it should be. Asks for what
    /// is missing.
    pub(super) fn vouch(&mut self, cx: &mut Core) -> bool {
        // Who is not proven to be in the log is somebody else for everybody else.
        let mut good = cx.log.is_current && cx.log.own.is_some();
        let me = cx.me();
        for member in self.roster().into_iter().filter(|member| member.device != me) {
            match cx.log.standing(&member) {
                Standing::Listed => continue,
                Standing::Unproven => cx.ask_proof(member.device.uid),
                // Who may remove it does; what is yet to be read may say that it is done.
                Standing::Revoked if self.may_stay(cx, member.device.uid) => continue,
                Standing::Revoked => {}
                Standing::Ghost if !self.is_settled() => {}
                Standing::Ghost => {
                    let (who, device) = (cx.people.person(member.device.uid), member.device);
                    cx.raise(Alarm::GhostDevice { room: self.id(), who, device });
                }
            }
            good = false;
        }
        good
    }
}

impl Room {
    /// Whether a device of `uid`, whose identity is retired, is in the keys of a room whose administrators are all gone in
    /// that way: nobody who is left may put it out.
    fn may_stay(&self, cx: &Core, uid: Uid) -> bool {
        let is_retired = |uid: &Uid| cx.log.people.get(uid).is_some_and(|person| person.retired);
        let may_remove = |uid: &Uid| self.group.as_ref().is_some_and(|group| group.is_admin(*uid));
        is_retired(&uid)
            && !self.roster().iter().any(|it| may_remove(&it.device.uid) && !is_retired(&it.device.uid))
    }

    /// Whose devices are not in the log at all: nobody else can help that.
    pub(super) fn tell_of_waiting(&self, cx: &mut Core) {
        let roster = self.roster();
        let unlisted = |uid: &Uid| cx.log.people.get(uid).is_some_and(|person| person.version == 0);
        let Some(uid) = roster.iter().map(|member| member.device.uid).find(unlisted) else { return };
        let (who, room) = (cx.people.person(uid), &self.record.name);
        let message =
            format!("messages in #{room} wait: the server's log of keys does not have {who}'s devices");
        if cx.log.is_news(&message) {
            let help = format!("{who} has to connect once with an OpenChat that knows the log");
            cx.emit(Event::Trouble(ClientError::new(ErrorKind::Refused, message).with_help(help)));
        }
    }
}

impl Core {
    /// Asks who `uid` is and which devices he or she has, unless that was in vain just now.
    pub(super) fn ask_proof(&mut self, uid: Uid) {
        let purpose = Purpose::Name(uid);
        let may_ask = self.session.is_up() && self.log.is_current && !self.log.in_vain.contains(&uid);
        if may_ask && !self.session.is_asking(&purpose) {
            let known = self.log.known_size();
            let prove = Prove { who: AccountSelector::Uid(uid), known };
            self.log.proof_from.insert(uid, known);
            self.ask(Request::Prove(prove), purpose);
        }
    }

    /// Whether a device is in the list of `uid`.
    pub(super) fn is_listed(&self, uid: Uid, device: DeviceId) -> bool {
        let person = self.log.people.get(&uid).filter(|_| device.uid == uid);
        person.is_some_and(|person| person.devices.iter().any(|listed| listed.did == device.did))
    }

    /// Holds what the server says of somebody against the log, and remembers what the log says. Answers with what all
    /// records under the name come to, if they follow from each other.
    pub(super) fn check_proven(&mut self, proven: &Proven) -> Result<Option<NameState>, ClientError> {
        let account = &proven.account;
        if self.log.forked.is_some() && !self.log.people.contains_key(&account.uid) {
            return Err(refused_after_fork(account));
        }
        let key = self.identity_key(account)?;
        let by_name = self.look_up(&Subject::Name(account.name.clone()), &proven.name)?;
        let by_uid = self.look_up(&Subject::User(account.uid), &proven.user)?;
        let kept = self.check_issued(account, &key, &by_name).is_ok().then(|| kept(proven)).flatten();
        let named = self.name_state(account, &key, proven, &by_name);
        let mut retired = false;
        let list = match Body::read(by_uid.leaf.kind, &by_uid.body) {
            Ok(Body::DeviceList(signed)) => Some(self.check_list(account, &key, &signed)?),
            Ok(Body::IdentityRetired(gone)) if gone.uid == account.uid && gone.name == account.name => {
                self.check_moved(account, &named)?;
                retired = true;
                None
            }
            // Of before a renewal, perhaps: these are under the name alone.
            Ok(Body::IdentityIssued(first)) if is_about(&first, account) => None,
            _ => return Err(unbelievable(account, OTHERWISE)),
        };
        let (version, devices) = list.map_or((0, Vec::new()), |list| (list.version, list.devices));
        let known = self.log.people.get(&account.uid).map_or(0, |person| person.version);
        let version = if retired { known } else { version };
        if version < known {
            let reason = format!("version {version} of the list of devices, after version {known}");
            return Err(unbelievable(account, reason));
        }
        let (label, seq) = (by_uid.leaf.label, by_uid.leaf.seq);
        let revoked = self.revoked(account.uid, &devices);
        let uid = account.uid;
        let person = LoggedPerson { uid, label, seq, version, devices, proven: kept, revoked, retired };
        if self.log.people.get(&account.uid) != Some(&person) {
            self.write(Write::KeyLogPerson(person.clone()));
        }
        self.log.people.insert(account.uid, person);
        // The devices are the key's, whoever has the name by now.
        if !retired {
            self.check_name(account, &key, &by_name, &named)?;
        }
        Ok(named.ok())
    }

    /// Devices that lists of `uid` have had, and this one does not.
    fn revoked(&self, uid: Uid, devices: &[ListedDevice]) -> Vec<ListedDevice> {
        let known = self.log.people.get(&uid);
        let before = known.into_iter().flat_map(|known| known.devices.iter().chain(&known.revoked));
        let mut revoked: Vec<_> = before.filter(|device| !devices.contains(device)).copied().collect();
        revoked.drain(..revoked.len().saturating_sub(REVOKED));
        revoked
    }

    pub(super) fn identity_key(&self, account: &Account) -> Result<PublicKey, ClientError> {
        let (identity, issuing) = (&account.identity_certificate, &account.issuing_certificate);
        let verified = self.anchor.verify_identity(identity, issuing, Validity::Ignored);
        let verified = verified.map_err(|error| unbelievable(account, error))?;
        match PublicKey::from_spki_der(verified.spki_der()) {
            Ok(key) if key.uid() == account.uid => Ok(key),
            _ => Err(unbelievable(account, "the certificate is another identity's")),
        }
    }

    fn look_up(&mut self, subject: &Subject, lookup: &[u8]) -> Result<Found, ClientError> {
        let lookup = Lookup::from_bytes(lookup).map_err(Violation::from);
        let found = lookup.and_then(|lookup| self.log.auditor.check(subject, &lookup, self.now));
        self.log.change();
        if !self.log.auditor.is_complete() {
            // The head is ahead of the leaves: they are kept for the server, should it lose them.
            self.follow_log();
        }
        found.map_err(|violation| {
            let error = ClientError::new(ErrorKind::Alarm, format!("{subject} is not proven: {violation}"))
                .with_help("nothing is sent to whoever it may be; tell the host of the server");
            self.log_is_violated(violation);
            error
        })
    }

    /// The log says that this very certificate was issued for this name and uid; and a later one for the same key, that
    /// the key has asked for it.
    pub(super) fn check_issued(
        &self,
        account: &Account,
        key: &PublicKey,
        found: &Found,
    ) -> Result<(), ClientError> {
        let Ok(Body::IdentityIssued(issued)) = Body::read(found.leaf.kind, &found.body) else {
            return Err(unbelievable(account, OTHERWISE));
        };
        check_holder(account, &issued)?;
        let Some(signature) = issued.renewal else { return Ok(()) };
        self.check_renewal(account, key, found.leaf.seq, &signature).map_err(|why| unbelievable(account, why))
    }

    /// The key of an account has asked for a later certificate, in this place of the log.
    pub(super) fn check_renewal(
        &self,
        account: &Account,
        key: &PublicKey,
        seq: u32,
        signature: &[u8],
    ) -> Result<(), &'static str> {
        renewal::verify(key, &self.credentials.server, &account.name, seq, signature)
            .map_err(|_| "the key has not asked for the certificate that the log has")
    }

    fn check_list(
        &self,
        account: &Account,
        key: &PublicKey,
        signed: &SignedDeviceList,
    ) -> Result<DeviceList, ClientError> {
        let list = device_list::verify(key, &self.credentials.server, signed);
        list.map_err(|error| unbelievable(account, error))
    }
}

// This profile's own records.

impl Core {
    /// Whether the log has more about this profile than it has made.
    pub(super) fn check_own(&mut self) {
        let Some(own) = self.log.own else { return self.ask_proof(self.me().uid) };
        // Of the records under the name, for somebody may be asking for it, this device hears anew with each start.
        let unexplained = self.log.auditor.count(&own.name) > own.names();
        if unexplained && self.log.is_left_unexplained(self.now) {
            self.raise(Alarm::OwnKeys { reason: ANOTHER_CERTIFICATE.to_owned() });
        }
        if unexplained
            || own.names() > 1 && !self.log.own_name_is_read
            || own.lists == 0
            || self.log.auditor.count(&own.user) > own.lists.saturating_add(1)
        {
            self.ask_proof(self.me().uid);
        }
    }

    /// The own records are proven: all of them must be this user's.
    fn settle_own(&mut self, proven: &Proven, named: Option<&NameState>) {
        let Ok(name) = Lookup::from_bytes(&proven.name) else { return };
        let Some(person) = self.log.people.get(&self.me().uid).cloned() else { return };
        let (lists, Leaf { label, seq, .. }) = (person.version, name.entry.leaf);
        // Where all of them follow from each other, each is this user's, or about a wish for the name.
        let names = self.own_names().max(named.map_or(0, |_| seq));
        let later = names.saturating_sub(1);
        self.log.change().own = Some(OwnLabels { name: label, user: person.label, lists, later });
        match named {
            Some(state) => self.own_is_explained(state),
            None => self.raise(Alarm::OwnKeys { reason: ANOTHER_CERTIFICATE.to_owned() }),
        }
        if person.seq != lists.saturating_add(1) {
            let reason = "it has more records of your devices than you have signed".to_owned();
            return self.raise(Alarm::OwnKeys { reason });
        }
        match self.own_device() {
            Some(own) if lists == 0 => self.publish_devices(own),
            Some(own) if !person.devices.contains(&own) => {
                self.raise(Alarm::OwnKeys {
                    reason: "this device is not in your list of devices".to_owned(),
                });
            }
            _ => {}
        }
    }

    /// A log that stands still proves nothing, and accuses nobody while the certificate is the right one; of that there is
    /// an alarm already.
    fn own_is_not_proven(&mut self, proven: &Proven, error: &ClientError) {
        let is_frozen = self.log.auditor.check_fresh(self.now).is_err();
        let is_name = self.log.is_unexplained();
        if is_frozen && !is_name && self.identity_key(&proven.account).is_ok() {
            return;
        }
        let reason = if is_name { ANOTHER_CERTIFICATE.to_owned() } else { error.to_string() };
        self.raise(Alarm::OwnKeys { reason });
    }

    /// How many leaves under the own name are known to be this user's, or about a wish for it.
    pub(super) fn own_names(&self) -> u32 {
        self.log.own.map_or(1, |own| own.names())
    }

    pub(super) fn own_is_unproven(&mut self, refusal: &Refusal) {
        let reason = format!("the server does not prove your own keys: {refusal}");
        self.raise(Alarm::KeyLogBroken { reason });
    }

    fn own_device(&self) -> Option<ListedDevice> {
        let key = DeviceKey::from_pkcs8(&self.credentials.device_key).ok()?;
        Some(ListedDevice { did: self.me().did, key: key_hash(&key.public_point()) })
    }

    /// An account that is older than the log gets its first list.
    fn publish_devices(&mut self, own: ListedDevice) {
        let Ok(identity) = IdentityKey::from_pkcs8(&self.credentials.identity_key) else { return };
        let signed = device_list::sign(&identity, &self.credentials.server, 1, vec![own]);
        self.credentials.devices = Some(signed.clone());
        self.write(Write::Credentials(Box::new(self.credentials.clone())));
        self.ask(Request::PublishDevices(signed), Purpose::PublishDevices);
    }

    pub(super) fn handle_devices_published(&mut self) {
        self.follow_log();
    }

    pub(super) fn handle_devices_refused(&mut self, refusal: &Refusal) {
        match refusal.code {
            // Another device of this user was faster.
            Some(RefusalCode::DeviceList) => self.follow_log(),
            _ => self.emit(Event::Trouble(refusal.clone().into())),
        }
    }
}

fn is_about(issued: &IdentityIssued, account: &Account) -> bool {
    (issued.uid, &issued.name) == (account.uid, &account.name)
}

/// This very certificate was issued for this name and uid.
pub(super) fn check_holder(account: &Account, issued: &IdentityIssued) -> Result<(), ClientError> {
    let certificate = digest(&SHA256, &account.identity_certificate);
    match is_about(issued, account) && issued.certificate == certificate.as_ref() {
        true => Ok(()),
        false => Err(unbelievable(account, OTHERWISE)),
    }
}

/// What the leaves about somebody were made for: the server may lose it.
fn kept(proven: &Proven) -> Option<ProvenPerson> {
    let disclosed = |lookup: &[u8]| {
        let Opening { nonce, body } = Lookup::from_bytes(lookup).ok()?.entry.opening;
        Some(Disclosed { nonce, body: body.into() })
    };
    let name = proven.account.name.clone();
    Some(ProvenPerson { name, by_name: disclosed(&proven.name)?, by_uid: disclosed(&proven.user)? })
}

pub(super) fn unbelievable(account: &Account, why: impl std::fmt::Display) -> ClientError {
    let message = format!("what the server says of {} is not proven: {why}", account.name);
    ClientError::new(ErrorKind::Alarm, message)
        .with_help("nothing is sent to whoever it may be; tell the host of the server")
}

fn refused_after_fork(account: &Account) -> ClientError {
    let message = format!(
        "{} is new here, and the server has shown different key records to different people: nobody new is believed",
        account.name
    );
    ClientError::new(ErrorKind::Alarm, message)
        .with_help("keep the evidence beside your vault, and talk to the host over another channel")
}

#[cfg(test)]
impl Engine {
    /// What the log has said of people is forgotten.
    pub(super) fn forget_logged_people(&mut self) {
        self.cx.log.people.clear();
    }
}
