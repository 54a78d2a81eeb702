//! Device links: where a new device of a user finds the rendezvous with one that the user has, and the code that both know.

use std::fmt;
use std::str::FromStr;

use openchat_protocol::address::{Address, AddressError};
use openchat_protocol::{LinkSlot, ServerFingerprint};
use zeroize::Zeroizing;

const SCHEME: &str = "openchat://";
const PATH: &str = "/link#";
/// Crockford's base 32, in small letters: no two are mistaken for each other.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 40 bits, of which an attacker can try three values.
const LENGTH: usize = 8;

/// Text that is no device link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceLinkError {
    /// It is not of the form of these links.
    #[error("not the link of a device: it begins with `{SCHEME}` and has `{PATH}` in it")]
    Form,
    /// Host or port cannot be read.
    #[error("the link names no server: {0}")]
    Address(AddressError),
    /// The server's fingerprint cannot be read.
    #[error("the server fingerprint in the link is damaged: copy the whole link again")]
    Fingerprint,
    /// The code at the end cannot be read.
    #[error("the code at the end of the link is damaged: it looks like 123456-abcd-efgh")]
    Code,
}

/// What two devices of one user know and nobody else: the public number of the rendezvous, and a secret that is good
/// for three tries.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode {
    /// Where on the server they meet.
    pub slot: LinkSlot,
    secret: Zeroizing<String>,
}

impl LinkCode {
    /// A new secret for `slot`.
    pub fn generate(slot: LinkSlot) -> Self {
        let mut random = Zeroizing::new([0; LENGTH]);
        crate::certificate::fill_random(&mut *random);
        let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map_or('0', char::from);
        Self { slot, secret: Zeroizing::new(random.iter().map(letter).collect()) }
    }

    /// What the key exchange is keyed with.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }
}

/// As people read and type it: it shows the secret.
impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.secret.split_at_checked(LENGTH / 2).unwrap_or_default();
        write!(f, "{}-{first}-{second}", self.slot)
    }
}

/// Without the secret.
impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkCode({}-..)", self.slot)
    }
}

impl FromStr for LinkCode {
    type Err = DeviceLinkError;

    fn from_str(text: &str) -> Result<Self, DeviceLinkError> {
        let (slot, secret) = text.split_once('-').ok_or(DeviceLinkError::Code)?;
        let slot = slot.parse().map_err(|_| DeviceLinkError::Code)?;
        let secret: String = secret.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let secret = Zeroizing::new(secret);
        match secret.len() == LENGTH && secret.bytes().all(|letter| LETTERS.contains(&letter)) {
            true => Ok(Self { slot, secret }),
            false => Err(DeviceLinkError::Code),
        }
    }
}

/// `openchat://host:port/link#<fingerprint>.<code>`. What follows `#` is a secret: it is shown by `Display`, which makes
/// the link, and by nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceLink {
    /// A DNS name or an IP address (IPv6 without brackets), and the TCP port.
    pub address: Address,
    /// The only server that may answer.
    pub server: ServerFingerprint,
    /// The code.
    pub code: LinkCode,
}

impl DeviceLink {
    /// Whether `text` is of this kind rather than an invite, whole or damaged.
    pub fn is_meant(text: &str) -> bool {
        text.contains(PATH)
    }
}

impl fmt::Display for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{PATH}{}.{}", self.address, self.server, self.code)
    }
}

impl fmt::Debug for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceLink({}, {:?}, {:?})", self.address, self.server, self.code)
    }
}

impl FromStr for DeviceLink {
    type Err = DeviceLinkError;

    fn from_str(text: &str) -> Result<Self, DeviceLinkError> {
        let text = text.trim().strip_prefix(SCHEME).ok_or(DeviceLinkError::Form)?;
        let (address, secret) = text.split_once(PATH).ok_or(DeviceLinkError::Form)?;
        let (server, code) = secret.split_once('.').ok_or(DeviceLinkError::Code)?;
        Ok(Self {
            address: address.parse().map_err(DeviceLinkError::Address)?,
            server: server.parse().map_err(|_| DeviceLinkError::Fingerprint)?,
            code: code.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_links_are_read_as_they_were_written() {
        for address in ["chat.example:7443", "192.0.2.1:1", "[2001:db8::1]:7443"] {
            let link = DeviceLink {
                address: address.parse().unwrap(),
                server: ServerFingerprint([7; 32]),
                code: LinkCode::generate(LinkSlot(123_456)),
            };
            assert_eq!(format!(" {link}\n").parse(), Ok(link.clone()));
            assert!(DeviceLink::is_meant(&link.to_string()));
            assert!(!format!("{link:?}").contains(link.code.secret.as_str()), "the secret is not shown");
        }
    }

    #[test]
    fn a_code_is_typed_in_any_case_and_with_any_dashes() {
        let code: LinkCode = "123456-abcd-efgh".parse().unwrap();
        assert_eq!("123456-ABCDEFGH".parse(), Ok(code));
        for bad in ["", "123456", "x-abcdefgh", "123456-abcdefg", "123456-abcdefgu", "123456-abcdefghj"] {
            assert_eq!(bad.parse::<LinkCode>(), Err(DeviceLinkError::Code), "{bad}");
        }
    }

    #[test]
    fn what_is_no_device_link_says_why() {
        let refused = |text: &str| text.parse::<DeviceLink>().unwrap_err();
        assert_eq!(refused("https://host:1/link#x.1-abcdefgh"), DeviceLinkError::Form);
        assert_eq!(refused("openchat://host:1/#x.-.y"), DeviceLinkError::Form);
        assert_eq!(
            refused("openchat://host/link#x.1-abcdefgh"),
            DeviceLinkError::Address(AddressError::NoPort)
        );
        assert_eq!(refused("openchat://host:1/link#x.1-abcdefgh"), DeviceLinkError::Fingerprint);
        assert_eq!(refused("openchat://host:1/link#x"), DeviceLinkError::Code);
    }
}
