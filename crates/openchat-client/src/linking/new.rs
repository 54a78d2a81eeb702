//! The new device: it enters the rendezvous with the code, and makes a profile of what it gets.

use std::path::Path;
use std::time::Duration;

use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{DeviceKey, DeviceLink, IdentityKey, KeyFolder, Password, Validity};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::linking::{LinkEnd, ReceiveLink, SendLink};
use openchat_protocol::{DeviceId, Did, RefusalCode, Request, Response, Timestamp};
use tokio::time::sleep;

use super::exchange::{Failed, Post, Talk, agree_new};
use super::known::LinkStep;
use super::{Given, Introduction, Reception, history};
use crate::belongings::Belongings;
use crate::connection::Server;
use crate::door::{Door, unexpected};
use crate::enrol::{Enrolled, enrol_device, in_thread, profile_of, server_of};
use crate::error::{ClientError, ErrorKind};
use crate::event::Profile;
use crate::folder::{ProfileFolder, key_error};
use crate::random;
use crate::vault::{Change, Credentials, Vault, Write};

/// Requests on one connection: a server gives no more before a login.
const REQUESTS: u32 = 12;
/// Before a message is sent again that found no room, when the server does not say.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes this machine a device of the user who shows `link`, with a profile in `folder` under `password` and the history
/// of the other device. A profile that was linked before gets what is missing of the history. Blocks for as long as it
/// takes; may be called from anywhere.
pub fn join_as_device(
    folder: &Path,
    link: &DeviceLink,
    password: &Password,
    tell: &mut (dyn FnMut(LinkStep) + Send),
) -> Result<Enrolled, ClientError> {
    let folder = ProfileFolder::lock(folder)?;
    in_thread(NewDevice { folder, link, password }.run(tell))
}

struct NewDevice<'a> {
    folder: ProfileFolder,
    link: &'a DeviceLink,
    password: &'a Password,
}

