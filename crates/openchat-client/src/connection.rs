//! One connection to the pinned server: TLS, then frames in both directions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use openchat_identity::tls::{self, ClientTls, MachineClock};
use openchat_identity::{DeviceKey, TrustAnchor, TrustError};
use openchat_protocol::frame::{self, FrameError};
use openchat_protocol::{ClientFrame, ServerFingerprint, ServerFrame, Timestamp, codec, limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{ClientError, ErrorKind};

/// From the first packet to the end of the handshake.
const CONNECTING: Duration = Duration::from_secs(10);
/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Where a server is, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) fingerprint: ServerFingerprint,
}

/// Why there is no connection, or no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// No answer at this address.
    #[error("cannot reach {}:{}: {reason}", server.host, server.port)]
    Unreachable { server: Server, reason: String },
    /// Something listens that speaks something else.
    #[error("{}:{} does not speak OpenChat: {reason}", server.host, server.port)]
    NotOpenChat { server: Server, reason: String },
    /// An OpenChat server with another identity.
    #[error(
        "the server at {}:{} is not the one you know: its fingerprint is {found}, it should be {}. Nothing was sent",
        server.host, server.port, server.fingerprint
    )]
    OtherServer { server: Server, found: ServerFingerprint },
    /// Certificates are out of date, or a clock is wrong.
    #[error("the certificates do not fit the time of this machine's clock: {0}")]
    Dates(String),
    /// The server shows a certificate that breaks the profile.
    #[error("the server's certificate is refused: {0}")]
    Certificate(#[from] TrustError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// The server, or what lies between, ended the connection.
    #[error("the server went away")]
    Closed,
    /// There is a connection, over which nothing comes.
    #[error("the server does not answer")]
    Silent,
    /// What came is no frame.
    #[error("the server sent something that is no OpenChat frame: {0}")]
    Frame(String),
    /// The certificates have ended, and there are no others.
    #[error("{0}")]
    Renewal(ClientError),
    /// This device's certificate or key cannot be used.
    #[error("this device's certificate cannot be used: {0}")]
    Device(String),
}

impl ConnectionError {
    /// Whether trying again by itself makes sense.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::OtherServer { .. } | Self::Device(_) => false,
            Self::Renewal(error) => !matches!(
                error.kind(),
                ErrorKind::OtherServer | ErrorKind::LockedOut | ErrorKind::NotFound | ErrorKind::Version
            ),
            _ => true,
        }
    }
}

impl From<io::Error> for ConnectionError {
    /// How a peer goes away is of no interest: by a crash, by a cable, or without TLS's last word (RFC 8446 §6.1).
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        // In TLS 1.3 the server judges this device's certificate after our end of the handshake is over.
        if let Some(cause) = tls_error(&error).filter(|cause| tls::is_about_dates(cause)) {
            return dates(cause);
        }
        match error.kind() {
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
                Self::Closed
            }
            _ => Self::Broken(error),
        }
    }
}

impl From<ConnectionError> for ClientError {
    fn from(error: ConnectionError) -> Self {
        use ConnectionError as E;
        let message = error.to_string();
        let (kind, help) = match error {
            E::Renewal(error) => return error,
            E::Unreachable { .. } => {
                (ErrorKind::Network, "see whether the server is running, and the address right")
            }
            E::Broken(_) | E::Closed => {
                (ErrorKind::Network, "see whether the server is still running, and try again")
            }
            E::Silent => (ErrorKind::Network, "try again later; ask the host of the server"),
            E::NotOpenChat { .. } | E::Frame(_) | E::Certificate(_) => {
                (ErrorKind::Protocol, "check host and port; ask the host of the server")
            }
            E::OtherServer { .. } => (
                ErrorKind::OtherServer,
                "either somebody sits between you and your server, or it was set up anew: ask its host for the \
                 fingerprint over another channel; only for a new server, join with a new link: \
                 `openchat --profile NAME join LINK`",
            ),
            E::Dates(_) => {
                (ErrorKind::Protocol, "set the clock of this machine right (`date`), or ask the host to")
            }
            E::Device(_) => (ErrorKind::Damaged, "make a new device: `openchat join LINK` with a new link"),
        };
        Self::new(kind, message).with_help(help)
    }
}

/// A connection after its handshake. Nothing is sent to any other server than the pinned one.
pub(crate) struct Connection {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    input: BytesMut,
    output: BytesMut,
    /// Something has yet to reach the operating system.
    unsent: bool,
    /// The trust anchor that the server has shown.
    pub(crate) anchor: TrustAnchor,
    /// The channel binding (RFC 9266).
    pub(crate) exporter: [u8; 32],
}

