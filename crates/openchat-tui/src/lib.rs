//! The full-screen client: the model of what is on the screen, how it is drawn, and the loop that joins both to the client.
//!
//! [`run()`] takes the terminal and gives it back. Between the two, [`app::App`] decides (input and events in, effects
//! out, no I/O), [`view`] draws it, and `runtime` carries effects out. The screen holds no keys and never waits for
//! network or disk.

pub mod app;
pub mod clipboard;
pub mod commands;
mod editor;
pub mod effect;
pub mod keymap;
pub mod notify;
mod opening;
pub mod passage;
pub mod phrases;
pub mod qr;
mod runtime;
mod saving;
pub mod settings;
mod terminal;
pub mod theme;
pub mod view;
pub mod words;

pub use opening::{make_lobby, remember_host};
pub use runtime::{Door, Host, Hosted, Resumed, ScreenError, Setup, run};
pub use saving::{SaveError, save};
