//! The door: accepts connections, no more and no faster than the limits say, and leads them through the TLS handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openchat_identity::Authority;
use openchat_identity::tls::{self, ServerTls, Shown};
use openchat_protocol::{ALPN, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, error, info, warn};

use crate::live::Presence;
use crate::rates::Network;
use crate::requests::login::Peer;
use crate::requests::stopping;
use crate::session::Session;
use crate::state::State;
use crate::sweep;

/// The server's own certificate is good for a year; it is made anew long before.
const LEAF_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long to wait when the machine has no file descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

pub(crate) struct Listener {
    socket: TcpListener,
    state: Arc<State>,
    tls: MadeTls,
    connections: JoinSet<()>,
}

/// The TLS side of a server, when it was made, and by which authority.
struct MadeTls {
    tls: ServerTls,
    at: Timestamp,
    authority: Arc<Authority>,
}

/// With a fresh key.
fn server_tls(state: &State) -> Result<MadeTls, rustls::Error> {
    let authority = state.authority();
    let leaf = authority.issue_server_leaf(state.now());
    let tls = ServerTls::new(leaf, authority.anchor().clone(), Arc::new(state.clock.clone()))?;
    Ok(MadeTls { tls, at: state.now(), authority })
}

impl Listener {
    pub(crate) fn new(socket: TcpListener, state: Arc<State>) -> Result<Self, rustls::Error> {
        let tls = server_tls(&state)?;
        Ok(Self { socket, state, tls, connections: JoinSet::new() })
    }

    /// Serves until told to stop, or until whoever could tell is gone.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut sweeper = sweep::spawn(&self.state);
        loop {
            select! {
                _ = &mut stop => break,
                accepted = self.socket.accept() => self.handle_accepted(accepted).await,
                Some(ended) = self.connections.join_next() => report(ended),
                ended = &mut sweeper => {
                    report(ended);
                    sweeper = sweep::spawn(&self.state);
                }
            }
        }
        self.stop(&sweeper).await;
    }

    async fn handle_accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, address)) => self.admit(stream, address),
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "a connection was gone before it began");
            }
            Err(error) => {
                warn!(%error, "no connection can be accepted for now: are there too many open files?");
                sleep(EXHAUSTED).await;
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, address: SocketAddr) {
        let network = Network::from(address.ip());
        if self.state.rates.connections.check(&network).is_err() {
            debug!(%address, "dropped: too many connections from there");
            return;
        }
        let Some(presence) = self.state.live.admit() else {
            debug!(%address, "dropped: the server is full");
            return;
        };
        self.renew_tls();
        match self.tls.tls.accept() {
            Ok((config, shown)) => {
                let door = Door { acceptor: TlsAcceptor::from(config), shown };
                self.connections.spawn(serve(Arc::clone(&self.state), door, stream, network, presence));
            }
            Err(error) => error!(%error, "no handshake is possible"),
        }
    }

    fn renew_tls(&mut self) {
        let is_fresh = self.state.now().since(self.tls.at) < LEAF_LIFE;
        if is_fresh && Arc::ptr_eq(&self.tls.authority, &self.state.authority()) {
            return;
        }
        match server_tls(&self.state) {
            Ok(tls) => self.tls = tls,
            Err(error) => error!(%error, "the server's certificate was not renewed"),
        }
    }

    /// Nobody new; what is under way is finished and flushed, within limits.
    async fn stop(mut self, sweeper: &JoinHandle<()>) {
        drop(self.socket);
        sweeper.abort();
        self.state.live.stop(&stopping());
        let finished = async {
            while let Some(ended) = self.connections.join_next().await {
                report(ended);
            }
        };
        if timeout(self.state.limits.stop(), finished).await.is_err() {
            warn!(connections = self.connections.len(), "connections were cut off");
            self.connections.shutdown().await;
        }
        info!("stopped");
    }
}

/// A fault in one task ends that task alone.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a task has failed: this is a fault in the server");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The TLS side of one connection.
struct Door {
    acceptor: TlsAcceptor,
    shown: Shown,
}

async fn serve(state: Arc<State>, door: Door, stream: TcpStream, network: Network, presence: Presence) {
    let login_until = Instant::now() + state.limits.login();
    // Boxed, so that the session does not keep the memory of its handshake.
    let greeted = Box::pin(handshake(&state, door, stream, &presence)).await;
    let Some((stream, peer)) = greeted else { return };
    Box::new(Session::new(state, stream, peer, network, presence, login_until)).run().await;
}

async fn handshake(
    state: &State,
    door: Door,
    stream: TcpStream,
    presence: &Presence,
) -> Option<(TlsStream<TcpStream>, Peer)> {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "small frames may be delayed");
    }
    let accepted = select! {
        () = presence.bell().rung() => return None,
        accepted = timeout(state.limits.handshake(), door.acceptor.accept(stream)) => accepted,
    };
    match accepted {
        Err(_) => info!("a connection was dropped: no TLS handshake in time"),
        Ok(Err(error)) => info!(%error, "a connection was dropped: no TLS handshake"),
        Ok(Ok(stream)) => return peer(door.shown, &stream).map(|peer| (stream, peer)),
    }
    None
}

/// What the handshake has shown of the other end.
fn peer(shown: Shown, stream: &TlsStream<TcpStream>) -> Option<Peer> {
    let (_, connection) = stream.get_ref();
    if connection.alpn_protocol() != Some(ALPN) {
        info!("a connection was dropped: it does not speak this protocol");
        return None;
    }
    let channel =
        tls::channel_binding(connection).inspect_err(|error| error!(%error, "no channel binding")).ok()?;
    Some(Peer { member: shown.member(connection).map(Box::new), channel })
}
