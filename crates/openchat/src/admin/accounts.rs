//! `openchat admin status`, `accounts`, `disable`, `enable` and `revoke`: asking the server that runs, by its socket.

use std::time::Duration;

use clap::Args;
use openchat_protocol::{DeviceId, UserName};
use openchat_server::admin::{AccountLine, Admin, DeviceLine, Status};
use serde_json::json;

use super::Which;
use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{output, text};

#[derive(Args)]
pub(crate) struct Shown {
    #[command(flatten)]
    which: Which,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Account {
    #[command(flatten)]
    which: Which,
    /// Its name
    name: UserName,
}

#[derive(Args)]
pub(crate) struct Device {
    #[command(flatten)]
    which: Which,
    /// Whose it is
    name: UserName,
    /// The beginning of its identifier, as `accounts` shows it
    device: String,
}

pub(super) async fn connect(context: &Context, which: Which) -> Result<Admin, Failure> {
    Ok(Admin::connect(&which.config(context)?.data_dir).await?)
}

pub(crate) async fn status(context: &Context, arguments: Shown) -> Result<(), Failure> {
    let status = connect(context, arguments.which).await?.status().await?;
    let Status { version, uptime, strangers, connections, accounts, rooms, records, resets } = status;
    if arguments.json {
        return output::line(json!({
            "version": version,
            "uptime_seconds": uptime,
            "strangers": strangers,
            "connections": connections,
            "accounts": accounts,
            "rooms": rooms,
            "records": records,
            "resets": resets.iter().map(super::reset::as_json).collect::<Vec<_>>(),
        }));
    }
    let hours = Duration::from_secs(uptime).as_secs() / 3600;
    output::line(format_args!("OpenChat {version}, up for {hours} h {} min", uptime / 60 % 60))?;
    output::line(format_args!("  connections  {connections} logged in, {strangers} not"))?;
    output::line(format_args!("  accounts     {accounts}"))?;
    output::line(format_args!("  rooms        {rooms}, with {records} records"))?;
    resets.iter().try_for_each(super::reset::tell)
}

pub(crate) async fn accounts(context: &Context, arguments: Shown) -> Result<(), Failure> {
    let accounts = connect(context, arguments.which).await?.accounts().await?;
    accounts.iter().try_for_each(|account| match arguments.json {
        true => output::line(as_json(account)),
        false => tell(account),
    })
}

fn as_json(account: &AccountLine) -> serde_json::Value {
    let AccountLine { name, uid, disabled, created, devices } = account;
    let device = |device: &DeviceLine| json!({ "device": device.did.to_string(), "revoked": device.revoked, "last_seen": device.last_seen.0 });
    json!({
        "name": name.as_str(),
        "uid": uid.to_string(),
        "disabled": disabled,
        "created": created.0,
        "devices": devices.iter().map(device).collect::<Vec<_>>(),
    })
}

fn tell(account: &AccountLine) -> Result<(), Failure> {
    let AccountLine { name, uid, disabled, created, devices } = account;
    let disabled = if *disabled { ", disabled" } else { "" };
    output::line(format_args!("{name}  {uid}, since {}{disabled}", text::day_and_clock(*created)))?;
    devices.iter().try_for_each(|DeviceLine { did, revoked, last_seen }| {
        let revoked = if *revoked { ", revoked" } else { "" };
        output::line(format_args!("  device {did}, last seen {}{revoked}", text::day_and_clock(*last_seen)))
    })
}

pub(crate) async fn set_disabled(
    context: &Context,
    arguments: Account,
    disabled: bool,
) -> Result<(), Failure> {
    let Account { which, name } = arguments;
    connect(context, which).await?.set_disabled(name.clone(), disabled).await?;
    output::line(match disabled {
        true => format!("{name} is out, and cannot log in: openchat admin enable {name} undoes it"),
        false => format!("{name} can log in again"),
    })
}

pub(crate) async fn revoke(context: &Context, arguments: Device) -> Result<(), Failure> {
    let Device { which, name, device } = arguments;
    let mut admin = connect(context, which).await?;
    let accounts = admin.accounts().await?;
    let account = accounts.iter().find(|account| account.name == name);
    let account = account.ok_or_else(|| unknown(format!("there is no account {name} here")))?;
    let begins = device.to_ascii_lowercase();
    let fits = |it: &&DeviceLine| !begins.is_empty() && it.did.to_string().starts_with(&begins);
    let mut found = account.devices.iter().filter(fits);
    let did = match (found.next(), found.next()) {
        (Some(device), None) => device.did,
        (None, _) => return Err(unknown(format!("{name} has no device that begins with {device}"))),
        _ => return Err(unknown(format!("{name} has several devices that begin with {device}"))),
    };
    admin.revoke_device(DeviceId { uid: account.uid, did }).await?;
    output::line(format_args!("The device {did} of {name} is out, for good"))
}

fn unknown(what: String) -> Failure {
    Failure::new(Kind::NotFound, what).help("openchat admin accounts")
}
