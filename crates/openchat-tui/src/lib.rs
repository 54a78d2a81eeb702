//! The full-screen client.

pub mod clipboard;
pub mod notify;
pub mod passage;
pub mod qr;
pub mod words;
