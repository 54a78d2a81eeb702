//! Words on the screen: others' made harmless, Markdown read, everything wrapped to the cells there are.
//!
//! Right-to-left text keeps its logical order here and is measured like any other. Nothing is isolated: terminals that
//! reorder do it by line and in their own way, and an isolate would be a glyph or nothing in the others. What could
//! make them reorder the words of the program beside it, the explicit controls, is taken out by [`harmless()`].

mod code;
mod harmless;
mod laid;
mod markdown;
mod width;
mod wrap;

pub use code::CodeLook;
pub use harmless::{harmless, harmless_line};
pub use laid::{Laid, Layouts, MOST_ROWS, lay_out};
pub use markdown::{Look, Readers, render};
pub use width::{pad, truncate, width};
pub use wrap::{Margin, chop, wrap};
