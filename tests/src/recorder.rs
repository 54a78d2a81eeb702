//! Whoever sits on the wire without any key: every byte passed on, and kept to be sent again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use openchat_identity::InviteLink;

/// Longer than a server lets a handshake take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What clients have sent, one entry for each connection.
type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// Listens in front of a server until the story ends.
#[derive(Debug)]
pub struct Recorder {
    /// The server's link, with the recorder's door in the place of the server's.
    pub link: String,
    server: SocketAddr,
    kept: Kept,
}

impl Recorder {
    /// Sits in front of the server that `link` leads to.
    pub fn before(link: &str) -> Self {
        let mut link: InviteLink = link.parse().expect("a link");
        let server = SocketAddr::new(link.host.parse().expect("an address"), link.port);
        let listener = TcpListener::bind((server.ip(), 0)).expect("a port");
        link.port = listener.local_addr().expect("its port").port();
        let kept = Kept::default();
        let all = Arc::clone(&kept);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                pass(client, upstream, &all);
            }
        });
        Self { link: link.to_string(), server, kept }
    }

    /// What was recorded since the last call.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends the server what was recorded, and answers with what the server says until it ends the connection.
    pub fn replay(&self, recorded: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.server).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // The server may end it before all of it is sent.
        let _ = stream.write_all(recorded);
        let mut heard = Vec::new();
        let mut part = [0; 4096];
        loop {
            match stream.read(&mut part) {
                Ok(0) => return heard,
                Ok(length) => heard.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return heard,
                Err(error) => panic!("the server keeps the connection: {error}"),
            }
        }
    }
}

/// Two threads for one connection: one for each direction.
fn pass(client: TcpStream, upstream: TcpStream, kept: &Kept) {
    let (Ok(mut answers), Ok(mut back)) = (upstream.try_clone(), client.try_clone()) else { return };
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let place = {
        let mut all = kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Vec::new());
        all.len() - 1
    };
    let kept = Arc::clone(kept);
    thread::spawn(move || record((client, upstream), &kept, place));
}

fn record((mut client, mut upstream): (TcpStream, TcpStream), kept: &Kept, place: usize) {
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = client.read(&mut part) {
        // Kept before it goes on: what the server has answered is in the recording.
        if let Some(all) = kept.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            all.extend_from_slice(&part[..length]);
        }
        if upstream.write_all(&part[..length]).is_err() {
            break;
        }
    }
    let _ = upstream.shutdown(Shutdown::Both);
}
