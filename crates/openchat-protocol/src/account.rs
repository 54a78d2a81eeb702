//! Accounts, devices, invites and key packages as they cross the wire.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::address::Address;
use crate::device_list::SignedDeviceList;
use crate::ids::{DeviceId, Did, Incarnation, InviteHash, RoomId, ServerFingerprint, Uid};
use crate::names::{RoomName, UserName};
use crate::room::JoinedRoom;
use crate::time::Timestamp;

/// The first request of every connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The newest protocol version the client speaks.
    #[n(0)]
    pub version: u16,
    /// The oldest one it still speaks.
    #[n(1)]
    pub oldest_version: u16,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RegistrationPolicy {
    /// Only with an invite (the default).
    #[n(0)]
    InviteOnly,
    /// Anybody.
    #[n(1)]
    Open,
    /// Nobody.
    #[n(2)]
    Closed,
}

/// The server's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Greeting {
    /// The version both speak from here on.
    #[n(0)]
    pub version: u16,
    /// The server's identity; the client has already checked it in the TLS handshake.
    #[n(1)]
    pub server: ServerFingerprint,
    /// The life of the database.
    #[n(2)]
    pub incarnation: Incarnation,
    /// The server's clock.
    #[n(3)]
    pub time: Timestamp,
    /// Who may register.
    #[n(4)]
    pub registration: RegistrationPolicy,
    /// 32 random bytes, good for one login on this connection within 30 s.
    #[n(5)]
    pub nonce: ByteVec,
    /// Where others reach the server, if its host has said so: what stands in invite links.
    #[n(6)]
    pub address: Option<Address>,
    /// The host has restored an older copy of the database: for so many milliseconds the server takes back what it has
    /// lost, and nothing new.
    #[n(7)]
    pub takes_back: Option<u64>,
}

/// Makes an account. Allowed before login.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Register {
    /// The wanted name.
    #[n(0)]
    pub name: UserName,
    /// PKCS#10 (RFC 2986), DER, signed by the identity key.
    #[n(1)]
    pub csr: ByteVec,
    /// The `redeem` secret of an invite (32 bytes).
    #[n(2)]
    pub redeem: Option<ByteVec>,
}

/// The account was made.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Registered {
    /// X.509, DER.
    #[n(0)]
    pub identity_certificate: ByteVec,
    /// The certificates of the authority above it, DER, one directly behind the other: the issuing one, then those of
    /// successors of the first root, the newest first.
    #[n(1)]
    pub issuing_certificate: ByteVec,
    /// The room the invite was for.
    #[n(2)]
    pub room: Option<RoomName>,
    /// The newest list of the account's devices, when the account was there already.
    #[n(3)]
    pub devices: Option<SignedDeviceList>,
}

/// Asks for another certificate of the same identity key, when the present one ends soon or has ended. Allowed before
/// login: the identity key signs it. → [`Registered`], with the present one when that is good for longer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RenewIdentity {
    /// Whose.
    #[n(0)]
    pub uid: Uid,
    /// The number of the leaf that the log of keys gets for it, among those of the account's name.
    #[n(1)]
    pub seq: u32,
    /// ECDSA P-384 / SHA-384 (ASN.1 DER) by the identity key (docs/transparency.md, K28).
    #[n(2)]
    pub signature: ByteVec,
}

/// Makes a device known. Allowed before login: the certificate, signed by the identity key, speaks for itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EnrolDevice {
    /// X.509, DER: device, identity, issuing.
    #[n(0)]
    pub chain: Vec<ByteVec>,
    /// The user's devices with this one among them. Not needed when the log's newest list has it already.
    #[n(1)]
    pub list: Option<SignedDeviceList>,
}

/// Proves possession of the device key, on this very connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Login {
    /// ECDSA P-384 / SHA-384 (ASN.1 DER) over the login message (docs/protocol.md §Login).
    #[n(0)]
    pub signature: ByteVec,
}

/// The device is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoggedIn {
    /// Who the server says this is.
    #[n(0)]
    pub device: DeviceId,
    /// The account's name.
    #[n(1)]
    pub name: UserName,
    /// Key packages of this device that are left on the server. A suite with none at all is missing.
    #[n(2)]
    pub key_packages: Vec<KeyPackageCount>,
    /// Rooms of this device, by the server's mirror.
    #[n(3)]
    pub rooms: Vec<JoinedRoom>,
}

/// Makes an invite; its token never reaches the server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CreateInvite {
    /// SHA-256 over the `redeem` secret.
    #[n(0)]
    pub hash: InviteHash,
    /// From when on it is refused.
    #[n(1)]
    pub expires: Timestamp,
    /// How many accounts it makes.
    #[n(2)]
    pub uses: u32,
    /// The listed room that the invited joins.
    #[n(3)]
    pub room: Option<RoomName>,
}

/// Whom to look up.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum AccountSelector {
    /// By identifier.
    #[n(0)]
    Uid(#[n(0)] Uid),
    /// By name.
    #[n(1)]
    Name(#[n(0)] UserName),
}

/// A user as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// Self-certifying identifier.
    #[n(0)]
    pub uid: Uid,
    /// The name on this server.
    #[n(1)]
    pub name: UserName,
    /// X.509, DER.
    #[n(2)]
    pub identity_certificate: ByteVec,
    /// The certificates of the authority above it, DER, one directly behind the other: the issuing one, then those of
    /// successors of the first root, the newest first.
    #[n(3)]
    pub issuing_certificate: ByteVec,
}

/// What the server has of a device's key packages for one cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeyPackageCount {
    /// The cipher suite (RFC 9420 §17.1).
    #[n(0)]
    pub suite: u16,
    /// One-time packages that nobody has claimed yet.
    #[n(1)]
    pub one_time: u32,
}

/// Asks for one key package of each device of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ClaimKeyPackages {
    /// Whose.
    #[n(0)]
    pub uid: Uid,
    /// The cipher suite of the room they are for.
    #[n(1)]
    pub suite: u16,
    /// Of this device alone.
    #[n(2)]
    pub device: Option<Did>,
}

/// Key packages of one cipher suite, for others to add this device while it is away.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PublishKeyPackages {
    /// Each is handed out once (RFC 9420 §16.8).
    #[n(0)]
    pub one_time: Vec<ByteVec>,
    /// Handed out again and again when the others are gone; replaces the one before of this suite.
    #[n(1)]
    pub last_resort: Option<ByteVec>,
    /// Their cipher suite.
    #[n(2)]
    pub suite: u16,
}

/// One device's key package, claimed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimedKeyPackage {
    /// Whose.
    #[n(0)]
    pub device: DeviceId,
    /// The MLS key package message.
    #[n(1)]
    pub key_package: ByteVec,
}

/// Says that a Welcome was used, or cannot be, and may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AcknowledgeWelcome {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// The sequence of the commit that came with it.
    #[n(1)]
    pub sequence: u64,
    /// Whether the device came in by it; if not, the server takes it for no member any more.
    #[n(2)]
    pub joined: bool,
}
