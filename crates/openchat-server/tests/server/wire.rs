//! A client that does nothing by itself.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use openchat_identity::tls;
use openchat_protocol::account::{Greeting, Hello, LoggedIn, Login};
use openchat_protocol::record::{Position, Record};
use openchat_protocol::room::{Follow, Page};
use openchat_protocol::{
    ClientFrame, Event, Refusal, RefusalCode, Request, Response, RoomId, ServerFrame, codec, frame, limits,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{Device, World};

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that the system takes for a client that does not read.
const RECEIVE_BUFFER: u32 = 64 << 10;

pub(crate) struct Wire {
    pub(crate) stream: TlsStream<TcpStream>,
    input: BytesMut,
    next_id: u64,
    pub(crate) events: VecDeque<Event>,
}

/// A plain connection from one of the many addresses of the loopback network.
pub(crate) async fn dial(from: [u8; 4], to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // The system keeps no megabytes for a client that does not read.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

impl Wire {
    pub(crate) async fn connect(world: &World, device: Option<&Device>) -> Self {
        Self::try_connect(world, device).await.expect("a TLS connection")
    }

    pub(crate) async fn try_connect(world: &World, device: Option<&Device>) -> io::Result<Self> {
        let device = device.map(|device| (&device.key, device.chain.clone()));
        let clock = std::sync::Arc::new(world.clock.clone());
        let client = tls::client_config(world.server.fingerprint(), device, clock).unwrap();
        let socket = dial([127, 0, 0, 1], world.server.addr()).await?;
        let stream = TlsConnector::from(client.config.clone()).connect(client.server_name(), socket).await?;
        Ok(Self { stream, input: BytesMut::new(), next_id: 0, events: VecDeque::new() })
    }

    /// A connection that has said Hello and logged in.
    pub(crate) async fn log_in(world: &World, device: &Device) -> Self {
        Self::try_log_in(world, device).await.expect("a login").0
    }

    pub(crate) async fn try_log_in(world: &World, device: &Device) -> Result<(Self, LoggedIn), Refusal> {
        let mut wire = Self::connect(world, Some(device)).await;
        let greeting = wire.hello().await;
        let login = wire.proof(world, device, &greeting);
        match wire.ask(Request::Login(login)).await? {
            Response::LoggedIn(logged_in) => {
                wire.keep_welcomes().await;
                Ok((wire, logged_in))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads the Welcomes that wait at a login.
    async fn keep_welcomes(&mut self) {
        loop {
            match self.frame().await {
                Some(ServerFrame::Event(Event::WelcomesSent)) => return,
                Some(ServerFrame::Event(event @ Event::Welcome(_))) => self.events.push_back(event),
                other => panic!("{other:?} instead of a Welcome or the end of them"),
            }
        }
    }

    pub(crate) async fn hello(&mut self) -> Greeting {
        let hello = Hello { version: 1, oldest_version: 1 };
        match self.ask(Request::Hello(hello)).await {
            Ok(Response::Greeting(greeting)) => greeting,
            other => panic!("{other:?}"),
        }
    }

    /// The honest answer to `greeting` on this connection.
    pub(crate) fn proof(&self, world: &World, device: &Device, greeting: &Greeting) -> Login {
        let nonce = greeting.nonce.as_slice().try_into().unwrap();
        Login { signature: device.prove(world, &nonce, &self.channel()).into() }
    }

    pub(crate) fn channel(&self) -> [u8; 32] {
        tls::channel_binding(self.stream.get_ref().1).unwrap()
    }

    /// Sends a request and waits for its answer; events that come meanwhile are kept.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Response, Refusal> {
        let id = self.send(request).await;
        self.answer(id).await
    }

    pub(crate) async fn answer(&mut self, wanted: u64) -> Result<Response, Refusal> {
        loop {
            match self.frame().await.expect("an answer before the end of the connection") {
                ServerFrame::Answer { id, response } if id == wanted => return Ok(response),
                ServerFrame::Refused { id, refusal } if id == wanted => return Err(refusal),
                ServerFrame::Event(event) => self.events.push_back(event),
                other => panic!("the answer to another request: {other:?}"),
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Request) -> u64 {
        self.next_id += 1;
        let mut bytes = Vec::new();
        frame::put(&ClientFrame { id: self.next_id, request }, limits::FRAME, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
        self.next_id
    }

    /// Sends a request so many times, in one piece.
    pub(crate) async fn send_many(&mut self, request: &Request, count: usize) -> Vec<u64> {
        let mut bytes = Vec::new();
        let ids: Vec<_> = (self.next_id + 1..).take(count).collect();
        for id in &ids {
            let frame = ClientFrame { id: *id, request: request.clone() };
            frame::put(&frame, limits::FRAME, &mut bytes).unwrap();
        }
        self.next_id += count as u64;
        self.send_bytes(&bytes).await;
        ids
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame, or nothing when the server has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            if let Some(frame) = frame::take(&mut self.input, limits::FRAME).unwrap() {
                return Some(codec::decode(&frame).unwrap());
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input));
            match read.await.expect("a frame in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        match self.frame().await {
            Some(ServerFrame::Event(event)) => event,
            other => panic!("{other:?} instead of an event"),
        }
    }

    pub(crate) async fn page(&mut self) -> Page {
        match self.event().await {
            Event::Page(page) => page,
            other => panic!("{other:?} instead of a page"),
        }
    }

    /// Reads until the server says why it ends this connection and closes it.
    pub(crate) async fn goodbye(&mut self) -> Refusal {
        loop {
            match self.frame().await.expect("a goodbye before the end") {
                ServerFrame::Event(Event::Goodbye(reason)) => {
                    assert_eq!(self.frame().await, None, "nothing follows a goodbye");
                    return reason;
                }
                _ => continue,
            }
        }
    }

    pub(crate) async fn follow(&mut self, room: RoomId, after: Position) {
        let answer = self.ask(Request::Follow(Follow { room, after })).await;
        assert_eq!(answer, Ok(Response::Done));
    }

    /// Reads pages of `room` until `count` records are there.
    pub(crate) async fn records(&mut self, room: RoomId, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            let page = self.page().await;
            assert_eq!(page.room, room);
            records.extend(page.records.iter().map(|record| Record::from_bytes(record).unwrap()));
        }
        assert_eq!(records.len(), count);
        records
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> RefusalCode {
    answer.expect_err("a refusal").code.unwrap()
}
