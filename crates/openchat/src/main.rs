//! The binary: it reads the command line and calls one file per subcommand.

mod admin;
mod advice;
mod ask;
mod chat;
mod demo;
mod devices;
mod failure;
mod folders;
mod invite;
mod join;
mod key;
mod link;
mod log;
mod output;
mod recovery;
mod rooms;
mod screen;
mod seal;
mod send;
mod serve;
mod session;
mod tail;
mod terminal;
mod text;
mod up;
mod welcome;
mod whoami;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, Kind};
use crate::folders::Folders;

/// End-to-end encrypted group chat in the terminal, on your own server.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = FIRST_STEPS)]
struct Arguments {
    /// Keep all data here instead of in $XDG_DATA_HOME/openchat
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which of your identities to use
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_PROFILE, env = "OPENCHAT_PROFILE")]
    profile: String,
    /// Take the password from the first line of this file instead of asking
    #[arg(long, global = true, value_name = "FILE", env = "OPENCHAT_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Whose name need not be given.
const DEFAULT_PROFILE: &str = "default";

const FIRST_STEPS: &str = "\
Example, the first steps:
  openchat               the full screen: host, join, chat
  openchat demo          see it work, with a real server and three people
  openchat up            host a server and chat on it
  openchat join 'LINK'   come in by an invite

Exit codes: 0 done, 1 internal fault, 2 wrong usage, 3 not found, 4 refused, 5 wrong password, 6 damaged or exposed
file, 7 network, 8 another server than pinned, 9 disk, 10 in use, 11 signature or token invalid";

#[derive(Subcommand)]
enum Command {
    /// Host a server and chat on it, all in one
    Up(up::Arguments),
    /// Run the server alone
    Serve(serve::Arguments),
    /// Make a link that lets someone in
    Invite(invite::Arguments),
    /// Make an account with an invite link, or a device with a device's link, then chat
    Join(join::Arguments),
    /// Make a link by which another machine becomes a device of yours
    Link(link::Arguments),
    /// List your devices, or put one out
    Devices(devices::Arguments),
    /// Chat, line by line
    Chat(chat::Arguments),
    /// List the rooms on the server
    Rooms(rooms::Arguments),
    /// Say one thing in a room
    Send(send::Arguments),
    /// Print what is said in a room
    Tail(tail::Arguments),
    /// Make and use key files
    #[command(
        subcommand,
        after_help = "Example:\n  openchat key new --dir ~/keys\n  openchat key sign report.pdf --dir ~/keys"
    )]
    Key(key::Command),
    /// Check a server's log of keys, from outside
    #[command(subcommand, after_help = "Example:\n  openchat log audit 'LINK'")]
    Log(log::Command),
    /// Encrypt standard input for the members of a room (Fernet)
    Seal(seal::SealArguments),
    /// Decrypt what a member of the room has sealed
    Open(seal::OpenArguments),
    /// Print the Fernet key of a room, after an explicit yes
    RoomKey(seal::KeyArguments),
    /// Look after the server of this machine
    #[command(subcommand, after_help = "Example:\n  openchat admin status\n  openchat admin authority show")]
    Admin(admin::Command),
    /// Prepare for the loss of this machine, and come back after it
    #[command(
        subcommand,
        after_help = "Example:\n  openchat recovery make alice.kit\n  openchat recovery restore alice.kit"
    )]
    Recovery(recovery::Command),
    /// Who this profile is, and on which server
    Whoami(whoami::Arguments),
    /// Show the whole thing: a real server, three people, a crash
    #[command(after_help = "Example:\n  openchat demo\n\nIt needs no network, and removes all that it made.")]
    Demo,
}

/// What every subcommand gets.
#[derive(Clone)]
struct Context {
    folders: Folders,
    password_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Failing here only means that a crash might write keys to a core file: worth a line, not worth stopping.
    if openchat_identity::hardening::forbid_core_dumps().is_err() {
        output::tell("openchat: core dumps could not be forbidden on this system");
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.kind() == Kind::Closed => ExitCode::SUCCESS,
        Err(failure) => {
            output::tell(&failure);
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let folders = Folders::find(arguments.data, arguments.profile)?;
    let context = Context { folders, password_file: arguments.password_file };
    // Keys and signatures need no runtime; everything else talks to a socket.
    let command = match arguments.command {
        None if !screen::is_possible() => return welcome::run(&context),
        Some(Command::Key(command)) => return key::run(&context, command),
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::Internal, format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        match command {
            None => screen::open(&context).await,
            Some(command) => dispatch(&context, command).await,
        }
    })
}

async fn dispatch(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(arguments) => up::run(context, arguments).await,
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Invite(arguments) => invite::run(context, arguments).await,
        Command::Join(arguments) => join::run(context, arguments).await,
        Command::Link(arguments) => link::run(context, arguments).await,
        Command::Devices(arguments) => devices::run(context, arguments).await,
        Command::Chat(arguments) => chat::run(context, arguments).await,
        Command::Rooms(arguments) => rooms::run(context, arguments).await,
        Command::Send(arguments) => send::run(context, arguments).await,
        Command::Tail(arguments) => tail::run(context, arguments).await,
        Command::Key(command) => key::run(context, command),
        Command::Log(command) => log::run(command).await,
        Command::Admin(command) => admin::run(context, command).await,
        Command::Recovery(command) => recovery::run(context, command).await,
        Command::Seal(arguments) => seal::seal(context, arguments).await,
        Command::Open(arguments) => seal::open(context, arguments).await,
        Command::RoomKey(arguments) => seal::key(context, arguments).await,
        Command::Whoami(arguments) => whoami::run(context, arguments).await,
        Command::Demo => demo::run().await,
    }
}
