//! The log as a whole: formats, proofs against a second implementation, and what a client notices of a bad server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "the logs of these tests are small")]

mod auditor;
mod forks;
mod formats;
mod proofs;
mod server;
mod trees;
