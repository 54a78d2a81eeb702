//! `openchat admin reset`: a name for a new key of somebody who has lost everything.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use openchat_identity::InviteLink;
use openchat_protocol::UserName;
use openchat_server::admin::ResetLine;
use serde_json::json;

use super::{Which, accounts};
use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{output, serve, text};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The account
    name: UserName,
    /// Decide for the new key, after the owner has objected
    #[arg(long, conflicts_with = "deny")]
    approve: bool,
    /// Decide against the new key
    #[arg(long)]
    deny: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { which, name, approve, deny } = arguments;
    let mut admin = accounts::connect(context, which).await?;
    if approve || deny {
        admin.decide_reset(name.clone(), approve).await?;
        return output::line(match approve {
            true => format!("{name} goes to the new key when the time is over; that is in the log of keys"),
            false => format!("{name} stays where it is; that is in the log of keys"),
        });
    }
    let link = reachable(&admin.offer_reset(name.clone()).await?)?;
    output::tell(format_args!(
        "Whoever uses this link within 7 days asks for the name {name}, once. Be sure that it is {name}:"
    ));
    output::line(format_args!("{link}"))?;
    output::tell("On the new machine: openchat recovery reset 'LINK'");
    Ok(())
}

/// A server that listens on every address of the machine does not know by which one others come.
fn reachable(link: &str) -> Result<InviteLink, Failure> {
    let mut link: InviteLink = link.parse().map_err(|error| Failure::new(Kind::Internal, error))?;
    if let Ok(ip) = link.host.parse::<IpAddr>() {
        (link.host, link.port) = serve::advertised(None, SocketAddr::new(ip, link.port));
    }
    Ok(link)
}

pub(super) fn as_json(line: &ResetLine) -> serde_json::Value {
    let ResetLine { name, uid, until, objected, approved } = line;
    json!({
        "name": name.as_str(),
        "uid": uid.to_string(),
        "until": until.0,
        "objected": objected,
        "approved": approved,
    })
}

pub(super) fn tell(line: &ResetLine) -> Result<(), Failure> {
    let ResetLine { name, uid, until, objected, approved } = line;
    let until = text::day_and_clock(*until);
    output::line(match (objected, approved) {
        (true, false) => format!(
            "  reset        {name} by {uid}: THE OWNER OBJECTS; decide with `openchat admin reset {name}`"
        ),
        _ => format!("  reset        {name} goes to {uid} from {until} on"),
    })
}
