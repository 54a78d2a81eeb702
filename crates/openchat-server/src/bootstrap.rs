//! The way in for the first user of a new server.

use std::time::Duration;

use openchat_identity::InviteToken;
use openchat_protocol::Timestamp;
use openchat_store::invite::{CreateInviteError, NewInvite};
use openchat_store::{Store, StoreError};

use crate::server::Server;

/// How long the invite is good. Each start makes another one, as long as there is no account.
const LIFE: Duration = Duration::from_secs(24 * 3600);

impl Server {
    /// An invite for one account by the server itself, when there is no account yet that could invite anybody.
    pub async fn bootstrap_invite(
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Option<InviteToken>, StoreError> {
        if store.has_accounts().await? {
            return Ok(None);
        }
        let token = InviteToken::generate();
        let hash = token.redeem_hash();
        let invite = NewInvite { hash, creator: None, expires: now.plus(LIFE), uses: 1, room: None };
        match store.create_invite(invite, now).await {
            Ok(()) => Ok(Some(token)),
            Err(CreateInviteError::Store(error)) => Err(error),
            // Neither happens: a random hash is not taken, and the server's own invites are not limited.
            Err(CreateInviteError::Taken | CreateInviteError::TooMany) => Ok(None),
        }
    }
}
