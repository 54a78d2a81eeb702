//! How long the authority's certificates are valid, and when their host has to be told.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use openchat_protocol::{Timestamp, Uid};

use super::Authority;
use crate::profile::{Profile, Role};
use crate::trust::readable;

/// A certificate of the authority, and from when to when it is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Root or issuing.
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
    /// The root certificate, and the issuing certificate.
    pub fn terms(&self) -> [Term; 2] {
        let (from, until) = self.anchor.dates();
        let root = Term { role: Role::Root, certificate: hash(self.root_certificate()), from, until };
        let certificate = hash(&self.issuing.certificate);
        let issuing =
            Term { role: Role::Issuing, certificate, from: self.issuing.from, until: self.issuing.until };
        [root, issuing]
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
            Role::Root => "this server with it: nobody can connect afterwards; make another server before",
            _ => "every identity below it then: openchat admin authority rotate-issuing",
        })
    }
}

fn identity_lifetime() -> Duration {
    Profile::Identity(Uid([0; 16])).lifetime()
}

fn hash(certificate: &[u8]) -> [u8; 32] {
    *digest(&SHA256, certificate).as_ref().first_chunk().unwrap_or(&[0; 32])
}
