//! Invites: a link that names the server, its fingerprint and a secret, of which the server learns only a part.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{self, HKDF_SHA256};
use data_encoding::BASE64URL_NOPAD;
use openchat_protocol::address::{Address, AddressError};
use openchat_protocol::{InviteHash, ServerFingerprint, Uid};
use zeroize::Zeroizing;

const SCHEME: &str = "openchat://";
const SALT: &[u8] = b"OpenChat invite v1";

/// Text that is no invite link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin with `openchat://`.
    #[error("not an invite link: it begins with `{SCHEME}`")]
    Scheme,
    /// The part after `#` is missing: often the shell took it for a comment.
    #[error("the link ends before its `#`: copy all of it, and put it in quotes on a command line")]
    Fragment,
    /// Host or port cannot be read.
    #[error("the link names no server: {0}")]
    Address(AddressError),
    /// The server's fingerprint cannot be read.
    #[error("the server fingerprint in the link is damaged: copy the whole link again")]
    Fingerprint,
    /// The inviter cannot be read.
    #[error("the inviter in the link is damaged: copy the whole link again")]
    Inviter,
    /// The secret at the end cannot be read.
    #[error("the end of the link is missing or damaged: copy the whole link again")]
    Token,
}

/// The secret of an invite, 128 bits. Two secrets are made of it: one redeems the invite at the server, the other
/// never leaves the two clients and proves to the inviter who has come.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteToken(Zeroizing<[u8; 16]>);

impl InviteToken {
    /// A new random secret.
    pub fn generate() -> Self {
        let mut token = Zeroizing::new([0; 16]);
        crate::certificate::fill_random(&mut *token);
        Self(token)
    }

    /// What is sent to the server to redeem the invite.
    pub fn redeem(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"redeem")
    }

    /// What the server keeps, made when the invite is.
    pub fn redeem_hash(&self) -> InviteHash {
        hash_redeem(&*self.redeem())
    }

    /// The key with which the two clients recognise each other. Never sent.
    pub fn mac_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"mac")
    }

    fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let info = [purpose];
        let filled = hkdf::Salt::new(HKDF_SHA256, SALT)
            .extract(&*self.0)
            .expand(&info, HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key));
        #[expect(clippy::expect_used, reason = "32 bytes are less than the 255 blocks that RFC 5869 allows")]
        filled.expect("a short HKDF output");
        key
    }
}

impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteToken(..)")
    }
}

/// How the server recognises the `redeem` secret of an invite.
pub fn hash_redeem(redeem: &[u8]) -> InviteHash {
    InviteHash(*digest(&SHA256, redeem).as_ref().first_chunk().unwrap_or(&[0; 32]))
}

/// `openchat://host:port/#<fingerprint>.<inviter or ->.<token>`. What follows `#` is a secret: it is shown by
/// `Display`, which makes the link, and by nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// A DNS name or an IP address (IPv6 without brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The only server that may answer.
    pub server: ServerFingerprint,
    /// Who invites; absent in an invite that vouches for nobody.
    pub inviter: Option<Uid>,
    /// The secret.
    pub token: InviteToken,
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inviter = self.inviter.map_or("-".to_owned(), |uid| uid.to_string());
        let token = Zeroizing::new(BASE64URL_NOPAD.encode(&*self.token.0));
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let (host, port, server) = (&self.host, self.port, self.server);
        write!(f, "{SCHEME}{open}{host}{close}:{port}/#{server}.{inviter}.{}", *token)
    }
}

impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InviteLink({}:{}, {:?}, ..)", self.host, self.port, self.server)
    }
}

