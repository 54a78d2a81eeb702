//! A reset: a new identity asks for the name of an account of which nothing is left, and takes it when the time has come.

use std::path::Path;

use openchat_identity::{IdentityKey, InviteLink, KeyFolder, Password};
use openchat_protocol::UserName;
use openchat_protocol::reset::{ResetPhase, ResetState};

use crate::connection::Server;
use crate::door::Door;
use crate::enrol::{Enrolled, Enrolment, Origin, in_thread, is_about_the_server, remove};
use crate::error::{ClientError, ErrorKind};
use crate::event::Profile;
use crate::folder::ProfileFolder;
use crate::vault::Vault;

/// How far a reset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// The name is not this key's yet.
    Waits(ResetState),
    /// It is, and this is the profile.
    Done(Box<Profile>),
}

/// Asks for the name that `link` is for, with a new key that is kept in `folder`; the same again says how far that is, and
/// makes the profile when the name can be taken. Blocks for as long as it takes; may be called from anywhere.
pub fn reset(folder: &Path, link: &InviteLink, password: &Password) -> Result<Reset, ClientError> {
    let server = Server { host: link.host.clone(), port: link.port, fingerprint: link.server };
    let folder = ProfileFolder::lock(folder)?;
    if Vault::exists(folder.path()) {
        // Only whoever has the name has a vault: enrolling goes on, or says that it is done.
        let name = Vault::open(folder.path(), password)?.credentials()?.name.clone();
        return take(folder, server, &name, password);
    }
    let state = in_thread(ask(&folder, server.clone(), link, password))?;
    match state.phase {
        ResetPhase::Due => take(folder, server, &state.name, password),
        _ => Ok(Reset::Waits(state)),
    }
}

fn take(
    folder: ProfileFolder,
    server: Server,
    name: &UserName,
    password: &Password,
) -> Result<Reset, ClientError> {
    let enrolment = Enrolment { folder, server, name, password, origin: Origin::Reset };
    let Enrolled { profile, .. } = in_thread(enrolment.run())?;
    Ok(Reset::Done(Box::new(profile)))
}

async fn ask(
    folder: &ProfileFolder,
    server: Server,
    link: &InviteLink,
    password: &Password,
) -> Result<ResetState, ClientError> {
    let keys = KeyFolder::new(folder.path());
    let mut door = Door::open(server).await?;
    let had = keys.exists();
    let identity = identity(&keys, password)?;
    match door.ask_reset(&identity, link).await? {
        Ok(state) => Ok(state),
        Err(refusal) => {
            if !had && !is_about_the_server(&refusal) {
                // The server has heard of this key and does not want it: nobody needs it.
                let _ = remove(&[keys.private_path(), keys.public_path()]);
            }
            Err(refusal.into())
        }
    }
}

/// The key of an earlier time, or a new one, on disk before the server hears of it.
fn identity(keys: &KeyFolder, password: &Password) -> Result<IdentityKey, ClientError> {
    if keys.exists() {
        return keys.read(password).map_err(|error| match error.is_wrong_password() {
            true => ClientError::new(
                ErrorKind::WrongPassword,
                "this is not the password of the key that has asked",
            ),
            false => crate::folder::key_error(&error),
        });
    }
    let identity = IdentityKey::generate();
    keys.create(&identity, password).map_err(|error| crate::folder::key_error(&error))?;
    Ok(identity)
}
