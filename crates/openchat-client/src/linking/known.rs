//! The device that a user has: it shows the code, and gives the new one what it needs.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{DeviceLink, IdentityKey, LinkCode, Password, PublicKey};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::limits::{DEVICES_PER_USER, LINK_TRIES};
use openchat_protocol::linking::{LinkEnd, ReceiveLink, SendLink};
use openchat_protocol::{Address, Did, LinkSlot, Request, Response, Timestamp};
use tokio::time::{sleep, timeout};

use super::exchange::{Failed, Post, agree_known};
use super::history::{self, HistoryWanted};
use super::{Given, Introduction, Reception};
use crate::command::{Answer, Command, LinkOpened, OwnDevice};
use crate::error::{ClientError, ErrorKind};
use crate::event::Membership;
use crate::handle::{ClientHandle, unexpected};
use crate::vault::{Contact, Credentials};

/// What happens while a new device is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStep {
    /// Somebody has tried with another code; so many tries are left.
    WrongCode {
        /// Of three.
        left: u8,
    },
    /// The device is the user's.
    Enrolled(Did),
    /// It is in so many rooms of this device; in the others when both are online the next time.
    Rooms {
        /// So many.
        reached: usize,
        /// Of so many.
        all: usize,
    },
    /// So many lines of the history are with it.
    History {
        /// Since this began.
        done: u64,
        /// Of so many.
        total: u64,
    },
}

/// How long rooms are waited for: whoever is not here adds the device another time.
const ROOMS: Duration = Duration::from_secs(20);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(300);

/// A rendezvous that is open for a new device, as long as this is there.
#[derive(Debug)]
pub struct Linking {
    client: ClientHandle,
    opened: LinkOpened,
    link: DeviceLink,
}

// The devices of this user.
impl ClientHandle {
    /// Whether this is the password of the profile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongPassword`] when it is not.
    pub async fn check_password(&self, password: Password) -> Result<(), ClientError> {
        self.in_vault(move |vault| vault.check_password(&password)).await
    }

    /// The devices of this user, by the newest list.
    pub async fn devices(&self) -> Result<Vec<OwnDevice>, ClientError> {
        match self.ask(Command::Devices).await? {
            Answer::Devices(devices) => Ok(devices),
            other => Err(unexpected(&other)),
        }
    }

    /// Puts a device out: of the list, of the server, and of every room. `id` is the beginning of its identifier. Whoever
    /// asks for it has to have [given the password](Self::check_password).
    pub async fn revoke_device(&self, id: String) -> Result<(), ClientError> {
        self.ask(Command::RevokeDevice { id }).await.map(drop)
    }

    /// Objects to another key for the own name: an administrator decides then. Once for each wish.
    pub async fn object_to_reset(&self) -> Result<(), ClientError> {
        self.ask(Command::PassOn(Box::new(Request::ObjectToReset))).await.map(drop)
    }

    /// Opens a rendezvous for a new device, for ten minutes and three tries. It gives away the identity key, so whoever
    /// asks for it has to have [given the password](Self::check_password).
    pub async fn link(&self) -> Result<Linking, ClientError> {
        let opened = match self.ask(Command::OpenLink).await? {
            Answer::LinkOpened(opened) => *opened,
            other => return Err(unexpected(&other)),
        };
        let server = self.profile().await?.server;
        let address = Address::new(&opened.host, opened.port)
            .map_err(|error| ClientError::new(ErrorKind::Internal, error.to_string()))?;
        let link = DeviceLink { address, server, code: LinkCode::generate(opened.slot) };
        Ok(Linking { client: self.clone(), opened, link })
    }
}

impl Linking {
    /// What is to be carried to the new device: a secret, for ten minutes.
    pub fn link(&self) -> String {
        self.link.to_string()
    }

    /// Whether it leads nowhere but to this machine.
    pub fn is_local(&self) -> bool {
        self.link.address.is_loopback()
    }

    /// Waits for the new device and gives it what it needs; then, while it is in use, the history. Who drops this ends it:
    /// a device that is enrolled by then stays so.
    pub async fn run(self, mut tell: impl FnMut(LinkStep) + Send) -> Result<Did, ClientError> {
        let client = self.client.clone();
        let mut post = KnownPost { client: &client, slot: self.opened.slot, attempt: 0, next: None };
        self.tries(&mut post, &mut tell).await
    }

