//! Enrolment: from an invite to a profile with an account, a device and a vault.
//!
//! A crash may come anywhere. Each step leaves behind what the next attempt, with the same link, name and password, goes
//! on from: first the key files, then the account (the server gives the same key its account again), then the vault with
//! the device in it, last the server's knowledge of the device. A failure before the server can have heard of the key
//! leaves nothing behind; any later one says what stays.

use std::path::{Path, PathBuf};
use std::thread;

use minicbor::bytes::ByteVec;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{
    DeviceKey, IdentityKey, InviteLink, KeyFolder, Password, TrustAnchor, Validity, VouchKey, renewal, trust,
};
use openchat_protocol::account::{EnrolDevice, Registered};
use openchat_protocol::device_list::{ListedDevice, SignedDeviceList};
use openchat_protocol::{
    DeviceId, Did, Refusal, RefusalCode, Request, Response, RoomName, ServerFingerprint, Timestamp, UserName,
};
use tokio::runtime;

use crate::belongings::Belongings;
use crate::connection::Server;
use crate::door::{Door, unexpected};
use crate::error::{ClientError, ErrorKind};
use crate::event::Profile;
use crate::folder::{ProfileFolder, key_error};
use crate::random;
use crate::vault::{Change, Credentials, Vault, Voucher, Write};

/// Under the name of an account of which nothing more is known, there is the certificate with which it was made.
const FIRST: u32 = 1;

/// What an enrolment has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The new profile.
    pub profile: Profile,
    /// The room the invite was for. Not known when an earlier attempt had redeemed it.
    pub room: Option<RoomName>,
}

/// Makes an account on the server of `link`, and a profile in `folder`. Keys that are in the folder are used. Blocks for
/// as long as it takes; may be called from anywhere.
pub fn enrol(
    folder: &Path,
    link: &InviteLink,
    name: &UserName,
    password: &Password,
) -> Result<Enrolled, ClientError> {
    let folder = ProfileFolder::lock(folder)?;
    let InviteLink { host, port, server, .. } = link;
    let server = Server { host: host.clone(), port: *port, fingerprint: *server };
    let origin = Origin::Invite(link);
    in_thread(Enrolment { folder, server, name, password, origin }.run())
}

/// Waits for `work` in a thread of its own, so that the caller's runtime, if there is one, does not mind.
pub(crate) fn in_thread<T: Send>(
    work: impl Future<Output = Result<T, ClientError>> + Send,
) -> Result<T, ClientError> {
    let worker = thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                let runtime =
                    runtime.map_err(|error| ClientError::new(ErrorKind::Internal, error.to_string()))?;
                let outcome = runtime.block_on(work);
                // Without waiting for the system's resolver, which knows no end.
                runtime.shutdown_background();
                outcome
            })
            .join()
    });
    worker.unwrap_or_else(|_| Err(ClientError::new(ErrorKind::Internal, "the enrolment broke off")))
}

/// Where the account of an enrolment comes from.
pub(crate) enum Origin<'a> {
    /// It is made.
    Invite(&'a InviteLink),
    /// It is there already, and this is its key.
    Kit(&'a IdentityKey, Belongings<'a>),
    /// It takes a name that its key has asked for.
    Reset,
}

pub(crate) struct Enrolment<'a> {
    pub(crate) folder: ProfileFolder,
    pub(crate) server: Server,
    pub(crate) name: &'a UserName,
    pub(crate) password: &'a Password,
    pub(crate) origin: Origin<'a>,
}

