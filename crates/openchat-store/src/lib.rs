//! What the server remembers: accounts, devices, invites, rooms and their logs, key packages, Welcomes,
//! and the log of keys.
//!
//! [`Store`] says what can be asked. [`SqliteStore`] keeps it on disk; [`MemoryStore`] keeps it as long as it lives and
//! shows that the rules of the trait are the trait's, not SQLite's: the module
//! `contract`, behind the feature of that name, holds both to them.

pub mod account;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod counts;
pub mod device;
mod effect;
mod error;
pub mod group;
mod incarnation;
pub mod invite;
pub mod key_log;
pub mod key_package;
pub mod lost;
mod memory;
pub mod reset;
pub mod room;
pub mod room_log;
mod sqlite;
mod store;
pub mod sweep;
pub mod welcome;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use sqlite::{OpenError, SqliteStore};
pub use store::Store;
