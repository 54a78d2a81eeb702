//! The door to the MLS library for bytes that somebody else wrote.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mls_rs::error::MlsError;

use crate::rules::RuleError;
use crate::suites::CryptoError;

/// The library did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It said why.
    Mls(MlsError),
    /// It broke off: it indexes the nodes of an update path before it has counted them, for one.
    Panicked,
}

impl Failure {
    /// Whether another member may have succeeded where this one failed: the path secret that was encrypted for this
    /// member is missing or wrong (RFC 9420 §7.5). Everything else about a commit is the same for all.
    pub(crate) fn is_ours_alone(&self) -> bool {
        match self {
            Self::Mls(
                MlsError::PubKeyMismatch
                | MlsError::UpdateErrorNoSecretKey
                | MlsError::LcaNotFoundInDirectPath,
            ) => true,
            Self::Mls(MlsError::CryptoProviderError(error)) => {
                matches!(error.inner_dyn_error().downcast_ref(), Some(CryptoError::HpkeOpen(_)))
            }
            _ => false,
        }
    }

    /// The rule of rooms that was broken, if it is one.
    pub(crate) fn rule(&self) -> Option<RuleError> {
        match self {
            Self::Mls(MlsError::MlsRulesError(error)) => error.inner_dyn_error().downcast_ref().cloned(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mls(error) => error.fmt(f),
            Self::Panicked => f.write_str("the message breaks the MLS library"),
        }
    }
}

impl From<MlsError> for Failure {
    fn from(error: MlsError) -> Self {
        Self::Mls(error)
    }
}

/// Runs library code on foreign bytes. What `work` changes is thrown away by the caller when it fails, so that nothing
/// half-changed is seen afterwards.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, MlsError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failure::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_library_is_a_failure_for_all() {
        let nodes: Vec<u8> = Vec::new();
        let failure = guarded(|| Ok(nodes[0])).unwrap_err();
        assert!(matches!(failure, Failure::Panicked) && !failure.is_ours_alone());
    }
}
