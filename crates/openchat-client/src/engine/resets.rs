//! Resets: names that went from a key to another one, as the log of keys has them, and names that are asked for.

use openchat_identity::PublicKey;
use openchat_protocol::account::Account;
use openchat_protocol::key_log::Proven;
use openchat_protocol::{Uid, UserName};
use openchat_transparency::auditor::Found;
use openchat_transparency::{History, Lookup, NameState, Subject};

use super::core::Core;
use super::proving::{check_holder, unbelievable};
use crate::error::ClientError;
use crate::event::Alarm;

impl Core {
    /// To whom the name of an account with this key belongs by all records under it, which keep the rules; or why not.
    pub(super) fn name_state(
        &mut self,
        account: &Account,
        key: &PublicKey,
        proven: &Proven,
        newest: &Found,
    ) -> Result<NameState, String> {
        let state = self.read_name(account, key, proven, newest)?;
        if let Some((from, _)) = state.moved {
            self.log.resets.insert(from, state.holder.uid);
        }
        Ok(state)
    }

    fn read_name(
        &self,
        account: &Account,
        key: &PublicKey,
        proven: &Proven,
        newest: &Found,
    ) -> Result<NameState, String> {
        let subject = Subject::Name(account.name.clone());
        let records = match (newest.leaf.seq, &proven.history) {
            (1, _) => vec![(newest.leaf, newest.body.clone())],
            (_, None) => {
                return Err("the name had another record before, which the server does not show".to_owned());
            }
            (_, Some(history)) => {
                let lookup = Lookup::from_bytes(&proven.name).map_err(|error| error.to_string())?;
                let history = History::from_bytes(history).map_err(|error| error.to_string())?;
                let all = self.log.auditor.check_history(&subject, &lookup, &history);
                all.map_err(|violation| violation.to_string())?
            }
        };
        let state = NameState::read(&account.name, &records).map_err(|fault| fault.to_string())?;
        // The keys of others who had the name are not known. Their renewals change nothing: the name stays whose it is.
        for renewal in state.renewals.iter().filter(|renewal| renewal.uid == account.uid) {
            self.check_renewal(account, key, renewal.seq, &renewal.signature)?;
        }
        Ok(state)
    }

    /// The name is the account's: by all records under it; or by the newest one alone where the name is known as somebody
    /// else's, who is not forgotten then, and where it is this user's own, to whom the others are an alarm.
    pub(super) fn check_name(
        &self,
        account: &Account,
        key: &PublicKey,
        newest: &Found,
        named: &Result<NameState, String>,
    ) -> Result<(), ClientError> {
        match named {
            Ok(state) => check_holder(account, &state.holder),
            Err(fault) => {
                self.check_issued(account, key, newest)?;
                let owner = self.people.names.owner(&account.name);
                let is_known = owner.is_some_and(|owner| owner != account.uid);
                if is_known || account.uid == self.me().uid {
                    Ok(())
                } else {
                    Err(unbelievable(account, fault))
                }
            }
        }
    }

    /// A retired account has lost its name to another key, by the rules.
    pub(super) fn check_moved(
        &self,
        account: &Account,
        named: &Result<NameState, String>,
    ) -> Result<(), ClientError> {
        match named {
            Ok(state) if state.holder.uid != account.uid => Ok(()),
            Ok(_) => Err(unbelievable(account, "its log of keys says that the name is not another key's")),
            Err(fault) => Err(unbelievable(account, fault)),
        }
    }

    /// The identity of `from` is retired: the name is whose it is now.
    pub(super) fn note_reset(&mut self, from: Uid, name: &UserName) {
        let to = self.log.resets.get(&from).copied();
        if let Some(to) = to.filter(|_| self.people.names.owner(name) == Some(from)) {
            self.name_moved(name, from, to);
        }
    }

    /// All records under the own name are this user's, or about wishes of others for it: tells of the one that is open.
    pub(super) fn own_is_explained(&mut self, state: &NameState) {
        self.log.own_is_explained();
        if let Some(wish) = state.wish {
            let (until, objected, approved) = (wish.until(), wish.objected, wish.approved);
            self.raise(Alarm::NameWanted { until, objected, approved });
        }
    }
}
