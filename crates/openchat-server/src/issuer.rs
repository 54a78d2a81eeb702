//! The authority in use, and its exchange for the same one with another issuing key or root.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openchat_identity::Authority;
use openchat_identity::authority::AuthorityError;
use openchat_protocol::Timestamp;
use openchat_store::Store;
use tracing::{info, warn};

use crate::key_log::{KeyLog, KeyLogError};

/// How often the host is told of certificates that end.
pub(crate) const REMINDER: Duration = Duration::from_secs(24 * 3600);

/// Why the authority's folder is not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the authority's folder is another server's: put back the one of this server")]
    OtherServer,
    #[error("the new issuing certificate was not logged, so it is not used: {0}")]
    KeyLog(#[from] KeyLogError),
    #[error("the authority's folder was not read: this is a fault in the server")]
    Panic,
}

/// Where the authority comes from, and the one in use.
pub(crate) struct Issuer {
    current: RwLock<Arc<Authority>>,
    folder: PathBuf,
}

impl Issuer {
    pub(crate) fn new(authority: Authority, folder: PathBuf) -> Self {
        Self { current: RwLock::new(Arc::new(authority)), folder }
    }

    /// The one to use for a whole request: what it issues goes with its own issuing certificate.
    pub(crate) fn current(&self) -> Arc<Authority> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what is in the folder now. Its issuing certificate is in the log before anything is issued below it.
    pub(crate) async fn reload(
        &self,
        key_log: &KeyLog,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), ReloadError> {
        let folder = self.folder.clone();
        let loaded = tokio::task::spawn_blocking(move || Authority::load(&folder)).await;
        let loaded = loaded.map_err(|_| ReloadError::Panic)??;
        if loaded.fingerprint() != self.current().fingerprint() {
            return Err(ReloadError::OtherServer);
        }
        key_log.record_issuing(&loaded, store, now).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        info!("the certificates of the authority's folder are in use");
        Ok(())
    }

    pub(crate) fn warn_of_endings(&self, now: Timestamp) {
        for ending in self.current().endings(now) {
            warn!("{ending}");
        }
    }
}
