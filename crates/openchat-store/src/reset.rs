//! Names that a new key asks for, because everything with the old one is lost.

use openchat_protocol::{InviteHash, Timestamp, Uid, UserName};
use openchat_transparency::body::ResetStep;
use openchat_transparency::reset::Wish;

use crate::StoreError;

/// That a name may be asked for, and what has become of it. One for each name at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReset {
    /// The name.
    pub name: UserName,
    /// Whose it is.
    pub uid: Uid,
    /// SHA-256 over the `redeem` secret of the link.
    pub hash: InviteHash,
    /// From when on the link cannot be used for a first time.
    pub expires: Timestamp,
    /// Who has asked by the link.
    pub wish: Option<Wish>,
    /// An administrator has decided against it.
    pub denied: bool,
}

impl StoredReset {
    /// Whether somebody has asked and may still get the name.
    pub fn is_open(&self) -> bool {
        self.wish.is_some() && !self.denied
    }

    /// What it is after a step of `uid`, which was logged at `time`.
    pub(crate) fn after(&self, step: ResetStep, uid: Uid, time: Timestamp) -> Result<Self, ResetError> {
        let next = match (step, self.wish) {
            (ResetStep::Asked, None) => Some(Wish::new(uid, time)),
            (step, Some(wish)) if self.is_open() => wish.after(step).map_err(|_| ResetError::OutOfOrder)?,
            _ => return Err(ResetError::OutOfOrder),
        };
        Ok(Self { wish: next.or(self.wish), denied: next.is_none(), ..self.clone() })
    }

    /// Whether the name goes to `uid` when that is logged at `time`.
    pub(crate) fn check_due(&self, uid: Uid, time: Timestamp) -> Result<(), ResetError> {
        let wish = self.wish.filter(|wish| !self.denied && wish.uid == uid);
        if wish.is_some_and(|wish| wish.check(time).is_ok()) { Ok(()) } else { Err(ResetError::NotDue) }
    }
}

/// Why nothing has become of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetError {
    /// Somebody asks for this name already.
    #[error("somebody asks for this name already: approve or deny that first")]
    Open,
    /// Something has happened in between.
    #[error("something else has happened to this name in between: ask again")]
    Changed,
    /// It is too late for that, or too early.
    #[error("nobody asks for this name, or that was decided already")]
    OutOfOrder,
    /// The name cannot be given away yet.
    #[error("the name stays where it is: the time to object is not over, or somebody has objected")]
    NotDue,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Under which name a retired account is kept: its own is another one's.
pub(crate) fn name_of_retired(uid: Uid) -> String {
    format!("gone-{uid}")
}
