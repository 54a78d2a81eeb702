//! How fast one account, one address, one device in one room may go.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, RoomId, Uid};

use crate::config::Limits;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many seconds' worth of requests, or bytes, may come at once.
const BURST: u32 = 10;
/// Wishes that one device may have at once; then one a minute.
const WISHES: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
/// Times that somebody in one room is asked in a minute, never twice at once. Each costs the room a commit.
const WANTED: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// Pages of the log of keys that one address gets in a minute without a login: 300,000 leaves.
const LOG_PAGES: NonZeroU32 = NonZeroU32::MIN.saturating_add(599);

/// Tries to link a device that one address has in a minute.
const LINK_ENTRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(11);

/// A limiter with one state per key.
pub(crate) struct Rate<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Rate<K> {
    fn new(quota: Quota) -> Self {
        let clock = DefaultClock::default();
        Self { limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Counts one more, or says when the next may come.
    pub(crate) fn check(&self, key: &K) -> Result<(), Refusal> {
        self.limiter.check_key(key).map_err(|not_until| self.too_fast(&not_until))
    }

    /// Counts `count` more, or says when they may come.
    pub(crate) fn check_many(&self, key: &K, count: usize) -> Result<(), Refusal> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match self.limiter.check_key_n(key, at_least_one(count)) {
            Ok(checked) => checked.map_err(|not_until| self.too_fast(&not_until)),
            Err(_) => Err(Refusal::new(RefusalCode::TooLarge, "more at once than this server takes")),
        }
    }

    fn too_fast(&self, not_until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Refusal {
        let wait = not_until.wait_time_from(self.clock.now());
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Refusal {
            retry_after: Some(wait),
            ..Refusal::new(RefusalCode::RateLimited, format!("too fast: wait {wait} ms and try again"))
        }
    }
}

/// Every rate the server holds clients to.
pub(crate) struct Rates {
    pub(crate) connections: Rate<Network>,
    pub(crate) registrations: Rate<Network>,
    /// Accounts that somebody's invites can make.
    pub(crate) invited: Rate<Uid>,
    pub(crate) requests: Rate<Uid>,
    pub(crate) bytes: Rate<Uid>,
    pub(crate) claims: Rate<Uid>,
    pub(crate) commits: Rate<(DeviceId, RoomId)>,
    pub(crate) rooms: Rate<Uid>,
    /// Joiners who need another group than the last commit's.
    pub(crate) wishes: Rate<DeviceId>,
    /// Wishes that are passed on to somebody in the room.
    pub(crate) wanted: Rate<RoomId>,
    /// Pages of the log of keys for who is not logged in.
    pub(crate) log_pages: Rate<Network>,
    /// Entries to a rendezvous of devices.
    pub(crate) link_entries: Rate<Network>,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_second = |count: u32| {
            Quota::per_second(at_least_one(count)).allow_burst(at_least_one(count.saturating_mul(BURST)))
        };
        let per_minute = |count| Quota::per_minute(at_least_one(count));
        let per_day = |count| {
            let count = at_least_one(count);
            Quota::with_period(DAY / count.get()).unwrap_or(Quota::per_hour(count)).allow_burst(count)
        };
        Self {
            connections: Rate::new(per_minute(limits.connections_per_minute)),
            registrations: Rate::new(Quota::per_hour(at_least_one(limits.registrations_per_hour))),
            invited: Rate::new(per_day(limits.invited_per_day)),
            requests: Rate::new(per_second(limits.requests_per_second)),
            bytes: Rate::new(per_second(limits.kib_per_second.saturating_mul(1024))),
            claims: Rate::new(per_minute(limits.claims_per_minute)),
            commits: Rate::new(per_minute(limits.commits_per_minute)),
            rooms: Rate::new(Quota::per_hour(at_least_one(limits.rooms_per_hour))),
            wishes: Rate::new(Quota::per_minute(NonZeroU32::MIN).allow_burst(WISHES)),
            wanted: Rate::new(Quota::per_minute(WANTED).allow_burst(NonZeroU32::MIN)),
            log_pages: Rate::new(Quota::per_minute(LOG_PAGES)),
            link_entries: Rate::new(Quota::per_minute(LINK_ENTRIES)),
        }
    }

    /// Forgets all keys that have their whole quota again, so that a flood of keys leaves nothing behind.
    pub(crate) fn forget_rested(&self) {
        self.connections.limiter.retain_recent();
        self.registrations.limiter.retain_recent();
        self.invited.limiter.retain_recent();
        self.requests.limiter.retain_recent();
        self.bytes.limiter.retain_recent();
        self.claims.limiter.retain_recent();
        self.commits.limiter.retain_recent();
        self.rooms.limiter.retain_recent();
        self.wishes.limiter.retain_recent();
        self.wanted.limiter.retain_recent();
        self.log_pages.limiter.retain_recent();
        self.link_entries.limiter.retain_recent();
    }
}

fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            address => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn one_subscriber_is_one_network() {
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.2"), network("192.0.2.1"));
    }

    #[test]
    fn a_key_over_its_quota_is_told_when_to_come_back_and_others_are_not_affected() {
        let rates = Rates::new(&Limits { connections_per_minute: 2, ..Limits::default() });
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        rates.connections.check(&one).unwrap();
        rates.connections.check(&one).unwrap();
        let refusal = rates.connections.check(&one).unwrap_err();
        assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
        assert!(matches!(refusal.retry_after, Some(1..=30_001)), "{refusal:?}");
        rates.connections.check(&other).unwrap();
    }

    #[test]
    fn bytes_are_counted_and_one_whole_frame_always_fits() {
        let rates = Rates::new(&Limits { kib_per_second: 512, ..Limits::default() });
        let uid = Uid([1; 16]);
        rates.bytes.check_many(&uid, openchat_protocol::limits::FRAME).unwrap();
        let refusal = rates.bytes.check_many(&uid, openchat_protocol::limits::FRAME).unwrap_err();
        assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
        let refusal = rates.bytes.check_many(&uid, usize::MAX).unwrap_err();
        assert_eq!(refusal.code, Some(RefusalCode::TooLarge));
    }
}
