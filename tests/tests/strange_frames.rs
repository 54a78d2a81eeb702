//! Behind a right handshake: frames that are none, frames over the limit, other protocol versions, and silence. The
//! real binary meets a server that sends them, and the real server meets a client that does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use openchat_identity::tls::{self, MachineClock, ServerTls};
use openchat_identity::{Authority, InviteLink};
use openchat_protocol::account::Hello;
use openchat_protocol::{
    ClientFrame, Event, Refusal, RefusalCode, Request, ServerFrame, Timestamp, codec, frame, limits,
};
use openchat_tests::{Openchat, ServerProcess};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

const REFUSED: i32 = 4;
const NETWORK: i32 = 7;

/// Longer than the server takes for any answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Alice, who is in #lobby and has said something, and a link for somebody else.
fn lobby() -> (Openchat, ServerProcess, String) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.run("alice", &["send", "lobby", "before"]).ok();
    let link = home.run("alice", &["invite", "lobby"]).ok();
    (home, server, link.trim().to_owned())
}

/// Listens as the server of `home`, by its own keys, until it goes out of scope. It answers the first frame of whoever
/// connects, says nothing more, and keeps the connection until the other end goes.
struct Impostor {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Impostor {
    fn new(home: &Openchat, address: SocketAddr, answer: &[u8]) -> Self {
        let authority = Authority::load(&home.folder().join("server/authority")).unwrap();
        let leaf = authority.issue_server_leaf(Timestamp::now());
        let tls = ServerTls::new(leaf, authority.anchor().clone(), Arc::new(MachineClock)).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, answer) = (Arc::clone(&is_over), answer.to_vec());
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| !over.load(Ordering::SeqCst)) {
                let (tls, answer) = (tls.clone(), answer.clone());
                std::thread::spawn(move || talk(&tls, stream.unwrap(), &answer));
            }
        });
        Self { address, is_over, listening: Some(listening) }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it, so that it sees that it is over.
        TcpStream::connect(self.address).unwrap();
        self.listening.take().unwrap().join().unwrap();
    }
}

/// The other end is free to go at any moment.
fn talk(tls: &ServerTls, stream: TcpStream, answer: &[u8]) {
    let connection = ServerConnection::new(tls.accept().unwrap().0).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    if stream.read(&mut [0; 4096]).is_ok() && stream.write_all(answer).is_ok() {
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    }
}

/// A server answers everybody with `answer`: who has a profile and who wants one is told the same, and when the right
/// server is back nothing is missing.
fn a_server_that_answers(answer: &[u8], code: i32, words: &[&str]) {
    let (home, server, link) = lobby();
    let address = server.kill();
    let impostor = Impostor::new(&home, address, answer);
    let outcome = home.run("alice", &["send", "lobby", "meanwhile"]);
    outcome.fails(code, &[words, &["kept on this machine"]].concat());
    home.run("bob", &["join", &link, "--name", "bob", "--only"]).fails(code, words);
    assert!(!home.profile("bob").join("private.pem").exists(), "nobody has heard of it");
    drop(impostor);

    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["send", "lobby", "after"]).ok();
    let out = home.run("alice", &["tail", "lobby", "--json"]).ok();
    let said = ["before", "meanwhile", "after"]
        .map(|text| out.match_indices(text).map(|(at, _)| at).collect::<Vec<_>>());
    assert!(said.iter().all(|at| at.len() == 1) && said.is_sorted(), "{out}");
    home.run("bob", &["join", &link, "--name", "bob", "--only"]).ok();
}

#[test]
fn a_server_that_sends_garbage_instead_of_frames() {
    a_server_that_answers(b"\0\0\0\x05hello", NETWORK, &["no OpenChat frame", "check host and port"]);
}

#[test]
fn a_server_that_announces_a_frame_over_the_limit() {
    let words = ["4294967295 bytes is over the limit", "check host and port"];
    a_server_that_answers(&[0xff; 4], NETWORK, &words);
}

#[test]
fn a_server_that_never_answers() {
    a_server_that_answers(b"", NETWORK, &["the server does not answer", "try again later"]);
}

#[test]
fn a_server_that_speaks_none_of_our_protocol_versions() {
    let refusal =
        Refusal::new(RefusalCode::Version, "this server speaks protocol versions 2 to 3, this client 1 to 1");
    let mut answer = Vec::new();
    frame::put(&ServerFrame::Refused { id: 1, refusal }, limits::FRAME, &mut answer).unwrap();
    let words = ["versions 2 to 3, this client 1 to 1", "install the newest openchat"];
    a_server_that_answers(&answer, REFUSED, &words);
}

/// A stranger's connection to the real server.
struct Stranger {
    stream: StreamOwned<ClientConnection, TcpStream>,
    input: BytesMut,
}

impl Stranger {
    fn new(link: &str) -> Self {
        let link: InviteLink = link.parse().unwrap();
        let tls = tls::client_config(link.server, None, Arc::new(MachineClock)).unwrap();
        let connection = ClientConnection::new(Arc::clone(&tls.config), tls.server_name()).unwrap();
        let stream = TcpStream::connect((link.host.as_str(), link.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: StreamOwned::new(connection, stream), input: BytesMut::new() }
    }

    /// Sends `bytes`, and reads one frame.
    fn ask(&mut self, bytes: &[u8]) -> ServerFrame {
        self.stream.write_all(bytes).unwrap();
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = frame::take(&mut self.input, limits::FRAME).unwrap() {
                return codec::decode(&frame).unwrap();
            }
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the server went away without a word");
            self.input.extend_from_slice(&chunk[..read]);
        }
    }
}

#[test]
fn a_stranger_that_sends_garbage_or_speaks_a_newer_protocol_is_told_why_and_disturbs_nobody() {
    let (home, _server, link) = lobby();
    for (bytes, code) in
        [(&b"\0\0\0\x05hello"[..], RefusalCode::Malformed), (&[0xff; 4], RefusalCode::TooLarge)]
    {
        match Stranger::new(&link).ask(bytes) {
            ServerFrame::Event(Event::Goodbye(refusal)) => assert_eq!(refusal.code, Some(code), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
    let mut hello = Vec::new();
    let request = Request::Hello(Hello { version: 9, oldest_version: 8 });
    frame::put(&ClientFrame { id: 1, request }, limits::FRAME, &mut hello).unwrap();
    match Stranger::new(&link).ask(&hello) {
        ServerFrame::Refused { id: 1, refusal } => {
            assert_eq!(refusal.code, Some(RefusalCode::Version));
            assert!(refusal.detail.contains("1 to 1, this client 8 to 9"), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
    home.run("alice", &["send", "lobby", "still here"]).ok();
}
