//! Random bytes, and the small random choices that keep clients from acting in step.

use aws_lc_rs::rand;
use openchat_protocol::MessageId;

/// Fills `bytes` from the system's generator.
pub(crate) fn fill(bytes: &mut [u8]) {
    #[expect(clippy::expect_used, reason = "a machine without randomness must not go on")]
    rand::fill(bytes).expect("the system's random generator");
}

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A new message identifier.
pub(crate) fn message_id() -> MessageId {
    MessageId(bytes())
}

/// A small generator (SplitMix64) for delays: reproducible from its seed, and no secret.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// One sequence for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next() % width)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
