//! How long the authority's certificates are valid, and when their host has to be told.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use openchat_protocol::{Timestamp, Uid};

use super::Authority;
use crate::profile::{Profile, Role};
use crate::trust::{Newest, readable};

/// A certificate of the authority, and from when to when it is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// First root, successor or issuing.
    pub role: Role,
    /// SHA-256 over the certificate, DER.
    pub certificate: [u8; 32],
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub until: Timestamp,
}

/// A certificate that ends so soon that something has to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending(Term);

impl Authority {
    /// The certificate of the newest root, and the issuing certificate.
    pub fn terms(&self) -> [Term; 2] {
        let certificate = hash(&self.issuing.certificate);
        let issuing =
            Term { role: Role::Issuing, certificate, from: self.issuing.from, until: self.issuing.until };
        [self.root, issuing]
    }

    /// Certificates that end before an identity would that is issued now: no chain is valid for longer than the first
    /// of its certificates.
    pub fn endings(&self, now: Timestamp) -> Vec<Ending> {
        let ends = now.plus(identity_lifetime());
        self.terms().into_iter().filter(|term| term.until < ends).map(Ending).collect()
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { role, until, .. } = self.0;
        write!(f, "the {role} certificate ends on {}, and ", readable(until))?;
        f.write_str(match role {
            Role::Root | Role::Successor => {
                "everything below it then: nobody can connect afterwards: openchat admin authority rotate-root"
            }
            _ => "every identity below it then: openchat admin authority rotate-issuing",
        })
    }
}

impl Term {
    pub(super) fn of_root(root: &Newest<'_>) -> Self {
        let (role, from, until) = root.term();
        Self { role, certificate: hash(root.der), from, until }
    }
}

fn identity_lifetime() -> Duration {
    Profile::Identity(Uid([0; 16])).lifetime()
}

pub(super) fn hash(certificate: &[u8]) -> [u8; 32] {
    *digest(&SHA256, certificate).as_ref().first_chunk().unwrap_or(&[0; 32])
}
