//! One TLS connection of the load generator. All connections share one buffer to read into.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// From the first packet to the end of a login, on a loaded server.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static ARRIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// What has arrived is given to a closure, which says how many bytes of it were whole.
pub(crate) struct Link {
    stream: TlsStream<TcpStream>,
    /// The beginning of something whose rest has yet to arrive.
    rest: Vec<u8>,
    /// There may be something whole in `rest`, behind an answer.
    unheard: bool,
    /// What is to be written.
    pub(crate) output: Vec<u8>,
    unsent: bool,
}

impl Link {
    /// Connects, after the server's first line in clear if it begins so.
    pub(crate) async fn open(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        greets_in_clear: bool,
    ) -> Result<Self, String> {
        let opened = timeout(PATIENCE, async {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            while greets_in_clear && stream.read_u8().await? != b'\n' {}
            TlsConnector::from(Arc::clone(config)).connect(name, stream).await
        });
        let stream = opened.await.map_err(|_| "no handshake in time".to_owned())?;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        Ok(Self { stream, rest: Vec::new(), unheard: false, output: Vec::new(), unsent: false })
    }

    /// The TLS session.
    pub(crate) fn session(&self) -> &rustls::ClientConnection {
        self.stream.get_ref().1
    }

    /// Writes what there is to write until something has arrived, and gives it to `hear`. Loses nothing when dropped.
    pub(crate) async fn next(
        &mut self,
        mut hear: impl FnMut(&[u8]) -> Result<usize, String>,
    ) -> Result<(), String> {
        std::future::poll_fn(|cx| self.poll_next(cx, &mut hear)).await
    }

    /// Asks, and waits until `find` finds the answer, and how many bytes it ends after, in what has arrived.
    pub(crate) async fn ask<T>(
        &mut self,
        question: &[u8],
        mut find: impl FnMut(&[u8]) -> Result<Option<(T, usize)>, String>,
    ) -> Result<T, String> {
        self.output.extend_from_slice(question);
        let mut found = None;
        let asked = async {
            loop {
                self.next(|bytes| match find(bytes)? {
                    Some((value, end)) => {
                        found = Some(value);
                        Ok(end)
                    }
                    None => Ok(0),
                })
                .await?;
                if let Some(value) = found.take() {
                    self.unheard = !self.rest.is_empty();
                    return Ok(value);
                }
            }
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        hear: &mut impl FnMut(&[u8]) -> Result<usize, String>,
    ) -> Poll<Result<(), String>> {
        // A server that takes nothing more must be heard all the same.
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(error));
        }
        if std::mem::take(&mut self.unheard) {
            return Poll::Ready(self.take_in(&[], hear));
        }
        ARRIVED.with_borrow_mut(|arrived| {
            let mut arrived = ReadBuf::new(arrived);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut arrived));
            read.map_err(|error| format!("the connection broke: {error}"))?;
            match arrived.filled() {
                [] => Poll::Ready(Err("the server ended the connection".to_owned())),
                bytes => Poll::Ready(self.take_in(bytes, hear)),
            }
        })
    }

    fn take_in(
        &mut self,
        bytes: &[u8],
        hear: &mut impl FnMut(&[u8]) -> Result<usize, String>,
    ) -> Result<(), String> {
        if self.rest.is_empty() {
            let taken = hear(bytes)?;
            self.rest.extend_from_slice(&bytes[taken..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let taken = hear(&self.rest)?;
            self.rest.drain(..taken);
        }
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let broken = |error| format!("the connection broke: {error}");
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output)).map_err(broken)?;
            self.output.drain(..written);
            self.unsent = true;
        }
        if self.unsent {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(broken)?;
            self.unsent = false;
        }
        Poll::Ready(Ok(()))
    }
}
