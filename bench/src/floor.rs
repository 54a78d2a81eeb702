//! Bare rustls broadcasters on one thread and one epoll, without login, order, storage or limits: what is possible.
//!
//! `floor1` gathers what one round brings and writes once to each connection; `floor0` writes each message by itself.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::{ServerConfig, ServerConnection};

use crate::{certificate, frame};

const LISTENER: Token = Token(usize::MAX);

/// A room in one round: who hears it, and what was said.
#[derive(Default)]
struct Room {
    hearers: Vec<usize>,
    said: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    tls: ServerConnection,
    input: Vec<u8>,
    room: Option<u32>,
    interest: Interest,
}

struct Floor {
    poll: Poll,
    config: Arc<ServerConfig>,
    connections: HashMap<usize, Connection>,
    next: usize,
    rooms: HashMap<u32, Room>,
    gathers: bool,
    arrived: Vec<u8>,
}

/// Serves on `port` of the loopback until the process is ended.
pub(crate) fn run(gathers: bool, port: u16) -> io::Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut listener = TcpListener::bind(address)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let config = certificate::server(Path::new("."));
    let mut floor = Floor {
        poll,
        config,
        connections: HashMap::new(),
        next: 0,
        rooms: HashMap::new(),
        gathers,
        arrived: vec![0; 64 << 10],
    };
    let mut events = Events::with_capacity(1024);
    loop {
        floor.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                Token(number) => floor.serve(number, event.is_writable()),
            }
        }
        floor.deliver();
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let mut tls =
                ServerConnection::new(Arc::clone(&self.config)).expect("a configuration that works");
            tls.set_buffer_limit(None);
            let number = self.next;
            self.next += 1;
            self.poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            let interest = Interest::READABLE;
            self.connections
                .insert(number, Connection { stream, tls, input: Vec::new(), room: None, interest });
        }
    }

    fn serve(&mut self, number: usize, writable: bool) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let read = connection.read(&mut self.arrived);
        if read.is_err() || (writable && connection.tls.wants_write() && connection.flush().is_err()) {
            return self.end(number);
        }
        self.take_frames(number);
        self.watch(number);
    }

    fn take_frames(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let input = std::mem::take(&mut connection.input);
        let mut room = connection.room;
        let mut taken = 0;
        while let Some((body, length)) = frame::take(&input[taken..]) {
            let whole = &input[taken..taken + length];
            taken += length;
            match room {
                None => {
                    let id = body.first_chunk::<4>().map_or(0, |id| u32::from_be_bytes(*id));
                    room = Some(id);
                    let hearers = &mut self.rooms.entry(id).or_default().hearers;
                    if body.last() == Some(&1) {
                        hearers.push(number);
                    }
                    self.send(number, whole);
                }
                Some(id) if self.gathers => {
                    self.rooms.entry(id).or_default().said.extend_from_slice(whole);
                }
                Some(id) => {
                    let hearers = self.rooms.get(&id).map(|room| room.hearers.clone()).unwrap_or_default();
                    hearers.into_iter().for_each(|hearer| self.send(hearer, whole));
                }
            }
        }
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.room = room;
            connection.input = match &input[taken..] {
                [] => Vec::new(),
                rest => rest.to_vec(),
            };
        }
    }

    /// What was gathered in this round.
    fn deliver(&mut self) {
        if !self.gathers {
            return;
        }
        let said: Vec<_> = self.rooms.iter_mut().filter(|(_, room)| !room.said.is_empty()).collect();
        let said: Vec<_> = said
            .into_iter()
            .map(|(_, room)| (room.hearers.clone(), std::mem::take(&mut room.said)))
            .collect();
        for (hearers, said) in said {
            hearers.into_iter().for_each(|hearer| self.send(hearer, &said));
        }
    }

    fn send(&mut self, number: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let sent = connection.tls.writer().write_all(bytes).and_then(|()| connection.flush());
        match sent {
            Ok(()) => self.watch(number),
            Err(_) => self.end(number),
        }
    }

    fn watch(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let wanted = match connection.tls.wants_write() {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        if wanted != connection.interest {
            connection.interest = wanted;
            let registry = self.poll.registry();
            registry.reregister(&mut connection.stream, Token(number), wanted).expect("a registered socket");
        }
    }

    fn end(&mut self, number: usize) {
        let Some(connection) = self.connections.remove(&number) else { return };
        if let Some(room) = connection.room.and_then(|room| self.rooms.get_mut(&room)) {
            room.hearers.retain(|hearer| *hearer != number);
        }
    }
}

impl Connection {
    /// Reads until nothing is left.
    fn read(&mut self, arrived: &mut [u8]) -> io::Result<()> {
        loop {
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            loop {
                match self.tls.reader().read(arrived) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(length) => self.input.extend_from_slice(&arrived[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if self.tls.is_handshaking() || self.tls.wants_write() {
                self.flush()?;
            }
        }
    }

    /// Writes as much as the system takes.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
