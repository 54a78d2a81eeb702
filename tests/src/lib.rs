//! Whole-system stories: the real binary, real TLS, real databases, each in a folder of its own.

pub mod bad_authority;
pub mod binary;
pub mod chat;
pub mod evil_server;
pub mod lines;
pub mod python;
pub mod recorder;
pub mod server;
pub mod svg;
pub mod terminal;

pub use binary::{Openchat, Outcome};
pub use chat::Chat;
pub use evil_server::{EvilServer, Misdeed};
pub use recorder::Recorder;
pub use server::{ServerProcess, free_address, people};
pub use terminal::Terminal;
