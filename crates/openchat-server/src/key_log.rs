//! The server's side of the log of keys: what it writes there, and the heads that it signs.
//!
//! A head is signed only for what is on disk. Whatever is issued is in the log by the same transaction, so that no
//! certificate and no answer leaves before its leaf is under a head that can be signed. Signing the same head again gives
//! the same note (RFC 8032 is deterministic), so that notes need not be kept.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::try_join_all;
use openchat_identity::authority::Authority;
use openchat_protocol::device_list::{DeviceList, SignedDeviceList};
use openchat_protocol::{Timestamp, Uid, UserName};
use openchat_store::key_log::{NewDeviceList, NewLeaf};
use openchat_store::{Store, StoreError};
use openchat_transparency::body::{AuthorityEvent, IdentityIssued, NoLonger, Reset, ResetStep};
use openchat_transparency::{
    Body, CheckpointError, Hash, Head, Label, LabelError, LogKey, LogSigner, Opening, SignedHead, Subject,
    VrfProof, VrfSecret,
};
use tracing::{info, warn};

/// The log has a heartbeat at least this often.
const HEARTBEAT: Duration = Duration::from_secs(24 * 3600);
/// Accounts that are logged at once when an older database gets its log.
const SOME: usize = 128;

/// Why the log of keys cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyLogError {
    /// The key that makes labels.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The key that signs heads.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of the log.
pub(crate) struct KeyLog {
    signer: LogSigner,
    vrf: VrfSecret,
    /// The head that was signed last.
    signed: Mutex<Option<SignedHead>>,
    /// When the log is looked at for its next heartbeat.
    next_heartbeat: AtomicU64,
    /// It has its first leaf and all accounts.
    is_whole: AtomicBool,
    log_key: LogKey,
}

impl KeyLog {
    pub(crate) fn new(authority: &Authority) -> Result<Self, KeyLogError> {
        let genesis = authority.anchor().genesis_record();
        let signer = LogSigner::from_seed(&authority.log_seed(), &genesis)?;
        let vrf = VrfSecret::from_seed(&authority.vrf_seed(), &genesis.vrf_key)?;
        Ok(Self {
            signer,
            vrf,
            signed: Mutex::default(),
            next_heartbeat: AtomicU64::new(0),
            is_whole: AtomicBool::new(false),
            log_key: LogKey::new(&genesis),
        })
    }

    /// The head in a note that this server has signed.
    pub(crate) fn open(&self, note: &[u8]) -> Result<Head, CheckpointError> {
        self.log_key.open(note).map(|signed| signed.head())
    }

    /// Makes the log whole, once: its first leaf, and accounts that are older than it; and writes a heartbeat when one is
    /// due.
    pub(crate) async fn keep(
        &self,
        authority: &Authority,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), KeyLogError> {
        if !self.is_whole.load(Ordering::Relaxed) {
            self.begin(authority, store, now).await?;
            self.is_whole.store(true, Ordering::Relaxed);
        }
        self.beat(store, now).await
    }

    async fn begin(
        &self,
        authority: &Authority,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), KeyLogError> {
        self.record_issuing(authority, store, now).await?;
        self.log_accounts(store, now).await
    }

    /// Logs the issuing certificate, and with it the root above it, if it is not the one that was logged last.
    pub(crate) async fn record_issuing(
        &self,
        authority: &Authority,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), KeyLogError> {
        let root = authority.successor_in_use().map(|hash| hash.to_vec().into());
        let event = AuthorityEvent::Issuing { certificate: hash(authority.issuing_certificate()), root };
        let body = Body::Authority(event);
        let last = store.last_authority_event().await?;
        if last.is_none_or(|last| last.body != body.to_bytes()) {
            store.append_to_log(vec![leaf(Label::LOG, &body)?], now).await?;
        }
        Ok(())
    }

    async fn log_accounts(&self, store: &dyn Store, now: Timestamp) -> Result<(), KeyLogError> {
        let mut count = 0;
        loop {
            let accounts = store.unlogged_accounts(SOME).await?;
            if accounts.is_empty() {
                break;
            }
            count += accounts.len();
            try_join_all(accounts.iter().map(async |known| {
                let account = &known.account;
                let leaves = self.issued(account.uid, &account.name, &account.identity_certificate)?;
                Ok::<_, KeyLogError>(store.log_account(account.uid, leaves.to_vec(), now).await?)
            }))
            .await?;
        }
        if count > 0 {
            info!(accounts = count, "logged the identities that are older than the log of keys");
        }
        Ok(())
    }

