//! Every limit of the protocol, in one place. Sizes in bytes. Both ends enforce them.

/// A frame on an authenticated connection.
pub const FRAME: usize = 4 << 20;
/// A frame before login: enough for a certificate chain, too little to hurt.
pub const FRAME_BEFORE_LOGIN: usize = 64 << 10;
/// A sealed message (RFC 9420 PrivateMessage) in the log.
pub const MESSAGE: usize = 64 << 10;
/// A commit in the log.
pub const COMMIT: usize = 1 << 20;
/// A GroupInfo without its ratchet tree.
pub const GROUP_INFO: usize = 64 << 10;
/// An exported ratchet tree: 4.4 KiB for each of [`ROOM_DEVICES`].
pub const TREE: usize = 5 << 19;
/// Nodes of a ratchet tree: with blanks up to twice as many as those of [`ROOM_DEVICES`] leaves.
pub const TREE_NODES: usize = 4 * ROOM_DEVICES;
/// One Welcome message.
pub const WELCOME: usize = 256 << 10;
/// Welcomes in one commit.
pub const WELCOMES: usize = 64;
/// A key package.
pub const KEY_PACKAGE: usize = 16 << 10;
/// Cipher suites of one device's key packages.
pub const KEY_PACKAGE_SUITES: usize = 4;
/// Key packages in one upload, and kept per device and suite.
pub const KEY_PACKAGES: usize = 100;
/// Below this many key packages a device uploads more.
pub const KEY_PACKAGES_LOW: u32 = 20;
/// A certificate or a certificate signing request.
pub const CERTIFICATE: usize = 4 << 10;
/// Devices (leaves) in a room.
pub const ROOM_DEVICES: usize = 500;
/// Rooms one user may be in.
pub const ROOMS_PER_USER: usize = 500;
/// Devices of one user.
pub const DEVICES_PER_USER: usize = 16;
/// Rooms in one listing.
pub const LISTED_ROOMS: usize = 1000;
/// Users whose group one joiner doubts at once.
pub const DOUBTED: usize = 8;
/// Administrators of a room.
pub const ADMINISTRATORS: usize = 100;
/// Requests of one connection that wait for their answer.
pub const REQUESTS_IN_FLIGHT: usize = 64;
/// Records in one page of a room's log.
pub const PAGE_RECORDS: usize = 256;
/// Bytes of records after which a page is closed.
pub const PAGE_BYTES: usize = 512 << 10;
/// Open invites of one user.
pub const INVITES_PER_USER: usize = 100;
/// A message between two devices that are being linked.
pub const LINK_MESSAGE: usize = 32 << 10;
/// Such messages that wait for one end.
pub const LINK_QUEUE: usize = 4;
/// Tries of one rendezvous.
pub const LINK_TRIES: u8 = 3;
/// Leaves in one page of the key log.
pub const LOG_PAGE: usize = 2048;
/// The same before login.
pub const LOG_PAGE_BEFORE_LOGIN: usize = 512;
/// Commits one device may append to one room within a minute.
pub const COMMITS_PER_MINUTE: u32 = 30;
