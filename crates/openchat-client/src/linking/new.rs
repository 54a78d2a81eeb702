//! The new device: it enters the rendezvous with the code, and makes a profile of what it gets.

use std::path::Path;
use std::time::Duration;

use openchat_identity::device_list::{self, key_hash};
use openchat_identity::linking::Channel;
use openchat_identity::{DeviceKey, DeviceLink, IdentityKey, KeyFolder, Password, Validity};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::linking::{LinkEnd, ReceiveLink, SendLink};
use openchat_protocol::{DeviceId, Did, LinkSlot, RefusalCode, Request, Response, Timestamp};
use tokio::time::sleep;

use super::exchange::{Failed, Post, Talk, agree_new};
use super::known::LinkStep;
use super::{Given, Introduction, Reception, history};
use crate::belongings::Belongings;
use crate::command::{Answer, Command};
use crate::connection::Server;
use crate::door::{Door, unexpected};
use crate::enrol::{enrol_device, in_thread, profile_of, server_of};
use crate::error::{ClientError, ErrorKind};
use crate::event::Profile;
use crate::folder::{ProfileFolder, key_error};
use crate::handle::ClientHandle;
use crate::random;
use crate::vault::{Change, Credentials, Vault, Write};

/// Requests on one connection: a server gives no more before a login.
const REQUESTS: u32 = 12;
/// Before a message is sent again that found no room, when the server does not say.
const PAUSE: Duration = Duration::from_millis(200);

/// A machine that is a device of the user now.
pub struct Linked {
    /// The profile that it has.
    pub profile: Profile,
    /// Brings the history, once the client of that profile runs. Nothing when an attempt that had broken off was finished:
    /// then it takes another link.
    pub history: Option<HistoryTransfer>,
}

/// The history of the other device on its way: it waits for this one.
pub struct HistoryTransfer {
    channel: Channel,
    slot: LinkSlot,
    end: LinkEnd,
}

/// Makes this machine a device of the user who shows `link`, with a profile in `folder` under `password`. A profile that
/// was linked before gets what is missing of the history. Blocks for as long as it takes; may be called from anywhere.
pub fn join_as_device(folder: &Path, link: &DeviceLink, password: &Password) -> Result<Linked, ClientError> {
    let folder = ProfileFolder::lock(folder)?;
    in_thread(NewDevice { folder, link, password }.run())
}

impl HistoryTransfer {
    /// Takes the history into the profile whose client this is. When it breaks off, what has come stays, and another link
    /// goes on from there.
    pub async fn run(
        self,
        client: &ClientHandle,
        mut tell: impl FnMut(LinkStep) + Send,
    ) -> Result<(), ClientError> {
        client.online().await?;
        let mut post = ClientPost { client, slot: self.slot, end: self.end };
        let mut talk = Talk::over(&mut post, self.channel);
        let wanted = client.in_vault(|vault| history::wanted(vault)).await?;
        let outcome = async {
            talk.say(&wanted).await?;
            history::take(&mut talk, client, &mut tell).await
        };
        outcome.await.map_err(unfinished)
    }
}

// What a linked device lacks.
impl ClientHandle {
    /// Whether the history of another device has not come as a whole.
    pub async fn lacks_history(&self) -> Result<bool, ClientError> {
        self.in_vault(|vault| history::is_wanted(vault)).await
    }
}

struct NewDevice<'a> {
    folder: ProfileFolder,
    link: &'a DeviceLink,
    password: &'a Password,
}

