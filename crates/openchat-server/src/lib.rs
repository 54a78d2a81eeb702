//! The server: sessions, the order of each room's log, fan-out, limits. It stores and forwards what it cannot read.
//!
//! A [`Server`] is started with a [`Config`], an authority and a store, and steered through what that returns.

#[cfg(unix)]
pub mod admin;
mod bootstrap;
mod budget;
mod clock;
pub mod config;
mod connection;
mod doorbell;
mod fanout;
mod issuer;
mod key_log;
mod links;
mod listener;
mod listing;
mod live;
mod page;
mod rates;
mod reading;
mod requests;
mod restore;
mod server;
mod session;
mod signed_head;
mod state;
mod sweep;

pub use clock::Clock;
pub use config::{Config, ConfigError};
pub use key_log::KeyLogError;
pub use server::{Running, Server, StartError};