impl Enrolment<'_> {
    pub(crate) async fn run(self) -> Result<Enrolled, ClientError> {
        if Vault::exists(self.folder.path()) {
            return self.finish_earlier().await;
        }
        let keys = KeyFolder::new(self.folder.path());
        let known = if keys.exists() { Some(self.known_identity(&keys)?) } else { None };
        let mut door = Door::open(self.server.clone()).await?;
        // On disk before the server hears of it: an account whose key is lost would be lost with its name.
        let (identity, made) = match known {
            Some(identity) => (identity, Vec::new()),
            None => self.new_identity(&keys)?,
        };
        match self.register(&identity, &mut door).await {
            Ok(Ok(registered)) => {
                let outcome = self.finish(&identity, &mut door, registered).await;
                outcome.map_err(|error| self.stays(error))
            }
            // A refusal changes nothing, unless the server does not know that itself.
            Ok(Err(refusal)) if !is_about_the_server(&refusal) => match remove(&made) {
                Ok(()) => Err(self.refused(refusal)),
                Err(_) => Err(self.stays(self.refused(refusal))),
            },
            Ok(Err(refusal)) => Err(self.stays(refusal.into())),
            Err(error) => Err(self.stays(error)),
        }
    }

    /// From the account to a profile that can be opened.
    async fn finish(
        &self,
        identity: &IdentityKey,
        door: &mut Door,
        registered: Registered,
    ) -> Result<Enrolled, ClientError> {
        let registered = self.renewed(identity, door, registered).await?;
        let room = registered.room.clone();
        let credentials = self.credentials(identity, door, registered)?;
        let mut first = Change::from_iter([Write::Credentials(Box::new(credentials.clone()))]);
        match &self.origin {
            Origin::Invite(link) => first.push(Write::Voucher(voucher(link, room.clone()).map(Box::new))),
            Origin::Kit(_, belongings) => {
                belongings.put(&mut first, &door.connection.anchor, identity.uid())?;
            }
            Origin::Reset => {}
        }
        let vault = Vault::create(self.folder.path(), self.password, &first)?;
        let profile = enrol_device(door, vault, credentials).await?;
        Ok(Enrolled { profile, room })
    }

    /// An account that is there may have a certificate that ends, or has ended while there was only a kit.
    async fn renewed(
        &self,
        identity: &IdentityKey,
        door: &mut Door,
        registered: Registered,
    ) -> Result<Registered, ClientError> {
        let Registered { identity_certificate, issuing_certificate, .. } = &registered;
        let now = Timestamp::now();
        let verified = door.connection.anchor.verify_identity(
            identity_certificate,
            issuing_certificate,
            Validity::Ignored,
        );
        let Ok(verified) = verified else { return Ok(registered) };
        if !renewal::is_due(verified.expires(), now) {
            return Ok(registered);
        }
        match door.renew_identity(identity, self.name, FIRST).await {
            Ok([identity_certificate, issuing_certificate]) => {
                Ok(Registered { identity_certificate, issuing_certificate, ..registered })
            }
            Err(error) if verified.expires() > now => {
                tracing::warn!(%error, "an identity that ends cannot be renewed");
                Ok(registered)
            }
            Err(error) => Err(error),
        }
    }

    /// A server that does not know the key of a kit takes it for a newcomer's, who has no invite.
    fn refused(&self, refusal: Refusal) -> ClientError {
        match (&self.origin, refusal.code) {
            (Origin::Kit(..), Some(RefusalCode::RegistrationClosed)) => {
                let message =
                    format!("the server does not know the key in this kit, which is {}'s", self.name);
                ClientError::new(ErrorKind::NotFound, message).with_help(
                    "ask its host whether it was set back; an invite makes another account: `openchat join LINK`",
                )
            }
            _ => refusal.into(),
        }
    }

    /// The same failure, and what is left of this attempt.
    fn stays(&self, error: ClientError) -> ClientError {
        let key = KeyFolder::new(self.folder.path()).private_path();
        let same = if matches!(self.origin, Origin::Invite(_)) { "name and password" } else { "password" };
        let help = format!(
            "the same command again, with the same {same}: it goes on with the key in {}, which stays",
            key.display()
        );
        match error.help() {
            Some(first) if error.kind() != ErrorKind::Network => {
                let both = format!("{first}; then {help}");
                error.with_help(both)
            }
            _ => error.with_help(help),
        }
    }

    /// An earlier attempt came as far as the vault.
    async fn finish_earlier(&self) -> Result<Enrolled, ClientError> {
        let vault = Vault::open(self.folder.path(), self.password)?;
        let credentials = vault.credentials()?;
        if credentials.enrolled {
            let path = self.folder.path().display();
            let message = format!("{} has a profile in {path} already", credentials.name);
            return Err(ClientError::new(ErrorKind::Usage, message).with_help(
                "use it: `openchat chat`; or make another one: `openchat --profile NAME join LINK`",
            ));
        }
        let mut door = Door::open(server_of(&credentials)).await?;
        let profile = enrol_device(&mut door, vault, credentials).await?;
        Ok(Enrolled { profile, room: None })
    }

    fn known_identity(&self, keys: &KeyFolder) -> Result<IdentityKey, ClientError> {
        let known = keys.read(self.password).map_err(|error| match error.is_wrong_password() {
            true => ClientError::new(
                ErrorKind::WrongPassword,
                format!(
                    "there is a key from before in {}, and this is not its password",
                    keys.private_path().display()
                ),
            )
            .with_help(
                "the password of that time; or make another profile: `openchat --profile NAME join LINK`",
            ),
            false => key_error(&error),
        })?;
        match self.origin {
            Origin::Kit(kept, _) if kept.uid() != known.uid() => {
                let message = format!("the key in {} is another one", keys.private_path().display());
                Err(ClientError::new(ErrorKind::Usage, message)
                    .with_help("make another profile: `openchat --profile NAME recovery restore FILE`"))
            }
            _ => Ok(known),
        }
    }

    /// A new identity, or the one of the kit, and the files that were made for it.
    fn new_identity(&self, keys: &KeyFolder) -> Result<(IdentityKey, Vec<PathBuf>), ClientError> {
        let identity = match self.origin {
            Origin::Invite(_) | Origin::Reset => IdentityKey::generate(),
            Origin::Kit(kept, _) => IdentityKey::from_pkcs8(&kept.to_pkcs8())
                .map_err(|error| ClientError::new(ErrorKind::Damaged, error.to_string()))?,
        };
        let mut made = vec![keys.private_path(), keys.public_path()];
        made.retain(|path| !path.exists());
        keys.create(&identity, self.password).map_err(|error| {
            // What could not be written whole is of no use, and what cannot be removed is overwritten by nobody.
            let _ = remove(&made);
            key_error(&error)
        })?;
        Ok((identity, made))
    }

    async fn register(
        &self,
        identity: &IdentityKey,
        door: &mut Door,
    ) -> Result<Result<Registered, Refusal>, ClientError> {
        match self.origin {
            Origin::Invite(link) => door.register(identity, self.name, link).await,
            Origin::Kit(..) | Origin::Reset => {
                door.register_again(identity, self.name, &self.server.fingerprint).await
            }
        }
    }

    /// Checks what the server has issued, and makes a device below it.
    fn credentials(
        &self,
        identity: &IdentityKey,
        door: &Door,
        registered: Registered,
    ) -> Result<Credentials, ClientError> {
        let now = Timestamp::now();
        let anchor = &door.connection.anchor;
        let Registered { identity_certificate, issuing_certificate, devices: before, .. } = registered;
        let verified = anchor
            .verify_identity(&identity_certificate, &issuing_certificate, Validity::At(now))
            .map_err(|error| bad_certificate(&error.to_string()))?;
        if verified.spki_der() != identity.spki_der() {
            return Err(bad_certificate("it is for another key"));
        }
        let device_key = DeviceKey::generate();
        let device = DeviceId { uid: identity.uid(), did: Did(random::bytes()) };
        let certificate = issue_device_certificate(identity, device_key.public_key(), device.did, now);
        let listed = ListedDevice { did: device.did, key: key_hash(&device_key.public_point()) };
        Ok(Credentials {
            host: self.server.host.clone(),
            port: self.server.port,
            server: self.server.fingerprint,
            root: anchor.root_certificate().to_vec().into(),
            name: self.name.clone(),
            device,
            identity_key: identity.to_pkcs8().to_vec().into(),
            device_key: device_key.to_pkcs8().to_vec().into(),
            chain: chain(certificate, identity_certificate, &issuing_certificate),
            enrolled: false,
            devices: Some(with_device(identity, &self.server.fingerprint, before.as_ref(), listed)?),
        })
    }
}