impl NewDevice<'_> {
    async fn run(self) -> Result<Linked, ClientError> {
        match Vault::exists(self.folder.path()) {
            true => self.go_on().await,
            false => self.link().await,
        }
    }

    /// An earlier attempt came as far as the vault: the server may not know the device yet, and the history may not be
    /// whole.
    async fn go_on(&self) -> Result<Linked, ClientError> {
        let vault = Vault::open(self.folder.path(), self.password)?;
        let credentials = vault.credentials()?;
        if !credentials.enrolled {
            let mut door = Door::open(server_of(&credentials)).await?;
            let profile = enrol_device(&mut door, vault, credentials).await?;
            return Ok(Linked { profile, history: None });
        }
        let mut post = NewPost::enter(self.link).await?;
        let channel = self.more_history(&mut post, &credentials).await.map_err(failure)?;
        Ok(Linked { profile: profile_of(&credentials), history: Some(post.transfer(channel)) })
    }

    async fn more_history(&self, post: &mut NewPost, credentials: &Credentials) -> Result<Channel, Failed> {
        let key = DeviceKey::from_pkcs8(&credentials.device_key).map_err(|it| refused(&it.to_string()))?;
        let mut talk = agree_new(post, &self.link.code, &self.link.server).await?;
        let point = key.public_point().to_vec().into();
        talk.say(&Introduction { did: credentials.device.did, point }).await?;
        let Reception::Known = talk.hear().await? else { return Err(has_profile(credentials).into()) };
        talk.say(&()).await?;
        Ok(talk.into_channel())
    }

    async fn link(&self) -> Result<Linked, ClientError> {
        let keys = KeyFolder::new(self.folder.path());
        let known = if keys.exists() {
            Some(keys.read(self.password).map_err(|error| key_error(&error))?)
        } else {
            None
        };
        let mut post = NewPost::enter(self.link).await?;
        let (profile, channel) = self.receive(&mut post, known.as_ref()).await.map_err(failure)?;
        Ok(Linked { profile, history: Some(post.transfer(channel)) })
    }

    async fn receive(
        &self,
        post: &mut NewPost,
        known: Option<&IdentityKey>,
    ) -> Result<(Profile, Channel), Failed> {
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
        let mut first =
            Change::from_iter([Write::Credentials(Box::new(credentials.clone())), history::want_all()]);
        // Rooms follow the list of devices by themselves.
        let belongings = Belongings { rooms: Vec::new(), contacts: &given.contacts, head: given.head };
        belongings.put(&mut first, &door.connection.anchor, identity.uid())?;
        let vault = Vault::create(self.folder.path(), self.password, &first).map_err(ClientError::from)?;
        let profile = enrol_device(&mut door, vault, credentials).await?;
        // It is this user's device from now on; without this word the other one learns of it from the list.
        let _ = talk.say(&()).await;
        Ok((profile, talk.into_channel()))
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
fn unfinished(failed: Failed) -> ClientError {
    let why = match failed {
        Failed::ForGood(error) => error.to_string(),
        Failed::Guess | Failed::Superseded => "somebody else has begun to use the link".to_owned(),
    };
    let message = format!("this machine is your device, but the history is not whole yet: {why}");
    ClientError::new(ErrorKind::Network, message).with_help(
        "openchat link on the other one again, and here openchat join LINK: it goes on where it was",
    )
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
    link: DeviceLink,
    end: LinkEnd,
}

impl NewPost {
    async fn enter(link: &DeviceLink) -> Result<Self, ClientError> {
        let mut door = Door::open(server(link)).await?;
        match door.ask(Request::EnterLink(link.code.slot)).await? {
            Ok(Response::LinkEntered(entered)) => {
                let end = LinkEnd::New { key: entered.key };
                Ok(Self { door, asked: 2, link: link.clone(), end })
            }
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// For the client that this device has now.
    fn transfer(self, channel: Channel) -> HistoryTransfer {
        HistoryTransfer { channel, slot: self.link.code.slot, end: self.end }
    }

    /// Asks until there is room, over a new connection when the present one has ended or was asked enough.
    async fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        loop {
            if self.asked >= REQUESTS {
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

/// Over the connection of a client that runs.
struct ClientPost<'a> {
    client: &'a ClientHandle,
    slot: LinkSlot,
    end: LinkEnd,
}

impl ClientPost<'_> {
    async fn ask(&self, request: Request) -> Result<Response, ClientError> {
        match self.client.ask(Command::PassOn(Box::new(request))).await? {
            Answer::PassedOn(response) => Ok(*response),
            other => Err(crate::handle::unexpected(&other)),
        }
    }
}

impl Post for ClientPost<'_> {
    async fn send(&mut self, message: Vec<u8>) -> Result<(), Failed> {
        let (slot, end) = (self.slot, self.end.clone());
        self.ask(Request::SendLink(SendLink { slot, end, message: message.into() })).await?;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failed> {
        loop {
            let (slot, end) = (self.slot, self.end.clone());
            match self.ask(Request::ReceiveLink(ReceiveLink { slot, end })).await? {
                Response::LinkMessage(Some(message)) => return Ok(message.message.into()),
                Response::LinkMessage(None) => {}
                _ => return Err(unexpected().into()),
            }
        }
    }
}