    /// Writes a heartbeat when the last one is a day old.
    async fn beat(&self, store: &dyn Store, now: Timestamp) -> Result<(), KeyLogError> {
        if now.0 < self.next_heartbeat.load(Ordering::Relaxed) {
            return Ok(());
        }
        let last = store.log_state().await?.heartbeat.filter(|last| now.since(*last) < HEARTBEAT);
        if last.is_none() {
            store.append_to_log(vec![leaf(Label::LOG, &Body::Heartbeat)?], now).await?;
        }
        self.next_heartbeat.store(last.unwrap_or(now).plus(HEARTBEAT).0, Ordering::Relaxed);
        Ok(())
    }

    /// The same, where nobody waits for it.
    pub(crate) async fn keep_or_warn(&self, authority: &Authority, store: &dyn Store, now: Timestamp) {
        if let Err(error) = self.keep(authority, store, now).await {
            warn!(%error, "the log of keys got no heartbeat: clients will warn of it");
        }
    }

    /// What is logged when an identity certificate is issued: under the name, and under the uid.
    pub(crate) fn issued(
        &self,
        uid: Uid,
        name: &UserName,
        certificate: &[u8],
    ) -> Result<[NewLeaf; 2], KeyLogError> {
        let name = name.clone();
        let (by_name, _) = self.vrf.prove(&Subject::Name(name.clone()))?;
        let (by_uid, _) = self.vrf.prove(&Subject::User(uid))?;
        let issued = IdentityIssued { uid, name, certificate: hash(certificate), renewal: None };
        let body = Body::IdentityIssued(issued);
        Ok([leaf(by_name, &body)?, leaf(by_uid, &body)?])
    }

    /// What is logged when one is issued again: under the name alone, for under the uid the newest leaf is that of the
    /// devices.
    pub(crate) fn renewed(
        &self,
        uid: Uid,
        name: &UserName,
        certificate: &[u8],
        signature: Vec<u8>,
    ) -> Result<NewLeaf, KeyLogError> {
        let (by_name, _) = self.vrf.prove(&Subject::Name(name.clone()))?;
        let (name, renewal) = (name.clone(), Some(signature.into()));
        leaf(
            by_name,
            &Body::IdentityIssued(IdentityIssued { uid, name, certificate: hash(certificate), renewal }),
        )
    }

    /// What is logged when a new key asks for a name, and what is said to that.
    pub(crate) fn reset(&self, uid: Uid, name: &UserName, step: ResetStep) -> Result<NewLeaf, KeyLogError> {
        let (label, _) = self.vrf.prove(&Subject::Name(name.clone()))?;
        leaf(label, &Body::Reset(Reset { uid, name: name.clone(), step }))
    }

    /// What is logged under the uid of who had a name that went to another key.
    pub(crate) fn retired(&self, uid: Uid, name: &UserName) -> Result<NewLeaf, KeyLogError> {
        let (label, _) = self.vrf.prove(&Subject::User(uid))?;
        leaf(label, &Body::IdentityRetired(NoLonger { uid, name: name.clone() }))
    }

    /// What is logged when a user's devices change.
    pub(crate) fn devices(
        &self,
        list: &DeviceList,
        signed: SignedDeviceList,
    ) -> Result<NewDeviceList, KeyLogError> {
        let (label, _) = self.vrf.prove(&Subject::User(list.uid))?;
        let devices = list.devices.iter().map(|device| device.did).collect();
        Ok(NewDeviceList { version: list.version, leaf: leaf(label, &Body::DeviceList(signed))?, devices })
    }

    /// Under which label the log keeps somebody.
    pub(crate) fn label(&self, subject: &Subject) -> Result<(Label, VrfProof), KeyLogError> {
        Ok(self.vrf.prove(subject)?)
    }

    /// Size and note of the head that was signed last.
    pub(crate) fn newest(&self) -> Option<(u64, Vec<u8>)> {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.as_ref().map(|signed| (signed.head().size, signed.note().to_vec()))
    }

    /// The signed note of a head that is on disk.
    pub(crate) fn note(&self, size: u64, root: Hash) -> Result<Vec<u8>, KeyLogError> {
        let head = Head { size, root };
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = signed.as_ref().filter(|signed| signed.head() == head) {
            return Ok(signed.note().to_vec());
        }
        let fresh = self.signer.sign(head)?;
        let note = fresh.note().to_vec();
        *signed = Some(fresh);
        Ok(note)
    }
}

fn leaf(label: Label, body: &Body) -> Result<NewLeaf, KeyLogError> {
    let mut nonce = [0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| KeyLogError::Random)?;
    Ok(NewLeaf { kind: body.kind(), label, opening: Opening { nonce, body: body.to_bytes() } })
}

/// By what the log knows a certificate.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    *digest(&SHA256, bytes).as_ref().first_chunk().unwrap_or(&[0; 32])
}