/// A device's certificate with all that is above it, each by itself.
pub(crate) fn chain(device: Vec<u8>, identity: ByteVec, above: &[u8]) -> Vec<ByteVec> {
    let above = trust::split(above).into_iter().map(|der| der.to_vec().into());
    [device.into(), identity].into_iter().chain(above).collect()
}

/// What is to be proven to the inviter, if one stands in the link.
fn voucher(link: &InviteLink, room: Option<RoomName>) -> Option<Voucher> {
    let InviteLink { inviter, token, .. } = link;
    inviter.map(|inviter| Voucher::new(token.redeem_hash(), &VouchKey::of(token), inviter, room))
}

/// The list after `before`, with one more device.
fn with_device(
    identity: &IdentityKey,
    server: &ServerFingerprint,
    before: Option<&SignedDeviceList>,
    device: ListedDevice,
) -> Result<SignedDeviceList, ClientError> {
    let before = before.map(|signed| device_list::verify(identity.public_key(), server, signed)).transpose();
    let before = before.map_err(|error| bad_certificate(&format!("its log says otherwise: {error}")))?;
    let (version, mut devices) = before.map_or((0, Vec::new()), |list| (list.version, list.devices));
    devices.push(device);
    Ok(device_list::sign(identity, server, version.saturating_add(1), devices))
}

