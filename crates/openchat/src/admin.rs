//! `openchat admin`: looking after the server of this machine.

mod authority;

use clap::Subcommand;

use crate::Context;
use crate::failure::Failure;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The keys that certify everybody on the server
    #[command(
        subcommand,
        after_help = "Example:\n  openchat admin authority show\n  \
                      openchat admin authority export /media/usb/root.pem\n  \
                      openchat admin authority remove-root /media/usb/root.pem"
    )]
    Authority(authority::Command),
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Authority(command) => authority::run(context, command).await,
    }
}
