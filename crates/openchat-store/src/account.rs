//! Accounts: a name and an identity key, made once, with an invite or without.

use openchat_protocol::account::Account;
use openchat_protocol::{Timestamp, Uid, UserName};

use crate::StoreError;
use crate::key_log::NewLeaf;

/// An account that is to be made. Its certificates have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The hash of the identity key.
    pub uid: Uid,
    /// The wanted name.
    pub name: UserName,
    /// SubjectPublicKeyInfo of the identity key, DER.
    pub identity_spki: Vec<u8>,
    /// X.509, DER.
    pub identity_certificate: Vec<u8>,
    /// The certificates of the authority above it, as the protocol has them.
    pub issuing_certificate: Vec<u8>,
    /// What the log of keys says about it: under its name, and under its uid.
    pub log: [NewLeaf; 2],
}

/// Another certificate for the key of an account. It has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// Whose.
    pub uid: Uid,
    /// X.509, DER.
    pub identity_certificate: Vec<u8>,
    /// The certificates of the authority above it, as the protocol has them.
    pub issuing_certificate: Vec<u8>,
    /// What the log of keys says about it, under the account's name.
    pub leaf: NewLeaf,
    /// The number that this leaf must get among those of its label.
    pub seq: u32,
}

/// An account as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// What others may see.
    pub account: Account,
    /// SubjectPublicKeyInfo of the identity key, DER.
    pub identity_spki: Vec<u8>,
    /// An administrator has disabled it.
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its name is another key's by now.
    pub retired: bool,
}

/// Why no account was made. When several reasons apply the first in this order is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateAccountError {
    /// This key has an account already: perhaps the caller's own, made by a request whose answer was lost.
    #[error("this key has an account already: log in with it, or register with another key")]
    KeyTaken,
    /// No such invite.
    #[error("this invite is unknown here: ask for another one")]
    InviteUnknown,
    /// The invite has made all its accounts.
    #[error("this invite has been used: ask for another one")]
    InviteUsed,
    /// The invite is too old.
    #[error("this invite has expired: ask for another one")]
    InviteExpired,
    /// The name, or one that looks like it, is taken.
    #[error("this name, or one that looks like it, is taken")]
    NameTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account got no other certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewAccountError {
    /// No such account.
    #[error("this user has no account here: register first")]
    AccountUnknown,
    /// The log has not as many leaves of the name as the identity key knows of.
    #[error("the log of keys has {known} records under this name, which is not what this device knows of")]
    Place {
        /// How many it has.
        known: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
