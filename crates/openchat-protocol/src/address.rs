//! Where a server is reached, `host:port`: checked once, then a type.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

/// The longest DNS name (RFC 1035 §2.3.4).
const LONGEST: usize = 253;

/// Text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `:` with something behind it.
    #[error("the port is missing: write HOST:PORT, as in chat.example.org:7443")]
    NoPort,
    /// What stands behind the last `:` is no port.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// An IPv6 address without brackets, or brackets around something else.
    #[error("an IPv6 address stands in brackets, and only that: [2001:db8::7]:7443")]
    Brackets,
    /// Nothing before the `:`.
    #[error("the host is missing: write HOST:PORT, as in chat.example.org:7443")]
    NoHost,
    /// Neither a name nor an address.
    #[error("the host must be a name such as chat.example.org, or an IP address")]
    Host,
}

/// A DNS name or IP address, and a port. Written with brackets around an IPv6 address (RFC 3986 §3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// `host` without brackets.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        if port == 0 {
            return Err(AddressError::Port);
        }
        check_host(host).map(|()| Self { host: host.to_owned(), port })
    }

    /// The name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// From 1 on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it leads nowhere but to the machine it is used on.
    pub fn is_loopback(&self) -> bool {
        let ipv4 = || self.host.parse().is_ok_and(|it: Ipv4Addr| it.is_loopback() || it.is_unspecified());
        let ipv6 = || self.host.parse().is_ok_and(|it: Ipv6Addr| it.is_loopback() || it.is_unspecified());
        self.host.eq_ignore_ascii_case("localhost") || ipv4() || ipv6()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        if host.contains('/') {
            return Err(AddressError::Host);
        }
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if inside.is_some() != host.contains([':', '[', ']']) {
            return Err(AddressError::Brackets);
        }
        if inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_err()) {
            return Err(AddressError::Brackets);
        }
        // `+7443` is a number for the standard library.
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or(AddressError::Port)?;
        Self::new(inside.unwrap_or(host), port)
    }
}

fn check_host(host: &str) -> Result<(), AddressError> {
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    // A last label of digits makes it an IPv4 address, good or bad (WHATWG URL, "ends in a number").
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_numeric = labels.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    let good = match is_numeric {
        true => host.parse::<Ipv4Addr>().is_ok(),
        false => host.len() <= LONGEST && labels.split('.').all(is_label),
    };
    if good || host.parse::<Ipv6Addr>().is_ok() { Ok(()) } else { Err(AddressError::Host) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl<C> Encode<C> for Address {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Address {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.str()?.parse().map_err(|error: AddressError| decode::Error::message(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in
            ["chat.example.org:7443", "localhost:1", "192.0.2.7:65535", "[2001:db8::7]:7443", "a_b-c.:9"]
        {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        use AddressError as E;
        for (bad, why) in [
            ("", E::NoPort),
            ("a b", E::NoPort),
            ("chat.example.org", E::NoPort),
            ("a b:7443", E::Host),
            (":7443", E::NoHost),
            ("host:", E::Port),
            ("host:0", E::Port),
            ("host:+1", E::Port),
            ("host:65536", E::Port),
            ("[]:1", E::Brackets),
            ("[host]:1", E::Brackets),
            ("[::1:1", E::Brackets),
            ("2001:db8::7:7443", E::Brackets),
            ("192.0.2.300:1", E::Host),
            ("a..b:1", E::Host),
            ("-a:1", E::Host),
            ("héé:1", E::Host),
            ("https://host:1", E::Host),
        ] {
            assert_eq!(bad.parse::<Address>(), Err(why), "{bad}");
        }
        assert!(format!("{}:1", "a".repeat(254)).parse::<Address>().is_err());
    }

    #[test]
    fn an_address_of_this_machine_alone_is_known() {
        for local in
            ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "LocalHost:1", "0.0.0.0:1", "[::]:1"]
        {
            assert!(local.parse::<Address>().unwrap().is_loopback(), "{local}");
        }
        for far in ["192.168.0.7:1", "chat.example.org:1", "[2001:db8::7]:1"] {
            assert!(!far.parse::<Address>().unwrap().is_loopback(), "{far}");
        }
    }

    #[test]
    fn the_wire_cannot_carry_a_bad_address() {
        let good: Address = "[2001:db8::7]:7443".parse().unwrap();
        assert_eq!(crate::codec::decode::<Address>(&crate::codec::encode(&good)), Ok(good));
        assert!(crate::codec::decode::<Address>(&crate::codec::encode(&"a b:1")).is_err());
    }
}
