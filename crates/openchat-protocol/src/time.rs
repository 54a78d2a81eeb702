//! Time as it crosses the wire, and the one door through which it enters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Decoder, Encode, decode};

use crate::codec;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

impl<'b, C> Decode<'b, C> for Timestamp {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        codec::decode_count(decoder, context).map(Self)
    }
}

impl Timestamp {
    /// Later than anything that happens, and the latest moment that can be kept.
    pub const END: Self = Self(i64::MAX.unsigned_abs());

    /// The machine's clock. Only edges (`main`, listener, driver) call this; everything else is told the time.
    pub fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the door that the ban points to")]
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whole seconds since 1970, as certificates and MLS count them.
    pub fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment plus `duration`; stays at the end of time instead of wrapping.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))).min(Self::END)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
