//! A whole server: started, steered and stopped from here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use openchat_identity::authority::Authority;
use openchat_protocol::{DeviceId, ServerFingerprint, Uid};
use openchat_store::{Store, StoreError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::Config;
use crate::fanout::Rooms;
use crate::issuer::Issuer;
use crate::key_log::{KeyLog, KeyLogError};
use crate::links::Links;
use crate::listener::Listener;
use crate::listing::Listing;
use crate::live::Live;
use crate::rates::Rates;
use crate::signed_head::SignedHead;
use crate::state::State;

/// Bytes that the system takes from us for a connection before its peer has them.
const SEND_BUFFER: u32 = 256 << 10;
/// Connections that the system completes before we accept them.
const BACKLOG: u32 = 1024;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something listens there already.
    #[error("port {} is in use: stop what listens there (another OpenChat server?), or set another `listen` address", .0.port())]
    PortInUse(SocketAddr),
    /// The port is one of those that only the administrator of the machine may use.
    #[error("this user may not listen on port {}: set a `listen` address with a port from 1024 on", .0.port())]
    NotPermitted(SocketAddr),
    /// The address is none of this machine's, or the system refused for another reason.
    #[error(
        "cannot listen on {address} ({source}): set `listen` to an address of this machine, or to 0.0.0.0"
    )]
    Address {
        /// Where the server was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server's certificate does not work.
    #[error("the server's certificate cannot be used ({0}): restore the authority's folder from a backup")]
    Tls(#[from] rustls::Error),
    /// The log of keys cannot be kept.
    #[error("the log of keys cannot be kept: {0}")]
    KeyLog(#[from] KeyLogError),
    /// The database is not the newest one.
    #[error(
        "the database has {records} key records, and this server has signed {signed}: it is an older copy; if that is the \
         newest one that there is, start with --restored, and users give back what it has lost"
    )]
    SetBack {
        /// Records of its log of keys.
        records: u64,
        /// Records of the log that was signed.
        signed: u64,
    },
    /// The file with the newest signed head cannot be read or removed.
    #[error("{path} cannot be used ({source}): check that it belongs to the server's user")]
    SignedHead {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The way to a [`Running`] server.
#[derive(Debug)]
pub struct Server(());

impl Server {
    /// Listens, and serves until the answer is stopped or dropped.
    pub async fn start(
        config: &Config,
        authority: Authority,
        store: Arc<dyn Store>,
    ) -> Result<Running, StartError> {
        Self::start_with_clock(config, authority, store, Clock::machine()).await
    }

    /// The same by another clock than the machine's.
    pub async fn start_with_clock(
        config: &Config,
        authority: Authority,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Running, StartError> {
        let socket = bind(config.listen)?;
        let key_log = KeyLog::new(&authority)?;
        let signed_head = SignedHead::new(config.signed_head.as_deref());
        signed_head.check(&key_log, store.as_ref(), clock.now()).await?;
        // Before anybody can ask; but nothing new comes before what is taken back.
        if store.takes_back_until().is_none_or(|until| until <= clock.now()) {
            key_log.keep(&authority, store.as_ref(), clock.now()).await?;
        }
        let address = socket.local_addr().map_err(|source| refused(config.listen, source))?;
        let state = Arc::new(State {
            registration: config.registration,
            address: config.address.clone(),
            listening: address,
            limits: config.limits.clone(),
            issuer: Issuer::new(authority, config.authority_folder()),
            key_log,
            store,
            rooms: Arc::new(Rooms::default()),
            live: Arc::new(Live::new(&config.limits)),
            rates: Rates::new(&config.limits),
            links: Links::default(),
            budget: Budget::default(),
            listing: Listing::default(),
            clock,
            signed_head,
            set_back: AtomicBool::new(false),
        });
        state.issuer.warn_of_endings(state.now());
        let listener = Listener::new(socket, Arc::clone(&state))?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listener.run(stopped));
        info!(port = address.port(), "listening");
        Ok(Running {
            address,
            state,
            stop,
            task,
            #[cfg(unix)]
            door: None,
        })
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let listening = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        // Connections inherit it. Without, the system would keep megabytes for a slow reader.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    listening.map_err(|source| refused(address, source))
}

fn refused(address: SocketAddr, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse(address),
        io::ErrorKind::PermissionDenied => StartError::NotPermitted(address),
        _ => StartError::Address { address, source },
    }
}

/// A server that serves. Dropping this stops it too, but nobody learns when it has stopped.
pub struct Running {
    address: SocketAddr,
    state: Arc<State>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    #[cfg(unix)]
    door: Option<crate::admin::Door>,
}

impl Running {
    /// Where it listens, with the port that the system chose if the configuration said 0.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// How clients know it.
    pub fn fingerprint(&self) -> ServerFingerprint {
        self.state.authority().fingerprint()
    }

    /// Connections at this moment: before login, and after.
    pub fn connections(&self) -> (usize, usize) {
        self.state.live.count()
    }

    /// Disables an account and ends its connections, or enables it again. `false` when there is none.
    pub async fn set_disabled(&self, uid: Uid, disabled: bool) -> Result<bool, StoreError> {
        self.state.set_disabled(uid, disabled).await
    }

    /// Revokes a device for good and ends its connections. `false` when it is unknown.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError> {
        self.state.revoke_device(device).await
    }

    /// Lets the operator in, by a socket in `folder` that closes when the server stops: see [`Admin`](crate::admin::Admin).
    #[cfg(unix)]
    pub fn open_admin_door(&mut self, folder: &std::path::Path) -> io::Result<()> {
        // One that is open already removes its socket when it closes, so it has to go first.
        self.door = None;
        self.door = Some(crate::admin::Door::open(folder, Arc::clone(&self.state))?);
        Ok(())
    }

    /// Stops: lets nobody in, finishes what is under way, tells all clients to connect again, and returns when all is
    /// flushed and closed.
    pub async fn stop(self) {
        // The task may have ended by itself; then there is nobody to tell.
        _ = self.stop.send(());
        _ = self.task.await;
    }
}
