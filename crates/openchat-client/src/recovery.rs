//! The recovery kit: a file that twelve words open, and from which a profile is made anew on another machine.

use std::path::Path;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use openchat_e2ee::RoomKey;
use openchat_identity::recovery::SealedKitError;
use openchat_identity::{IdentityKey, Password, RecoveryCode, TrustAnchor};
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Address, Genesis, RoomId, RoomName, ServerFingerprint, UserName, codec};
use zeroize::{Zeroize, Zeroizing};

use crate::belongings::Belongings;
use crate::connection::Server;
use crate::enrol::{Enrolled, Enrolment, Origin, in_thread};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Membership, Profile};
use crate::folder::ProfileFolder;
use crate::vault::{Contact, Credentials, Loaded, RoomRecord, Vault};

const FORMAT: u32 = 1;

/// What is sealed in the file.
#[derive(Encode, Decode)]
struct Kit {
    #[n(0)]
    format: u32,
    #[n(1)]
    host: String,
    #[n(2)]
    port: u16,
    #[n(3)]
    server: ServerFingerprint,
    #[n(4)]
    name: UserName,
    /// PKCS#8.
    #[n(5)]
    identity_key: ByteVec,
    #[n(6)]
    rooms: Vec<KeptRoom>,
    #[n(7)]
    contacts: Vec<Contact>,
    /// What this user was shown of the log of keys.
    #[n(8)]
    head: Option<SeenHead>,
}

/// A room to come back to.
#[derive(Encode, Decode)]
struct KeptRoom {
    #[n(0)]
    room: RoomId,
    #[n(1)]
    name: RoomName,
    #[n(2)]
    listed: bool,
    /// Of a private room: opens what is needed to come in.
    #[n(3)]
    key: Option<ByteArray<32>>,
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.identity_key.zeroize();
        self.rooms.iter_mut().filter_map(|room| room.key.as_mut()).for_each(|key| key.zeroize());
    }
}

/// A profile that was made of a kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The profile, with a device of its own.
    pub profile: Profile,
    /// The rooms of the kit, to which its client goes back by itself.
    pub rooms: Vec<RoomName>,
}

/// A new code, and the content of the file that it opens: the identity key of the profile in `folder`, where its server
/// is, the rooms it is in, who is known, and what was shown of the log of keys. Needs no connection. What was made
/// earlier still opens with its own code.
pub fn make_kit(folder: &Path, password: &Password) -> Result<(RecoveryCode, String), ClientError> {
    let folder = ProfileFolder::lock(folder)?;
    let loaded = Vault::open(folder.path(), password)?.load()?;
    let kit = Kit::of(&loaded);
    let code = RecoveryCode::generate();
    let text = [preface(&loaded.credentials), code.seal(&Zeroizing::new(codec::encode(&kit)))].concat();
    // Whoever needs it has nothing else.
    open(&text, &code)?;
    Ok((code, text))
}

/// For whoever finds the file. Nothing of it is believed.
fn preface(credentials: &Credentials) -> String {
    let Credentials { name, host, port, .. } = credentials;
    format!(
        "OpenChat recovery kit of {name} on {host}:{port}\n\
         Twelve words open it, which are not in it: openchat recovery restore THIS-FILE\n\n"
    )
}

impl Kit {
    fn of(Loaded { credentials, rooms, contacts, key_log, .. }: &Loaded) -> Self {
        let is_in = rooms.iter().map(|room| &room.record).filter(|it| it.membership == Membership::Member);
        Self {
            format: FORMAT,
            host: credentials.host.clone(),
            port: credentials.port,
            server: credentials.server,
            name: credentials.name.clone(),
            identity_key: credentials.identity_key.clone(),
            rooms: is_in.map(KeptRoom::of).collect(),
            contacts: contacts.clone(),
            head: key_log.state.as_ref().zip(genesis(credentials)).and_then(|(log, it)| log.head(it)),
        }
    }
}

/// Nothing for a vault whose root certificate cannot be read; then its client does not start either.
fn genesis(credentials: &Credentials) -> Option<Genesis> {
    TrustAnchor::from_root(&credentials.root).ok().map(|anchor| anchor.genesis_record())
}

impl KeptRoom {
    fn of(record: &RoomRecord) -> Self {
        let RoomRecord { room, name, listed, room_key, .. } = record;
        let key = room_key.as_ref().map(|key| ByteArray::from(*key.as_bytes()));
        Self { room: *room, name: name.clone(), listed: *listed, key }
    }

    /// As if this device were about to come in from outside.
    fn record(&self) -> RoomRecord {
        let room_key = self.key.as_ref().map(|key| RoomKey::from_bytes(**key));
        let fresh = RoomRecord::new(self.room, self.name.clone(), self.listed, Membership::Joining);
        RoomRecord { room_key, ..fresh }
    }
}

/// Makes a profile in `folder` of a kit, with a new device that the server and everybody else know by the identity key.
/// `address` is where the server is now, if it has moved. The devices of before stay what they are. Blocks for as long as
/// it takes; may be called from anywhere, and again after a failure.
pub fn restore(
    folder: &Path,
    kit: &str,
    code: &RecoveryCode,
    address: Option<&Address>,
    password: &Password,
) -> Result<Restored, ClientError> {
    let kit = open(kit, code)?;
    let identity = IdentityKey::from_pkcs8(&kit.identity_key).map_err(|error| damaged(&error))?;
    let (host, port) = address.map_or((kit.host.as_str(), kit.port), |it| (it.host(), it.port()));
    let server = Server { host: host.to_owned(), port, fingerprint: kit.server };
    let rooms = kit.rooms.iter().map(KeptRoom::record).collect();
    let origin = Origin::Kit(&identity, Belongings { rooms, contacts: &kit.contacts, head: kit.head });
    let folder = ProfileFolder::lock(folder)?;
    let enrolment = Enrolment { folder, server, name: &kit.name, password, origin };
    let Enrolled { profile, .. } = in_thread(enrolment.run())?;
    Ok(Restored { profile, rooms: kit.rooms.iter().map(|room| room.name.clone()).collect() })
}

fn open(text: &str, code: &RecoveryCode) -> Result<Kit, ClientError> {
    let bytes = code.open(text).map_err(|error| {
        let kind = match error {
            SealedKitError::NotAKit => ErrorKind::Usage,
            SealedKitError::OtherCode => ErrorKind::WrongPassword,
        };
        ClientError::new(kind, error.to_string())
    })?;
    let kit: Kit = codec::decode(&bytes).map_err(|error| damaged(&error))?;
    match kit.format {
        FORMAT => Ok(kit),
        format => {
            let message =
                format!("this recovery kit has the format {format}, which this version does not know");
            Err(ClientError::new(ErrorKind::Version, message).with_help("update OpenChat"))
        }
    }
}

fn damaged(error: &dyn std::fmt::Display) -> ClientError {
    ClientError::new(ErrorKind::Damaged, format!("this recovery kit is damaged: {error}"))
        .with_help("take another copy of it")
}
