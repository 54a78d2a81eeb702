//! `openchat admin`: looking after the server of this machine.

mod accounts;
mod authority;
mod reset;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use openchat_server::Config;

use crate::Context;
use crate::failure::Failure;
use crate::serve;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// How the server that runs is
    #[command(after_help = "Example:\n  openchat admin status --json")]
    Status(accounts::Shown),
    /// List the accounts with their devices
    #[command(after_help = "Example:\n  openchat admin accounts")]
    Accounts(accounts::Shown),
    /// Put an account out, until it is enabled again
    #[command(after_help = "Example:\n  openchat admin disable mallory")]
    Disable(accounts::Account),
    /// Let an account in again
    #[command(after_help = "Example:\n  openchat admin enable mallory")]
    Enable(accounts::Account),
    /// Put a device out, for good
    #[command(after_help = "Example:\n  openchat admin revoke alice 4zq7")]
    Revoke(accounts::Device),
    /// Let somebody who has lost everything have the name again with a new key, after 72 hours
    #[command(
        after_help = "Example:\n  openchat admin reset alice             prints a link: give it to Alice, and to nobody else\n  \
                            openchat admin reset alice --deny      or --approve, after an objection"
    )]
    Reset(reset::Arguments),
    /// The keys that certify everybody on the server
    #[command(
        subcommand,
        after_help = "Example:\n  openchat admin authority show\n  \
                      openchat admin authority export /media/usb/root.pem\n  \
                      openchat admin authority remove-root /media/usb/root.pem"
    )]
    Authority(authority::Command),
}

/// Which server of this machine.
#[derive(Args)]
struct Which {
    /// The server's configuration file [default: server.toml in the server's folder, if there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    fn config(self, context: &Context) -> Result<Config, Failure> {
        serve::place(context, self.config)
    }
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(arguments) => accounts::status(context, arguments).await,
        Command::Accounts(arguments) => accounts::accounts(context, arguments).await,
        Command::Disable(arguments) => accounts::set_disabled(context, arguments, true).await,
        Command::Enable(arguments) => accounts::set_disabled(context, arguments, false).await,
        Command::Revoke(arguments) => accounts::revoke(context, arguments).await,
        Command::Reset(arguments) => reset::run(context, arguments).await,
        Command::Authority(command) => authority::run(context, command).await,
    }
}