    async fn tries(
        &self,
        post: &mut KnownPost<'_>,
        tell: &mut (dyn FnMut(LinkStep) + Send),
    ) -> Result<Did, ClientError> {
        for used in 1..=LINK_TRIES {
            match self.one_try(post, tell).await {
                Ok(did) => return Ok(did),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Guess) => tell(LinkStep::WrongCode { left: LINK_TRIES - used }),
                Err(Failed::Superseded) => {}
            }
        }
        let message = "the link is burnt: three tries were made and none had the right code";
        Err(ClientError::new(ErrorKind::Refused, message)
            .with_help("make a new one; when that was not you, somebody is guessing: ask the host"))
    }

    async fn one_try(
        &self,
        post: &mut KnownPost<'_>,
        tell: &mut (dyn FnMut(LinkStep) + Send),
    ) -> Result<Did, Failed> {
        post.begin();
        let mut talk = agree_known(post, &self.link.code, &self.link.server).await?;
        let new: Introduction = talk.hear().await?;
        let credentials = self.client.in_vault(|vault| vault.credentials()).await?;
        let contacts = self.client.in_vault(|vault| vault.contacts()).await?;
        let listed = ListedDevice { did: new.did, key: key_hash(&new.point) };
        let reception = match self.opened.devices.contains(&listed) {
            true => Reception::Known,
            false => Reception::New(Box::new(self.gift(&credentials, contacts, &new)?)),
        };
        talk.say(&reception).await?;
        // It says when the server has enrolled it.
        let () = talk.hear().await?;
        tell(LinkStep::Enrolled(new.did));
        // Before the history: between what it gets of a room and what it reads there itself nothing is to be missing.
        tell(self.rooms(new.did).await?);
        let wanted: HistoryWanted = talk.hear().await?;
        history::give(&mut talk, &self.client, wanted, tell).await?;
        Ok(new.did)
    }

    /// Waits until the device is in the rooms of this one.
    async fn rooms(&self, did: Did) -> Result<LinkStep, ClientError> {
        let client = &self.client;
        client.ask(Command::FollowDevices).await?;
        let all = client.rooms().await?.iter().filter(|room| room.membership == Membership::Member).count();
        let mut reached = 0;
        let everywhere = async {
            while reached < all {
                sleep(LOOK).await;
                // Not proven for a moment after the list has changed.
                let devices = client.devices().await.unwrap_or_default();
                reached = devices.iter().find(|device| device.did == did).map_or(reached, |it| it.rooms);
            }
        };
        // What is missing then is told.
        let _ = timeout(ROOMS, everywhere).await;
        Ok(LinkStep::Rooms { reached, all })
    }

    fn gift(
        &self,
        credentials: &Credentials,
        contacts: Vec<Contact>,
        new: &Introduction,
    ) -> Result<Given, ClientError> {
        let unusable = |why: String| ClientError::new(ErrorKind::Damaged, why);
        let identity =
            IdentityKey::from_pkcs8(&credentials.identity_key).map_err(|it| unusable(it.to_string()))?;
        let key = PublicKey::from_point(&new.point)
            .map_err(|_| ClientError::new(ErrorKind::Protocol, "the new device has shown no usable key"))?;
        let LinkOpened { version, devices, head, .. } = &self.opened;
        if devices.iter().any(|it| it.did == new.did) {
            let message = "the new device is known with another key: nothing was linked";
            return Err(ClientError::new(ErrorKind::Protocol, message));
        }
        if devices.len() >= DEVICES_PER_USER {
            let message = format!("you have {} devices, and no more are possible", devices.len());
            return Err(ClientError::new(ErrorKind::Refused, message)
                .with_help("revoke one that you no longer use: openchat devices revoke ID"));
        }
        let mut devices = devices.clone();
        devices.push(ListedDevice { did: new.did, key: key_hash(key.point()) });
        let devices = device_list::sign(&identity, &credentials.server, version.saturating_add(1), devices);
        let certificate = issue_device_certificate(&identity, &key, new.did, Timestamp::now());
        let above = credentials.chain.iter().skip(1).cloned();
        Ok(Given {
            name: credentials.name.clone(),
            identity_key: credentials.identity_key.clone(),
            chain: std::iter::once(ByteVec::from(certificate)).chain(above).collect(),
            devices,
            contacts,
            head: *head,
        })
    }
}

impl Drop for Linking {
    fn drop(&mut self) {
        self.client.tell(Command::PassOn(Box::new(Request::CloseLink(self.opened.slot))));
    }
}

/// Over the connection on which this device is logged in.
struct KnownPost<'a> {
    client: &'a ClientHandle,
    slot: LinkSlot,
    /// The try that is answered; another one ends it.
    attempt: u8,
    /// The first message of the next try.
    next: Option<Vec<u8>>,
}

impl KnownPost<'_> {
    /// The next message may be of any try.
    fn begin(&mut self) {
        if self.next.is_none() {
            self.attempt = 0;
        }
    }

    async fn ask(&self, request: Request) -> Result<Response, ClientError> {
        match self.client.ask(Command::PassOn(Box::new(request))).await? {
            Answer::PassedOn(response) => Ok(*response),
            other => Err(unexpected(&other)),
        }
    }
}

impl Post for KnownPost<'_> {
    async fn send(&mut self, message: Vec<u8>) -> Result<(), Failed> {
        let end = LinkEnd::Known { attempt: self.attempt };
        let send = Request::SendLink(SendLink { slot: self.slot, end, message: message.into() });
        match self.ask(send).await {
            Ok(_) => Ok(()),
            // Another try has begun, or all is over: what comes next says which.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failed::Superseded),
            Err(error) => Err(error.into()),
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failed> {
        if let Some(message) = self.next.take() {
            return Ok(message);
        }
        loop {
            let end = LinkEnd::Known { attempt: self.attempt };
            let response = self.ask(Request::ReceiveLink(ReceiveLink { slot: self.slot, end })).await?;
            let Response::LinkMessage(message) = response else {
                return Err(ClientError::new(ErrorKind::Protocol, "an answer of another kind").into());
            };
            let Some(message) = message else { continue };
            let is_first = self.attempt == 0;
            if is_first || message.attempt == self.attempt {
                self.attempt = message.attempt;
                return Ok(message.message.into());
            }
            self.attempt = message.attempt;
            self.next = Some(message.message.into());
            return Err(Failed::Superseded);
        }
    }
}