impl NewDevice<'_> {
    async fn run(self, tell: &mut (dyn FnMut(LinkStep) + Send)) -> Result<Enrolled, ClientError> {
        let profile = match Vault::exists(self.folder.path()) {
            true => self.go_on(tell).await,
            false => self.link(tell).await,
        };
        Ok(Enrolled { profile: profile?, room: None })
    }

    /// An earlier attempt came as far as the vault: the server may not know the device yet, and the history may not be
    /// whole.
    async fn go_on(&self, tell: &mut (dyn FnMut(LinkStep) + Send)) -> Result<Profile, ClientError> {
        let mut vault = Vault::open(self.folder.path(), self.password)?;
        let credentials = vault.credentials()?;
        if !credentials.enrolled {
            let mut door = Door::open(server_of(&credentials)).await?;
            return enrol_device(&mut door, vault, credentials).await;
        }
        let mut post = NewPost::enter(self.link).await?;
        let outcome = self.more_history(&mut post, &mut vault, &credentials, tell).await;
        outcome.map(|()| profile_of(&credentials)).map_err(failure)
    }

    async fn more_history(
        &self,
        post: &mut NewPost,
        vault: &mut Vault,
        credentials: &Credentials,
        tell: &mut (dyn FnMut(LinkStep) + Send),
    ) -> Result<(), Failed> {
        let key = DeviceKey::from_pkcs8(&credentials.device_key).map_err(|it| refused(&it.to_string()))?;
        let mut talk = agree_new(post, &self.link.code, &self.link.server).await?;
        let point = key.public_point().to_vec().into();
        talk.say(&Introduction { did: credentials.device.did, point }).await?;
        let Reception::Known = talk.hear().await? else { return Err(has_profile(credentials).into()) };
        talk.post().log_in(credentials).await?;
        talk.say(&history::wanted(vault)?).await?;
        history::take(&mut talk, vault, credentials, tell).await
    }

    async fn link(&self, tell: &mut (dyn FnMut(LinkStep) + Send)) -> Result<Profile, ClientError> {
        let keys = KeyFolder::new(self.folder.path());
        let known = if keys.exists() {
            Some(keys.read(self.password).map_err(|error| key_error(&error))?)
        } else {
            None
        };
        let mut post = NewPost::enter(self.link).await?;
        self.receive(&mut post, known.as_ref(), tell).await.map_err(failure)
    }

    async fn receive(
        &self,
        post: &mut NewPost,
        known: Option<&IdentityKey>,
        tell: &mut (dyn FnMut(LinkStep) + Send),
    ) -> Result<Profile, Failed> {
        let key = DeviceKey::generate();
        let did = Did(random::bytes());
        let mut talk = agree_new(post, &self.link.code, &self.link.server).await?;
        talk.say(&Introduction { did, point: key.public_point().to_vec().into() }).await?;
        let Reception::New(given) = talk.hear().await? else {
            return Err(refused("it takes this device for another one").into());
        };
        let mut door = Door::open(server(self.link)).await.map_err(Failed::ForGood)?;
        let credentials = self.credentials(&door, &key, did, &given)?;
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key)
            .map_err(|error| refused(&error.to_string()))?;
        let keys = KeyFolder::new(self.folder.path());
        match known {
            Some(known) if known.uid() != identity.uid() => return Err(other_key(&keys).into()),
            Some(_) => {}
            None => keys.create(&identity, self.password).map_err(|error| key_error(&error))?,
        }
        let mut first = Change::from_iter([Write::Credentials(Box::new(credentials.clone()))]);
        // Rooms follow the list of devices by themselves.
        let belongings = Belongings { rooms: Vec::new(), contacts: &given.contacts, head: given.head };
        belongings.put(&mut first, &door.connection.anchor, identity.uid())?;
        let vault = Vault::create(self.folder.path(), self.password, &first).map_err(ClientError::from)?;
        let profile = enrol_device(&mut door, vault, credentials).await?;
        tell(LinkStep::Enrolled(did));
        // It is this user's device from now on; the history can come another time.
        self.first_history(&mut talk, tell).await.map_err(unfinished)?;
        Ok(profile)
    }

    async fn first_history(
        &self,
        talk: &mut Talk<'_, NewPost>,
        tell: &mut (dyn FnMut(LinkStep) + Send),
    ) -> Result<(), Failed> {
        let mut vault = Vault::open(self.folder.path(), self.password).map_err(ClientError::from)?;
        let credentials = vault.credentials().map_err(ClientError::from)?;
        talk.post().log_in(&credentials).await?;
        talk.say(&history::wanted(&vault)?).await?;
        history::take(talk, &mut vault, &credentials, tell).await
    }

    /// Checks what the known device has given: it cannot make this one trust another server, or be somebody else.
    fn credentials(
        &self,
        door: &Door,
        key: &DeviceKey,
        did: Did,
        given: &Given,
    ) -> Result<Credentials, ClientError> {
        let anchor = &door.connection.anchor;
        let wrong = |error: &dyn std::fmt::Display| refused(&error.to_string());
        let identity = IdentityKey::from_pkcs8(&given.identity_key).map_err(|it| wrong(&it))?;
        let device = DeviceId { uid: identity.uid(), did };
        let chain: Vec<&[u8]> = given.chain.iter().map(|certificate| certificate.as_slice()).collect();
        let member = anchor.verify_device(&chain, Validity::At(Timestamp::now())).map_err(|it| wrong(&it))?;
        let point = key.public_point();
        if member.device() != device || member.device_key() != &point {
            return Err(refused("its certificate is for another device"));
        }
        let server = &self.link.server;
        let list = device_list::verify(identity.public_key(), server, &given.devices);
        let list = list.map_err(|it| wrong(&it))?;
        if !list.devices.contains(&ListedDevice { did, key: key_hash(&point) }) {
            return Err(refused("its list of devices does not have this one"));
        }
        Ok(Credentials {
            host: self.link.address.host().to_owned(),
            port: self.link.address.port(),
            server: *server,
            root: anchor.root_certificate().to_vec().into(),
            name: given.name.clone(),
            device,
            identity_key: given.identity_key.clone(),
            device_key: key.to_pkcs8().to_vec().into(),
            chain: given.chain.clone(),
            enrolled: false,
            devices: Some(given.devices.clone()),
        })
    }
}

