//! One request after the other, with a wait for each answer: for the few that need no login, and for who has no engine.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_identity::{IdentityKey, InviteLink, Validity, renewal};
use openchat_protocol::account::{Greeting, Hello, Register, Registered, RegistrationPolicy, RenewIdentity};
use openchat_protocol::reset::{AskReset, ResetState};
use openchat_protocol::{
    ClientFrame, PROTOCOL_VERSION, Refusal, RefusalCode, Request, Response, ServerFingerprint, ServerFrame,
    UserName,
};
use tokio::time::timeout;

use crate::connection::{Connection, ConnectionError, Server};
use crate::enrol::bad_certificate;
use crate::error::{ClientError, ErrorKind};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection for the few requests that need no login.
pub(crate) struct Door {
    pub(crate) connection: Connection,
    greeting: Greeting,
    next_id: u64,
}

impl Door {
    pub(crate) async fn open(server: Server) -> Result<Self, ClientError> {
        let mut connection = Connection::open(server, None).await?;
        let hello = Hello { version: PROTOCOL_VERSION, oldest_version: PROTOCOL_VERSION };
        match exchange(&mut connection, 1, Request::Hello(hello)).await? {
            Ok(Response::Greeting(greeting)) => Ok(Self { connection, greeting, next_id: 2 }),
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(crate) async fn ask(&mut self, request: Request) -> Result<Result<Response, Refusal>, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        Ok(exchange(&mut self.connection, id, request).await?)
    }

    /// Makes the account. An open server does without an invite that is no longer good.
    pub(crate) async fn register(
        &mut self,
        identity: &IdentityKey,
        name: &UserName,
        link: &InviteLink,
    ) -> Result<Result<Registered, Refusal>, ClientError> {
        let csr = identity.sign_csr(&link.server);
        let redeem = link.token.redeem().to_vec();
        let register = Register { name: name.clone(), csr: csr.into(), redeem: Some(redeem.into()) };
        let mut answer = self.ask(Request::Register(register.clone())).await?;
        let is_open = self.greeting.registration == RegistrationPolicy::Open;
        if is_open && answer.as_ref().is_err_and(is_about_the_invite) {
            answer = self.ask(Request::Register(Register { redeem: None, ..register })).await?;
        }
        registered(answer)
    }

    /// Asks for another certificate of an account's key, which has `names` records under its name, and for what is above
    /// it. The present ones when these are good for as long.
    pub(crate) async fn renew_identity(
        &mut self,
        identity: &IdentityKey,
        name: &UserName,
        names: u32,
    ) -> Result<[ByteVec; 2], ClientError> {
        let anchor = self.connection.anchor.clone();
        let seq = names.saturating_add(1);
        let signature = renewal::sign(identity, &anchor.fingerprint(), name, seq).into();
        let request = RenewIdentity { uid: identity.uid(), seq, signature };
        let answer = registered(self.ask(Request::RenewIdentity(request)).await?)?;
        let Registered { identity_certificate, issuing_certificate, .. } =
            answer.map_err(|refusal| not_renewed(refusal, name))?;
        let verified = anchor.verify_identity(&identity_certificate, &issuing_certificate, Validity::Ignored);
        let verified = verified.map_err(|error| bad_certificate(&error.to_string()))?;
        if verified.spki_der() != identity.spki_der() {
            return Err(bad_certificate("it is for another key"));
        }
        Ok([identity_certificate, issuing_certificate])
    }

    /// Asks for the certificates of an account that is there, by its key.
    pub(crate) async fn register_again(
        &mut self,
        identity: &IdentityKey,
        name: &UserName,
        server: &ServerFingerprint,
    ) -> Result<Result<Registered, Refusal>, ClientError> {
        let csr = identity.sign_csr(server).into();
        registered(self.ask(Request::Register(Register { name: name.clone(), csr, redeem: None })).await?)
    }

    /// Asks for the name that a reset link is for, or how far that is.
    pub(crate) async fn ask_reset(
        &mut self,
        identity: &IdentityKey,
        link: &InviteLink,
    ) -> Result<Result<ResetState, Refusal>, ClientError> {
        let (csr, redeem) = (identity.sign_csr(&link.server).into(), link.token.redeem().to_vec().into());
        match self.ask(Request::AskReset(AskReset { csr, redeem })).await? {
            Ok(Response::ResetState(state)) => Ok(Ok(state)),
            Ok(_) => Err(unexpected()),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

fn registered(answer: Result<Response, Refusal>) -> Result<Result<Registered, Refusal>, ClientError> {
    match answer {
        Ok(Response::Registered(registered)) => Ok(Ok(registered)),
        Ok(_) => Err(unexpected()),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// A place in the log that is taken is either another device's doing, or no device's.
fn not_renewed(refusal: Refusal, name: &UserName) -> ClientError {
    if refusal.code != Some(RefusalCode::LogRange) {
        return refusal.into();
    }
    let message = format!("the identity certificate of {name} is not renewed: {refusal}");
    ClientError::new(ErrorKind::Alarm, message).with_help(
        "connect with the device of yours that had it renewed, and make this machine a new one of it: `openchat link`; \
         if none has, the server has certified another key under your name: tell its host",
    )
}

fn is_about_the_invite(refusal: &Refusal) -> bool {
    use RefusalCode::{InviteExpired, InviteUnknown, InviteUsed};
    matches!(refusal.code, Some(InviteUnknown | InviteUsed | InviteExpired))
}

/// Asks, and waits for the answer.
pub(crate) async fn exchange(
    connection: &mut Connection,
    id: u64,
    request: Request,
) -> Result<Result<Response, Refusal>, ConnectionError> {
    let queued = connection.queue(&ClientFrame { id, request });
    queued.map_err(|error| ConnectionError::Frame(error.to_string()))?;
    timeout(PATIENCE, answer(connection, id)).await.map_err(|_| ConnectionError::Silent)?
}

async fn answer(connection: &mut Connection, id: u64) -> Result<Result<Response, Refusal>, ConnectionError> {
    loop {
        match connection.next().await? {
            ServerFrame::Answer { id: answered, response } if answered == id => return Ok(Ok(response)),
            ServerFrame::Refused { id: answered, refusal } if answered == id => return Ok(Err(refusal)),
            ServerFrame::Event(openchat_protocol::Event::Goodbye(refusal)) => return Ok(Err(refusal)),
            _ => {}
        }
    }
}

pub(crate) fn unexpected() -> ClientError {
    ClientError::new(ErrorKind::Protocol, "the server breaks the protocol: an answer of another kind")
}
