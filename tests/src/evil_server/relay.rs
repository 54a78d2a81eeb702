//! Whoever has the keys of a server and sits between it and its users: TLS with both, and every byte passed on.

use std::net::SocketAddr;
use std::sync::Arc;

use openchat_client::Password;
use openchat_client::vault::Vault;
use openchat_identity::tls::{ClientTls, MachineClock, ServerTls, client_config};
use openchat_identity::{Authority, DeviceKey};
use openchat_protocol::Timestamp;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Openchat;
use crate::binary::PASSWORD;

/// Passes connections on until it is stopped.
pub struct Relay(JoinHandle<()>);

impl Relay {
    /// Listens at the first address and passes on to the second, where it is known as the device of `impostor`.
    pub(super) fn start(
        runtime: &Runtime,
        home: &Openchat,
        (at, to): (SocketAddr, SocketAddr),
        impostor: &str,
        authority: Authority,
    ) -> Self {
        let vault = Vault::open(&home.profile(impostor), &Password::new(PASSWORD)).expect("its vault");
        let credentials = vault.credentials().expect("its keys");
        let key = DeviceKey::from_pkcs8(&credentials.device_key).expect("a key");
        let chain = credentials.chain.iter().map(|der| der.to_vec()).collect();
        let (clock, pin) = (Arc::new(MachineClock), authority.fingerprint());
        let upstream = client_config(pin, Some((&key, chain)), clock.clone()).expect("its side of TLS");
        let leaf = authority.issue_server_leaf(Timestamp::now());
        let door = ServerTls::new(leaf, authority.anchor().clone(), clock).expect("the server's side of TLS");
        let listener = runtime.block_on(TcpListener::bind(at)).expect("the port of the server");
        Self(runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (config, _) = door.accept().expect("the server's side of TLS");
                tokio::spawn(pass(TlsAcceptor::from(config), stream, upstream.clone(), to));
            }
        }))
    }

    pub(super) async fn stop(self) {
        self.0.abort();
        // It has ended by that and not by itself.
        assert!(self.0.await.is_err_and(|error| error.is_cancelled()), "the relay has failed");
    }
}

/// One connection. Either end may go away at any time.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, upstream: ClientTls, to: SocketAddr) {
    let Ok(mut user) = acceptor.accept(stream).await else { return };
    let Ok(stream) = TcpStream::connect(to).await else { return };
    let connector = TlsConnector::from(Arc::clone(&upstream.config));
    let Ok(mut server) = connector.connect(upstream.server_name(), stream).await else { return };
    let _ = copy_bidirectional(&mut user, &mut server).await;
}
