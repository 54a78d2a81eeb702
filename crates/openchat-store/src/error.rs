//! What can go wrong in a store whatever is asked of it: the fault is the machine's, never the request's.

/// The store could not do its work. Nothing of the operation was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the quota on it, is used up. The store works again once there is room.
    #[error("nothing can be stored because the disk is full: free some space, no restart is needed")]
    Full,
    /// A write did not reach the disk.
    #[error("a write to the database failed ({0}): check the disk and its permissions")]
    Write(String),
    /// A read failed.
    #[error("a read from the database failed ({0}): check the disk and its permissions")]
    Read(String),
    /// What is on disk is not what was written there.
    #[error("the database is damaged ({0}): stop the server and restore a backup")]
    Damaged(String),
    /// The store is being closed.
    #[error("the store is closed because the server is stopping: connect again in a moment")]
    Closed,
}
