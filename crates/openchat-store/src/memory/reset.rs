//! Names that a new key asks for, in memory.

use openchat_protocol::{Timestamp, Uid};
use openchat_transparency::body::ResetStep;

use super::State;
use super::people::stored_account;
use crate::account::NewAccount;
use crate::key_log::NewLeaf;
use crate::reset::{ResetError, StoredReset};

impl State {
    pub(super) fn offer_reset(&mut self, new: StoredReset) -> Result<(), ResetError> {
        if self.resets.get(new.name.as_str()).is_some_and(StoredReset::is_open) {
            return Err(ResetError::Open);
        }
        self.resets.insert(new.name.as_str().to_owned(), new);
        Ok(())
    }

    fn check_reset(&self, known: &StoredReset) -> Result<(), ResetError> {
        let unchanged = self.resets.get(known.name.as_str()) == Some(known);
        if unchanged { Ok(()) } else { Err(ResetError::Changed) }
    }

    pub(super) fn step_reset(
        &mut self,
        known: &StoredReset,
        (step, uid): (ResetStep, Uid),
        leaf: &NewLeaf,
        now: Timestamp,
    ) -> Result<StoredReset, ResetError> {
        self.check_reset(known)?;
        let next = known.after(step, uid, self.key_log.time(now))?;
        self.key_log.append(leaf, now)?;
        self.resets.insert(next.name.as_str().to_owned(), next.clone());
        Ok(next)
    }

    pub(super) fn finish_reset(
        &mut self,
        known: &StoredReset,
        new: NewAccount,
        retired: &NewLeaf,
        now: Timestamp,
    ) -> Result<(), ResetError> {
        self.check_reset(known)?;
        known.check_due(new.uid, self.key_log.time(now))?;
        if let Some(old) = self.accounts.get_mut(&known.uid) {
            (old.retired, old.disabled) = (true, true);
        }
        self.invites.retain(|_, invite| invite.creator != Some(known.uid));
        self.resets.remove(known.name.as_str());
        self.revoke_others(known.uid, &[]);
        let (uid, leaves) = (new.uid, new.log.clone());
        self.accounts.insert(uid, stored_account(new, now));
        self.key_log.append(retired, now)?;
        Ok(self.log_account(uid, &leaves, now)?)
    }
}
