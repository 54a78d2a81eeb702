//! The mark of one life of a database.

use openchat_protocol::Incarnation;

use crate::StoreError;

/// A mark that no other life has.
pub(crate) fn random() -> Result<Incarnation, StoreError> {
    let mut bytes = [0; Incarnation::LENGTH];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| StoreError::Write("the system gave no random numbers".to_owned()))?;
    Ok(Incarnation(bytes))
}
