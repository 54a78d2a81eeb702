//! Two or three engines with real vaults, a fake server, and a clock that is told the time.

mod astray;
mod devices;
mod evil;
mod key_log;
mod lost;
mod renewal;
mod resets;
mod restored;
mod server;
mod stories;
mod trouble;
mod verification;
mod world;
