//! Gossip: messages carry the head of the log of keys that their author was shown. Two heads that the server has signed
//! and that cannot be of one log convict it.

use openchat_protocol::key_log::{CompareHeads, Compared, SeenHead};
use openchat_protocol::{DeviceId, Request};
use openchat_transparency::{Hash, Path, Violation};

use super::core::Core;
use super::session::Purpose;
use crate::vault::HeardHead;

/// Heads of others that wait for their proof; more are not kept.
const HEARD: usize = 64;
/// Heads that were found good and need no other look.
const GOOD: usize = 64;

impl Core {
    /// What the next message to a room tells of the log: its head, when the room has not heard of it.
    pub(super) fn news_of_log(&self, told: &mut u64) -> Option<SeenHead> {
        let head = self.log.auditor.head().filter(|head| head.head().size != *told)?;
        *told = head.head().size;
        Some(head.to_seen())
    }

    /// Somebody has told which log the server shows.
    pub(super) fn hear_of_log(&mut self, sender: DeviceId, head: SeenHead) {
        let same = self.log.auditor.head().is_some_and(|own| own.to_seen() == head);
        let known = self.log.good.contains(&head) || self.log.heard.iter().any(|heard| heard.head == head);
        // What the server has not signed is nobody's fault but the sender's.
        if same || known || self.log.heard.len() >= HEARD || !self.log.auditor.is_signed(&head) {
            return;
        }
        self.log.change().heard.push(HeardHead { head, by: sender.uid, since: self.now });
        if head.size > self.log.known_size() {
            // Compared when the log has been looked at.
            return self.follow_log();
        }
        self.compare_heard();
    }

    /// Holds what others were shown against the own log, as far as that goes.
    pub(super) fn compare_heard(&mut self) {
        let own = self.log.known_size();
        for heard in self.log.heard.clone() {
            match heard.head.size {
                size if size > own => {}
                size if size == own => self.compare(heard, Hash(heard.head.root), &Path::default()),
                old => {
                    let purpose = Purpose::CompareHeads(heard, own);
                    if self.session.is_up() && !self.session.is_asking(&purpose) {
                        self.ask(Request::CompareHeads(CompareHeads { old, new: own }), purpose);
                    }
                }
            }
        }
    }

    pub(super) fn handle_compared(&mut self, heard: HeardHead, own: u64, compared: &Compared) {
        if own != self.log.known_size() {
            // The own log has grown meanwhile.
            return self.compare_heard();
        }
        if let Ok(proof) = Path::from_bytes(&compared.proof) {
            self.compare(heard, Hash(compared.root), &proof);
        }
    }

    fn compare(&mut self, heard: HeardHead, beginning: Hash, proof: &Path) {
        match self.log.auditor.compare(&heard.head, beginning, proof) {
            Ok(()) => {
                self.log.good.push_back(heard.head);
                if self.log.good.len() > GOOD {
                    self.log.good.pop_front();
                }
            }
            Err(Violation::Fork(fork)) => self.log_is_forked(Some(heard.by), Some(&fork.to_bytes())),
            // Not proven yet: it is asked again whenever the log is looked at, until patience ends.
            Err(_) => return,
        }
        self.log.change().heard.retain(|it| it.head != heard.head);
        self.reconsider_fork();
    }
}
