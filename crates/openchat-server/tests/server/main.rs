//! The server as its clients meet it: real TLS on loopback, frames made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod account;
#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod authority;
mod flood;
mod garbage;
mod give_back;
mod joining;
mod key_log;
mod key_packages;
mod large_answers;
mod lifecycle;
mod linking;
mod login;
mod mls;
mod removal;
mod renewal;
mod room;
mod rooms_over;
mod slow_reader;
mod two;
mod wire;
mod world;
