//! Memory for large answers: trees of megabytes, and whatever else can be large, wait here for their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use openchat_protocol::Uid;
use openchat_protocol::limits::FRAME;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Counted in KiB, for a semaphore counts to 2³² at most on some machines.
const UNIT: usize = 1 << 10;
/// What the largest answer takes, and what each takes while it is being made.
const LARGEST: u32 = 4 << 10;
const _: () = assert!(LARGEST as usize * UNIT == FRAME);
/// For all connections together.
const ALL: usize = 32 * LARGEST as usize;
/// For the connections of one user, so that no user can take all.
const OF_A_USER: usize = 2 * LARGEST as usize;

/// Who asks first is served first, and nobody is refused.
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    users: Mutex<HashMap<Uid, Weak<Semaphore>>>,
}

/// The memory of one answer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    all: Option<OwnedSemaphorePermit>,
    of_user: Option<OwnedSemaphorePermit>,
    /// Keeps the user's own budget alive as long as somebody needs it.
    _user: Arc<Semaphore>,
    since: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), users: Mutex::default() }
    }
}

impl Budget {
    /// Waits until there is memory for any answer to `uid`.
    pub(crate) async fn share(&self, uid: Uid) -> Share {
        let user = self.of_user(uid);
        // Neither is ever closed, so there always is a permit. First the user's own: a user with many connections
        // stands in line for all once.
        let of_user = Arc::clone(&user).acquire_many_owned(LARGEST).await.ok();
        let all = Arc::clone(&self.all).acquire_many_owned(LARGEST).await.ok();
        Share { all, of_user, _user: user, since: Instant::now() }
    }

    fn of_user(&self, uid: Uid) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let known = users.get(&uid).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let user = Arc::new(Semaphore::new(OF_A_USER));
            users.insert(uid, Arc::downgrade(&user));
            user
        })
    }

    /// Forgets users who use nothing of it.
    pub(crate) fn forget_rested(&self) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, user| user.strong_count() > 0);
    }
}

impl Share {
    /// Gives back what an answer of `bytes` does not take.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let used = bytes.div_ceil(UNIT).min(LARGEST as usize);
        for permit in [&mut self.all, &mut self.of_user].into_iter().flatten() {
            drop(permit.split((LARGEST as usize).saturating_sub(used)));
        }
    }

    /// When it was taken.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn uid(number: u8) -> Uid {
        Uid([number; 16])
    }

    #[tokio::test]
    async fn one_user_cannot_take_all_and_waits_for_its_own() {
        let budget = Budget::default();
        let mut shares = vec![budget.share(uid(1)).await, budget.share(uid(1)).await];
        let third = budget.share(uid(1));
        let mut third = std::pin::pin!(third);
        assert!(third.as_mut().now_or_never().is_none());
        let other = budget.share(uid(2)).now_or_never();
        assert!(other.is_some(), "another user does not wait");
        shares.pop();
        third.await;
    }

    #[tokio::test]
    async fn all_together_never_take_more_than_there_is_and_the_first_comes_first() {
        let budget = Budget::default();
        let mut shares = Vec::new();
        for number in 0..32 {
            shares.push(budget.share(uid(number)).await);
        }
        let (mut first, mut second) =
            (std::pin::pin!(budget.share(uid(100))), std::pin::pin!(budget.share(uid(101))));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        shares.pop();
        assert!(second.as_mut().now_or_never().is_none(), "the other one was first");
        drop(first.await);
        second.await;
    }

    #[tokio::test]
    async fn a_small_answer_takes_little() {
        let budget = Budget::default();
        let mut shares = Vec::new();
        for number in 0..40 {
            let mut share = budget.share(uid(number % 3)).now_or_never().unwrap();
            share.shrink(10);
            shares.push(share);
        }
        assert_eq!(budget.all.available_permits(), ALL - 40);
        drop(shares);
        assert_eq!(budget.all.available_permits(), ALL);
        budget.forget_rested();
        assert!(budget.users.lock().unwrap().is_empty());
    }
}
