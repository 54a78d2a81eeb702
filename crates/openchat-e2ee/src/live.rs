//! A group in memory whose messages are opened in place, and which is as it was when one does not open.
//!
//! A message that fails may have used up the key of a good one (RFC 9420 §9.1 deletes keys as they are used), so its
//! traces must go. Copying a large group for each message would cost more than opening it; instead one copy is made
//! before a run of messages, and the run is repeated from there when one of them fails.

use std::ops::Deref;
use std::sync::Arc;

use mls_rs::MlsMessage;
use mls_rs::group::ReceivedMessage;
use mls_rs_core::time::MlsTime;

use crate::device::MlsGroup;
use crate::guard::{Failure, guarded};

/// After so many messages a new copy is made.
const RUN: usize = 64;

/// A group, to be changed only through the methods here.
pub(crate) struct LiveGroup {
    group: MlsGroup,
    run: Option<Run>,
    tree: Option<Arc<[u8]>>,
}

/// The group before some messages, and these.
struct Run {
    before: MlsGroup,
    messages: Vec<(MlsMessage, MlsTime)>,
}

impl From<MlsGroup> for LiveGroup {
    fn from(group: MlsGroup) -> Self {
        Self { group, run: None, tree: None }
    }
}

impl Deref for LiveGroup {
    type Target = MlsGroup;

    fn deref(&self) -> &MlsGroup {
        &self.group
    }
}

impl LiveGroup {
    /// The group, to be changed for good: what happens now is never undone, or a key would be used twice.
    pub(crate) fn keys_mut(&mut self) -> &mut MlsGroup {
        self.run = None;
        &mut self.group
    }

    /// Opens a message and reads it. If either fails the group is as it was.
    pub(crate) fn open<T, E: From<Failure>>(
        &mut self,
        message: MlsMessage,
        time: MlsTime,
        read: impl FnOnce(&MlsGroup, ReceivedMessage) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut run =
            self.run.take().unwrap_or_else(|| Run { before: self.group.clone(), messages: Vec::new() });
        let received = guarded(|| self.group.process_incoming_message_with_time(message.clone(), time));
        match received.map_err(E::from).and_then(|received| read(&self.group, received)) {
            Ok(value) => {
                run.messages.push((message, time));
                self.run = (run.messages.len() < RUN).then_some(run);
                Ok(value)
            }
            Err(error) => {
                self.group = run.repeat();
                Err(error)
            }
        }
    }

    /// The ratchet tree, encoded once per epoch.
    pub(crate) fn tree_bytes(&mut self) -> Result<Arc<[u8]>, Failure> {
        if let Some(tree) = &self.tree {
            return Ok(Arc::clone(tree));
        }
        let tree: Arc<[u8]> = guarded(|| self.group.export_tree().to_bytes())?.into();
        self.tree = Some(Arc::clone(&tree));
        Ok(tree)
    }
}

impl Run {
    /// Once more what went well before; keys are derived, not drawn, so that it goes well again.
    fn repeat(mut self) -> MlsGroup {
        for (message, time) in self.messages {
            drop(guarded(|| self.before.process_incoming_message_with_time(message, time)));
        }
        self.before
    }
}
