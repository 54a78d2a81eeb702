//! `openchat whoami`: this profile, its device, its server.

use clap::Args;
use serde_json::json;

use crate::Context;
use crate::failure::Failure;
use crate::{output, session, text};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat whoami --json | jq -r .uid")]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, _) = session::open(context)?;
    let profile = client.profile().await;
    client.stop().await;
    let profile = profile?;
    if arguments.json {
        let value = json!({
            "name": profile.name.as_str(),
            "uid": profile.device.uid.to_string(),
            "device": profile.device.did.to_string(),
            "server": profile.server.to_string(),
            "host": profile.host,
            "port": profile.port,
            "certificate_expires": profile.expires.0,
        });
        output::line(format_args!("{value}"))?;
        return Ok(());
    }
    output::line(format_args!("name         {}", profile.name))?;
    output::line(format_args!("user         {}", profile.device.uid))?;
    output::line(format_args!("device       {}", profile.device.did))?;
    output::line(format_args!(
        "certificate  until {}, renewed by itself",
        text::day_and_clock(profile.expires)
    ))?;
    output::line(format_args!("server       {}:{}", profile.host, profile.port))?;
    output::line(format_args!("fingerprint  {}", profile.server))?;
    Ok(())
}
