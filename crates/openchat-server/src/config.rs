//! The server's configuration: `server.toml`, every key of which may be left out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openchat_protocol::account::RegistrationPolicy;
use openchat_protocol::address::{Address, AddressError};
use openchat_protocol::limits::COMMITS_PER_MINUTE;
use serde::Deserialize;

#[cfg(test)]
mod tests;

/// The port of an OpenChat server unless its configuration says otherwise.
pub const DEFAULT_PORT: u16 = 7443;

const KEYS: [&str; 5] = ["listen", "data_dir", "address", "registration", "limits"];

/// How one server is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where authority and database live.
    pub data_dir: PathBuf,
    /// Under which others reach this server: what stands in its invite links.
    pub address: Option<Address>,
    /// Who may register.
    pub registration: RegistrationPolicy,
    /// What one client, or all together, may take.
    pub limits: Limits,
    /// Where the newest signed head of the log of keys is kept, to notice at a start that the database is older.
    pub signed_head: Option<PathBuf>,
}

/// What the server gives to one client, or to all together. (The protocol's own limits are
/// [`openchat_protocol::limits`]; they are not configurable, for both ends enforce them.)
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time.
    pub connections: u32,
    /// Connections at a time that have not logged in. One more ends the oldest of them.
    pub connections_before_login: u32,
    /// New connections from one address (of IPv6: one /64 network) in a minute.
    pub connections_per_minute: u32,
    /// Seconds for the TLS handshake.
    pub handshake_seconds: u32,
    /// Seconds from connecting to login.
    pub login_seconds: u32,
    /// Seconds without a byte from a client after which it is taken for dead.
    pub idle_seconds: u32,
    /// Seconds in which a client must take some of what waits for it.
    pub write_seconds: u32,
    /// Seconds that a stop waits for what is under way.
    pub stop_seconds: u32,
    /// Accounts made from one address in an hour.
    pub registrations_per_hour: u32,
    /// Accounts for which one account may make invites in a day.
    pub invited_per_day: u32,
    /// Requests of one account in a second; ten times as many may come at once.
    pub requests_per_second: u32,
    /// KiB of requests of one account in a second; ten times as many may come at once.
    pub kib_per_second: u32,
    /// Users whose key packages one account may claim in a minute.
    pub claims_per_minute: u32,
    /// Commits one device may append to one room in a minute.
    pub commits_per_minute: u32,
    /// Rooms one account may make in an hour.
    pub rooms_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_before_login: 1_000,
            connections_per_minute: 120,
            handshake_seconds: 10,
            login_seconds: 30,
            idle_seconds: 300,
            write_seconds: 30,
            stop_seconds: 10,
            registrations_per_hour: 60,
            invited_per_day: 1_000,
            requests_per_second: 200,
            kib_per_second: 1024,
            claims_per_minute: 120,
            commits_per_minute: COMMITS_PER_MINUTE,
            rooms_per_hour: 60,
        }
    }
}

/// A configuration that the server will not run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text is no TOML, or a value is of the wrong type.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A key that does not exist.
    #[error("there is no setting `{key}`{}", hint(.nearest))]
    UnknownKey {
        /// The key, with the table it stands in.
        key: String,
        /// The existing key that it resembles.
        nearest: Option<&'static str>,
    },
    /// A number that makes no sense for its key.
    #[error("`limits.{key}` is {value}: it must be from {} to {}", .range.start(), .range.end())]
    Range {
        /// Which limit.
        key: &'static str,
        /// What was asked.
        value: u32,
        /// What is possible.
        range: RangeInclusive<u32>,
    },
    /// The public address is not `host:port`.
    #[error("`address` is `{text}`: {why}")]
    Address {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: AddressError,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|key| format!(": did you mean `{key}`?")).unwrap_or_default()
}

/// What may stand in `server.toml`.
#[derive(Deserialize)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    address: Option<String>,
    registration: Option<Registration>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Registration {
    InviteOnly,
    Open,
    Closed,
}