impl FromStr for InviteLink {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text = text.trim().strip_prefix(SCHEME).ok_or(InviteError::Scheme)?;
        let (address, secret) = text.split_once('#').ok_or(InviteError::Fragment)?;
        let address: Address =
            address.strip_suffix('/').unwrap_or(address).parse().map_err(InviteError::Address)?;
        let (host, port) = (address.host().to_owned(), address.port());
        let mut parts = secret.split('.');
        let mut next = |error| parts.next().ok_or(error);
        let server = next(InviteError::Fingerprint)?.parse().map_err(|_| InviteError::Fingerprint)?;
        let inviter = parse_inviter(next(InviteError::Inviter)?)?;
        let token = parse_token(next(InviteError::Token)?)?;
        parts.next().map_or(Ok(Self { host, port, server, inviter, token }), |_| Err(InviteError::Token))
    }
}

fn parse_inviter(text: &str) -> Result<Option<Uid>, InviteError> {
    if text == "-" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| InviteError::Inviter)
}

fn parse_token(text: &str) -> Result<InviteToken, InviteError> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InviteError::Token)?);
    let token = bytes.as_slice().try_into().map_err(|_| InviteError::Token)?;
    Ok(InviteToken(Zeroizing::new(token)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(host: &str, inviter: Option<Uid>) -> InviteLink {
        let server = ServerFingerprint([7; 32]);
        InviteLink { host: host.into(), port: 7440, server, inviter, token: InviteToken::generate() }
    }

    #[test]
    fn links_are_read_as_they_were_written() {
        for (host, inviter) in [
            ("chat.example", None),
            ("192.0.2.1", Some(Uid([9; 16]))),
            ("2001:db8::1", None),
            ("localhost", None),
        ] {
            let link = link(host, inviter);
            assert_eq!(format!("  {link}\n").parse(), Ok(link));
        }
        assert!(link("::1", None).to_string().starts_with("openchat://[::1]:7440/#"));
    }

    #[test]
    fn each_damage_has_its_name() {
        let good = link("chat.example", None).to_string();
        let (address, secret) = good.split_once('#').unwrap();
        let token = secret.rsplit_once('.').unwrap().1;
        let fingerprint = secret.split_once('.').unwrap().0;
        for (text, error) in [
            (good.replace("openchat", "https"), InviteError::Scheme),
            (address.to_owned(), InviteError::Fragment),
            (good.replace(":7440", ""), InviteError::Address(AddressError::NoPort)),
            (good.replace(":7440", ":0"), InviteError::Address(AddressError::Port)),
            (good.replace(":7440", ":99999"), InviteError::Address(AddressError::Port)),
            (good.replace("chat.example", "chat example"), InviteError::Address(AddressError::Host)),
            (good.replace("chat.example", "::1"), InviteError::Address(AddressError::Brackets)),
            (good.replace(fingerprint, &fingerprint[1..]), InviteError::Fingerprint),
            (good.replace(".-.", ".x."), InviteError::Inviter),
            (good.replace(token, &token[1..]), InviteError::Token),
            (good.replace(&format!(".{token}"), ""), InviteError::Token),
            (format!("{good}.more"), InviteError::Token),
        ] {
            assert_eq!(text.parse::<InviteLink>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_secrets_of_a_token_differ_and_are_not_shown() {
        let link = link("chat.example", None);
        let token = &link.token;
        assert_ne!(token.redeem(), token.mac_key());
        assert_eq!(token.redeem_hash(), hash_redeem(&*token.redeem()));
        let text = link.to_string();
        let secret = text.rsplit_once('.').unwrap().1;
        assert!(!format!("{link:?} {token:?}").contains(secret));
    }

    #[test]
    fn derivation_is_hkdf_sha256() {
        let token = InviteToken(Zeroizing::new([0; 16]));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SALT);
        let prk = aws_lc_rs::hmac::sign(&key, &[0; 16]);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, prk.as_ref());
        assert_eq!(token.redeem().as_slice(), aws_lc_rs::hmac::sign(&key, b"redeem\x01").as_ref());
    }

    proptest! {
        #[test]
        fn any_text_is_a_link_or_an_error(text in "(openchat://)?.{0,40}[#.]{0,2}.{0,40}") {
            if let Ok(link) = text.parse::<InviteLink>() {
                prop_assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }
}
