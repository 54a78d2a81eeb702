//! One connection to our server, up to its login and single requests.

use std::net::SocketAddr;

use openchat_identity::{challenge, tls};
use openchat_protocol::account::{Greeting, Hello, Login};
use openchat_protocol::message::{ClientFrame, Event, ServerFrame};
use openchat_protocol::{Incarnation, PROTOCOL_VERSION, Refusal, Request, Response, codec, frame, limits};

use super::town::Person;
use crate::link::Link;

/// A connection on which requests are answered one by one.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) incarnation: Incarnation,
    next: u64,
}

impl Session {
    /// The greeting of the server, as nobody yet or with a device's certificate.
    pub(super) async fn greet(address: SocketAddr, tls: &tls::ClientTls) -> Result<(Self, Greeting), String> {
        let link = Link::open(address, &tls.config, tls.server_name(), false).await?;
        // Far from the numbers of messages.
        let mut session = Self { link, incarnation: Incarnation([0; Incarnation::LENGTH]), next: 1 << 40 };
        let hello = Hello { version: PROTOCOL_VERSION, oldest_version: PROTOCOL_VERSION };
        match session.ask(Request::Hello(hello)).await? {
            Response::Greeting(greeting) => {
                session.incarnation = greeting.incarnation;
                Ok((session, greeting))
            }
            other => Err(format!("no greeting: {other:?}")),
        }
    }

    /// A login, as every client makes it.
    pub(crate) async fn log_in(address: SocketAddr, person: &Person) -> Result<Self, String> {
        let (mut session, greeting) = Self::greet(address, &person.tls).await?;
        let channel = tls::channel_binding(session.link.session()).map_err(|error| error.to_string())?;
        let nonce = greeting.nonce.as_slice().try_into().map_err(|_| "a nonce of another length")?;
        let signature = challenge::sign(&person.key, &greeting.server, person.device, &nonce, &channel);
        match session.ask(Request::Login(Login { signature: signature.into() })).await? {
            Response::LoggedIn(_) => Ok(session),
            other => Err(format!("no login: {other:?}")),
        }
    }

    /// Asks, and waits for the answer. Events that come before it are passed over: nothing is followed yet.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Response, String> {
        let id = self.next;
        self.next += 1;
        let mut question = Vec::new();
        frame::put(&ClientFrame { id, request }, limits::FRAME, &mut question)
            .map_err(|it| it.to_string())?;
        self.link.ask(&question, |bytes| answer(bytes, id)).await
    }
}

fn answer(bytes: &[u8], id: u64) -> Result<Option<(Response, usize)>, String> {
    let mut taken = 0;
    while let Some((frame, length)) = crate::frame::take(&bytes[taken..]) {
        taken += length;
        match codec::decode(frame).map_err(|error| error.to_string())? {
            ServerFrame::Answer { id: answered, response } if answered == id => {
                return Ok(Some((response, taken)));
            }
            ServerFrame::Refused { refusal, .. } | ServerFrame::Event(Event::Goodbye(refusal)) => {
                return Err(refused(&refusal));
            }
            ServerFrame::Answer { .. } | ServerFrame::Event(_) => {}
        }
    }
    Ok(None)
}

pub(super) fn refused(refusal: &Refusal) -> String {
    format!("refused ({:?}): {}", refusal.code, refusal.detail)
}
