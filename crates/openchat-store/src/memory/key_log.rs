//! The log of keys in memory.

use std::collections::BTreeMap;

use openchat_protocol::{Timestamp, Uid};
use openchat_transparency::tree::{self, MemoryNodes};
use openchat_transparency::{Entry, Hash, Kind, Label, Leaf, Opening, Path, TreeError};

use super::State;
use crate::StoreError;
use crate::account::StoredAccount;
use crate::key_log::{self, DeviceListError, LogState, LoggedEntries, LoggedTail, NewDeviceList, NewLeaf};

#[derive(Debug, Clone, Default)]
pub(super) struct KeyLog {
    leaves: Vec<(Leaf, Option<Opening>)>,
    nodes: MemoryNodes,
    newest: BTreeMap<Label, usize>,
    /// The newest version of each account that is in the log.
    versions: BTreeMap<Uid, u32>,
}

impl KeyLog {
    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(super) fn append(&mut self, new: &NewLeaf, now: Timestamp) -> Result<(), StoreError> {
        let newest = self.newest.get(&new.label).copied();
        let seq = newest.and_then(|index| self.leaves.get(index)).map_or(0, |(leaf, _)| leaf.seq);
        let latest = self.leaves.last().map_or(Timestamp(0), |(leaf, _)| leaf.time);
        let leaf = new.after(newest.map(|index| (index as u64, seq)), latest, now);
        self.push(leaf, Some(new.opening.clone()))
    }

    pub(super) fn push(&mut self, leaf: Leaf, opening: Option<Opening>) -> Result<(), StoreError> {
        let nodes = tree::nodes_of(&leaf, self.size(), &self.nodes).map_err(|error| damaged(&error))?;
        self.nodes.extend(&nodes);
        self.newest.insert(leaf.label, self.leaves.len());
        self.leaves.push((leaf, opening));
        Ok(())
    }

    /// How many leaves a label has.
    pub(super) fn count(&self, label: &Label) -> u32 {
        let newest = self.newest.get(label).and_then(|index| self.leaves.get(*index));
        newest.map_or(0, |(leaf, _)| leaf.seq)
    }