impl Connection {
    /// Connects to `server`, as `device` if there is one yet.
    pub(crate) async fn open(
        server: Server,
        device: Option<(&DeviceKey, Vec<Vec<u8>>)>,
    ) -> Result<Self, ConnectionError> {
        let tls = tls::client_config(server.fingerprint, device, Arc::new(MachineClock))
            .map_err(|error| ConnectionError::Device(error.to_string()))?;
        let opened = timeout(CONNECTING, Self::connect(&server, &tls)).await;
        opened.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", CONNECTING.as_secs());
            Err(ConnectionError::Unreachable { server, reason })
        })
    }

    async fn connect(server: &Server, tls: &ClientTls) -> Result<Self, ConnectionError> {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await;
        let stream = stream.map_err(|error| unreachable(server, &error))?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.server_name(), stream).await;
        let stream = stream.map_err(|error| handshake_failed(server, &error))?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(openchat_protocol::ALPN) {
            return Err(not_openchat(server, "it has not agreed to the protocol"));
        }
        let anchor = tls.anchor(session, Timestamp::now())?;
        let exporter =
            tls::channel_binding(session).map_err(|error| not_openchat(server, &error.to_string()))?;
        let (reader, writer) = tokio::io::split(stream);
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Ok(Self { reader, writer, input, output, unsent: false, anchor, exporter })
    }

    /// Puts a frame into the output; [`Self::next`] writes it.
    pub(crate) fn queue(&mut self, frame: &ClientFrame) -> Result<(), FrameError> {
        let mut bytes = Vec::new();
        frame::put(frame, limits::FRAME, &mut bytes)?;
        self.output.extend_from_slice(&bytes);
        self.unsent = true;
        Ok(())
    }

    /// Writes what there is to write until a frame has come. Loses nothing when dropped.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, ConnectionError> {
        loop {
            if let Some(frame) = self.arrived()? {
                return Ok(frame);
            }
            self.exchange().await?;
        }
    }

    /// A frame that has come already, without waiting.
    pub(crate) fn arrived(&mut self) -> Result<Option<ServerFrame>, ConnectionError> {
        let failed = |error: &dyn std::fmt::Display| ConnectionError::Frame(error.to_string());
        let taken = frame::take(&mut self.input, limits::FRAME).map_err(|error| failed(&error))?;
        taken.map(|frame| codec::decode(&frame).map_err(|error| failed(&error))).transpose()
    }

    async fn exchange(&mut self) -> Result<(), ConnectionError> {
        self.input.reserve(CHUNK);
        tokio::select! {
            read = self.reader.read_buf(&mut self.input) => {
                if read? == 0 {
                    return Err(ConnectionError::Closed);
                }
            }
            sent = send(&mut self.writer, &mut self.output), if self.unsent => {
                sent?;
                self.unsent = false;
            }
        }
        Ok(())
    }

    /// Writes all output, and ends the connection in order. Whoever calls this limits its time.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        self.writer.write_all_buf(&mut self.output).await?;
        self.writer.shutdown().await
    }
}

/// What was written has left `output`, so that nothing is lost or written twice when this is dropped.
async fn send(writer: &mut WriteHalf<TlsStream<TcpStream>>, output: &mut BytesMut) -> io::Result<()> {
    while !output.is_empty() {
        writer.write_buf(output).await?;
    }
    writer.flush().await
}

fn unreachable(server: &Server, error: &io::Error) -> ConnectionError {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        // Errors of the resolver carry no number of the system.
        _ if error.raw_os_error().is_none() => format!("the name is not found ({error})"),
        _ => error.to_string(),
    };
    ConnectionError::Unreachable { server: server.clone(), reason }
}

fn not_openchat(server: &Server, reason: &str) -> ConnectionError {
    ConnectionError::NotOpenChat { server: server.clone(), reason: reason.to_owned() }
}

fn handshake_failed(server: &Server, error: &io::Error) -> ConnectionError {
    let Some(cause) = tls_error(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => not_openchat(server, "it hung up at the first word"),
            io::ErrorKind::InvalidData => not_openchat(server, &error.to_string()),
            _ => ConnectionError::Unreachable { server: server.clone(), reason: error.to_string() },
        };
    };
    if let Some(found) = tls::other_fingerprint(cause) {
        return ConnectionError::OtherServer { server: server.clone(), found };
    }
    if tls::is_about_dates(cause) {
        return dates(cause);
    }
    match tls::trust_error(cause) {
        Some(error) => ConnectionError::Certificate(*error),
        None => not_openchat(server, &cause.to_string()),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|cause| cause.downcast_ref())
}

fn dates(cause: &rustls::Error) -> ConnectionError {
    let theirs = || "the server finds this device's certificate expired, or made in its future".to_owned();
    ConnectionError::Dates(tls::trust_error(cause).map_or_else(theirs, ToString::to_string))
}