impl Config {
    /// The configuration without a file.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT),
            data_dir: data_dir.into(),
            address: None,
            registration: RegistrationPolicy::InviteOnly,
            limits: Limits::default(),
            signed_head: None,
        }
    }

    /// Reads the file at `path`. What it leaves out is as in [`Config::new`].
    pub fn load(path: &Path, data_dir: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, data_dir)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str, data_dir: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        check_keys(&toml::from_str(text)?)?;
        let file: File = toml::from_str(text)?;
        file.limits.check()?;
        let default = Self::new(data_dir);
        Ok(Self {
            listen: file.listen.unwrap_or(default.listen),
            data_dir: file.data_dir.unwrap_or(default.data_dir),
            address: file.address.map(checked_address).transpose()?,
            registration: file.registration.map_or(default.registration, Into::into),
            limits: file.limits,
            signed_head: None,
        })
    }
}

impl Config {
    /// Where the authority's files are.
    pub fn authority_folder(&self) -> PathBuf {
        self.data_dir.join("authority")
    }
}

impl Limits {
    /// Each limit by its key, with its value and what is possible.
    fn ranges(&self) -> [(&'static str, u32, RangeInclusive<u32>); 15] {
        [
            ("connections", self.connections, 1..=1_000_000),
            ("connections_before_login", self.connections_before_login, 1..=100_000),
            ("connections_per_minute", self.connections_per_minute, 1..=1_000_000),
            ("handshake_seconds", self.handshake_seconds, 1..=300),
            ("login_seconds", self.login_seconds, 1..=600),
            ("idle_seconds", self.idle_seconds, 10..=86_400),
            ("write_seconds", self.write_seconds, 1..=3_600),
            ("stop_seconds", self.stop_seconds, 1..=300),
            ("registrations_per_hour", self.registrations_per_hour, 1..=1_000_000),
            ("invited_per_day", self.invited_per_day, 1..=1_000_000),
            ("requests_per_second", self.requests_per_second, 1..=100_000),
            ("kib_per_second", self.kib_per_second, 512..=100_000),
            ("claims_per_minute", self.claims_per_minute, 1..=100_000),
            ("commits_per_minute", self.commits_per_minute, 1..=COMMITS_PER_MINUTE),
            ("rooms_per_hour", self.rooms_per_hour, 1..=1_000_000),
        ]
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self.ranges().into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((key, value, range)) => Err(ConfigError::Range { key, value, range }),
            None => Ok(()),
        }
    }

    pub(crate) fn handshake(&self) -> Duration {
        seconds(self.handshake_seconds)
    }

    pub(crate) fn login(&self) -> Duration {
        seconds(self.login_seconds)
    }

    pub(crate) fn idle(&self) -> Duration {
        seconds(self.idle_seconds)
    }

    pub(crate) fn write(&self) -> Duration {
        seconds(self.write_seconds)
    }

    pub(crate) fn stop(&self) -> Duration {
        seconds(self.stop_seconds)
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

impl From<Registration> for RegistrationPolicy {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::InviteOnly => Self::InviteOnly,
            Registration::Open => Self::Open,
            Registration::Closed => Self::Closed,
        }
    }
}

fn checked_address(text: String) -> Result<Address, ConfigError> {
    text.parse().map_err(|why| ConfigError::Address { text, why })
}

fn check_keys(table: &toml::Table) -> Result<(), ConfigError> {
    known("", table, &KEYS)?;
    let limits = Limits::default().ranges().map(|(key, ..)| key);
    match table.get("limits").and_then(toml::Value::as_table) {
        Some(table) => known("limits.", table, &limits),
        None => Ok(()),
    }
}

fn known(prefix: &str, table: &toml::Table, keys: &[&'static str]) -> Result<(), ConfigError> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => {
            Err(ConfigError::UnknownKey { key: format!("{prefix}{key}"), nearest: nearest(key, keys) })
        }
        None => Ok(()),
    }
}

/// The key most like `wrong`, unless even that one is quite different.
fn nearest(wrong: &str, keys: &[&'static str]) -> Option<&'static str> {
    let likeness = |key: &str| strsim::jaro_winkler(key, wrong);
    let best = keys.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.filter(|key| likeness(key) > 0.75)
}