/// Makes the device known to the server, then notes in the vault that it is.
pub(crate) async fn enrol_device(
    door: &mut Door,
    mut vault: Vault,
    mut credentials: Credentials,
) -> Result<Profile, ClientError> {
    let chain = credentials.chain.clone();
    let list = credentials.devices.clone();
    match door.ask(Request::EnrolDevice(EnrolDevice { chain, list })).await? {
        Ok(Response::Done) => {}
        Ok(_) => return Err(unexpected()),
        Err(refusal) => return Err(refusal.into()),
    }
    credentials.enrolled = true;
    vault.apply(&Change::from_iter([Write::Credentials(Box::new(credentials.clone()))]))?;
    Ok(profile_of(&credentials))
}

/// What everybody may know about a profile.
pub(crate) fn profile_of(credentials: &Credentials) -> Profile {
    let chain = &credentials.chain;
    let anchor = TrustAnchor::from_root(&credentials.root).ok();
    let verified = anchor.and_then(|anchor| {
        let chain: Vec<&[u8]> = chain.iter().map(|certificate| certificate.as_slice()).collect();
        anchor.verify_device(&chain, Validity::Ignored).ok()
    });
    Profile {
        device: credentials.device,
        name: credentials.name.clone(),
        host: credentials.host.clone(),
        port: credentials.port,
        server: credentials.server,
        expires: verified.map_or(Timestamp(0), |member| member.expires()),
    }
}

pub(crate) fn server_of(credentials: &Credentials) -> Server {
    Server { host: credentials.host.clone(), port: credentials.port, fingerprint: credentials.server }
}

pub(crate) fn bad_certificate(why: &str) -> ClientError {
    ClientError::new(ErrorKind::Protocol, format!("the certificate that the server issued is refused: {why}"))
}

pub(crate) fn remove(files: &[PathBuf]) -> std::io::Result<()> {
    files.iter().try_for_each(|file| match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Whether the refusal tells of a fault, after which nobody knows what was stored.
pub(crate) fn is_about_the_server(refusal: &Refusal) -> bool {
    matches!(refusal.code, None | Some(RefusalCode::Storage | RefusalCode::Internal))
}