    /// The time that the next leaf gets.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        self.leaves.last().map_or(now, |(leaf, _)| leaf.time.max(now))
    }

    pub(super) fn history(&self, label: &Label, size: u64) -> Result<Vec<Entry>, StoreError> {
        let of_label = (0..size).zip(&self.leaves).filter(|(_, (leaf, _))| leaf.label == *label);
        let mut of_label: Vec<_> = of_label.collect();
        of_label.pop();
        let opened = of_label.into_iter().filter_map(|(index, (leaf, it))| Some((index, *leaf, it.clone()?)));
        let entries =
            opened.map(|(index, leaf, opening)| key_log::entry(index, leaf, opening, size, &self.nodes));
        entries.collect::<Result<_, _>>().map_err(|error| damaged(&error))
    }

    pub(super) fn knows(&self, label: &Label) -> bool {
        self.newest.contains_key(label)
    }

    /// The time of the newest leaf of a label, if it was made for this.
    pub(super) fn made_for(&self, label: &Label, opening: &Opening) -> Option<Timestamp> {
        let (leaf, _) = self.leaves.get(*self.newest.get(label)?)?;
        (leaf.commitment == opening.commitment()).then_some(leaf.time)
    }

    /// Puts what the newest leaf of a label was made for to it.
    pub(super) fn disclose(&mut self, (label, opening): &(Label, Opening)) {
        let newest = self.newest.get(label).and_then(|index| self.leaves.get_mut(*index));
        if let Some((_, known)) = newest {
            *known = Some(opening.clone());
        }
    }

    pub(super) fn set_version(&mut self, uid: Uid, version: u32) {
        self.versions.insert(uid, version);
    }

    pub(super) fn state(&self) -> Result<LogState, StoreError> {
        let mut leaves = self.leaves.iter().rev();
        let heartbeat = leaves.find(|(leaf, _)| leaf.kind == Kind::Heartbeat).map(|(leaf, _)| leaf.time);
        Ok(LogState { size: self.size(), root: self.root()?, heartbeat })
    }

    pub(super) fn last_authority_event(&self) -> Option<Opening> {
        let mut leaves = self.leaves.iter().rev();
        leaves.find(|(leaf, _)| leaf.kind == Kind::Authority).and_then(|(_, opening)| opening.clone())
    }

    fn root(&self) -> Result<Hash, StoreError> {
        self.root_at(self.size())
    }

    pub(super) fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        tree::root(size, &self.nodes).map_err(|error| damaged(&error))
    }

    fn entry(&self, label: &Label) -> Result<Option<Entry>, StoreError> {
        let Some(index) = self.newest.get(label).copied() else { return Ok(None) };
        let Some((leaf, Some(opening))) = self.leaves.get(index).cloned() else { return Ok(None) };
        key_log::entry(index as u64, leaf, opening, self.size(), &self.nodes)
            .map(Some)
            .map_err(|error| damaged(&error))
    }

    pub(super) fn entries(&self, labels: &[Label], known: u64) -> Result<LoggedEntries, StoreError> {
        Ok(LoggedEntries {
            size: self.size(),
            root: self.root()?,
            consistency: key_log::consistency(known, self.size(), &self.nodes)
                .map_err(|error| damaged(&error))?,
            entries: labels.iter().map(|label| self.entry(label)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn tail(&self, known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError> {
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        let leaves: Vec<Leaf> = self.leaves.iter().skip(skipped).take(limit).map(|(leaf, _)| *leaf).collect();
        let end = from.saturating_add(leaves.len() as u64);
        Ok(LoggedTail {
            size: self.size(),
            root: self.root()?,
            consistency: key_log::consistency(known, self.size(), &self.nodes)
                .map_err(|error| damaged(&error))?,
            leaves,
            beyond: key_log::consistency(end, self.size(), &self.nodes).map_err(|error| damaged(&error))?,
        })
    }

    pub(super) fn compare(&self, old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError> {
        key_log::compare(old, new, self.size(), &self.nodes).map_err(|error| damaged(&error))
    }

    pub(super) fn erase(&mut self, label: &Label) {
        let of_label = self.leaves.iter_mut().filter(|(leaf, _)| leaf.label == *label);
        of_label.for_each(|(_, opening)| *opening = None);
    }

    /// Whether this very list is the newest one already.
    fn has(&self, list: &NewDeviceList) -> bool {
        let newest = self.newest.get(&list.leaf.label).and_then(|index| self.leaves.get(*index));
        newest.and_then(|(_, opening)| opening.as_ref()).is_some_and(|opening| list.is_in(opening))
    }
}

fn damaged<E: std::fmt::Debug>(error: &TreeError<E>) -> StoreError {
    StoreError::Damaged(format!("the log of keys: {error:?}"))
}

impl State {
    pub(super) fn log_account(
        &mut self,
        uid: Uid,
        leaves: &[NewLeaf],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.accounts.contains_key(&uid) || self.key_log.versions.contains_key(&uid) {
            return Ok(());
        }
        for leaf in leaves {
            self.key_log.append(leaf, now)?;
        }
        self.key_log.versions.insert(uid, 0);
        Ok(())
    }

    pub(super) fn unlogged_accounts(&self, limit: usize) -> Vec<StoredAccount> {
        let unlogged =
            self.accounts.values().filter(|it| !self.key_log.versions.contains_key(&it.account.uid));
        unlogged.take(limit).cloned().collect()
    }

    pub(super) fn publish_devices(
        &mut self,
        uid: Uid,
        list: &NewDeviceList,
        now: Timestamp,
    ) -> Result<(), DeviceListError> {
        let retired = self.accounts.get(&uid).is_some_and(|it| it.retired);
        let known = self.key_log.versions.get(&uid).filter(|_| !retired);
        let known = *known.ok_or(DeviceListError::AccountUnknown)?;
        if known == list.version && self.key_log.has(list) {
            return Ok(());
        }
        if known.checked_add(1) != Some(list.version) {
            return Err(DeviceListError::Version { known });
        }
        self.key_log.append(&list.leaf, now)?;
        self.key_log.versions.insert(uid, list.version);
        self.revoke_others(uid, &list.devices);
        Ok(())
    }
}
