//! Measures the log of keys on SQLite: `cargo run --release -p openchat-store --example key_log -- 10000 100000`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a measurement"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use openchat_protocol::account::Account;
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::key_log::Proven;
use openchat_protocol::{Genesis, Timestamp, Uid, UserName, codec};
use openchat_store::account::NewAccount;
use openchat_store::key_log::NewLeaf;
use openchat_store::{SqliteStore, Store};
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{
    Auditor, Body, Head, Kind, Label, LogSigner, Lookup, Opening, Path, Subject, Tail, VrfSecret,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PAGE: usize = openchat_protocol::limits::LOG_PAGE;
const ROUNDS: u32 = 200;

struct Log {
    store: Arc<SqliteStore>,
    signer: LogSigner,
    vrf: VrfSecret,
    genesis: Genesis,
}

fn leaf(label: Label, body: &Body) -> NewLeaf {
    let mut nonce = [0; 32];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();
    NewLeaf { kind: body.kind(), label, opening: Opening { nonce, body: body.to_bytes() } }
}

fn name(number: u32) -> UserName {
    format!("user-{}", char::from(b'a' + (number % 26) as u8).to_string() + &number.to_string())
        .parse()
        .unwrap()
}

fn uid(number: u32) -> Uid {
    let mut uid = [0; 16];
    uid[..4].copy_from_slice(&number.to_be_bytes());
    Uid(uid)
}

impl Log {
    fn new(store: SqliteStore) -> Self {
        let public = |seed: [u8; 32]| {
            Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref().try_into().unwrap()
        };
        let genesis = Genesis { root_spki: vec![1], log_key: public([1; 32]), vrf_key: public([2; 32]) };
        let signer = LogSigner::from_seed(&[1; 32], &genesis).unwrap();
        let vrf = VrfSecret::from_seed(&[2; 32], &genesis.vrf_key).unwrap();
        Self { store: Arc::new(store), signer, vrf, genesis }
    }

    /// Two leaves and an account, as a registration makes them.
    fn account(&self, number: u32) -> NewAccount {
        let (uid, name) = (uid(number), name(number));
        let issued = IdentityIssued { uid, name: name.clone(), certificate: [7; 32], renewal: None };
        let label = |subject| self.vrf.prove(&subject).unwrap().0;
        let body = Body::IdentityIssued(issued);
        let log = [label(Subject::Name(name.clone())), label(Subject::User(uid))].map(|it| leaf(it, &body));
        let spki = [&uid.0[..], &[9; 104]].concat();
        let certificate = || vec![8; 700];
        NewAccount {
            uid,
            name,
            identity_spki: spki,
            identity_certificate: certificate(),
            issuing_certificate: certificate(),
            log,
        }
    }

    /// Fills the log up to `size` leaves, many at once.
    async fn fill(&self, size: u64) {
        let list = SignedDeviceList { list: vec![5; 70].into(), signature: vec![6; 103].into() };
        let body = Body::DeviceList(list);
        let mut there = self.store.log_state().await.unwrap().size;
        while there < size {
            let label = |number: u64| {
                let mut label = [3; 32];
                label[..8].copy_from_slice(&number.to_be_bytes());
                Label(label)
            };
            let batch = (there..size.min(there + 5000)).map(|number| leaf(label(number), &body)).collect();
            self.store.append_to_log(batch, NOW).await.unwrap();
            there = self.store.log_state().await.unwrap().size;
        }
    }

    fn note(&self, head: Head) -> Vec<u8> {
        self.signer.sign(head).unwrap().note().to_vec()
    }

    /// As the server answers `Prove`, for somebody who knows `known` leaves.
    async fn prove(&self, number: u32, known: u64) -> Proven {
        let (name, uid) = (name(number), uid(number));
        let by_name = self.vrf.prove(&Subject::Name(name.clone())).unwrap();
        let by_uid = self.vrf.prove(&Subject::User(uid)).unwrap();
        let found = self.store.log_entries(vec![by_name.0, by_uid.0], known).await.unwrap();
        let note = self.note(Head { size: found.size, root: found.root });
        let mut entries = found.entries.into_iter().map(Option::unwrap);
        let mut lookup = |vrf, consistency| {
            Lookup { note: note.clone(), consistency, vrf, entry: entries.next().unwrap() }.to_bytes().into()
        };
        let account = Account {
            uid,
            name,
            identity_certificate: vec![8; 700].into(),
            issuing_certificate: vec![8; 700].into(),
        };
        Proven {
            account,
            name: lookup(by_name.1, found.consistency),
            user: lookup(by_uid.1, Path::default()),
            history: None,
        }
    }

    /// Reads and checks the whole log, as a client does at its first login. Bytes, and the time for checking alone.
    async fn audit(&self) -> (Auditor, usize, Duration) {
        let mut auditor = Auditor::new(self.genesis.clone(), NOW).unwrap();
        let (mut bytes, mut checking) = (0, Duration::ZERO);
        while !auditor.is_complete() {
            let known = auditor.head().map_or(0, |head| head.head().size);
            let tail = self.store.log_tail(known, auditor.followed(), PAGE).await.unwrap();
            let note = self.note(Head { size: tail.size, root: tail.root });
            let (consistency, beyond) = (tail.consistency, tail.beyond);
            let tail = Tail { note, consistency, leaves: tail.leaves, beyond }.to_bytes();
            bytes += tail.len();
            let begun = Instant::now();
            auditor.advance(&Tail::from_bytes(&tail).unwrap(), NOW).unwrap();
            checking += begun.elapsed();
        }
        (auditor, bytes, checking)
    }
}

fn each(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0 / f64::from(ROUNDS)
}

async fn measure(size: u64) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(SqliteStore::open(&folder.path().join("server.db")).unwrap());
    let heartbeat = leaf(Label::LOG, &Body::Heartbeat);
    assert_eq!(heartbeat.kind, Kind::Heartbeat);
    log.store.append_to_log(vec![heartbeat], NOW).await.unwrap();
    log.fill(size).await;
    println!("{size} entries");

    let accounts: Vec<_> = (0..ROUNDS).map(|number| log.account(number)).collect();
    let begun = Instant::now();
    for account in accounts {
        log.store.create_account(account, None, NOW).await.unwrap();
    }
    println!("  publish, one by one, on disk    {:.2} ms an account (2 entries)", each(begun));
    let accounts: Vec<_> = (ROUNDS..2 * ROUNDS).map(|number| log.account(number)).collect();
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for account in accounts {
        let store = Arc::clone(&log.store);
        tasks.spawn(async move { store.create_account(account, None, NOW).await.unwrap() });
    }
    tasks.join_all().await;
    println!("  publish, all at once, on disk   {:.2} ms an account (2 entries)", each(begun));

    let begun = Instant::now();
    let (mut auditor, bytes, checking) = log.audit().await;
    println!(
        "  audit by a client               {:.2} s with reading, {:.2} s without, {:.1} MB",
        begun.elapsed().as_secs_f64(),
        checking.as_secs_f64(),
        bytes as f64 / 1e6
    );
    let (state, labels) = (auditor.state(), auditor.take_labels());
    let kept = labels.iter().map(|(_, known)| 32 + known.len()).sum::<usize>() + state.len();
    let begun = Instant::now();
    Auditor::resume(log.genesis.clone(), &state, labels).unwrap();
    println!(
        "  what a client keeps             {:.1} MB in rows, read in {:.2} s",
        kept as f64 / 1e6,
        begun.elapsed().as_secs_f64()
    );

    let known = auditor.followed();
    let begun = Instant::now();
    let mut answers = Vec::new();
    for number in 0..ROUNDS {
        answers.push(log.prove(number, known).await);
    }
    println!("  lookup, by the server           {:.2} ms (both labels)", each(begun));
    let bytes = answers.iter().map(|it| codec::encode(it).len() - 1400).sum::<usize>() / ROUNDS as usize;
    let begun = Instant::now();
    for Proven { account, name, user, .. } in &answers {
        let name = Lookup::from_bytes(name).unwrap();
        auditor.check(&Subject::Name(account.name.clone()), &name, NOW).unwrap();
        auditor.check(&Subject::User(account.uid), &Lookup::from_bytes(user).unwrap(), NOW).unwrap();
    }
    println!(
        "  lookup, checked by the client   {:.2} ms, {bytes} bytes without the certificates",
        each(begun)
    );
}

#[tokio::main]
async fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).map(|size| size.parse().expect("sizes")).collect();
    for size in if sizes.is_empty() { vec![10_000, 100_000] } else { sizes } {
        measure(size).await;
    }
}
