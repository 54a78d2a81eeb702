//! Hello: which protocol version both speak, what the server is, and the nonce for a login.

use openchat_protocol::account::{Greeting, Hello};
use openchat_protocol::{PROTOCOL_VERSION, Refusal, RefusalCode};

use crate::requests::login::Nonce;
use crate::state::State;

/// The oldest protocol version that this build still speaks.
const OLDEST_VERSION: u16 = 1;

pub(crate) fn handle(state: &State, hello: &Hello) -> Result<(Greeting, Nonce), Refusal> {
    let version = agree(hello)?;
    let nonce = Nonce::generate(state.now())?;
    let greeting = Greeting {
        version,
        server: state.authority().fingerprint(),
        incarnation: state.store.incarnation(),
        time: state.now(),
        registration: state.registration,
        nonce: nonce.bytes().to_vec().into(),
        address: state.address.clone(),
        takes_back: state.takes_back_for().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    };
    Ok((greeting, nonce))
}

fn agree(hello: &Hello) -> Result<u16, Refusal> {
    let newest = hello.version.min(PROTOCOL_VERSION);
    if newest >= hello.oldest_version.max(OLDEST_VERSION) {
        return Ok(newest);
    }
    let older = if hello.version < OLDEST_VERSION { "client" } else { "server" };
    let detail = format!(
        "this server speaks protocol versions {OLDEST_VERSION} to {PROTOCOL_VERSION}, this client {} to {}: \
         the {older} has to be updated",
        hello.oldest_version, hello.version
    );
    Err(Refusal::new(RefusalCode::Version, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(oldest_version: u16, version: u16) -> Result<u16, String> {
        agree(&Hello { version, oldest_version }).map_err(|refusal| refusal.detail)
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(agreed(1, 1), Ok(1));
        assert_eq!(agreed(1, 7), Ok(1));
        assert_eq!(agreed(0, 1), Ok(1));
    }

    #[test]
    fn without_a_common_version_both_ranges_are_named_and_who_is_behind() {
        let newer = agreed(2, 3).unwrap_err();
        assert!(newer.contains("versions 1 to 1, this client 2 to 3: the server"), "{newer}");
        assert!(agreed(0, 0).unwrap_err().contains("the client has to be updated"));
        assert!(agreed(9, 1).is_err(), "a range that is none");
    }
}