fn refused(why: &str) -> ClientError {
    ClientError::new(ErrorKind::Protocol, format!("what the other device has given is refused: {why}"))
        .with_help("begin anew on both: openchat link")
}

fn wrong_code() -> ClientError {
    ClientError::new(
        ErrorKind::Refused,
        "nothing was linked: this is not the code that the other device shows",
    )
    .with_help("copy the link again; three wrong ones burn it, then make a new one: openchat link")
}

fn failure(failed: Failed) -> ClientError {
    match failed {
        Failed::ForGood(error) => error,
        Failed::Guess | Failed::Superseded => wrong_code(),
    }
}

/// The history broke off: what has come stays.
fn unfinished(failed: Failed) -> Failed {
    let why = match failed {
        Failed::ForGood(error) => error.to_string(),
        Failed::Guess | Failed::Superseded => "somebody else has begun to use the link".to_owned(),
    };
    let message = format!("this machine is your device, but the history is not whole yet: {why}");
    Failed::ForGood(ClientError::new(ErrorKind::Network, message).with_help(
        "openchat link on the other one again, and here openchat join LINK: it goes on where it was",
    ))
}

fn has_profile(credentials: &Credentials) -> ClientError {
    let message = format!("there is a profile of {} in this folder already", credentials.name);
    ClientError::new(ErrorKind::Usage, message)
        .with_help("use it: `openchat chat`; or make another one: `openchat --profile NAME join LINK`")
}

fn other_key(keys: &KeyFolder) -> ClientError {
    let message = format!("the key in {} is another identity's", keys.private_path().display());
    ClientError::new(ErrorKind::Usage, message)
        .with_help("make another profile: openchat --profile NAME join LINK")
}

fn server(link: &DeviceLink) -> Server {
    Server { host: link.address.host().to_owned(), port: link.address.port(), fingerprint: link.server }
}

/// Over connections without a login, one after the other.
struct NewPost {
    door: Door,
    asked: u32,
    /// Logged in, so that there is no end to what may be asked.
    is_device: bool,
    link: DeviceLink,
    end: LinkEnd,
}

impl NewPost {
    async fn enter(link: &DeviceLink) -> Result<Self, ClientError> {
        let mut door = Door::open(server(link)).await?;
        match door.ask(Request::EnterLink(link.code.slot)).await? {
            Ok(Response::LinkEntered(entered)) => {
                let end = LinkEnd::New { key: entered.key };
                Ok(Self { door, asked: 2, is_device: false, link: link.clone(), end })
            }
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// As the device that this is now: it may ask as much as it likes.
    async fn log_in(&mut self, credentials: &Credentials) -> Result<(), ClientError> {
        self.door = Door::open_as(credentials).await?;
        (self.asked, self.is_device) = (0, true);
        Ok(())
    }

    /// Asks until there is room, over a new connection when the present one has ended or was asked enough.
    async fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        loop {
            if self.asked >= REQUESTS && !self.is_device {
                self.door = Door::open(server(&self.link)).await?;
                self.asked = 1;
            }
            self.asked = self.asked.saturating_add(1);
            match self.door.ask(request.clone()).await? {
                Ok(response) => return Ok(response),
                Err(refusal) if refusal.code == Some(RefusalCode::RateLimited) => {
                    sleep(refusal.retry_after.map_or(PAUSE, Duration::from_millis)).await;
                }
                // The time for a login is over: this is how the server says so.
                Err(refusal) if refusal.code == Some(RefusalCode::NotLoggedIn) => self.asked = REQUESTS,
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }
}

impl Post for NewPost {
    async fn send(&mut self, message: Vec<u8>) -> Result<(), Failed> {
        let (slot, end) = (self.link.code.slot, self.end.clone());
        self.ask(&Request::SendLink(SendLink { slot, end, message: message.into() })).await?;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failed> {
        loop {
            let (slot, end) = (self.link.code.slot, self.end.clone());
            match self.ask(&Request::ReceiveLink(ReceiveLink { slot, end })).await? {
                Response::LinkMessage(Some(message)) => return Ok(message.message.into()),
                Response::LinkMessage(None) => {}
                _ => return Err(unexpected().into()),
            }
        }
    }
}
